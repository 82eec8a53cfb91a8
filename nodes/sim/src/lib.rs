//! The node `sim`: a small simulated car on a closed track.
