//! The motor node and its boards: what reaches a servo board's registers and a serial controller, in every kind of trouble.

mod board;
pub(crate) mod chip;
mod guard;
mod serial;
