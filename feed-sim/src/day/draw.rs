//! Which stock is next: Zipf's law by the alias method, two loads a draw.
//!
//! The stock of rank *k* gets a share of 1/*k*. Ranks are dealt to stocks by the seed, so that busy
//! ones do not lie side by side.

use rand::RngExt;
use rand_pcg::Pcg64Mcg;

#[derive(Clone, Copy)]
struct Column {
    /// Below this of 2^32 the column's own stock, else the other.
    own: u32,
    other: u32,
}

/// The drawing of lots, and each stock's share.
pub(super) struct Draw {
    columns: Box<[Column]>,
    /// Of 2^32, by stock.
    shares: Box<[u32]>,
}

impl Draw {
    pub(super) fn new(instruments: u16, rng: &mut Pcg64Mcg) -> Draw {
        let len = usize::from(instruments);
        let mut ranks: Vec<u32> = (1..=u32::from(instruments)).collect();
        for at in (1..len).rev() {
            ranks.swap(at, rng.random_range(0..=at as u32) as usize);
        }
        // In integers, so that no compiler and no processor rounds otherwise: shares of 2^40.
        let weight = |rank: u32| (1_u64 << 40) / u64::from(rank);
        let sum: u64 = ranks.iter().map(|&rank| weight(rank)).sum();
        let of_sum = |rank| ((u128::from(weight(rank)) << 32) / u128::from(sum)) as u64;
        let shares = ranks.iter().map(|&rank| of_sum(rank).min(u32::MAX.into()) as u32).collect();
        Draw {
            columns: columns(&ranks.iter().map(|&rank| weight(rank)).collect::<Vec<_>>(), sum),
            shares,
        }
    }

    /// A stock, from 0.
    #[inline]
    pub(super) fn next(&self, rng: &mut Pcg64Mcg) -> usize {
        let draw: u64 = rng.random();
        let at = (((draw >> 32) * self.columns.len() as u64) >> 32) as usize;
        let column = self.columns[at];
        if (draw as u32) < column.own { at } else { column.other as usize }
    }

    /// The stock's share of `whole`.
    #[inline]
    pub(super) fn share_of(&self, stock: usize, whole: u64) -> u64 {
        (whole * u64::from(self.shares[stock])) >> 32
    }
}

/// Vose's method: each column is filled up by one stock that has too much.
fn columns(weights: &[u64], sum: u64) -> Box<[Column]> {
    let len = weights.len();
    let mut scaled: Vec<u128> = weights.iter().map(|&w| u128::from(w) * len as u128).collect();
    let full = u128::from(sum);
    let mut columns: Box<[Column]> =
        (0..len as u32).map(|other| Column { own: u32::MAX, other }).collect();
    let (mut small, mut large): (Vec<usize>, Vec<usize>) =
        (0..len).partition(|&at| scaled[at] < full);
    while let (Some(low), Some(&high)) = (small.pop(), large.last()) {
        columns[low] = Column { own: ((scaled[low] << 32) / full) as u32, other: high as u32 };
        scaled[high] -= full - scaled[low];
        if scaled[high] < full {
            large.pop();
            small.push(high);
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn draws_follow_the_law_and_shares_sum_to_one() {
        let mut rng = Pcg64Mcg::seed_from_u64(5);
        let draw = Draw::new(100, &mut rng);
        let mut seen = [0_u64; 100];
        let draws = 1_000_000;
        for _ in 0..draws {
            seen[draw.next(&mut rng)] += 1;
        }
        for (stock, &count) in seen.iter().enumerate() {
            let expected = draw.share_of(stock, draws);
            assert!(count.abs_diff(expected) < expected / 10 + 100, "{stock}: {count}, {expected}");
        }
        let sum: u64 = (0..100).map(|stock| draw.share_of(stock, 1 << 32)).sum();
        assert!((1 << 32) - sum < 100);
        let busiest = seen.iter().max().unwrap() * 1_000 / draws;
        assert!((185..200).contains(&busiest), "1 of 5.187: {busiest}");
    }

    #[test]
    fn one_stock_is_always_drawn() {
        let mut rng = Pcg64Mcg::seed_from_u64(0);
        let draw = Draw::new(1, &mut rng);
        assert!((0..1_000).all(|_| draw.next(&mut rng) == 0));
        assert!(draw.share_of(0, 1_000) >= 999);
    }
}
