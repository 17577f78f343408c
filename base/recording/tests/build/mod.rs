//! Captures of every variant, byte by byte.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::path::PathBuf;
use tempfile::TempDir;
use tickspin_recording::{Capture, RecordingError};

/// What a test needs of a packet: time, link type, original length, bytes.
pub(crate) type Seen = (Option<i64>, tickspin_wire::net::Link, u32, Vec<u8>);

pub(crate) fn written(folder: &TempDir, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join("recording");
    std::fs::write(&path, bytes).expect("the temporary folder is writable");
    path
}

/// All packets, and the error, which must come last and only once.
pub(crate) fn read(bytes: &[u8]) -> Result<(Vec<Seen>, Option<RecordingError>), RecordingError> {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut capture = Capture::open(written(&folder, bytes))?;
    let seen = drain(&mut capture);
    assert_eq!(capture.counts().packets, seen.0.len() as u64);
    assert_eq!(capture.truncated(), seen.1.is_some());
    Ok(seen)
}

pub(crate) fn drain(capture: &mut Capture) -> (Vec<Seen>, Option<RecordingError>) {
    let mut packets = Vec::new();
    loop {
        match capture.next_packet() {
            Ok(Some(packet)) => {
                assert_eq!(packet.number, packets.len() as u64);
                let bytes = packet.bytes.to_vec();
                packets.push((packet.capture_ns, packet.link, packet.original_len, bytes));
            }
            Ok(None) => return (packets, None),
            Err(error) => {
                assert_eq!(error.to_string().lines().count(), 1, "{error}");
                assert!(capture.next_packet().expect("an error is told once").is_none());
                return (packets, Some(error));
            }
        }
    }
}

/// Fields in one byte order.
pub(crate) struct File {
    pub(crate) big_endian: bool,
    pub(crate) bytes: Vec<u8>,
    /// Where each record, block or header ends.
    pub(crate) ends: Vec<usize>,
}

impl File {
    pub(crate) fn new(big_endian: bool) -> File {
        File { big_endian, bytes: Vec::new(), ends: Vec::new() }
    }

    fn ordered<const N: usize>(&mut self, big: [u8; N], little: [u8; N]) {
        self.bytes.extend(if self.big_endian { big } else { little });
    }

    pub(crate) fn u16(&mut self, field: u16) {
        self.ordered(field.to_be_bytes(), field.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, field: u32) {
        self.ordered(field.to_be_bytes(), field.to_le_bytes());
    }

    /// The header of a classic capture.
    pub(crate) fn pcap(&mut self, nanoseconds: bool, link: u32) {
        self.u32(if nanoseconds { 0xA1B2_3C4D } else { 0xA1B2_C3D4 });
        self.u16(2);
        self.u16(4);
        for field in [0, 0, 65_535, link] {
            self.u32(field);
        }
        self.ends.push(self.bytes.len());
    }

    /// A record of a classic capture.
    pub(crate) fn record(&mut self, seconds: u32, fraction: u32, original: u32, bytes: &[u8]) {
        for field in [seconds, fraction, bytes.len() as u32, original] {
            self.u32(field);
        }
        self.bytes.extend(bytes);
        self.ends.push(self.bytes.len());
    }

    /// A block of pcapng around `body`.
    pub(crate) fn block(&mut self, kind: u32, body: impl FnOnce(&mut File)) {
        let start = self.bytes.len();
        self.u32(kind);
        self.u32(0);
        body(self);
        while !self.bytes.len().is_multiple_of(4) {
            self.bytes.push(0);
        }
        let size = (self.bytes.len() + 4 - start) as u32;
        self.u32(size);
        let size = if self.big_endian { size.to_be_bytes() } else { size.to_le_bytes() };
        self.bytes[start + 4..start + 8].copy_from_slice(&size);
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn section(&mut self, big_endian: bool) {
        self.big_endian = big_endian;
        self.block(0x0A0D_0D0A, |file| {
            file.u32(0x1A2B_3C4D);
            file.u16(1);
            file.u16(0);
            file.u32(u32::MAX);
            file.u32(u32::MAX);
        });
    }

    pub(crate) fn option(&mut self, code: u16, value: &[u8]) {
        self.u16(code);
        self.u16(value.len() as u16);
        self.bytes.extend(value);
        while !self.bytes.len().is_multiple_of(4) {
            self.bytes.push(0);
        }
    }

    pub(crate) fn interface(
        &mut self,
        link: u16,
        snap_len: u32,
        resolution: Option<u8>,
        offset_s: Option<i64>,
    ) {
        self.block(1, |file| {
            file.u16(link);
            file.u16(0);
            file.u32(snap_len);
            file.option(2, b"eth0");
            if let Some(resolution) = resolution {
                file.option(9, &[resolution]);
            }
            if let Some(offset_s) = offset_s {
                let bytes =
                    if file.big_endian { offset_s.to_be_bytes() } else { offset_s.to_le_bytes() };
                file.option(14, &bytes);
            }
            file.option(0, &[]);
        });
    }

    pub(crate) fn enhanced(&mut self, interface: u32, ticks: u64, original: u32, bytes: &[u8]) {
        self.block(6, |file| {
            for field in
                [interface, (ticks >> 32) as u32, ticks as u32, bytes.len() as u32, original]
            {
                file.u32(field);
            }
            file.bytes.extend(bytes);
        });
    }

    pub(crate) fn simple(&mut self, original: u32, bytes: &[u8]) {
        self.block(3, |file| {
            file.u32(original);
            file.bytes.extend(bytes);
        });
    }
}
