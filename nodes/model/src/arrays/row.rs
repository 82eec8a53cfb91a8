//! The elements of an array as the model takes them: f32, all finite. It never lets anything else through.

use offboard::{Array, DType};

/// Why an array is no input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Shape, type and data do not fit together.
    Unreadable,
    /// NaN or infinite.
    NotFinite,
}

/// Appends an array's elements; leaves `row` as it was when they are unfit.
pub(crate) fn append(array: &Array, row: &mut Vec<f32>) -> Result<(), Unfit> {
    let before = row.len();
    let view = array.view().map_err(|_| Unfit::Unreadable)?;
    macro_rules! elements {
        ($kind:ty) => {
            row.extend(view.elements::<$kind>().map_err(|_| Unfit::Unreadable)?.map(|element| element as f32))
        };
    }
    match view.dtype {
        DType::DtypeF32 => row.extend(view.elements::<f32>().map_err(|_| Unfit::Unreadable)?),
        DType::DtypeF64 => elements!(f64),
        DType::DtypeI64 => elements!(i64),
        DType::DtypeI32 => elements!(i32),
        DType::DtypeI16 => elements!(i16),
        DType::DtypeU8 => elements!(u8),
        DType::DtypeUnknown => return Err(Unfit::Unreadable),
    }
    if row[before..].iter().all(|value| value.is_finite()) {
        return Ok(());
    }
    row.truncate(before);
    Err(Unfit::NotFinite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_type_become_floats() {
        let mut row = vec![9.0];
        append(&Array::new([2], &[1i16, -2]).unwrap(), &mut row).unwrap();
        append(&Array::new([1], &[0.5f64]).unwrap(), &mut row).unwrap();
        append(&Array::new([1], &[255u8]).unwrap(), &mut row).unwrap();
        assert_eq!(row, [9.0, 1.0, -2.0, 0.5, 255.0]);
    }

    #[test]
    fn what_is_not_finite_or_not_whole_stays_out() {
        let mut row = Vec::new();
        assert_eq!(append(&Array::new([2], &[1.0f32, f32::NAN]).unwrap(), &mut row), Err(Unfit::NotFinite));
        assert_eq!(append(&Array::new([1], &[f64::MAX]).unwrap(), &mut row), Err(Unfit::NotFinite));
        assert_eq!(append(&Array { dtype: 5, shape: vec![3], ..Array::default() }, &mut row), Err(Unfit::Unreadable));
        assert!(row.is_empty());
    }
}
