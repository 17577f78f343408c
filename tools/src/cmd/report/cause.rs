//! Causes of slow ticks: a name, a colour and a shape each, so that none is told by colour alone.

use serde::Serialize;
use std::fmt::Write;
use tickspin_results::slow::Cause as Known;

/// Shapes; the second time round they are hollow, and there are enough for all causes.
const SHAPES: usize = 7;
/// Colours of the style.
const COLOURS: usize = 6;
const _: () = assert!(Known::ALL.len() <= 2 * SHAPES);

/// A cause's name and how it is marked.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Cause {
    pub(super) name: String,
    pub(super) class: String,
    /// Path around 0, 0.
    shape: String,
}

impl Cause {
    /// From its name in files; of a later version, too.
    pub(super) fn named(name: &str) -> Cause {
        let place = place(name);
        let hollow = if place.is_some_and(|place| place >= SHAPES) { " hollow" } else { "" };
        let class = match place {
            Some(place) => {
                format!("mark c-{}{hollow}", (place % COLOURS + place / COLOURS) % COLOURS)
            }
            None => "mark other".to_owned(),
        };
        Cause { name: name.to_owned(), class, shape: shape(place, 0.0, 0.0) }
    }

    /// Its shape at a place.
    pub(super) fn at(&self, x: f64, y: f64) -> String {
        shape(place(&self.name), x, y)
    }
}

/// Where it stands in the order of a tick's way; colour and shape go by it.
fn place(name: &str) -> Option<usize> {
    Known::ALL.iter().position(|cause| cause.name() == name)
}

/// Circle, square, triangles, diamond, hourglass, house; a cross for causes that are not known here.
fn shape(place: Option<usize>, x: f64, y: f64) -> String {
    let around = |points: &[(f64, f64)]| {
        let mut path = String::new();
        for (nth, (dx, dy)) in points.iter().enumerate() {
            let _ = write!(path, "{}{:.1} {:.1}", if nth == 0 { 'M' } else { 'L' }, x + dx, y + dy);
        }
        path + "Z"
    };
    match place.map(|place| place % SHAPES) {
        None => format!("M{:.1} {:.1}l7 7m0 -7l-7 7", x - 3.5, y - 3.5),
        Some(0) => format!("M{:.1} {y:.1}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z", x - 4.0),
        Some(1) => around(&[(-3.5, -3.5), (3.5, -3.5), (3.5, 3.5), (-3.5, 3.5)]),
        Some(2) => around(&[(0.0, -4.5), (4.5, 3.5), (-4.5, 3.5)]),
        Some(3) => around(&[(0.0, 4.5), (4.5, -3.5), (-4.5, -3.5)]),
        Some(4) => around(&[(0.0, -5.0), (4.0, 0.0), (0.0, 5.0), (-4.0, 0.0)]),
        Some(5) => around(&[(-5.0, -4.5), (5.0, -4.5), (-5.0, 4.5), (5.0, 4.5)]),
        Some(_) => around(&[(-4.0, 4.0), (-4.0, -1.0), (0.0, -5.0), (4.0, -1.0), (4.0, 4.0)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_causes_look_alike() {
        let causes = Known::ALL.iter().map(|cause| cause.name()).chain(["of a later version"]);
        let mut looks: Vec<_> = causes.map(Cause::named).map(|c| (c.class, c.shape)).collect();
        looks.sort();
        looks.dedup();
        assert_eq!(looks.len(), Known::ALL.len() + 1);
    }
}
