//! Which units count how often: whole blocks are drawn, because neighbours in time are alike.

use rand::RngExt;
use rand_pcg::Pcg64Mcg;

/// How the units were measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Design {
    /// Rounds of A B B A: units 2r and 2r+1 of either side belong to round r. A round is a block,
    /// drawn for both sides together, so that what drifts slowly falls out of the ratio.
    Rounds,
    /// One run of each, a unit an interval: each side is drawn by itself, in blocks of
    /// neighbouring intervals, from a circle. A block has as many as the cube root of all: long
    /// enough for most of what neighbours share, short enough to leave blocks to draw.
    Series,
}

/// How often each unit counts, one number a unit.
type Weights = Vec<u32>;

impl Design {
    /// Blocks of the side that has fewer.
    pub(super) fn blocks(self, a_units: usize, b_units: usize) -> usize {
        let units = a_units.min(b_units);
        match self {
            Design::Rounds => units / 2,
            Design::Series => units / length(units),
        }
    }

    /// One resample of each side.
    pub(super) fn draw(
        self,
        a_units: usize,
        b_units: usize,
        rng: &mut Pcg64Mcg,
    ) -> (Weights, Weights) {
        match self {
            Design::Rounds => {
                let rounds = a_units.min(b_units) / 2;
                let mut weights = vec![0; rounds * 2];
                for _ in 0..rounds {
                    let round = rng.random_range(0..rounds);
                    weights[2 * round] += 1;
                    weights[2 * round + 1] += 1;
                }
                (weights.clone(), weights)
            }
            Design::Series => (circle(a_units, rng), circle(b_units, rng)),
        }
    }

    /// Pairs of halves of one side, which differ by noise alone.
    pub(super) fn halves(self, units: usize) -> Vec<(Weights, Weights)> {
        let split = |is_first: &dyn Fn(usize) -> bool| -> (Weights, Weights) {
            (0..units).map(|unit| if is_first(unit) { (1, 0) } else { (0, 1) }).unzip()
        };
        match self {
            // The first of each round against the last: the same program, moments apart.
            Design::Rounds => vec![split(&|unit| unit.is_multiple_of(2))],
            Design::Series => {
                let length = length(units);
                vec![
                    split(&|unit| (unit / length).is_multiple_of(2)),
                    split(&|unit| unit < units / 2),
                ]
            }
        }
    }
}

/// Units of a block.
fn length(units: usize) -> usize {
    ((units as f64).cbrt().round() as usize).max(1)
}

/// As many units as there are, in blocks that begin anywhere and go round.
fn circle(units: usize, rng: &mut Pcg64Mcg) -> Weights {
    let mut weights = vec![0; units];
    let length = length(units);
    let mut drawn = 0;
    while drawn < units {
        let start = rng.random_range(0..units);
        for unit in (start..start + length).take(units - drawn) {
            weights[unit % units] += 1;
            drawn += 1;
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_resample_has_as_many_units_as_there_are() {
        let mut rng = Pcg64Mcg::seed_from_u64(1);
        for units in [4, 8, 60, 61] {
            for design in [Design::Rounds, Design::Series] {
                let (a, b) = design.draw(units, units, &mut rng);
                let whole = if design == Design::Rounds { units / 2 * 2 } else { units };
                assert_eq!(a.iter().sum::<u32>() as usize, whole);
                assert_eq!(a == b, design == Design::Rounds);
                for (one, other) in design.halves(units) {
                    assert!(one.iter().zip(&other).all(|(a, b)| a + b == 1));
                }
            }
        }
    }
}
