//! How a table of fields becomes a struct with decode and encode.
//!
//! [`message!`] takes the table as the specification prints it, offsets included, and refuses to
//! compile where fields overlap, leave a hole, or do not end at the message's length.

use crate::itch50::Alpha;

/// A field of fixed size at a fixed place, little-endian.
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
                <$int>::from_le_bytes(array)
            }

            #[inline(always)]
            fn put(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_le_bytes());
            }
        }
    )+};
}

integer_fields!(u8, u32, i64, u64);

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

/// One message: its type byte, its length, and its fields as `offset name: type`. The time stands at
/// the same place in all of them and is not in the table.
///
/// The slices that decode and encode take are in range by the `const` assertions, so the bounds
/// checks fold away and no path panics.
macro_rules! message {
    (
        $(#[$doc:meta])*
        $name:ident = $kind:literal, $length:literal {
            $(#[$first_doc:meta])* 1 $first:ident: u8,
            $($(#[$field_doc:meta])* $at:literal $field:ident: $ty:ty,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name {
            $(#[$first_doc])* pub $first: u8,
            /// When it happened, ns since the Unix epoch, UTC.
            pub timestamp_ns: i64,
            $($(#[$field_doc])* pub $field: $ty,)*
        }

        const _: () = {
            // Type byte, the byte behind it, the time.
            #[allow(unused_mut, reason = "a system event ends here")]
            let mut end = 10;
            $(
                assert!($at == end, concat!(stringify!($field), " does not follow its neighbour"));
                end += <$ty as $crate::iex::layout::Field>::SIZE;
            )*
            assert!(end == $length, "the fields do not end at the message's length");
        };

        impl $name {
            /// The type byte.
            pub const TYPE: u8 = $kind;
            /// Bytes, the type byte counted; a longer message has more behind the fields known here.
            pub const LENGTH: usize = $length;

            /// The fields. The type byte is the caller's to have looked at.
            #[inline]
            #[must_use]
            pub fn decode(bytes: &[u8; $length]) -> $name {
                use $crate::iex::layout::Field;
                $name {
                    $first: bytes[1],
                    timestamp_ns: i64::get(&bytes[2..10]),
                    $($field: <$ty>::get(&bytes[$at..$at + <$ty>::SIZE]),)*
                }
            }

            /// The message as it goes on the wire.
            #[inline]
            pub fn encode(&self, out: &mut [u8; $length]) {
                use $crate::iex::layout::Field;
                (out[0], out[1]) = ($kind, self.$first);
                self.timestamp_ns.put(&mut out[2..10]);
                $(self.$field.put(&mut out[$at..$at + <$ty>::SIZE]);)*
            }
        }
    };
}
