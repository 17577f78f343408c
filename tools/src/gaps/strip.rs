//! Lost time by slice, as a line of text: where in the time it was.

/// From "nothing" to "all of the slice".
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One character a slice: `·` for nothing, else a bar on a scale of powers.
///
/// Powers, because what is looked for spans decades: the lowest bar is up to a hundred-thousandth of
/// the slice, each further one nearly five times as much, the highest from a tenth up.
#[must_use]
pub fn sparkline(lost_ns: &[u64], slice_ns: u64) -> String {
    lost_ns
        .iter()
        .map(|&lost| {
            if lost == 0 {
                return '·';
            }
            let share = lost as f64 / slice_ns.max(1) as f64;
            let bar = ((share.log10() + 5.0) * 1.5).ceil().clamp(0.0, 7.0);
            BARS[bar as usize]
        })
        .collect()
}

/// Fewer slices, each the sum of its neighbours, for a narrow place.
#[must_use]
pub fn gather(lost_ns: &[u64], slices: usize) -> Vec<u64> {
    let size = lost_ns.len().div_ceil(slices.max(1)).max(1);
    lost_ns.chunks(size).map(|chunk| chunk.iter().sum()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_lost_is_never_a_lower_bar() {
        let lost = [0, 1, 5_000, 10_000, 100_000, 1_000_000, 10_000_000, 1_000_000_000, u64::MAX];
        let text = sparkline(&lost, 1_000_000_000);
        assert_eq!(text, "·▁▁▁▃▄▆██");
        assert_eq!(sparkline(&[1], 0).chars().count(), 1);
    }

    #[test]
    fn gathering_loses_nothing() {
        assert_eq!(gather(&[1, 2, 3, 4, 5], 2), [6, 9]);
        assert_eq!(gather(&[1, 2], 60), [1, 2]);
        assert_eq!(gather(&[1, 2], 0), [3]);
    }
}
