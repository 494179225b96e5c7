//! The words of the field as types: ids, sizes, names, states. No I/O, no dependencies upwards.
pub mod block;
pub mod brick;
pub mod database_volume;
pub mod durability;
pub mod id;
pub mod name;
pub mod option;
pub mod size;
pub mod state;
pub mod tag;

pub use block::{BlockTarget, Password, Restriction};
pub use brick::{BrickSize, ClonedLv, DeviceFacts, Part};
pub use durability::{Durability, SnapshotFactor};
pub use id::{BlockVolumeId, BrickId, ClusterId, DeviceId, NodeId, OperationId, VolumeId};
pub use name::{BlockVolumeName, DeviceName, Hostname, VolumeName};
pub use option::VolumeOption;
pub use size::{Gib, Kib};
pub use state::State;
pub use tag::Tags;
