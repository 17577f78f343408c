//! [`Stream`]: the bytes of a recording, unwrapped, through one fixed buffer.
//!
//! The container is found by its first bytes, never by its name.
//! Reading is by the caller's thread and in blocks, so whoever paces events reads ahead.
//! Memory is the buffer and what the decompressor needs: 32 KiB for gzip, for zstd what a frame asks
//! for, at most 128 MiB.
//! Measured with the ITCH reader on top, one core of a cloud Xeon, file in the page cache: plain
//! 15 ns a message, gzip 110 ns (some 320 MB/s unpacked), 3 MB of memory for 207 MB of file.

use crate::error::RecordingError;
use crate::zstd_frames::ZstdFrames;
use flate2::read::MultiGzDecoder;
use std::fmt;
use std::fs::File;
use std::io::{self, Chain, Cursor, ErrorKind, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};

/// Unwrapped bytes held at once. Any framing with a 16-bit length (65,537 bytes) fits eight times and
/// the longest packet of a capture (256 KiB) with its options once, so few bytes are moved when it is
/// refilled; 64 KiB to 1 MiB were equally fast.
pub const BUFFER_BYTES: usize = 512 * 1024;

/// The most that is asked of a decompressor at once: what it had unpacked in a call that fails is
/// lost with the call.
const UNPACK_BYTES_MAX: usize = 16 * 1024;

/// What a recording is wrapped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// Nothing.
    Plain,
    /// One or more gzip members, one after the other.
    Gzip,
    /// One or more zstd frames, one after the other.
    Zstd,
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Container::Plain => "plain",
            Container::Gzip => "gzip",
            Container::Zstd => "zstd",
        })
    }
}

/// Why a stream has no more bytes.
#[derive(Debug)]
pub enum StreamEnd {
    /// The recording's last byte was read.
    Clean,
    /// The container breaks off.
    Cut,
    /// The container is damaged; what its decoder said.
    Corrupt(String),
    /// The operating system refused to go on.
    Failed(io::Error),
}

enum Bytes {
    Plain(File),
    Gzip(Box<MultiGzDecoder<Packed>>),
    Zstd(Box<ZstdFrames<Packed>>),
}

/// The magic was read to know it and cannot be unread from a pipe, so it goes in front again.
type Packed = Chain<Take<Cursor<[u8; MAGIC_BYTES]>>, File>;

/// First bytes looked at.
const MAGIC_BYTES: usize = 12;

/// What a file that begins so is wrapped in. (Read as a BinaryFILE's length, gzip's would be 8,075 and
/// zstd's 10,421, which no message has.)
fn container_of(magic: &[u8]) -> Container {
    match magic {
        [0x1F, 0x8B, ..] => Container::Gzip,
        [0x28, 0xB5, 0x2F, 0xFD, ..] => Container::Zstd,
        // DBZ, which came before DBN, hides its metadata in a skippable frame. It is not read, and
        // without that frame nobody could tell what it is.
        [0x50..=0x5F, 0x2A, 0x4D, 0x18, _, _, _, _, b'D', b'B', b'Z', ..] => Container::Plain,
        [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Container::Zstd,
        _ => Container::Plain,
    }
}

/// A recording's bytes, unwrapped, as a window that slides over the file.
///
/// ```text
///   0 … taken │ taken … filled │ filled … BUFFER_BYTES
///     used    │  window()      │   free
/// ```
pub struct Stream {
    path: PathBuf,
    /// Shares its position with the one in `bytes`.
    file: File,
    container: Container,
    bytes: Bytes,
    buffer: Box<[u8]>,
    taken: usize,
    filled: usize,
    /// Unwrapped bytes read from the file.
    read: u64,
    end: Option<StreamEnd>,
}

impl Stream {
    /// Opens `path` and finds out what it is wrapped in.
    ///
    /// # Errors
    /// Missing, permission, or whatever else the system has against it.
    pub fn open(path: &Path) -> Result<Stream, RecordingError> {
        let fault = |doing| move |source| RecordingError::io(path, doing, source);
        let file = File::open(path).map_err(fault("opening it"))?;
        let mut stream = Stream {
            path: path.to_owned(),
            bytes: Bytes::Plain(file.try_clone().map_err(fault("opening it"))?),
            file,
            container: Container::Plain,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            taken: 0,
            filled: 0,
            read: 0,
            end: None,
        };
        stream.start().map_err(fault("reading its first bytes"))?;
        Ok(stream)
    }

    /// Back to the first byte of the same file, even where its name has gone. A pipe cannot do it.
    ///
    /// # Errors
    /// What the system has against it.
    pub fn rewind(&mut self) -> Result<(), RecordingError> {
        self.restart().map_err(|source| RecordingError::io(&self.path, "rewinding it", source))
    }

    fn restart(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.start()
    }

    /// The file stands at its first byte; the first few say what it is wrapped in.
    fn start(&mut self) -> io::Result<()> {
        (self.taken, self.filled, self.read, self.end) = (0, 0, 0, None);
        let mut magic = [0; MAGIC_BYTES];
        let mut len = 0;
        while len < magic.len() {
            match self.file.read(&mut magic[len..]) {
                Ok(0) => break,
                Ok(count) => len += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let file = self.file.try_clone()?;
        let packed = |file| Cursor::new(magic).take(len as u64).chain(file);
        self.container = container_of(&magic[..len]);
        self.bytes = match self.container {
            Container::Plain => {
                self.buffer[..len].copy_from_slice(&magic[..len]);
                (self.filled, self.read) = (len, len as u64);
                Bytes::Plain(file)
            }
            Container::Gzip => Bytes::Gzip(Box::new(MultiGzDecoder::new(packed(file)))),
            Container::Zstd => Bytes::Zstd(Box::new(ZstdFrames::new(packed(file))?)),
        };
        Ok(())
    }

    /// The bytes that were read and not taken.
    #[must_use]
    pub fn window(&self) -> &[u8] {
        &self.buffer[self.taken..self.filled]
    }

    /// The first bytes that were not taken: `count` of them (at most [`BUFFER_BYTES`]), or all there
    /// are. At the start of a recording they tell its format.
    pub fn peek(&mut self, count: usize) -> &[u8] {
        self.fill(count);
        let window = self.window();
        &window[..count.min(window.len())]
    }

    /// Takes `count` bytes off the front of the window.
    ///
    /// # Panics
    /// When the window is shorter.
    pub fn take(&mut self, count: usize) {
        assert!(count <= self.filled - self.taken, "more taken than there is");
        self.taken += count;
    }

    /// Reads until the window holds `needed` bytes (at most [`BUFFER_BYTES`]) or there are no more;
    /// true where it does. What the file ended with is [`end`](Stream::end)'s to tell.
    pub fn fill(&mut self, needed: usize) -> bool {
        assert!(needed <= BUFFER_BYTES, "the buffer is smaller");
        if self.taken + needed > BUFFER_BYTES || self.taken == self.filled {
            self.buffer.copy_within(self.taken..self.filled, 0);
            self.filled -= self.taken;
            self.taken = 0;
        }
        while self.filled - self.taken < needed && self.end.is_none() {
            let free = &mut self.buffer[self.filled..];
            let outcome = match &mut self.bytes {
                Bytes::Plain(file) => file.read(free),
                Bytes::Gzip(decoder) => {
                    let len = free.len().min(UNPACK_BYTES_MAX);
                    decoder.read(&mut free[..len])
                }
                Bytes::Zstd(frames) => frames.read(free),
            };
            match outcome {
                Ok(0) => self.end = Some(StreamEnd::Clean),
                Ok(count) => {
                    self.filled += count;
                    self.read += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.end = Some(self.sorted(error)),
            }
        }
        self.filled - self.taken >= needed
    }

    /// Takes `count` bytes off the front, however many; false where there are fewer, and then all are
    /// taken.
    pub fn skip(&mut self, mut count: u64) -> bool {
        loop {
            let here = (self.filled - self.taken).min(usize::try_from(count).unwrap_or(usize::MAX));
            self.taken += here;
            count -= here as u64;
            if count == 0 {
                return true;
            }
            if !self.fill(1) {
                return false;
            }
        }
    }

    fn sorted(&self, error: io::Error) -> StreamEnd {
        match (self.container, error.kind()) {
            (Container::Plain, _) => StreamEnd::Failed(error),
            (_, ErrorKind::UnexpectedEof) => StreamEnd::Cut,
            (container, ErrorKind::InvalidInput | ErrorKind::InvalidData) => {
                StreamEnd::Corrupt(format!("{container}: {error}"))
            }
            _ => StreamEnd::Failed(error),
        }
    }

    /// Why there are no more bytes; `None` while there may be.
    #[must_use]
    pub fn end(&self) -> Option<&StreamEnd> {
        self.end.as_ref()
    }

    /// The end again, to be kept by who reports it; afterwards the stream counts as clean.
    pub(crate) fn take_end(&mut self) -> StreamEnd {
        self.end.replace(StreamEnd::Clean).unwrap_or(StreamEnd::Clean)
    }

    /// Unwrapped bytes read so far, those in the window counted.
    #[must_use]
    pub fn read_bytes(&self) -> u64 {
        self.read
    }

    /// Unwrapped bytes taken so far: where the window begins.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.read - (self.filled - self.taken) as u64
    }

    /// What the recording is wrapped in.
    #[must_use]
    pub fn container(&self) -> Container {
        self.container
    }

    /// Bytes of the file itself that were read, wrapped as they are; `None` for a pipe.
    #[must_use]
    pub fn file_position(&self) -> Option<u64> {
        (&self.file).stream_position().ok()
    }

    /// The file, as it was named to us.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("path", &self.path)
            .field("container", &self.container)
            .field("read", &self.read)
            .field("window", &(self.filled - self.taken))
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
