//! [`DecodeError`]: where bytes broke a rule, and which one.
//!
//! It is `Copy` and holds no text, so the hot path can return it; the text is made by whoever shows
//! it.
//! A caller that only counts looks at [`Rule`]: an unknown type or an unexpected length is a
//! message to step over, everything else means that the bytes themselves cannot be trusted.

use core::fmt;

/// Bytes that are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Bytes from the start of the item (message, file) to where the rule was broken.
    pub offset: u64,
    /// Which rule.
    pub rule: Rule,
}

/// The rule that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A message has at least its type byte.
    Empty,
    /// The type byte is one that this format defines.
    UnknownType {
        /// The byte that stands there.
        found: u8,
    },
    /// A message of this type has exactly this many bytes.
    Length {
        /// The type byte.
        kind: u8,
        /// Bytes there are, the type byte counted.
        found: u32,
        /// Bytes there should be.
        expected: u32,
    },
    /// An item does not reach beyond the end of the bytes.
    Cut {
        /// Bytes the item needs from its own start.
        needed: u32,
        /// Bytes there are from its start.
        left: u32,
    },
}

impl DecodeError {
    /// The same fault, seen from `base` bytes earlier.
    #[must_use]
    pub const fn shifted(self, base: u64) -> DecodeError {
        DecodeError { offset: self.offset.saturating_add(base), rule: self.rule }
    }

    /// True where the framing still tells the message's end, so that a reader steps over it and
    /// counts: venues add types and lengthen messages over the years.
    #[must_use]
    pub const fn is_skippable(&self) -> bool {
        matches!(self.rule, Rule::UnknownType { .. } | Rule::Length { .. } | Rule::Empty)
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.offset, self.rule)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Rule::Empty => write!(f, "a message has at least its type byte, this one has none"),
            Rule::UnknownType { found } => {
                write!(f, "0x{found:02x} ('{}') is not a known message type", found.escape_ascii())
            }
            Rule::Length { kind, found, expected } => write!(
                f,
                "a message of type '{}' has {expected} bytes, this one has {found}",
                kind.escape_ascii()
            ),
            Rule::Cut { needed, left } => {
                write!(f, "the item needs {needed} bytes, {left} are left")
            }
        }
    }
}

impl core::error::Error for DecodeError {}

/// Lengths in errors are `u32`: a slice longer than 4 GiB is shown as `u32::MAX`.
#[must_use]
pub(crate) const fn clipped(len: usize) -> u32 {
    if len > u32::MAX as usize { u32::MAX } else { len as u32 }
}
