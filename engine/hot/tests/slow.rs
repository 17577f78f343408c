//! Slow ticks as the loop keeps them: spells with their root, what queued behind it, and the count
//! of what found no room.

mod common;

use common::event;
use common::rig::{Left, Rig, payloads};
use tickspin_hot::input::{Input, PeerEnd, Polled, SliceInput};
use tickspin_hot::stamps::Stamps;
use tickspin_hot::strategy::Silent;
use tickspin_wire::event::{Event, Kind};
use tickspin_wire::num::InstrumentId;

/// A clock of 1 GHz that takes 10 ns a read and stands still for some time at the n-th.
struct Stalls<'s> {
    now: u64,
    reads: u32,
    stalls: &'s [(u32, u64)],
}

impl Stalls<'_> {
    fn read(&mut self) -> u64 {
        self.reads += 1;
        let stall = self.stalls.iter().find(|(read, _)| *read == self.reads);
        self.now += stall.map_or(0, |(_, ns)| *ns);
        let now = self.now;
        self.now += 10;
        now
    }
}

impl Stamps for Stalls<'_> {
    const STAGES: bool = true;
    fn arrival(&mut self) -> u64 {
        self.read()
    }
    fn stage(&mut self) -> u64 {
        self.read()
    }
    fn end(&mut self) -> u64 {
        self.read()
    }
    fn idle(&mut self) -> u64 {
        self.read()
    }
}

/// Events sent at these instants, and the end. Each takes 40 ns (four reads), from 1,000 on.
fn sent(instants: &[u64]) -> Vec<Event> {
    let mut events: Vec<Event> =
        instants.iter().map(|&sent_ticks| Event { sent_ticks, ..event(Kind::Info, 0) }).collect();
    events.push(Event { sent_ticks: u64::MAX, ..event(Kind::End, InstrumentId::ALL.0) });
    events
}

fn run(rig: &Rig, instants: &[u64], stalls: &[(u32, u64)]) -> Left {
    rig.events(&sent(instants), Silent, &mut Stalls { now: 1_000, reads: 0, stalls })
}

/// Finds nothing for some polls before each event.
struct Pauses<'p> {
    slice: SliceInput<'p>,
    left: u32,
}

const PAUSE: u32 = 64;

impl Input for Pauses<'_> {
    fn poll(&mut self) -> Polled {
        if self.left > 0 {
            self.left -= 1;
            return Polled::Empty;
        }
        self.left = PAUSE;
        self.slice.poll()
    }
    fn publish_position(&mut self) {}
    fn beat(&mut self) {}
    fn ended(&mut self) -> Option<PeerEnd> {
        None
    }
    fn epoch(&self) -> u64 {
        9
    }
    fn is_lockstep(&self) -> bool {
        false
    }
}

#[test]
fn a_stall_before_an_arrival_is_the_root_of_all_that_came_meanwhile() {
    // The fifth read is the arrival of the second event.
    let left = run(&Rig::default(), &[1_000, 1_100, 2_000, 9_000, 12_000], &[(5, 10_000)]);
    let [spell] = &left.spells[..] else { panic!("{} spells", left.spells.len()) };
    assert_eq!((spell.root.seq, spell.last_seq, spell.count), (2, 3, 2), "the fourth waited 2 us");
    assert_eq!((spell.root.looked, spell.root.sent), (1_030, 1_100));
    assert_eq!((spell.root.marks.arrival, spell.root.marks.end), (11_040, 11_070));
    assert_eq!((spell.depth, spell.worst_ns), (1, 11_070 - 1_100));
    assert_eq!(spell.counts.iter().sum::<u32>(), 2);
}

#[test]
fn a_stage_that_takes_long_shows_in_the_marks() {
    // The seventh read is the strategy's end of the second event.
    let left = run(&Rig::default(), &[1_000, 1_040, 8_000], &[(7, 6_000)]);
    let [spell] = &left.spells[..] else { panic!("{} spells", left.spells.len()) };
    let marks = spell.root.marks;
    assert_eq!((marks.booked - marks.arrival, marks.decided - marks.booked), (10, 6_010));
    assert_eq!((spell.count, spell.depth), (1, 0));
}

#[test]
fn a_spell_that_is_open_at_the_end_is_handed_over_and_one_without_room_is_counted() {
    let sent: Vec<u64> = (0..200).map(|at| 1_000 + at).collect();
    let left = run(&Rig::default(), &sent, &[]);
    let [spell] = &left.spells[..] else { panic!("{} spells", left.spells.len()) };
    // 40 ns an event, one sent each ns: from 5 us behind on, all are slow, and nothing was away.
    assert_eq!((spell.root.seq, spell.count, spell.last_seq), (129, 72, 200));
    assert_eq!(spell.depth, 71, "all of them had been sent");

    let rig = Rig { spell_slots: 1, ..Rig::default() };
    let left = run(&rig, &[1_000, 1_040, 9_075, 9_100], &[(5, 8_000), (13, 8_000)]);
    assert_eq!((left.spells.len(), left.stats.spells_lost, left.stats.slow_lost), (1, 1, 1));
}

#[test]
fn a_long_gap_while_nothing_comes_is_counted_and_ends_a_spell() {
    let events = payloads(&sent(&[1_000, 1_040]));
    let input = Pauses { slice: SliceInput::new(&events, 9), left: 0 };
    // The clock is read on each eighth of 64 idle turns: reads 5 to 12 after the first event.
    let mut stamps = Stalls { now: 1_000, reads: 0, stalls: &[(2, 6_000), (7, 7_000)] };
    let left = Rig::default().run(input, SliceInput::new(&[], 9), Silent, &mut stamps);
    let roots: Vec<u64> = left.spells.iter().map(|spell| spell.root.seq).collect();
    assert_eq!((left.stats.long_gaps, &roots[..]), (1, &[1, 2][..]));
    assert_eq!(left.spells[0].count, 1, "the second did not queue behind the first");
}
