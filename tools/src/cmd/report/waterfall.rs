//! The stages of a tick, end to end: where the time goes at a percentile.
//!
//! Each stage begins where the one before it ends; the spans that hold several stages lie below and
//! begin where they begin. Percentiles of parts do not add up to the percentile of the whole, because
//! a tick is rarely slow in every stage: the picture shows proportions, the numbers stand beside it.

use super::chart::{self, Drawing, Frame};
use super::folder::Folder;
use super::text;
use serde::Serialize;
use std::fmt::Write;
use tickspin_results::Stage;
use tickspin_results::table::grouped;

/// Percentiles that can be chosen.
const LEVELS: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];
/// Stages in the order of a tick's way.
const PATH: [Stage; 5] =
    [Stage::ScheduleLag, Stage::RingWait, Stage::Book, Stage::Strategy, Stage::RiskOrder];
/// Spans of several stages, with the stage they begin with.
const SPANS: [(Stage, Stage); 4] = [
    (Stage::Service, Stage::Book),
    (Stage::TickToOrder, Stage::Book),
    (Stage::TickToOrderExchange, Stage::RingWait),
    (Stage::Response, Stage::ScheduleLag),
];
/// Height of a row; on a phone its name stands above the bar.
const ROW: f64 = 26.0;
const ROW_NARROW: f64 = 31.0;

/// One picture.
#[derive(Debug, Serialize)]
pub(super) struct Level {
    name: &'static str,
    drawing: Drawing,
}

struct Bar {
    stage: Stage,
    start_ns: f64,
    length_ns: Option<u64>,
}

/// A picture a percentile; none where no stage of the way was recorded.
pub(super) fn levels(folder: &Folder) -> Vec<Level> {
    if PATH.iter().all(|stage| folder.sum(stage.name()).is_none()) {
        return Vec::new();
    }
    let level = |(name, quantile): (&'static str, f64)| {
        let bars = bars(folder, quantile);
        Level { name, drawing: Drawing::of(|is_narrow| draw(name, &bars, is_narrow)) }
    };
    LEVELS.map(level).into()
}

fn bars(folder: &Folder, quantile: f64) -> Vec<Bar> {
    let value =
        |stage: Stage| folder.sum(stage.name()).map(|sum| sum.values.value_at_quantile(quantile));
    let (mut bars, mut start_ns) = (Vec::new(), 0.0);
    for stage in PATH {
        let length_ns = value(stage);
        bars.push(Bar { stage, start_ns, length_ns });
        start_ns += length_ns.unwrap_or(0) as f64;
    }
    let start_of =
        |first: Stage| bars.iter().find(|bar| bar.stage == first).map_or(0.0, |bar| bar.start_ns);
    let spans: Vec<Bar> = SPANS
        .into_iter()
        .map(|(stage, first)| Bar { stage, start_ns: start_of(first), length_ns: value(stage) })
        .collect();
    bars.into_iter().chain(spans).collect()
}

fn draw(name: &str, bars: &[Bar], is_narrow: bool) -> String {
    let row = if is_narrow { ROW_NARROW } else { ROW };
    let mut frame = Frame::new(is_narrow, row * bars.len() as f64 + 8.0);
    if !is_narrow {
        frame.left = 190.0;
    } else {
        frame.left = 8.0;
    }
    // Room for the value behind the longest bar.
    frame.right -= if is_narrow { 90.0 } else { 110.0 };
    let end = |bar: &Bar| bar.start_ns + bar.length_ns.unwrap_or(0) as f64;
    let whole_ns = bars.iter().map(end).fold(1.0, f64::max);
    let mut svg = chart::open(&frame, "class=\"chart\"", &format!("Stages of a tick at {name}"));
    marks(&mut svg, &frame, whole_ns);
    for (nth, bar) in bars.iter().enumerate() {
        let top = frame.top + 4.0 + row * nth as f64;
        let (x, end) = (frame.x(bar.start_ns / whole_ns), frame.x(end(bar) / whole_ns));
        let class = chart::series(bar.stage.name(), nth);
        let value =
            bar.length_ns.map_or("not recorded".to_owned(), |ns| format!("{} ns", grouped(ns)));
        let (height, y) = if is_narrow { (9.0, top + 16.0) } else { (16.0, top + 3.0) };
        if bar.length_ns.is_some() {
            let width = (end - x).max(1.5);
            let _ = write!(
                svg,
                "<rect class=\"bar {class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
                 height=\"{height}\" rx=\"2\"/>"
            );
        }
        if is_narrow {
            chart::label(&mut svg, "row", frame.left, top + 10.0, bar.stage.name());
        } else {
            chart::label(&mut svg, "row end", frame.left - 10.0, top + 15.0, bar.stage.name());
        }
        chart::label(&mut svg, "value", end + 5.0, y + height - 1.5, &value);
        if nth + 1 == PATH.len() {
            let y = top + row;
            let _ = write!(svg, "<path class=\"grid\" d=\"M0 {y:.1}H{:.1}\"/>", frame.width);
        }
    }
    svg.push_str("</svg>");
    svg
}

/// Four or five marks of round numbers.
fn marks(svg: &mut String, frame: &Frame, whole_ns: f64) {
    let rough = whole_ns / 4.0;
    let power = 10_f64.powf(rough.log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let step = power * factors.into_iter().find(|factor| factor * power >= rough).unwrap_or(10.0);
    let count = (whole_ns / step).floor() as u32;
    for mark in (0..=count).map(|index| f64::from(index) * step) {
        let x = frame.x(mark / whole_ns);
        let (top, bottom) = (frame.top, frame.bottom);
        let _ = write!(svg, "<path class=\"grid\" d=\"M{x:.1} {top:.1}V{bottom:.1}\"/>");
        let name = if mark == 0.0 { "0".to_owned() } else { text::time(mark) };
        chart::label(svg, "tick mid", x.max(10.0), bottom + 18.0, &name);
    }
}
