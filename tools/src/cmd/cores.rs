//! Cores as the user wrote them: the two of a run or a bench, or a list; else as the plan chooses,
//! or all.

use crate::error::Failure;
use tickspin_host::cpu::{self, CorePlan, CpuError};
use tickspin_host::tree::{list_text, parse_list, shown};

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

/// A list of cores, each once, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct List(pub(super) Vec<usize>);

/// `0,2-5`, as the kernel writes lists.
pub(super) fn list(text: &str) -> Result<List, String> {
    let cores = parse_list(text).filter(|cores| !cores.is_empty());
    let wrong = || format!("{:?} is no list of cores: 0,2-5", shown(text));
    cores.map(List).ok_or_else(wrong)
}

/// The wished cores; all that this process may use where none is wished.
///
/// # Errors
/// Exit code 2: one of them is not to be had; 4: the machine does not say which are.
pub(super) fn chosen(wished: Option<&List>) -> Result<Vec<usize>, Failure> {
    let allowed: Vec<usize> = cpu::cores()
        .map_err(Failure::environment)?
        .into_iter()
        .filter(|core| core.allowed)
        .map(|core| core.id)
        .collect();
    let Some(List(cores)) = wished else { return Ok(allowed) };
    match cores.iter().find(|core| !allowed.contains(core)) {
        Some(core) => Err(Failure::usage(format_args!(
            "--cores: this process may not use core {core}; it may use {}",
            list_text(&allowed)
        ))),
        None => Ok(cores.clone()),
    }
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
    fn lists_are_those_of_the_kernel() {
        assert_eq!(list("3,0-1,1"), Ok(List(vec![0, 1, 3])));
        assert!(["", "x", "1-", "2-1", "-1"].iter().all(|text| list(text).is_err()));
        assert_eq!(chosen(Some(&List(vec![60_000]))).unwrap_err().exit, crate::error::exit::USAGE);
        assert!(!chosen(None).unwrap().is_empty());
    }

    #[test]
    fn a_wished_core_that_is_not_there_is_wrong_use() {
        let failure = plan(Some((0, 99_999))).unwrap_err();
        assert_eq!(failure.exit, crate::error::exit::USAGE, "{failure}");
        assert!(failure.message.contains("99999"), "{failure}");
    }
}
