//! A synthetic market: same seed, same bytes; and its books are always consistent.

use tickspin_feed_sim::source::synth::{Bursts, Synth, SynthSpec};
use tickspin_feed_sim::source::{Due, Tick};
use tickspin_testkit::twin::Twin;
use tickspin_wire::event::Kind;
use tickspin_wire::num::{InstrumentId, Px, Side};

const SPEC: SynthSpec = SynthSpec { seed: 1, instruments: 8, rate: 100_000.0, bursts: None };

fn ticks(spec: SynthSpec, count: usize) -> Vec<Tick> {
    let mut synth = Synth::new(spec);
    (0..count).map(|_| synth.next_tick()).collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_others() {
    let (one, same) = (ticks(SPEC, 50_000), ticks(SPEC, 50_000));
    assert_eq!(one, same);
    let other = ticks(SynthSpec { seed: 2, ..SPEC }, 50_000);
    let differ = one.iter().zip(&other).filter(|(a, b)| a.event != b.event).count();
    assert!(differ > 45_000, "{differ}");
}

#[test]
fn the_flow_does_not_depend_on_the_rate() {
    let content = |spec| -> Vec<_> {
        let without_time = |tick: Tick| {
            let mut event = tick.event;
            event.exchange_ns = 0;
            (event, tick.touch)
        };
        ticks(spec, 20_000).into_iter().map(without_time).collect()
    };
    let bursts = Some(Bursts { share: 0.3, length: 50.0 });
    assert_eq!(content(SPEC), content(SynthSpec { rate: 7.0, bursts, ..SPEC }));
}

/// These bytes are promised: a seed that means something else tomorrow makes no run repeatable.
#[test]
fn the_first_bytes_of_seed_1_are_those_of_the_first_release() {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for tick in ticks(SPEC, 10_000) {
        for word in tick.event.to_words() {
            hash = (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    assert_eq!(hash, FIRST_RELEASE, "{hash:#018x}");
}

const FIRST_RELEASE: u64 = 0x4bdb_fac8_596b_d00f;

#[test]
fn books_never_cross_and_every_event_applies_cleanly() {
    for (seed, instruments) in [(1, 1), (2, 8), (3, 200)] {
        let (mut synth, mut twin) =
            (Synth::new(SynthSpec { seed, instruments, ..SPEC }), Twin::new());
        for step in 0..200_000 {
            let Tick { event, touch, .. } = synth.next_tick();
            twin.apply(&event);
            let best = |side| twin.best(event.instrument, side).map_or(Px::NONE, |best| best.0);
            let (bid, ask) = (best(Side::Bid), best(Side::Ask));
            assert!(!bid.is_some() || bid < ask, "seed {seed}, step {step}: {bid:?} {ask:?}");
            if event.kind() != Some(Kind::Definition) {
                assert_eq!((touch.bid, touch.ask), (bid, ask), "seed {seed}, step {step}");
            }
        }
        let counts = twin.counts();
        let faults = counts.unknown_orders + counts.duplicate_orders + counts.excess;
        assert_eq!((faults, counts.malformed), (0, 0), "{counts:?}");
        assert!(twin.open_orders() < usize::from(instruments) * 100);
    }
}

#[test]
fn definitions_come_first_and_unpaced_then_time_only_grows() {
    let all = ticks(SPEC, 100_000);
    let preface = Synth::new(SPEC).preface() as usize;
    for (index, tick) in all[..8].iter().enumerate() {
        assert_eq!(tick.event.kind(), Some(Kind::Definition));
        assert_eq!(tick.event.instrument, InstrumentId(index as u16 + 1));
        let (symbol, len) = tick.event.symbol_bytes();
        assert_eq!(&symbol[..len], format!("SYN{:05}", index + 1).as_bytes());
    }
    assert!(all[..preface].iter().all(|tick| tick.due == Due::AtOnce));
    let offset = |tick: &Tick| match tick.due {
        Due::After(ns) => ns,
        Due::AtOnce => panic!("unpaced in the flow"),
    };
    for pair in all[preface..].windows(2) {
        assert!(offset(&pair[0]) <= offset(&pair[1]));
        assert!(pair[0].event.exchange_ns <= pair[1].event.exchange_ns);
    }
    let rate = (all.len() - preface) as f64 / (offset(&all[all.len() - 1]) as f64 / 1e9);
    assert!((rate - 100_000.0).abs() < 2_000.0, "{rate} events a second");
}

#[test]
fn the_touch_moves_often_enough_for_a_market_maker_to_be_busy() {
    // Ten seconds at 100,000 a second. A market maker that quotes both sides and follows by two
    // ticks or more has to send at least 10,000 orders.
    let mut follows = 0;
    let mut quoted = [[None::<i64>; 2]; 9];
    let cent = Px::ONE / 100;
    for tick in ticks(SPEC, 1_000_000) {
        let instrument = tick.event.instrument.index();
        for (side, px) in [tick.touch.bid, tick.touch.ask].into_iter().enumerate() {
            let quote = &mut quoted[instrument][side];
            if px.is_some() && quote.is_none_or(|at| (px.0 - at).abs() >= 2 * cent) {
                *quote = Some(px.0);
                follows += 1;
            }
        }
    }
    assert!(follows >= 20_000, "{follows}");
}

#[test]
fn the_mix_is_that_of_a_lively_venue() {
    let mut counts = [0_u32; Kind::COUNT];
    let all = ticks(SPEC, 200_000);
    all.iter().for_each(|tick| counts[(tick.event.kind_side & 0x3F) as usize] += 1);
    let share = |kind: Kind| f64::from(counts[kind as usize]) / all.len() as f64;
    for (kind, low, high) in [
        (Kind::Add, 0.30, 0.50),
        (Kind::Delete, 0.25, 0.50),
        (Kind::Replace, 0.03, 0.12),
        (Kind::Execute, 0.05, 0.25),
        (Kind::Reduce, 0.01, 0.05),
        (Kind::Trade, 0.003, 0.02),
    ] {
        assert!((low..high).contains(&share(kind)), "{kind:?}: {:.3}", share(kind));
    }
}
