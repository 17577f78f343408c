//! The state word of a ring's producer.

/// What a ring's producer says about itself. Death says nothing: a producer that is gone without
/// [`State::Halt`] or [`State::Fail`] died, and its role's lock is free.
///
/// ```text
///   Boot ──run──► Run ──halt──► Halt    everything that was stamped is valid, no more will come
///     │            └────fail──► Fail    the same, and the producer knows that something is missing
///     └──halt/fail───────────►
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum State {
    /// Created, nothing promised yet.
    Boot = 1,
    /// Publishing.
    Run = 2,
    /// Ended as planned.
    Halt = 3,
    /// Ended because of a failure.
    Fail = 4,
}

impl State {
    /// The word as it stands in the segment.
    #[inline]
    pub const fn to_word(self) -> u64 {
        self as u64
    }

    /// Checked: `None` for a word that no honest producer writes.
    #[inline]
    pub const fn from_word(word: u64) -> Option<Self> {
        match word {
            1 => Some(Self::Boot),
            2 => Some(Self::Run),
            3 => Some(Self::Halt),
            4 => Some(Self::Fail),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn only_the_four_words_are_states() {
        for state in [State::Boot, State::Run, State::Halt, State::Fail] {
            assert_eq!(State::from_word(state.to_word()), Some(state));
        }
        for word in [0, 5, 256, u64::MAX] {
            assert_eq!(State::from_word(word), None);
        }
    }
}
