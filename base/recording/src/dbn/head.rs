//! How a DBN recording begins: its metadata, or none where it is a fragment.
//!
//! A file begins with `DBN`, a version and the length of its metadata, which the `dbn` crate reads.
//! A fragment is a file of records without that; it has no magic, so the first two record headers
//! are the evidence: a type we know with a size it has, a publisher, a time of this century.
//! Memory: the metadata, at most [`METADATA_BYTES_MAX`], copied once and only as far as it is there.

use crate::container::{Stream, StreamEnd};
use crate::dbn::instruments::Mapping;
use crate::dbn::layout::{self, HEADER_BYTES, Header, TS_OUT_BYTES};
use crate::error::{Damage, Fault, RecordingError};
use ::dbn::decode::dbn::MetadataDecoder;
use ::dbn::{Metadata, SType, Schema, UNDEF_TIMESTAMP, VersionUpgradePolicy};
use std::collections::HashMap;

/// How the format is named in messages.
pub(crate) const FORMAT: &str = "DBN recording";

/// Symbols of all US options, with one mapping each, are 230 MB.
pub const METADATA_BYTES_MAX: usize = 256 << 20;

/// Magic, version, length of the metadata.
const PRELUDE_BYTES: usize = 8;
const VERSIONS: std::ops::RangeInclusive<u8> = 1..=3;

/// 2000 and 2100: what a fragment's first records must lie between.
const SANE_NS: std::ops::Range<u64> = 946_684_800_000_000_000..4_102_444_800_000_000_000;

/// What the beginning of the file says.
#[derive(Debug, Default)]
pub(crate) struct Head {
    /// `None`: a fragment.
    pub(crate) version: Option<u8>,
    pub(crate) dataset: String,
    pub(crate) schema: Option<Schema>,
    /// Every record has 8 bytes more; `None`: nothing says so, the size of each record does.
    pub(crate) has_ts_out: Option<bool>,
    pub(crate) mapped: HashMap<u32, Vec<Mapping>>,
}

/// True for the first unwrapped bytes of what this module reads, or refuses by its name.
pub(crate) fn is_ours(bytes: &[u8]) -> bool {
    matches!(bytes, [b'D', b'B', b'N', version, ..] if *version < 32)
        || is_dbz(bytes)
        || is_fragment(bytes)
}

fn is_dbz(bytes: &[u8]) -> bool {
    matches!(bytes, [0x50..=0x5F, 0x2A, 0x4D, 0x18, _, _, _, _, b'D', b'B', b'Z', ..])
}

fn is_fragment(bytes: &[u8]) -> bool {
    let Some(first) = sane_size(bytes) else { return false };
    let rest = bytes.get(first..).unwrap_or(&[]);
    rest.len() < HEADER_BYTES || sane_size(rest).is_some()
}

/// Size of the record that these bytes begin, if they look like one.
fn sane_size(bytes: &[u8]) -> Option<usize> {
    let header = Header::of(bytes.first_chunk()?);
    let sizes = layout::sizes(header.rtype);
    let has_size = sizes.iter().any(|&size| [size, size + TS_OUT_BYTES].contains(&header.size));
    let has_time = SANE_NS.contains(&header.ts_event_ns) || header.ts_event_ns == UNDEF_TIMESTAMP;
    (has_size && has_time && header.publisher != 0).then_some(header.size)
}

/// Takes the head off a stream that stands at its first byte.
pub(crate) fn take(stream: &mut Stream) -> Result<Head, RecordingError> {
    stream.fill(4_096);
    let path = stream.path().to_owned();
    let refused =
        |rule: String| Err(RecordingError::new(&path, Fault::Foreign { expected: FORMAT, rule }));
    let window = stream.window();
    if window.is_empty() {
        return Err(ended(stream));
    }
    if is_dbz(window) {
        return refused(
            "it is DBZ, which came before DBN and is not read by current tools either; \
             version 0.14 of the `dbn` program still converts it"
                .into(),
        );
    }
    if !window.starts_with(b"DBN") {
        return match is_fragment(window) {
            true => Ok(Head::default()),
            false => refused("neither its magic nor a record is at its beginning".into()),
        };
    }
    let Some(&[_, _, _, version, a, b, c, d]) = window.first_chunk::<PRELUDE_BYTES>() else {
        return Err(ended(stream));
    };
    if !VERSIONS.contains(&version) {
        return refused(format!("it is DBN version {version}; versions 1 to 3 are read"));
    }
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    if length > METADATA_BYTES_MAX {
        return refused(format!(
            "its metadata would have {length} bytes, more than the {METADATA_BYTES_MAX} allowed"
        ));
    }
    let mut bytes = Vec::new();
    while bytes.len() < PRELUDE_BYTES + length {
        if !stream.fill(1) {
            return Err(ended(stream));
        }
        let window = stream.window();
        let here = window.len().min(PRELUDE_BYTES + length - bytes.len());
        bytes.extend_from_slice(&window[..here]);
        stream.take(here);
    }
    let mut decoder =
        MetadataDecoder::with_upgrade_policy(bytes.as_slice(), VersionUpgradePolicy::AsIs);
    match decoder.decode() {
        Ok(metadata) => Ok(read(version, metadata)),
        Err(error) => refused(format!("its metadata is damaged: {error}")),
    }
}

/// The stream ended before the first record.
#[cold]
fn ended(stream: &mut Stream) -> RecordingError {
    let container = stream.container();
    let left = stream.window().len();
    let (partial, offset) = (left as u64, stream.read_bytes());
    stream.take(left);
    let damage = Damage { container, record: 0, partial, offset };
    let fault = match stream.take_end() {
        StreamEnd::Failed(source) => {
            return RecordingError::io(stream.path(), "reading its metadata", source);
        }
        StreamEnd::Corrupt(rule) => Fault::Corrupt { damage, rule },
        StreamEnd::Clean if offset == 0 => Fault::Empty { container },
        StreamEnd::Clean | StreamEnd::Cut => Fault::Cut(damage),
    };
    RecordingError::new(stream.path(), fault)
}

fn read(version: u8, metadata: Metadata) -> Head {
    let mut mapped: HashMap<u32, Vec<Mapping>> = HashMap::new();
    let is_reversed =
        metadata.stype_in == Some(SType::InstrumentId) && metadata.stype_out != SType::InstrumentId;
    for mapping in metadata.mappings {
        for interval in mapping.intervals {
            let (id, name) = match is_reversed {
                false => (&interval.symbol, &mapping.raw_symbol),
                true => (&mapping.raw_symbol, &interval.symbol),
            };
            let Ok(id) = id.parse() else { continue };
            if name.is_empty() {
                continue;
            }
            let days = days_since_1970(interval.start_date.to_julian_day())
                ..days_since_1970(interval.end_date.to_julian_day());
            mapped.entry(id).or_default().push(Mapping { days, name: name.as_str().into() });
        }
    }
    Head {
        version: Some(version),
        dataset: metadata.dataset,
        schema: metadata.schema,
        has_ts_out: Some(metadata.ts_out),
        mapped,
    }
}

fn days_since_1970(julian_day: i32) -> i64 {
    const JULIAN_DAY_OF_1970: i64 = 2_440_588;
    i64::from(julian_day) - JULIAN_DAY_OF_1970
}
