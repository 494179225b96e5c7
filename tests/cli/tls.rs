//! Certificates: the usual self-signed one, trusted by name or not at all.
//!
//! The files are like those that Heketi's users make, but with dates that suit every clock:
//! `openssl req -x509 -newkey ec -nodes -subj /CN=localhost -addext subjectAltName=DNS:localhost`
use super::{Run, run};
use rustls::{
    ServerConfig, ServerConnection, Stream,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{
    io::{Read, Write},
    net::TcpListener,
    path::PathBuf,
    sync::Arc,
    thread,
};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cli/tls").join(name)
}

/// Answers every connection with an empty list of clusters; returns the port.
fn serve() -> u16 {
    let certificate = CertificateDer::from_pem_file(file("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for peer in listener.incoming() {
            let mut tls = ServerConnection::new(config.clone()).unwrap();
            let mut peer = peer.unwrap();
            let mut stream = Stream::new(&mut tls, &mut peer);
            // A client that does not trust us is gone by now.
            if stream.read(&mut [0; 4096]).is_ok() {
                let body = r#"{"clusters":[]}"#;
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        }
    });
    port
}

#[tokio::test]
async fn only_what_is_named_is_trusted() {
    let port = serve();
    let certificate = file("server.pem").display().to_string();
    let list = async |host: &str, flags: &[&str]| {
        let url = format!("https://{host}:{port}");
        run(&[&["--server", url.as_str(), "cluster", "list"], flags].concat()).await
    };
    let good = Run::ok("Clusters:\n");
    assert_eq!(list("localhost", &["-C", &certificate]).await, good);
    let both = format!("{certificate},{certificate}");
    assert_eq!(list("localhost", &["--tls-cert", &both]).await, good);
    assert_eq!(list("localhost", &["-I"]).await, good);
    assert_eq!(list("127.0.0.1", &["--insecure-tls=true"]).await, good);

    let unknown = list("localhost", &[]).await;
    assert_eq!((unknown.code, unknown.out.as_str()), (255, ""));
    assert!(unknown.err.contains("--tls-cert"), "{}", unknown.err);
    let other_name = list("127.0.0.1", &["-C", &certificate]).await;
    assert!(other_name.err.contains("not valid for"), "{}", other_name.err);
}
