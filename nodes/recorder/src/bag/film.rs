//! A film from pictures: H.264 in an MP4, made without anything but this program.

use openh264::{
    OpenH264API, Timestamp,
    encoder::{Encoder, EncoderConfig, FrameRate, IntraFramePeriod, QpRange, RateControlMode, VuiConfig},
    formats::{RgbSliceU8, YUVBuffer},
};

use super::{
    failure::{Failure, Result},
    mp4::Mp4,
    picture::Rgb,
    place::Place,
};

/// Pictures from one key frame to the next: whoever learns from a film jumps about in it.
const KEY_EVERY: u32 = 15;
/// How coarse a picture may become: 0 is lossless, 51 is mud.
const QUALITY: QpRange = QpRange::new(16, 20);
/// The smallest and largest sides that the encoder takes.
const SIDES: (std::ops::RangeInclusive<usize>, &str) = (16..=3840, "16 to 3840");

/// A film being made.
pub(crate) struct Film {
    place: Place,
    encoder: Encoder,
    out: Mp4,
    width: usize,
    height: usize,
    /// The time of the last two pictures, in microseconds since the first.
    last: (u64, u64),
}

impl Film {
    /// Begins a film of pictures of this size. An odd row or column at the edge is left out: H.264 halves its colours.
    pub(crate) fn create(place: Place, (width, height): (usize, usize), rate: f32) -> Result<Film> {
        let (width, height) = (width & !1, height & !1);
        if ![width, height].iter().all(|side| SIDES.0.contains(side)) {
            let path = place.path();
            return Err(Failure::at(path, format!("no film of {width} x {height}: sides are {} pixels", SIDES.1)));
        }
        let config = EncoderConfig::new()
            .max_frame_rate(FrameRate::from_hz(rate))
            // The same quality for every picture, whatever it weighs: films are there to be learned from.
            .rate_control_mode(RateControlMode::Off)
            .qp(QUALITY)
            .skip_frames(false)
            .scene_change_detect(false)
            .background_detection(false)
            .num_threads(1)
            .intra_frame_period(IntraFramePeriod::from_num_frames(KEY_EVERY))
            .vui(VuiConfig::bt601());
        let encoder = Encoder::with_api_config(OpenH264API::from_source(), config)
            .map_err(|error| Failure::at(place.path(), error))?;
        let file = place.file()?;
        let out = Mp4::create(file, width as u16, height as u16).map_err(|error| Failure::at(place.path(), error))?;
        Ok(Film { place, encoder, out, width, height, last: (0, 0) })
    }

    /// Adds a picture that is shown from `time` on, in microseconds since the first.
    pub(crate) fn add(&mut self, time: u64, picture: &Rgb) -> Result<()> {
        let fits = (picture.width & !1, picture.height & !1) == (self.width, self.height);
        if !fits {
            let (width, height) = (picture.width, picture.height);
            let problem = format!("a picture of {width} x {height} in a film of {} x {}", self.width, self.height);
            return Err(Failure::at(self.place.path(), problem));
        }
        let rows = picture.pixels.chunks_exact(picture.width * 3).take(self.height);
        let pixels: Vec<u8> = rows.flat_map(|row| &row[..self.width * 3]).copied().collect();
        let yuv = YUVBuffer::from_rgb8_source(RgbSliceU8::new(&pixels, (self.width, self.height)));
        let coded = self.encoder.encode_at(&yuv, Timestamp::from_millis(time / 1000));
        let coded = coded.map_err(|error| Failure::at(self.place.path(), error))?.to_vec();
        self.out.write(time, &coded).map_err(|error| Failure::at(self.place.path(), error))?;
        self.last = (self.last.1, time);
        Ok(())
    }

    /// Ends it; the last picture is shown as long as the one before.
    pub(crate) fn finish(self) -> Result<()> {
        let end = self.last.1 + (self.last.1 - self.last.0).max(1);
        self.out.finish(end).map_err(|error| Failure::at(self.place.path(), error))?;
        self.place.finish()
    }
}
