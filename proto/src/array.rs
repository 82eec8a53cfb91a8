//! A checked view of a numeric array. It never copies the elements until they are asked for.

use crate::{Array, DType, ViewError};

/// The most dimensions an [`Array`] may have.
const DIMENSIONS_MAX: usize = 8;

/// A Rust type that is an element of an [`Array`].
pub trait Element: Copy {
    /// The element's type on the wire.
    const DTYPE: DType;
    /// Reads one element from as many bytes as it has.
    fn from_le(bytes: &[u8]) -> Self;
    /// Appends the element, little-endian.
    fn put_le(self, out: &mut Vec<u8>);
}

macro_rules! element {
    ($($rust:ty => $dtype:ident),*) => {$(
        impl Element for $rust {
            const DTYPE: DType = DType::$dtype;
            fn from_le(bytes: &[u8]) -> Self {
                let mut raw = [0; size_of::<$rust>()];
                raw.copy_from_slice(bytes);
                <$rust>::from_le_bytes(raw)
            }
            fn put_le(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}
element!(u8 => DtypeU8, i16 => DtypeI16, i32 => DtypeI32, i64 => DtypeI64, f32 => DtypeF32, f64 => DtypeF64);

impl DType {
    /// Bytes of one element; none for an unknown type.
    #[must_use]
    pub fn size(self) -> Option<usize> {
        match self {
            DType::DtypeUnknown => None,
            DType::DtypeU8 => Some(1),
            DType::DtypeI16 => Some(2),
            DType::DtypeI32 | DType::DtypeF32 => Some(4),
            DType::DtypeI64 | DType::DtypeF64 => Some(8),
        }
    }
}

/// An [`Array`] whose data is as long as shape and dtype claim.
#[derive(Debug, Clone, Copy)]
pub struct ArrayView<'a> {
    /// The type of an element.
    pub dtype: DType,
    /// Elements in each dimension, outermost first.
    pub shape: &'a [u32],
    data: &'a [u8],
}

impl Array {
    /// An array of `elements` with `shape`, row-major.
    ///
    /// # Errors
    /// A [`ViewError`] when the shape does not hold as many elements.
    pub fn new<T: Element>(shape: impl Into<Vec<u32>>, elements: &[T]) -> Result<Array, ViewError> {
        let mut data = Vec::with_capacity(size_of_val(elements));
        elements.iter().for_each(|element| element.put_le(&mut data));
        let array = Array { dtype: T::DTYPE as i32, shape: shape.into(), data: data.into(), columns: Vec::new() };
        array.view()?;
        Ok(array)
    }

    /// Checks dtype, shape, length and column names.
    ///
    /// # Errors
    /// A [`ViewError`] that names the field that does not fit.
    pub fn view(&self) -> Result<ArrayView<'_>, ViewError> {
        let dtype = self.dtype();
        let size = dtype.size().ok_or_else(|| ViewError::Field(format!("dtype {} is not known", self.dtype)))?;
        if self.shape.is_empty() || self.shape.len() > DIMENSIONS_MAX {
            return Err(ViewError::Field(format!(
                "shape has {} dimensions; 1 to {DIMENSIONS_MAX} are allowed",
                self.shape.len()
            )));
        }
        let need = self
            .shape
            .iter()
            .try_fold(size as u64, |product, &extent| product.checked_mul(u64::from(extent)))
            .ok_or_else(|| ViewError::Field(format!("shape {:?} overflows", self.shape)))?;
        if self.data.len() as u64 != need {
            return Err(ViewError::Length { what: "shape x dtype".into(), need, have: self.data.len() as u64 });
        }
        let last = self.shape.last().map_or(0, |&extent| extent as usize);
        if !self.columns.is_empty() && self.columns.len() != last {
            return Err(ViewError::Field(format!("{} column names for {last} columns", self.columns.len())));
        }
        Ok(ArrayView { dtype, shape: &self.shape, data: &self.data })
    }
}

impl<'a> ArrayView<'a> {
    /// The elements in row-major order.
    ///
    /// # Errors
    /// A [`ViewError`] when the array holds another type than `T`.
    pub fn elements<T: Element>(&self) -> Result<impl ExactSizeIterator<Item = T> + use<'a, T>, ViewError> {
        if T::DTYPE != self.dtype {
            return Err(ViewError::Field(format!(
                "asked for {} but the array holds {}",
                T::DTYPE.as_str_name(),
                self.dtype.as_str_name()
            )));
        }
        Ok(self.data.chunks_exact(size_of::<T>()).map(T::from_le))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_come_back_as_they_went_in() {
        let array = Array::new([2, 3], &[1.5f32, -2.0, 0.0, f32::MAX, 5.0, 6.0]).unwrap();
        let back: Vec<f32> = array.view().unwrap().elements().unwrap().collect();
        assert_eq!(back, [1.5, -2.0, 0.0, f32::MAX, 5.0, 6.0]);
    }

    #[test]
    fn a_shape_that_does_not_fit_the_data_is_refused() {
        let err = Array::new([2, 2], &[1i16, 2, 3]).unwrap_err();
        assert_eq!(err.to_string(), "data has 6 bytes but shape x dtype needs 8");
    }

    #[test]
    fn a_shape_that_overflows_is_refused() {
        let array = Array { dtype: 6, shape: vec![u32::MAX; 8], ..Array::default() };
        assert!(array.view().unwrap_err().to_string().ends_with("overflows"));
    }

    #[test]
    fn another_type_than_asked_for_is_refused() {
        let array = Array::new([1], &[1u8]).unwrap();
        let err = array.view().unwrap().elements::<f64>().err().unwrap();
        assert_eq!(err.to_string(), "asked for DTYPE_F64 but the array holds DTYPE_U8");
    }

    #[test]
    fn column_names_must_be_as_many_as_columns() {
        let array = Array { columns: vec!["x".into()], ..Array::new([1, 2], &[1u8, 2]).unwrap() };
        assert_eq!(array.view().unwrap_err().to_string(), "1 column names for 2 columns");
    }
}
