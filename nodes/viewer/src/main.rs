//! `viewer`: shows the newest picture in a window, enlarged, with rate, age and gaps in a corner, and writes snapshots. Receiving,
//! decoding, showing and writing each have their own thread, and between them the newest wins: it never makes a sender wait.

use std::{
    path::Path,
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use offboard::{CompressedImage, Error, Name as _, Node, RawImage, RawMessage, RawSubscriber, Result, clock};
use tokio::sync::watch;
use tracing::warn;

use crate::{ledger::Ledger, params::Params, picture::Picture, slot::Slot, snapshot::Snapshots, window::Life};

mod canvas;
mod ledger;
mod overlay;
mod params;
mod picture;
mod slot;
mod snapshot;
mod window;

/// The name of the input.
const FRAMES: &str = "frames";

/// How often broken pictures are reported.
const REPORT_EVERY: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    offboard::main(run)
}

/// A decoded picture on its way to the window.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) picture: Arc<Picture>,
    /// When it was sensed, nanoseconds on the machine's steady timeline.
    pub(crate) stamp_ns: i64,
}

/// The ledger, shared by all threads; held only to note or read a few numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<Ledger>>);

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn run() -> Result<()> {
    let node =
        offboard::describe("Shows the newest picture in a window, enlarged; closing the window ends only the viewer")
            .input_kinds(FRAMES, &[CompressedImage::full_name(), RawImage::full_name()], "the pictures to show")
            .params::<Params>()
            .stays_down_when_done()
            .node()?;
    let params = Params::of(&node)?;
    let frames = node.subscribe_raw(FRAMES).await?;
    let (arrived, shown, shared) = (Slot::new(), Slot::new(), Shared::default());
    let snapshots = snapshots(&params)?;
    let headless = snapshots.is_some();
    let window = open_window(&node, &params, shown.clone(), shared.clone())?;
    let decoder = Decoder { snapshots, shown, shared: shared.clone(), reported: None };
    let pictures = arrived.clone();
    thread::Builder::new().name("decode".to_owned()).spawn(move || decoder.run(&pictures))?;
    receive(frames, window, &arrived, &shared, headless).await
}

fn snapshots(params: &Params) -> Result<Option<Snapshots>> {
    if params.snapshot.is_empty() {
        return Ok(None);
    }
    let folder = Path::new(&params.snapshot);
    Snapshots::start(folder, params.snapshot_every.0, params.snapshot_keep as usize)
        .map(Some)
        .map_err(|error| Error::config(format!("snapshot folder {}: {error}", folder.display())))
}

/// None when there is no display and none is needed.
fn open_window(
    node: &Node,
    params: &Params,
    shown: Slot<Shown>,
    shared: Shared,
) -> Result<Option<watch::Receiver<Life>>> {
    if !window::has_display() {
        if params.snapshot.is_empty() {
            return Err(Error::config(
                "there is no display (DISPLAY is not set): start launch on a desktop, or say where pictures are to be \
                 written instead, for instance params = { snapshot = \"pictures\" }",
            ));
        }
        return Ok(None);
    }
    let topic = node.inputs().find(|input| input.name == FRAMES).map(|input| input.topic.clone()).unwrap_or_default();
    let title = if params.title.is_empty() { topic.clone() } else { params.title.replace('\0', "") };
    let wish = window::Wish { title, topic, scale: params.scale, overlay: params.overlay };
    Ok(Some(window::start(wish, shown, shared)?))
}

/// Until launch asks to stop or a person closes the window.
async fn receive(
    mut frames: RawSubscriber,
    mut window: Option<watch::Receiver<Life>>,
    arrived: &Slot<RawMessage>,
    shared: &Shared,
    headless: bool,
) -> Result<()> {
    loop {
        tokio::select! {
            message = frames.next() => match message {
                Ok(Some(message)) if message.is_no_data() => shared.lock().nothing_good(),
                Ok(Some(message)) => {
                    shared.lock().arrived(clock::now_ns(), frames.gaps());
                    arrived.put(message);
                }
                Ok(None) => return Ok(()),
                // The window says it, too, and better.
                Err(silent @ Error::Silent { .. }) => warn!("{silent}"),
                Err(error) => return Err(error),
            },
            life = news(&mut window) => match life {
                Life::Opening | Life::Open => {}
                Life::Closed => return Ok(()),
                Life::Failed(problem) if headless => {
                    warn!("no window ({problem}): only writing snapshots");
                    window = None;
                }
                Life::Failed(problem) => return Err(Error::config(format!(
                    "no window: {problem}; it needs an X server at DISPLAY and the libraries libX11 and libXcursor \
                     (Debian: libx11-6 libxcursor1)"
                ))),
            },
        }
    }
}

/// What becomes of the window; without one, nothing ever.
async fn news(window: &mut Option<watch::Receiver<Life>>) -> Life {
    let Some(window) = window else { return std::future::pending().await };
    match window.changed().await {
        Ok(()) => window.borrow_and_update().clone(),
        Err(_) => Life::Failed("its thread broke down".to_owned()),
    }
}

/// Decodes the newest message and hands the picture on.
struct Decoder {
    snapshots: Option<Snapshots>,
    shown: Slot<Shown>,
    shared: Shared,
    reported: Option<Instant>,
}

impl Decoder {
    /// For as long as the process lives.
    fn run(mut self, arrived: &Slot<RawMessage>) {
        loop {
            let Some(message) = arrived.take(Duration::MAX) else { continue };
            match Picture::of(&message) {
                Ok(picture) => self.hand_on(&message, Arc::new(picture)),
                Err(problem) => self.report(&problem),
            }
        }
    }

    fn hand_on(&mut self, message: &RawMessage, picture: Arc<Picture>) {
        if let Some(snapshots) = &mut self.snapshots {
            snapshots.offer(Instant::now(), message.header.seq, &picture);
        }
        self.shown.put(Shown { picture, stamp_ns: message.header.stamp_ns });
    }

    /// At most once a second.
    fn report(&mut self, problem: &str) {
        let count = self.shared.lock().broke();
        if self.reported.is_none_or(|last| last.elapsed() >= REPORT_EVERY) {
            self.reported = Some(Instant::now());
            warn!("a picture cannot be shown: {problem} ({count} so far)");
        }
    }
}
