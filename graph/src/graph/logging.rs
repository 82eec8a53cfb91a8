//! What becomes of what a node writes: the `log` table. It never opens a file.

use super::{LogSpec, mistakes::Log, tree::Table, walk};

/// The `log` of a node.
pub(crate) fn log_spec(table: &Table, log: &mut Log) -> LogSpec {
    let _ = walk::table(table, "log", log);
    LogSpec::default()
}
