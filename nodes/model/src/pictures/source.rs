//! What pictures come from a topic.

/// What comes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Seen {
    /// Full type name.
    pub kind: String,
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
    /// Pictures a second by stamps, those that were skipped included; none: not known yet.
    pub rate: Option<f64>,
}
