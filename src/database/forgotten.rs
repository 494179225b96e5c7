//! Unfinished operations that nothing is done about: the dump becomes as if they had never been.
use crate::{
    api::database::Dump,
    operation::{Inherited, InheritedKind},
};
use std::collections::BTreeSet;

/// Takes them out, with their marks, and with what a clone that is not there has left.
pub(super) fn forget(dump: &mut Dump, inherited: &[Inherited]) {
    for one in inherited.iter().filter(|one| one.kind.is_forgotten()) {
        let operation = one.id.to_string();
        if let InheritedKind::CloneVolume { clone, .. } = one.kind {
            forget_clone(dump, &clone.to_string());
        }
        let volumes = dump.volumeentries.values_mut().map(|entry| &mut entry.pending);
        let bricks = dump.brickentries.values_mut().map(|entry| &mut entry.pending);
        for pending in volumes.chain(bricks).filter(|pending| pending.id == operation) {
            pending.id.clear();
        }
        dump.pendingoperations.remove(&operation);
    }
}

/// The list of the cluster names a volume without an entry, for which Heketi refuses every new volume
/// there; devices list bricks that take no space of their own (storage.md 4.2).
fn forget_clone(dump: &mut Dump, clone: &str) {
    for cluster in dump.clusterentries.values_mut() {
        cluster.info.volumes.retain(|volume| volume != clone);
    }
    let of = dump.brickentries.iter().filter(|(_, brick)| brick.info.volume == clone);
    let bricks: BTreeSet<String> = of.map(|(id, _)| id.clone()).collect();
    dump.brickentries.retain(|id, _| !bricks.contains(id));
    for device in dump.deviceentries.values_mut() {
        device.bricks.retain(|brick| !bricks.contains(brick));
    }
}
