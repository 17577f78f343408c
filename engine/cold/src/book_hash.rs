//! The hash of the final books: SHA-256 over canonical lines, so that two programs that share no
//! line of code can agree on what the market looked like at the end.
//!
//! One line for each instrument with at least one open level, by instrument number; bids from the
//! highest price down, then asks from the lowest up:
//!
//! ```text
//! <instrument>|<px>:<qty>:<count>;<px>:<qty>:<count>…|<px>:<qty>:<count>…\n
//! ```
//!
//! All numbers are decimal integers without leading zeros: the price in units of 1e-9 of the quote
//! currency, the level's total displayed quantity, the number of orders on it. A `;` stands between
//! two levels of a side; an empty side is nothing between its bars. No line, no bytes: the hash of
//! empty books is that of the empty string, `e3b0c442…b855`.

use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// One price level of a final book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashedLevel {
    /// 1e-9 of the quote currency.
    pub px: i64,
    /// Displayed quantity of all its orders.
    pub qty: u64,
    /// Number of its orders.
    pub count: u64,
}

/// Takes books in instrument order and gives their hash.
#[derive(Default)]
pub struct BookHash {
    hasher: Sha256,
    line: String,
    instruments: u64,
}

impl BookHash {
    /// Adds one instrument: bids descending, asks ascending. Without any level it adds nothing.
    pub fn instrument(
        &mut self,
        instrument: u16,
        bids: impl IntoIterator<Item = HashedLevel>,
        asks: impl IntoIterator<Item = HashedLevel>,
    ) {
        self.line.clear();
        let _ = write!(self.line, "{instrument}|");
        let any_bid = levels(&mut self.line, bids);
        self.line.push('|');
        let any_ask = levels(&mut self.line, asks);
        self.line.push('\n');
        if any_bid || any_ask {
            self.instruments += 1;
            self.hasher.update(self.line.as_bytes());
        }
    }

    /// How many instruments had a level.
    #[must_use]
    pub fn instruments(&self) -> u64 {
        self.instruments
    }

    /// The hash, 64 hexadecimal digits.
    #[must_use]
    pub fn finish(self) -> String {
        hex(&self.hasher.finalize())
    }
}

fn levels(line: &mut String, levels: impl IntoIterator<Item = HashedLevel>) -> bool {
    let before = line.len();
    for HashedLevel { px, qty, count } in levels {
        let separator = if line.len() > before { ";" } else { "" };
        let _ = write!(line, "{separator}{px}:{qty}:{count}");
    }
    line.len() > before
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(px: i64, qty: u64, count: u64) -> HashedLevel {
        HashedLevel { px, qty, count }
    }

    #[test]
    fn empty_books_have_the_hash_of_nothing() {
        let mut books = BookHash::default();
        books.instrument(7, [], []);
        assert_eq!(books.instruments(), 0);
        assert_eq!(
            books.finish(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn the_lines_are_the_documented_ones() {
        let mut books = BookHash::default();
        books.instrument(1, [level(101, 5, 1), level(100, 70, 2)], [level(103, 9, 3)]);
        books.instrument(40, [], [level(-5, 1, 1)]);
        assert_eq!(books.instruments(), 2);
        let lines = "1|101:5:1;100:70:2|103:9:3\n40||-5:1:1\n";
        assert_eq!(books.finish(), hex(&Sha256::digest(lines)));
    }
}
