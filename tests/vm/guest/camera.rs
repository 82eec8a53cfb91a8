//! Cameras: the kernel's test camera `vivid`, as a webcam and as television, and `v4l2loopback`, fed here with JPEGs.

mod busy;
mod jpegs;
mod listing;
mod loss;
mod modes;
mod rig;
mod stamps;
