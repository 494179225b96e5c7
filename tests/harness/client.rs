//! A small HTTP client that shows everything: status, headers and body as they came.
use reqwest::{
    Method,
    header::{HeaderMap, LOCATION},
    redirect::Policy,
};
use serde_json::Value;
use std::{net::SocketAddr, time::Duration};

pub struct Client {
    pub base: String,
    pub http: reqwest::Client,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
    pub fn location(&self) -> String {
        self.headers[LOCATION].to_str().unwrap().to_owned()
    }
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        let http = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        Self { base: format!("http://{address}"), http }
    }
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body.to_vec());
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.bytes().await.unwrap().to_vec() }
    }
    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None).await
    }
    pub async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], None).await
    }
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, &[], Some(body.to_string().as_bytes())).await
    }
    /// Polls an accepted operation to its end and follows to its result, as Heketi's clients do.
    /// An answer that is no 202 is returned as it is.
    pub async fn finish(&self, accepted: Answer) -> Answer {
        if accepted.status != 202 {
            return accepted;
        }
        let end = self.poll(&accepted.location()).await;
        if end.status == 303 { self.get(&end.location()).await } else { end }
    }
    /// Polls a queue entry until it is not pending any more.
    pub async fn poll(&self, queue: &str) -> Answer {
        for _ in 0..3000 {
            let answer = self.get(queue).await;
            if answer.header("x-pending") != Some("true") {
                return answer;
            }
            assert_eq!(answer.status, 200);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{queue} is still pending");
    }
}
