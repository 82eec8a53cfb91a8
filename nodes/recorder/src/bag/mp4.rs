//! An MP4 file of one H.264 track, sample after sample, each shown for as long as it was. What was written is in the file at once; only
//! the index waits for the end. It never looks into a picture.

use std::{
    fs::File,
    io::{self, BufWriter, Seek, SeekFrom, Write},
};

use mp4_atom::{
    Avc1, Avcc, Co64, Codec, Dinf, Dref, DrefEntry, Encode, FourCC, Ftyp, Hdlr, Mdhd, Mdia, Minf, Moov, Mvhd, Stbl,
    Stsc, StscEntry, Stsd, Stss, Stsz, StszSamples, Stts, SttsEntry, Tkhd, Trak, Url, Visual, Vmhd,
};

/// Ticks of a second: microseconds.
const TIMESCALE: u32 = 1_000_000;
/// The header of the samples: a length of 64 bits, because nobody knows it before the end.
const MDAT_HEADER: u64 = 16;

/// A file being written.
#[derive(Debug)]
pub(crate) struct Mp4 {
    out: BufWriter<File>,
    width: u16,
    height: u16,
    /// Sequence and picture parameter set, from the first key frame.
    sets: Option<(Vec<u8>, Vec<u8>)>,
    mdat: u64,
    /// Where the next sample begins.
    end: u64,
    sizes: Vec<u32>,
    /// When each sample begins, in ticks.
    times: Vec<u64>,
    /// Which samples decoding may start at, from 1.
    keys: Vec<u32>,
}

impl Mp4 {
    /// Begins a film of this size, in pixels.
    pub(crate) fn create(file: File, width: u16, height: u16) -> io::Result<Mp4> {
        let mut out = BufWriter::new(file);
        let brands = [b"isom", b"iso2", b"avc1", b"mp41"].map(FourCC::new).to_vec();
        let head = encoded(&Ftyp { major_brand: FourCC::new(b"isom"), minor_version: 512, compatible_brands: brands })?;
        out.write_all(&head)?;
        let mdat = head.len() as u64;
        out.write_all(&mdat_header(MDAT_HEADER))?;
        let end = mdat + MDAT_HEADER;
        Ok(Mp4 { out, width, height, sets: None, mdat, end, sizes: Vec::new(), times: Vec::new(), keys: Vec::new() })
    }

    /// Adds a picture, Annex B, that is shown from `time` on, in microseconds since the first. Times never go back.
    pub(crate) fn write(&mut self, time: u64, annex_b: &[u8]) -> io::Result<()> {
        let (mut sets, mut key, mut size) = ((None, None), false, 0u64);
        for nal in nals(annex_b) {
            match nal.first().map(|byte| byte & 0x1f) {
                Some(7) => sets.0 = Some(nal),
                Some(8) => sets.1 = Some(nal),
                kind => {
                    key |= kind == Some(5);
                    let length = u32::try_from(nal.len()).map_err(io::Error::other)?;
                    self.out.write_all(&length.to_be_bytes())?;
                    self.out.write_all(nal)?;
                    size += 4 + u64::from(length);
                }
            }
        }
        if let (None, (Some(sequence), Some(picture))) = (&self.sets, sets) {
            self.sets = Some((sequence.to_vec(), picture.to_vec()));
        }
        self.sizes.push(u32::try_from(size).map_err(io::Error::other)?);
        self.times.push(self.times.last().map_or(time, |last| time.max(*last)));
        if key {
            self.keys.push(self.sizes.len() as u32);
        }
        self.end += size;
        Ok(())
    }

    /// Writes the index; the last picture is shown until `end`, in microseconds since the first.
    pub(crate) fn finish(mut self, end: u64) -> io::Result<()> {
        let index = encoded(&self.index(end)?)?;
        self.out.write_all(&index)?;
        self.out.seek(SeekFrom::Start(self.mdat))?;
        self.out.write_all(&mdat_header(self.end - self.mdat))?;
        self.out.flush()
    }

    fn index(&self, end: u64) -> io::Result<Moov> {
        let duration = end.max(self.times.last().copied().unwrap_or(0));
        let mvhd = Mvhd {
            timescale: TIMESCALE,
            duration,
            rate: 1.into(),
            volume: 1.into(),
            next_track_id: 2,
            ..Mvhd::default()
        };
        let tkhd = Tkhd {
            track_id: 1,
            duration,
            enabled: true,
            in_movie: true,
            width: self.width.into(),
            height: self.height.into(),
            ..Tkhd::default()
        };
        let minf = Minf {
            vmhd: Some(Vmhd::default()),
            dinf: Dinf { dref: Dref { entries: vec![DrefEntry::Url(Url::default())] } },
            stbl: self.samples(duration)?,
            ..Minf::default()
        };
        let mdia = Mdia {
            mdhd: Mdhd { timescale: TIMESCALE, duration, language: "und".to_owned(), ..Mdhd::default() },
            hdlr: Hdlr { handler: FourCC::new(b"vide"), name: "pictures".to_owned() },
            minf,
        };
        Ok(Moov { mvhd, trak: vec![Trak { tkhd, mdia, ..Trak::default() }], ..Moov::default() })
    }

    fn samples(&self, end: u64) -> io::Result<Stbl> {
        let Some((sequence, picture)) = &self.sets else {
            return Err(io::Error::other("a film of no pictures"));
        };
        let visual = Visual { data_reference_index: 1, width: self.width, height: self.height, ..Visual::default() };
        let avcc = Avcc::new(sequence, picture).map_err(io::Error::other)?;
        let count = self.sizes.len() as u32;
        Ok(Stbl {
            stsd: Stsd { codecs: vec![Codec::Avc1(Avc1 { visual, avcc, ..Avc1::default() })] },
            stts: Stts { entries: durations(&self.times, end) },
            stss: Some(Stss { entries: self.keys.clone() }),
            stsc: Stsc {
                entries: vec![StscEntry { first_chunk: 1, samples_per_chunk: count, sample_description_index: 1 }],
            },
            stsz: Stsz { samples: StszSamples::Different { sizes: self.sizes.clone() } },
            co64: Some(Co64 { entries: vec![self.mdat + MDAT_HEADER] }),
            ..Stbl::default()
        })
    }
}

/// How long each is shown: until the next begins.
fn durations(times: &[u64], end: u64) -> Vec<SttsEntry> {
    let mut entries: Vec<SttsEntry> = Vec::new();
    for (at, time) in times.iter().enumerate() {
        let next = times.get(at + 1).copied().unwrap_or(end);
        let delta = u32::try_from(next.saturating_sub(*time)).unwrap_or(u32::MAX);
        match entries.last_mut() {
            Some(entry) if entry.sample_delta == delta => entry.sample_count += 1,
            _ => entries.push(SttsEntry { sample_count: 1, sample_delta: delta }),
        }
    }
    entries
}

fn mdat_header(length: u64) -> [u8; 16] {
    let mut header = *b"\0\0\0\x01mdat\0\0\0\0\0\0\0\0";
    header[8..].copy_from_slice(&length.to_be_bytes());
    header
}

fn encoded(atom: &impl Encode) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    atom.encode(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// The NAL units of an Annex B stream, without their start codes.
fn nals(annex_b: &[u8]) -> impl Iterator<Item = &[u8]> {
    let starts: Vec<usize> =
        annex_b.windows(3).enumerate().filter(|(_, three)| *three == [0, 0, 1]).map(|(at, _)| at).collect();
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([annex_b.len()]).collect();
    starts.into_iter().zip(ends).map(move |(start, end)| {
        let nal = &annex_b[start + 3..end];
        // What fills up to the next start code belongs to none.
        let zeros = nal.iter().rev().take_while(|byte| **byte == 0).count();
        &nal[..nal.len() - zeros]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nal_units_lose_their_start_codes() {
        let stream = [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65, 4, 0, 5];
        let found: Vec<&[u8]> = nals(&stream).collect();
        assert_eq!(found, [&[0x67, 1, 2][..], &[0x68, 3], &[0x65, 4, 0, 5]]);
        assert_eq!(nals(&[1, 2, 3]).count(), 0);
    }

    #[test]
    fn each_picture_is_shown_until_the_next() {
        let entries = durations(&[0, 10, 20, 50], 60);
        let flat: Vec<(u32, u32)> = entries.iter().map(|entry| (entry.sample_count, entry.sample_delta)).collect();
        assert_eq!(flat, [(2, 10), (1, 30), (1, 10)]);
    }
}
