//! [`Line`]: what one destination brought.

use super::LineId;
use super::held::Held;
use super::run::Run;

/// Where a line stands in its session.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) id: LineId,
    /// Index of its session.
    pub(super) session: usize,
    /// Which run of it the line brings.
    pub(super) run: u32,
    /// Number behind the highest it brought in this run, 0: none.
    pub(super) next: u64,
    /// Packets, each going on behind the other, with which the line may have gone back to begin
    /// again.
    pub(super) aside: Vec<Held>,
    /// Several sessions take turns on it.
    pub(super) is_shared: bool,
}

impl Line {
    pub(super) fn new(id: LineId, session: usize, run: &Run, is_shared: bool) -> Line {
        Line { id, session, run: run.number, next: 0, aside: Vec::new(), is_shared }
    }
}
