//! Volumes: what the flags make of a request, and what is printed.
use super::{
    Run, cli, run_error,
    scripted::{Answer, Server},
    transcript,
};
use serde_json::Value;

const VOLUME: &str = "bf69aeafa08d37faeca69586e6768dcc";

async fn with_volume() -> Server {
    let volume = transcript(&format!("--json volume info {VOLUME}")).stdout;
    Server::start(move |request| match request.path.as_str() {
        "/volumes" if request.method == "POST" => Answer::accepted(),
        path if path.ends_with("/expand") => Answer::accepted(),
        path if path.starts_with("/queue/") => Answer::see_other(&format!("/volumes/{VOLUME}")),
        _ => Answer::json(&volume),
    })
    .await
}

#[tokio::test]
async fn creating_volumes() {
    let durability = r#""durability":{"type":"replicate","replicate":{"replica":3},"disperse":{"data":4,"redundancy":2}}"#;
    let plain =
        format!(r#"{{"size":10,"name":"",{durability},"snapshot":{{"enable":false,"factor":0}}}}"#);
    let full = r#"{"size":3,"clusters":["a","b","c"],"name":"n","durability":{"type":"disperse","replicate":{"replica":2},"disperse":{"data":8,"redundancy":3}},"gid":7,"glustervolumeoptions":["x y","z 1"],"block":true,"snapshot":{"enable":true,"factor":1.5}}"#;
    let table: [(&[&str], &str); 3] = [
        (&["--size=10", "--replica=3"], &plain),
        (&["--size", "10", "--snapshot-factor=1.0"], &plain),
        (
            &[
                "--size=3",
                "--name=n",
                "--clusters=a,b",
                "--clusters=c",
                "--durability=disperse",
                "--replica=2",
                "--disperse-data=8",
                "--redundancy=3",
                "--gid=7",
                "--gluster-volume-options=x y,z 1",
                "--block",
                "--snapshot-factor=1.5",
            ],
            full,
        ),
    ];
    for (words, body) in table {
        let server = with_volume().await;
        let run = cli(&server, &[&["volume", "create"], words].concat()).await;
        assert_eq!(run, Run::ok(&transcript("volume create --size=10 --replica=3").stdout));
        assert_eq!(server.lines()[0], format!("POST /volumes {body}"));
    }
}

#[tokio::test]
async fn the_server_judges_odd_numbers() {
    let recorded = transcript("volume create --size=-1");
    let text = recorded.stderr.trim_start_matches("Error: ").to_owned();
    let server = Server::start(move |_| Answer::new(400, &text)).await;
    for words in
        [["volume", "create", "--size=-1"].as_slice(), &["volume", "create", "--size", "-1"]]
    {
        let run = cli(&server, words).await;
        assert_eq!((run.code, run.err.as_str()), (255, recorded.stderr.as_str()));
    }
}

#[tokio::test]
async fn expanding_volumes() {
    for words in [
        format!("volume expand --volume={VOLUME} --expand-size=5"),
        format!("volume expand {VOLUME} --expand-size 5"),
    ] {
        let server = with_volume().await;
        assert_eq!(cli(&server, &words.split(' ').collect::<Vec<_>>()).await.code, 0);
        assert_eq!(
            server.lines()[0],
            format!(r#"POST /volumes/{VOLUME}/expand {{"expand_size":5}}"#)
        );
    }
    assert_eq!(run_error("volume expand").await, "Error: Missing volume amount to expand\n");
    assert_eq!(run_error("volume expand --expand-size=1").await, "Error: Missing volume id\n");
}

#[tokio::test]
async fn cloning_volumes() {
    let recorded = transcript(&format!("volume clone {VOLUME} --name=copy"));
    let mut clone: Value =
        serde_json::from_str(&transcript(&format!("--json volume info {VOLUME}")).stdout).unwrap();
    // What the recorded clone differs in: its parent had grown by then, and so had its bricks.
    clone["id"] = "c40f13ccef9ebd9258bafef49b4e6fae".into();
    clone["name"] = "copy".into();
    clone["size"] = 15.into();
    clone["mount"]["glusterfs"]["device"] = "10.30.0.2:copy".into();
    let bricks = clone["bricks"].as_array().unwrap().clone();
    clone["bricks"] = bricks.iter().chain(&bricks).take(6).cloned().collect();
    let clone = clone.to_string();
    let answer = clone.clone();
    let server = Server::start(move |request| match request.path.as_str() {
        path if path.ends_with("/clone") => Answer::accepted(),
        path if path.starts_with("/queue/") => {
            Answer::see_other("/volumes/c40f13ccef9ebd9258bafef49b4e6fae")
        }
        _ => Answer::json(&answer),
    })
    .await;
    let words: Vec<&str> = recorded.argv[1..].iter().map(String::as_str).collect();
    assert_eq!(cli(&server, &words).await, Run::ok(&recorded.stdout));
    let run = cli(&server, &["--json", "volume", "clone", VOLUME]).await;
    assert_eq!(run, Run::ok(&clone));
    let asked: Vec<String> = server.lines().into_iter().filter(|l| l.starts_with("POST")).collect();
    let path = format!("POST /volumes/{VOLUME}/clone");
    assert_eq!(asked, [format!(r#"{path} {{"name":"copy"}}"#), format!("{path} {{}}")]);
    assert_eq!(run_error("volume clone").await, "Error: Volume id missing\n");
    let refused =
        Server::start(|_| Answer::new(500, "Cloning of block hosting volumes is not supported\n"))
            .await;
    let run = cli(&refused, &["volume", "clone", VOLUME]).await;
    assert_eq!(run, Run::error("Cloning of block hosting volumes is not supported"));
}

#[tokio::test]
async fn persistent_volumes() {
    let recorded = transcript(
        "volume create --size=1 --persistent-volume \
         --persistent-volume-endpoint=heketi-storage-endpoints",
    );
    let expected = recorded
        .stdout
        .replace("d4a8480a044f13b6daab1f3f12fa6548", VOLUME)
        .replace("d4a8480a", "bf69aeaf")
        .replace("1Gi", "10Gi");
    let server = with_volume().await;
    let words: Vec<&str> = recorded.argv[1..].iter().map(String::as_str).collect();
    assert_eq!(cli(&server, &words).await, Run::ok(&expected));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pv.json");
    let flag = format!("--persistent-volume-file={}", file.display());
    assert_eq!(cli(&server, &["volume", "create", "--size=10", &flag]).await, Run::ok(""));
    let written = std::fs::read_to_string(&file).unwrap();
    assert_eq!(written, expected.replace("heketi-storage-endpoints", "TYPE ENDPOINT HERE"));
    let flag = "--persistent-volume-file=/nowhere/pv.json";
    let run = cli(&server, &["volume", "create", "--size=10", flag]).await;
    assert!(run.err.contains(&format!("volume {VOLUME} is created, but")), "{}", run.err);
}

#[tokio::test]
async fn a_volume_that_goes_while_listing_is_left_out() {
    let volume = transcript(&format!("--json volume info {VOLUME}")).stdout;
    let list = format!(r#"{{"volumes":["844d9338c7b106e816610e19e4332dbe","{VOLUME}"]}}"#);
    let server =
        Server::of([Answer::json(&list), Answer::not_found(), Answer::json(&volume)]).await;
    let run = cli(&server, &["volume", "list"]).await;
    let line = transcript("volume list").stdout.lines().nth(1).unwrap().to_owned() + "\n";
    assert_eq!(run, Run::ok(&line));
}

#[tokio::test]
async fn percent_signs_and_angles_survive_json() {
    let volume = transcript(&format!("--json volume info {VOLUME}")).stdout;
    let odd = volume.replace(r#"["",""]"#, r#"["100%d \u003cx\u0026y\u003e",""]"#);
    assert_ne!(odd, volume);
    let answer = odd.clone();
    let server = Server::start(move |_| Answer::json(&answer)).await;
    assert_eq!(cli(&server, &["volume", "info", VOLUME, "--json"]).await, Run::ok(&odd));
}
