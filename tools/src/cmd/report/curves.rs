//! Percentile curves: what share of the values lies at or below what.
//!
//! Across: 1/(1−quantile), each decade one nine more. Up: ns by powers of ten. A curve is drawn as the
//! steps that it is, ends at its largest value with a dot, and is no picture of time. The same cells go
//! to the page's script, which so reads exactly what the histogram holds.

use super::chart::{self, Drawing, Frame, LogAxis};
use super::text;
use crate::cmd::hist::grade::budget;
use crate::cmd::hist::load::Sum;
use crate::cmd::hist::rule::{Quantity, Rule};
use serde::Serialize;
use std::fmt::Write;
use tickspin_results::Stage;
use tickspin_results::table::grouped;

/// What stands under each other in the first chart: the four that always stand side by side.
pub(super) const FOUR: [Stage; 4] =
    [Stage::ScheduleLag, Stage::RingWait, Stage::Service, Stage::Response];
/// In the second: the engine's stages, and its work from outside.
pub(super) const INSIDE: [Stage; 5] = [
    Stage::Book,
    Stage::Strategy,
    Stage::RiskOrder,
    Stage::TickToOrder,
    Stage::TickToOrderExchange,
];
/// Tags of other tools in one chart, and in all.
const OTHERS_PER_CHART: usize = 6;
const OTHERS_MAX: usize = 24;
/// Where the readout stands before anybody touches the chart.
const AT: (&str, f64) = ("p99", 0.99);

/// A chart with what is read beside it.
#[derive(Debug, Serialize)]
pub(super) struct Chart {
    /// Of the table that it stands below.
    group: &'static str,
    drawing: Drawing,
    at: &'static str,
    items: Vec<Item>,
}

/// One curve in the legend, which is the readout too.
#[derive(Debug, Serialize)]
struct Item {
    tag: String,
    name: String,
    class: String,
    /// At [`AT`].
    value: String,
    count: String,
}

/// The charts of a folder: ours, then other tags.
pub(super) fn charts(sums: &[Sum], rules: &[Rule]) -> Vec<Chart> {
    let there: Vec<&Sum> = sums.iter().filter(|sum| !sum.values.is_empty()).collect();
    let of = |stages: &[Stage]| -> Vec<&Sum> {
        let sum = |stage: &Stage| there.iter().copied().find(|sum| sum.tag == stage.name());
        stages.iter().filter_map(sum).collect()
    };
    let others: Vec<&Sum> =
        there.iter().copied().filter(|sum| Stage::from_name(&sum.tag).is_none()).collect();
    let (four, inside) = (of(&FOUR), of(&INSIDE));
    let mut charts = Vec::new();
    let mut add = |group, title, sums: &[&Sum], scale: Option<Scale>| {
        if let Some(scale) = scale.filter(|_| !sums.is_empty()) {
            charts.push(chart(group, title, sums, rules, &scale));
        }
    };
    let ours = || Scale::of(&[&four[..], &inside].concat());
    add("four", "Schedule lag, ring wait, service, response", &four, ours());
    add("inside", "Inside the engine, and across both rings", &inside, ours());
    for some in others.chunks(OTHERS_PER_CHART).take(OTHERS_MAX / OTHERS_PER_CHART) {
        add("others", "Other tags", some, Scale::of(&others));
    }
    charts
}

/// Shared by the charts of our stages, so that they can be compared.
struct Scale {
    decades: f64,
    up: LogAxis,
}

impl Scale {
    fn of(sums: &[&Sum]) -> Option<Scale> {
        let min = sums.iter().map(|sum| sum.values.min()).min()?;
        let max = sums.iter().map(|sum| sum.values.max()).max()?;
        let count = sums.iter().map(|sum| sum.values.len()).max()?;
        // Two nines at least: three values have a chart as well.
        let decades = (count as f64).log10().max(2.0);
        Some(Scale { decades, up: LogAxis::around(min as f64, max as f64) })
    }
}

fn chart(
    group: &'static str,
    title: &'static str,
    sums: &[&Sum],
    rules: &[Rule],
    scale: &Scale,
) -> Chart {
    let class = |nth: usize| chart::series(&sums[nth].tag, nth);
    let item = |(nth, sum): (usize, &&Sum)| Item {
        tag: sum.tag.clone(),
        name: sum.name().to_owned(),
        class: class(nth),
        value: format!("{} ns", grouped(sum.values.value_at_quantile(AT.1))),
        count: grouped(sum.values.len()),
    };
    Chart {
        group,
        at: AT.0,
        items: sums.iter().enumerate().map(item).collect(),
        drawing: Drawing::of(|is_narrow| draw(title, sums, rules, scale, is_narrow)),
    }
}

fn draw(title: &str, sums: &[&Sum], rules: &[Rule], scale: &Scale, is_narrow: bool) -> String {
    let frame = Frame::new(is_narrow, if is_narrow { 280.0 } else { 340.0 });
    let decades = scale.decades;
    let attributes =
        format!("class=\"chart\" tabindex=\"0\" data-kind=\"curves\" data-decades=\"{decades}\"");
    let mut svg = chart::open(&frame, &attributes, &format!("Percentile curves: {title}"));
    scale.up.draw(&mut svg, &frame);
    across(&mut svg, &frame, decades, is_narrow);
    budgets(&mut svg, &frame, sums, scale);
    for (nth, sum) in sums.iter().enumerate() {
        let class = chart::series(&sum.tag, nth);
        let (path, (x, y)) = steps(sum, &frame, scale);
        let _ = write!(
            svg,
            "<path class=\"curve {class}\" d=\"{path}\"/>\
             <circle class=\"dot {class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>"
        );
        objectives(&mut svg, &frame, sum, rules, scale, &class);
    }
    let (x, top, bottom) = (frame.left, frame.top, frame.bottom);
    let _ =
        write!(svg, "<path class=\"cross\" data-top=\"{top}\" d=\"M{x} {top}V{bottom}\"/></svg>");
    svg
}

/// Marks of nines, and of the half.
fn across(svg: &mut String, frame: &Frame, decades: f64, is_narrow: bool) {
    let half = 2.0_f64.log10();
    let nines = (1..=decades.floor() as u32).map(|nine| (f64::from(nine), text::nines(nine)));
    // A phone has room for every other name.
    let every = if is_narrow && decades > 4.5 { 2 } else { 1 };
    for (nth, (at, name)) in [(half, "p50".to_owned())].into_iter().chain(nines).enumerate() {
        let x = frame.x(at / decades);
        let (top, bottom) = (frame.top, frame.bottom);
        let _ = write!(svg, "<path class=\"grid\" d=\"M{x:.1} {top:.1}V{bottom:.1}\"/>");
        if nth % every == 0 {
            chart::below(svg, frame, x, &name);
        }
    }
}

/// What the stages of this chart may take.
fn budgets(svg: &mut String, frame: &Frame, sums: &[&Sum], scale: &Scale) {
    let mut limits: Vec<u64> = sums.iter().filter_map(|sum| budget(sum)).collect();
    limits.sort_unstable();
    limits.dedup();
    for ns in limits.into_iter().filter(|ns| scale.up.holds(*ns as f64)) {
        let y = frame.y(scale.up.share(ns as f64));
        let (left, right) = (frame.left, frame.right);
        let _ = write!(svg, "<path class=\"budget\" d=\"M{left:.1} {y:.1}H{right:.1}\"/>");
        let name = format!("budget {}", text::time(ns as f64));
        chart::label(svg, "tick", left + 4.0, y - 4.0, &name);
    }
}

/// A triangle hangs where an objective's limit is.
fn objectives(
    svg: &mut String,
    frame: &Frame,
    sum: &Sum,
    rules: &[Rule],
    scale: &Scale,
    class: &str,
) {
    for rule in rules.iter().filter(|rule| rule.is_for(&sum.tag)) {
        let decades = match rule.quantity {
            Quantity::Quantile(quantile) => -(1.0 - quantile).log10(),
            Quantity::Max => (sum.values.len() as f64).log10(),
            Quantity::Min | Quantity::Mean => continue,
        };
        // A limit beyond the axis has no place on it; its verdict stands in the table.
        if !scale.up.holds(rule.limit_ns) {
            continue;
        }
        let x = frame.x((decades / scale.decades).clamp(0.0, 1.0));
        let y = frame.y(scale.up.share(rule.limit_ns));
        let _ = write!(
            svg,
            "<path class=\"slo {class}\" d=\"M{x:.1} {y:.1}l-5 -9h10z\"><title>{}</title></path>",
            chart::escape(&rule.to_string())
        );
    }
}

/// The path, and where it ends: at the largest value, which is one of so many.
fn steps(sum: &Sum, frame: &Frame, scale: &Scale) -> (String, (f64, f64)) {
    let total = sum.values.len() as f64;
    let x = |below: f64| {
        let left = 1.0 - below / total;
        frame.x((-left.log10() / scale.decades).clamp(0.0, 1.0))
    };
    let end = frame.x((total.log10() / scale.decades).clamp(0.0, 1.0));
    let (mut path, mut below, mut drawn) = (String::new(), 0_u64, f64::NEG_INFINITY);
    let mut y = frame.bottom;
    for cell in sum.values.iter_recorded() {
        let value = sum.values.highest_equivalent(cell.value_iterated_to());
        let at = x(below as f64).min(end);
        y = frame.y(scale.up.share(value as f64));
        // Steps closer than half a unit are one: no eye and no screen parts them.
        if path.is_empty() {
            let _ = write!(path, "M{at:.1} {y:.1}");
            drawn = at;
        } else if at - drawn >= 0.5 {
            let _ = write!(path, "H{at:.1}V{y:.1}");
            drawn = at;
        }
        below += cell.count_at_value();
    }
    let _ = write!(path, "V{y:.1}H{end:.1}");
    (path, (end, y))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn sum(tag: &str, values: &[u64]) -> Sum {
        let mut histogram = hdrhistogram::Histogram::new_with_bounds(1, 1 << 36, 3).unwrap();
        values.iter().for_each(|value| histogram.record(*value).unwrap());
        let span = (Duration::ZERO, Duration::ZERO);
        Sum::new(tag, span, histogram)
    }

    #[test]
    fn a_curve_begins_at_the_smallest_value_and_ends_at_the_largest() {
        let sums = [sum("book", &[10, 100, 1_000, 1_000])];
        let there: Vec<&Sum> = sums.iter().collect();
        let scale = Scale::of(&there).unwrap();
        let frame = Frame::new(false, 340.0);
        let (path, (x, y)) = steps(&sums[0], &frame, &scale);
        let start = frame.y(scale.up.share(10.0));
        assert!(path.starts_with(&format!("M{:.1} {start:.1}H", frame.left)), "{path}");
        assert!((y - frame.y(scale.up.share(1_000.0))).abs() < 0.1, "{path}");
        assert!((x - frame.x(4_f64.log10() / 2.0)).abs() < 0.1, "{path}");
    }

    #[test]
    fn stages_are_in_two_charts_and_other_tags_behind_them() {
        let sums = [sum("ring_wait", &[1]), sum("book", &[2]), sum("", &[3]), sum("service", &[])];
        let charts = charts(&sums, &["book p99 < 5ns".parse().unwrap()]);
        let names: Vec<Vec<&str>> = charts
            .iter()
            .map(|chart| chart.items.iter().map(|item| item.name.as_str()).collect())
            .collect();
        assert_eq!(names, [vec!["ring_wait"], vec!["book"], vec!["(no tag)"]]);
        let slo = |chart: &Chart| chart.drawing.wide.contains("book p99 &lt; 5ns");
        assert_eq!(charts.iter().map(slo).collect::<Vec<_>>(), [false, true, false]);
    }
}
