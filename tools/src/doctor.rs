//! Is this host fit for two spinning threads? What each fact is, what it should be, what mends it.
//!
//! ```text
//!   /proc, /sys ─► Seen ─► rows: fact, wish, verdict, fix ─┬─► table, JSON
//!                                                          ├─► changes ─► journal ─► written, undone
//!                                                          └─► boot line
//! ```
//!
//! Everything is read below a root folder through [`tickspin_host::tree`], so a test examines a
//! machine that it made up. A file that is missing or strange makes its row `unknown` and says
//! which; nothing here fails because of what it reads.
//!
//! The wishes are about two cores, the engine's and the feed's; what else the machine does is its
//! own business. Where all cores would be taken, the lowest one is left to the system.
//!
//! Cost: some hundred small files, ten milliseconds. When it is wrong: a verdict says what usually
//! costs time, not that it does so here; that is what [`prove`] measures.

mod boot; // what only the next boot changes, as one line
mod clock; // clock source, TSC, hypervisor, steal
mod interface; // one network interface, for a feed past the kernel
mod irqs; // who may interrupt the spinners
mod isolation; // the scheduler, its tick, RCU, siblings, nodes
pub mod journal; // what was changed, so that it can be undone
mod kernel; // throttling, watchdogs, timers, housekeeping of the kernel
mod memory; // pages, swap
mod power; // frequency and sleep
pub mod prove; // which of the changes makes a difference here
mod rights; // limits, capabilities, containers
mod seen; // the machine, as far as all checks need it

pub use boot::{BootLine, boot_line};
pub use interface::{Port, examine_interface};
pub use seen::Seen;

use serde_json::{Value, json};
use tickspin_host::tree::{Absent, list_text, shown};

/// What a fact means for two spinning threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As wished.
    Good,
    /// Not as wished.
    Bad,
    /// The machine does not say.
    Unknown,
    /// The question does not arise on this machine.
    NotHere,
}

impl Verdict {
    /// As printed.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Good => "good",
            Verdict::Bad => "bad",
            Verdict::Unknown => "unknown",
            Verdict::NotHere => "not here",
        }
    }

    /// In JSON.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Verdict::NotHere => "not_on_this_machine",
            other => other.word(),
        }
    }
}

/// A value that the running kernel takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The file.
    pub path: String,
    /// What is written into it.
    pub value: String,
}

/// One check.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name; frozen, scripts select by it.
    pub check: &'static str,
    /// What is.
    pub fact: String,
    /// What should be.
    pub wish: String,
    /// Whether it is.
    pub verdict: Verdict,
    /// What mends it by hand, or is worth knowing.
    pub fix: String,
    /// One line each, where the fact is many.
    pub details: Vec<String>,
    /// What mends it while the kernel runs, and can be taken back exactly.
    pub changes: Vec<Change>,
    /// Kernel parameters that mend it at the next boot.
    pub boot: Vec<String>,
}

impl Row {
    fn new(check: &'static str, verdict: Verdict, fact: impl AsRef<str>, wish: &str) -> Row {
        Row {
            check,
            fact: shown(fact.as_ref()),
            wish: wish.to_owned(),
            verdict,
            fix: String::new(),
            details: Vec::new(),
            changes: Vec::new(),
            boot: Vec::new(),
        }
    }

    /// Good or bad.
    fn judged(check: &'static str, good: bool, fact: impl AsRef<str>, wish: &str) -> Row {
        Row::new(check, if good { Verdict::Good } else { Verdict::Bad }, fact, wish)
    }

    fn unknown(check: &'static str, why: &Absent, wish: &str) -> Row {
        Row::new(check, Verdict::Unknown, why.to_string(), wish)
    }

    fn not_here(check: &'static str, why: &str, wish: &str) -> Row {
        Row::new(check, Verdict::NotHere, why, wish)
    }

    /// What mends it; kept only where something is to be mended.
    fn fix(mut self, fix: impl Into<String>) -> Row {
        if self.verdict == Verdict::Bad {
            self.fix = fix.into();
        }
        self
    }

    /// Said whatever the verdict.
    fn note(mut self, note: impl Into<String>) -> Row {
        self.fix = note.into();
        self
    }

    fn change(mut self, path: impl Into<String>, value: impl Into<String>) -> Row {
        if self.verdict == Verdict::Bad {
            self.changes.push(Change { path: path.into(), value: value.into() });
        }
        self
    }

    fn boot(mut self, parameter: impl Into<String>) -> Row {
        if self.verdict == Verdict::Bad {
            self.boot.push(parameter.into());
        }
        self
    }

    /// What to do, one line each: now, at the next boot, by hand.
    #[must_use]
    pub fn mends(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let [first, others @ ..] = self.changes.as_slice() {
            let and = match others.len() {
                0 => String::new(),
                more => format!(", and {more} like it"),
            };
            lines.push(format!("--apply: `echo {} > {}`{and}", first.value, first.path));
        }
        if !self.boot.is_empty() {
            lines.push(format!("next boot: {}", self.boot.join(" ")));
        }
        if !self.fix.is_empty() {
            let what = if self.verdict == Verdict::Bad { "fix" } else { "note" };
            lines.push(format!("{what}: {}", self.fix));
        }
        lines
    }

    /// For a report.
    #[must_use]
    pub fn json(&self) -> Value {
        let changes: Vec<Value> = self
            .changes
            .iter()
            .map(|change| json!({ "path": change.path, "value": change.value }))
            .collect();
        json!({
            "check": self.check,
            "fact": self.fact,
            "wish": self.wish,
            "verdict": self.verdict.key(),
            "fix": self.mends().join("; "),
            "details": self.details,
            "changes": changes,
            "boot": self.boot,
        })
    }
}

/// "core 1", "cores 2-3".
#[must_use]
pub fn cores(list: &[usize]) -> String {
    match list {
        [] => "no core".to_owned(),
        [one] => format!("core {one}"),
        many => format!("cores {}", list_text(many)),
    }
}

/// All checks, in the order of the report.
#[must_use]
pub fn examine(seen: &Seen) -> Vec<Row> {
    [
        isolation::rows,
        irqs::rows,
        power::rows,
        memory::rows,
        kernel::rows,
        clock::rows,
        rights::rows,
    ]
    .iter()
    .flat_map(|rows| rows(seen))
    .collect()
}
