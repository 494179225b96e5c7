//! A client that expects anything: the server may be killed while it speaks.
use jsonwebtoken::{EncodingKey, Header};
use reqwest::{Method, header::HeaderMap, redirect::Policy};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    fmt::Write,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// No request takes this long; one that does hangs.
const PATIENCE: Duration = Duration::from_secs(20);

pub const ADMIN_KEY: &str = "torture admin";

#[derive(Clone)]
pub struct Client {
    base: String,
    http: reqwest::Client,
    /// How often the server was started.
    starts: Arc<AtomicU64>,
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    headers: HeaderMap,
    pub body: String,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Nobody listened: nothing was asked.
    NotSent,
    /// The connection ended first, or the server at its other end: it may have been heard.
    Lost,
    /// The server is there and does not answer.
    Hangs,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
    pub fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.body).ok()
    }
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        let http = reqwest::Client::builder().redirect(Policy::none()).no_proxy();
        let http = http.timeout(PATIENCE).build().unwrap();
        Self { base: format!("http://{address}"), http, starts: Arc::default() }
    }

    /// Another server begins.
    pub fn server_started(&self) {
        self.starts.fetch_add(1, SeqCst);
    }
    pub fn starts(&self) -> u64 {
        self.starts.load(SeqCst)
    }

    /// # Cancel safety
    /// Dropping the future hangs up.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Silence> {
        let verb = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.http.request(verb, format!("{}{path}", self.base));
        request = request.header("authorization", bearer(method, path));
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let starts = self.starts();
        let silence = |e: reqwest::Error| match e {
            e if e.is_connect() => Silence::NotSent,
            // Whoever was asked is dead if there is another by now.
            e if e.is_timeout() && starts == self.starts() => Silence::Hangs,
            _ => Silence::Lost,
        };
        let response = request.send().await.map_err(silence)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.text().await.map_err(silence)?;
        // As good as nobody: it has not begun to work.
        if status == 503 && body.starts_with("This server stands by") {
            return Err(Silence::NotSent);
        }
        Ok(Answer { status, headers, body })
    }
    pub async fn get(&self, path: &str) -> Result<Answer, Silence> {
        self.send("GET", path, None).await
    }
    /// Asks until somebody answers; for reading.
    pub async fn must_get(&self, path: &str) -> Result<Answer, String> {
        let mut last = Silence::NotSent;
        for _ in 0..600 {
            match self.get(path).await {
                Ok(answer) => return Ok(answer),
                Err(Silence::Hangs) => return Err(format!("GET {path} hangs")),
                Err(silence) => last = silence,
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!("GET {path}: nobody answers ({last:?})"))
    }
}

fn bearer(method: &str, path: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut qsh = String::new();
    for byte in Sha256::digest(format!("{method}&{path}")) {
        let _ = write!(qsh, "{byte:02x}");
    }
    let claims = json!({"iss": "admin", "iat": now, "exp": now + 300, "qsh": qsh});
    let key = EncodingKey::from_secret(ADMIN_KEY.as_bytes());
    format!("bearer {}", jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap())
}
