//! The wire of offboard: the protobuf messages of `offboard/v1`, and checked views of the ones that claim sizes.
//!
//! [`Header`] stands before every payload; [`RawImage::view`], [`Array::view`] and [`jpeg`] check what a message claims
//! before anyone indexes by it. This crate does no I/O and depends on no other crate of ours.

mod array;
mod image;
pub mod jpeg;

pub use array::{ArrayView, Element};
pub use image::{PIXELS_MAX, RawImageView};

mod generated {
    include!(concat!(env!("OUT_DIR"), "/offboard.v1.rs"));
}
pub use generated::*;

/// The descriptors of all messages (a `google.protobuf.FileDescriptorSet` with its imports), for readers that know no types.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.binpb"));

/// The package that a type name without dots is looked up in: `Drive` means `offboard.v1.Drive`.
pub const PACKAGE: &str = "offboard.v1";

/// The most a whole message may weigh, in bytes; checked before anything is allocated for it.
pub const MESSAGE_MAX: usize = 64 << 20;

/// The longest topic, in bytes.
pub const TOPIC_MAX: usize = 128;

/// Why a message that decoded well is still refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// The data is not as long as the other fields say.
    #[error("data has {have} bytes but {what} needs {need}")]
    Length {
        /// Which fields claim it.
        what: String,
        /// Bytes claimed.
        need: u64,
        /// Bytes there.
        have: u64,
    },
    /// More pixels than [`PIXELS_MAX`].
    #[error("a picture of {width} x {height} pixels is over the limit of 64 Mpx")]
    TooManyPixels {
        /// Claimed width in pixels.
        width: u32,
        /// Claimed height in pixels.
        height: u32,
    },
    /// A field holds a value that has no meaning.
    #[error("{0}")]
    Field(String),
}
