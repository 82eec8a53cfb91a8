//! What a node may use: the `limits` table. It never sets a limit.

use super::{Limits, mistakes::Log, tree::Table, walk};

/// The `limits` of a node.
pub(crate) fn limits(table: &Table, log: &mut Log) -> Limits {
    let _ = walk::table(table, "limits", log);
    Limits::default()
}
