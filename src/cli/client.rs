//! Talks to the server: signs requests, waits out busy servers and sees operations to their end.
//!
//! ```text
//! start -> 429: wait, start again | 202: poll Location | else: the answer
//! poll  -> 200 + X-Pending: poll again | 303: get Location | 204: done | 500: why it failed
//! ```
use super::{args::Globals, console::Console, tls, token};
use crate::lenient;
use anyhow::{Context, Result, anyhow, bail};
use reqwest::{
    Method, Response, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, LOCATION, RETRY_AFTER},
    redirect::Policy,
};
use secrecy::SecretString;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    cell::RefCell,
    error::Error,
    time::{Duration, Instant},
};

/// How long a server that is being restarted is waited for, seconds.
const RESTART: u32 = 120;

/// How often a request is repeated when the server is busy.
const BUSY_RETRIES: u64 = 6;
const X_PENDING: HeaderName = HeaderName::from_static("x-pending");

/// How long a second lasts; tests let the time run faster.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// The length of what is called a second.
    pub second: Duration,
}

impl Default for Clock {
    fn default() -> Self {
        Self { second: Duration::from_secs(1) }
    }
}

impl Clock {
    /// Sleeps for so many seconds.
    pub(super) async fn seconds(self, count: u64) {
        let factor = u32::try_from(count).unwrap_or(u32::MAX);
        tokio::time::sleep(self.second.saturating_mul(factor)).await;
    }
}

/// No body, for requests that have none.
pub(super) const NOTHING: Option<&()> = None;

/// The server's refusal, in its own words.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(super) struct Refusal {
    status: StatusCode,
    text: String,
}

/// A connection to one server.
pub(super) struct Client<'a> {
    http: reqwest::Client,
    server: Url,
    user: String,
    secret: SecretString,
    clock: Clock,
    console: &'a Console,
    /// What is being waited for, and the operations it is waited for: one, or some side by side.
    waiting: RefCell<Vec<(String, String)>>,
}

impl<'a> Client<'a> {
    pub(super) fn new(flags: &Globals, console: &'a Console, clock: Clock) -> Result<Self> {
        let mut http = reqwest::Client::builder()
            .redirect(Policy::none())
            .connect_timeout(Duration::from_secs(30))
            // The server is near; a proxy for the outer world would only get in the way.
            .no_proxy();
        if flags.insecure_tls {
            http = http.tls_danger_accept_invalid_certs(true);
        } else if !flags.tls_cert.is_empty() {
            http = http.tls_backend_preconfigured(tls::trusting(&flags.tls_cert)?);
        }
        Ok(Self {
            http: http.build().map_err(|e| anyhow!("cannot set up TLS: {}", root_cause(&e)))?,
            server: server_url(&flags.server)?,
            user: flags.user.clone().unwrap_or_default(),
            secret: flags.secret.clone().unwrap_or_default(),
            clock,
            console,
            waiting: RefCell::default(),
        })
    }

    /// Reads an object.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        parsed(&self.text(path).await?)
    }
    /// Reads an object that may have gone since it was listed.
    pub(super) async fn get_if_there<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        match self.get(path).await {
            Ok(found) => Ok(Some(found)),
            Err(e) if status(&e) == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(e) => Err(e),
        }
    }
    /// Reads a text as it is.
    pub(super) async fn text(&self, path: &str) -> Result<String> {
        self.run(Method::GET, path, NOTHING, "").await
    }
    /// Reads a file as it is.
    pub(super) async fn bytes(&self, path: &str) -> Result<Vec<u8>> {
        let answer = self.start(&Method::GET, &self.url(path)?, None).await?;
        accepted(answer).await
    }
    /// Asks for a change and reads the object that results.
    pub(super) async fn change<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        what: &str,
    ) -> Result<T> {
        parsed(&self.run(Method::POST, path, Some(body), what).await?)
    }
    /// Sends a request and waits for its end, showing `what` is going on unless that is empty.
    pub(super) async fn run(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        what: &str,
    ) -> Result<String> {
        let body = body.map(crate::api::json::compact).transpose()?;
        let mut answer = self.start(&method, &self.url(path)?, body).await?;
        if answer.status() == StatusCode::ACCEPTED {
            let queue = location(&answer)?;
            let name = queue.path().rsplit('/').next().unwrap_or_default().to_owned();
            let doing = if what.is_empty() { "waiting" } else { what };
            let id = name.clone();
            self.waiting.borrow_mut().push((doing.to_owned(), name));
            let spinner = self.console.spinner(what);
            let ended = self.wait(queue).await;
            drop(spinner);
            self.waiting.borrow_mut().retain(|(_, other)| *other != id);
            answer = ended.with_context(|| {
                format!("lost the server while {doing}; operation {id} may still go on there")
            })?;
        }
        Ok(String::from_utf8_lossy(&accepted(answer).await?).into_owned())
    }
    /// What to say when the user does not want to wait any longer.
    pub(super) fn interrupted(&self) -> anyhow::Error {
        match self.waiting.borrow().as_slice() {
            [] => anyhow!("interrupted"),
            [(what, id)] => anyhow!(
                "interrupted while {what}; operation {id} goes on at the server, \
                 which answers for it at /queue/{id}"
            ),
            [(what, _), ..] => {
                let ids: Vec<_> = self.waiting.borrow().iter().map(|(_, id)| id.clone()).collect();
                anyhow!(
                    "interrupted while {what}; operations {} go on at the server, which answers \
                     for each at /queue/ID",
                    ids.join(", ")
                )
            }
        }
    }

    fn url(&self, path: &str) -> Result<Url> {
        Ok(self.server.join(&format!("{}{path}", self.server.path().trim_end_matches('/')))?)
    }
    /// The first answer that is not "busy".
    async fn start(&self, method: &Method, url: &Url, body: Option<String>) -> Result<Response> {
        let mut attempt = 0;
        loop {
            let answer = self.once(method.clone(), url.clone(), body.clone()).await?;
            if answer.status() != StatusCode::TOO_MANY_REQUESTS || attempt == BUSY_RETRIES {
                return Ok(answer);
            }
            attempt += 1;
            let pause = busy_pause(&answer);
            self.console.note(&format!(
                "Server busy, trying again in {pause} s ({attempt} of {BUSY_RETRIES})"
            ));
            self.clock.seconds(pause).await;
        }
    }
    /// Polls until the operation is over, then follows to its result. Every hop has its own token.
    async fn wait(&self, queue: Url) -> Result<Response> {
        let mut pause = self.clock.second / 20;
        let mut lost: Option<Instant> = None;
        loop {
            let answer = match self.once(Method::GET, queue.clone(), None).await {
                Ok(answer) => answer,
                // A server that is being restarted answers for its operations afterwards.
                Err(error) => {
                    let since = *lost.get_or_insert_with(|| {
                        self.console.note("The server does not answer; waiting for it");
                        Instant::now()
                    });
                    if since.elapsed() > self.clock.second * RESTART {
                        return Err(error);
                    }
                    tokio::time::sleep(self.clock.second).await;
                    continue;
                }
            };
            lost = None;
            let pending = answer.headers().get(X_PENDING).is_some_and(|v| v == "true");
            match answer.status() {
                StatusCode::OK if pending => tokio::time::sleep(pause).await,
                StatusCode::SEE_OTHER => {
                    return self.once(Method::GET, location(&answer)?, None).await;
                }
                _ => return Ok(answer),
            }
            pause = (pause * 2).min(self.clock.second * 2 / 5);
        }
    }
    async fn once(&self, method: Method, url: Url, body: Option<String>) -> Result<Response> {
        if url.origin() != self.server.origin() {
            bail!("the server points to another one, {url}; your key is not sent there");
        }
        let token = token::bearer(&self.user, &self.secret, method.as_str(), url.path())?;
        let mut request = self.http.request(method, url).header(AUTHORIZATION, token);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        request.send().await.map_err(|e| self.unreachable(&e))
    }
    fn unreachable(&self, error: &reqwest::Error) -> anyhow::Error {
        let cause = root_cause(error);
        let hint = if cause.contains("certificate") {
            "trust it by --tls-cert, or do without verification by --insecure-tls"
        } else {
            "the address is set by --server or HEKETI_CLI_SERVER"
        };
        let server = self.server.as_str().trim_end_matches('/');
        anyhow!("cannot reach the server at {server}: {cause} ({hint})")
    }
}

/// The server's status when the error is its refusal.
fn status(error: &anyhow::Error) -> Option<StatusCode> {
    error.downcast_ref::<Refusal>().map(|r| r.status)
}

fn server_url(text: &str) -> Result<Url> {
    let text = if text.is_empty() { super::args::DEFAULT_SERVER } else { text };
    let mut url = Url::parse(text)
        .ok()
        .filter(|u| u.has_host() && matches!(u.scheme(), "http" | "https"))
        .ok_or_else(|| anyhow!("--server must be like http://host:8080, not {text:?}"))?;
    // Tokens are the only way to log in, and a password must not show up in messages.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ok(url)
}

/// Heketi's tool waits 10 to 29 s, or as long as the server asks plus up to 9 s.
fn busy_pause(answer: &Response) -> u64 {
    let asked =
        answer.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    match asked {
        Some(seconds) => seconds.saturating_add(random_below(10)),
        None => 10 + random_below(20),
    }
}

fn random_below(limit: u64) -> u64 {
    let random = uuid::Uuid::new_v4().as_u128() % u128::from(limit);
    u64::try_from(random).unwrap_or_default()
}

fn location(answer: &Response) -> Result<Url> {
    let text = answer.headers().get(LOCATION).and_then(|v| v.to_str().ok());
    let text = text.context("the server's answer lacks its Location header")?;
    answer.url().join(text).context("the server's Location header is not an address")
}

/// The body of a success; anything else is an error with the server's text.
async fn accepted(answer: Response) -> Result<Vec<u8>> {
    let status = answer.status();
    let target = answer.headers().get(LOCATION).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let body = answer.bytes().await.map_err(|e| anyhow!("answer cut short: {}", root_cause(&e)))?;
    if status.is_success() {
        return Ok(body.into());
    }
    let text = String::from_utf8_lossy(&body);
    let name = status.canonical_reason().unwrap_or_default();
    let text = match (text.trim(), target) {
        (_, Some(to)) => {
            format!("the server redirects to {to} (status {}: {name})", status.as_u16())
        }
        ("", _) => {
            format!("server did not provide a message (status {}: {name})", status.as_u16())
        }
        (words, _) => words.to_owned(),
    };
    Err(Refusal { status, text }.into())
}

fn parsed<T: DeserializeOwned>(text: &str) -> Result<T> {
    lenient::from_slice(text.as_bytes()).context("cannot understand the server's answer")
}

fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
