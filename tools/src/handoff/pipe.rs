//! The operating system's pipe, polled: what two processes have without shared memory.
//!
//! Both ends are non-blocking, so that the reader spins as every other reader here does; a reader
//! that sleeps in the kernel pays 10 µs and more to be woken.

use super::contenders::with_sequence;
use super::measure::{Payload, Rx, Taken, Tx};
use crate::error::Failure;
use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

/// include/uapi/asm-generic/fcntl.h
const O_NONBLOCK: i32 = 0o4000;

/// A pipe whose two ends never block.
pub(super) fn pipe() -> Result<(PipeTx, PipeRx), Failure> {
    pipe_of(1)
}

/// The same for messages of several slots, 64 at most: a write of up to `PIPE_BUF` is whole.
pub(super) fn pipe_of(slots: usize) -> Result<(PipeTx, PipeRx), Failure> {
    let failed = |error: io::Error| Failure::environment(format_args!("pipe: {error}"));
    let (reader, writer) = io::pipe().map_err(failed)?;
    // The flag belongs to the open description, and the standard library cannot set it on a pipe;
    // opening the end once more by its name in /proc makes a description that has it.
    let again = |fd: i32, is_writer: bool| {
        OpenOptions::new()
            .read(!is_writer)
            .write(is_writer)
            .custom_flags(O_NONBLOCK)
            .open(format!("/proc/self/fd/{fd}"))
    };
    let tx = again(writer.as_raw_fd(), true).map_err(failed)?;
    let rx = again(reader.as_raw_fd(), false).map_err(failed)?;
    let bytes = vec![0; 64 * slots];
    Ok((
        PipeTx { pipe: tx, _keep: writer, sequence: 1, bytes: bytes.clone() },
        PipeRx { pipe: rx, sleeping: reader, bytes },
    ))
}

pub(super) struct PipeTx {
    pipe: File,
    _keep: PipeWriter,
    sequence: u64,
    bytes: Vec<u8>,
}

impl Tx for PipeTx {
    fn try_send(&mut self, payload: &Payload) -> bool {
        let words = with_sequence(self.sequence, payload);
        for (bytes, word) in self.bytes.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        // Not beyond PIPE_BUF: all or nothing.
        let sent = self.pipe.write(&self.bytes).is_ok_and(|written| written == self.bytes.len());
        self.sequence += u64::from(sent);
        sent
    }
}

pub(super) struct PipeRx {
    pipe: File,
    /// The same end, where a read sleeps until there is something.
    sleeping: PipeReader,
    bytes: Vec<u8>,
}

impl PipeRx {
    /// Sleeps until there is a message.
    pub(super) fn take(&mut self) -> Option<Taken> {
        let len = self.sleeping.read(&mut self.bytes).ok()?;
        (len == self.bytes.len()).then(|| Taken::all_of_bytes(&self.bytes))
    }
}

impl AsFd for PipeRx {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

impl Rx for PipeRx {
    fn try_take(&mut self) -> Option<Taken> {
        let len = self.pipe.read(&mut self.bytes).ok()?;
        (len == self.bytes.len()).then(|| Taken::all_of_bytes(&self.bytes))
    }
}
