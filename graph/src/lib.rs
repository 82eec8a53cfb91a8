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
//! - [`graph`] is the graph file, [`wiring`] is what `launch` tells a node.
//! - [`proto`] holds the messages; they are all re-exported here.
//!
//! This crate never starts a process and never reads a graph file on a node's behalf.

pub mod gamepad;
pub mod graph;

#[cfg(feature = "node")]
mod node;
#[cfg(feature = "node")]
pub mod wiring;

pub use offboard_proto as proto;
pub use offboard_proto::*;

pub use graph::duration::Period;
#[cfg(feature = "node")]
pub use node::{
    Describe, Error, Every, Evidence, Message, Node, Publisher, RawMessage, RawPublisher, RawSubscriber, Result,
    Subscriber, Tick, clock, describe, main, node,
};
/// The trait of protobuf messages and their full names, for [`Name::full_name`](prost::Name::full_name).
#[cfg(feature = "node")]
pub use prost::Name;
