//! One line on a terminal while a run lasts, at most ten times a second.
//!
//! What it shows is read from shared memory, read-only. Where standard error is no terminal,
//! nothing is even looked at.

use super::job::Job;
use crate::look::Look;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};
use tickspin_results::table::grouped;

/// How often the run is asked for segments, as long as the engine's are not among them.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The line, or nothing.
pub(super) struct Progress {
    line: Option<ProgressBar>,
    /// When the first event was seen, and how many there were.
    first: Option<(Instant, u64)>,
    look: Option<Look>,
    looked: Option<Instant>,
}

impl Progress {
    /// A line where somebody sees it.
    pub(super) fn new(job: &Job<'_>) -> Progress {
        let is_seen = !job.args.json && std::io::stderr().is_terminal();
        let line = is_seen.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} {wide_msg}") {
                bar.set_style(style);
            }
            bar
        });
        Progress { line, first: None, look: None, looked: None }
    }

    /// Draws it anew.
    pub(super) fn tick(&mut self, job: &Job<'_>) {
        let Some(bar) = &self.line else { return };
        let is_whole = self.look.as_ref().is_some_and(|look| look.ring("requests").is_some());
        if !is_whole && self.looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            self.looked = Some(Instant::now());
            self.look = Look::at(&job.dir, &job.name).ok();
        }
        let Some(look) = &self.look else { return };
        let Some(events) = look.ring("events").or_else(|| look.ring("packets")) else { return };
        let sent = events.live().cursor;
        if self.first.is_none() && sent > 0 {
            self.first = Some((Instant::now(), sent));
        }
        let rate = self.first.map_or(0.0, |(began, first)| {
            (sent - first.min(sent)) as f64 / began.elapsed().as_secs_f64().max(0.1)
        });
        let orders = look.ring("requests").map_or(0, |ring| ring.live().cursor);
        bar.set_message(format!(
            "{} events, {}/s, {} waiting, {} orders",
            grouped(sent),
            grouped(rate as u64),
            grouped(look.depth("events").unwrap_or(0)),
            grouped(orders),
        ));
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if let Some(bar) = self.line.take() {
            bar.finish_and_clear();
        }
    }
}
