//! The node `player`: publishes a recording with its own rhythm.

fn main() {}
