//! Which files the lines of nodes and of launch go to. It never opens one itself: the sink's thread does.

use std::{path::Path, sync::Arc};

use offboard::graph::{LogFile, LogSpec};

use super::{
    LAUNCH, Level,
    folder::{self, Folder},
    notices::Notices,
    rotation::{Kept, Pointer, Rotating},
    sink::{Lane, Sink},
};

/// How much waits for the disk, of all files together, in bytes: a burst of some 50,000 lines.
const BUFFER_MAX: usize = 4 << 20;

/// Gives every node and launch itself a file.
#[derive(Debug)]
pub(super) struct Keeper {
    sink: Sink,
    notices: Arc<Notices>,
    /// The default place; none: there is no such place.
    base: Option<std::path::PathBuf>,
}

impl Keeper {
    /// `say` tells people what becomes of their lines.
    pub(super) fn new(say: impl Fn(Level, &str) + Send + Sync + 'static) -> Keeper {
        let base = folder::base();
        if base.is_none() {
            say(Level::Warn, "lines are not kept: neither OFFBOARD_LOG_DIR nor HOME says where");
        }
        Keeper { sink: Sink::new("files", BUFFER_MAX), notices: Arc::new(Notices::new(say)), base }
    }

    /// The way to launch's own file of a graph.
    pub(super) fn launch(&self, graph: &str) -> Option<Lane> {
        self.node(graph, LAUNCH, &LogSpec::default(), Path::new("/"))
    }

    /// The way to a node's file, if it has one. `dir`: what the path in the graph file is relative to.
    pub(super) fn node(&self, graph: &str, node: &str, spec: &LogSpec, dir: &Path) -> Option<Lane> {
        let default = self.base.as_ref().map(|base| Folder { path: base.join(graph), own: true });
        let kept = |folder, name| Kept { folder, name, size: spec.size, keep: spec.keep };
        let (kept, to) = match &spec.file {
            LogFile::Default => (default.clone().map(|folder| kept(folder, format!("{node}.log"))), None),
            LogFile::Off => (None, Some(String::new())),
            LogFile::At(path) => {
                let path = dir.join(path);
                let path = std::path::absolute(&path).unwrap_or(path);
                let name = path.file_name()?.to_str()?.to_owned();
                let folder = Folder { path: path.parent()?.to_owned(), own: false };
                (Some(kept(folder, name)), Some(path.to_str()?.to_owned()))
            }
        };
        let pointer = default.map(|folder| Pointer { folder, node: node.to_owned(), to });
        let has_file = kept.is_some();
        let lane = self.sink.open(Rotating::new(kept, pointer, Arc::clone(&self.notices)));
        // Without a file the lane only leaves its note, and ends.
        has_file.then_some(lane)
    }

    /// Lets the last lines out, for a bounded time.
    pub(super) fn close(&self, most: std::time::Duration) {
        self.sink.close(most);
    }
}
