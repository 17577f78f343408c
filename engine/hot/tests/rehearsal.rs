//! The rehearsal reaches every path it is there to warm.

mod common;

use common::rig::Rig;
use common::{CENT, Memory, tick};
use std::collections::HashMap;
use tickspin_hot::book::{BookSize, Effect};
use tickspin_hot::input::SliceInput;
use tickspin_hot::rehearse;
use tickspin_hot::spin::Ended;
use tickspin_hot::stamps::CountedStamps;
use tickspin_hot::strategy::market_maker::{MakerSlot, Quoting};
use tickspin_hot::strategy::{MarketMaker, Probe};
use tickspin_wire::event::{Event, Kind};
use tickspin_wire::num::Qty;
use tickspin_wire::order::RequestKind;

fn script(len: usize, instruments: u16) -> Vec<[u64; 7]> {
    let mut payloads = vec![[0; 7]; len];
    rehearse::script(&mut payloads, instruments);
    payloads
}

#[test]
fn the_script_is_a_consistent_market_flagged_as_warm_up() {
    for instruments in [0, 1, 16] {
        let mut memory = Memory::new(BookSize { instruments: 16, orders: 512, levels: 512 });
        let mut book = memory.book();
        let mut kinds: HashMap<Kind, u64> = HashMap::new();
        for words in script(4_096, instruments) {
            let tick = tick(Event::from_words(words));
            assert!(tick.event.is_warm_up());
            *kinds.entry(tick.kind).or_default() += 1;
            let change = book.apply(&tick);
            assert!(matches!(change.effect, Effect::Changed | Effect::None), "{tick:?}");
            let top = book.top(tick.event.instrument);
            assert!(top.is_quotable() || !top.ask.is_some(), "{tick:?}");
        }
        assert_eq!(kinds[&Kind::End], 1);
        for kind in [Kind::Add, Kind::Execute, Kind::Reduce, Kind::Delete, Kind::Replace] {
            assert!(kinds[&kind] >= 400, "{kind:?}");
        }
    }
    rehearse::script(&mut [], 1);
}

#[test]
fn a_market_maker_quotes_requotes_and_hears_to_the_end() {
    for instruments in [1, 8] {
        let quoting = Quoting {
            half_spread_px: CENT,
            skew_px: 10,
            qty: Qty(10),
            max_position: 1_000,
            hysteresis_ticks: 1,
            tick_px: CENT,
        };
        let mut slots = [MakerSlot::default(); 8];
        let maker = MarketMaker::new(quoting, &mut slots).unwrap();
        let (events, mut answers) = (script(4_096, instruments), vec![[0; 7]; 4 * 4_096]);
        rehearse::answers(&mut answers);
        let mut stamps = CountedStamps { now: 1, step: 1 };
        let (input, reports) = (SliceInput::new(&events, 1), SliceInput::new(&answers, 1));
        let left = Rig::default().run(input, reports, maker, &mut stamps);
        assert_eq!(left.outcome.ended, Ended::End);
        let count = |kind| left.requests.iter().filter(|r| r.kind() == Some(kind)).count();
        assert!(count(RequestKind::New) >= 2 * usize::from(instruments));
        assert!(count(RequestKind::Replace) >= 100, "{} replaced", count(RequestKind::Replace));
        let last = left.requests.last().expect("requests").cause_seq;
        assert!(last > 3_900, "still quoting at event {last}");
        assert!(left.counter("filled") >= 100);
        assert_eq!(left.counter("gate_closed"), 0);
        // Nothing of it is measured.
        assert_eq!(left.stage("service"), (vec![], 0));
    }
}

#[test]
fn a_probe_sends_with_each_event_and_its_orders_go() {
    let (events, mut answers) = (script(4_096, 8), vec![[0; 7]; 4 * 4_096]);
    rehearse::answers(&mut answers);
    let mut stamps = CountedStamps { now: 1, step: 1 };
    let (input, reports) = (SliceInput::new(&events, 1), SliceInput::new(&answers, 1));
    let left = Rig::default().run(input, reports, Probe::new(Qty(1)), &mut stamps);
    assert!(left.requests.len() > 4_000, "{}", left.requests.len());
    assert!(left.counter("open_orders") < 512, "{}", left.counter("open_orders"));
    assert_eq!(left.counter("gate_closed"), 0);
}
