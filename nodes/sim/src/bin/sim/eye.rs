//! Draws what the car sees and sends it, as late as was asked. It never holds up the car: what it cannot draw in time is left out.

use std::sync::Arc;

use jpeg_encoder::{ColorType, Encoder};
use offboard::{CompressedImage, Error, Name, Node, Pose, Publisher, RawImage, Result, clock};
use offboard_sim::{Camera, Picture};
use tokio::{
    sync::mpsc,
    time::{Duration, sleep},
};

use crate::params::{Encoding, FRAMES, Settings};

/// A moment to be drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exposure {
    pub(crate) pose: Pose,
    pub(crate) stamp_ns: i64,
}

/// The way to the drawing.
#[derive(Debug)]
pub(crate) struct Eye {
    film: mpsc::Sender<Exposure>,
    missed: u64,
}

/// A message that a picture can become.
trait Developed: prost::Message + Name + Sized + Send + 'static {
    fn develop(picture: Picture, quality: u8, frame_id: String) -> Result<Self>;
}

impl Eye {
    /// Begins to draw and send, beside whoever calls.
    pub(crate) async fn start(node: &Node, camera: Camera, settings: &Settings) -> Result<Eye> {
        // The delay line itself, and two to spare.
        let waiting = (settings.latency.as_secs_f64() / settings.frame_period.as_secs_f64()).ceil() as usize + 2;
        let (film, exposures) = mpsc::channel(waiting);
        match settings.encoding {
            Encoding::Jpeg => spawn::<CompressedImage>(node, camera, settings, exposures).await?,
            Encoding::Rgb8 => spawn::<RawImage>(node, camera, settings, exposures).await?,
        }
        Ok(Eye { film, missed: 0 })
    }

    /// Takes a picture.
    pub(crate) fn look(&mut self, exposure: Exposure) {
        if self.film.try_send(exposure).is_err() {
            self.missed += 1;
            if self.missed.is_power_of_two() {
                tracing::warn!("{} pictures were left out: drawing does not keep up", self.missed);
            }
        }
    }
}

/// Draws, waits, sends, until the other end is dropped.
async fn spawn<M: Developed>(
    node: &Node,
    camera: Camera,
    settings: &Settings,
    mut exposures: mpsc::Receiver<Exposure>,
) -> Result<()> {
    let mut out: Publisher<M> = node.publish(FRAMES).await?;
    let (camera, name, latency, quality) =
        (Arc::new(camera), node.name().to_owned(), settings.latency, settings.quality);
    tokio::spawn(async move {
        let mut number = 0;
        while let Some(Exposure { pose, stamp_ns }) = exposures.recv().await {
            number += 1;
            if !out.wanted() {
                continue;
            }
            let (camera, name) = (camera.clone(), name.clone());
            let drawn =
                tokio::task::spawn_blocking(move || M::develop(camera.picture(&pose, number, stamp_ns), quality, name));
            let drawn = drawn.await.map_err(Error::other).and_then(|message| message);
            let age_ns = u64::try_from(clock::now_ns() - stamp_ns).unwrap_or(0);
            sleep(latency.saturating_sub(Duration::from_nanos(age_ns))).await;
            let sent = match drawn {
                Ok(message) => out.send_at(stamp_ns, message).await,
                Err(error) => Err(error),
            };
            if let Err(error) = sent {
                tracing::warn!("a picture is left out: {error}");
            }
        }
        out.close().await;
    });
    Ok(())
}

impl Developed for RawImage {
    fn develop(picture: Picture, _: u8, frame_id: String) -> Result<Self> {
        let (width, height) = sides(&picture)?;
        Ok(RawImage {
            timestamp: Some(timestamp(picture.stamp_ns)),
            width: width.into(),
            height: height.into(),
            encoding: "rgb8".to_owned(),
            step: u32::from(width) * 3,
            data: picture.rgb.into(),
            frame_id,
        })
    }
}

impl Developed for CompressedImage {
    fn develop(picture: Picture, quality: u8, frame_id: String) -> Result<Self> {
        let (width, height) = sides(&picture)?;
        let mut jpeg = Vec::with_capacity(picture.rgb.len() / 4);
        Encoder::new(&mut jpeg, quality).encode(&picture.rgb, width, height, ColorType::Rgb).map_err(Error::other)?;
        Ok(CompressedImage {
            timestamp: Some(timestamp(picture.stamp_ns)),
            data: jpeg.into(),
            format: "jpeg".to_owned(),
            frame_id,
            width: width.into(),
            height: height.into(),
        })
    }
}

fn sides(picture: &Picture) -> Result<(u16, u16)> {
    let side = |pixels: usize| u16::try_from(pixels).map_err(Error::other);
    Ok((side(picture.width)?, side(picture.height)?))
}

fn timestamp(stamp_ns: i64) -> prost_types::Timestamp {
    let nanos = stamp_ns.rem_euclid(1_000_000_000);
    prost_types::Timestamp { seconds: stamp_ns.div_euclid(1_000_000_000), nanos: i32::try_from(nanos).unwrap_or(0) }
}
