//! Unfinished operations of a dump: what becomes of each here, and why nothing can become of it.
//!
//! What an operation has marked must be just what it names (storage.md 4.2): only then is it known
//! what of the database may be there on nodes and what not.
use crate::{
    api::database::{
        CHANGES, Dump, OPERATION_TYPES, PendingOperationEntry, VolumeEntry, number_of,
    },
    domain::{Gib, OperationId},
    operation::{Inherited, InheritedKind},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

/// What is taken over of all operations, and why some cannot be.
pub(super) fn all(dump: &Dump) -> (Vec<Inherited>, Vec<String>) {
    let (mut taken, mut problems) = (vec![], vec![]);
    let mut holders = BTreeMap::<String, &str>::new();
    for (id, entry) in &dump.pendingoperations {
        let one = Unfinished { dump, id, entry };
        let found = one.inherited().and_then(|inherited| match subject(inherited.kind) {
            None => Ok(inherited),
            Some(subject) => match holders.insert(subject.clone(), id) {
                None => Ok(inherited),
                Some(other) => Err(format!("operation {other} changes {subject} as well")),
            },
        });
        match found {
            Ok(inherited) => taken.push(inherited),
            Err(why) => problems.push(one.refused(&why)),
        }
    }
    (taken, problems)
}

/// What only one operation can change at a time.
fn subject(kind: InheritedKind) -> Option<String> {
    match kind {
        InheritedKind::CreateVolume(volume)
        | InheritedKind::DeleteVolume(volume)
        | InheritedKind::ExpandVolume { volume, .. }
        | InheritedKind::EvictBrick { volume, new: Some(_), .. }
        | InheritedKind::CreateBlockVolume { hosting: Some(volume), .. } => {
            Some(format!("volume {volume}"))
        }
        InheritedKind::CreateBlockVolume { block, hosting: None }
        | InheritedKind::DeleteBlockVolume(block)
        | InheritedKind::ExpandBlockVolume { block, .. } => Some(format!("block volume {block}")),
        InheritedKind::EvictBrick { new: None, .. }
        | InheritedKind::CloneVolume { .. }
        | InheritedKind::RemoveDevice(_) => None,
    }
}

/// Why nothing is done about an operation.
type Why<T> = Result<T, String>;

fn id<T: FromStr>(text: &str) -> Why<T> {
    text.parse().map_err(|_| format!("the id {text:?} makes no sense"))
}

struct Unfinished<'a> {
    dump: &'a Dump,
    id: &'a str,
    entry: &'a PendingOperationEntry,
}

/// Ids of what an operation changes.
type Ids<'a> = BTreeSet<&'a str>;

impl<'a> Unfinished<'a> {
    fn refused(&self, why: &str) -> String {
        let Self { id, entry, .. } = self;
        let changes: Vec<_> = entry.actions.iter().map(|action| action.id.as_str()).collect();
        format!(
            "operation {id} is not finished (type {}, it changes {}), and {why}: bring it to rest \
             where it was begun, by `heketi offline cleanup-operations`",
            entry.kind,
            changes.join(", ")
        )
    }

    fn inherited(&self) -> Why<Inherited> {
        let Self { id: own, entry, .. } = *self;
        if entry.id != own {
            return Err(format!("its own id is {:?}", entry.id));
        }
        let number = usize::try_from(entry.kind - 1).ok();
        let kind = match number.and_then(|at| OPERATION_TYPES.get(at)).copied() {
            Some("create-volume") => self.create_volume(),
            Some("delete-volume") => self.delete_volume(),
            Some("expand-volume") => self.expand_volume(),
            Some("create-block-volume") => self.create_block_volume(),
            Some("delete-block-volume") => self.delete_block_volume(),
            Some("remove-device") => self.remove_device(),
            Some("clone-volume") => self.clone_volume(),
            Some("evict-brick") => self.evict_brick(),
            Some("expand-block-volume") => self.expand_block_volume(),
            _ => Err("it is of a kind that Heketi does not have".to_owned()),
        };
        let (id, kind) = (id::<OperationId>(own)?, kind?);
        Ok(Inherited { id, created_at: entry.timestamp, kind })
    }

    /// What it names with this change.
    fn named(&self, word: &str) -> Ids<'a> {
        let number = number_of(&CHANGES, word);
        let of = self.entry.actions.iter().filter(|action| action.change == number);
        of.map(|action| action.id.as_str()).collect()
    }

    /// The one thing that it names with this change.
    fn one(&self, word: &str) -> Why<&'a str> {
        let named = self.named(word);
        match (named.first(), named.len()) {
            (Some(one), 1) => Ok(one),
            _ => Err("it does not name one object".to_owned()),
        }
    }

    /// By how much, or to which size; Heketi notes it with the change.
    fn delta(&self, word: &str) -> Why<Gib> {
        let number = number_of(&CHANGES, word);
        let mut all = self.entry.actions.iter().filter(|action| action.change == number);
        let delta = all.next().and_then(|action| action.delta).filter(|delta| *delta > 0);
        let delta = delta.and_then(|delta| u64::try_from(delta).ok());
        delta.map(Gib).ok_or_else(|| "it does not tell the size".to_owned())
    }

    /// The volumes, block volumes and bricks that bear its mark are these, and it names nothing but
    /// them and what it changes without a mark.
    fn marked(
        &self,
        volumes: &Ids<'a>,
        blocks: &Ids<'a>,
        bricks: &Ids<'a>,
        more: usize,
    ) -> Why<()> {
        let mine = |pending: &str| pending == self.id;
        let Dump { volumeentries, blockvolumeentries, brickentries, .. } = self.dump;
        let of = volumeentries.iter().filter(|(_, e)| mine(&e.pending.id));
        let marked_volumes: Ids<'_> = of.map(|(id, _)| id.as_str()).collect();
        let of = blockvolumeentries.iter().filter(|(_, e)| mine(&e.pending.id));
        let marked_blocks: Ids<'_> = of.map(|(id, _)| id.as_str()).collect();
        let of = brickentries.iter().filter(|(_, e)| mine(&e.pending.id));
        let marked_bricks: Ids<'_> = of.map(|(id, _)| id.as_str()).collect();
        let relatives = ["Performing child operation", "Belongs to parent operation"];
        let relatives: usize = relatives.iter().map(|word| self.named(word).len()).sum();
        let named = volumes.len() + blocks.len() + bricks.len() + more + relatives;
        let same = marked_volumes == *volumes && marked_blocks == *blocks;
        if same && marked_bricks == *bricks && named == self.entry.actions.len() {
            return Ok(());
        }
        Err("what it names is not what it has marked".to_owned())
    }

    fn bricks_of(&self, volume: &str) -> Ids<'a> {
        let of = self.dump.brickentries.iter().filter(|(_, brick)| brick.info.volume == volume);
        of.map(|(id, _)| id.as_str()).collect()
    }

    /// A volume that belongs to this operation wholly: made or removed by it, with these bricks, and
    /// with no block volume on it but this one.
    fn whole_volume(&self, volume: &str, bricks: &Ids<'a>, block: Option<&str>) -> Why<()> {
        if self.bricks_of(volume) != *bricks {
            return Err("other bricks belong to its volume".to_owned());
        }
        let mut blocks = self.dump.blockvolumeentries.iter();
        if blocks.any(|(id, b)| b.info.blockhostingvolume == volume && Some(id.as_str()) != block) {
            return Err("block volumes lie on its volume".to_owned());
        }
        Ok(())
    }

    /// A volume that is in use meanwhile.
    fn volume_in_use(&self, volume: &str) -> Why<&'a VolumeEntry> {
        let entry = self.dump.volumeentries.get(volume);
        let entry = entry.ok_or_else(|| format!("its volume {volume} is not there"))?;
        if entry.pending.id.is_empty() || entry.pending.id == self.id {
            return Ok(entry);
        }
        Err(format!("its volume {volume} belongs to operation {}", entry.pending.id))
    }

    fn create_volume(&self) -> Why<InheritedKind> {
        let (volume, bricks) = (self.one("Add volume")?, self.named("Add brick"));
        self.marked(&[volume].into(), &Ids::new(), &bricks, 0)?;
        self.whole_volume(volume, &bricks, None)?;
        Ok(InheritedKind::CreateVolume(id(volume)?))
    }

    fn delete_volume(&self) -> Why<InheritedKind> {
        let (volume, bricks) = (self.one("Delete volume")?, self.named("Delete brick"));
        self.marked(&[volume].into(), &Ids::new(), &bricks, 0)?;
        self.whole_volume(volume, &bricks, None)?;
        Ok(InheritedKind::DeleteVolume(id(volume)?))
    }

    fn expand_volume(&self) -> Why<InheritedKind> {
        let (volume, bricks) = (self.one("Expand volume")?, self.named("Add brick"));
        self.marked(&Ids::new(), &Ids::new(), &bricks, 1)?;
        self.volume_in_use(volume)?;
        let of_volume = self.bricks_of(volume);
        if bricks.is_empty() || !bricks.is_subset(&of_volume) || bricks == of_volume {
            return Err("its bricks are not new ones of its volume".to_owned());
        }
        let by = self.delta("Expand volume")?;
        Ok(InheritedKind::ExpandVolume { volume: id(volume)?, by })
    }

    fn create_block_volume(&self) -> Why<InheritedKind> {
        let (block, bricks) = (self.one("Add block volume")?, self.named("Add brick"));
        let new = self.named("Add volume");
        self.marked(&new, &[block].into(), &bricks, 0)?;
        let entry = &self.dump.blockvolumeentries[block];
        let host = entry.info.blockhostingvolume.as_str();
        let hosting = match (new.first(), new.len()) {
            (None, _) if bricks.is_empty() => {
                self.volume_in_use(host)?;
                None
            }
            (Some(volume), 1) if *volume == host => {
                self.whole_volume(host, &bricks, Some(block))?;
                Some(id(host)?)
            }
            _ => return Err("its block volume lies on another volume".to_owned()),
        };
        Ok(InheritedKind::CreateBlockVolume { block: id(block)?, hosting })
    }

    fn delete_block_volume(&self) -> Why<InheritedKind> {
        let block = self.one("Delete block volume")?;
        self.marked(&Ids::new(), &[block].into(), &Ids::new(), 0)?;
        Ok(InheritedKind::DeleteBlockVolume(id(block)?))
    }

    fn expand_block_volume(&self) -> Why<InheritedKind> {
        let block = self.one("Expand block volume")?;
        self.marked(&Ids::new(), &Ids::new(), &Ids::new(), 1)?;
        let entry = self.dump.blockvolumeentries.get(block);
        let entry = entry.ok_or_else(|| format!("its block volume {block} is not there"))?;
        if !entry.pending.id.is_empty() {
            let other = &entry.pending.id;
            return Err(format!("its block volume {block} belongs to operation {other}"));
        }
        let to = self.delta("Expand block volume")?;
        if u64::try_from(entry.info.size).is_ok_and(|size| to.0 < size) {
            return Err(format!("its block volume {block} is larger than {} GiB already", to.0));
        }
        Ok(InheritedKind::ExpandBlockVolume { block: id(block)?, to })
    }

    fn evict_brick(&self) -> Why<InheritedKind> {
        let (old, new) = (self.one("Delete brick")?, self.named("Add brick"));
        let both: Ids<'_> = new.iter().copied().chain([old]).collect();
        self.marked(&Ids::new(), &Ids::new(), &both, 0)?;
        let volume = self.dump.brickentries[old].info.volume.as_str();
        self.volume_in_use(volume)?;
        if new.len() > 1 || !new.is_subset(&self.bricks_of(volume)) {
            return Err("its bricks do not belong to one volume".to_owned());
        }
        let new = new.first().map(|new| id(new)).transpose()?;
        Ok(InheritedKind::EvictBrick { volume: id(volume)?, old: id(old)?, new })
    }

    fn remove_device(&self) -> Why<InheritedKind> {
        let device = self.one("Remove device")?;
        self.marked(&Ids::new(), &Ids::new(), &Ids::new(), 1)?;
        Ok(InheritedKind::RemoveDevice(id(device)?))
    }

    /// Heketi writes bricks of the clone, and its id into the list of the cluster, and hides the
    /// volume that is cloned; an entry of the clone there is only when it is done. One that is there
    /// was made by this program, which brings it to rest itself.
    fn clone_volume(&self) -> Why<InheritedKind> {
        let (source, clone) = (self.one("Clone volume from")?, self.one("Expand volume to")?);
        if self.dump.volumeentries.contains_key(clone) {
            return Err("the clone is there already".to_owned());
        }
        let (entry, bricks) = (self.volume_in_use(source)?, self.named("Add brick"));
        let hidden = if entry.pending.id.is_empty() { Ids::new() } else { [source].into() };
        self.marked(&hidden, &Ids::new(), &bricks, 2 - hidden.len())?;
        if bricks != self.bricks_of(clone) {
            return Err("other bricks belong to its volume".to_owned());
        }
        Ok(InheritedKind::CloneVolume { source: id(source)?, clone: id(clone)? })
    }
}
