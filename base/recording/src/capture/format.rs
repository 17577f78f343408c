//! [`CaptureFormat`]: which kind of capture a file is, told by its first four bytes.

use std::fmt;

/// Which of the formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureFormat {
    /// One header, one link type, one resolution.
    Pcap {
        /// Times in nanoseconds, otherwise in microseconds.
        nanoseconds: bool,
        /// The writer's byte order.
        big_endian: bool,
    },
    /// Sections with several interfaces, each with its link type and resolution.
    Pcapng,
}

impl CaptureFormat {
    /// The format of a file that begins with `bytes`, unwrapped; four are enough.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<CaptureFormat> {
        let pcap = |nanoseconds, big_endian| CaptureFormat::Pcap { nanoseconds, big_endian };
        match bytes {
            [0xD4, 0xC3, 0xB2, 0xA1, ..] => Some(pcap(false, false)),
            [0xA1, 0xB2, 0xC3, 0xD4, ..] => Some(pcap(false, true)),
            [0x4D, 0x3C, 0xB2, 0xA1, ..] => Some(pcap(true, false)),
            [0xA1, 0xB2, 0x3C, 0x4D, ..] => Some(pcap(true, true)),
            [0x0A, 0x0D, 0x0D, 0x0A, ..] => Some(CaptureFormat::Pcapng),
            _ => None,
        }
    }
}

impl fmt::Display for CaptureFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CaptureFormat::Pcap { nanoseconds: true, .. } => "pcap ns",
            CaptureFormat::Pcap { nanoseconds: false, .. } => "pcap us",
            CaptureFormat::Pcapng => "pcapng",
        })
    }
}
