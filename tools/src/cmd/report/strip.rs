//! The time strip: when it was slow. Largest value of each interval, stage by stage, slow ticks above.
//!
//! ```text
//!      ┌ response, largest of each interval ─┐  marks: slow ticks, shape and colour say the cause
//!  ns  │ ──┐  ▲  ┌──     ●                   │
//!      └─────────────────────────────────────┘
//!  book│▒▒▒▒░░░░▓▓                           │  one cell an interval, darker is slower
//!      …                                        ► s
//! ```
//! Many intervals are drawn several to a cell, which then shows the largest of them and says so.

use super::cause::Cause;
use super::chart::{self, Drawing, Frame, LogAxis};
use super::folder::{Folder, Span};
use super::slow::Mark;
use super::text;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use tickspin_results::Stage;

/// Cells a row, at most: a phone shows one in a pixel.
const CELLS_MAX: usize = 240;
/// Rows, at most.
const ROWS_MAX: usize = 16;
/// Shades from fast to slow.
const SHADES: usize = 8;
const PANEL: f64 = 150.0;
const ROW: f64 = 20.0;

/// Times are seconds since the first interval.
pub(super) struct Strip {
    pub(super) rows: Vec<Row>,
    pub(super) marks: Vec<Mark>,
    end_s: f64,
    up: LogAxis,
    shades: (f64, f64),
}

/// One tag.
pub(super) struct Row {
    pub(super) tag: String,
    pub(super) cells: Vec<Span>,
    /// Intervals to a cell.
    pub(super) per_cell: usize,
}

/// For the template.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    drawing: Drawing,
    /// Class and lower bound of each shade.
    shades: Vec<(String, String)>,
    causes: Vec<(Cause, usize)>,
    per_cell: usize,
    left_out: usize,
    top: String,
}

impl Strip {
    /// `None` without an interval.
    pub(super) fn of(folder: &Folder, mut marks: Vec<Mark>) -> Option<Strip> {
        let start_s = folder.spans.iter().map(|span| span.start_s).reduce(f64::min)?;
        let end_s = folder.spans.iter().map(|span| span.end_s).fold(start_s, f64::max) - start_s;
        let row = |sum: &crate::cmd::hist::load::Sum| {
            let mut spans: Vec<&Span> =
                folder.spans.iter().filter(|span| span.tag == sum.tag).collect();
            spans.sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
            let per_cell = spans.len().div_ceil(CELLS_MAX).max(1);
            let cells = spans.chunks(per_cell).map(|some| joined(some, start_s)).collect();
            Row { tag: sum.tag.clone(), cells, per_cell }
        };
        let rows: Vec<Row> = folder.sums.iter().map(row).collect();
        // Records count from the start of the engine's log.
        let late_s = folder.origin_s.map_or(0.0, |origin| origin - start_s);
        marks.iter_mut().for_each(|mark| mark.at_s += late_s);
        let largest = rows.iter().flat_map(|row| &row.cells).filter(|cell| cell.count > 0);
        let largest: Vec<f64> = largest.map(|cell| cell.max_ns.max(1) as f64).collect();
        let min = largest.iter().copied().reduce(f64::min)?;
        let max = largest.iter().copied().fold(min, f64::max);
        let mut strip = Strip {
            rows,
            marks,
            end_s: end_s.max(1e-3),
            up: LogAxis::around(min, max),
            shades: (min, max),
        };
        let top = strip.top().map(|row| row.cells.iter().filter(|cell| cell.count > 0));
        let in_panel = top.into_iter().flatten().map(|cell| cell.max_ns as f64);
        let in_panel: Vec<f64> =
            in_panel.chain(strip.marks.iter().map(|mark| mark.worst_ns)).collect();
        let low = in_panel.iter().copied().fold(max, f64::min);
        strip.up = LogAxis::around(low, in_panel.iter().copied().fold(low, f64::max));
        Some(strip)
    }

    /// The row whose largest values are drawn as a line: what a user waits, else the slowest.
    pub(super) fn top(&self) -> Option<&Row> {
        let has = |row: &&Row| row.cells.iter().any(|cell| cell.count > 0);
        let response = self.rows.iter().find(|row| row.tag == Stage::Response.name());
        let slowest = |row: &&Row| row.cells.iter().map(|cell| cell.max_ns).max();
        response.filter(has).or_else(|| self.rows.iter().filter(has).max_by_key(slowest))
    }

    /// Picture and legends.
    pub(super) fn shown(&self) -> Shown {
        let mut causes: BTreeMap<&str, (Cause, usize)> = BTreeMap::new();
        for mark in &self.marks {
            causes.entry(&mark.cause.name).or_insert_with(|| (mark.cause.clone(), 0)).1 += 1;
        }
        let (min, max) = self.shades;
        let bound = |shade: usize| min * (max / min).powf(shade as f64 / SHADES as f64);
        Shown {
            drawing: Drawing::of(|is_narrow| self.draw(is_narrow)),
            shades: (0..SHADES)
                .map(|shade| (format!("h-{shade}"), text::rough(bound(shade))))
                .collect(),
            causes: causes.into_values().collect(),
            per_cell: self.rows.iter().map(|row| row.per_cell).max().unwrap_or(1),
            left_out: self.rows.len().saturating_sub(ROWS_MAX),
            top: self.top().map_or_else(String::new, |row| name(&row.tag).to_owned()),
        }
    }

    fn draw(&self, is_narrow: bool) -> String {
        let rows = &self.rows[..self.rows.len().min(ROWS_MAX)];
        let row = if is_narrow { ROW + 11.0 } else { ROW };
        let mut frame = Frame::new(is_narrow, PANEL);
        if !is_narrow {
            frame.left = 190.0;
        }
        let first = frame.bottom + 10.0;
        frame.height = first + row * rows.len() as f64 + 28.0;
        let attributes = format!(
            "class=\"chart\" tabindex=\"0\" data-kind=\"strip\" data-end=\"{}\" data-first=\"{first:.1}\" \
             data-row=\"{row:.1}\" data-rows=\"{}\" data-low=\"{}\" data-high=\"{}\"",
            self.end_s,
            rows.len(),
            self.up.low,
            self.up.high
        );
        let mut svg =
            chart::open(&frame, &attributes, "Time strip: largest value of each interval");
        self.up.draw(&mut svg, &frame);
        self.seconds(&mut svg, &frame, first + row * rows.len() as f64, is_narrow);
        self.line(&mut svg, &frame);
        for (nth, of) in rows.iter().enumerate() {
            self.cells(&mut svg, &frame, of, first + row * nth as f64, is_narrow);
        }
        for mark in &self.marks {
            let x = self.x(&frame, mark.at_s);
            let y = frame.y(self.up.share(mark.worst_ns));
            let _ =
                write!(svg, "<path class=\"{}\" d=\"{}\"/>", mark.cause.class, mark.cause.at(x, y));
        }
        svg.push_str("<path class=\"cross\"/></svg>");
        svg
    }

    fn x(&self, frame: &Frame, at_s: f64) -> f64 {
        frame.x((at_s / self.end_s).clamp(0.0, 1.0))
    }

    /// The largest values of the top row.
    fn line(&self, svg: &mut String, frame: &Frame) {
        let Some(row) = self.top() else { return };
        let mut path = String::new();
        for cell in row.cells.iter().filter(|cell| cell.count > 0) {
            let (x, end) = (self.x(frame, cell.start_s), self.x(frame, cell.end_s));
            let y = frame.y(self.up.share(cell.max_ns as f64));
            let _ =
                write!(path, "{}{x:.1} {y:.1}H{end:.1}", if path.is_empty() { 'M' } else { 'L' });
        }
        let class = chart::series(&row.tag, 0);
        let _ = write!(svg, "<path class=\"curve {class}\" d=\"{path}\"/>");
    }

    fn cells(&self, svg: &mut String, frame: &Frame, row: &Row, top: f64, is_narrow: bool) {
        let (y, height) = if is_narrow { (top + 14.0, 14.0) } else { (top + 2.0, ROW - 4.0) };
        match is_narrow {
            true => chart::label(svg, "row", frame.left, top + 9.0, name(&row.tag)),
            false => chart::label(svg, "row end", frame.left - 10.0, top + 14.0, name(&row.tag)),
        }
        // One path a shade: a row of many cells stays small.
        let mut paths = vec![String::new(); SHADES];
        for cell in row.cells.iter().filter(|cell| cell.count > 0) {
            let (x, end) = (self.x(frame, cell.start_s), self.x(frame, cell.end_s));
            let width = (end - x - if end - x > 4.0 { 0.6 } else { 0.0 }).max(0.6);
            let path = &mut paths[self.shade(cell.max_ns)];
            let _ = write!(path, "M{x:.1} {y:.1}h{width:.1}v{height}h-{width:.1}z");
        }
        for (shade, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
            let _ = write!(svg, "<path class=\"h-{shade}\" d=\"{path}\"/>");
        }
    }

    fn shade(&self, ns: u64) -> usize {
        let (min, max) = self.shades;
        let share = (ns.max(1) as f64 / min).ln() / (max / min).ln().max(1e-9);
        ((share * SHADES as f64) as usize).min(SHADES - 1)
    }

    /// Marks of round seconds.
    fn seconds(&self, svg: &mut String, frame: &Frame, y: f64, is_narrow: bool) {
        let rough = self.end_s / if is_narrow { 4.0 } else { 8.0 };
        let power = 10_f64.powf(rough.log10().floor());
        let factors = [1.0, 2.0, 5.0, 10.0];
        let step = power * factors.into_iter().find(|f| f * power >= rough).unwrap_or(10.0);
        for index in 0..=(self.end_s / step).floor() as u32 {
            let at = f64::from(index) * step;
            let x = self.x(frame, at);
            let _ = write!(svg, "<path class=\"grid\" d=\"M{x:.1} {:.1}V{y:.1}\"/>", frame.top);
            let number = format!("{at:.3}");
            let number = number.trim_end_matches('0').trim_end_matches('.');
            chart::label(
                svg,
                "tick mid",
                x.min(frame.right - 8.0),
                y + 18.0,
                &format!("{number} s"),
            );
        }
    }
}

/// Several intervals as one: counts added, of the values the largest.
fn joined(some: &[&Span], start_s: f64) -> Span {
    let largest = |of: fn(&Span) -> u64| some.iter().map(|span| of(span)).max().unwrap_or(0);
    Span {
        tag: String::new(),
        start_s: some.first().map_or(0.0, |span| span.start_s) - start_s,
        end_s: some.iter().map(|span| span.end_s).fold(0.0, f64::max) - start_s,
        count: some.iter().map(|span| span.count).sum(),
        p50_ns: largest(|span| span.p50_ns),
        p99_ns: largest(|span| span.p99_ns),
        max_ns: largest(|span| span.max_ns),
    }
}

/// The tag, or what stands for none.
pub(super) fn name(tag: &str) -> &str {
    if tag.is_empty() { "(no tag)" } else { tag }
}
