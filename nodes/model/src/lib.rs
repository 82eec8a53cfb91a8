//! The node `model`: learns what to do from what was done.
//!
//! - [`net`] is a small convolutional network on one core, [`weights`] the file it is kept in.
//! - [`pictures`] says which command belongs to a picture; [`train`] and [`eval`] work on recordings, [`live`] is the running node.
//! - [`arrays`] learns from arrays instead.
//!
//! It never reads weights of any other format than safetensors, and never says a command that is not finite.

pub mod arrays;
pub mod eval;
pub mod kinds;
pub mod live;
pub mod net;
pub mod pictures;
pub mod train;
mod verbs;
pub mod weights;
