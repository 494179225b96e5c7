//! Operations that a Heketi left unfinished: how far they are is known to nobody but the nodes.
//!
//! Each is interrupted at every effect. What a database in Heketi's format tells of it is taken over
//! into a new one, without a word of its journal, and a server brings it to rest.
use super::{
    cases,
    fuse::Trouble,
    scenario::named,
    site::{Site, settings},
};
use brickyard::{
    adopt,
    api::database::Dump,
    database, lenient,
    operation::{InheritedKind, OnRestart},
    store::Store,
};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The site as it is, with a database that was made of what Heketi's format has of the old one; and
/// the operations that were taken over.
fn adopted(site: &Site) -> Result<(Site, Vec<InheritedKind>), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let new = folder.path().join("new.db");
    let kinds = runtime.block_on(async {
        let store = Store::open(&site.database()).await.unwrap();
        let text = database::export_text(&store).await.unwrap();
        store.close().await;
        let dump: Dump = lenient::from_slice(text.as_bytes()).unwrap();
        let import = database::import(dump).map_err(|problems| problems.to_string())?;
        adopt::make(&import, &new).await.unwrap();
        Ok::<_, String>(import.inherited.iter().map(|inherited| inherited.kind).collect())
    })?;
    let (_, world) = site.photograph();
    Ok((Site::restore(&std::fs::read(&new).unwrap(), &world), kinds))
}

/// Kills the server at this effect; whether there was such an effect, and how many operations were
/// taken over.
fn interrupted(name: &str, at: usize) -> Result<Option<usize>, String> {
    let scenario = named(name);
    let site = scenario.base().site();
    let server = site.start_with(Some(at), Trouble::None, settings());
    server.begin(&scenario.operation());
    let died = server.rest().is_none();
    server.kill();
    let case = |error| format!("{name}, died at {at}: {error}");
    let (site, kinds) = adopted(&site).map_err(case)?;
    let picture = site.recover(OnRestart::Unwind, None).map_err(case)?;
    for kind in &kinds {
        let (state, error) = picture.newest.clone().ok_or_else(|| case("no operation".into()))?;
        let expected = match kind {
            InheritedKind::CreateVolume(_) => "failed",
            _ => "done",
        };
        if state != expected || (state == "failed" && !error.contains("Heketi was ended before")) {
            return Err(case(format!("{state}: {error}")));
        }
    }
    Ok(died.then_some(kinds.len()))
}

#[test]
fn what_heketi_had_begun_comes_to_rest() {
    let mut all = vec![];
    for name in ["create replica 3", "delete volume", "delete block volume"] {
        all.extend((0..60).map(|at| (name, at)));
    }
    let inherited = ["create replica 3", "delete volume", "delete block volume"]
        .map(|name| (name, AtomicUsize::new(0)));
    cases::all(&all, |(name, at)| {
        let taken = interrupted(name, *at)?.unwrap_or_default();
        let count = inherited.iter().find(|(of, _)| of == name).map(|(_, count)| count).unwrap();
        count.fetch_add(taken, Ordering::SeqCst);
        Ok(())
    });
    for (name, count) in inherited {
        let count = count.into_inner();
        println!("{name}: taken over {count} times");
        assert!(count > 3, "{name}: {count}");
    }
}

/// Others are told, and nothing is made: how far they are cannot be found out.
#[test]
fn what_cannot_be_settled_is_told() {
    for name in ["expand volume", "create block volume", "evict a brick", "clone volume"] {
        let scenario = named(name);
        let mut refused = 0;
        for at in [4, 7, 10, 13, 16] {
            let site = scenario.base().site();
            let server = site.start_with(Some(at), Trouble::None, settings());
            server.begin(&scenario.operation());
            server.rest();
            server.kill();
            if let Err(problems) = adopted(&site).map(drop) {
                assert!(problems.contains("is not finished (type "), "{name}: {problems}");
                assert!(problems.contains("heketi offline cleanup-operations"), "{problems}");
                refused += 1;
            }
        }
        assert!(refused > 0, "{name}");
    }
}
