//! Bytes as a file in memory, because recordings are files.

use std::path::{Path, PathBuf};
use std::{env, fs, process};
use tickspin_recording::container::Stream;

/// More unpacked bytes are not read: time is then a matter of the input's size, not of a mistake.
const UNPACKED_BYTES_MAX: u64 = 8 << 20;

/// A file that goes away with this value; an open one can still be read.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(number: u8, bytes: &[u8]) -> Scratch {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { memory.to_owned() } else { env::temp_dir() };
        let path = folder.join(format!("tickspin-fuzz-{}-{number}", process::id()));
        fs::write(&path, bytes).expect("the folder is writable");
        Scratch(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Bytes once unpacked; `None` where they are too many to read them several times.
    pub(crate) fn unpacked_bytes(&self) -> Option<u64> {
        let mut stream = Stream::open(&self.0).expect("it was written a moment ago");
        while stream.fill(1) {
            if stream.read_bytes() > UNPACKED_BYTES_MAX {
                return None;
            }
            stream.take(stream.window().len());
        }
        Some(stream.read_bytes())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
