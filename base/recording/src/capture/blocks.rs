//! pcapng: blocks that tell their length at both ends, in sections that tell their byte order.
//!
//! ```text
//! ├─ type u32 ─┼─ total length u32 ─┼─ body, padded to 4 ─┼─ total length u32 ─┤
//! section header ─► interfaces 0, 1, 2 … ─► packets, each of an interface ─► section header ─► …
//! ```

use super::{CAPTURED_BYTES_MAX, CaptureCounts, Record, Stop, fill, too_long};
use crate::container::{BUFFER_BYTES, Stream};
use pcap_parser::pcapng::{parse_interfacedescriptionblock_be, parse_interfacedescriptionblock_le};
use pcap_parser::{OptionCode, PcapNGOption};
use tickspin_wire::net::Link;

const SECTION: u32 = 0x0A0D_0D0A;
const INTERFACE: u32 = 1;
/// The packet block of the first drafts: interface and drops are 16 bits each.
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

const BYTE_ORDER_MAGIC: u32 = 0x1A2B_3C4D;
/// Type and length, and the length again.
const AROUND_BYTES: usize = 12;
/// Interfaces of one section; the old packet block cannot name more. They are kept, so there is a
/// bound.
const INTERFACES_MAX: usize = 1 << 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Interface {
    link: Link,
    /// Bytes kept of a packet at most; 0 is no limit.
    snap_len: u32,
    /// As in the option `if_tsresol`: a negative power of ten, or of two with bit 7 set.
    resolution: u8,
    /// Seconds to be added.
    offset_s: i64,
}

pub(super) struct Blocks {
    big_endian: bool,
    in_section: bool,
    interfaces: Vec<Interface>,
}

impl Blocks {
    pub(super) fn new() -> Blocks {
        Blocks { big_endian: false, in_section: false, interfaces: Vec::new() }
    }

    pub(super) fn next(
        &mut self,
        stream: &mut Stream,
        counts: &mut CaptureCounts,
    ) -> Result<Record, Stop> {
        loop {
            fill(stream, 8)?;
            // The section's type reads the same in both orders.
            let kind = self.u32(stream, 0);
            if kind == SECTION {
                fill(stream, 12)?;
                self.turn(stream)?;
            } else if !self.in_section {
                return Err(Stop::broken("a capture begins with a section header".into()));
            }
            let size = self.u32(stream, 4);
            let fixed = AROUND_BYTES
                + match kind {
                    SECTION => 16,
                    INTERFACE => 8,
                    OLD_PACKET | ENHANCED_PACKET => 20,
                    SIMPLE_PACKET => 4,
                    _ => 0,
                };
            if (size as usize) < fixed || !size.is_multiple_of(4) {
                return Err(Stop::broken(format!(
                    "a block of type 0x{kind:x} has {fixed} bytes or more, a multiple of 4, this \
                     one {size}"
                )));
            }
            let found = match kind {
                SECTION => self.section(stream, size, counts)?,
                INTERFACE => self.interface(stream, size, counts)?,
                OLD_PACKET | SIMPLE_PACKET | ENHANCED_PACKET => {
                    self.packet(stream, kind, size, counts)?
                }
                _ => {
                    self.step_over(stream, size)?;
                    counts.other_blocks += 1;
                    continue;
                }
            };
            match found {
                Some(record) => return Ok(record),
                None => stream.take(size as usize),
            }
        }
    }

    /// The window holds the first 12 bytes of a section header: from here on in its byte order.
    fn turn(&mut self, stream: &Stream) -> Result<(), Stop> {
        for big_endian in [false, true] {
            self.big_endian = big_endian;
            if self.u32(stream, 8) == BYTE_ORDER_MAGIC {
                return Ok(());
            }
        }
        Err(Stop::broken(format!(
            "a section's byte-order magic is 1a2b3c4d, this one's {:08x}",
            self.u32(stream, 8)
        )))
    }

    fn section(
        &mut self,
        stream: &mut Stream,
        size: u32,
        counts: &mut CaptureCounts,
    ) -> Result<Option<Record>, Stop> {
        self.whole(stream, size)?;
        let (major, minor) = (self.u16(stream, 12), self.u16(stream, 14));
        if major != 1 {
            return Err(Stop::broken(format!("a section's version is {major}.{minor}, not 1.0")));
        }
        self.in_section = true;
        self.interfaces.clear();
        counts.sections += 1;
        Ok(None)
    }

    fn interface(
        &mut self,
        stream: &mut Stream,
        size: u32,
        counts: &mut CaptureCounts,
    ) -> Result<Option<Record>, Stop> {
        self.whole(stream, size)?;
        if self.interfaces.len() == INTERFACES_MAX {
            return Err(Stop::broken(format!("a section has at most {INTERFACES_MAX} interfaces")));
        }
        let block = &stream.window()[..size as usize];
        let parse = if self.big_endian {
            parse_interfacedescriptionblock_be
        } else {
            parse_interfacedescriptionblock_le
        };
        let (_, parsed) =
            parse(block).map_err(|_| Stop::broken("an interface's block cannot be read".into()))?;
        self.interfaces.push(Interface {
            link: Link::from_code(parsed.linktype.0 as u32),
            snap_len: parsed.snaplen,
            resolution: parsed.if_tsresol,
            offset_s: offset_s(&parsed.options, self.big_endian),
        });
        counts.interfaces += 1;
        Ok(None)
    }

    fn packet(
        &mut self,
        stream: &mut Stream,
        kind: u32,
        size: u32,
        counts: &mut CaptureCounts,
    ) -> Result<Option<Record>, Stop> {
        let start = if kind == SIMPLE_PACKET { 12 } else { 28 };
        fill(stream, start)?;
        let id = match kind {
            SIMPLE_PACKET => 0,
            OLD_PACKET => usize::from(self.u16(stream, 8)),
            _ => self.u32(stream, 8) as usize,
        };
        let interface = self.interfaces.get(id).copied();
        let (captured, original_len) = if kind == SIMPLE_PACKET {
            let original = self.u32(stream, 8);
            let snap_len = interface.map_or(0, |interface| interface.snap_len);
            let captured = if snap_len == 0 { original } else { original.min(snap_len) };
            // Some writers snap without saying so.
            (captured.min(size - AROUND_BYTES as u32 - 4), original)
        } else {
            (self.u32(stream, 20), self.u32(stream, 24))
        };
        let captured = captured as usize;
        if captured > CAPTURED_BYTES_MAX {
            return Err(too_long(captured));
        }
        if start + captured + 4 > size as usize {
            return Err(Stop::broken(format!(
                "a packet lies inside its block: {captured} bytes from byte {start} of {size}"
            )));
        }
        self.whole(stream, size)?;
        let Some(interface) = interface else {
            counts.strays += 1;
            return Ok(None);
        };
        let capture_ns = if kind == SIMPLE_PACKET {
            None
        } else {
            let ticks = u64::from(self.u32(stream, 12)) << 32 | u64::from(self.u32(stream, 16));
            interface.ns(ticks)
        };
        let link = interface.link;
        Ok(Some(Record { capture_ns, link, original_len, start, captured, size: size as usize }))
    }

    /// Reads all of a block that is needed, and compares its two lengths.
    fn whole(&self, stream: &mut Stream, size: u32) -> Result<(), Stop> {
        if size as usize > BUFFER_BYTES {
            return Err(Stop::broken(format!(
                "a block that matters has at most {BUFFER_BYTES} bytes, this one {size}"
            )));
        }
        fill(stream, size as usize)?;
        self.same(size, self.u32(stream, size as usize - 4))
    }

    /// Takes a block that is not needed; it may be longer than the buffer.
    fn step_over(&self, stream: &mut Stream, size: u32) -> Result<(), Stop> {
        let start = stream.position();
        let body = stream.skip(u64::from(size) - 4);
        let compared = if body { fill(stream, 4) } else { Err(Stop::END) }
            .and_then(|()| self.same(size, self.u32(stream, 0)));
        match compared {
            Ok(()) => stream.take(4),
            Err(stop) => return Err(Stop { taken: stream.position() - start, ..stop }),
        }
        Ok(())
    }

    fn same(&self, size: u32, again: u32) -> Result<(), Stop> {
        if size == again {
            return Ok(());
        }
        Err(Stop::broken(format!("a block's two lengths are equal, here {size} and {again}")))
    }

    #[inline]
    fn u32(&self, stream: &Stream, at: usize) -> u32 {
        let window = stream.window();
        let bytes = [window[at], window[at + 1], window[at + 2], window[at + 3]];
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    #[inline]
    fn u16(&self, stream: &Stream, at: usize) -> u16 {
        let bytes = [stream.window()[at], stream.window()[at + 1]];
        if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }
}

/// The option `if_tsoffset`, 0 where there is none.
fn offset_s(options: &[PcapNGOption<'_>], big_endian: bool) -> i64 {
    let option = options.iter().find(|option| option.code == OptionCode::IfTsoffset);
    match option.and_then(|option| option.value().first_chunk::<8>()) {
        Some(bytes) if big_endian => i64::from_be_bytes(*bytes),
        Some(bytes) => i64::from_le_bytes(*bytes),
        None => 0,
    }
}

impl Interface {
    /// ns since the Unix epoch; parts of one are dropped. `None` where they do not fit.
    #[inline]
    fn ns(&self, ticks: u64) -> Option<i64> {
        const SECOND_NS: u128 = 1_000_000_000;
        let ticks = u128::from(ticks);
        let power = u32::from(self.resolution & 0x7F);
        let ns = if self.resolution & 0x80 != 0 {
            // 64 and 30 bits: it fits.
            (ticks * SECOND_NS) >> power
        } else if power <= 9 {
            ticks * 10_u128.pow(9 - power)
        } else {
            // Beyond 10^38 every time is within the first nanosecond.
            10_u128.checked_pow(power - 9).map_or(0, |parts| ticks / parts)
        };
        let offset_ns = i128::from(self.offset_s) * SECOND_NS as i128;
        i64::try_from(ns as i128 + offset_ns).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ns(resolution: u8, offset_s: i64, ticks: u64) -> Option<i64> {
        Interface { link: Link::Ethernet, snap_len: 0, resolution, offset_s }.ns(ticks)
    }

    #[test]
    fn times_of_every_resolution_are_nanoseconds() {
        assert_eq!(ns(6, 0, 1_500_000_000_123_456), Some(1_500_000_000_123_456_000));
        assert_eq!(ns(9, 0, 1_500_000_000_123_456_789), Some(1_500_000_000_123_456_789));
        assert_eq!(ns(0, 0, 7), Some(7_000_000_000));
        assert_eq!(ns(12, 0, 1_999_999), Some(1_999));
        assert_eq!(ns(0x80 | 10, 0, 1_536), Some(1_500_000_000));
        assert_eq!(ns(0x80, 0, 3), Some(3_000_000_000));
        assert_eq!(ns(6, -2, 1_000_000), Some(-1_000_000_000));
        assert_eq!(ns(6, i64::MAX, u64::MAX), None);
        assert_eq!(ns(0, 0, u64::MAX), None);
        for resolution in 0..=u8::MAX {
            let _ = (ns(resolution, i64::MIN, u64::MAX), ns(resolution, i64::MAX, u64::MAX));
        }
        assert_eq!(
            (ns(127, 5, u64::MAX), ns(255, 5, u64::MAX)),
            (Some(5_000_000_000), Some(5_000_000_000))
        );
    }
}
