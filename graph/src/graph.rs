//! The graph file: text in, a checked [`Graph`] or all its mistakes out.
//!
//! [`read`] parses a file into a [`Draft`], [`check()`] turns drafts into graphs once it is known what their programs say.
//! Pure: it never opens a file, starts a process or looks at the environment by itself.

pub mod description;
pub mod duration;
pub mod model;
pub mod size;

mod address;
mod check;
mod draft;
mod edges;
mod interpolate;
mod limits;
mod logging;
mod mistakes;
mod near;
mod outputs;
mod overrides;
mod own;
mod params;
mod pattern;
mod peers;
mod read;
mod show;
mod spread;
mod syntax;
mod tree;
mod types;
mod walk;
mod words;

pub use check::{Program, check};
pub use description::{Description, Port};
pub use draft::Draft;
pub use duration::Period;
pub use mistakes::{Mistakes, Spot};
pub use model::*;
pub use overrides::Override;
pub use own::{LAUNCH, OUTPUTS};
pub use pattern::Pattern;
pub use read::{Source, read};
