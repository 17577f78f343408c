//! Text tables for the terminal: right-aligned numbers, units in the head, one row a stage.

use crate::histogram::Percentiles;
use crate::stage::Stage;
use crate::summary::{ClockPart, OffsetBound};
use std::collections::BTreeMap;

/// A table of text cells; the first column is left-aligned, the others right-aligned.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with its head row.
    #[must_use]
    pub fn new(head: &[&str]) -> Table {
        Table { rows: vec![head.iter().map(|&cell| cell.to_owned()).collect()] }
    }

    /// Appends a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Column widths from the cells, two spaces between columns, no trailing blanks.
    #[must_use]
    pub fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| shown(cell))
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let blanks = " ".repeat(width - shown(cell));
                match column {
                    0 => line.extend([cell, blanks.as_str()]),
                    _ => line.extend(["  ", &blanks, cell]),
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Characters of a cell that a reader sees: colours (`ESC [ … m`) take no room.
fn shown(cell: &str) -> usize {
    let mut pieces = cell.split("\x1b[");
    let plain = pieces.next().map_or(0, |piece| piece.chars().count());
    plain
        + pieces
            .map(|piece| piece.split_once('m').map_or(0, |(_, rest)| rest.chars().count()))
            .sum::<usize>()
}

/// `1234567` as `1,234,567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Below these a value tells no more than that it is small, ns.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Floors {
    /// Between two stamps of one core: what a reading costs, or the clock's step.
    pub own_ns: f64,
    /// Between stamps of two cores: what their counters may be apart, if that is more.
    pub across_ns: f64,
}

impl Floors {
    /// From the clock and, where it was measured, the bound on the two counters' offset.
    #[must_use]
    pub fn new(clock: &ClockPart, offset: Option<&OffsetBound>) -> Floors {
        let own_ns = clock.read_ns.max(clock.step_ns);
        Floors { own_ns, across_ns: offset.map_or(own_ns, |bound| bound.worst_ns().max(own_ns)) }
    }

    /// The one that a stage's values are held against.
    #[must_use]
    pub const fn of(&self, stage: Stage) -> f64 {
        match stage {
            Stage::RingWait | Stage::Response => self.across_ns,
            _ => self.own_ns,
        }
    }

    /// What the marks of [`latency`] mean, one line.
    #[must_use]
    pub fn meaning(&self) -> String {
        let own_ns = self.own_ns;
        if self.across_ns > own_ns {
            let across_ns = self.across_ns;
            return format!(
                "~ is below the floor of the measurement: {own_ns:.1} ns between stamps of one \
                 core, {across_ns:.0} ns between two cores' (ring_wait, response)"
            );
        }
        format!("~ is below the floor of the measurement, {own_ns:.1} ns")
    }
}

/// The table of a run: one row a stage, values in ns, a dash where there are none, `~` before what
/// is below the floor.
#[must_use]
pub fn latency(latency_ns: &BTreeMap<String, Percentiles>, floors: &Floors) -> String {
    let mut table =
        Table::new(&["ns", "count", "min", "p50", "p90", "p99", "p99.9", "p99.99", "max"]);
    for stage in Stage::ALL {
        let Some(p) = latency_ns.get(stage.name()) else { continue };
        let mut cells = vec![stage.name().to_owned(), grouped(p.count)];
        cells.extend(
            [p.min, p.p50, p.p90, p.p99, p.p999, p.p9999, p.max].map(|value| {
                value.map_or_else(|| "-".to_owned(), |ns| marked(ns, floors.of(stage)))
            }),
        );
        table.row(cells);
    }
    table.render()
}

fn marked(ns: u64, floor_ns: f64) -> String {
    let mark = if (ns as f64) < floor_ns { "~" } else { "" };
    format!("{mark}{}", grouped(ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_below_the_floor_are_marked() {
        let values =
            Percentiles { count: 3, min: Some(9), p50: Some(60), ..Percentiles::default() };
        let stages =
            BTreeMap::from([("book".to_owned(), values), ("ring_wait".to_owned(), values)]);
        let clock = ClockPart { read_ns: 16.6, step_ns: 0.4, ..ClockPart::default() };
        let offset = OffsetBound { low_ns: -70.0, high_ns: 64.0 };
        let text = latency(&stages, &Floors::new(&clock, Some(&offset)));
        let rows: Vec<Vec<&str>> =
            text.lines().skip(1).map(|row| row.split_whitespace().collect()).collect();
        assert_eq!(rows[0][..4], ["ring_wait", "3", "~9", "~60"]);
        assert_eq!(rows[1][..4], ["book", "3", "~9", "60"]);
        let floors = Floors::new(&clock, None);
        assert!(floors.across_ns == 16.6 && floors.meaning().ends_with("16.6 ns"));
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn columns_line_up_and_nothing_trails() {
        let mut table = Table::new(&["ns", "p50"]);
        table.row(vec!["service".into(), "1,024".into()]);
        table.row(vec!["ring".into(), "9".into()]);
        assert_eq!(table.render(), "ns         p50\nservice  1,024\nring         9\n");
    }

    #[test]
    fn colours_take_no_room() {
        let mut table = Table::new(&["ns", "p50"]);
        table.row(vec!["ring".into(), "\x1b[31m1,024\x1b[0m".into()]);
        assert_eq!(table.render(), "ns      p50\nring  \x1b[31m1,024\x1b[0m\n");
    }
}
