//! The node `model`: learns what to do from what was done.

fn main() {}
