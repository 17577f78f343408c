//! `hist plot`: percentile curves as SVG.
//!
//! Across: 1/(1−quantile), each decade of it one nine more, as HdrHistogram plots do. Up: the value,
//! by powers of ten (`--linear`: by size). One line a tag and file; each ends at its largest value,
//! which stands where one of its so many values does. A curve is no picture of time.

use super::load::{self, Loaded, Sum};
use super::output::{Format, Out};
use super::steps;
use super::unit::Unit;
use crate::error::{Failure, Outcome, exit};
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::prelude::*;
use std::ops::Range;
use std::path::PathBuf;
use std::slice;

#[derive(Debug, clap::Args)]
pub(super) struct Plot {
    /// Interval logs, or result folders with some: a line for each tag of each
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Only this tag; may be given several times
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// What stands above the curves
    #[arg(long, value_name = "TEXT", default_value = "Latency by percentile")]
    title: String,
    /// Values by size instead of by powers of ten
    #[arg(long)]
    linear: bool,
    /// What the values of the logs are, if not nanoseconds
    #[arg(long, value_enum)]
    unit: Option<Unit>,
    #[command(flatten)]
    out: Out,
}

/// Width and height; a screen or a page takes it without scaling.
const SIZE: (u32, u32) = (1_000, 620);
/// Told apart by most eyes (after Okabe and Ito), dark enough on white; more lines begin again.
const COLOURS: [RGBColor; 9] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(0, 0, 0),
    RGBColor(140, 86, 75),
    RGBColor(127, 127, 127),
];
/// More than any axis has: each mark gets its label.
const MARKS_MAX: usize = 40;
const GRID: RGBColor = RGBColor(228, 228, 228);

/// One curve: (decades of 1/(1−quantile), value in ns).
struct Line {
    name: String,
    points: Vec<(f64, f64)>,
}

pub(super) fn run(args: &Plot) -> Outcome {
    let output = args.out.decide(None, Some(Format::Svg), &[Format::Svg])?;
    let (mut lines, mut cut) = (Vec::new(), Ok(()));
    for file in &args.files {
        let mut loaded = load::all(slice::from_ref(file), args.unit)?;
        loaded.choose(&args.tag)?;
        let file = file.file_stem().unwrap_or(file.as_os_str()).to_string_lossy();
        let prefix = if args.files.len() > 1 { format!("{file}: ") } else { String::new() };
        lines.extend(curves(&loaded.sums, &prefix));
        cut = cut.and(loaded.whole());
    }
    output.write(svg(&args.title, &lines, args.linear)?.as_bytes())?;
    cut?;
    Ok(exit::OK)
}

/// The curves of one log.
pub(super) fn svg_of(loaded: &Loaded) -> Result<String, Failure> {
    svg_of_sums("Latency by percentile", &loaded.sums)
}

/// The curves of these sums in one picture, values by powers of ten.
pub(in crate::cmd) fn svg_of_sums(title: &str, sums: &[Sum]) -> Result<String, Failure> {
    svg(title, &curves(sums, ""), false)
}

/// A line for each sum that has values.
fn curves<'l>(sums: &'l [Sum], prefix: &'l str) -> Vec<Line> {
    let there = sums.iter().filter(|sum| !sum.values.is_empty());
    there.map(|sum| Line { name: format!("{prefix}{}", sum.name()), points: points(sum) }).collect()
}

fn points(sum: &Sum) -> Vec<(f64, f64)> {
    let last = (sum.values.len() as f64).log10();
    let of_steps = steps::of(&sum.values).into_iter().filter_map(|step| {
        let left = 1.0 - step.quantile;
        let decades = -left.log10();
        (left > 0.0 && decades < last).then_some((decades, step.value_ns as f64))
    });
    of_steps.chain([(last, sum.values.max() as f64)]).collect()
}

fn svg(title: &str, lines: &[Line], linear: bool) -> Result<String, Failure> {
    let values = lines.iter().flat_map(|line| &line.points).map(|(_, value)| *value);
    let Some(max) = values.clone().reduce(f64::max) else {
        return Err(Failure::failed("no values in any of the tags, so no curve"));
    };
    let min = values.fold(max, f64::min).max(1.0);
    let decades = lines.iter().flat_map(|line| line.points.last()).map(|(at, _)| *at);
    let decades = decades.fold(1.0, f64::max);
    let mut text = String::new();
    draw(&mut text, title, lines, Scale::new(min, max.max(min), linear), decades)
        .map_err(|error| Failure::failed(format_args!("cannot draw this: {error}")))?;
    Ok(text)
}

/// The axis of values: by size, or by powers of ten.
struct Scale {
    linear: bool,
    low: f64,
    high: f64,
}

impl Scale {
    fn new(min: f64, max: f64, linear: bool) -> Scale {
        match linear {
            true => Scale { linear, low: 0.0, high: max * 1.05 },
            // Whole decades are marked: at least one lies inside.
            false => {
                Scale { linear, low: min.log10().floor(), high: max.log10().max(0.0).floor() + 1.0 }
            }
        }
    }

    fn at(&self, value_ns: f64) -> f64 {
        if self.linear { value_ns } else { value_ns.max(1.0).log10() }
    }

    fn marks(&self) -> Vec<f64> {
        let step = match self.linear {
            false => 1.0,
            true => {
                // 1, 2 or 5 times a power of ten, ten marks at most.
                let rough = self.high / 10.0;
                let power = 10_f64.powf(rough.log10().floor());
                let factors = [1.0, 2.0, 5.0, 10.0];
                power * factors.into_iter().find(|factor| factor * power >= rough).unwrap_or(10.0)
            }
        };
        let count = ((self.high - self.low) / step + 1e-9).floor().max(0.0) as u32;
        (0..=count).map(|index| self.low + f64::from(index) * step).collect()
    }

    fn label(&self, mark: f64) -> String {
        time(if self.linear { mark } else { 10_f64.powf(mark) })
    }
}

/// An axis with marks of our choice; the library's own ranges choose theirs.
struct Axis {
    range: Range<f64>,
    marks: Vec<f64>,
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (value - self.range.start) / (self.range.end - self.range.start);
        from + (f64::from(to - from) * share).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.marks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

/// `300 ns`, `1.5 us`, `20 ms`.
fn time(ns: f64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "us"), (1.0, "ns")];
    let (size, unit) =
        units.into_iter().find(|(size, _)| ns >= size * 0.999_999).unwrap_or((1.0, "ns"));
    let number = format!("{:.2}", ns / size);
    format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
}

/// `0 %`, `90 %`, `99 %`, `99.9 %`: one nine a decade.
fn percent(decades: f64) -> String {
    match decades.round() as usize {
        0 => "0%".to_owned(),
        1 => "90%".to_owned(),
        2 => "99%".to_owned(),
        nines => format!("99.{}%", "9".repeat(nines - 2)),
    }
}

fn draw(
    text: &mut String,
    title: &str,
    lines: &[Line],
    scale: Scale,
    decades: f64,
) -> Result<(), Box<dyn std::error::Error>> {
    let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    // Above seven nines their labels would run into each other.
    let every = if decades > 7.0 { 2 } else { 1 };
    let nines = (0..=decades.floor() as u32).step_by(every).map(f64::from).collect();
    let across = Axis { range: 0.0..decades * 1.02, marks: nines };
    let up = Axis { range: scale.low..scale.high, marks: scale.marks() };
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 26))
        .margin(16)
        .x_label_area_size(54)
        .y_label_area_size(80)
        .build_cartesian_2d(across, up)?;
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(BLACK.mix(0.5))
        .label_style(("sans-serif", 17))
        .x_labels(MARKS_MAX)
        .y_labels(MARKS_MAX)
        .x_label_formatter(&|at| percent(*at))
        .y_label_formatter(&|at| scale.label(*at))
        .x_desc("percentile")
        .draw()?;
    for (index, line) in lines.iter().enumerate() {
        // The second time round the colours are those of thin lines.
        let width = if index < COLOURS.len() { 2 } else { 1 };
        let style = COLOURS[index % COLOURS.len()].stroke_width(width);
        let points = line.points.iter().map(|(at, value)| (*at, scale.at(*value)));
        chart
            .draw_series(LineSeries::new(points, style))?
            .label(line.name.as_str())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.85))
        .border_style(GRID)
        .label_font(("sans-serif", 17))
        .draw()?;
    root.present()?;
    drop(chart);
    drop(root);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_short() {
        for (ns, label) in [(1.0, "1 ns"), (300.0, "300 ns"), (1_500.0, "1.5 us"), (2e7, "20 ms")] {
            assert_eq!(time(ns), label);
        }
        assert_eq!([0.0, 1.0, 2.0, 3.0, 4.0].map(percent), ["0%", "90%", "99%", "99.9%", "99.99%"]);
    }

    #[test]
    fn marks_lie_inside_the_axis() {
        for linear in [false, true] {
            for (min, max) in [(1.0, 1.0), (1.0, 7.0), (58.0, 12_107_775.0), (1e3, 1e18)] {
                let scale = Scale::new(min, max, linear);
                let marks = scale.marks();
                assert!((2..=25).contains(&marks.len()), "{min} to {max}: {marks:?}");
                assert!(marks.iter().all(|mark| *mark <= scale.high), "{min} to {max}: {marks:?}");
                assert!(scale.at(max) <= scale.high && scale.at(min) >= scale.low);
            }
        }
    }
}
