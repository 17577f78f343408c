//! How a table of fields becomes a struct with decode and encode.
//!
//! [`message!`] takes the table as the specification prints it, offsets included, and refuses to
//! compile where fields overlap, leave a hole, or do not end at the message's length.

use super::HEADER_BYTES;
use core::fmt;

/// What every message begins with, after its type byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The stock's number for this day; 0 where the message is about no single stock.
    pub locate: u16,
    /// Nasdaq's own.
    pub tracking: u16,
    /// Nanoseconds since midnight, US Eastern: below 2^48 (a day has 8.64e13). Encoding keeps the
    /// low 48 bits.
    pub timestamp_ns: u64,
}

impl Header {
    /// The low 48 bits.
    pub const TIMESTAMP_MASK: u64 = (1 << 48) - 1;

    /// Of a whole header. One load gives tracking number and time: they are neighbours.
    #[inline]
    #[must_use]
    pub const fn decode(bytes: &[u8; HEADER_BYTES]) -> Header {
        let [_, l0, l1, t0, t1, n0, n1, n2, n3, n4, n5] = *bytes;
        let word = u64::from_be_bytes([t0, t1, n0, n1, n2, n3, n4, n5]);
        Header {
            locate: u16::from_be_bytes([l0, l1]),
            tracking: (word >> 48) as u16,
            timestamp_ns: word & Self::TIMESTAMP_MASK,
        }
    }

    /// With the type byte in front.
    #[inline]
    #[must_use]
    pub const fn encode(&self, kind: u8) -> [u8; HEADER_BYTES] {
        let [l0, l1] = self.locate.to_be_bytes();
        let word = (self.tracking as u64) << 48 | self.timestamp_ns & Self::TIMESTAMP_MASK;
        let [t0, t1, n0, n1, n2, n3, n4, n5] = word.to_be_bytes();
        [kind, l0, l1, t0, t1, n0, n1, n2, n3, n4, n5]
    }
}

/// Text of fixed length as it stands: left-justified, padded with spaces.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Alpha<const N: usize>(pub [u8; N]);

impl<const N: usize> Alpha<N> {
    /// `text` padded with spaces; `None` when it is longer than `N` bytes.
    #[must_use]
    pub fn padded(text: &[u8]) -> Option<Alpha<N>> {
        let mut bytes = [b' '; N];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Alpha(bytes))
    }

    /// Without the padding.
    #[must_use]
    pub fn trimmed(&self) -> &[u8] {
        self.0.trim_ascii_end()
    }
}

impl<const N: usize> fmt::Debug for Alpha<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// A field of fixed size at a fixed place.
pub(super) trait Field: Sized + Copy {
    /// Bytes on the wire.
    const SIZE: usize;
    /// From exactly `SIZE` bytes.
    fn get(bytes: &[u8]) -> Self;
    /// To exactly `SIZE` bytes.
    fn put(self, bytes: &mut [u8]);
}

macro_rules! integer_fields {
    ($($int:ty),+) => {$(
        impl Field for $int {
            const SIZE: usize = size_of::<$int>();

            #[inline(always)]
            fn get(bytes: &[u8]) -> $int {
                let mut array = [0; size_of::<$int>()];
                array.copy_from_slice(bytes);
                <$int>::from_be_bytes(array)
            }

            #[inline(always)]
            fn put(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_be_bytes());
            }
        }
    )+};
}

integer_fields!(u8, u32, u64);

impl<const N: usize> Field for Alpha<N> {
    const SIZE: usize = N;

    #[inline(always)]
    fn get(bytes: &[u8]) -> Alpha<N> {
        let mut array = [0; N];
        array.copy_from_slice(bytes);
        Alpha(array)
    }

    #[inline(always)]
    fn put(self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0);
    }
}

/// One message: its type byte, its total length, and its fields as `offset name: type`.
///
/// The slices that decode and encode take are in range by the `const` assertions, so the bounds
/// checks fold away and no path panics.
macro_rules! message {
    (
        $(#[$doc:meta])*
        $name:ident = $kind:literal, $length:literal {
            $($(#[$field_doc:meta])* $at:literal $field:ident: $ty:ty,)+
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name {
            /// Locate, tracking number, time.
            pub header: $crate::itch50::Header,
            $($(#[$field_doc])* pub $field: $ty,)+
        }

        const _: () = {
            let mut end = $crate::itch50::HEADER_BYTES;
            $(
                assert!($at == end, concat!(stringify!($field), " does not follow its neighbour"));
                end += <$ty as $crate::itch50::layout::Field>::SIZE;
            )+
            assert!(end == $length, "the fields do not end at the message's length");
        };

        impl $name {
            /// The type byte.
            pub const TYPE: u8 = $kind;
            /// Total length, bytes, the type byte counted.
            pub const LENGTH: usize = $length;

            /// The fields. The type byte is the caller's to have looked at.
            #[inline]
            #[must_use]
            pub fn decode(bytes: &[u8; $length]) -> $name {
                use $crate::itch50::layout::Field;
                let (header, _) = bytes.split_first_chunk().expect("a message has a header");
                $name {
                    header: $crate::itch50::Header::decode(header),
                    $($field: <$ty>::get(&bytes[$at..$at + <$ty>::SIZE]),)+
                }
            }

            /// The message as it goes on the wire.
            #[inline]
            pub fn encode(&self, out: &mut [u8; $length]) {
                use $crate::itch50::layout::Field;
                out[..$crate::itch50::HEADER_BYTES].copy_from_slice(&self.header.encode($kind));
                $(self.$field.put(&mut out[$at..$at + <$ty>::SIZE]);)+
            }

            /// The fields of `bytes`, which the caller knows to be of this type.
            ///
            /// # Errors
            /// [`Rule::Length`](crate::error::Rule::Length).
            #[inline]
            pub fn from_slice(bytes: &[u8]) -> Result<$name, $crate::error::DecodeError> {
                match bytes.try_into() {
                    Ok(exact) => Ok($name::decode(exact)),
                    Err(_) => Err($crate::itch50::wrong_length($kind, bytes.len(), $length)),
                }
            }
        }
    };
}
