//! What is done: one file for each operation.
//!
//! An operation is data (it is stored and read back) with four small functions. `reserve`,
//! `commit` and `release` each fill one transaction and touch no node; the steps that `reserve`
//! plans touch nodes and no database. So neither rule can be broken by accident.
//!
//! ```text
//! start: claims [-> look] -> reserve -> steps, stage by stage [-> further -> steps] -> commit
//!                                        \-> undo, in reverse -> release
//! ```
mod add_device;
mod add_node;
mod adopt_brick;
mod adopt_volume;
mod cancel;
mod clean_up;
mod cleaner;
mod clone_volume;
mod clear_debris;
mod create_block_volume;
mod create_volume;
mod delete_block_volume;
mod delete_device;
mod delete_node;
mod delete_volume;
mod drivers;
mod evict_brick;
mod expand_block_volume;
mod expand_volume;
mod heketi;
mod inherit;
mod journal;
mod layout;
mod lead;
mod overview;
mod planning;
mod queue;
mod rejoin_peer;
mod remove_device;
mod remove_node;
mod remove_stray;
mod restore_brick;
mod restore_volume;
mod results;
mod restrict_block_hosting;
mod resync_device;
mod runner;
mod set_device_state;
mod set_node_state;
mod settings;
mod settle;
mod settle_block_expansion;
mod settle_eviction;
mod settle_expansion;
mod stage;
mod start;
mod step;

pub use add_device::AddDevice;
pub use add_node::AddNode;
pub use adopt_brick::AdoptBrick;
pub use adopt_volume::AdoptVolume;
pub use clean_up::CleanUp;
pub use clear_debris::ClearDebris;
pub use clone_volume::CloneVolume;
pub use create_block_volume::CreateBlockVolume;
pub use create_volume::CreateVolume;
pub use delete_block_volume::DeleteBlockVolume;
pub use delete_device::DeleteDevice;
pub use delete_node::DeleteNode;
pub use delete_volume::DeleteVolume;
pub use drivers::AtWork;
pub use evict_brick::EvictBrick;
pub use expand_block_volume::ExpandBlockVolume;
pub use expand_volume::ExpandVolume;
pub use heketi::{adds_hardware, pending_entry};
pub use inherit::{Inherited, InheritedKind, inherit};
pub use rejoin_peer::RejoinPeer;
pub use remove_device::RemoveDevice;
pub use remove_node::RemoveNode;
pub use remove_stray::RemoveStray;
pub use restore_brick::RestoreBrick;
pub use restore_volume::RestoreVolume;
pub use restrict_block_hosting::RestrictBlockHosting;
pub use resync_device::ResyncDevice;
pub use runner::OnRestart;
pub use set_device_state::SetDeviceState;
pub use set_node_state::SetNodeState;
pub use settings::Settings;
pub use settle_block_expansion::SettleBlockExpansion;
pub use settle_eviction::SettleEviction;
pub use settle_expansion::SettleExpansion;
pub use start::{Operations, Queued};

use crate::{
    domain::{Hostname, NodeId, OperationId},
    error::Result,
    node::Nodes,
    store::{Store, WriteTx},
};
use journal::Record;
use lead::{Failures, Needs};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;
use std::collections::BTreeSet;

/// Steps in stages: those of one stage run side by side, stages one after another.
pub(crate) type Plan = Vec<Vec<step::Step>>;

/// What `reserve` may know besides the database.
pub(crate) struct Planning<'a> {
    /// The operation that plans.
    pub(crate) id: OperationId,
    /// Limits and defaults of the configuration.
    pub(crate) settings: &'a Settings,
    /// Nodes that failed in an earlier attempt: not used.
    pub(crate) avoid: &'a BTreeSet<NodeId>,
    /// Hosts that are unwell: not used if there is any other way.
    pub(crate) unwell: &'a BTreeSet<Hostname>,
}

/// One thing the product can do to nodes or to what it knows of them.
pub(crate) trait Operation: Send + Sync {
    /// Resources that nobody else may change meanwhile.
    fn claims(&self) -> Vec<String>;

    /// What it does to which object, in Heketi's words where there are any (api.md 13).
    fn subject(&self) -> Option<(&'static str, String)>;

    /// Words before the cause when it is refused with status 500, or none.
    fn attempt(&self) -> &'static str {
        ""
    }
    /// Whether it counts against the limit of operations in flight (api.md 5.2).
    fn throttled(&self) -> bool {
        false
    }
    /// Where the result will be, for those that have one.
    fn location(&self) -> Option<String> {
        None
    }
    /// How often it is planned anew, elsewhere, after it failed and unwound.
    fn retries(&self, _settings: &Settings) -> i64 {
        0
    }

    /// Whether it can only go on, from its acceptance: it settles what somebody else has begun, and
    /// to forget it would leave that as it is. When it fails, it is tried again later.
    fn settles(&self) -> bool {
        false
    }
    /// What it changes, where its steps do not tell, in Heketi's words (api.md 13).
    fn changes(&self) -> Option<Vec<(&'static str, String)>> {
        None
    }

    /// Whether nodes must be asked before anything can be planned.
    fn looks(&self) -> bool {
        false
    }
    /// Asks nodes, once the claims are taken; what it learns is kept in the operation itself.
    fn look(&mut self, _store: &Store, _nodes: &Nodes) -> impl Future<Output = Result<()>> + Send {
        std::future::ready(Ok(()))
    }
    /// Whether it is done by others: then it goes on after a restart, has no steps of its own, and
    /// `needs`, `failed` and `left` say more.
    fn leads(&self) -> bool {
        false
    }
    /// What others have still to do before it can be committed; `id` is its own.
    fn needs(
        &self,
        _db: &mut SqliteConnection,
        _id: OperationId,
    ) -> impl Future<Output = Result<Needs>> + Send {
        std::future::ready(Ok(Needs::default()))
    }
    /// Its error, when some of the others failed for good.
    fn failed(&self, failures: &Failures) -> String {
        lead::lines(failures)
    }
    /// How many bricks are still to be moved.
    fn left(&self, _db: &mut SqliteConnection) -> impl Future<Output = Result<usize>> + Send {
        std::future::ready(Ok(0))
    }
    /// One transaction: decides, writes the pending rows, takes the space, returns the steps.
    fn reserve(
        &self,
        tx: &mut WriteTx,
        planning: &Planning<'_>,
    ) -> impl Future<Output = Result<Plan>> + Send;
    /// One transaction, when all planned steps are done: what is still to be done, for what could
    /// not be planned before, or nothing. The new plan takes the place of the old one, whose steps
    /// are never taken back: they must not need it. The record tells what they have found out.
    fn further(
        &self,
        _tx: &mut WriteTx,
        _planning: &Planning<'_>,
        _record: &Record,
    ) -> impl Future<Output = Result<Option<Plan>>> + Send {
        std::future::ready(Ok(None))
    }
    /// One transaction: the pending rows become true.
    fn commit(&self, tx: &mut WriteTx, record: &Record) -> impl Future<Output = Result<()>> + Send;
    /// What is wrong with a result that is kept all the same: whoever asked for it is told that it
    /// failed.
    fn flaw(&self, _record: &Record) -> Option<String> {
        None
    }
    /// One transaction: exactly the inverse of `reserve`.
    fn release(&self, tx: &mut WriteTx, record: &Record)
    -> impl Future<Output = Result<()>> + Send;
}

macro_rules! operations {
    ($($name:ident = $kind:literal),* $(,)?) => {
        /// Any operation: what the journal stores and recovery reads back.
        #[derive(Clone, Debug, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum Any {
            $(
                #[doc = concat!("`", $kind, "`")]
                #[serde(rename = $kind)]
                $name($name),
            )*
        }
        impl Any {
            /// Its name in the journal: never renamed.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$name(_) => $kind),* }
            }
        }
        impl Operation for Any {
            fn claims(&self) -> Vec<String> {
                match self { $(Self::$name(op) => op.claims()),* }
            }
            fn subject(&self) -> Option<(&'static str, String)> {
                match self { $(Self::$name(op) => op.subject()),* }
            }
            fn attempt(&self) -> &'static str {
                match self { $(Self::$name(op) => op.attempt()),* }
            }
            fn throttled(&self) -> bool {
                match self { $(Self::$name(op) => op.throttled()),* }
            }
            fn location(&self) -> Option<String> {
                match self { $(Self::$name(op) => op.location()),* }
            }
            fn retries(&self, settings: &Settings) -> i64 {
                match self { $(Self::$name(op) => op.retries(settings)),* }
            }
            fn settles(&self) -> bool {
                match self { $(Self::$name(op) => op.settles()),* }
            }
            fn changes(&self) -> Option<Vec<(&'static str, String)>> {
                match self { $(Self::$name(op) => op.changes()),* }
            }
            fn looks(&self) -> bool {
                match self { $(Self::$name(op) => op.looks()),* }
            }
            async fn look(&mut self, store: &Store, nodes: &Nodes) -> Result<()> {
                match self { $(Self::$name(op) => op.look(store, nodes).await),* }
            }
            fn leads(&self) -> bool {
                match self { $(Self::$name(op) => op.leads()),* }
            }
            async fn needs(&self, db: &mut SqliteConnection, id: OperationId) -> Result<Needs> {
                match self { $(Self::$name(op) => op.needs(db, id).await),* }
            }
            fn failed(&self, failures: &Failures) -> String {
                match self { $(Self::$name(op) => op.failed(failures)),* }
            }
            async fn left(&self, db: &mut SqliteConnection) -> Result<usize> {
                match self { $(Self::$name(op) => op.left(db).await),* }
            }
            async fn reserve(&self, tx: &mut WriteTx, planning: &Planning<'_>) -> Result<Plan> {
                match self { $(Self::$name(op) => op.reserve(tx, planning).await),* }
            }
            async fn further(
                &self,
                tx: &mut WriteTx,
                planning: &Planning<'_>,
                record: &Record,
            ) -> Result<Option<Plan>> {
                match self { $(Self::$name(op) => op.further(tx, planning, record).await),* }
            }
            async fn commit(&self, tx: &mut WriteTx, record: &Record) -> Result<()> {
                match self { $(Self::$name(op) => op.commit(tx, record).await),* }
            }
            fn flaw(&self, record: &Record) -> Option<String> {
                match self { $(Self::$name(op) => op.flaw(record)),* }
            }
            async fn release(&self, tx: &mut WriteTx, record: &Record) -> Result<()> {
                match self { $(Self::$name(op) => op.release(tx, record).await),* }
            }
        }
        $(
            impl From<$name> for Any {
                fn from(op: $name) -> Self {
                    Self::$name(op)
                }
            }
        )*
    };
}

operations! {
    AddNode = "add-node",
    DeleteNode = "delete-node",
    SetNodeState = "set-node-state",
    AddDevice = "add-device",
    DeleteDevice = "delete-device",
    SetDeviceState = "set-device-state",
    ResyncDevice = "resync-device",
    CreateVolume = "create-volume",
    ExpandVolume = "expand-volume",
    DeleteVolume = "delete-volume",
    CreateBlockVolume = "create-block-volume",
    ExpandBlockVolume = "expand-block-volume",
    DeleteBlockVolume = "delete-block-volume",
    RestrictBlockHosting = "restrict-block-hosting",
    CleanUp = "clean-up",
    CloneVolume = "clone-volume",
    EvictBrick = "evict-brick",
    RemoveDevice = "remove-device",
    RemoveNode = "remove-node",
    ClearDebris = "clear-debris",
    RestoreBrick = "restore-brick",
    RestoreVolume = "restore-volume",
    RejoinPeer = "rejoin-peer",
    RemoveStray = "remove-stray",
    AdoptVolume = "adopt-volume",
    AdoptBrick = "adopt-brick",
    SettleExpansion = "settle-expansion",
    SettleEviction = "settle-eviction",
    SettleBlockExpansion = "settle-block-expansion",
}
