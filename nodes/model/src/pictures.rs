//! Pictures and the commands that belong to them: what training, judging and driving share.

pub mod contract;
pub mod decode;
pub mod label;
pub mod lesson;
pub mod source;
