use super::*;
use crate::{
    kube::Source,
    node::{kube::Lookup, ssh::HostKeys},
};
use std::collections::HashMap;

fn load(json: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("heketi.json");
    std::fs::write(&path, json).unwrap();
    let map: HashMap<String, String> =
        variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let overrides = Overrides { config: Some(path), ..Overrides::default() };
    Config::load(&overrides, |name| map.get(name).cloned())
}
const KEYS: [(&str, &str); 2] = [("HEKETI_ADMIN_KEY", "a"), ("HEKETI_USER_KEY", "u")];

fn with_keys(json: &str, more: &[(&str, &str)]) -> Result<Config, ConfigError> {
    load(json, &[&KEYS, more].concat())
}
fn ssh_of(config: Config) -> ssh::Settings {
    let Executor::Ssh(ssh) = config.executor else { panic!("not ssh") };
    ssh
}

#[test]
fn no_file_at_all_is_fine() {
    let config = Config::load(&Overrides { disable_auth: true, ..Overrides::default() }, |_| None);
    let config = config.unwrap();
    assert_eq!(config.port, 8080);
    assert_eq!(config.database, PathBuf::from("brickyard.db"));
    assert_eq!(config.tools, Tools::default());
    let ssh = ssh_of(config);
    assert_eq!((ssh.user.as_str(), ssh.port, ssh.sudo), ("heketi", 22, false));
    let here = std::env::current_dir().unwrap();
    assert_eq!(ssh.host_keys, HostKeys::AcceptNew(here.join("known_hosts")));
}

/// What takes over has to find the database, and has to be able to ask.
#[test]
fn several_servers_need_backups() {
    const LEASE: (&str, &str) = ("BRICKYARD_LEASE", "brickyard");
    const BACKUP: (&str, &str) = ("HEKETI_BACKUP_DB_TO_KUBE_SECRET", "true");
    const KUBE: (&str, &str) = ("KUBERNETES_SERVICE_HOST", "10.96.0.1");
    let refused = |variables: &[(&str, &str)]| with_keys("{}", variables).unwrap_err().to_string();
    assert_eq!(with_keys("{}", &[BACKUP, KUBE]).unwrap().election, None);
    let all = [LEASE, BACKUP, KUBE, ("HOSTNAME", "pod-1")];
    let election = with_keys("{}", &all).unwrap().election.unwrap();
    assert_eq!((election.lease.as_str(), election.name.as_str()), ("brickyard", "pod-1"));
    assert_eq!(election.term, Duration::from_secs(15));
    assert!(refused(&[LEASE, KUBE]).contains("HEKETI_BACKUP_DB_TO_KUBE_SECRET=true"));
    assert!(refused(&[LEASE, BACKUP]).contains("KUBECONFIG"));
    assert!(refused(&[("BRICKYARD_LEASE", "A b"), BACKUP, KUBE]).contains("`A b`"));
    let seconds = |text| refused(&[LEASE, BACKUP, KUBE, ("BRICKYARD_LEASE_SECONDS", text)]);
    assert!(seconds("1").contains("between 2 and 3600"));
    assert!(seconds("soon").contains("`soon`"));
    let reads = with_keys(r#"{"glusterfs": {"db_read_only": true}}"#, &[LEASE, BACKUP, KUBE]);
    assert!(reads.unwrap_err().to_string().contains("db_read_only"));
}

/// Asked for and impossible is told at the start, and not when somebody needs it.
#[test]
fn persistent_volumes_are_compared_where_they_are() {
    const CHECK: &str = "BRICKYARD_CHECK_PERSISTENT_VOLUMES";
    const KUBE: (&str, &str) = ("KUBERNETES_SERVICE_HOST", "10.96.0.1");
    let found = |variables: &[(&str, &str)]| {
        with_keys("{}", variables).map(|config| config.persistent_volumes)
    };
    assert_eq!(found(&[KUBE]), Ok(None));
    assert_eq!(found(&[(CHECK, "false")]), Ok(None));
    assert_eq!(found(&[(CHECK, "true"), KUBE]), Ok(Some(crate::kube::Source::Pod)));
    let refused = |variables: &[(&str, &str)]| found(variables).unwrap_err().to_string();
    assert!(refused(&[(CHECK, "true")]).contains("KUBECONFIG"));
    assert!(refused(&[(CHECK, "yes"), KUBE]).contains("`yes` is neither true nor false"));
}

#[test]
fn without_keys_it_says_what_to_set() {
    let error = load("{}", &[]).unwrap_err().to_string();
    for word in
        ["HEKETI_ADMIN_KEY", "HEKETI_USER_KEY", "jwt.admin.key", "--disable-auth", "use_auth"]
    {
        assert!(error.contains(word), "{error}");
    }
    let half = load("{}", &KEYS[..1]).unwrap_err();
    assert_eq!(half, ConfigError::NoKeys { missing: "user key" });
    let file = r#"{"jwt":{"admin":{"key":"a"},"user":{"key":"u"}}}"#;
    assert!(matches!(load(file, &[]).unwrap().auth, Auth::Keys(_)));
}

#[test]
fn only_an_explicit_word_switches_authentication_off() {
    let off = |json, variables: &[(&str, &str)]| {
        matches!(load(json, variables).map(|c| c.auth), Ok(Auth::Off(_)))
    };
    assert!(off(r#"{"use_auth": false}"#, &[]));
    assert!(off("{}", &[("HEKETI_DISABLE_AUTH", "true")]));
    assert!(!off(r#"{"use_auth": true}"#, &KEYS));
    let maybe = load("{}", &[("HEKETI_DISABLE_AUTH", "maybe")]).unwrap_err().to_string();
    assert!(maybe.contains("HEKETI_DISABLE_AUTH: `maybe`"), "{maybe}");
    assert!(!off(r#"{"use_auth": null}"#, &KEYS));
}

#[test]
fn keys_match_in_any_case_and_unknown_ones_are_ignored() {
    let json = r#"{"_port_comment": "x", "Port": "9000", "GlusterFS": {"Executor": "mock",
        "SSHExec": {"KeyFile": "/k"}, "allocator": "simple"}, "more": [1]}"#;
    let config = with_keys(json, &[]).unwrap();
    assert_eq!(config.port, 9000);
    assert!(matches!(config.executor, Executor::Sim(size) if size == Kib(500 * 1024 * 1024)));
    let elsewhere = with_keys(json, &[("BRICKYARD_SIM_SOCKET", "/run/nodes")]).unwrap().executor;
    assert!(matches!(elsewhere, Executor::SimElsewhere(path) if *path == *"/run/nodes"));
}

#[test]
fn the_environment_beats_the_file() {
    let json = r#"{"port": "9000", "glusterfs": {"db": "/data/other.db", "executor": "mock",
        "sshexec": {"user": "storage", "port": "2222", "sudo": true, "fstab": "/x"}}}"#;
    let variables = [
        ("HEKETI_HTTP_PORT", "9001"),
        ("HEKETI_EXECUTOR", "ssh"),
        ("HEKETI_SSH_USER", "root"),
        ("HEKETI_SSH_KEYFILE", "/key/id_rsa"),
        ("HEKETI_FSTAB", "/var/lib/heketi/fstab"),
        ("HEKETI_SNAPSHOT_LIMIT", "14"),
        ("HEKETI_DB_PATH", "/var/lib/heketi/heketi.db"),
        ("HEKETI_GLUSTER_CLI_TIMEOUT", "900"),
        ("HEKETI_GLUSTERAPP_REBALANCE_ON_EXPANSION", "false"),
        ("HEKETI_GLUSTER_MAX_VOLUMES_PER_CLUSTER", "-1"),
        ("HEKETI_MAX_INFLIGHT_OPERATIONS", "20"),
        ("HEKETI_PRE_REQUEST_VOLUME_OPTIONS", "a b,c d"),
        ("HEKETI_ZONE_CHECKING", "strict"),
    ];
    let config = with_keys(json, &variables).unwrap();
    assert_eq!(
        (config.port, config.tools.gluster_timeout, config.tools.snapshot_limit),
        (9001, 900, 14)
    );
    assert_eq!(config.tools.fstab, "/var/lib/heketi/fstab");
    assert_eq!(config.database, PathBuf::from("/var/lib/heketi/brickyard.db"));
    let operations = &config.operations;
    assert!(!operations.rebalance && operations.strict_zones);
    assert_eq!((operations.max_volumes_per_cluster, operations.max_in_flight), (None, 20));
    assert_eq!(operations.pre_request_options.len(), 2);
    let ssh = ssh_of(config);
    assert_eq!((ssh.user.as_str(), ssh.port, ssh.sudo), ("root", 2222, true));
    assert_eq!(ssh.key_file, Some(PathBuf::from("/key/id_rsa")));
}

#[test]
fn tls_needs_its_switch_and_both_files() {
    let tls = |json| with_keys(json, &[]).unwrap().tls;
    assert_eq!(tls(r#"{"cert_file": "c", "key_file": "k"}"#), None);
    let files = tls(r#"{"enable_tls": true, "cert_file": "c", "key_file": "k"}"#).unwrap();
    assert_eq!((files.certificate, files.key), ("c".into(), "k".into()));
}

#[test]
fn wrong_values_name_their_key() {
    for (json, key) in [
        ("{", "EOF"),
        (r#"{"port": 8080}"#, "port: invalid type"),
        (r#"{"port": "http"}"#, "port: `http`"),
        (r#"{"use_auth": "no"}"#, "use_auth"),
        (r#"{"default_state": "off"}"#, "default_state"),
        (r#"{"enable_tls": "yes"}"#, "enable_tls"),
        (r#"{"enable_tls": true, "key_file": "k"}"#, "cert_file: is not set"),
        (r#"{"enable_tls": true, "cert_file": "c"}"#, "key_file: is not set"),
        (r#"{"glusterfs": {"executor": "telnet"}}"#, "glusterfs.executor"),
        (r#"{"glusterfs": {"brick_min_size_gb": "1"}}"#, "glusterfs.brick_min_size_gb"),
        (r#"{"glusterfs": {"brick_min_size_gb": 9, "brick_max_size_gb": 2}}"#, "brick_min_size_gb"),
        (r#"{"glusterfs": {"sshexec": {"xfs_su": "64"}}}"#, "glusterfs.sshexec"),
        (r#"{"glusterfs": {"sshexec": {"port": "x"}}}"#, "glusterfs.sshexec.port"),
        (r#"{"glusterfs": {"sshexec": {"host_keys": "x"}}}"#, "glusterfs.sshexec.host_keys"),
        (r#"{"glusterfs": {"sshexec": {"port": "0"}}}"#, "glusterfs.sshexec.port"),
        (r#"{"glusterfs": {"sshexec": {"user": "-oX"}}}"#, "glusterfs.sshexec.user"),
        (r#"{"glusterfs": {"sshexec": {"fstab": "Optional"}}}"#, "glusterfs.sshexec.fstab"),
        (r#"{"glusterfs": {"kubeexec": {"namespace": 1}}}"#, "glusterfs.kubeexec"),
        (
            r#"{"glusterfs": {"executor": "kube", "kubeexec": {"fstab": "x"}}}"#,
            "glusterfs.kubeexec.fstab",
        ),
        (r#"{"glusterfs": {"zone_checking": "hard"}}"#, "glusterfs.zone_checking"),
    ] {
        let error = with_keys(json, &[]).unwrap_err().to_string();
        assert!(error.contains(key), "{json}: {error}");
    }
    for variable in
        ["HEKETI_HTTP_PORT", "HEKETI_GLUSTER_CLI_TIMEOUT", "HEKETI_MAX_INFLIGHT_OPERATIONS"]
    {
        let error = with_keys("{}", &[(variable, "many")]).unwrap_err().to_string();
        assert!(error.contains(variable), "{error}");
    }
}

/// Heketi's sample explains the key in its place.
#[test]
fn words_instead_of_an_fstab_stop_only_who_would_write_it() {
    let sample = |executor: &str| {
        let fstab = "Optional: Specify fstab file on node.  Default is /etc/fstab";
        let gluster = serde_json::json!({"executor": executor, "sshexec": {"fstab": fstab}});
        with_keys(&serde_json::json!({"glusterfs": gluster}).to_string(), &[])
    };
    assert_eq!(sample("mock").unwrap().tools.fstab, "/etc/fstab");
    assert!(sample("ssh").unwrap_err().to_string().contains("glusterfs.sshexec.fstab"));
}

#[test]
fn known_hosts_make_the_check_strict() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("known");
    std::fs::write(&file, "").unwrap();
    let strict = with_keys("{}", &[("SSH_KNOWN_HOSTS", file.to_str().unwrap())]).unwrap();
    assert_eq!(ssh_of(strict).host_keys, HostKeys::Strict(vec![file]));
    let error = with_keys("{}", &[("SSH_KNOWN_HOSTS", "/nonexistent")]).unwrap_err();
    assert!(error.to_string().contains("SSH_KNOWN_HOSTS"), "{error}");
}

#[test]
fn keys_are_never_printed() {
    let config =
        load(r#"{"jwt":{"admin":{"key":"geheim"},"user":{"key":"geheim"}}}"#, &[]).unwrap();
    assert!(!format!("{config:?}").contains("geheim"));
}

#[test]
fn a_heketi_database_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("heketi.db");
    let mut page = vec![0_u8; 4096];
    page[16..20].copy_from_slice(&0xED0C_DAED_u32.to_le_bytes());
    std::fs::write(&old, &page).unwrap();
    let variables = [("HEKETI_DB_PATH", old.to_str().unwrap())];
    let config = with_keys("{}", &variables).unwrap();
    assert_eq!(config.heketi_database.as_deref(), Some(old.as_path()));
    assert_eq!(config.database, folder.path().join("brickyard.db"));
    std::fs::write(folder.path().join("brickyard.db"), "x").unwrap();
    // It is not adopted any more, but must not be hidden by one of ours that is empty.
    let beside = with_keys("{}", &variables).unwrap().heketi_database;
    assert_eq!(beside.as_deref(), Some(old.as_path()));
    let renamed = folder.path().join("my.db");
    std::fs::write(&renamed, &page).unwrap();
    let config = with_keys("{}", &[("HEKETI_DB_PATH", renamed.to_str().unwrap())]).unwrap();
    assert_ne!(config.database, renamed, "a BoltDB file is never written to");
}

#[test]
fn waits_and_limits_are_settings() {
    let seconds = Duration::from_secs;
    let plain = with_keys("{}", &[]).unwrap();
    let (first, then) = (seconds(60), seconds(3600));
    assert_eq!(plain.operations.cleaner, Some((first, then)));
    assert_eq!(plain.monitor, Some((seconds(10), seconds(120))));
    assert_eq!((plain.operations.max_in_flight, plain.operations.max_waiting), (8, 200));

    let file = r#"{"glusterfs": {"max_waiting_operations": 5, "start_time_monitor_gluster_nodes": 1,
        "refresh_time_monitor_gluster_nodes": 2, "disable_background_cleaner": true,
        "sshexec": {"connect_timeout": 3, "keepalive": 4, "command_timeout": 5}}}"#;
    let config = with_keys(file, &[]).unwrap();
    assert_eq!(config.operations.max_waiting, 5);
    assert_eq!(config.operations.cleaner, None);
    assert_eq!(config.monitor, Some((seconds(1), seconds(2))));
    assert_eq!(config.tools.command_timeout, seconds(5));
    let ssh = ssh_of(config);
    assert_eq!((ssh.connect_timeout, ssh.keepalive), (seconds(3), seconds(4)));

    let variables = [
        ("BRICKYARD_MAX_WAITING_OPERATIONS", "6"),
        ("BRICKYARD_SSH_CONNECT_TIMEOUT", "7"),
        ("BRICKYARD_SSH_KEEPALIVE", "8"),
        ("BRICKYARD_COMMAND_TIMEOUT", "9"),
        ("HEKETI_DISABLE_HEALTH_MONITOR", "true"),
    ];
    let config = with_keys(file, &variables).unwrap();
    assert_eq!((config.operations.max_waiting, config.monitor), (6, None));
    assert_eq!(config.tools.command_timeout, seconds(9));
    let ssh = ssh_of(config);
    assert_eq!((ssh.connect_timeout, ssh.keepalive), (seconds(7), seconds(8)));
    let wrong = with_keys("{}", &[("BRICKYARD_COMMAND_TIMEOUT", "soon")]).unwrap_err().to_string();
    assert!(wrong.contains("BRICKYARD_COMMAND_TIMEOUT: `soon`"), "{wrong}");
}

/// As Heketi: off unless something says otherwise, and 1 TiB.
#[test]
fn block_hosting_volumes_made_by_themselves() {
    let made = |file: &str, variables: &[(&str, &str)]| {
        let operations = with_keys(file, variables).unwrap().operations;
        (operations.create_block_hosting, operations.block_hosting_size.0)
    };
    let (auto, size) =
        ("HEKETI_AUTO_CREATE_BLOCK_HOSTING_VOLUME", "HEKETI_BLOCK_HOSTING_VOLUME_SIZE");
    let file = r#"{"glusterfs":{"auto_create_block_hosting_volume":true,
        "block_hosting_volume_size":500}}"#;
    assert_eq!(made("{}", &[]), (false, 1024));
    assert_eq!(made(file, &[]), (true, 500));
    assert_eq!(made(file, &[(auto, "f"), (size, "7")]), (false, 7));
    assert_eq!(made(file, &[(auto, "perhaps"), (size, "0")]), (false, 1024));
    assert_eq!(made("{}", &[(auto, "1")]), (true, 1024));
    let wrong = with_keys("{}", &[(size, "large")]).unwrap_err().to_string();
    assert!(wrong.contains(size) && wrong.contains("`large`"), "{wrong}");
}

#[test]
fn how_block_files_are_made() {
    let prealloc = |file: &str, variables: &[(&str, &str)]| {
        with_keys(file, variables).map(|config| config.tools.block_prealloc)
    };
    let file = r#"{"glusterfs":{"sshexec":{"block_prealloc":"no"}}}"#;
    let variable = "HEKETI_BLOCK_VOLUME_DEFAULT_PREALLOC";
    assert_eq!(prealloc("{}", &[]).unwrap(), "full");
    assert_eq!(prealloc(file, &[]).unwrap(), "no");
    assert_eq!(prealloc(file, &[(variable, "full")]).unwrap(), "full");
    let wrong = prealloc("{}", &[(variable, "no; reboot")]).unwrap_err().to_string();
    assert!(wrong.contains("block_prealloc: `no; reboot`"), "{wrong}");
}

#[test]
fn backups_are_switched_on_as_by_heketi() {
    let backup =
        |file: &str, pairs: &[(&str, &str)]| with_keys(file, pairs).map(|config| config.backup);
    let off = backup("{}", &[]).unwrap();
    assert_eq!((off.on, off.secret.as_str()), (None, "heketi-db-backup"));
    assert_eq!(off.mounted, std::path::Path::new("/backupdb"));
    let on = backup(r#"{"backup_db_to_kube_secret": true}"#, &[]).unwrap();
    assert_eq!(on.on.unwrap(), "backup_db_to_kube_secret is true");
    // Any value: Heketi's quirk, which is told.
    let variable = "HEKETI_BACKUP_DB_TO_KUBE_SECRET";
    assert!(backup("{}", &[(variable, "yes")]).unwrap().on.unwrap().ends_with("is set"));
    let quirk = backup("{}", &[(variable, "false")]).unwrap().on.unwrap();
    assert!(quirk.contains("also \"false\""), "{quirk}");
    let named = [
        ("HEKETI_KUBE_DB_SECRET_NAME", "other.name-1"),
        ("HEKETI_KUBE_NAMESPACE", "storage"),
        ("BACKUPDB_PATH", "/elsewhere"),
        ("KUBECONFIG", "/config"),
    ];
    let named = backup("{}", &named).unwrap();
    assert_eq!(
        (named.secret.as_str(), named.namespace.as_deref()),
        ("other.name-1", Some("storage"))
    );
    assert_eq!(named.source, Some(crate::kube::Source::Kubeconfig(vec!["/config".into()])));
    let long = "x".repeat(181);
    for name in ["Upper", "-x", "x-", "a..b", "a/b", "a b", long.as_str()] {
        let error = backup("{}", &[("HEKETI_KUBE_DB_SECRET_NAME", name)]).unwrap_err();
        assert!(error.to_string().contains("HEKETI_KUBE_DB_SECRET_NAME"), "{error}");
    }
    backup("{}", &[("HEKETI_KUBE_NAMESPACE", "a.b")]).unwrap_err();
}

const IN_POD: (&str, &str) = ("KUBERNETES_SERVICE_HOST", "10.96.0.1");

fn kube_of(json: &str, more: &[(&str, &str)]) -> kube::Settings {
    let more: Vec<_> = more.iter().copied().chain([IN_POD]).collect();
    match with_keys(json, &more).unwrap().executor {
        Executor::Kube(settings) => settings,
        other => panic!("{other:?}"),
    }
}

#[test]
fn commands_in_pods() {
    let usual = kube::Settings {
        source: Some(Source::Pod),
        namespace: None,
        lookup: Lookup::Label,
        max_connections: Some(64),
        connect_timeout: Duration::from_mins(1),
    };
    let plain = r#"{"glusterfs": {"executor": "kubernetes"}}"#;
    assert_eq!(kube_of(plain, &[]), usual);
    assert_eq!(kube_of("{}", &[("HEKETI_EXECUTOR", "kube")]), usual);
    let file = r#"{"glusterfs": {"executor": "kube", "sshexec": {"fstab": "/ssh"}, "kubeexec":
        {"namespace": "storage", "gluster_daemonset": true, "max_connections": 7,
         "connect_timeout": 9, "fstab": "/var/lib/heketi/fstab", "snapshot_limit": 14}}}"#;
    let of_file = kube::Settings {
        namespace: Some("storage".into()),
        lookup: Lookup::Daemonset,
        max_connections: Some(7),
        connect_timeout: Duration::from_secs(9),
        ..usual
    };
    assert_eq!(kube_of(file, &[]), of_file);
    let tools = with_keys(file, &[IN_POD]).unwrap().tools;
    assert_eq!((tools.fstab.as_str(), tools.snapshot_limit), ("/var/lib/heketi/fstab", 14));
    let tools = with_keys(file, &[("HEKETI_EXECUTOR", "ssh")]).unwrap().tools;
    assert_eq!((tools.fstab.as_str(), tools.snapshot_limit), ("/ssh", 0));
    // Who touches no node need not know where the API server is.
    match with_keys(file, &[]).unwrap().executor {
        Executor::Kube(settings) => assert_eq!(settings.source, None),
        other => panic!("{other:?}"),
    }

    let lookup = |variable, word| kube_of(file, &[(variable, word)]).lookup;
    for (word, is) in [
        ("yes", Lookup::Name),
        ("Y", Lookup::Name),
        ("1", Lookup::Name),
        ("true", Lookup::Daemonset),
        ("n", Lookup::Daemonset),
    ] {
        assert_eq!(lookup("HEKETI_KUBE_USE_POD_NAMES", word), is, "{word}");
    }
    for (word, is) in [("No", Lookup::Label), ("0", Lookup::Label), ("false", Lookup::Daemonset)] {
        assert_eq!(lookup("HEKETI_KUBE_GLUSTER_DAEMONSET", word), is, "{word}");
    }
    let other = kube_of(file, &[("HEKETI_KUBE_NAMESPACE", "other")]);
    assert_eq!(other.namespace.as_deref(), Some("other"));
    let unlimited = file.replace("\"max_connections\": 7", "\"max_connections\": -1");
    assert_eq!(kube_of(&unlimited, &[]).max_connections, None);
}

#[test]
fn what_pods_do_not_need_is_told() {
    let file = r#"{"glusterfs": {"executor": "kubernetes", "kubeexec": {"host":
        "https://k.example.com", "user": "admin", "password": "geheim", "insecure": false,
        "cert": "", "disable_timeout_prefix": true, "sudo": true}}}"#;
    let config = with_keys(file, &[IN_POD, ("HEKETI_KUBE_APIHOST", "x")]).unwrap();
    let told = config.ignored.join("\n");
    for words in [
        "kubeexec.host, kubeexec.user, kubeexec.password, HEKETI_KUBE_APIHOST: ",
        "kubeexec.disable_timeout_prefix: ",
        "kubeexec.sudo: ",
    ] {
        assert!(told.contains(words), "{told}");
    }
    assert!(!format!("{config:?}").contains("geheim"));
    // Heketi's sample has all of it, whatever the executor.
    let other = file.replace("kubernetes", "ssh");
    assert_eq!(with_keys(&other, &[]).unwrap().ignored, Vec::<String>::new());
}
