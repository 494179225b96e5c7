//! Operations that a Heketi left unfinished: how far they are is known to nobody but the nodes.
//!
//! Each is interrupted at every effect. What a database in Heketi's format tells of it is taken over
//! into a new one, without a word of its journal, and a server brings it to rest.
use super::{
    cases,
    fuse::Trouble,
    scenario::{Base, clone, create, named, replica_3},
    site::{Picture, Server, Site, settings},
};
use brickyard::{
    adopt,
    api::database::{BrickEntry, Dump, Pending, PendingAction, PendingOperationEntry},
    database, inventory, lenient,
    node::sim::world::{BlockVolume, World},
    operation::{InheritedKind, OnRestart},
    store::Store,
};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

/// Who wrote the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// Heketi: which bricks belong together is not told.
    Heketi,
    Us,
}

fn exported(site: &Site) -> Dump {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(&site.database()).await.unwrap();
        let text = database::export_text(&store).await.unwrap();
        store.close().await;
        lenient::from_slice(text.as_bytes()).unwrap()
    })
}

/// The nodes as they are, with a database that was made of this; and the operations that were taken
/// over.
fn made_of(dump: Dump, world: &World) -> Result<(Site, Vec<InheritedKind>), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let new = folder.path().join("new.db");
    let kinds = runtime.block_on(async {
        let import = database::import(dump).map_err(|problems| problems.to_string())?;
        adopt::make(&import, &new).await.unwrap();
        Ok::<_, String>(import.inherited.iter().map(|inherited| inherited.kind).collect())
    })?;
    Ok((Site::restore(&std::fs::read(&new).unwrap(), world), kinds))
}

/// The same of what Heketi's format has of the database that is there.
fn adopted(site: &Site, by: By) -> Result<(Site, Vec<InheritedKind>), String> {
    let mut dump = exported(site);
    if by == By::Heketi {
        dump.brickyard = None;
    }
    let (_, world) = site.photograph();
    made_of(dump, &world)
}

/// Gives bricks whose places are not known those that gluster has, as a look would, so that the two
/// can be compared.
fn learn(server: &Server, world: &World) {
    server.must(async {
        let mut tx = server.store.write().await.unwrap();
        let unknown: Vec<(String, String)> = sqlx::query_as(
            "SELECT id, name FROM volumes v WHERE EXISTS \
             (SELECT 1 FROM bricks WHERE volume = v.id AND (set_index < 0 OR position < 0))",
        )
        .fetch_all(&mut *tx)
        .await
        .unwrap();
        for (id, name) in unknown {
            let Some(volume) = world.volumes.iter().find(|v| v.name == name) else { continue };
            for (place, address) in (0_i64..).zip(&volume.bricks) {
                sqlx::query(
                    "UPDATE bricks SET set_index = 0, position = ? WHERE volume = ? AND path = ?",
                )
                .bind(place)
                .bind(&id)
                .bind(&address[address.find(":/").unwrap() + 1..])
                .execute(&mut *tx)
                .await
                .unwrap();
            }
        }
        tx.commit().await.unwrap();
    });
}

/// Lets a server settle what there is; then nodes and database agree.
fn settled(site: &Site) -> Result<Picture, String> {
    let server = site.start();
    server.recover(OnRestart::Unwind);
    server.rest();
    let world = site.sim.world().clone();
    learn(&server, &world);
    let picture = server.picture(None);
    server.end();
    picture
}

fn bricks(world: &World, volume: &str) -> Vec<String> {
    world.volumes.iter().find(|v| v.name == volume).unwrap().bricks.clone()
}

fn block_size(world: &World, name: &str) -> u64 {
    world.block_volumes.iter().find(|block| block.name == name).unwrap().size
}

/// Whether what was asked for has happened on the nodes, so that it has to stay.
fn has_happened(kind: InheritedKind, before: &World, now: &World) -> bool {
    let changed = |volume: &str| bricks(before, volume) != bricks(now, volume);
    match kind {
        InheritedKind::DeleteVolume(_) | InheritedKind::DeleteBlockVolume(_) => true,
        InheritedKind::ExpandVolume { .. } | InheritedKind::EvictBrick { .. } => {
            before.volumes.iter().any(|volume| changed(&volume.name))
        }
        InheritedKind::ExpandBlockVolume { .. } => {
            block_size(before, "grows") != block_size(now, "grows")
        }
        _ => false,
    }
}

fn sizes(site: &Site, base: &Base) -> Result<(), String> {
    let server = site.start();
    let world = site.sim.world().clone();
    let result = server.must(async {
        for volume in &world.volumes {
            let Some(id) = volume.options.get("user.heketi.id") else { continue };
            let info = inventory::volume::info(&server.store, id.parse().unwrap());
            let info = info.await.map_err(|error| format!("{}: {error}", volume.name))?;
            // All of them have two sets at first.
            let grown = if volume.bricks.len() > 6 { 3 } else { 0 };
            let expected = match volume.name.as_str() {
                "two" | "copy" | "hosting" => 10 + grown,
                _ => continue,
            };
            if info.size != expected {
                return Err(format!("{} has {} GiB, not {expected}", volume.name, info.size));
            }
        }
        for block in world.block_volumes.iter().filter(|block| block.name == "grows") {
            let info = inventory::block_volume::info(&server.store, base.block("grows"));
            let info = info.await.map_err(|error| error.to_string())?;
            if u64::try_from(info.size).unwrap() != block.size {
                return Err(format!("{} GiB in the database, {} there", info.size, block.size));
            }
        }
        Ok(())
    });
    server.end();
    result
}

/// Kills the server at this effect; which operations were taken over, if there was such an effect.
fn interrupted(
    name: &str,
    at: usize,
    by: By,
) -> Result<Option<Vec<(InheritedKind, bool)>>, String> {
    let scenario = named(name);
    let site = scenario.base().site();
    let (_, before) = site.photograph();
    let server = site.start_with(Some(at), Trouble::None, settings());
    server.begin(&scenario.operation());
    let died = server.rest().is_none();
    server.kill();
    if !died {
        return Ok(None);
    }
    let case = |error| format!("{name}, died at {at}, {by:?}: {error}");
    let (site, kinds) = adopted(&site, by).map_err(case)?;
    let (_, now) = site.photograph();
    let happened: Vec<_> =
        kinds.iter().map(|kind| (*kind, has_happened(*kind, &before, &now))).collect();
    let picture = settled(&site).map_err(case)?;
    sizes(&site, scenario.base()).map_err(case)?;
    if let [(kind, happened)] = happened.as_slice()
        && !kind.is_forgotten()
    {
        let (state, error) = picture.newest.ok_or_else(|| case("no operation".into()))?;
        let expected = if *happened { "done" } else { "failed" };
        if state != expected || (state == "failed" && !error.contains("Heketi was ended before")) {
            return Err(case(format!("{state}, not {expected}: {error}")));
        }
    }
    Ok(Some(happened))
}

/// Interrupts each at these effects; how often it was finished, taken back and forgotten.
fn all_of(names: &[(&'static str, Vec<usize>)]) -> BTreeMap<&'static str, [usize; 3]> {
    let of = |(name, effects): &(&'static str, Vec<usize>)| {
        effects.iter().map(|at| (*name, *at)).collect::<Vec<_>>()
    };
    let cases: Vec<_> = names.iter().flat_map(of).collect();
    let counts: BTreeMap<&str, [AtomicUsize; 3]> =
        names.iter().map(|(name, _)| (*name, Default::default())).collect();
    cases::all(&cases, |(name, at)| {
        // Neighbours are nearly the same: before a command, and after it.
        let by = if at % 2 == 0 { By::Heketi } else { By::Us };
        for (kind, happened) in interrupted(name, *at, by)?.into_iter().flatten() {
            let which = if kind.is_forgotten() { 2 } else { usize::from(!happened) };
            counts[name][which].fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    });
    counts.into_iter().map(|(name, n)| (name, n.map(AtomicUsize::into_inner))).collect()
}

#[test]
fn what_heketi_was_making_or_removing_comes_to_rest() {
    let counts = all_of(&[
        ("create replica 3", (0..60).collect()),
        ("delete volume", (0..60).collect()),
        ("delete block volume", (0..20).collect()),
        ("create block volume", (0..20).collect()),
        ("create block volume for two hosts", (0..20).collect()),
        ("create block volume and its host", (0..150).step_by(3).collect()),
    ]);
    for (name, [finished, taken_back, forgotten]) in counts {
        let goes = name.starts_with("delete");
        assert_eq!((finished > 3, taken_back > 3), (goes, !goes), "{name}");
        assert_eq!(forgotten, 0, "{name}");
    }
}

/// Volumes in use: with what gluster has taken there may be data on it.
#[test]
fn what_heketi_was_changing_is_decided_by_the_nodes() {
    let counts = all_of(&[
        ("expand volume", (0..100).step_by(3).chain(100..170).collect()),
        ("expand a clone", (100..170).step_by(3).collect()),
        ("expand block hosting volume", (70..170).step_by(3).collect()),
        ("expand block volume", (0..20).collect()),
        ("evict a brick", (0..110).collect()),
        ("evict a brick of a dispersed volume", (0..110).step_by(3).collect()),
        ("evict a brick of a clone", (0..110).step_by(3).collect()),
    ]);
    for (name, [finished, taken_back, forgotten]) in counts {
        assert!(finished > 1 && taken_back > 1, "{name}: {finished} {taken_back}");
        assert_eq!(forgotten > 0, name.starts_with("evict"), "{name}");
    }
}

/// It moves no further: what was under way is settled, and whoever wants the rest asks again.
#[test]
fn a_removal_is_forgotten_and_its_moves_are_settled() {
    let counts = all_of(&[("remove device", (0..250).step_by(3).collect())]);
    let [finished, taken_back, forgotten] = counts["remove device"];
    assert!(finished > 1 && taken_back > 1 && forgotten > 30, "{counts:?}");
}

/// Settling is interrupted as well, at each effect, in whichever direction it goes.
#[test]
fn a_server_that_dies_while_it_settles_goes_on() {
    let begun = [
        ("expand volume", 40),
        ("expand volume", 88),
        ("evict a brick", 60),
        ("evict a brick", 93),
        ("expand block volume", 60),
        ("create block volume and its host", 85),
    ];
    let photographs = begun.map(|(name, percent)| {
        let scenario = named(name);
        let site = scenario.base().site();
        let whole = site.start();
        whole.begin(&scenario.operation());
        whole.rest();
        let at = whole.fuse.effects() * percent / 100;
        whole.end();
        let site = scenario.base().site();
        let server = site.start_with(Some(at), Trouble::None, settings());
        server.begin(&scenario.operation());
        assert!(server.rest().is_none(), "{name} was done before {at}");
        server.kill();
        let (site, kinds) = adopted(&site, By::Heketi).unwrap();
        assert!(!kinds[0].is_forgotten(), "{name} at {at}: {kinds:?}");
        (name, at, site.photograph())
    });
    let cases: Vec<_> = photographs
        .iter()
        .flat_map(|begun| (1..60).step_by(2).map(move |dies| (begun, dies)))
        .collect();
    cases::all(&cases, |((name, at, (database, world)), dies)| {
        let case = |error| format!("{name}, died at {at}, and again at {dies}: {error}");
        let site = Site::restore(database, world);
        let server = site.start_with(Some(*dies), Trouble::None, settings());
        server.recover(OnRestart::Unwind);
        server.rest();
        server.kill();
        let (state, _) = settled(&site).map_err(case)?.newest.unwrap();
        let expected = ["done", "failed"];
        if expected.contains(&state.as_str()) { Ok(()) } else { Err(case(state)) }
    });
}

/// Interrupts an expansion when gluster has taken its bricks.
fn grown() -> Site {
    let scenario = named("expand volume");
    for at in (0..200).step_by(2) {
        let site = scenario.base().site();
        let server = site.start_with(Some(at), Trouble::None, settings());
        server.begin(&scenario.operation());
        server.rest();
        server.kill();
        if bricks(&site.sim.world(), "two").len() > 6 {
            return adopted(&site, By::Heketi).unwrap().0;
        }
    }
    panic!("it never grew");
}

/// Which of the bricks that are missing belong together nobody knows.
#[test]
fn half_an_expansion_waits_for_a_person() {
    let site = grown();
    let last = {
        let mut world = site.sim.world();
        world.volumes.iter_mut().find(|v| v.name == "two").unwrap().bricks.pop().unwrap()
    };
    let server = site.start();
    server.recover(OnRestart::Unwind);
    server.rest();
    server.newest_is("stuck").unwrap();
    let why = server.must(async {
        super::world::newest(&mut server.store.read().await.unwrap()).await.unwrap().1
    });
    let path = &last[last.find(":/").unwrap() + 1..];
    assert!(why.contains("only a part of the new bricks"), "{why}");
    assert!(why.contains(&format!("lacks {path}. Add those")), "{why}");
    server.end();
    let there = |site: &Site| {
        site.sim
            .world()
            .nodes
            .values()
            .filter(|n| n.mounts.contains_key(path.trim_end_matches("/brick")))
            .count()
    };
    assert_eq!(there(&site), 1, "nothing is removed meanwhile");
    site.sim
        .world()
        .volumes
        .iter_mut()
        .find(|v| v.name == "two")
        .unwrap()
        .bricks
        .push(last.clone());
    assert_eq!(settled(&site).unwrap().newest.unwrap().0, "done");
}

/// What a node that does not answer has is not known: it may be the only one that has the bricks.
#[test]
fn a_brick_is_not_unused_because_a_node_is_away() {
    let site = grown();
    let added: Vec<_> = {
        let mut world = site.sim.world();
        world.down.insert("n4".into());
        world.volumes.iter_mut().find(|v| v.name == "two").unwrap().bricks.drain(6..).collect()
    };
    let server = site.start();
    server.recover(OnRestart::Unwind);
    server.rest();
    server.newest_is("stuck").unwrap();
    server.end();
    {
        let mut world = site.sim.world();
        world.down.clear();
        world.volumes.iter_mut().find(|v| v.name == "two").unwrap().bricks.extend(added);
    }
    assert_eq!(settled(&site).unwrap().newest.unwrap().0, "done");
}

/// Heketi did not look whether the name was free before it began.
#[test]
fn a_block_volume_that_looks_otherwise_is_left_alone() {
    let scenario = named("create block volume");
    let mut seen = 0;
    for at in 0..20 {
        let site = scenario.base().site();
        let server = site.start_with(Some(at), Trouble::None, settings());
        server.begin(&scenario.operation());
        server.rest();
        server.kill();
        let (site, kinds) = adopted(&site, By::Heketi).unwrap();
        let by_hand = BlockVolume {
            hosting: "hosting".into(),
            name: "new".into(),
            gbid: "by-hand".into(),
            size: 1,
            ha: 1,
            hosts: vec!["10.0.0.1".into()],
            password: String::new(),
            behind: BTreeMap::new(),
        };
        if kinds.is_empty() || site.sim.world().block_volumes.iter().any(|b| b.name == "new") {
            continue;
        }
        seen += 1;
        site.sim.world().block_volumes.push(by_hand.clone());
        let server = site.start();
        server.recover(OnRestart::Unwind);
        server.rest();
        assert_eq!(site.sim.world().block_volumes.pop(), Some(by_hand));
        server.end();
        settled(&site).unwrap();
    }
    assert!(seen > 0);
}

/// As Heketi has it while it clones: the source is hidden, the list of the cluster names a volume
/// that is not there, and so are bricks of it.
fn cloning(base: &Base) -> Dump {
    let mut dump = exported(&base.site());
    dump.brickyard = None;
    let (operation, clone) = ("0".repeat(32), "c".repeat(32));
    let source = base.volume("two").to_string();
    let action = |change, id: &str| PendingAction { change, id: id.to_owned(), delta: None };
    let mut actions = vec![action(9, &source), action(11, &clone)];
    let of_source: Vec<BrickEntry> =
        dump.brickentries.values().filter(|brick| brick.info.volume == source).cloned().collect();
    for (number, mut brick) in of_source.into_iter().enumerate() {
        brick.info.id = format!("{number:032x}");
        brick.info.volume.clone_from(&clone);
        brick.info.path.clear();
        brick.pending.id.clone_from(&operation);
        actions.push(action(1, &brick.info.id));
        let device = dump.deviceentries.get_mut(&brick.info.device).unwrap();
        device.bricks.insert(0, brick.info.id.clone());
        dump.brickentries.insert(brick.info.id.clone(), brick);
    }
    dump.volumeentries.get_mut(&source).unwrap().pending = Pending { id: operation.clone() };
    dump.clusterentries.values_mut().next().unwrap().info.volumes.push(clone);
    let entry = PendingOperationEntry {
        id: operation.clone(),
        timestamp: 1_700_000_000,
        kind: 7,
        actions,
        status: "stale".into(),
    };
    dump.pendingoperations.insert(operation, entry);
    dump
}

#[test]
fn a_clone_is_forgotten_and_stays_where_it_is() {
    let scenario = named("clone volume");
    let base = scenario.base();
    for is_made in [false, true] {
        let site = base.site();
        if is_made {
            let server = site.start();
            server.perform(clone(base.volume("two"), "twin"));
            server.end();
        }
        let (_, world) = site.photograph();
        let (site, kinds) = made_of(cloning(base), &world).unwrap();
        assert!(matches!(kinds[..], [InheritedKind::CloneVolume { .. }]), "{kinds:?}");
        let server = site.start();
        server.recover(OnRestart::Unwind);
        server.rest();
        assert_eq!(*site.sim.world(), world, "nothing was done to any node");
        let volumes = server.must(inventory::volume::list(&server.store)).unwrap().volumes;
        assert!(volumes.contains(&base.volume("two")), "it is hidden no more");
        server.perform(create(2, &replica_3(), ""));
        server.end();
        if !is_made {
            settled(&site).unwrap();
        }
    }
}

/// Those of which a person knows more are told, and nothing is made.
#[test]
fn what_cannot_be_settled_is_told() {
    let base = named("expand volume").base();
    let refused = |dump: Dump, why: &str| {
        let problems = made_of(dump, &base.site().photograph().1).map(drop).unwrap_err();
        assert!(problems.contains("is not finished (type "), "{problems}");
        assert!(problems.contains(why), "{problems}");
        assert!(problems.contains("heketi offline cleanup-operations"), "{problems}");
    };
    let begun = |at| {
        let site = base.site();
        let server = site.start_with(Some(at), Trouble::None, settings());
        server.begin(&named("expand volume").operation());
        server.rest();
        server.kill();
        Some(exported(&site)).filter(|dump| !dump.pendingoperations.is_empty())
    };
    let grows = (0..40).find_map(begun).unwrap();
    let [id] = grows.pendingoperations.keys().cloned().collect::<Vec<_>>().try_into().unwrap();
    let spoilt = |spoil: &dyn Fn(&mut Dump, &mut PendingOperationEntry)| {
        let mut dump = grows.clone();
        let mut entry = dump.pendingoperations.remove(&id).unwrap();
        spoil(&mut dump, &mut entry);
        dump.pendingoperations.insert(id.clone(), entry);
        dump
    };
    refused(spoilt(&|_, e| e.kind = 0), "of a kind that Heketi does not have");
    refused(spoilt(&|_, e| e.actions.last_mut().unwrap().delta = None), "does not tell the size");
    refused(spoilt(&|_, e| drop(e.actions.remove(0))), "what it names is not what it has marked");
    let others = spoilt(&|dump, entry| {
        let other = "1".repeat(32);
        let volume = &entry.actions.last().unwrap().id;
        let of = |b: &&BrickEntry| b.info.volume == *volume && b.pending.id.is_empty();
        let old = dump.brickentries.values().find(of).unwrap().info.id.clone();
        let brick = dump.brickentries.get_mut(&old).unwrap();
        let new = BrickEntry { pending: Pending { id: other.clone() }, ..brick.clone() };
        let new = BrickEntry {
            info: brickyard::api::database::BrickRecord { id: "2".repeat(32), ..new.info.clone() },
            ..new
        };
        brick.pending.id.clone_from(&other);
        let action = |change, id: &str| PendingAction { change, id: id.to_owned(), delta: None };
        let actions = vec![action(3, &old), action(1, &new.info.id)];
        dump.brickentries.insert(new.info.id.clone(), new);
        let moves = PendingOperationEntry { id: other.clone(), kind: 8, actions, ..entry.clone() };
        dump.pendingoperations.insert(other, moves);
    });
    refused(others, "changes volume");
}
