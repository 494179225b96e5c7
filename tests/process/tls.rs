//! HTTPS, with certificates that are made here and replaced while the server runs.
use super::{Running, folder, run, stderr};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Output,
    sync::Arc,
};

/// A certificate for this machine that signs itself, with its key, in PEM.
struct Pair {
    certificate: String,
    key: String,
}

impl Pair {
    fn new() -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        Self { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }
    /// Puts the certificate where a client finds it.
    fn trust(&self, folder: &Path, name: &str) -> PathBuf {
        let file = folder.join(name);
        std::fs::write(&file, &self.certificate).unwrap();
        file
    }
    /// Puts both where the server finds them.
    fn install(&self, folder: &Path) {
        std::fs::write(folder.join("tls.key"), &self.key).unwrap();
        std::fs::write(folder.join("tls.crt"), &self.certificate).unwrap();
    }
}

const CONFIG: &str =
    r#"{"use_auth": false, "enable_tls": true, "cert_file": "tls.crt", "key_file": "tls.key"}"#;

fn serve(folder: &Path) -> Running {
    std::fs::write(folder.join("heketi.json"), CONFIG).unwrap();
    let server = Running::start(folder, &["--config", "heketi.json"]);
    assert!(server.url.starts_with("https://"), "{}", server.url);
    server
}

fn list(server: &Running, trusted: &Path) -> Output {
    server.cli(&["--tls-cert", trusted.to_str().unwrap(), "cluster", "list"])
}

/// One connection that stays open, and speaks whatever the server prefers.
struct Open(StreamOwned<ClientConnection, TcpStream>);

impl Open {
    fn to(server: &Running, trusted: &Pair) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(trusted.certificate.as_bytes()).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let name = "localhost".try_into().unwrap();
        let tls = ClientConnection::new(Arc::new(config), name).unwrap();
        let address = server.url.trim_start_matches("https://");
        Self(StreamOwned::new(tls, TcpStream::connect(address).unwrap()))
    }
    /// Asks for something small; the answer ends with these words.
    fn ask(&mut self, path: &str, ending: &str) {
        write!(self.0, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = vec![];
        while !answer.ends_with(ending.as_bytes()) {
            let mut more = [0; 4096];
            let length = self.0.read(&mut more).unwrap();
            assert_ne!(length, 0, "closed after {}", String::from_utf8_lossy(&answer));
            answer.extend(&more[..length]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    }
}

#[test]
fn a_certificate_is_replaced_while_connections_are_open() {
    let folder = folder();
    let (first, second) = (Pair::new(), Pair::new());
    let trust_first = first.trust(folder.path(), "first.pem");
    let trust_second = second.trust(folder.path(), "second.pem");
    first.install(folder.path());
    let mut server = serve(folder.path());
    assert_eq!(list(&server, &trust_first).stdout, b"Clusters:\n");
    assert!(!list(&server, &trust_second).status.success());
    let mut open = Open::to(&server, &first);
    open.ask("/hello", "Hello from Heketi");
    assert_eq!(open.0.conn.alpn_protocol(), Some(b"http/1.1".as_slice()));

    // Broken, and looked at on demand: the old one stays.
    std::fs::write(folder.path().join("tls.crt"), "no certificate").unwrap();
    server.signal("-HUP");
    let told = server.log_until("stays in use");
    assert!(told.contains("no certificate in PEM form in tls.crt"), "{told}");
    assert_eq!(list(&server, &trust_first).stdout, b"Clusters:\n");

    // Replaced, and noticed without being asked.
    second.install(folder.path());
    server.log_until("new connections get the new certificate");
    assert_eq!(list(&server, &trust_second).stdout, b"Clusters:\n");
    let refused = list(&server, &trust_first);
    assert!(!refused.status.success());
    open.ask("/clusters", "{\"clusters\":[]}\n");

    let log = server.end();
    assert!(log.contains("ended"), "{log}");
    for line in first.key.lines().chain(second.key.lines()).filter(|l| !l.starts_with('-')) {
        assert!(!log.contains(line) && !told.contains(line));
    }
}

#[test]
fn who_speaks_in_clear_is_told_and_who_is_silent_keeps_nobody_waiting() {
    let folder = folder();
    let pair = Pair::new();
    let trusted = pair.trust(folder.path(), "trusted.pem");
    pair.install(folder.path());
    let server = serve(folder.path());
    let address = server.url.trim_start_matches("https://").to_owned();
    let _silent: Vec<_> = (0..20).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let mut clear = TcpStream::connect(&address).unwrap();
    clear.write_all(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    clear.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 400 Bad Request\r\n"), "{answer}");
    assert!(answer.ends_with("Client sent an HTTP request to an HTTPS server.\n"), "{answer}");
    assert_eq!(list(&server, &trusted).stdout, b"Clusters:\n");
    // Where a client comes from is known here as well.
    let local = ["--tls-cert", trusted.to_str().unwrap()];
    for words in [&["server", "mode", "set", "local-client"][..], &["cluster", "create"]] {
        let changed = server.cli(&[&local[..], words].concat());
        assert!(changed.status.success(), "{}", stderr(&changed));
    }
    let insecure = server.cli(&["--insecure-tls", "cluster", "list"]);
    assert!(insecure.status.success(), "{}", stderr(&insecure));
    server.end();
}

#[test]
fn without_a_good_certificate_it_does_not_start_and_says_why() {
    let folder = folder();
    let (pair, other) = (Pair::new(), Pair::new());
    std::fs::write(folder.path().join("heketi.json"), CONFIG).unwrap();
    let refused = |words: &str| {
        let arguments = ["serve", "--executor", "sim", "--config", "heketi.json"];
        let refused = run(folder.path(), &arguments);
        assert_eq!(refused.status.code(), Some(1));
        assert!(stderr(&refused).contains(words), "{}", stderr(&refused));
        assert!(!folder.path().join("brickyard.db").exists(), "nothing was made");
    };
    refused("TLS: cannot read tls.crt: No such file or directory");
    pair.install(folder.path());
    std::fs::write(folder.path().join("tls.key"), &other.key).unwrap();
    refused("TLS: the key in tls.key is not the one of the certificate in tls.crt");
}
