//! The node `recorder`: records topics to MCAP files.

fn main() {}
