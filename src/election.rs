//! Which of several servers works: the one that holds the Lease.
//!
//! The rules are those of Kubernetes' own components. Nobody's clock is trusted: who stands by
//! takes the Lease over when it has seen no sign of life for one term, and who works gives up when
//! two thirds of a term have passed since it last began to give one. Clocks that stand still
//! (a process that is stopped, a machine that is moved) are dealt with elsewhere: nodes refuse
//! scripts of an earlier server, and a backup that another server has claimed is not overwritten.
use crate::kube::{
    NoWay, Source,
    lease::{Found, Holding, LeaseError, Leases},
};
use jiff::Timestamp;
use std::time::Duration;
use tokio::{sync::watch, task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

/// What is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Name of the Lease.
    pub lease: String,
    /// After so long without a sign of life another server takes over.
    pub term: Duration,
    /// Where the API server is.
    pub source: Source,
    /// The namespace, if it is not that of the source.
    pub namespace: Option<String>,
    /// The name of this server for people: that of its pod.
    pub name: String,
}

/// A server that stands by.
pub struct Candidate {
    leases: Leases,
    /// No other process ever has this name.
    me: String,
    term: Duration,
    /// The Lease as it was seen last, and when it was first seen like that.
    seen: Option<(Option<String>, Instant)>,
}

/// A server that works, and goes on holding the Lease as long as this lives.
pub struct Leadership {
    me: String,
    lost: CancellationToken,
    resigns: CancellationToken,
    keeper: JoinHandle<()>,
}

impl Candidate {
    /// A candidate that has not asked for anything yet.
    ///
    /// # Errors
    /// Nothing leads to the API server.
    pub async fn new(settings: &Settings) -> Result<Self, NoWay> {
        let cluster = settings.source.connect(settings.namespace.as_deref()).await?;
        let leases = Leases::new(cluster, &settings.lease, settings.term / 5);
        let me = format!("{}_{}", settings.name, uuid::Uuid::new_v4().simple());
        Ok(Self { leases, me, term: settings.term, seen: None })
    }
    /// Namespace and name of the Lease, for people.
    #[must_use]
    pub fn lease(&self) -> String {
        self.leases.full_name()
    }

    /// Waits until this server is the one that works. Whoever works meanwhile is told to `leader`.
    ///
    /// # Cancel safety
    /// When it is dropped at the wrong moment nobody works for one term.
    pub async fn elected(mut self, leader: &watch::Sender<String>) -> Leadership {
        let mut troubled = false;
        loop {
            match self.attempt(leader).await {
                Ok(Some((found, since))) => return self.lead(found, since),
                Ok(None) => {
                    if troubled {
                        tracing::info!(lease = self.lease(), "the API server answers again");
                    }
                    troubled = false;
                }
                // Another was faster.
                Err(LeaseError::Changed(_)) => {}
                Err(error) => {
                    if !troubled {
                        tracing::error!("this server cannot ask whether it is to work: {error}");
                    }
                    troubled = true;
                }
            }
            tokio::time::sleep(self.term / 8).await;
        }
    }

    /// Takes the Lease if it is free, or if its holder has not been heard of for its term.
    async fn attempt(
        &mut self,
        leader: &watch::Sender<String>,
    ) -> Result<Option<(Found, Instant)>, LeaseError> {
        let found = self.leases.get().await?;
        let mut transitions = 0;
        if let Some(found) = &found {
            let holding = found.holding();
            transitions = holding.transitions.saturating_add(1);
            let version = found.version().map(str::to_owned);
            if self.seen.as_ref().is_none_or(|(seen, _)| *seen != version) {
                self.seen = Some((version, Instant::now()));
            }
            // One that is ours was taken by a request whose answer was lost.
            let free = holding.holder.is_empty() || holding.holder == self.me;
            let term = self.term.max(Duration::from_secs(holding.term.into()));
            let silent = self.seen.as_ref().is_some_and(|(_, since)| since.elapsed() >= term);
            if !free && !silent {
                leader.send_if_modified(|known| {
                    let news = *known != holding.holder;
                    known.clone_from(&holding.holder);
                    news
                });
                return Ok(None);
            }
        }
        let (since, now) = (Instant::now(), Timestamp::now());
        let holding = Holding {
            holder: self.me.clone(),
            term: u32::try_from(self.term.as_secs()).unwrap_or(u32::MAX),
            acquired: now,
            renewed: now,
            transitions,
        };
        Ok(Some((self.leases.write(found.as_ref(), &holding).await?, since)))
    }

    fn lead(self, found: Found, since: Instant) -> Leadership {
        tracing::info!(lease = self.lease(), name = self.me, "this server works from now on");
        let (lost, resigns) = (CancellationToken::new(), CancellationToken::new());
        let me = self.me.clone();
        let holder = Holder { candidate: self, found, since };
        let keeper = tokio::spawn(holder.keep(lost.clone(), resigns.clone()));
        Leadership { me, lost, resigns, keeper }
    }
}

impl Leadership {
    /// The name by which this server holds the Lease.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.me
    }
    /// Returns when this server must not do anything any more.
    pub fn lost(&self) -> impl Future<Output = ()> + Send + use<> {
        self.lost.clone().cancelled_owned()
    }
    /// Lets another server take over at once. Only when nothing is being done any more.
    pub async fn resign(self) {
        self.resigns.cancel();
        let _ = self.keeper.await;
    }
}

/// Keeps the Lease.
struct Holder {
    candidate: Candidate,
    found: Found,
    /// The Lease is ours for two thirds of a term from here on.
    since: Instant,
}

impl Holder {
    async fn keep(mut self, lost: CancellationToken, resigns: CancellationToken) {
        let term = self.candidate.term;
        let mut pause = term / 5;
        loop {
            let deadline = self.since + term * 2 / 3;
            tokio::select! {
                () = resigns.cancelled() => return self.resign().await,
                () = tokio::time::sleep(pause) => {}
            }
            // What failed is tried again soon: there is not much time.
            pause = term / 20;
            match tokio::time::timeout_at(deadline, self.renew()).await {
                Ok(Ok(true)) => pause = term / 5,
                Ok(Ok(false)) => {
                    tracing::error!("another server holds the Lease");
                    return lost.cancel();
                }
                Ok(Err(error)) if Instant::now() < deadline => {
                    tracing::warn!("the Lease cannot be renewed, and is tried again: {error}");
                }
                Ok(Err(error)) => {
                    tracing::error!("the Lease could not be renewed in time: {error}");
                    return lost.cancel();
                }
                Err(_) => {
                    tracing::error!("the Lease could not be renewed in time: no answer");
                    return lost.cancel();
                }
            }
        }
    }

    /// One sign of life; whether the Lease is still ours.
    async fn renew(&mut self) -> Result<bool, LeaseError> {
        match self.sign().await {
            Ok(()) => Ok(true),
            // By another, or by a request of ours whose answer was lost.
            Err(LeaseError::Changed(_)) => match self.candidate.leases.get().await? {
                Some(found) if found.holding().holder == self.candidate.me => {
                    self.found = found;
                    self.sign().await.map(|()| true)
                }
                _ => Ok(false),
            },
            Err(error) => Err(error),
        }
    }

    async fn sign(&mut self) -> Result<(), LeaseError> {
        let holding = Holding { renewed: Timestamp::now(), ..self.found.holding() };
        let since = Instant::now();
        self.found = self.candidate.leases.write(Some(&self.found), &holding).await?;
        self.since = since;
        Ok(())
    }

    async fn resign(self) {
        let holding =
            Holding { holder: String::new(), renewed: Timestamp::now(), ..self.found.holding() };
        let written = self.candidate.leases.write(Some(&self.found), &holding).await;
        match written {
            Ok(_) => tracing::info!("another server may take over now"),
            Err(error) => {
                tracing::warn!("another server takes over only after the term: {error}");
            }
        }
    }
}
