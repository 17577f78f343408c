//! Classic pcap: one header, then records of 16 bytes and what was captured.

use super::{CAPTURED_BYTES_MAX, Record, Stop, fill, too_long};
use crate::container::Stream;
use pcap_parser::{parse_pcap_frame, parse_pcap_frame_be, parse_pcap_header};
use tickspin_wire::net::Link;

const HEADER_BYTES: usize = 24;
const RECORD_BYTES: usize = 16;

pub(super) struct Records {
    big_endian: bool,
    /// ns in a unit of the record's fraction: 1 or 1,000.
    unit_ns: u64,
    link: Link,
}

impl Records {
    /// Takes the header off the stream's front.
    pub(super) fn start(stream: &mut Stream) -> Result<Records, Stop> {
        fill(stream, HEADER_BYTES)?;
        let (_, header) = parse_pcap_header(stream.window())
            .map_err(|_| Stop::broken("its header cannot be read".into()))?;
        let (major, minor) = (header.version_major, header.version_minor);
        if major != 2 {
            return Err(Stop::broken(format!("its version is {major}.{minor}, not 2.4")));
        }
        let records = Records {
            big_endian: header.is_bigendian(),
            unit_ns: if header.is_nanosecond_precision() { 1 } else { 1_000 },
            // The upper four bits tell of the frame check sequence.
            link: Link::from_code(header.network.0 as u32 & 0x0FFF_FFFF),
        };
        stream.take(HEADER_BYTES);
        Ok(records)
    }

    #[inline]
    pub(super) fn next(&mut self, stream: &mut Stream) -> Result<Record, Stop> {
        fill(stream, RECORD_BYTES)?;
        let window = stream.window();
        // Asked before the library is, which would want the bytes of any length first.
        let captured = [window[8], window[9], window[10], window[11]];
        let captured = if self.big_endian {
            u32::from_be_bytes(captured)
        } else {
            u32::from_le_bytes(captured)
        } as usize;
        if captured > CAPTURED_BYTES_MAX {
            return Err(too_long(captured));
        }
        let size = RECORD_BYTES + captured;
        fill(stream, size)?;
        let parse = if self.big_endian { parse_pcap_frame_be } else { parse_pcap_frame };
        let (_, frame) =
            parse(stream.window()).map_err(|_| Stop::broken("a record cannot be read".into()))?;
        let ns = u64::from(frame.ts_sec) * 1_000_000_000 + u64::from(frame.ts_usec) * self.unit_ns;
        Ok(Record {
            // At most 2^32 seconds twice, a third of what an i64 holds.
            capture_ns: Some(ns as i64),
            link: self.link,
            original_len: frame.origlen,
            start: RECORD_BYTES,
            captured,
            size,
        })
    }
}
