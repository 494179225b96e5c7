//! Unfinished operations of a dump: those that can be settled here, and why the others cannot.
use crate::{
    api::database::{CHANGES, Dump, OPERATION_TYPES, PendingOperationEntry, number_of},
    domain::OperationId,
    operation::{Inherited, InheritedKind},
};
use std::collections::BTreeSet;

/// What is taken over of the operation.
///
/// # Errors
/// Why not: only for some kinds it can be found out on the nodes how far they are, and what such an
/// operation has marked must be just what it names.
pub(super) fn inherited(
    dump: &Dump,
    id: &str,
    entry: &PendingOperationEntry,
) -> Result<Inherited, String> {
    let refused = |why: &str| {
        let changes: Vec<_> = entry.actions.iter().map(|action| action.id.as_str()).collect();
        format!(
            "operation {id} is not finished (type {}, it changes {}), and {why}: bring it to rest \
             where it was begun, by `heketi offline cleanup-operations`",
            entry.kind,
            changes.join(", ")
        )
    };
    let named = |words: &[&str]| -> BTreeSet<&str> {
        let numbers: Vec<_> = words.iter().map(|word| number_of(&CHANGES, word)).collect();
        let of = entry.actions.iter().filter(|action| numbers.contains(&action.change));
        of.map(|action| action.id.as_str()).collect()
    };
    let kind = usize::try_from(entry.kind - 1).ok().and_then(|at| OPERATION_TYPES.get(at)).copied();
    let (objects, bricks) = match kind {
        Some("create-volume") => (named(&["Add volume"]), named(&["Add brick"])),
        Some("delete-volume") => (named(&["Delete volume"]), named(&["Delete brick"])),
        Some("delete-block-volume") => (named(&["Delete block volume"]), BTreeSet::new()),
        _ => return Err(refused("how far it is cannot be found out here")),
    };
    let mine = |pending: &str| pending == id;
    let volumes = dump.volumeentries.iter().filter(|(_, e)| mine(&e.pending.id));
    let blocks = dump.blockvolumeentries.iter().filter(|(_, e)| mine(&e.pending.id));
    let marked: BTreeSet<&str> =
        volumes.map(|(id, _)| id).chain(blocks.map(|(id, _)| id)).map(String::as_str).collect();
    let marked_bricks = dump.brickentries.iter().filter(|(_, e)| mine(&e.pending.id));
    let marked_bricks: BTreeSet<&str> = marked_bricks.map(|(id, _)| id.as_str()).collect();
    let all_named = objects.len() + bricks.len() == entry.actions.len();
    if !all_named || marked != objects || marked_bricks != bricks {
        return Err(refused("what it names is not what it has marked"));
    }
    let (Some(object), 1) = (objects.first(), objects.len()) else {
        return Err(refused("it does not name one object"));
    };
    let of_volume = dump.brickentries.iter().filter(|(_, brick)| brick.info.volume == *object);
    if of_volume.map(|(id, _)| id.as_str()).collect::<BTreeSet<_>>() != bricks {
        return Err(refused("other bricks belong to its volume"));
    }
    if dump.blockvolumeentries.values().any(|block| block.info.blockhostingvolume == *object) {
        return Err(refused("block volumes lie on its volume"));
    }
    let kind = match kind {
        Some("create-volume") => object.parse().map(InheritedKind::CreateVolume).ok(),
        Some("delete-volume") => object.parse().map(InheritedKind::DeleteVolume).ok(),
        _ => object.parse().map(InheritedKind::DeleteBlockVolume).ok(),
    };
    let same_id = entry.id == id;
    match (id.parse::<OperationId>(), kind) {
        (Ok(id), Some(kind)) if same_id => Ok(Inherited { id, created_at: entry.timestamp, kind }),
        _ => Err(refused("its id, or that of what it changes, makes no sense")),
    }
}
