//! What happens to the database before a server opens it: a lost one comes back from its backup, one
//! that is there stays as it is.
use super::{
    Keeper, Settings,
    bundle::{Content, DATABASE, Damage, Described, NOTE},
    shelf::{Shelf, ShelfError},
};
use crate::{
    adopt::{self, Age},
    kube::{NoWay, secret::Data, secret::Secrets},
    store::{
        Lock, OpenError, Store,
        draft::Draft,
        operations,
        origin::{self, Origin},
    },
};
use std::{
    fs::{self, File},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::Instant;

/// Why the server does not start. The texts say what a person can do.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Nothing leads to the API server.
    #[error("backups are on ({on}), but {why}")]
    NoWay {
        /// What switched them on.
        on: String,
        /// What is missing.
        why: NoWay,
    },
    /// There is no database, and nobody knows whether there is a backup.
    #[error(
        "there is no database at {database}, and whether there is a backup of it cannot be found \
         out: {why}. Starting empty would answer \"Id not found\" for volumes that exist, so the \
         server does not start. Nothing was changed"
    )]
    Unreachable {
        /// Where it should be.
        database: PathBuf,
        /// The API server's words.
        why: ShelfError,
    },
    /// Nobody knows what the server before this one has done.
    #[error(
        "this server was to take over, and cannot: {why}. The database is not at {database} until \
         the backup has been read; the server ends, and tries again when it is started"
    )]
    Unclaimed {
        /// Where the database should be.
        database: PathBuf,
        /// The API server's words.
        why: ShelfError,
    },
    /// Two databases, and no server of those that stand ready has had both.
    #[error(
        "the database at {database} is not the one that {place} is the backup of, on which the \
         other servers work. Nothing was changed. Move it and the files beside it away to work on \
         that of the others; to work on this one, stop all servers, and remove the Secret"
    )]
    Another {
        /// Which database.
        database: PathBuf,
        /// Where the backup is.
        place: String,
    },
    /// The backup cannot be used.
    #[error(
        "there is no database at {database}, and the backup in {place} cannot be used: {why}. \
         Nothing was changed, and nothing of it was taken. Put a copy of the database in its place \
         (`GET /backup/db` gives such copies), or mend the backup; to start with an empty database \
         all the same, remove the Secret or name another by HEKETI_KUBE_DB_SECRET_NAME"
    )]
    Useless {
        /// Where the database should be.
        database: PathBuf,
        /// Where the backup is.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// A mounted Secret is only the first part.
    #[error(
        "there is no database at {database}, and {place} has only the first of {parts} parts of \
         its backup; the others are read through the API of Kubernetes: {how}. Nothing was changed"
    )]
    OnlyFirst {
        /// Where the database should be.
        database: PathBuf,
        /// Where the first part is.
        place: String,
        /// How many there are.
        parts: usize,
        /// What keeps us from it.
        how: String,
    },
    /// The backup is of Heketi, and is not taken over without a person.
    #[error(
        "there is no database at {database}; {place} holds that of a Heketi, of which {copy} is a \
         copy: {why}. To start with an empty database all the same, name another Secret by \
         HEKETI_KUBE_DB_SECRET_NAME"
    )]
    Heketi {
        /// Where the database should be.
        database: PathBuf,
        /// Where the backup is.
        place: String,
        /// What a person can work with.
        copy: PathBuf,
        /// What keeps it from being taken over, and what can be done.
        why: String,
    },
    /// The database that is there is not the last one.
    #[error(
        "the database {database} is older than the backup in {place}: a server worked on a copy of \
         it until {taken_at}. Going on with it would forget what was made since, so the server does \
         not start. Nothing was changed. To take the backup, move the database and the files beside \
         it away; to go on with the old one, remove the Secret"
    )]
    Older {
        /// Which database.
        database: PathBuf,
        /// Where the backup is.
        place: String,
        /// When the backup was made.
        taken_at: jiff::Timestamp,
    },
    /// The database cannot be written.
    #[error("{path}: {why}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// Somebody has it.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// A backup that was found.
struct Source {
    place: String,
    content: Content,
}

/// Sees to it that the database is there if it ever was, and tells what it found in the log. What
/// keeps the backup up to date, if that is switched on.
///
/// # Errors
/// [`RestoreError`]: the server must not start. Nothing was changed then.
pub async fn begin(settings: &Settings, database: &Path) -> Result<Option<Keeper>, RestoreError> {
    let shelf = shelf(settings).await?;
    if is_there(database) {
        let found = match &shelf {
            Some(shelf) => match shelf.look().await {
                Ok(content) => Some(Source { place: shelf.full_name(), content }),
                Err(error) => {
                    tracing::warn!(
                        database = %database.display(),
                        "whether the backup is later than the database cannot be found out: {error}"
                    );
                    None
                }
            },
            None => mounted(settings).ok().flatten(),
        };
        let base = there_is(found, database).await?;
        return Ok(shelf.map(|shelf| Keeper::new(shelf, settings.pace, base)));
    }
    from_backup(settings, shelf, database).await
}

/// The same for one of several servers, which works from now on under the name `writer`. What the
/// backup holds is what is true, since the server before this one wrote everything there before it
/// did or told anything: a database that is here is from an earlier time, and is put aside.
///
/// # Errors
/// [`RestoreError`]: the server must not work. Nothing was changed then, but that no other server
/// can write the backup any more.
pub async fn begin_as(
    writer: &str,
    settings: &Settings,
    database: &Path,
) -> Result<Option<Keeper>, RestoreError> {
    let at = || database.to_path_buf();
    let Some(shelf) = shelf(settings).await? else { return Ok(None) };
    let unclaimed = |why| RestoreError::Unclaimed { database: at(), why };
    let (shelf, before) = shelf.claim(writer).await.map_err(unclaimed)?;
    if !is_there(database) {
        return from_backup(settings, Some(shelf), database).await;
    }
    // The only server there was has not left its database for others yet.
    let content = shelf.look().await.map_err(unclaimed)?;
    let (true, Content::Ours(backup, _)) = (before, &content) else {
        let found = Source { place: shelf.full_name(), content };
        let base = there_is(Some(found), database).await?;
        return Ok(Some(Keeper::new(shelf, settings.pace, base)));
    };
    let origin = origin::of_file(database).await;
    if origin.is_ok_and(|origin| origin.generation_id != backup.origin.generation_id) {
        return Err(RestoreError::Another { database: at(), place: shelf.full_name() });
    }
    aside(database)?;
    from_backup(settings, Some(shelf), database).await
}

fn is_there(database: &Path) -> bool {
    fs::metadata(database).is_ok_and(|file| file.len() > 0)
}

/// Moves the database out of the way, with its log and what else `SQLite` keeps beside it. What was
/// put aside first stays for ever: it may be from the time of a single server, and hold what no
/// backup has. Of later ones there is the last.
fn aside(database: &Path) -> Result<(), RestoreError> {
    let _lock = Lock::take(database)?;
    let first = database.with_extension("superseded.db");
    let old = if first.exists() { database.with_extension("superseded-last.db") } else { first };
    let named = |path: &Path, end: &str| PathBuf::from(format!("{}{end}", path.display()));
    let io = |path: &Path| {
        let path = path.to_path_buf();
        move |why| RestoreError::Io { path, why }
    };
    if old.exists() {
        for end in ["-wal", "-shm", ""] {
            remove(&named(&old, end)).map_err(io(&old))?;
        }
    }
    // The log first: without it the file would be one of an earlier time. One that is there already
    // was moved by a start that got no further.
    for end in ["-wal", "-shm", ""] {
        let (from, to) = (named(database, end), named(&old, end));
        match fs::rename(&from, &to) {
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => {}
            moved => moved.map_err(io(&from))?,
        }
    }
    tracing::warn!(
        database = %database.display(), aside = %old.display(),
        "another server has worked since this database was in use: it is put aside"
    );
    Ok(())
}

fn remove(file: &Path) -> std::io::Result<()> {
    match fs::remove_file(file) {
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// There is none: it comes back if there is a backup.
async fn from_backup(
    settings: &Settings,
    shelf: Option<Shelf>,
    database: &Path,
) -> Result<Option<Keeper>, RestoreError> {
    let log = PathBuf::from(format!("{}-wal", database.display()));
    if fs::metadata(log).is_ok_and(|log| log.len() > 0) {
        return Err(OpenError::Gone(database.into()).into());
    }
    let origin = lost(settings, shelf.as_ref(), database).await?;
    let base = origin.map_or(0, |origin| origin.epoch);
    Ok(shelf.map(|shelf| Keeper::new(shelf, settings.pace, base)))
}

/// The place of the backups, if they are on.
async fn shelf(settings: &Settings) -> Result<Option<Shelf>, RestoreError> {
    let Some(on) = &settings.on else { return Ok(None) };
    let Some(source) = &settings.source else {
        // As with Heketi, whose configuration files say so outside of Kubernetes as well.
        tracing::error!("NO BACKUPS are made although they are on ({on}): {}", NoWay::Nowhere);
        return Ok(None);
    };
    let cluster = source.connect(settings.namespace.as_deref()).await;
    let cluster = cluster.map_err(|why| RestoreError::NoWay { on: on.clone(), why })?;
    let shelf = Shelf::new(Secrets::new(cluster, settings.pace.patience), &settings.secret);
    tracing::info!(secret = shelf.full_name(), "the database is backed up to Kubernetes: {on}");
    Ok(Some(shelf))
}

/// The database is there: it stays, unless it is older than the backup that was found. Its epoch.
async fn there_is(found: Option<Source>, database: &Path) -> Result<u64, RestoreError> {
    let shown = database.display();
    let origin = origin::of_file(database).await;
    let Some(Source { place, content }) = found else {
        return Ok(origin.map_or(0, |origin| origin.epoch));
    };
    let origin = origin.inspect_err(|error| {
        tracing::warn!(database = %shown, %error, "it cannot be compared with the backup");
    });
    match (content, &origin) {
        (Content::Ours(backup, _), Ok(ours))
            if backup.origin.generation_id == ours.generation_id =>
        {
            if backup.origin.epoch > ours.epoch {
                let (database, taken_at) = (database.into(), backup.taken_at);
                return Err(RestoreError::Older { database, place, taken_at });
            }
            tracing::info!(
                database = %shown, backup = place, number = backup.number,
                "the database is there and at least as late as its backup: it is kept"
            );
        }
        (Content::Ours(backup, _), _) => tracing::warn!(
            database = %shown, backup = place, number = backup.number, taken_at = %backup.taken_at,
            "the database is there and is kept; the backup is of another one"
        ),
        (Content::Heketi(_), _) => tracing::warn!(
            database = %shown, backup = place,
            "the database is there and is kept; the backup is of a Heketi"
        ),
        (Content::Unknown(damage), _) => tracing::warn!(
            database = %shown, backup = place,
            "the database is there and is kept; what should be its backup cannot be used: {damage}"
        ),
        (Content::Nothing, _) => {}
    }
    Ok(origin.map_or(0, |origin| origin.epoch))
}

/// There is no database: it comes back if there is a backup. Its origin, if it does.
async fn lost(
    settings: &Settings,
    shelf: Option<&Shelf>,
    database: &Path,
) -> Result<Option<Origin>, RestoreError> {
    let at = || database.to_path_buf();
    let (mut source, why) = match shelf {
        None => (mounted(settings)?, None),
        Some(shelf) => match arrive(shelf, settings.pace.arrival).await {
            Ok(content) => (Some(Source { place: shelf.full_name(), content }), None),
            Err(why) => (mounted(settings)?, Some(why)),
        },
    };
    // What is mounted is what the Secret held when the pod began.
    if let (Some(why), true) =
        (why, source.as_ref().is_none_or(|found| found.content == Content::Nothing))
    {
        return Err(RestoreError::Unreachable { database: at(), why });
    }
    for _ in 0..3 {
        let Some(Source { place, content }) = source else { return Ok(None) };
        let (backup, first) = match content {
            Content::Nothing => {
                tracing::info!(backup = place, "there is no backup either");
                return Ok(None);
            }
            Content::Heketi(packed) => {
                adopt_from(&place, &packed, database).await?;
                return Ok(None);
            }
            Content::Unknown(damage) => return Err(useless(database, place, &damage)),
            Content::Ours(backup, first) => (backup, first),
        };
        let rest = match shelf {
            _ if backup.parts.is_empty() => Ok(vec![]),
            Some(shelf) => shelf.parts(&backup).await,
            None => {
                let parts = backup.parts.len() + 1;
                let how = "switch backups on (HEKETI_BACKUP_DB_TO_KUBE_SECRET)".into();
                return Err(RestoreError::OnlyFirst { database: at(), place, parts, how });
            }
        };
        match (rest, shelf) {
            (Ok(rest), _) => {
                let restored = restore(database, &place, &backup, first, rest).await?;
                return Ok(Some(restored));
            }
            // Somebody has just written a later one, or the part is lost.
            (Err(error @ ShelfError::Missing(_)), Some(shelf)) => {
                let again = shelf.look().await;
                let again =
                    again.map_err(|why| RestoreError::Unreachable { database: at(), why })?;
                if matches!(&again, Content::Ours(later, _) if later.number == backup.number) {
                    return Err(useless(database, place, &error));
                }
                source = Some(Source { place, content: again });
            }
            (Err(why), _) => return Err(RestoreError::Unreachable { database: at(), why }),
        }
    }
    let place = shelf.map(Shelf::full_name).unwrap_or_default();
    Err(useless(database, place, &"somebody else writes it again and again"))
}

/// The last thing that a Heketi has left is its backup: it is taken over, as a file of its would be.
/// A copy of it stays beside our database.
async fn adopt_from(place: &str, packed: &[u8], database: &Path) -> Result<(), RestoreError> {
    let copy = database.with_file_name("heketi.db.gz");
    let io = |why| RestoreError::Io { path: copy.clone(), why };
    if let Some(folder) = database.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(io)?;
    }
    let mut options = File::options();
    // Block volumes have passwords.
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&copy);
    file.and_then(|mut file| file.write_all(packed).and_then(|()| file.sync_all())).map_err(io)?;
    tracing::warn!(
        backup = place,
        "there is no database, and the backup is of a Heketi: that is adopted. What was made after \
         it is only on the nodes: compare with `server state examine gluster`"
    );
    adopt::at_start(&copy, Age::Unknown, database).await.map_err(|error| RestoreError::Heketi {
        database: database.into(),
        place: place.to_owned(),
        copy,
        why: format!("{error:#}"),
    })
}

fn useless(database: &Path, place: String, why: &impl ToString) -> RestoreError {
    RestoreError::Useless { database: database.into(), place, why: why.to_string() }
}

/// Asks until there is an answer, for as long as a start may take.
async fn arrive(shelf: &Shelf, patience: Duration) -> Result<Content, ShelfError> {
    let deadline = Instant::now() + patience;
    let mut told = false;
    loop {
        match shelf.look().await {
            Err(error) if Instant::now() < deadline => {
                if !told {
                    tracing::warn!("there is no database, and the backup does not answer: {error}");
                }
                told = true;
                tokio::time::sleep((patience / 20).min(Duration::from_secs(2))).await;
            }
            other => return other,
        }
    }
}

/// What a mounted Secret holds; none when there is none.
fn mounted(settings: &Settings) -> Result<Option<Source>, RestoreError> {
    // No Secret holds more.
    const MOST: u64 = 1 << 20;
    let mut data = Data::new();
    for key in [DATABASE, NOTE] {
        let path = settings.mounted.join(key);
        let io = |why| RestoreError::Io { path: path.clone(), why };
        let mut file = match File::open(&path) {
            Ok(file) => file.take(MOST),
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => continue,
            Err(why) => return Err(io(why)),
        };
        let mut bytes = vec![];
        file.read_to_end(&mut bytes).map_err(io)?;
        data.insert(key.to_owned(), bytes);
    }
    if data.is_empty() {
        return Ok(None);
    }
    let place = settings.mounted.join(DATABASE).display().to_string();
    Ok(Some(Source { place, content: Content::of(&data) }))
}

/// Puts the database in its place, whole or not at all. Its origin, as late as it is now.
async fn restore(
    database: &Path,
    place: &str,
    backup: &Described,
    first: Vec<u8>,
    rest: Vec<Vec<u8>>,
) -> Result<Origin, RestoreError> {
    let useless = |why: &dyn std::fmt::Display| useless(database, place.to_owned(), &why);
    let described = backup.clone();
    let joined = tokio::task::spawn_blocking(move || described.join(&first, &rest)).await;
    let joined: Result<Vec<u8>, Damage> = joined.map_err(|error| useless(&error))?;
    let bytes = joined.map_err(|damage| useless(&damage))?;

    let _lock = Lock::take(database)?;
    let io = |why| RestoreError::Io { path: database.into(), why };
    let draft = Draft::of(database).map_err(io)?;
    fs::write(draft.path(), &bytes).map_err(io)?;
    let held = whole(&draft.path(), backup).await.map_err(|why| useless(&why))?;
    let origin = origin::of_file(&draft.path()).await.map_err(|why| useless(&why))?;
    draft.appear().map_err(io)?;
    tracing::warn!(
        database = %database.display(), backup = place, number = backup.number,
        taken_at = %backup.taken_at, held,
        "the database was lost and has been RESTORED from its backup"
    );
    Ok(origin)
}

/// Opens what was unpacked, and lets what was under way wait for a person if nobody knows how far it
/// went after the backup; how many.
async fn whole(draft: &Path, backup: &Described) -> crate::error::Result<u64> {
    use crate::error::Error;
    let unusable = |why: String| Error::Record(why);
    let store = Store::open(draft).await.map_err(|error| unusable(error.to_string()))?;
    if let Some(why) = store.barred() {
        return Err(unusable(why.to_owned()));
    }
    let mut held = 0;
    if !backup.ended && !backup.ahead {
        let why = format!(
            "The database was lost and restored from a backup of {}; how far this operation went \
             after that is not known. Compare with `server state examine gluster`, then let it be \
             tried again with `server operations cleanup`",
            backup.taken_at
        );
        let mut tx = store.write().await?;
        held = operations::hold_unfinished(&mut tx, &why).await?;
        tx.commit().await?;
    }
    store.close().await;
    Ok(held)
}
