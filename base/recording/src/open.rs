//! [`open`]: a recording of whatever format, found by what it contains.

use crate::capture::CaptureFormat;
use crate::container::Stream;
use crate::{
    BinanceFile, DbnFile, EventReader, ItchFile, LobsterFile, PacketFile, RecordingError, TapeFile,
};
use std::path::Path;

/// Unwrapped bytes that are looked at to tell formats apart.
const HEAD_BYTES: usize = 4_096;

/// Opens `path` as whatever recording its bytes say it is: name and suffix are never looked at.
///
/// # Errors
/// Missing, permission, empty, or of no format we know. A cut file opens: what is whole in it can
/// be read.
pub fn open(path: &Path) -> Result<Box<dyn EventReader + Send>, RecordingError> {
    let mut stream = Stream::open(path)?;
    stream.fill(HEAD_BYTES);
    let head = stream.window();
    // One line a format; the first that knows its own first bytes takes the stream. A BinaryFILE
    // has none and comes last: it says what else the bytes seem to be.
    if TapeFile::claims(head) {
        return Ok(Box::new(TapeFile::over(stream)?));
    }
    if CaptureFormat::of(head).is_some() {
        return Ok(Box::new(PacketFile::over(stream)?));
    }
    if DbnFile::claims(head) {
        return Ok(Box::new(DbnFile::over(stream)?));
    }
    if BinanceFile::claims(head) {
        return Ok(Box::new(BinanceFile::over(stream)?));
    }
    if LobsterFile::claims(head) {
        return Ok(Box::new(LobsterFile::over(stream)?));
    }
    Ok(Box::new(ItchFile::over(stream)?))
}
