//! Charts as SVG: a frame, axes by powers of ten, text that is escaped.
//!
//! Each chart is drawn twice, for a screen and for a phone: letters keep their size, and the page
//! shows the one that fits. Colours are classes, so that the style can change them with the theme.

use super::text;
use serde::Serialize;
use std::fmt::Write;

/// One chart in both sizes.
#[derive(Debug, Serialize)]
pub(super) struct Drawing {
    pub(super) wide: String,
    pub(super) narrow: String,
}

impl Drawing {
    /// Draws for both.
    pub(super) fn of(draw: impl Fn(bool) -> String) -> Drawing {
        Drawing { wide: draw(false), narrow: draw(true) }
    }
}

/// A picture's size and the place of its plot in it, in units of the SVG: pixels of its letters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

impl Frame {
    /// Of an inner height; margins for labels left and below.
    pub(super) fn new(is_narrow: bool, plot_height: f64) -> Frame {
        let (width, left, right) = if is_narrow { (360.0, 53.0, 8.0) } else { (960.0, 64.0, 16.0) };
        let (top, below) = (12.0, 30.0);
        let bottom = top + plot_height;
        Frame { width, height: bottom + below, left, right: width - right, top, bottom }
    }

    /// Where `share` of the way from left to right is.
    pub(super) fn x(&self, share: f64) -> f64 {
        self.left + share * (self.right - self.left)
    }

    /// Where `share` of the way from bottom to top is.
    pub(super) fn y(&self, share: f64) -> f64 {
        self.bottom - share * (self.bottom - self.top)
    }
}

/// Nanoseconds by powers of ten, between bounds of 1, 2 or 5 times one.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogAxis {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl LogAxis {
    /// Around values of `min` to `max` ns; less than a nanosecond is one.
    pub(super) fn around(min: f64, max: f64) -> LogAxis {
        let min = min.max(1.0);
        let low = bound(min, f64::floor, |mark| mark <= min);
        let high = bound(max.max(min), f64::ceil, |mark| mark > max);
        // A decade at least, so that there is a mark to read.
        LogAxis { low: low.log10(), high: high.log10().max(low.log10() + 1.0) }
    }

    /// Whether it lies between the bounds.
    pub(super) fn holds(&self, ns: f64) -> bool {
        (self.low..=self.high).contains(&ns.max(1.0).log10())
    }

    /// 0 at the lower bound, 1 at the upper; never outside.
    pub(super) fn share(&self, ns: f64) -> f64 {
        ((ns.max(1.0).log10() - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// Powers of ten inside the bounds; where they are few, also twice and five times one.
    fn marks(&self) -> Vec<f64> {
        let factors: &[f64] = if self.high - self.low > 2.5 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let decades = self.low.floor() as i32..=self.high.ceil() as i32;
        let marks = decades
            .flat_map(|decade| factors.iter().map(move |factor| factor * 10_f64.powi(decade)));
        marks.filter(|ns| (self.low - 1e-9..=self.high + 1e-9).contains(&ns.log10())).collect()
    }

    /// Lines across the plot with their labels at the left.
    pub(super) fn draw(&self, svg: &mut String, frame: &Frame) {
        for ns in self.marks() {
            let y = frame.y(self.share(ns));
            let (left, right) = (frame.left, frame.right);
            let _ = write!(svg, "<path class=\"grid\" d=\"M{left:.1} {y:.1}H{right:.1}\"/>");
            label(svg, "tick end", left - 6.0, y + 4.0, &text::time(ns));
        }
    }
}

/// The nearest of 1, 2 and 5 times a power of ten below or above `ns` that `fits`.
fn bound(ns: f64, round: impl Fn(f64) -> f64, fits: impl Fn(f64) -> bool) -> f64 {
    let decade = round(ns.log10());
    let marks = [-1.0, 0.0, 1.0]
        .into_iter()
        .flat_map(|step| [1.0, 2.0, 5.0].map(|factor: f64| factor * 10_f64.powf(decade + step)));
    let fitting: Vec<f64> = marks.filter(|mark| fits(*mark)).collect();
    let near = |mark: &f64| (mark.log10() - ns.log10()).abs();
    fitting.into_iter().min_by(|a, b| near(a).total_cmp(&near(b))).unwrap_or(ns)
}

/// The opening of a picture; `attributes` is ours, `name` is for those who cannot see it.
pub(super) fn open(frame: &Frame, attributes: &str, name: &str) -> String {
    let Frame { width, height, left, right, top, bottom } = frame;
    format!(
        "<svg viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"{}\" \
         data-left=\"{left:.1}\" data-right=\"{right:.1}\" data-top=\"{top:.1}\" \
         data-bottom=\"{bottom:.1}\" {attributes}>",
        escape(name)
    )
}

/// A name below a mark across; at the edge it stays inside.
pub(super) fn below(svg: &mut String, frame: &Frame, x: f64, text: &str) {
    let (class, x) = match x {
        _ if x > frame.right - 20.0 => ("tick end", frame.right + 4.0),
        _ => ("tick mid", x),
    };
    label(svg, class, x, frame.bottom + 18.0, text);
}

/// One text.
pub(super) fn label(svg: &mut String, class: &str, x: f64, y: f64, text: &str) {
    let _ =
        write!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escape(text));
}

/// Text as HTML and SVG want it, attributes too; control characters, which neither may hold, are
/// shown as what they are not.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// The class of a series' colour and dashes: a stage's own, or the next of those for others.
pub(super) fn series(tag: &str, nth: usize) -> String {
    match tickspin_results::Stage::from_name(tag) {
        Some(stage) => format!("s-{}", stage.name()),
        None => format!("o-{}", nth % 6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_holds_its_values_and_has_a_mark() {
        for (min, max) in [(0.0, 0.0), (1.0, 1.0), (58.0, 12_107_775.0), (1e3, 1e3), (7.0, 68e9)] {
            let axis = LogAxis::around(min, max);
            assert!(axis.marks().len() >= 2, "{min} to {max}: {axis:?}");
            assert!(axis.low <= f64::max(min, 1.0).log10() + 1e-9, "{min} to {max}: {axis:?}");
            assert!(axis.high >= f64::max(max, 1.0).log10() - 1e-9, "{min} to {max}: {axis:?}");
            assert!(axis.high - axis.low < f64::max(max / min.max(1.0), 1.0).log10() + 1.7);
        }
    }

    #[test]
    fn what_could_be_markup_is_text() {
        assert_eq!(escape("<a b='c'>\"&\u{1b}"), "&lt;a b=&#39;c&#39;&gt;&quot;&amp;\u{fffd}");
    }
}
