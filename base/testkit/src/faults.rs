//! Page faults of one thread of any process, read from outside.

use std::io;

/// Page faults of a thread since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Without disk.
    pub minor: u64,
    /// With disk.
    pub major: u64,
}

impl Faults {
    /// Reads `/proc/<pid>/task/<tid>/stat`. The thread itself is not disturbed.
    ///
    /// # Errors
    /// The thread is gone, or is not ours to see.
    pub fn of(pid: u32, tid: u32) -> io::Result<Faults> {
        let path = format!("/proc/{pid}/task/{tid}/stat");
        let stat = std::fs::read_to_string(&path)?;
        // Fields count from 3 behind the name's closing parenthesis: 10 is minor, 12 major.
        let field = |number: usize| {
            stat.rsplit_once(')')?.1.split_whitespace().nth(number - 3)?.parse().ok()
        };
        match (field(10), field(12)) {
            (Some(minor), Some(major)) => Ok(Faults { minor, major }),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, path)),
        }
    }

    /// Of the calling thread.
    ///
    /// # Errors
    /// `/proc` is not there.
    pub fn of_this_thread() -> io::Result<Faults> {
        Faults::of(std::process::id(), crate::process::thread_id())
    }

    /// What was added since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: Faults) -> Faults {
        Faults { minor: self.minor - earlier.minor, major: self.major - earlier.major }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_fault_is_seen_and_a_second_touch_makes_none() {
        let mut page = vec![0u8; 64 * 4096].into_boxed_slice();
        let before = Faults::of_this_thread().unwrap();
        // Reading /proc may fault by itself: compare 64 planted pages with that.
        page.iter_mut().step_by(4096).for_each(|byte| *byte = std::hint::black_box(1));
        let first = Faults::of_this_thread().unwrap();
        page.iter_mut().step_by(4096).for_each(|byte| *byte = std::hint::black_box(2));
        let second = Faults::of_this_thread().unwrap();
        assert!(first.since(before).minor >= 32, "{before:?} {first:?}");
        assert!(second.since(first).minor < 32, "{first:?} {second:?}");
    }
}
