//! Requests byte for byte, for what a well-behaved client would tidy up before sending.
use crate::harness::{TestApp, client::Answer};
use reqwest::header::{HeaderMap, HeaderName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Sends the bytes and reads until the server closes.
pub async fn exchange(app: &TestApp, request: &[u8]) -> Answer {
    let address = app.client.base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut all = vec![];
    stream.read_to_end(&mut all).await.unwrap();
    let end = all.windows(4).position(|w| w == b"\r\n\r\n").expect("a head") + 4;
    let head = String::from_utf8(all[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    Answer { status, headers, body: all[end..].to_vec() }
}

/// A request without a body, its target untouched.
pub async fn plain(app: &TestApp, method: &str, target: &str) -> Answer {
    let request = format!("{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    exchange(app, request.as_bytes()).await
}

/// A request whose body comes in chunks, without an announced length.
pub async fn chunked(app: &TestApp, method: &str, target: &str, body: &[u8]) -> Answer {
    let mut request = format!(
        "{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    .into_bytes();
    for chunk in body.chunks(64 * 1024) {
        request.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        request.extend(chunk);
        request.extend(b"\r\n");
    }
    request.extend(b"0\r\n\r\n");
    exchange(app, &request).await
}
