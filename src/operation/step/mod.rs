//! Every effect on a node, as data.
//!
//! The discipline of a step: `run` twice is `run` once; `undo` is safe after nothing, after half
//! and after all of `run`; what may hold data is never formatted; what is there already and ours
//! is success, and so is what is gone already. Ours is proven by the id in the name.
mod add_bricks;
mod block;
mod brick;
mod clone_volume;
mod check_heal;
mod create_block;
mod create_volume;
mod delete_block;
mod delete_volume;
mod device;
mod find_block_size;
mod find_bricks;
mod flush_brick;
mod peer;
mod renew_volume;
mod replace_brick;
mod remove_stray;
mod restore_brick;
mod restore_volume;
mod retire_brick;
mod resize_block;
mod session;

pub(crate) use add_bricks::{AddBricks, Rebalance};
pub(crate) use block::BlockPlace;
pub(crate) use brick::{BrickPlace, CreateBrick, DestroyBrick};
pub(crate) use check_heal::{CheckHeal, HealCheck};
pub(crate) use clone_volume::{CloneVolume, FindNameFree, SourceBrick};
pub(crate) use create_block::{BlockHost, CreateBlock, InspectBlock};
pub(crate) use create_volume::CreateVolume;
pub(crate) use delete_block::DestroyBlock;
pub(crate) use delete_volume::{DestroyVolume, InspectVolume, state as volume_state};
pub(crate) use device::{ReadDevice, SetUpDevice, TearDownDevice, Wipe};
pub(crate) use find_block_size::FindBlockSize;
pub(crate) use find_bricks::{FindBricks, Found, KnownBrick, ProveUnused, Question};
pub(crate) use flush_brick::FlushBrick;
pub(crate) use peer::{Detach, Probe};
pub(crate) use remove_stray::RemoveStray;
pub(crate) use renew_volume::RenewVolume;
pub(crate) use replace_brick::ReplaceBrick;
pub(crate) use resize_block::ResizeBlock;
pub(crate) use restore_brick::RestoreBrick;
pub(crate) use restore_volume::{ReviveVolume, SetOption};
pub(crate) use retire_brick::RetireBrick;
pub(crate) use session::Pool;

use crate::{
    domain::{BlockTarget, BrickId, ClonedLv, DeviceFacts, Gib, Hostname, NodeId},
    node::{NodeError, Nodes},
};
use serde::{Deserialize, Serialize};

/// Which way the operation may still go once this step has been begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// It can be taken back.
    Reversible,
    /// It cannot: the only way is on.
    ForwardOnly,
}

/// What a step found out and its operation needs to know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Output {
    /// Nothing.
    #[default]
    Nothing,
    /// What LVM says of a device.
    Device(DeviceFacts),
    /// Whether the space of a brick is free again.
    Reclaimed(bool),
    /// What the bricks of a clone are called, in gluster's order.
    Cloned(Vec<ClonedLv>),
    /// Something of a brick may still be on its node, and why.
    Left(String),
    /// Where and how initiators log in to a block volume.
    Target(BlockTarget),
    /// A block volume has its new size.
    Resized {
        /// What all of its hosts offer of it.
        usable: Gib,
    },
    /// What gluster has of bricks that somebody else was giving it.
    Found(Found),
    /// Whether a block volume that somebody else was expanding has grown.
    Grown(bool),
}

/// The same error of a run that has changed something already, or may have: a node that cannot be
/// reached now does not tell that nothing was started.
fn after_start(error: NodeError) -> NodeError {
    match error {
        NodeError::Unreachable { host, why } => {
            NodeError::InDoubt { host, command: "an earlier command of this step".into(), why }
        }
        other => other,
    }
}

/// What a change that cannot be taken back ends with when gluster did nothing of it, twice. If
/// nothing at all has changed, and no command was lost that might still come, the operation can
/// still be taken back; the doubt about an earlier command stays, whatever the last one says.
fn nothing_came_of_it(error: NodeError, unchanged: bool, in_doubt: bool) -> NodeError {
    match after_start(error) {
        error if unchanged && !in_doubt => NodeError::WithoutEffect(error.into()),
        NodeError::Failed { host, command, stderr, .. } if in_doubt => {
            NodeError::InDoubt { host, command, why: stderr }
        }
        error => error,
    }
}

type Result<T = Output> = std::result::Result<T, NodeError>;

/// Where a step works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// On this node.
    Node(&'a Hostname),
    /// In this pool of gluster, through any of its nodes.
    Pool(&'a Pool),
}

/// One effect on nodes.
trait Effect {
    /// Which way is left once it has been begun.
    const WAY: Way;
    /// Brings it about. It fails with [`NodeError::Unreachable`] only if it started nothing: such
    /// a step need not be undone.
    async fn run(&self, nodes: &Nodes) -> Result;
    /// Takes it back.
    async fn undo(&self, nodes: &Nodes) -> Result;
    /// Whether what was undone is gone for good, asked when everything else of the operation is
    /// undone as well: a command that was lost on its way may have come late.
    async fn certify(&self, _: &Nodes) -> Result<()> {
        Ok(())
    }
    /// Whether others have to take back what it does, those before it in the plan, since its own `undo`
    /// does nothing: then nothing is lost if a power cut takes the word that it was begun.
    fn leaves_nothing(&self) -> bool {
        false
    }
    /// Whether a command that nobody heard of again may still do its work when the step has looked
    /// and seen nothing of it.
    fn lands_late(&self) -> bool {
        false
    }
    /// Where it works: a node by its management name, or a gluster pool.
    fn place(&self) -> Place<'_>;
    /// The node to leave out of the next attempt when this fails.
    fn blames(&self, _: &NodeError) -> Option<NodeId> {
        None
    }
    /// The brick that comes or goes.
    fn brick(&self) -> Option<BrickId> {
        None
    }
}

macro_rules! steps {
    ($($name:ident = $word:literal),* $(,)?) => {
        /// Any step, as the journal stores it.
        #[derive(Clone, Debug, Serialize, Deserialize)]
        #[serde(tag = "step")]
        pub(crate) enum Step {
            $(
                #[doc = concat!("`", $word, "`")]
                #[serde(rename = $word)]
                $name($name),
            )*
        }
        impl Step {
            /// Its name in the journal: never renamed.
            #[must_use]
            pub(crate) fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => $word),* }
            }
            pub(crate) fn way(&self) -> Way {
                match self { $(Self::$name(_) => $name::WAY),* }
            }
            pub(crate) fn place(&self) -> Place<'_> {
                match self { $(Self::$name(step) => step.place()),* }
            }
            pub(crate) fn lands_late(&self) -> bool {
                match self { $(Self::$name(step) => step.lands_late()),* }
            }
            pub(crate) fn leaves_nothing(&self) -> bool {
                match self { $(Self::$name(step) => step.leaves_nothing()),* }
            }
            pub(crate) fn blames(&self, error: &NodeError) -> Option<NodeId> {
                match self { $(Self::$name(step) => step.blames(error)),* }
            }
            pub(crate) fn brick(&self) -> Option<BrickId> {
                match self { $(Self::$name(step) => step.brick()),* }
            }
            pub(crate) async fn run(&self, nodes: &Nodes) -> Result {
                match self { $(Self::$name(step) => step.run(nodes).await),* }
            }
            pub(crate) async fn undo(&self, nodes: &Nodes) -> Result {
                match self { $(Self::$name(step) => step.undo(nodes).await),* }
            }
            pub(crate) async fn certify(&self, nodes: &Nodes) -> Result<()> {
                match self { $(Self::$name(step) => step.certify(nodes).await),* }
            }
        }
    };
}

steps! {
    Probe = "probe-peer",
    Detach = "detach-peer",
    SetUpDevice = "set-up-device",
    TearDownDevice = "tear-down-device",
    ReadDevice = "read-device",
    CreateBrick = "create-brick",
    DestroyBrick = "destroy-brick",
    FlushBrick = "flush-brick",
    CreateVolume = "create-volume",
    InspectVolume = "inspect-volume",
    DestroyVolume = "destroy-volume",
    InspectBlock = "inspect-block",
    CreateBlock = "create-block",
    ResizeBlock = "resize-block",
    DestroyBlock = "destroy-block",
    AddBricks = "add-bricks",
    Rebalance = "rebalance",
    FindNameFree = "find-name-free",
    CloneVolume = "clone-volume",
    CheckHeal = "check-heal",
    ReplaceBrick = "replace-brick",
    RetireBrick = "retire-brick",
    RestoreBrick = "restore-brick",
    ReviveVolume = "revive-volume",
    SetOption = "set-option",
    RemoveStray = "remove-stray",
    FindBricks = "find-bricks",
    ProveUnused = "prove-unused",
    RenewVolume = "renew-volume",
    FindBlockSize = "find-block-size",
}
