//! [`Writer`]: a classic nanosecond capture of Ethernet frames, little-endian.
//!
//! Nothing is kept back: whoever hands in a file buffers it.

use super::CAPTURED_BYTES_MAX;
use std::io::{self, ErrorKind, Write};
use tickspin_wire::net::Envelope;

/// Writes captures that [`Capture`](super::Capture) and every other tool reads.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    /// The frame of a datagram while it is put together.
    frame: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Begins a capture with its header.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(mut out: W) -> io::Result<Writer<W>> {
        let mut header = [0; 24];
        header[..4].copy_from_slice(&0xA1B2_3C4D_u32.to_le_bytes());
        header[4..6].copy_from_slice(&2_u16.to_le_bytes());
        header[6..8].copy_from_slice(&4_u16.to_le_bytes());
        header[16..20].copy_from_slice(&(CAPTURED_BYTES_MAX as u32).to_le_bytes());
        header[20..].copy_from_slice(&1_u32.to_le_bytes());
        out.write_all(&header)?;
        Ok(Writer { out, frame: Vec::new() })
    }

    /// Writes one Ethernet frame, captured whole at `capture_ns` since the Unix epoch.
    ///
    /// # Errors
    /// `InvalidInput` for a time outside 1970..2106 or more than [`CAPTURED_BYTES_MAX`] bytes, with
    /// nothing written; else those of the output.
    pub fn frame(&mut self, capture_ns: i64, frame: &[u8]) -> io::Result<()> {
        let invalid = |text| io::Error::new(ErrorKind::InvalidInput, text);
        let seconds = u32::try_from(capture_ns.div_euclid(1_000_000_000))
            .map_err(|_| invalid("pcap has times from 1970 to 2106"))?;
        if frame.len() > CAPTURED_BYTES_MAX {
            return Err(invalid("the frame is longer than a capture keeps"));
        }
        let len = frame.len() as u32;
        let fraction = capture_ns.rem_euclid(1_000_000_000) as u32;
        let mut header = [0; 16];
        for (at, field) in [seconds, fraction, len, len].into_iter().enumerate() {
            header[4 * at..4 * at + 4].copy_from_slice(&field.to_le_bytes());
        }
        self.out.write_all(&header)?;
        self.out.write_all(frame)
    }

    /// Writes one UDP datagram in its envelope.
    ///
    /// # Errors
    /// Those of [`frame`](Writer::frame), and `InvalidInput` where the payload does not fit the
    /// envelope.
    pub fn datagram(
        &mut self,
        capture_ns: i64,
        envelope: &Envelope<'_>,
        payload: &[u8],
    ) -> io::Result<()> {
        let mut frame = std::mem::take(&mut self.frame);
        frame.resize(envelope.header_bytes() + payload.len(), 0);
        let written = match envelope.encode(payload, &mut frame) {
            Ok(_) => self.frame(capture_ns, &frame),
            Err(error) => Err(io::Error::new(ErrorKind::InvalidInput, error)),
        };
        self.frame = frame;
        written
    }

    /// The output, everything written to it.
    pub fn into_inner(self) -> W {
        self.out
    }
}
