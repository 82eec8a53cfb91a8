//! `camera`: streams pictures from a camera, a folder, an MJPEG file or a moving test pattern. It never decodes a JPEG that it can
//! pass on, never queues pictures, and never waits for a listener.

use std::{mem, process::ExitCode, sync::Arc, time::Duration};

use offboard::{CompressedImage, Error, Name as _, Node, Period, Publisher, RawImage, Result};
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use crate::{
    develop::{Developed, Lab},
    params::{Encoding, FRAMES, Params},
    source::{Frame, Seen},
};

mod capture;
mod develop;
mod list;
mod number;
mod params;
mod pattern;
mod pixels;
mod schedule;
mod source;
mod tables;

/// How often listeners are told that there is no camera.
const NO_DATA_EVERY: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    list::answer().unwrap_or_else(|| offboard::main(run))
}

async fn run() -> Result<()> {
    let node = offboard::describe("Streams pictures from a camera (camera --list shows them), files or a test pattern")
        .output_when(
            FRAMES,
            "encoding",
            &[("jpeg", CompressedImage::full_name()), ("rgb8", RawImage::full_name())],
            "the newest picture, stamped when it was captured",
        )
        .params::<Params>()
        .node()?;
    let params = Params::of(&node)?;
    match params.encoding {
        Encoding::Jpeg => serve::<CompressedImage>(&node, &params).await,
        Encoding::Rgb8 => serve::<RawImage>(&node, &params).await,
    }
}

async fn serve<M: Developed>(node: &Node, params: &Params) -> Result<()> {
    let lab = Arc::new(Lab::new(params, node.name()));
    let mut sender = Sender::<M> { out: node.publish(FRAMES).await?, lab, sent: 0, broken: 0, reported: None };
    let mut slot = capture::start(source::prepare(params)?)?;
    let mut alive = node.every(NO_DATA_EVERY);
    let mut heard = Instant::now();
    let mut sees = false;
    loop {
        let patience = capture::patience(&slot.borrow(), params.rate);
        tokio::select! {
            tick = alive.tick() => {
                if tick.is_none() {
                    return Ok(());
                }
                if !matches!(*slot.borrow(), Seen::Frame(_)) {
                    sender.send_no_data().await?;
                }
            }
            news = slot.changed() => {
                news.map_err(|_| Error::other("capturing broke down"))?;
                heard = Instant::now();
                let seen = slot.borrow_and_update().clone();
                match seen {
                    Seen::Frame(frame) => {
                        sees = true;
                        sender.send(frame).await?;
                    }
                    // Whoever drives by these pictures must not have to wait for the next tick.
                    Seen::Absent if mem::take(&mut sees) => sender.send_no_data().await?,
                    Seen::Absent | Seen::Opened => {}
                    Seen::Over(why) => return Err(Error::config(why)),
                }
            }
            () = sleep_until(heard + patience) => {
                // The capturing thread hangs in the driver and nothing can call it back; a new process can begin afresh.
                let after = Period(patience);
                return Err(Error::other(format!("no picture from {} for {after}: it hangs", params.device)));
            }
        }
    }
}

/// The output, and what was sent on it.
struct Sender<M> {
    out: Publisher<M>,
    lab: Arc<Lab>,
    /// How many messages were sent: the next one's seq is one more. It wraps; nobody watches the pattern for four years.
    sent: u32,
    broken: u64,
    reported: Option<Instant>,
}

impl<M: Developed> Sender<M> {
    /// Sends a picture if anybody wants it. What must be computed is computed beside the node's own thread.
    async fn send(&mut self, frame: Frame) -> Result<()> {
        if !self.out.wanted() {
            return Ok(());
        }
        let (stamp_ns, number) = (frame.stamp_ns, self.sent.wrapping_add(1));
        let developed = if M::is_ready(&frame.picture) {
            M::develop(&self.lab, frame, number)
        } else {
            let lab = self.lab.clone();
            tokio::task::spawn_blocking(move || M::develop(&lab, frame, number)).await.map_err(Error::other)?
        };
        match developed {
            Ok(message) => {
                self.sent = number;
                self.out.send_at(stamp_ns, message).await
            }
            Err(problem) => {
                self.report(&problem);
                Ok(())
            }
        }
    }

    async fn send_no_data(&mut self) -> Result<()> {
        self.sent = self.sent.wrapping_add(1);
        self.out.send_no_data().await
    }

    /// At most once a second.
    fn report(&mut self, problem: &str) {
        self.broken += 1;
        if self.reported.is_none_or(|last| last.elapsed() >= Duration::from_secs(1)) {
            self.reported = Some(Instant::now());
            warn!("a picture is left out: {problem} ({} so far)", self.broken);
        }
    }
}
