//! Exit codes, the same for every program of ours. Scripts rely on them.

/// Success; also when the reader of standard output has gone away.
pub const OK: u8 = 0;
/// Missing, empty, cut or foreign file; dead peer; events unaccounted for.
pub const FAILURE: u8 = 1;
/// Wrong flag, unknown key, value out of range.
pub const USAGE: u8 = 2;
/// A check, a target or a comparison failed.
pub const CHECK: u8 = 3;
/// The machine or a permission stands in the way.
pub const ENVIRONMENT: u8 = 4;
/// Ended by SIGINT.
pub const SIGINT: u8 = 130;
/// Ended by SIGTERM.
pub const SIGTERM: u8 = 143;

/// The code of a program that a signal ended, as shells count: 128 and the signal's number.
/// What is no signal is a failure.
#[must_use]
pub fn of_signal(signal: i32) -> u8 {
    match u8::try_from(signal) {
        Ok(signal @ 1..=127) => 128 + signal,
        _ => FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_the_codes_of_the_shell() {
        assert_eq!((of_signal(2), of_signal(15)), (SIGINT, SIGTERM));
        assert_eq!([-1, 0, 128, 1_000].map(of_signal), [FAILURE; 4]);
    }
}
