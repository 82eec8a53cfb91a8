//! The parquet tables of a LeRobot data set: frames, episodes, tasks. It knows columns, not recordings.

use std::{collections::HashMap, fs::File, path::Path, sync::Arc};

use arrow_array::{
    ArrayRef, FixedSizeListArray, Float32Array, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
    builder::{ListBuilder, StringBuilder},
};
use arrow_schema::{DataType, Field, Schema};
use parquet::{arrow::ArrowWriter, basic::Compression, file::properties::WriterProperties};

use super::super::super::failure::{Failure, Result};

/// Columns of one table, in order.
pub(super) type Columns = Vec<(String, ArrayRef)>;

/// A parquet file that grows by row groups.
pub(super) struct Table {
    path: std::path::PathBuf,
    writer: Option<ArrowWriter<File>>,
    metadata: HashMap<String, String>,
}

impl Table {
    pub(super) fn new(path: &Path) -> Table {
        Table { path: path.to_owned(), writer: None, metadata: HashMap::new() }
    }

    /// A table with words for its readers besides.
    pub(super) fn with_metadata(path: &Path, key: &str, value: String) -> Table {
        Table { metadata: HashMap::from([(key.to_owned(), value)]), ..Table::new(path) }
    }

    /// Adds rows, as a row group of their own.
    pub(super) fn write(&mut self, columns: Columns) -> Result<()> {
        self.try_write(columns).map_err(|error| Failure::at(&self.path, error))
    }

    fn try_write(&mut self, columns: Columns) -> Result<(), Box<dyn std::error::Error>> {
        let fields: Vec<Field> =
            columns.iter().map(|(name, array)| Field::new(name, array.data_type().clone(), true)).collect();
        let schema = Arc::new(Schema::new_with_metadata(fields, self.metadata.clone()));
        let batch = RecordBatch::try_new(schema.clone(), columns.into_iter().map(|(_, array)| array).collect())?;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let snappy = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
                none.insert(ArrowWriter::try_new(File::create(&self.path)?, schema, Some(snappy))?)
            }
        };
        writer.write(&batch)?;
        writer.flush()?;
        Ok(())
    }

    /// Ends the file.
    pub(super) fn finish(self) -> Result<()> {
        let Some(writer) = self.writer else {
            return Err(Failure::at(&self.path, "a table of no rows"));
        };
        writer.close().map(drop).map_err(|error| Failure::at(&self.path, error))
    }
}

pub(super) fn integers(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

pub(super) fn singles(values: impl IntoIterator<Item = f32>) -> ArrayRef {
    Arc::new(Float32Array::from_iter_values(values))
}

pub(super) fn doubles(values: impl IntoIterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

pub(super) fn texts<'a>(values: impl IntoIterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

/// Vectors of one length.
pub(super) fn vectors<const N: usize>(values: &[[f32; N]]) -> ArrayRef {
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let flat = singles(values.iter().flatten().copied());
    Arc::new(FixedSizeListArray::new(item, N as i32, flat, None))
}

/// One list of texts a row, one row.
pub(super) fn text_list(values: &[&str]) -> ArrayRef {
    let mut list = ListBuilder::new(StringBuilder::new());
    for value in values {
        list.values().append_value(value);
    }
    list.append(true);
    Arc::new(list.finish())
}

/// One list a row, one row: of what is in `inner`.
pub(super) fn list(inner: ArrayRef) -> ArrayRef {
    lists(inner.len(), inner)
}

/// Lists of `each` items: as many as `inner` has room for.
pub(super) fn lists(each: usize, inner: ArrayRef) -> ArrayRef {
    let item = Arc::new(Field::new("item", inner.data_type().clone(), true));
    Arc::new(ListArray::from(FixedSizeListArray::new(item, each as i32, inner, None)))
}
