//! [`Columns`]: events as Parquet, one column a field, compressed with zstd.
//!
//! Prices stay integers in units of 1e-9 (`px_e9`), quantities in the venue's unit, so that nothing
//! is rounded; what an event does not have is null. Memory: one row group.

use crate::cmd::feed::walk::Walk;
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use std::fs::File;
use std::sync::Arc;
use tickspin_wire::event::{Event, Kind, flag};
use tickspin_wire::num::{InstrumentId, Side};

/// Rows of a group: some tens of megabytes in memory.
const GROUP_ROWS: usize = 1 << 18;

const SCHEMA: &str = "message events {
    required int64 position (integer(64, false));
    required int64 exchange_ns (integer(64, false));
    required binary kind (string);
    optional int32 instrument (integer(16, false));
    optional binary symbol (string);
    optional binary side (string);
    optional int64 px_e9;
    required int64 qty (integer(64, false));
    required int64 order_id (integer(64, false));
    required int64 second_id (integer(64, false));
    required int64 sent_ticks (integer(64, false));
    required int64 lag_ticks (integer(64, false));
    required boolean complete;
    required boolean snapshot;
}";

/// A Parquet file on its way.
pub(super) struct Columns {
    writer: SerializedFileWriter<File>,
    rows: Rows,
}

/// The rows of a group, column by column.
#[derive(Default)]
struct Rows {
    position: Vec<i64>,
    exchange_ns: Vec<i64>,
    kind: Vec<ByteArray>,
    instrument: Vec<Option<i32>>,
    symbol: Vec<Option<ByteArray>>,
    side: Vec<Option<ByteArray>>,
    px_e9: Vec<Option<i64>>,
    qty: Vec<i64>,
    order_id: Vec<i64>,
    second_id: Vec<i64>,
    sent_ticks: Vec<i64>,
    lag_ticks: Vec<i64>,
    complete: Vec<bool>,
    snapshot: Vec<bool>,
}

impl Columns {
    pub(super) fn new(file: File) -> Result<Columns, ParquetError> {
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .build();
        let writer = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
        Ok(Columns { writer, rows: Rows::default() })
    }

    pub(super) fn put(&mut self, event: &Event, walk: &Walk) -> Result<(), ParquetError> {
        let rows = &mut self.rows;
        let is_of_one = event.instrument != InstrumentId::ALL;
        rows.position.push(walk.position().cast_signed());
        rows.exchange_ns.push(event.exchange_ns.cast_signed());
        rows.kind.push(ByteArray::from(event.kind().map_or("foreign", Kind::name)));
        rows.instrument.push(is_of_one.then_some(event.instrument.0.into()));
        rows.symbol.push(walk.symbols().name(event.instrument).map(ByteArray::from));
        rows.side.push(match event.side() {
            Some(Side::Bid) => Some(ByteArray::from("bid")),
            Some(Side::Ask) => Some(ByteArray::from("ask")),
            _ => None,
        });
        rows.px_e9.push(event.px.is_some().then_some(event.px.0));
        rows.qty.push(event.qty.0.cast_signed());
        rows.order_id.push(event.order_id.cast_signed());
        rows.second_id.push(event.second_id.cast_signed());
        rows.sent_ticks.push(event.sent_ticks.cast_signed());
        rows.lag_ticks.push(event.lag_ticks.into());
        rows.complete.push(event.flags & flag::COMPLETE != 0);
        rows.snapshot.push(event.flags & flag::SNAPSHOT != 0);
        if rows.position.len() == GROUP_ROWS { self.end_group() } else { Ok(()) }
    }

    pub(super) fn finish(mut self) -> Result<(), ParquetError> {
        self.end_group()?;
        self.writer.close().map(drop)
    }

    fn end_group(&mut self) -> Result<(), ParquetError> {
        let rows = std::mem::take(&mut self.rows);
        if rows.position.is_empty() {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        let out = &mut group;
        column::<Int64Type>(out, &rows.position, None)?;
        column::<Int64Type>(out, &rows.exchange_ns, None)?;
        column::<ByteArrayType>(out, &rows.kind, None)?;
        optional::<Int32Type>(out, rows.instrument)?;
        optional::<ByteArrayType>(out, rows.symbol)?;
        optional::<ByteArrayType>(out, rows.side)?;
        optional::<Int64Type>(out, rows.px_e9)?;
        column::<Int64Type>(out, &rows.qty, None)?;
        column::<Int64Type>(out, &rows.order_id, None)?;
        column::<Int64Type>(out, &rows.second_id, None)?;
        column::<Int64Type>(out, &rows.sent_ticks, None)?;
        column::<Int64Type>(out, &rows.lag_ticks, None)?;
        column::<BoolType>(out, &rows.complete, None)?;
        column::<BoolType>(out, &rows.snapshot, None)?;
        group.close().map(drop)
    }
}

type Group<'w> = SerializedRowGroupWriter<'w, File>;

/// The next column of the schema; `levels`: 1 where a row has a value, 0 where it has none.
fn column<T: parquet::data_type::DataType>(
    group: &mut Group<'_>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let Some(mut writer) = group.next_column()? else {
        return Err(ParquetError::General("the schema has too few columns".to_owned()));
    };
    writer.typed::<T>().write_batch(values, levels, None)?;
    writer.close()
}

fn optional<T: parquet::data_type::DataType>(
    group: &mut Group<'_>,
    values: Vec<Option<T::T>>,
) -> Result<(), ParquetError> {
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let there: Vec<T::T> = values.into_iter().flatten().collect();
    column::<T>(group, &there, Some(&levels))
}
