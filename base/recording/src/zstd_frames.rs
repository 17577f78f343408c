//! [`ZstdFrames`]: what any number of zstd frames, one after the other, unpack to.
//!
//! Recordings come with a frame for their metadata and others for their records; parallel compressors
//! write many. A frame that holds nothing for us (a skippable one) is stepped over.
//!
//! The decoder is fed what it asks for, one block at a time, so that a block that fails takes nothing
//! with it that was good before it.
//! Memory: the input buffer, and the window of the frame, at most 2^[`WINDOW_LOG_MAX`] bytes.

use std::io::{self, ErrorKind, Read};
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

/// Frames with a longer window are refused: 128 MiB is what the strongest level writes, and what other
/// decoders take unasked. A frame could ask for 2 GiB.
pub(crate) const WINDOW_LOG_MAX: u32 = 27;

/// A block has at most 128 KiB, and its decoder asks for the next one's header with it.
const INPUT_BYTES: usize = 128 * 1024 + 16;

/// Bytes of a frame that are offered before the decoder knows it.
const FIRST_BYTES: usize = 5;

pub(crate) struct ZstdFrames<R> {
    source: R,
    decoder: Decoder<'static>,
    input: Box<[u8]>,
    taken: usize,
    filled: usize,
    /// Bytes the decoder asks for; 0 between frames.
    wanted: usize,
    /// The last output was filled: there may be more without new input.
    pending: bool,
}

impl<R: Read> ZstdFrames<R> {
    pub(crate) fn new(source: R) -> io::Result<ZstdFrames<R>> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))?;
        Ok(ZstdFrames {
            source,
            decoder,
            input: vec![0; INPUT_BYTES].into_boxed_slice(),
            taken: 0,
            filled: 0,
            wanted: 0,
            pending: false,
        })
    }
}

impl<R: Read> Read for ZstdFrames<R> {
    /// `UnexpectedEof` where the last frame is cut, `InvalidData` where one is damaged, and whatever
    /// the source says.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            let offered = if self.pending {
                0
            } else {
                if self.taken == self.filled {
                    (self.taken, self.filled) = (0, 0);
                    self.filled = self.source.read(&mut self.input)?;
                    if self.filled == 0 {
                        let cut = io::Error::from(ErrorKind::UnexpectedEof);
                        return if self.wanted == 0 { Ok(0) } else { Err(cut) };
                    }
                }
                let wanted = if self.wanted == 0 { FIRST_BYTES } else { self.wanted };
                wanted.min(self.filled - self.taken)
            };
            let mut input = InBuffer::around(&self.input[self.taken..self.taken + offered]);
            let mut output = OutBuffer::around(&mut *out);
            self.wanted = self.decoder.run(&mut input, &mut output).map_err(named)?;
            self.taken += input.pos();
            let count = output.pos();
            self.pending = count == out.len();
            if count > 0 {
                return Ok(count);
            }
        }
    }
}

fn named(error: io::Error) -> io::Error {
    let mut text = error.to_string();
    if text.contains("too much memory") {
        text = format!("a frame's window is above {} MiB", (1_u32 << WINDOW_LOG_MAX) >> 20);
    }
    io::Error::new(ErrorKind::InvalidData, text)
}
