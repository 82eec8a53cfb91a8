//! The Huffman tables that many USB cameras leave out of their JPEGs, because "everybody knows them" (ITU-T T.81, annex K.3).
//! Most viewers want them. A JPEG that has its own is never touched.

use bytes::Bytes;
use offboard::proto::jpeg;

use crate::pixels::encode_jpeg;

/// DHT: define Huffman tables.
const DHT: u8 = 0xc4;
/// SOS: the compressed data begins; the tables must have come before.
const SOS: u8 = 0xda;

/// The standard tables, as JPEG segments.
pub(crate) struct Tables(Vec<u8>);

impl Tables {
    /// Takes them from a picture that our own encoder made: it uses the standard ones.
    pub(crate) fn standard() -> Tables {
        let sample = encode_jpeg(&[128; 8 * 8 * 3], 8, 8, 50).unwrap_or_default();
        let tables = segments(&sample).filter(|(marker, _)| *marker == DHT);
        Tables(tables.flat_map(|(_, range)| sample[range].iter().copied()).collect())
    }

    /// The JPEG itself when it has tables, otherwise a copy with the standard ones.
    pub(crate) fn complete(&self, picture: Bytes) -> Bytes {
        let first = segments(&picture).find(|(marker, _)| matches!(*marker, DHT | SOS));
        match first {
            Some((SOS, scan)) => [&picture[..scan.start], &self.0, &picture[scan.start..]].concat().into(),
            _ => picture,
        }
    }
}

/// The picture at the start of a camera's buffer: cut at its own end, with tables, and its size in pixels.
///
/// # Errors
/// A sentence when the buffer does not hold a whole JPEG of a sensible size.
pub(crate) fn cut(buffer: &Bytes, tables: &Tables) -> Result<(Bytes, u32, u32), String> {
    let length = jpeg::length(buffer).ok_or("its buffer holds no whole JPEG")?;
    let picture = buffer.slice(..length);
    let (width, height) = jpeg::size(&picture).map_err(|problem| problem.to_string())?;
    Ok((tables.complete(picture), width, height))
}

/// The marker segments before the compressed data, the one that begins it included: marker and where the segment lies.
fn segments(jpeg: &[u8]) -> impl Iterator<Item = (u8, std::ops::Range<usize>)> {
    let mut at = Some(2); // behind SOI
    std::iter::from_fn(move || {
        let start = at?;
        let &[0xff, marker, high, low] = jpeg.get(start..start + 4)? else { return None };
        let end = start + 2 + usize::from(u16::from_be_bytes([high, low]));
        at = (marker != SOS && end <= jpeg.len()).then_some(end);
        Some((marker, start..end.min(jpeg.len())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::decode_jpeg;

    fn picture() -> Vec<u8> {
        let rgb: Vec<u8> = (0..64 * 64).flat_map(|i| [(i % 64 * 4) as u8, (i / 64 * 4) as u8, 90]).collect();
        encode_jpeg(&rgb, 64, 64, 85).unwrap()
    }

    fn without_tables(jpeg: &[u8]) -> Vec<u8> {
        let mut bare = jpeg.to_vec();
        let tables: Vec<_> = segments(jpeg).filter(|(marker, _)| *marker == DHT).collect();
        assert!(!tables.is_empty());
        tables.into_iter().rev().for_each(|(_, range)| drop(bare.drain(range)));
        bare
    }

    #[test]
    fn a_picture_without_tables_gets_the_standard_ones() {
        let whole = picture();
        let bare = without_tables(&whole);
        assert!(decode_jpeg(&bare).is_err());
        let (mended, width, height) = cut(&bare.into(), &Tables::standard()).unwrap();
        assert_eq!((width, height), (64, 64));
        assert_eq!(decode_jpeg(&mended).unwrap(), decode_jpeg(&whole).unwrap());
    }

    #[test]
    fn a_picture_is_cut_at_its_own_end_and_otherwise_left_alone() {
        let whole = picture();
        // A camera's buffer: this picture, then the tail of an older and larger one.
        let mut buffer = whole.clone();
        buffer.extend_from_slice(&[7; 5000]);
        buffer.extend_from_slice(&whole[whole.len() / 2..]);
        assert_eq!(cut(&buffer.into(), &Tables::standard()).unwrap().0, whole);
    }

    #[test]
    fn a_torn_picture_is_refused() {
        let tables = Tables::standard();
        let whole = picture();
        assert!(cut(&whole[..whole.len() - 5].to_vec().into(), &tables).is_err());
        assert!(cut(&vec![0; 5000].into(), &tables).is_err());
        assert!(cut(&Bytes::new(), &tables).is_err());
    }
}
