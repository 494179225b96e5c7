//! Requests to a server that may die meanwhile.
use reqwest::{Client, Method, redirect::Policy};
use serde_json::Value;
use std::time::Duration;
use tokio::{runtime::Handle, task::JoinHandle};

pub struct Http {
    pub base: String,
    pub runtime: Handle,
    client: Client,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// The path in `Location`.
    pub location: Option<String>,
    pub pending: bool,
    pub text: String,
}

impl Http {
    pub fn new(base: String, runtime: Handle) -> Self {
        // No connection outlives its answer: the next one may be for another server process.
        let builder =
            Client::builder().redirect(Policy::none()).no_proxy().pool_max_idle_per_host(0);
        let client = builder.timeout(Duration::from_mins(1)).build().unwrap();
        Self { base, runtime, client }
    }
    /// Sends a request; whether it was answered, and what, is known later.
    pub fn send(&self, method: Method, path: &str, body: &Value) -> JoinHandle<Option<Answer>> {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if !body.is_null() {
            request = request.body(body.to_string());
        }
        self.runtime.spawn(async move {
            let response = request.send().await.ok()?;
            let header = |name| response.headers().get(name)?.to_str().ok().map(str::to_owned);
            let (location, pending) = (header("location"), header("x-pending"));
            let (status, pending) =
                (response.status().as_u16(), pending.as_deref() == Some("true"));
            Some(Answer { status, location, pending, text: response.text().await.ok()? })
        })
    }
    /// None when the server died before it answered.
    pub fn answer(&self, sent: JoinHandle<Option<Answer>>) -> Option<Answer> {
        self.runtime.block_on(sent).unwrap()
    }
    pub fn get(&self, path: &str) -> Answer {
        let sent = self.send(Method::GET, path, &Value::Null);
        self.answer(sent).unwrap_or_else(|| panic!("no answer to GET {path}"))
    }
}
