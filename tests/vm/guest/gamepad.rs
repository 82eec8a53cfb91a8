//! The node `gamepad` and the pilot behind it, against pads that the kernel itself believes in (uinput).
//! Nothing here is a stand-in but the thumbs.

mod choosing;
mod latency;
pub(crate) mod pads;
mod plugging;
mod reading;
mod rumble;
