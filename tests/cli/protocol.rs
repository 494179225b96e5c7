//! Tokens, polling, busy servers, and servers that cannot be reached.
use super::{
    Run, cli, run,
    scripted::{Answer, Server},
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use sha2::{Digest, Sha256};

#[derive(Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    iat: u64,
    exp: u64,
    qsh: String,
}

/// What the token says; fails unless this key signed it.
pub(super) fn claims(authorization: &str, key: &str) -> Claims {
    let token = authorization.strip_prefix("bearer ").unwrap();
    let mut rules = Validation::new(Algorithm::HS256);
    rules.leeway = 0;
    jsonwebtoken::decode(token, &DecodingKey::from_secret(key.as_bytes()), &rules).unwrap().claims
}

#[tokio::test]
async fn every_request_has_a_token_of_its_own() {
    let volume = super::transcript("--json volume info bf69aeafa08d37faeca69586e6768dcc").stdout;
    let server = Server::of([
        Answer::accepted(),
        Answer::pending(),
        Answer::pending(),
        Answer::see_other("/volumes/bf69aeafa08d37faeca69586e6768dcc"),
        Answer::json(&volume),
    ])
    .await;
    assert_eq!(cli(&server, &["volume", "create", "--size=10"]).await.code, 0);
    let seen = server.seen();
    assert_eq!(seen.len(), 5);
    for request in seen {
        let Claims { iss, iat, exp, qsh } = claims(&request.authorization, "sesame");
        assert_eq!((iss.as_str(), exp - iat), ("admin", 300));
        let hash = Sha256::digest(format!("{}&{}", request.method, request.path));
        let hex: String = hash.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().concat();
        assert_eq!(qsh, hex, "{}", request.line());
    }
}

#[tokio::test]
async fn a_token_is_sent_without_name_and_key_too() {
    let server = Server::start(|_| Answer::json(r#"{"clusters":[]}"#)).await;
    let words = ["cluster", "list", "--user=", "--secret=", "--server", &server.url];
    assert_eq!(run(&words).await.code, 0);
    assert_eq!(claims(&server.seen()[0].authorization, "").iss, "");
}

#[tokio::test]
async fn a_base_path_is_kept_and_signed() {
    let server = Server::start(|_| Answer::json(r#"{"clusters":[]}"#)).await;
    for base in ["", "/", "/heketi", "/heketi/"] {
        let url = format!("{}{base}", server.url);
        assert_eq!(run(&["--server", &url, "cluster", "list"]).await.code, 0);
    }
    let paths = ["/clusters", "/clusters", "/heketi/clusters", "/heketi/clusters"];
    assert_eq!(server.seen().iter().map(|r| r.path.as_str()).collect::<Vec<_>>(), paths);
}

#[tokio::test]
async fn failures_show_the_servers_words() {
    let cases = [
        (Answer::new(404, "Id not found\n"), "Id not found"),
        (Answer::new(500, "  several\nlines \n\n"), "several\nlines"),
        (Answer::new(405, ""), "server did not provide a message (status 405: Method Not Allowed)"),
        (Answer::new(401, "Invalid JWT token\n"), "Invalid JWT token"),
        (
            Answer::new(301, "").with("Location", "https://x/"),
            "the server redirects to https://x/ (status 301: Moved Permanently)",
        ),
    ];
    for (answer, text) in cases {
        let server = Server::of([answer.clone()]).await;
        assert_eq!(cli(&server, &["volume", "info", "abc"]).await, Run::error(text));
    }
    let server =
        Server::of([Answer::accepted(), Answer::pending(), Answer::new(500, "No space\n")]).await;
    assert_eq!(cli(&server, &["volume", "delete", "abc"]).await, Run::error("No space"));
}

#[tokio::test]
async fn nonsense_is_not_mistaken_for_an_answer() {
    for nonsense in ["<html>", "", "[]", r#"{"id":1}"#] {
        let server = Server::of([Answer::new(200, nonsense)]).await;
        let run = cli(&server, &["volume", "info", "abc"]).await;
        assert!(
            run.err.starts_with("Error: cannot understand the server's answer: "),
            "{}",
            run.err
        );
    }
    let server = Server::of([Answer::new(202, "")]).await;
    let run = cli(&server, &["volume", "delete", "abc"]).await;
    assert_eq!(run, Run::error("the server's answer lacks its Location header"));
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let busy = || Answer::new(429, "Server busy. Retry operation later.\n");
    let server = Server::of([busy(), busy(), Answer::accepted(), Answer::done()]).await;
    let run = cli(&server, &["volume", "delete", "abc"]).await;
    assert_eq!((run.code, run.out.as_str()), (0, "Volume abc deleted\n"));
    let notes: Vec<&str> = run.err.lines().collect();
    assert_eq!(notes.len(), 2);
    assert!(notes[1].ends_with("(2 of 6)"), "{notes:?}");
    for note in notes {
        let seconds: u64 = note.split(' ').nth(5).unwrap().parse().unwrap();
        assert!((10..30).contains(&seconds), "{note}");
    }

    let server = Server::start(move |_| busy().with("Retry-After", "2")).await;
    let run = cli(&server, &["volume", "delete", "abc"]).await;
    assert!(run.err.ends_with("Error: Server busy. Retry operation later.\n"), "{}", run.err);
    assert_eq!((run.code, server.seen().len()), (255, 7));
    let seconds: u64 = run.err.split(' ').nth(5).unwrap().parse().unwrap();
    assert!((2..12).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn the_key_goes_to_no_other_server() {
    let other = Server::start(|_| Answer::done()).await;
    let to = other.url.clone();
    let server = Server::start(move |_| Answer::new(202, "").with("Location", &to)).await;
    let run = cli(&server, &["volume", "delete", "abc"]).await;
    assert!(run.err.contains("your key is not sent there"), "{}", run.err);
    assert_eq!((run.code, other.seen().len()), (255, 0));
}

#[tokio::test]
async fn an_unreachable_server() {
    // Bound and not listened to any more, so nobody else has the port.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://admin:sesame@127.0.0.1:{port}");
    let run = run(&["--server", &url, "volume", "list"]).await;
    assert_eq!(run.code, 255);
    let start = format!("Error: cannot reach the server at http://127.0.0.1:{port}: ");
    assert!(run.err.starts_with(&start), "{}", run.err);
    assert!(run.err.contains("--server") && run.err.contains("HEKETI_CLI_SERVER"), "{}", run.err);
    assert!(!run.err.contains("sesame"), "{}", run.err);
}

#[tokio::test]
async fn addresses_and_certificates_that_cannot_be_used() {
    for bad in ["localhost:8080", "ftp://x", "http://", "8080"] {
        let run = run(&["--server", bad, "volume", "list"]).await;
        assert!(run.err.starts_with("Error: --server must be like "), "{}", run.err);
    }
    let run1 = run(&["-C", "/nowhere.pem", "volume", "list"]).await;
    assert!(run1.err.starts_with("Error: cannot read /nowhere.pem: "), "{}", run1.err);
    let file = tempfile::NamedTempFile::new().unwrap();
    let name = file.path().display().to_string();
    let run2 = run(&["-C", &name, "volume", "list"]).await;
    assert_eq!(run2, Run::error(&format!("no certificate in PEM form in {name}")));
}

#[tokio::test]
async fn a_server_lost_while_waiting() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut peer, _) = listener.accept().await.unwrap();
        let _ = peer.read(&mut [0; 4096]).await;
        let answer = "HTTP/1.1 202 Accepted\r\nLocation: /queue/1\r\nContent-Length: 0\r\n\
                      Connection: close\r\n\r\n";
        peer.write_all(answer.as_bytes()).await.unwrap();
    });
    let run = run(&["--server", &url, "volume", "delete", "abc"]).await;
    let text = "Error: lost the server while deleting the volume; \
                 operation 1 may still go on there: cannot reach";
    assert!(run.err.starts_with("The server does not answer; waiting for it\n"), "{}", run.err);
    assert!(run.err.contains(text), "{}", run.err);
}

/// The wait outlives a restart of the server: it answers for its operations afterwards.
#[tokio::test]
async fn a_server_restarted_while_waiting() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    async fn answer(listener: &tokio::net::TcpListener, text: &str) {
        let (mut peer, _) = listener.accept().await.unwrap();
        let _ = peer.read(&mut [0; 4096]).await;
        peer.write_all(text.as_bytes()).await.unwrap();
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let end = "Content-Length: 0\r\nConnection: close\r\n\r\n";
        answer(&listener, &format!("HTTP/1.1 202 Accepted\r\nLocation: /queue/1\r\n{end}")).await;
        drop(listener);
        let again = tokio::net::TcpListener::bind(address).await.unwrap();
        answer(&again, &format!("HTTP/1.1 204 No Content\r\n{end}")).await;
    });
    let run = run(&["--server", &format!("http://{address}"), "volume", "delete", "abc"]).await;
    assert_eq!(run.out, "Volume abc deleted\n", "{}", run.err);
    server.await.unwrap();
}
