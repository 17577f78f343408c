//! The two cores of a run or a bench: as the user wrote them, or as the plan chooses them.

use crate::error::Failure;
use tickspin_host::cpu::{self, CorePlan, CpuError};

/// `2,3`: sender and receiver, feed and engine.
pub(super) fn parse(text: &str) -> Result<(usize, usize), String> {
    text.split_once(',')
        .and_then(|(one, other)| Some((one.trim().parse().ok()?, other.trim().parse().ok()?)))
        .ok_or_else(|| "two numbers, the sender's core and the receiver's: 2,3".to_owned())
}

/// The plan for the wished cores, or for the best ones.
///
/// # Errors
/// Exit code 2: a wished core is not to be had; 4: none is, or the machine does not say which are.
pub(super) fn plan(wished: Option<(usize, usize)>) -> Result<CorePlan, Failure> {
    cpu::plan(wished).map_err(|error| match error {
        CpuError::NoSuchCore { .. } | CpuError::NotAllowed { .. } if wished.is_some() => {
            Failure::usage(format_args!("--cores: {error}"))
        }
        _ => Failure::environment(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_numbers_and_nothing_else() {
        assert_eq!(parse("2,3"), Ok((2, 3)));
        assert_eq!(parse(" 2 , 3 "), Ok((2, 3)));
        assert!(["2", "2,", "a,b", "1,2,3", "-1,2"].iter().all(|text| parse(text).is_err()));
    }

    #[test]
    fn a_wished_core_that_is_not_there_is_wrong_use() {
        let failure = plan(Some((0, 99_999))).unwrap_err();
        assert_eq!(failure.exit, crate::error::exit::USAGE, "{failure}");
        assert!(failure.message.contains("99999"), "{failure}");
    }
}
