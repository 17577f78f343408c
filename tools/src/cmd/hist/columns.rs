//! Sums as Parquet: every cell that holds a value, one row each, so that nothing is left out.
//!
//! Memory: all rows of all tags, some thousands.

use super::load::Sum;
use crate::error::Failure;
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use std::sync::Arc;

/// `value_ns` and `count` mean what they mean in the CSV: the upper end of the cell, and how many
/// values lie at or below it.
const SCHEMA: &str = "message histogram {
    required binary tag (string);
    required int64 lowest_ns (integer(64, false));
    required int64 value_ns (integer(64, false));
    required int64 cell_count (integer(64, false));
    required int64 count (integer(64, false));
    required double quantile;
}";

/// The whole file.
pub(super) fn parquet(sums: &[Sum]) -> Result<Vec<u8>, Failure> {
    write(sums).map_err(|error| Failure::failed(format_args!("cannot write Parquet: {error}")))
}

fn write(sums: &[Sum]) -> Result<Vec<u8>, ParquetError> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let compression = Compression::ZSTD(ZstdLevel::try_new(3)?);
    let properties = WriterProperties::builder().set_compression(compression).build();
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties))?;
    let (mut tags, mut quantiles) = (Vec::new(), Vec::new());
    let (mut lowest, mut values, mut cells, mut counts) = (vec![], vec![], vec![], vec![]);
    for sum in sums {
        let mut count = 0_u64;
        for cell in sum.values.iter_recorded() {
            let value_ns = cell.value_iterated_to();
            count += cell.count_at_value();
            tags.push(ByteArray::from(sum.tag.as_str()));
            lowest.push(sum.values.lowest_equivalent(value_ns).cast_signed());
            values.push(sum.values.highest_equivalent(value_ns).cast_signed());
            cells.push(cell.count_at_value().cast_signed());
            counts.push(count.cast_signed());
            quantiles.push(count as f64 / sum.values.len() as f64);
        }
    }
    if !tags.is_empty() {
        let mut group = writer.next_row_group()?;
        column::<ByteArrayType>(&mut group, &tags)?;
        for numbers in [&lowest, &values, &cells, &counts] {
            column::<Int64Type>(&mut group, numbers)?;
        }
        column::<DoubleType>(&mut group, &quantiles)?;
        group.close()?;
    }
    writer.close()?;
    Ok(bytes)
}

/// The next column of the schema.
fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, &mut Vec<u8>>,
    values: &[T::T],
) -> Result<(), ParquetError> {
    let Some(mut writer) = group.next_column()? else {
        return Err(ParquetError::General("the schema has too few columns".to_owned()));
    };
    writer.typed::<T>().write_batch(values, None, None)?;
    writer.close()
}
