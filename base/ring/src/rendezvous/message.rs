//! The one message of the meeting place: fixed size, every field checked. Pure, no system call.

use bytemuck::{Pod, Zeroable};

use crate::{
    error::MeetError,
    header::{SegmentKind, is_label},
    layout::{ABI_MAJOR, ABI_MINOR, LAYOUT_HASH, SEGMENT_LABEL_BYTES},
};

/// Size of every message, bytes.
pub(super) const MESSAGE_BYTES: usize = 1024;
/// Most segments of one message.
pub(super) const SEGMENTS_MAX: usize = 16;
/// Longest build id, bytes.
pub(super) const BUILD_BYTES: usize = 64;

const MAGIC: u64 = u64::from_ne_bytes(*b"tickmeet");
const TEXT_BYTES: usize = 512;

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The engine: here are my segments, give me yours.
    Attach,
    /// An observer: give me everything, to look at.
    Observe,
    /// The feed: here they are.
    Offer,
    /// The feed: no, and why.
    Refuse,
}

impl Purpose {
    fn to_word(self) -> u64 {
        match self {
            Self::Attach => 1,
            Self::Observe => 2,
            Self::Offer => 3,
            Self::Refuse => 4,
        }
    }

    fn from_word(word: u64) -> Option<Self> {
        [Self::Attach, Self::Observe, Self::Offer, Self::Refuse]
            .into_iter()
            .find(|purpose| purpose.to_word() == word)
    }
}

/// One segment of the table; its descriptor stands at the same place of the descriptor list.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Entry {
    kind: u64,
    label: [u8; SEGMENT_LABEL_BYTES],
}

/// ```text
/// 0      8        16         24         32           40     48         112             496        1008  1024
/// │ magic │ purpose │ abi_major │ abi_minor │ layout_hash │ count │ build[64] │ segments[16×24] │ text[512] │ 0 │
/// ```
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Raw {
    magic: u64,
    purpose: u64,
    abi_major: u64,
    abi_minor: u64,
    layout_hash: u64,
    count: u64,
    build: [u8; BUILD_BYTES],
    segments: [Entry; SEGMENTS_MAX],
    text: [u8; TEXT_BYTES],
    zeros: [u64; 2],
}

const _: () = assert!(size_of::<Raw>() == MESSAGE_BYTES);

/// A message, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) purpose: Purpose,
    pub(super) build: String,
    /// Kind and label of each descriptor that comes along.
    pub(super) segments: Vec<(SegmentKind, String)>,
    /// Why not; refusals only.
    pub(super) text: String,
}

impl Message {
    /// # Errors
    /// More segments than fit, or a label or build id that is none.
    pub(super) fn encode(&self) -> Result<[u8; MESSAGE_BYTES], MeetError> {
        let mut raw = Raw::zeroed();
        raw.magic = MAGIC;
        raw.purpose = self.purpose.to_word();
        raw.abi_major = ABI_MAJOR;
        raw.abi_minor = ABI_MINOR;
        raw.layout_hash = LAYOUT_HASH;
        raw.count = self.segments.len() as u64;
        if self.segments.len() > SEGMENTS_MAX {
            return Err(MeetError::TooManySegments(self.segments.len()));
        }
        if self.build.len() > BUILD_BYTES {
            return Err(MeetError::BadBuild(self.build.clone()));
        }
        raw.build[..self.build.len()].copy_from_slice(self.build.as_bytes());
        for (entry, (kind, label)) in raw.segments.iter_mut().zip(&self.segments) {
            if !is_label(label, SEGMENT_LABEL_BYTES) {
                return Err(MeetError::BadName(label.clone()));
            }
            entry.kind = *kind as u64;
            entry.label[..label.len()].copy_from_slice(label.as_bytes());
        }
        // One line; cut at a character.
        let line = self.text.lines().next().unwrap_or_default();
        let cut = line.floor_char_boundary(TEXT_BYTES);
        raw.text[..cut].copy_from_slice(&line.as_bytes()[..cut]);
        Ok(bytemuck::cast(raw))
    }

    /// Checks every byte. `descriptors`: how many came along.
    ///
    /// # Errors
    /// `ForeignMessage` with the rule broken, in words that go back to the sender. A refusal is
    /// read from any version.
    pub(super) fn decode(bytes: &[u8], descriptors: usize) -> Result<Self, MeetError> {
        let foreign = MeetError::ForeignMessage;
        if bytes.len() != MESSAGE_BYTES {
            return Err(foreign("wrong length"));
        }
        let raw: Raw = bytemuck::pod_read_unaligned(bytes);
        if raw.magic != MAGIC {
            return Err(foreign("wrong magic"));
        }
        let purpose = Purpose::from_word(raw.purpose).ok_or(foreign("unknown purpose"))?;
        if raw.zeros != [0; 2] {
            return Err(foreign("bytes that must be 0 are not"));
        }
        let text = text_of(&raw.text).ok_or(foreign("malformed text"))?;
        let build = text_of(&raw.build).ok_or(foreign("malformed build id"))?;
        if purpose != Purpose::Refuse {
            if (raw.abi_major, raw.abi_minor) != (ABI_MAJOR, ABI_MINOR) {
                return Err(foreign("another version of the interface"));
            }
            if raw.layout_hash != LAYOUT_HASH {
                return Err(foreign("another layout of the segments"));
            }
        }
        let segments = segments_of(&raw, descriptors)?;
        Ok(Self { purpose, build, segments, text })
    }
}

fn segments_of(raw: &Raw, descriptors: usize) -> Result<Vec<(SegmentKind, String)>, MeetError> {
    let foreign = MeetError::ForeignMessage;
    if raw.count != descriptors as u64 || descriptors > SEGMENTS_MAX {
        return Err(foreign("another number of descriptors than announced"));
    }
    let (used, unused) = raw.segments.split_at(descriptors);
    if unused.iter().any(|entry| bytemuck::bytes_of(entry).iter().any(|&b| b != 0)) {
        return Err(foreign("bytes that must be 0 are not"));
    }
    let mut segments = Vec::with_capacity(descriptors);
    for entry in used {
        let kind = SegmentKind::from_word(entry.kind).ok_or(foreign("unknown kind of segment"))?;
        let label = text_of(&entry.label)
            .filter(|label| is_label(label, SEGMENT_LABEL_BYTES))
            .ok_or(foreign("malformed label"))?;
        let segment = (kind, label);
        if segments.contains(&segment) {
            return Err(foreign("the same segment twice"));
        }
        segments.push(segment);
    }
    Ok(segments)
}

/// UTF-8 without control characters, followed by zeros only.
fn text_of(bytes: &[u8]) -> Option<String> {
    let length = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    let (text, rest) = bytes.split_at(length);
    let text = core::str::from_utf8(text).ok()?;
    (rest.iter().all(|&b| b == 0) && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Message {
        Message {
            purpose: Purpose::Attach,
            build: "0.1.0+abc".into(),
            segments: vec![
                (SegmentKind::Ring, "requests".into()),
                (SegmentKind::Position, "exactly_sixteen_".into()),
            ],
            text: String::new(),
        }
    }

    #[test]
    fn a_message_comes_back_as_it_was_sent() {
        let bytes = hello().encode().unwrap();
        assert_eq!(Message::decode(&bytes, 2).unwrap(), hello());
    }

    #[test]
    fn every_changed_byte_changes_the_message_or_is_refused() {
        let honest = hello().encode().unwrap();
        for i in 0..MESSAGE_BYTES {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = honest;
                bytes[i] ^= flip;
                if let Ok(other) = Message::decode(&bytes, 2) {
                    assert_ne!(other, hello(), "byte {i} was not looked at");
                }
            }
        }
    }

    #[test]
    fn every_other_length_and_number_of_descriptors_is_refused() {
        let bytes = hello().encode().unwrap();
        for length in 0..MESSAGE_BYTES {
            assert!(Message::decode(&bytes[..length], 2).is_err());
        }
        for descriptors in [0, 1, 3, 16, 17, usize::MAX] {
            assert!(Message::decode(&bytes, descriptors).is_err());
        }
    }

    #[test]
    fn the_same_segment_twice_is_refused() {
        let mut twice = hello();
        twice.segments[1] = twice.segments[0].clone();
        assert!(Message::decode(&twice.encode().unwrap(), 2).is_err());
    }
}
