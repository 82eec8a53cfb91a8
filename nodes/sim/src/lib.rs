//! A small simulated car on a closed track: everything pure, in virtual time.
//!
//! - [`Track`] is a road from a seed, [`Car`] drives, [`World`] keeps both and counts laps.
//! - [`Camera`] draws what the car sees.
//! - [`Driver`] steers as a person does: late, with jitter and small errors.
//! - [`Session`] joins them with a controller and an imperfect link, thousands of frames a second.
//!
//! The same seed gives the same road, the same pictures, the same drive. It never reads a clock.

pub mod car;
pub mod driver;
pub mod render;
pub mod session;
pub mod track;
pub mod world;

mod chance;
mod look;

pub use car::Car;
pub use driver::Driver;
pub use render::{Camera, Picture};
pub use session::{Link, Outcome, Session, Stop};
pub use track::{Place, Track};
pub use world::{Event, World};
