//! The doctor's state, where the page is made on the host of the run.
//!
//! A run does not record it, so it is taken now, and said to be. On another host it would be about the
//! wrong machine: the facts that do not change between two boots with the same settings decide.

use super::folder::Folder;
use crate::doctor::{Seen, Verdict, cores, examine};
use serde::Serialize;
use serde_json::Value;
use tickspin_host::facts::Facts;
use tickspin_host::tree::Tree;

/// Facts by which a host is known again.
const SAME: [&str; 6] =
    ["cpu", "cores_online", "memory_mib", "hypervisor", "kernel", "kernel_command_line"];

/// What the page says of it.
#[derive(Debug, Serialize)]
pub(super) struct Doctor {
    /// When and about which cores, or why not.
    said: String,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    check: &'static str,
    verdict: &'static str,
    tone: &'static str,
    fact: String,
    details: Vec<String>,
    wish: String,
    mends: Vec<String>,
}

impl Doctor {
    /// Examines this host, if it is the run's and nobody forbade it. Reads some hundred small files.
    pub(super) fn look(folder: &Folder, is_forbidden: bool) -> Doctor {
        let not = |why: &str| Doctor { said: why.to_owned(), rows: Vec::new() };
        if is_forbidden {
            return not("left out (--no-doctor)");
        }
        let Some(host) = folder.find("summary:/host").filter(|host| host.is_object()) else {
            return not("not taken: the folder does not say which host the run was on");
        };
        let here = crate::host::facts(&Facts::read());
        let is_same = SAME.iter().all(|key| {
            let now = here.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
            host.get(*key).and_then(Value::as_str) == now
        });
        if !is_same {
            return not("other host: not taken");
        }
        let core = |who: &str| {
            let core = folder.find(&format!("summary:/{who}/core {who}:/usage/core"))?.as_u64()?;
            usize::try_from(core).ok()
        };
        let mut wished: Vec<usize> = [core("feed"), core("engine")].into_iter().flatten().collect();
        wished.dedup();
        let seen = match Seen::read(Tree::host(), &wished) {
            Ok(seen) => seen,
            Err(why) => return not(&format!("not taken: {why}")),
        };
        let said = format!(
            "taken when the report was made, on a host with the run's CPU, memory, kernel and \
             command line; about {}, on which the run was",
            cores(&seen.spinners)
        );
        Doctor { said, rows: examine(&seen).iter().map(Row::of).collect() }
    }
}

impl Row {
    fn of(row: &crate::doctor::Row) -> Row {
        let tone = match row.verdict {
            Verdict::Good => "good",
            Verdict::Bad => "bad",
            Verdict::Unknown => "warn",
            Verdict::NotHere => "none",
        };
        Row {
            check: row.check,
            verdict: row.verdict.word(),
            tone,
            fact: row.fact.clone(),
            details: row.details.clone(),
            wish: row.wish.clone(),
            mends: row.mends(),
        }
    }
}
