//! What gluster is told, and what it answers.
use super::*;

fn brick(n: u8) -> BrickAddress {
    BrickAddress { host: format!("10.0.0.{n}").parse().unwrap(), path: format!("/b/{n}") }
}
fn volume(durability: Durability, bricks: u8) -> NewVolume {
    NewVolume {
        id: "0123456789abcdef0123456789abcdef".parse().unwrap(),
        name: "v".parse().unwrap(),
        durability,
        arbiter: false,
        bricks: (1..=bricks).map(brick).collect(),
        options: ["", "performance.cache-size  1GB", "group gluster-block"]
            .map(|o| VolumeOption::try_from(o.to_owned()).unwrap())
            .to_vec(),
    }
}
fn ran(stdout: &str) -> Ran {
    Ran { status: Some(0), stdout: stdout.into(), stderr: String::new() }
}

#[test]
fn a_volume_is_made_in_one_session() {
    let made = create(&Tools::default(), &volume(Durability::Replicate { replica: 3 }, 6));
    let [cmd] = made.as_slice() else { panic!("{made:?}") };
    assert_eq!(cmd.argv, ["gluster", "--mode=script", "--timeout=600"]);
    assert_eq!(
        cmd.stdin,
        [
            "volume create v replica 3 10.0.0.1:/b/1 10.0.0.2:/b/2 10.0.0.3:/b/3",
            "volume add-brick v 10.0.0.4:/b/4 10.0.0.5:/b/5 10.0.0.6:/b/6",
            "volume set v performance.cache-size 1GB",
            "volume set v group gluster-block",
            "volume set v user.heketi.id 0123456789abcdef0123456789abcdef",
            "volume start v",
        ]
    );
}
/// Otherwise the rest of the line would be run as a command.
#[test]
fn a_line_that_a_session_would_cut_is_a_command_of_its_own() {
    let mut long = volume(Durability::None, 1);
    let option = format!("user.x {} volume delete other", "y".repeat(1100));
    long.options = vec![VolumeOption::try_from(option).unwrap()];
    let made = create(&Tools::default(), &long);
    assert!(made.len() == 4 && made.iter().all(|cmd| cmd.stdin.is_empty()), "{made:?}");
    let set: Vec<&str> = made[1].argv[3..].iter().map(String::as_str).collect();
    assert_eq!(set[..4], ["volume", "set", "v", "user.x"]);
    assert_eq!(set[5..], ["volume", "delete", "other"], "values, and no command");
}
#[test]
fn kinds_of_volume() {
    let first = |v: &NewVolume| create(&Tools::default(), v)[0].stdin[0].clone();
    let none = volume(Durability::None, 1);
    assert_eq!(first(&none), "volume create v 10.0.0.1:/b/1");
    let disperse = volume(Durability::Disperse { data: 2, redundancy: 1 }, 3);
    assert!(first(&disperse).starts_with("volume create v disperse-data 2 redundancy 1 10."));
    let arbiter = NewVolume { arbiter: true, ..volume(Durability::Replicate { replica: 3 }, 3) };
    assert!(first(&arbiter).starts_with("volume create v replica 3 arbiter 1 10."));
}
#[test]
fn what_a_cut_off_run_left_is_completed() {
    let new = volume(Durability::None, 3);
    let found = VolumeState { bricks: vec![brick(1).to_string()], ..VolumeState::default() };
    let lines = complete(&Tools::default(), &new, &found).remove(0).stdin;
    assert_eq!(lines[0], "volume add-brick v 10.0.0.2:/b/2 10.0.0.3:/b/3");
    assert_eq!(lines.last().unwrap(), "volume start v");
}
#[test]
fn volume_info_is_read() {
    let xml = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/>
<volInfo><volumes><volume><name>v</name><id>x</id><status>1</status><statusStr>Started</statusStr>
<bricks><brick uuid="a">10.0.0.1:/b/1<name>10.0.0.1:/b/1</name><hostUuid>a</hostUuid></brick>
<brick uuid="b">10.0.0.2:/b/2<name>10.0.0.2:/b/2</name><hostUuid>b</hostUuid></brick></bricks>
<optCount>1</optCount><options><option><name>user.heketi.id</name>
<value>0123456789abcdef0123456789abcdef</value></option></options>
</volume><count>1</count></volumes></volInfo></cliOutput>"#;
    let state = VolumeState::read(&ran(xml)).unwrap().unwrap();
    assert!(state.started && state.has(&brick(2)) && !state.has(&brick(3)));
    assert!(state.is(volume(Durability::None, 1).id, &[]));
    assert!(!state.is(VolumeId::random(), &[brick(1)]), "the option decides");
}
#[test]
fn failures_are_read_before_anything_else() {
    let fail = |text: &str| {
        format!(
            "<cliOutput><opRet>-1</opRet><opErrno>30806</opErrno><opErrstr>{text}</opErrstr></cliOutput>"
        )
    };
    let gone = ran(&fail("Volume v does not exist"));
    assert_eq!(VolumeState::read(&gone), Ok(None));
    assert_eq!(snapshot_count(&gone), Ok(0));
    let other = ran(&fail("Another transaction is in progress"));
    assert!(VolumeState::read(&other).is_err() && snapshot_count(&other).is_err());
    let words = Ran { status: Some(1), stderr: "Connection failed.".into(), ..Ran::default() };
    assert_eq!(VolumeState::read(&words), Err(BadAnswer("Connection failed.".into())));
    assert!(VolumeState::read(&ran("<cliOutput><opRet>0</opRet")).is_err());
}
#[test]
fn snapshots_are_counted() {
    let xml = "<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/>\
               <snapList><count>2</count><snapshot>a</snapshot><snapshot>b</snapshot></snapList></cliOutput>";
    assert_eq!(snapshot_count(&ran(xml)), Ok(2));
}
#[test]
fn peers_are_found_in_the_listing() {
    let listing = "UUID\t\t\t\t\tHostname     \tState\nab-1\t192.168.77.12\tConnected \nab-2\tlocalhost    \tConnected \n";
    assert!(lists_peer(listing, &"192.168.77.12".parse().unwrap()));
    assert!(peers_away(listing).is_empty());
    assert_eq!(peers_away(&listing.replacen("Connected", "Disconnected", 1)), ["192.168.77.12"]);
    assert!(!lists_peer(listing, &"192.168.77.1".parse().unwrap()));
}
/// Who has taken in the others is listed by them as name service calls it.
#[test]
fn a_peer_may_be_listed_by_another_name() {
    let host = |name: &str| name.parse::<Hostname>().unwrap();
    let listing = "UUID\t\t\t\t\tHostname     \tState\nab-1\tnode1        \tConnected \n\
                   ab-2\t192.168.77.12\tConnected \nab-3\tlocalhost    \tConnected \n";
    let (dead, others) = (host("192.168.77.11"), [host("192.168.77.12"), host("192.168.77.13")]);
    assert_eq!(own_uuid(listing), Some("ab-3"));
    let stranger = Peer { uuid: "ab-1", name: "node1", connected: true };
    assert_eq!(strangers(listing, &others), [stranger]);
    assert!(!is_noticed(listing, &dead, &others), "node1 may be it");
    assert!(!is_noticed(listing, &dead, &[]));
    assert!(is_noticed(&listing.replacen("Connected", "Disconnected", 1), &dead, &others));
    assert!(is_noticed(&listing.replace("node1", "192.168.77.13"), &dead, &others), "it is gone");
    // By its name, whatever else is there.
    let named = listing.replace("node1", "192.168.77.11").replace("ab-2\t192.168.77.12", "ab-2\tx");
    assert!(!is_noticed(&named, &dead, &others));
    assert!(is_noticed(&named.replacen("Connected", "Disconnected", 1), &dead, &others));
}
