//! Is this an ITCH BinaryFILE at all? Asked once, before the first event is handed out.
//!
//! BinaryFILE has no magic, so the first records themselves are the evidence: a length that fits its
//! type byte.
//! One record that fits by chance: 23 pairs among 2^24.
//! Records of unknown types are allowed among them, because venues add types; what is refused is a
//! file whose first records are mostly none of ours.

use crate::container::{Stream, StreamEnd};
use crate::error::{Damage, Fault, RecordingError};
use crate::itch::FORMAT;
use tickspin_wire::binaryfile::{PREFIX_BYTES, Records};
use tickspin_wire::{Rule, itch50};

/// Records looked at. A day begins with some 20,000 of known types, so few are enough.
const RECORDS: usize = 64;
/// Bytes looked at: room for that many of the longest message.
const EVIDENCE_BYTES: usize = RECORDS * (PREFIX_BYTES + itch50::MESSAGE_BYTES_MAX);

/// Refuses a stream that stands at its start and holds no record, or something else than ITCH.
pub(crate) fn refuse(stream: &mut Stream) -> Result<(), RecordingError> {
    stream.fill(EVIDENCE_BYTES);
    let path = stream.path().to_owned();
    let refused = |fault| Err(RecordingError::new(&path, fault));
    let container = stream.container();
    if stream.window().is_empty() {
        let damage = Damage { container, record: 0, partial: 0, offset: 0 };
        return match stream.take_end() {
            StreamEnd::Failed(source) => {
                Err(RecordingError::io(&path, "reading its first bytes", source))
            }
            StreamEnd::Corrupt(rule) => refused(Fault::Corrupt { damage, rule }),
            StreamEnd::Cut => refused(Fault::Cut(damage)),
            StreamEnd::Clean => refused(Fault::Empty { container }),
        };
    }
    match stream.window() {
        [0, 0] => refused(Fault::Empty { container }),
        bytes => match first_broken_rule(bytes) {
            Some(rule) => refused(Fault::Foreign { expected: FORMAT, rule: named(rule, bytes) }),
            None => Ok(()),
        },
    }
}

/// What speaks against the bytes, if it outweighs what speaks for them.
fn first_broken_rule(bytes: &[u8]) -> Option<String> {
    let (mut known, mut strange) = (0, 0);
    let mut rule = None;
    let mut object = |index: usize, text: String| {
        rule.get_or_insert(format!("record {index} {text}"));
    };
    let mut records = Records::new(bytes);
    for index in 0..RECORDS {
        match records.next() {
            Some(Ok(record)) => match itch50::check(record) {
                Ok(_) => known += 1,
                Err(error) => {
                    strange += 1;
                    object(index, described(record.len(), error.rule));
                }
            },
            // The last bytes at hand, or of the file: it speaks for itself what is there of it.
            Some(Err(_)) => {
                let start = records.framing().position() as usize;
                if let Some(text) = partial(&bytes[start..]) {
                    strange += 1;
                    object(index, text);
                }
                break;
            }
            None if index == 0 => {
                strange += 1;
                object(0, "has length 0 and is not the file's end".into());
                break;
            }
            None => break,
        }
    }
    if strange > known { rule } else { None }
}

/// What speaks against a whole record.
fn described(len: usize, rule: Rule) -> String {
    match rule {
        Rule::UnknownType { found } => {
            format!("has length {len} and type '{}', which is no message", found.escape_ascii())
        }
        Rule::Length { kind, expected, .. } => {
            format!("has length {len}, a message of type '{}' has {expected}", kind.escape_ascii())
        }
        other => other.to_string(),
    }
}

/// What speaks against a record of which only the beginning is there.
fn partial(bytes: &[u8]) -> Option<String> {
    let (len, kind) = match *bytes {
        [high, low, kind, ..] => (usize::from(u16::from_be_bytes([high, low])), kind),
        [high, low] => {
            let len = usize::from(u16::from_be_bytes([high, low]));
            let known = itch50::LENGTHS.iter().any(|&known| usize::from(known) == len);
            return (!known).then(|| format!("has length {len}, which no message has"));
        }
        // Every length we know is below 256.
        [high] => {
            let text = "has a length above 255, which no message has";
            return (high != 0).then(|| text.into());
        }
        [] => return None,
    };
    let rule = match itch50::length_of(kind) {
        None => Rule::UnknownType { found: kind },
        Some(expected) if expected == len => return None,
        Some(expected) => Rule::Length { kind, found: len as u32, expected: expected as u32 },
    };
    Some(described(len, rule))
}

/// `rule`, and what the file seems to be instead.
fn named(rule: String, bytes: &[u8]) -> String {
    const KNOWN: [(&[u8], &str); 12] = [
        (&[0x28, 0xB5, 0x2F, 0xFD], "zstd"),
        (&[0xFD, b'7', b'z', b'X', b'Z'], "xz"),
        (b"BZh", "bzip2"),
        (b"PK\x03\x04", "a zip archive"),
        (&[0x1F, 0x8B], "gzip within gzip"),
        (&[0xD4, 0xC3, 0xB2, 0xA1], "a pcap capture"),
        (&[0xA1, 0xB2, 0xC3, 0xD4], "a pcap capture"),
        (&[0x4D, 0x3C, 0xB2, 0xA1], "a pcap capture"),
        (&[0xA1, 0xB2, 0x3C, 0x4D], "a pcap capture"),
        (&[0x0A, 0x0D, 0x0D, 0x0A], "a pcapng capture"),
        (b"DBN", "Databento DBN"),
        (b"\x7FELF", "a program"),
    ];
    match KNOWN.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        Some((_, what)) => format!("{rule}; it looks like {what}"),
        None => rule,
    }
}

const _: () = assert!(EVIDENCE_BYTES <= crate::container::BUFFER_BYTES);
