//! Nasdaq BinaryFILE: the framing of recorded ITCH days, without I/O.
//!
//! ```text
//! ├─ u16 BE length ─┼─ length bytes ─┼─ u16 BE length ─┼─ length bytes ─┼─ … ─┼─ 00 00 ─┤
//!    not counting itself                                                        end marker
//! ```
//!
//! The prefix is authoritative: a message of unknown type is stepped over by it.
//! The end marker is optional (the official day files end without one); what follows it is never
//! parsed.
//! A file that ends inside a record is cut, and [`Framing::finish`] says where.
//!
//! [`Framing`] is handed whatever bytes there are and says whether they hold a whole record, so a
//! reader with a buffer of [`RECORD_BYTES_MAX`] bytes gets through a file of any size.
//! [`Records`] walks a slice that holds the whole file.

use crate::error::{DecodeError, Rule, clipped};

/// Length prefix, bytes.
pub const PREFIX_BYTES: usize = 2;
/// The longest record with its prefix, bytes: a buffer of this size always holds one whole record.
pub const RECORD_BYTES_MAX: usize = PREFIX_BYTES + u16::MAX as usize;

/// What the bytes at hand hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// One whole record, without its prefix: 1..=65,535 bytes.
    /// It took [`PREFIX_BYTES`] + its length from the input.
    Record(&'a [u8]),
    /// Not a whole record: at least so many bytes, counted from the start of the input, are needed.
    Partial {
        /// [`PREFIX_BYTES`] where not even the prefix is whole.
        needed: usize,
    },
    /// The end marker was seen, now or earlier.
    End,
}

/// Where a reader stands in a BinaryFILE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Framing {
    position: u64,
    records: u64,
    ended: bool,
}

impl Framing {
    /// Before the first byte of a file.
    #[must_use]
    pub const fn new() -> Framing {
        Framing { position: 0, records: 0, ended: false }
    }

    /// Looks at `input`, whose first byte is the file's byte [`position`](Framing::position).
    ///
    /// On [`Step::Record`] the caller drops the record and its prefix from its input before it asks
    /// again; on [`Step::Partial`] it reads more and asks with the same bytes in front.
    #[inline]
    pub fn step<'a>(&mut self, input: &'a [u8]) -> Step<'a> {
        if self.ended {
            return Step::End;
        }
        let Some((prefix, rest)) = input.split_first_chunk::<PREFIX_BYTES>() else {
            return Step::Partial { needed: PREFIX_BYTES };
        };
        let len = u16::from_be_bytes(*prefix) as usize;
        if len == 0 {
            self.ended = true;
            self.position += PREFIX_BYTES as u64;
            return Step::End;
        }
        let Some(record) = rest.get(..len) else {
            return Step::Partial { needed: PREFIX_BYTES + len };
        };
        self.position += (PREFIX_BYTES + len) as u64;
        self.records += 1;
        Step::Record(record)
    }

    /// The file ends here and `left` are its last bytes that [`step`](Framing::step) did not take.
    ///
    /// # Errors
    /// [`Rule::Cut`] with the offset of the record that the file breaks off in. No bytes left, or
    /// bytes behind the end marker, are a whole file.
    pub fn finish(&self, left: &[u8]) -> Result<(), DecodeError> {
        if self.ended || left.is_empty() {
            return Ok(());
        }
        let needed = match left.first_chunk::<PREFIX_BYTES>() {
            Some(prefix) => PREFIX_BYTES + u16::from_be_bytes(*prefix) as usize,
            None => PREFIX_BYTES,
        };
        let rule = Rule::Cut { needed: clipped(needed), left: clipped(left.len()) };
        Err(DecodeError { offset: self.position, rule })
    }

    /// Bytes of the file taken so far: where the next record begins.
    #[inline]
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Whole records handed out; equally the number, from 0, of the next one.
    #[inline]
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// The end marker was seen.
    #[inline]
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        self.ended
    }
}

/// The records of a file that lies in memory as a whole. A cut is the last item.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    left: &'a [u8],
    framing: Framing,
}

impl<'a> Records<'a> {
    /// From the first byte of the file.
    #[must_use]
    pub const fn new(file: &'a [u8]) -> Records<'a> {
        Records { left: file, framing: Framing::new() }
    }

    /// Where the reader stands.
    #[must_use]
    pub const fn framing(&self) -> &Framing {
        &self.framing
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<&'a [u8], DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self.framing.step(self.left) {
            Step::Record(record) => {
                self.left = &self.left[PREFIX_BYTES + record.len()..];
                Some(Ok(record))
            }
            Step::End => None,
            Step::Partial { .. } => {
                let fault = self.framing.finish(self.left).err()?;
                self.left = &[];
                Some(Err(fault))
            }
        }
    }
}

/// Writes one record with its prefix to the front of `out`; returns the bytes written.
///
/// `None` when it does not fit, or the length is 0 (that is the end marker) or above 65,535.
#[must_use]
pub fn write_record(record: &[u8], out: &mut [u8]) -> Option<usize> {
    let len = u16::try_from(record.len()).ok().filter(|&len| len > 0)?;
    let out = out.get_mut(..PREFIX_BYTES + record.len())?;
    out[..PREFIX_BYTES].copy_from_slice(&len.to_be_bytes());
    out[PREFIX_BYTES..].copy_from_slice(record);
    Some(out.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const FILE: [u8; 9] = [0, 2, 7, 8, 0, 3, 1, 2, 3];

    #[test]
    fn ends_cleanly_at_a_record_boundary_without_a_marker() {
        let records: Vec<_> = Records::new(&FILE).collect();
        assert_eq!(records, [Ok(&[7, 8][..]), Ok(&[1, 2, 3][..])]);
        assert_eq!(Records::new(&[]).next(), None);
    }

    #[test]
    fn what_follows_the_end_marker_is_not_parsed() {
        let file = [0, 1, 9, 0, 0, 0, 200, 1];
        let mut records = Records::new(&file);
        assert_eq!(records.next(), Some(Ok(&[9][..])));
        assert_eq!(records.next(), None);
        assert_eq!(records.next(), None);
        assert!(records.framing().is_ended());
        assert_eq!((records.framing().position(), records.framing().records()), (5, 1));
    }

    #[test]
    fn every_cut_names_the_record_it_lies_in() {
        for len in 0..FILE.len() {
            let mut whole = 0;
            let mut fault = None;
            for record in Records::new(&FILE[..len]) {
                match record {
                    Ok(_) => whole += 1,
                    Err(error) => fault = Some(error),
                }
            }
            let start = if len < 4 { 0 } else { 4 };
            assert_eq!(whole, usize::from(len >= 4), "cut after {len} bytes");
            match fault {
                None => assert!(len == 0 || len == 4, "cut after {len} bytes went unnoticed"),
                Some(error) => {
                    assert_eq!(error.offset, start);
                    let Rule::Cut { left, needed } = error.rule else { panic!("{error}") };
                    assert_eq!(u64::from(left), len as u64 - start);
                    assert!(needed > left);
                }
            }
        }
    }

    #[test]
    fn a_reader_that_gets_one_byte_at_a_time_sees_the_same_records() {
        let mut framing = Framing::new();
        let (mut start, mut seen) = (0, Vec::new());
        for end in 0..=FILE.len() {
            while let Step::Record(record) = framing.step(&FILE[start..end]) {
                start += PREFIX_BYTES + record.len();
                seen.push(record);
            }
        }
        assert_eq!(seen, [&[7, 8][..], &[1, 2, 3][..]]);
        assert_eq!(framing.position(), FILE.len() as u64);
        assert_eq!(framing.finish(&FILE[start..]), Ok(()));
    }

    #[test]
    fn writes_what_it_reads_and_refuses_what_it_cannot_frame() {
        let mut out = [0; 5];
        assert_eq!(write_record(&[1, 2, 3], &mut out), Some(5));
        assert_eq!(Records::new(&out).next(), Some(Ok(&[1, 2, 3][..])));
        assert_eq!(write_record(&[], &mut out), None);
        assert_eq!(write_record(&[1, 2, 3, 4], &mut out), None);
    }
}
