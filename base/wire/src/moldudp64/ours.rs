//! Names of our own feed's sessions: four digits of the run's random number, then a count, so that a
//! packet of another run, or of a session that is over, is known by its name.

use super::Session;

/// Bytes of the name that are the run's.
const RUN_BYTES: usize = 4;
/// How many sessions have a number.
const COUNT_MAX: u32 = 999_999;

impl Session {
    /// Session `count`, from 1, of the run with this epoch: `3fa9000001`. Beyond 999,999 sessions the
    /// last number stays.
    #[must_use]
    pub fn of_run(epoch: u64, count: u32) -> Session {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut name = [b'0'; 10];
        let (run, digits) = name.split_at_mut(RUN_BYTES);
        for (at, place) in run.iter_mut().enumerate() {
            *place = DIGITS[(epoch >> (4 * at) & 0xF) as usize];
        }
        let mut left = count.min(COUNT_MAX);
        for place in digits.iter_mut().rev() {
            *place = b'0' + (left % 10) as u8;
            left /= 10;
        }
        Session(name)
    }

    /// Which session of the run with this epoch it is; `None`: none of it.
    #[must_use]
    pub fn count_in_run(self, epoch: u64) -> Option<u32> {
        let digits = self.0.get(RUN_BYTES..)?;
        let digit = |count: Option<u32>, byte: &u8| {
            byte.is_ascii_digit().then(|| Some(count? * 10 + u32::from(byte - b'0')))?
        };
        let count = digits.iter().fold(Some(0), digit)?;
        (Session::of_run(epoch, count) == self).then_some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_run_and_the_count() {
        assert_eq!(Session::of_run(0xFFFF_9AF3, 1), Session(*b"3fa9000001"));
        for count in [1, 12, 999_999] {
            let name = Session::of_run(0x1234, count);
            assert!(name.is_plausible() && !name.is_blank());
            assert_eq!(name.count_in_run(0x1234), Some(count));
            assert_eq!(name.count_in_run(0x1235), None);
        }
        assert_eq!(Session::of_run(7, u32::MAX).count_in_run(7), Some(999_999));
        for other in [*b"700000000a", *b"demo000001", [0; 10], *b"7000 00001"] {
            assert_eq!(Session(other).count_in_run(7), None);
        }
    }
}
