//! How far a verb is, as a bar on stderr when that is a terminal; elsewhere nothing. It never touches stdout.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often the bar is drawn at most.
const HERTZ: u8 = 10;

/// A bar that goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar over so many bytes.
    pub(crate) fn bytes(what: &'static str, length: u64) -> Progress {
        Progress::new(what, length, "{msg} [{bar:40}] {bytes}/{total_bytes} {eta}")
    }

    /// A bar over so many things.
    pub(crate) fn count(what: &'static str, length: u64) -> Progress {
        Progress::new(what, length, "{msg} [{bar:40}] {pos}/{len} {eta}")
    }

    fn new(what: &'static str, length: u64, template: &str) -> Progress {
        // indicatif draws nothing when stderr is no terminal.
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr_with_hz(HERTZ));
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(250));
        Progress(bar)
    }

    /// So far.
    pub(crate) fn set(&self, position: u64) {
        self.0.set_position(position);
    }

    /// One more.
    pub(crate) fn step(&self) {
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
