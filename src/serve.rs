//! `brickyard serve`: from the configuration to a running server, and its orderly end.
use crate::{
    adopt::{self, Adoption, Age},
    app::{App, Gate, Mode, Parts},
    backup::{self, Keeper},
    config::{Auth, Config, Executor},
    election::{self, Candidate, Leadership},
    http::{
        certificate::{self, Certificate},
        server, standby,
        tls::TlsListener,
    },
    kube::{NoWay, persistent::PersistentVolumes},
    monitor,
    node::{
        Nodes, Pace, Remote,
        kube::Kube,
        sim::{self, Sim, socket::Distant},
        ssh::Ssh,
    },
    operation::{OnRestart, Operations},
    store::{Store, clusters, mode},
    telemetry::Logging,
};
use anyhow::{Context, Result, bail};
use axum::serve::Listener;
use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{Notify, watch},
};
use tokio_util::sync::CancellationToken;

/// Runs the server until it is told to end by SIGTERM or SIGINT.
///
/// # Errors
/// It cannot start, or the listener fails.
pub async fn run(config: Config, logging: Logging, listen: Option<SocketAddr>) -> Result<()> {
    // First of all: a signal that comes while the server is still starting ends it in order.
    let stop = until_told()?;
    let certificate = config.tls.clone().map(Certificate::open).transpose().context("TLS")?;
    if let Auth::Off(why) = &config.auth {
        tracing::warn!("authentication is off ({why}): everybody who can connect is administrator");
    }
    // A port that is taken leaves no database behind.
    let listener = listener(listen, config.port).await?;
    let Some(election) = &config.election else {
        return work(&config, logging, listener, certificate, None, stop).await;
    };
    let elected = stand_by(election, &listener, certificate.as_ref(), &stop).await?;
    let Some(leadership) = elected else { return Ok(()) };
    let (name, lost) = (leadership.name().to_owned(), leadership.lost());
    tokio::spawn(async move {
        lost.await;
        end_at_once()
    });
    work(&config, logging, listener, certificate, Some(&name), stop).await?;
    // After a failure something may still be going on: the next server waits for its term.
    leadership.resign().await;
    Ok(())
}

/// As in a crash: whatever is going on here must not go on beside the next server.
fn end_at_once() -> ! {
    tracing::error!("this server does not work any more, and ends at once");
    std::process::exit(1)
}

/// Waits until it is this server that works, and tells everybody else who does meanwhile; none when
/// it is told to end before that.
async fn stand_by(
    election: &election::Settings,
    listener: &TcpListener,
    certificate: Option<&Arc<Certificate>>,
    stop: &CancellationToken,
) -> Result<Option<Leadership>> {
    let candidate = Candidate::new(election).await.context("BRICKYARD_LEASE")?;
    tracing::info!(lease = candidate.lease(), "this server stands by until it is to work");
    let (leader, known) = watch::channel(String::new());
    let over = CancellationToken::new();
    let same = listener_again(listener)?;
    let answering = match certificate {
        None => tokio::spawn(standby::serve(same, known, over.clone())),
        Some(certificate) => {
            let same = TlsListener::new(same, certificate).context("TLS")?;
            tokio::spawn(standby::serve(same, known, over.clone()))
        }
    };
    let elected = tokio::select! {
        elected = candidate.elected(&leader) => Some(elected),
        () = stop.cancelled() => None,
    };
    over.cancel();
    answering.await?.context("listener")?;
    Ok(elected)
}

/// The same socket once more: whoever connects while nobody accepts waits in its queue.
fn listener_again(listener: &TcpListener) -> Result<TcpListener> {
    let socket = std::os::fd::AsFd::as_fd(listener).try_clone_to_owned()?;
    Ok(TcpListener::from_std(socket.into())?)
}

/// Opens the database and serves it; as the one of several servers that has this name.
async fn work(
    config: &Config,
    logging: Logging,
    listener: TcpListener,
    certificate: Option<Arc<Certificate>>,
    name: Option<&str>,
    stop: CancellationToken,
) -> Result<()> {
    // Where several stand ready, what one of them has done comes before what a Heketi left here.
    if name.is_none() {
        adopt(config).await?;
    }
    let begin = async {
        match name {
            // Whoever only reads has no database of its own to lose.
            None if config.read_only => Ok(None),
            None => backup::begin(&config.backup, &config.database).await,
            Some(name) => backup::begin_as(name, &config.backup, &config.database).await,
        }
    };
    let keeper = tokio::select! {
        keeper = begin => keeper.context("backup")?,
        () = stop.cancelled() => return Ok(()),
    };
    let app = tokio::select! {
        app = build(config, logging, remote(config).await?) => app?,
        // What is to be read may be waited for.
        () = stop.cancelled(), if config.read_only => return Ok(()),
    };
    if name.is_some() {
        app.store.require_copies();
    }
    // What it cannot put on disk it must not tell, so it could answer nobody; a start finds out what is
    // there, and another server can take over.
    let broken = app.store.until_broken();
    tokio::spawn(async move {
        broken.await;
        end_at_once()
    });
    if let Some(keeper) = &keeper {
        let superseded = keeper.superseded();
        tokio::spawn(async move {
            superseded.cancelled().await;
            end_at_once()
        });
    }
    // A damaged database must not take the place of a good backup.
    let keeper = keeper.filter(|_| app.store.barred().is_none());
    let keeper = keeper.map(|keeper| keeper.telling(app.backup.clone()));
    let address = listener.local_addr()?;
    let protocol = if certificate.is_some() { "https" } else { "http" };
    let database = config.database.display();
    tracing::info!(%address, protocol, %database, version = VERSION, "serving");
    let beside = Beside { monitor: config.monitor, keeper };
    match certificate {
        None => serve(app, listener, beside, stop).await,
        Some(certificate) => serve_tls(app, listener, certificate, beside, stop).await,
    }
}

/// The same over TLS; the certificate is renewed when its files change, and looked at on SIGHUP.
async fn serve_tls(
    app: App,
    listener: TcpListener,
    certificate: Arc<Certificate>,
    beside: Beside,
    stop: CancellationToken,
) -> Result<()> {
    tracing::info!(sha256 = certificate.fingerprint(), "the certificate");
    let listener = TlsListener::new(listener, &certificate).context("TLS")?;
    let asked = Arc::new(Notify::new());
    let mut hup = signal(SignalKind::hangup())?;
    let asking = asked.clone();
    let hangups = tokio::spawn(async move {
        while hup.recv().await.is_some() {
            tracing::info!("SIGHUP: the certificate is looked at");
            asking.notify_one();
        }
    });
    let watching = tokio::spawn(certificate.watch(certificate::EVERY, asked, stop.clone()));
    let served = serve(app, listener, beside, stop).await;
    hangups.abort();
    watching.abort();
    served
}

/// The way to the nodes that the configuration names.
///
/// # Errors
/// The key for SSH cannot be read, or what is needed to reach the API server of Kubernetes.
pub async fn remote(config: &Config) -> Result<Arc<dyn Remote>> {
    Ok(match &config.executor {
        Executor::Ssh(settings) => Arc::new(Ssh::new(settings.clone()).context("ssh")?),
        Executor::Kube(settings) => {
            let namespace = settings.namespace.as_deref();
            let cluster = match &settings.source {
                Some(source) => source.connect(namespace).await,
                None => Err(NoWay::Nowhere),
            };
            let cluster = cluster.context("glusterfs.executor: kubernetes")?;
            tracing::info!(namespace = cluster.namespace, "commands run in gluster pods");
            Arc::new(Kube::new(cluster, settings))
        }
        Executor::Sim(disk) => {
            tracing::warn!("storage nodes are simulated: no real volume is made");
            Arc::new(Sim::new(*disk))
        }
        Executor::SimElsewhere(socket) => {
            let socket = socket.clone();
            tracing::warn!(socket = %socket.display(), "storage nodes are simulated elsewhere");
            Arc::new(Distant::new(socket))
        }
    })
}

/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A database of Heketi that lies in the place of ours becomes ours: an empty one beside it would
/// answer "Id not found" for volumes that exist.
async fn adopt(config: &Config) -> Result<()> {
    let Some(old) = config.heketi_database.as_ref().filter(|_| !config.database.exists()) else {
        return Ok(());
    };
    if config.read_only {
        bail!(
            "{} is the database of a Heketi estate, and was not adopted: that would make {}, and \
             db_read_only is set. Look at it with `brickyard adopt {0}`",
            old.display(),
            config.database.display()
        );
    }
    adopt::at_start(old, Age::Last, &config.database).await
}

/// A database of ours that knows nothing must not hide one of Heketi's: it was made when that was
/// not there, by a wrong mount or a copy that came late.
async fn refuse_to_hide(config: &Config, store: &Store) -> Result<()> {
    let Some(old) = &config.heketi_database else { return Ok(()) };
    if !clusters::all(&mut *store.read().await?).await?.is_empty() {
        return Ok(());
    }
    let Ok(heketis) = Adoption::read(old) else { return Ok(()) };
    let known = heketis.dump.clusterentries.len();
    if known == 0 {
        return Ok(());
    }
    bail!(
        "{ours} knows no cluster, and {old} beside it is the database of a Heketi with {known}: \
         serving the empty one would answer \"Id not found\" for volumes that exist. To adopt \
         Heketi's, remove {ours}, {ours}-wal and {ours}-shm; to go on with the empty one, move \
         {old} away",
        ours = config.database.display(),
        old = old.display()
    )
}

/// The application of a configuration, before it serves.
///
/// # Errors
/// The database cannot be opened, or a database of Heketi lies there that cannot be adopted.
pub async fn build(config: &Config, logging: Logging, remote: Arc<dyn Remote>) -> Result<App> {
    adopt(config).await?;
    if !config.database.exists() {
        let database = config.database.display();
        tracing::warn!(%database, "there is no database yet: an empty one is made");
    }
    for line in &config.ignored {
        tracing::warn!("has no effect: {line}");
    }
    let keys = match &config.auth {
        Auth::Keys(keys) => Some(keys.clone()),
        Auth::Off(_) => None,
    };
    let store = if config.read_only {
        Store::open_read_only(&config.database).await?
    } else {
        Store::open(&config.database).await?
    };
    refuse_to_hide(config, &store).await?;
    if let Some(why) = store.barred() {
        tracing::error!(why, "the database is read-only: every change will be refused");
    }
    let pace = match &config.executor {
        Executor::Ssh(_) | Executor::Kube(_) => Pace::default(),
        Executor::Sim(_) | Executor::SimElsewhere(_) => sim::PACE,
    };
    let nodes = Nodes::new(remote, config.tools.clone()).paced(pace).since(store.epoch());
    let operations = Operations::new(store.clone(), nodes, config.operations.clone());
    let elected = config.election.is_some();
    let (gate, backup) = (gate(config, &store).await?, backup::Status::default());
    let persistent_volumes = persistent_volumes(config).await?;
    let parts =
        Parts { store, operations, gate, elected, persistent_volumes, backup, logging, keys };
    Ok(App::new(parts))
}

/// Where several servers stand ready, what somebody has set holds until somebody sets something
/// else, whichever of them works.
async fn gate(config: &Config, store: &Store) -> Result<Gate> {
    let set = if config.election.is_some() { mode::get(store).await? } else { None };
    // A later version may know more of them.
    let Some(mode) = set.and_then(|word| word.parse::<Mode>().ok()) else {
        return Ok(Gate::new(config.mode));
    };
    if mode != Mode::Normal {
        tracing::warn!(mode = mode.as_str(), "administrative mode, as it was set before");
    }
    Ok(Gate::new(mode))
}

/// How long the API server may take for one answer of what is compared.
const ANSWER: Duration = Duration::from_secs(15);

async fn persistent_volumes(config: &Config) -> Result<Option<PersistentVolumes>> {
    let Some(source) = &config.persistent_volumes else { return Ok(None) };
    let cluster = source.connect(None).await.context("BRICKYARD_CHECK_PERSISTENT_VOLUMES")?;
    Ok(Some(PersistentVolumes::new(cluster, ANSWER)))
}

/// What works beside the answering of requests.
#[derive(Default)]
pub struct Beside {
    /// First look at the nodes and rhythm of the looks; none when nobody looks.
    pub monitor: Option<(Duration, Duration)>,
    /// Keeps the backup up to date, if that is wanted.
    pub keeper: Option<Keeper>,
}

/// Recovers what an earlier run left, and answers requests until `stop` is cancelled.
///
/// # Errors
/// The database or the listener fails.
pub async fn serve<L>(
    app: App,
    listener: L,
    Beside { monitor, keeper }: Beside,
    stop: CancellationToken,
) -> Result<()>
where
    L: Listener<Addr = SocketAddr>,
{
    let served = CancellationToken::new();
    let keeper = keeper.map(|keeper| tokio::spawn(keeper.run(app.store.clone(), served.clone())));
    app.operations.recover(OnRestart::default()).await.context("recovery")?;
    let monitor = monitor.map(|rhythm| {
        let (store, nodes) = (app.store.clone(), app.operations.nodes().clone());
        tokio::spawn(monitor::run(store, nodes, rhythm, stop.clone()))
    });
    let reset = tokio::spawn(normal_on_signal(app.clone())?);
    server::serve(app.clone(), listener, stop).await.context("listener")?;
    reset.abort();
    if let Some(monitor) = monitor {
        monitor.await.context("monitor of the nodes")?;
    }
    app.store.at_rest().await;
    // Nobody writes any more: what the backup gets now is the last state.
    served.cancel();
    if let Some(keeper) = keeper {
        keeper.await.context("backup")?;
    }
    app.store.clone().close().await;
    tracing::info!("ended");
    Ok(())
}

/// All addresses of both families, as Heketi listens; IPv4 alone where there is no other.
async fn listener(wanted: Option<SocketAddr>, port: u16) -> Result<TcpListener> {
    let addresses = match wanted {
        Some(address) => vec![address],
        None => vec![(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()],
    };
    TcpListener::bind(addresses.as_slice()).await.with_context(|| {
        let shown: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        format!("cannot listen on {}", shown.join(" or "))
    })
}

/// Cancelled by the first SIGTERM or SIGINT; a second one ends the process at once, which is safe
/// as well: whatever was running is brought to rest at the next start.
///
/// # Errors
/// The process cannot have signal handlers.
pub fn until_told() -> Result<CancellationToken> {
    let stop = CancellationToken::new();
    let told = stop.clone();
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        let next =
            async || tokio::select! { _ = term.recv() => "SIGTERM", _ = int.recv() => "SIGINT" };
        let mut next = next;
        let name = next().await;
        tracing::info!(
            "{name}: running operations reach the end of their step; again to end at once"
        );
        told.cancel();
        next().await;
        tracing::warn!("ended at once; the next start brings to rest what was running");
        std::process::exit(1);
    });
    Ok(stop)
}

/// SIGUSR2 is the only way out of read-only mode besides the restart of a server that is alone.
fn normal_on_signal(app: App) -> Result<impl Future<Output = ()>> {
    let mut usr2 = signal(SignalKind::user_defined2())?;
    Ok(async move {
        while usr2.recv().await.is_some() {
            tracing::warn!("SIGUSR2: administrative mode is normal again");
            if let Err(error) = app.change_mode(Mode::Normal).await {
                // Whoever takes over has the other mode still.
                tracing::error!("that could not be written down: {error}");
                app.gate.set(Mode::Normal);
            }
        }
    })
}
