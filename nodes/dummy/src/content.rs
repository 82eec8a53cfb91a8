//! What is in the arrays: the count first, then zeros, numbers that count on, or noise; and whether it arrived so.
//! It never trusts a claimed shape before it was checked.

use offboard::{Array, DType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bytes of the count at the beginning of an array of bytes.
const COUNT_BYTES: usize = 8;

/// Whole numbers up to here are exact as f32; counts in arrays of floats begin anew there.
const F32_EXACT: u64 = 1 << 24;

/// What follows the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Kind {
    // Zeros.
    Zeros,
    // Element i is the count plus i.
    Incremental,
    // Noise.
    Random,
}

/// What a listener looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Check {
    // Nothing.
    None,
    // The count at the beginning against the header's seq.
    Count,
    // The count, and that all the rest is zero.
    Zeros,
    // Every element.
    Incremental,
}

/// How to make the arrays of an output.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Recipe {
    pub(crate) kind: Kind,
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<u32>,
}

impl Recipe {
    /// Elements of an array; none when the shape overflows.
    pub(crate) fn elements(&self) -> Option<usize> {
        self.shape.iter().try_fold(1usize, |product, &extent| product.checked_mul(extent as usize))
    }

    /// The array that counts as `count`.
    pub(crate) fn make(&self, count: u64) -> Array {
        let elements = self.elements().unwrap_or(0);
        let data =
            if self.dtype == DType::DtypeF32 { self.floats(elements, count) } else { self.bytes(elements, count) };
        Array { dtype: self.dtype as i32, shape: self.shape.clone(), data: data.into(), columns: Vec::new() }
    }

    fn bytes(&self, elements: usize, count: u64) -> Vec<u8> {
        let mut data = vec![0; elements];
        match self.kind {
            Kind::Zeros => {}
            Kind::Incremental => data.iter_mut().enumerate().for_each(|(at, byte)| *byte = counted(count, at)),
            Kind::Random => fastrand::fill(&mut data),
        }
        data.iter_mut().zip(count.to_le_bytes()).for_each(|(byte, part)| *byte = part);
        data
    }

    fn floats(&self, elements: usize, count: u64) -> Vec<u8> {
        let value = |at: usize| match self.kind {
            _ if at == 0 => exact(count),
            Kind::Zeros => 0.0,
            Kind::Incremental => exact(count.wrapping_add(at as u64)),
            Kind::Random => fastrand::f32(),
        };
        (0..elements).flat_map(|at| value(at).to_le_bytes()).collect()
    }
}

impl Check {
    /// Whether an array is what was sent as number `count`.
    pub(crate) fn passes(self, array: &Array, count: u64) -> bool {
        if self == Check::None {
            return true;
        }
        if array.view().is_err() {
            return false;
        }
        match array.dtype() {
            DType::DtypeU8 => self.bytes_pass(&array.data, count),
            DType::DtypeF32 => self.floats_pass(&array.data, count),
            _ => false,
        }
    }

    fn bytes_pass(self, data: &[u8], count: u64) -> bool {
        let (first, rest) = data.split_at(data.len().min(COUNT_BYTES));
        let mut rest = rest.iter().enumerate();
        first == &count.to_le_bytes()[..first.len()]
            && match self {
                Check::None | Check::Count => true,
                Check::Zeros => rest.all(|(_, byte)| *byte == 0),
                Check::Incremental => rest.all(|(at, byte)| *byte == counted(count, at + COUNT_BYTES)),
            }
    }

    fn floats_pass(self, data: &[u8], count: u64) -> bool {
        let expected = |at: usize| match self {
            _ if at == 0 => exact(count),
            Check::Incremental => exact(count.wrapping_add(at as u64)),
            _ => 0.0,
        };
        let looked_at = if matches!(self, Check::None | Check::Count) { 1 } else { usize::MAX };
        data.chunks_exact(4).enumerate().take(looked_at).all(|(at, element)| element == expected(at).to_le_bytes())
    }
}

/// The low byte of count plus position.
fn counted(count: u64, at: usize) -> u8 {
    count.wrapping_add(at as u64) as u8
}

fn exact(count: u64) -> f32 {
    (count % F32_EXACT) as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn recipe(kind: Kind, dtype: DType, shape: &[u32]) -> Recipe {
        Recipe { kind, dtype, shape: shape.to_vec() }
    }

    const DTYPES: [DType; 2] = [DType::DtypeU8, DType::DtypeF32];
    const PAIRS: [(Kind, Check); 3] =
        [(Kind::Zeros, Check::Zeros), (Kind::Incremental, Check::Incremental), (Kind::Random, Check::Count)];

    #[test]
    fn what_was_made_passes_and_with_another_count_it_does_not() {
        for (kind, check) in PAIRS {
            for dtype in DTYPES {
                for count in [1, 255, 256, 70_000, (1 << 24) + 5, u64::MAX] {
                    let array = recipe(kind, dtype, &[3, 50]).make(count);
                    assert!(check.passes(&array, count), "{kind:?} {dtype:?} {count}");
                    assert!(!check.passes(&array, count - 1), "{kind:?} {dtype:?} {count}");
                }
            }
        }
    }

    #[test]
    fn the_first_elements_are_the_count() {
        let array = recipe(Kind::Random, DType::DtypeU8, &[100]).make(0x0102_0304);
        assert_eq!(array.data[..8], [4, 3, 2, 1, 0, 0, 0, 0]);
        let array = recipe(Kind::Incremental, DType::DtypeF32, &[3]).make(7);
        let floats: Vec<f32> = array.view().unwrap().elements().unwrap().collect();
        assert_eq!(floats, [7.0, 8.0, 9.0]);
    }

    #[test]
    fn an_array_shorter_than_its_count_carries_what_fits() {
        for size in [0, 1, 7] {
            let array = recipe(Kind::Zeros, DType::DtypeU8, &[size]).make(258);
            assert!(Check::Zeros.passes(&array, 258), "{size}");
        }
        assert!(Check::Count.passes(&recipe(Kind::Zeros, DType::DtypeF32, &[0, 4]).make(9), 9));
    }

    #[test]
    fn a_claimed_shape_that_does_not_fit_fails() {
        let array = Array { shape: vec![99], ..recipe(Kind::Zeros, DType::DtypeU8, &[10]).make(1) };
        assert!(!Check::Count.passes(&array, 1));
        assert!(!Check::Count.passes(&Array::default(), 1));
        assert!(Check::None.passes(&Array::default(), 1));
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_found(which in 0..2usize, at in 0..40usize, flip in 1..=255u8, count in 1..1_000_000u64) {
            for (kind, check) in &PAIRS[..2] {
                let mut array = recipe(*kind, DTYPES[which], &[40]).make(count);
                let mut data = array.data.to_vec();
                data[at] ^= flip;
                array.data = data.into();
                prop_assert!(!check.passes(&array, count));
            }
        }
    }
}
