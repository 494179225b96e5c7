//! What everybody in a run shares.
use crate::{
    http::{Answer, Client, Silence},
    ledger::{AGAIN, Ask, End, Ledger},
    report::Report,
    topology::Topology,
};
use serde_json::Value;
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// What a refusal may be; anything else is a finding.
const REFUSALS: [u16; 6] = [400, 404, 409, 429, 500, 503];
/// Between two questions.
const POLL: Duration = Duration::from_millis(25);
/// Before a client that was told to come later comes again.
const LATER: Duration = Duration::from_millis(50);
/// Nobody listens for as long as a server needs to start.
const NOBODY: Duration = Duration::from_millis(15);

pub struct Run {
    pub report: Arc<Report>,
    pub ledger: Ledger,
    pub client: Client,
    pub topology: Topology,
    /// When the server was started last.
    started: Mutex<Instant>,
}

/// How following an operation ended.
#[derive(Debug)]
pub enum Followed {
    End(End),
    /// Stuck: the server will try again.
    Again,
    /// The run stops; or the answer was a finding.
    Left,
}

impl Run {
    pub fn new(report: Arc<Report>, client: Client, topology: Topology) -> Self {
        let ledger = Ledger::default();
        let started = Mutex::new(Instant::now());
        Self { report, ledger, client, topology, started }
    }
    pub fn server_started(&self) {
        *self.started.lock().unwrap() = Instant::now();
        self.client.server_started();
    }

    /// Sends a request that is to start an operation; its number when it was accepted.
    ///
    /// With `hang_up` the connection is closed after that time, whether or not there is an answer.
    pub async fn order(
        &self,
        ask: Ask,
        (method, path): (&str, &str),
        body: Option<&Value>,
        hang_up: Option<Duration>,
    ) -> Option<usize> {
        let kind = ask.kind();
        let sent = self.client.send(method, path, body);
        let answer = match hang_up {
            None => sent.await,
            Some(after) => tokio::time::timeout(after, sent).await.unwrap_or_else(|_| {
                self.report.count("clients", "hung up");
                Err(Silence::Lost)
            }),
        };
        match answer {
            Ok(answer) if answer.status == 202 => {
                let Some(queue) = answer.header("location") else {
                    self.report.finding(format!("{method} {path}: 202 without a location"));
                    return None;
                };
                self.report.count("accepted operations", kind);
                return Some(self.ledger.accepted(ask, queue.to_owned()));
            }
            Ok(answer) => {
                self.refused(kind, (method, path), &answer);
                if matches!(answer.status, 429 | 503) {
                    tokio::time::sleep(LATER).await;
                }
            }
            Err(Silence::NotSent) => tokio::time::sleep(NOBODY).await,
            Err(silence) => {
                if silence == Silence::Hangs {
                    self.report.finding(format!("{method} {path} hangs"));
                }
                self.report.count("clients", "never heard whether it was accepted");
                self.ledger.unanswered(ask);
            }
        }
        None
    }

    fn refused(&self, kind: &str, (method, path): (&str, &str), answer: &Answer) {
        let Answer { status, body, .. } = answer;
        let cause = if *status == 500 { brief(body) } else { String::new() };
        self.report.count("refused requests", format!("{kind}: {status} {cause}"));
        let honest = REFUSALS.contains(status) && !body.trim().is_empty();
        if !honest || is_dishonest(body) {
            self.report.finding(format!("{method} {path}: {status} {body}"));
        }
    }

    /// Polls an accepted operation to its end, through any number of restarts.
    pub async fn follow(&self, order: usize, kind: &str, stop: &CancellationToken) -> Followed {
        let queue = self.ledger.queue_of(order);
        let starts = self.client.starts();
        while !stop.is_cancelled() {
            let answer = match self.client.get(&queue).await {
                Ok(answer) => answer,
                Err(Silence::Hangs) => {
                    self.report.finding(format!("GET {queue} hangs"));
                    return Followed::Left;
                }
                Err(_) => {
                    tokio::time::sleep(NOBODY).await;
                    continue;
                }
            };
            let end = match word(&answer) {
                Ok(Word::Pending) => {
                    tokio::time::sleep(POLL).await;
                    continue;
                }
                Ok(Word::Again) => {
                    self.report.count("ends", format!("{kind}: will be tried again"));
                    return Followed::Again;
                }
                Ok(Word::End(end)) => end,
                Err(why) => {
                    self.report.finding(format!("GET {queue} ({kind}): {why}"));
                    return Followed::Left;
                }
            };
            if self.client.starts() != starts {
                let time = self.started.lock().unwrap().elapsed();
                self.report.took("from a restart to the end of an operation it met", time);
            }
            let how = match &end {
                End::Done(_) => "done",
                End::Failed(why) if why.contains("server was restarted") => "taken back, restart",
                End::Failed(_) => "failed",
            };
            self.report.count("ends", format!("{kind}: {how}"));
            if let Err(why) = self.ledger.ended(order, &end) {
                self.report.finding(why);
            }
            return Followed::End(end);
        }
        Followed::Left
    }
}

/// What the queue says.
pub enum Word {
    Pending,
    Again,
    End(End),
}

/// Reads an answer of the queue; what is wrong with it.
pub fn word(answer: &Answer) -> Result<Word, String> {
    let pending = answer.header("x-pending");
    match (answer.status, pending) {
        (200, Some("true")) => Ok(Word::Pending),
        (303, None) => match answer.header("location") {
            Some(to) => Ok(Word::End(End::Done(Some(to.to_owned())))),
            None => Err("303 without a location".into()),
        },
        (204, None) => Ok(Word::End(End::Done(None))),
        (500, None) if answer.body.trim().is_empty() => Err("500 without a word".into()),
        (500, None) if is_dishonest(&answer.body) => Err(answer.body.clone()),
        (500, None) if answer.body.contains(AGAIN) => Ok(Word::Again),
        (500, None) => Ok(Word::End(End::Failed(answer.body.clone()))),
        (status, _) => Err(format!("{status} (x-pending: {pending:?}) {}", answer.body)),
    }
}

/// The first words, without names that are different each time.
fn brief(body: &str) -> String {
    let plain = |word: &&str| !word.contains(|c: char| c.is_ascii_digit() || c == '/');
    body.split_whitespace().filter(plain).take(12).collect::<Vec<_>>().join(" ")
}

/// Texts that mean a defect, and not a node's trouble.
fn is_dishonest(body: &str) -> bool {
    ["internal error", "database of the server failed", "cannot be read"]
        .iter()
        .any(|words| body.contains(words))
}
