//! [`Cursor`]: checked reads of big- and little-endian fields from a byte slice, front to back.
//!
//! For headers and framing, where each length decides what comes next.
//! Every read checks the bounds and costs a compare and a branch, so it is the wrong choice for a
//! message whose length is known: there, one length check on an array serves all fields (see
//! [`itch50`](crate::itch50)).

use crate::error::{DecodeError, Rule, clipped};

/// A position in a byte slice that only moves forward. A failed read leaves it where it was.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    /// 0..=bytes.len().
    at: usize,
}

macro_rules! reads {
    ($($be:ident $le:ident $int:ty),+ $(,)?) => {$(
        #[doc = concat!("The next big-endian `", stringify!($int), "`.")]
        ///
        /// # Errors
        /// [`Rule::Cut`] when fewer bytes are left.
        #[inline]
        pub fn $be(&mut self) -> Result<$int, DecodeError> {
            Ok(<$int>::from_be_bytes(self.array()?))
        }

        #[doc = concat!("The next little-endian `", stringify!($int), "`.")]
        ///
        /// # Errors
        /// [`Rule::Cut`] when fewer bytes are left.
        #[inline]
        pub fn $le(&mut self) -> Result<$int, DecodeError> {
            Ok(<$int>::from_le_bytes(self.array()?))
        }
    )+};
}

impl<'a> Cursor<'a> {
    /// At the first byte.
    #[inline]
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { bytes, at: 0 }
    }

    /// Bytes read so far.
    #[inline]
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.at
    }

    /// What has not been read.
    #[inline]
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`Rule::Cut`] when fewer are left.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        match self.rest().first_chunk::<N>() {
            Some(chunk) => {
                self.at += N;
                Ok(*chunk)
            }
            None => Err(self.cut(N)),
        }
    }

    /// The next `count` bytes, borrowed.
    ///
    /// # Errors
    /// [`Rule::Cut`] when fewer are left.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        match self.rest().get(..count) {
            Some(taken) => {
                self.at += count;
                Ok(taken)
            }
            None => Err(self.cut(count)),
        }
    }

    /// The next byte.
    ///
    /// # Errors
    /// [`Rule::Cut`] at the end.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.array::<1>()?[0])
    }

    reads! {
        be_u16 le_u16 u16,
        be_u32 le_u32 u32,
        be_u64 le_u64 u64,
        be_i64 le_i64 i64,
    }

    #[cold]
    #[inline(never)]
    fn cut(&self, needed: usize) -> DecodeError {
        DecodeError {
            offset: self.at as u64,
            rule: Rule::Cut { needed: clipped(needed), left: clipped(self.bytes.len() - self.at) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_byte_orders_and_moves_on() {
        let mut cursor = Cursor::new(&[1, 2, 1, 2, 0, 0, 0, 9, 9, 0, 0, 0, 7]);
        assert_eq!(cursor.be_u16(), Ok(0x0102));
        assert_eq!(cursor.le_u16(), Ok(0x0201));
        assert_eq!(cursor.be_u32(), Ok(9));
        assert_eq!(cursor.le_u32(), Ok(9));
        assert_eq!(cursor.u8(), Ok(7));
        assert_eq!((cursor.offset(), cursor.rest()), (13, &[][..]));
    }

    #[test]
    fn a_failed_read_names_the_place_and_stays_there() {
        let mut cursor = Cursor::new(&[1, 2, 3, 4, 5]);
        cursor.be_u16().unwrap();
        let expected = DecodeError { offset: 2, rule: Rule::Cut { needed: 4, left: 3 } };
        assert_eq!(cursor.be_u32(), Err(expected));
        assert_eq!(cursor.take(4), Err(expected));
        assert_eq!(cursor.take(3), Ok(&[3, 4, 5][..]));
        assert!(cursor.be_i64().is_err());
    }
}
