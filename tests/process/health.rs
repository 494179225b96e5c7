//! `brickyard health`, by which a supervisor asks whether the server of its machine answers.
use super::{Running, brickyard, folder, run, stderr};
use crate::harness::free_port;
use std::{
    io::{Read, Write},
    net::TcpListener,
};

#[test]
fn it_says_yes_of_a_server_that_answers_and_no_of_none() {
    let folder = folder();
    let server = Running::start(folder.path(), &["--disable-auth"]);
    let listen = server.url.trim_start_matches("http://").to_owned();
    let ask = || run(folder.path(), &["health", "--listen", &listen]);
    let answer = ask();
    assert!(answer.status.success(), "{}", stderr(&answer));
    assert!(
        answer.stdout.is_empty() && answer.stderr.is_empty(),
        "a supervisor keeps what it says"
    );
    server.end();
    let answer = ask();
    assert_eq!(answer.status.code(), Some(1));
    let said = stderr(&answer);
    assert!(said.contains(&format!("does not answer: http://{listen}/hello: ")), "{said}");
}

/// As the server finds them: nothing has to be said twice.
#[test]
fn port_and_tls_are_those_of_the_configuration() {
    let folder = folder();
    let port = free_port();
    let file = folder.path().join("heketi.json");
    let ask = |json: &str, variable: Option<u16>| {
        std::fs::write(&file, json).unwrap();
        let mut command = brickyard(folder.path());
        command.arg("health").env("HEKETI_CONFIG", &file);
        command.envs(variable.map(|port| ("HEKETI_HTTP_PORT", port.to_string())));
        let answer = command.output().unwrap();
        assert_eq!(answer.status.code(), Some(1));
        stderr(&answer)
    };
    let said = ask(&format!(r#"{{"port": "{port}"}}"#), None);
    assert!(said.contains(&format!("http://127.0.0.1:{port}/hello: ")), "{said}");
    assert!(said.contains(&format!("http://[::1]:{port}/hello: ")), "{said}");
    let said = ask(r#"{"port": "1", "enable_tls": true}"#, Some(port));
    assert!(said.contains(&format!("https://127.0.0.1:{port}/hello: ")), "{said}");
    let said = ask(r#"{"port": 0.5}"#, None);
    assert!(said.contains("unable to parse configuration"), "{said}");
}

#[test]
fn another_answer_and_none_are_told() {
    let folder = folder();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let other = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        assert_ne!(stream.read(&mut request).unwrap(), 0);
        stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").unwrap();
        listener
    });
    let answer = run(folder.path(), &["health", "--listen", &address]);
    assert!(!answer.status.success());
    assert!(stderr(&answer).contains("answers 503"), "{}", stderr(&answer));
    // Connections are taken, and nobody answers.
    let _silent = other.join().unwrap();
    let answer = run(folder.path(), &["health", "--listen", &address, "--timeout", "1"]);
    assert!(!answer.status.success());
    assert!(stderr(&answer).contains("does not answer"), "{}", stderr(&answer));
}
