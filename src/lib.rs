//! Brickyard makes GlusterFS volumes on demand: the drop-in successor of Heketi.
//!
//! The modules stand in the order in which a request passes through them; see docs/ARCHITECTURE.md.
pub mod api;
pub mod domain;
pub mod error;
pub mod lenient;
pub mod node;
pub mod placement;
pub mod store;
