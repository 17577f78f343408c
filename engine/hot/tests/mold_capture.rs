//! Captured packets of Nasdaq through the live input: the events are those that the reader of captures
//! gives for the same file.

#![allow(clippy::disallowed_methods, reason = "a test may allocate and read the clock")]

mod captured;
mod day;

use captured::{bare, capture, folder, recorded, until_quiet};
use day::{Room, with_input};
use tickspin_host::clock::Clock;
use tickspin_host::memory_source::{Frames, MemorySource};
use tickspin_host::packets::Flow;
use tickspin_hot::input::mold::{Join, MoldTerms};
use tickspin_hot::stamps::EndStamps;
use tickspin_wire::Event;
use tickspin_wire::moldudp64::Packet;

/// Captures whose packets have their session and their numbers (most of the folder's have zeros
/// there), how many packets, and how many events: one a message, a start, and a gap in the first.
const CAPTURES: [(&str, usize, usize); 9] = [
    ("Nasdaq.Equities.TotalView.Itch.v5.0__Multiple.Packets.pcap", 2, 41),
    ("Nasdaq.Equities.TotalView.Itch.v5.0__AddOrderNoMpidAttributionMessage.pcap", 1, 2),
    ("Nasdaq.Equities.TotalView.Itch.v5.0__MarketParticipantPositionMessage.pcap", 1, 2),
    ("Nasdaq.Equities.TotalView.Itch.v5.0__NetOrderImbalanceIndicatorMessage.pcap", 1, 2),
    ("Nasdaq.Equities.TotalView.Itch.v5.0__OrderDeleteMessage.pcap", 1, 2),
    ("Nasdaq.Equities.TotalView.Itch.v5.0__OrderExecutedMessage.pcap", 1, 2),
    ("Nasdaq.Equities.TotalView.Itch.v5.0__OrderReplaceMessage.pcap", 1, 2),
    ("Nasdaq.Equities.TotalView.Itch.v5.0__StockTradingActionMessage.pcap", 1, 2),
    ("Bx.Equities.TotalView.Itch.v5.0__OrderReplaceMessage.pcap", 1, 2),
];

/// What the live input gives until nothing has come for ten times what a hole may take.
fn live((frames, flow): (Frames, Flow)) -> Vec<Event> {
    let source = MemorySource::new(frames, &[flow]).unwrap();
    let clock = Clock::with_frequency(1_000_000_000);
    let terms = MoldTerms::of(&clock, Join::Here, false);
    let room = Room { parked: 64, events: 1_024 };
    with_input((source, EndStamps), room, terms, |input, _, _| until_quiet(input))
}

#[test]
fn captured_packets_give_the_events_of_their_capture() {
    let Some(folder) = folder("itch/pcap") else { return };
    for (name, frames, count) in CAPTURES {
        let path = folder.join(name);
        let captured = capture(&path, |payload| Packet::decode(payload).is_ok());
        assert_eq!(captured.0.len(), frames, "{name}");
        let (live, recorded) = (live(captured), recorded(&path));
        assert_eq!(live.len(), count, "{name}");
        assert_eq!(recorded.len(), count, "{name}");
        for (live, recorded) in live.iter().zip(&recorded) {
            assert_eq!(bare(live), bare(recorded), "{name}");
        }
    }
}
