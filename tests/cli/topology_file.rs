//! Files that `topology load` refuses, and where it says they are wrong.
use brickyard::{api::topology::DeviceEntry, cli::topology};
use std::io::Write;

fn read(text: &str) -> Result<brickyard::api::topology::TopologyFile, String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    topology::read(file.path()).map_err(|e| {
        let text = e.to_string();
        let name = format!(" ({})", file.path().display());
        let text = text.strip_suffix(&name).expect("the file is named");
        text.strip_prefix("Unable to parse config file: ").expect("the prefix").to_owned()
    })
}

/// One node of one cluster, with these members.
fn node(zone: &str, manage: &str, storage: &str, devices: &str) -> String {
    format!(
        r#"{{"node":{{"zone":{zone},"hostnames":{{"manage":{manage},"storage":{storage}}}}},"devices":{devices}}}"#
    )
}

fn file(nodes: &[String]) -> String {
    format!(r#"{{"clusters":[{{"nodes":[{}]}}]}}"#, nodes.join(","))
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let good = node("1", r#"["a"]"#, r#"["b"]"#, r#"["/dev/sdb"]"#);
    let one = |zone, manage, storage, devices| {
        file(&[good.clone(), node(zone, manage, storage, devices)])
    };
    let a = r#"["c"]"#;
    let table = [
        (one("0", a, a, "[]"), "zone: must be at least 1"),
        (one("-1", a, a, "[]"), "zone: must be at least 1"),
        (one("null", a, a, "[]"), "zone: must be at least 1"),
        (one("\"1\"", a, a, "[]"), "zone: invalid type: string \"1\", expected i64"),
        (one("1", "[]", a, "[]"), "hostnames.manage: must hold the node's name"),
        (one("1", a, "null", "[]"), "hostnames.storage: must hold the node's name"),
        (one("1", "\"c\"", a, "[]"), "hostnames.manage: invalid type: string \"c\""),
        (one("1", r#"["c d"]"#, a, "[]"), "hostnames.manage[0]: not a host name or address"),
        (
            one("1", r#"["c","a"]"#, a, "[]"),
            "hostnames.manage[1]: a is used already by clusters[0].nodes[0].node.hostnames.manage[0]",
        ),
        (one("1", a, r#"["b"]"#, "[]"), "hostnames.storage[0]: b is used already by"),
    ];
    for (text, expected) in table {
        let error = read(&text).unwrap_err();
        let place = "clusters[0].nodes[1].node.";
        assert!(error.starts_with(&format!("{place}{expected}")), "{error}\n{expected}");
    }
}

#[test]
fn mistakes_in_devices() {
    let table = [
        (r#"["sdb"]"#, "[0]: must be an absolute path such as /dev/sdb, not \"sdb\""),
        (r#"["/dev/sdb","/dev/sdb"]"#, "[1]: /dev/sdb is there twice"),
        (r#"["/dev/sdb",{"name":"/dev/sdb"}]"#, "[1].name: /dev/sdb is there twice"),
        (r#"[{"name":"/dev/a b"}]"#, "[0].name: must be an absolute path"),
        ("[{}]", "[0].name: must be an absolute path such as /dev/sdb, not \"\""),
        ("[null]", "[0].name: must be an absolute path"),
        ("[7]", "[0]: invalid type: integer `7`"),
        (r#"[{"name":"/dev/x","destroydata":"yes"}]"#, "[0]: destroydata: invalid type: string"),
        (r#"{"name":"/dev/x"}"#, ": invalid type: map, expected a sequence"),
    ];
    for (devices, expected) in table {
        let error = read(&file(&[node("1", r#"["a"]"#, r#"["b"]"#, devices)])).unwrap_err();
        assert!(error.starts_with(&format!("clusters[0].nodes[0].devices{expected}")), "{error}");
    }
}

#[test]
fn mistakes_in_the_json() {
    let table = [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("{\n  \"clusters\": [\n    {,}\n", "key must be a string at line 3 column 6"),
        ("{}\n{}", "trailing characters at line 2 column 1"),
        ("[]", "invalid type: sequence, expected an object"),
    ];
    for (text, expected) in table {
        assert_eq!(read(text).unwrap_err(), expected);
    }
}

#[test]
fn devices_are_read_as_leniently_as_the_rest() {
    let devices = r#"["/dev/a",{"Name":"/dev/b","tags":null,"more":1,"DESTROYDATA":true}]"#;
    let file = read(&file(&[node("1", r#"["a"]"#, r#"["b"]"#, devices)])).unwrap();
    let devices = &file.clusters[0].nodes[0].devices;
    assert_eq!(devices[0], DeviceEntry::Path("/dev/a".to_owned()));
    let DeviceEntry::Full(full) = &devices[1] else { panic!("{devices:?}") };
    assert_eq!((full.name.as_str(), full.destroydata, full.tags.len()), ("/dev/b", true, 0));
}

#[test]
fn the_same_device_on_two_nodes_is_fine() {
    let nodes = [
        node("1", r#"["a"]"#, r#"["a"]"#, r#"["/dev/sdb"]"#),
        node("2", r#"["b"]"#, r#"["b"]"#, r#"["/dev/sdb"]"#),
    ];
    assert!(read(&file(&nodes)).is_ok());
}

#[test]
fn files_that_cannot_be_opened() {
    let error = topology::read("nothere.json".as_ref()).unwrap_err().to_string();
    assert_eq!(error, "Unable to open config file");
    let error = topology::read("/".as_ref()).unwrap_err().to_string();
    assert!(error.starts_with("Unable to open config file: "), "{error}");
}
