//! Lines out of a [`Stream`], of bounded length.
//!
//! A line is copied once, because it may be longer than what the stream holds.

use crate::container::{Stream, StreamEnd};
use crate::error::{Damage, Fault, RecordingError};

/// What came next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A line with its end.
    Whole,
    /// The last one, without: whole only if it makes sense as it is.
    Unterminated,
    /// There is no more.
    End,
    /// Longer than allowed: what follows cannot be known.
    TooLong,
}

#[derive(Debug)]
pub(crate) struct Lines {
    line: Vec<u8>,
    bytes_max: usize,
    /// Lines handed out.
    count: u64,
}

impl Lines {
    pub(crate) fn new(bytes_max: usize) -> Lines {
        Lines { line: Vec::new(), bytes_max, count: 0 }
    }

    /// Steps to the next line.
    pub(crate) fn next(&mut self, stream: &mut Stream) -> Next {
        self.line.clear();
        loop {
            if !stream.fill(1) {
                return match self.line.is_empty() {
                    true => Next::End,
                    false => {
                        self.count += 1;
                        Next::Unterminated
                    }
                };
            }
            let window = stream.window();
            let end = window.iter().position(|&byte| byte == b'\n');
            let piece = &window[..end.unwrap_or(window.len())];
            if self.line.len() + piece.len() > self.bytes_max {
                return Next::TooLong;
            }
            self.line.extend_from_slice(piece);
            let taken = piece.len() + usize::from(end.is_some());
            stream.take(taken);
            if end.is_some() {
                if self.line.last() == Some(&b'\r') {
                    self.line.pop();
                }
                self.count += 1;
                return Next::Whole;
            }
        }
    }

    /// The line, without its end.
    pub(crate) fn line(&self) -> &[u8] {
        &self.line
    }

    /// Number of the line, from 1; 0 before the first.
    pub(crate) fn number(&self) -> u64 {
        self.count
    }

    pub(crate) fn restart(&mut self) {
        self.line.clear();
        self.count = 0;
    }

    /// The error that ends a recording of lines, if it did not end well: `partial` are the bytes of
    /// a line that is not whole, `rule` is given where a rule of the format was broken.
    #[cold]
    pub(crate) fn ended(
        &self,
        stream: &mut Stream,
        partial: usize,
        rule: Option<String>,
    ) -> Option<RecordingError> {
        let damage = Damage {
            container: stream.container(),
            record: self.count - u64::from(partial > 0 && rule.is_none()),
            partial: partial as u64,
            offset: if rule.is_some() { stream.position() } else { stream.read_bytes() },
        };
        let fault = match (stream.take_end(), rule) {
            (_, Some(rule)) => Fault::Corrupt { damage, rule },
            (StreamEnd::Clean, None) if partial == 0 => return None,
            (StreamEnd::Clean | StreamEnd::Cut, None) => Fault::Cut(damage),
            (StreamEnd::Corrupt(rule), None) => Fault::Corrupt { damage, rule },
            (StreamEnd::Failed(source), None) => {
                return Some(RecordingError::io(stream.path(), "reading it", source));
            }
        };
        Some(RecordingError::new(stream.path(), fault))
    }
}

/// A decimal number as an integer of 10^-`decimals`; digits beyond must be zeros. No sign, no
/// exponent; `None` for anything else, and where it does not fit.
pub(crate) fn fixed(text: &[u8], decimals: u32) -> Option<u64> {
    let point = text.iter().position(|&byte| byte == b'.');
    let (whole, fraction) = match point {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &[][..]),
    };
    if whole.is_empty() || (point.is_some() && fraction.is_empty()) {
        return None;
    }
    let mut value = 0_u64;
    let mut push = |byte: u8| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value = value.checked_mul(10)?.checked_add(digit)?;
        Some(())
    };
    whole.iter().try_for_each(|&byte| push(byte))?;
    let kept = fraction.len().min(decimals as usize);
    fraction[..kept].iter().try_for_each(|&byte| push(byte))?;
    (kept..decimals as usize).try_for_each(|_| push(b'0'))?;
    fraction[kept..].iter().all(|&byte| byte == b'0').then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_or_nothing() {
        let cases: [(&str, u32, Option<u64>); 14] = [
            ("2683.80000000", 9, Some(2_683_800_000_000)),
            ("0.00000000", 8, Some(0)),
            ("34200.00426064", 9, Some(34_200_004_260_640)),
            ("34200", 9, Some(34_200_000_000_000)),
            ("1.0000000000", 9, Some(1_000_000_000)),
            ("1.0000000001", 9, None),
            ("", 9, None),
            (".5", 9, None),
            ("5.", 9, None),
            ("-1", 9, None),
            ("1e5", 9, None),
            ("1.2.3", 9, None),
            ("18446744073709551615", 0, Some(u64::MAX)),
            ("18446744073709551616", 0, None),
        ];
        for (text, decimals, expected) in cases {
            assert_eq!(fixed(text.as_bytes(), decimals), expected, "{text}");
        }
    }
}
