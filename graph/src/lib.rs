//! Write a node for a robot that thinks elsewhere.
//!
//! ```no_run
//! use offboard::{CompressedImage, Drive};
//!
//! # fn steer(_: &CompressedImage) -> Drive { Drive::default() }
//! #[tokio::main]
//! async fn main() -> offboard::Result<()> {
//!     let node = offboard::node()?;
//!     let mut frames = node.subscribe::<CompressedImage>("frames").await?;
//!     let mut drive = node.publish::<Drive>("drive").await?;
//!     while let Some(frame) = frames.latest().await? {
//!         drive.send_from(&frame, steer(&frame)).await?; // keeps the picture's stamp
//!     }
//!     Ok(())
//! }
//! ```
//!
//! - [`node()`] is a node that `launch` started; [`describe`] is one that also says what it is.
//! - [`Node::subscribe`] and [`Node::publish`] are its edges, [`Node::every`] is a rate loop.
//! - [`Node::sync2`] pairs the messages of inputs by their stamps; [`Pairer`] does it for what was recorded.
//! - [`graph`] is the graph file, [`wiring`] is what `launch` tells a node.
//! - `recording` (with the feature of that name) writes, reads and mends recordings.
//! - `device` says how a person who may not use a device file comes to be let in.
//! - [`motion`] is the lease that whatever moves obeys commands by.
//! - [`proto`] holds the messages; they are all re-exported here.
//!
//! This crate never starts a process and never reads a graph file on a node's behalf.

#[cfg(feature = "node")]
pub mod device;
pub mod gamepad;
pub mod graph;
pub mod motion;

#[cfg(feature = "node")]
mod node;
#[cfg(feature = "recording")]
pub mod recording;
#[cfg(feature = "node")]
pub mod wiring;

pub use offboard_proto as proto;
pub use offboard_proto::*;

pub use graph::duration::Period;
#[cfg(feature = "node")]
pub use node::{
    Describe, Error, Every, Evidence, Message, Node, Pairer, Pairing, PairingReport, Publisher, RawMessage,
    RawPublisher, RawSubscriber, Result, Stamped, StreamCounts, Subscriber, Sync2, SyncRaw, Tick, clock, describe,
    main, node,
};
/// The trait of protobuf messages and their full names, for [`Name::full_name`](prost::Name::full_name).
#[cfg(feature = "node")]
pub use prost::Name;
