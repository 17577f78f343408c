//! [`Facts`]: what a recording turned out to be, counted while it is read.

use std::collections::BTreeMap;
use std::fmt;

/// What the messages of a recording are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Nothing was read yet that says it.
    #[default]
    Unknown,
    /// Nasdaq TotalView-ITCH 5.0.
    Itch50,
    /// IEX TOPS 1.5 or 1.6, top of book.
    Tops16,
    /// IEX DEEP 1.0, market by price.
    Deep10,
    /// IEX DEEP+ 1.0, market by order.
    DeepPlus10,
    /// Databento DBN, any schema.
    Dbn,
    /// LOBSTER message file.
    Lobster,
    /// Binance streams as recorded by the hftbacktest collector.
    Binance,
    /// Our own recording.
    Tape,
}

impl Protocol {
    /// Decimals of a price in the venue's own integers: canonical lines are in these.
    #[must_use]
    pub const fn px_decimals(self) -> u32 {
        match self {
            Protocol::Itch50
            | Protocol::Tops16
            | Protocol::Deep10
            | Protocol::DeepPlus10
            | Protocol::Lobster => 4,
            Protocol::Binance => 8,
            Protocol::Dbn | Protocol::Tape | Protocol::Unknown => 9,
        }
    }

    /// Decimals of a quantity: 0 where the venue counts in whole units.
    #[must_use]
    pub const fn qty_decimals(self) -> u32 {
        if matches!(self, Protocol::Binance) { 8 } else { 0 }
    }

    /// As scripts know it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Protocol::Unknown => "unknown",
            Protocol::Itch50 => "itch50",
            Protocol::Tops16 => "tops16",
            Protocol::Deep10 => "deep10",
            Protocol::DeepPlus10 => "deep_plus10",
            Protocol::Dbn => "dbn",
            Protocol::Lobster => "lobster",
            Protocol::Binance => "binance",
            Protocol::Tape => "tape",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One run of venue sequence numbers: a session, or what follows a restart of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFacts {
    /// The venue's name of it.
    pub id: String,
    /// First and last sequence number seen (0 and 0: none).
    pub first: u64,
    /// See `first`.
    pub last: u64,
    /// Holes that were not filled.
    pub gaps: u64,
    /// Messages in those holes.
    pub missing: u64,
    /// Times the sequence went back to its start under the same name: all of them stand with the
    /// first run of that name.
    pub restarts: u64,
    /// Messages that came more than once and were dropped.
    pub duplicates: u64,
    /// Those among them that another line of the session had brought: what two lines are for.
    pub arbitrated: u64,
    /// Messages dropped because they came when their gap, or their run, was already given up.
    pub late: u64,
    /// Packets that only said that the session is alive.
    pub heartbeats: u64,
    /// The venue said that the session is over.
    pub is_ended: bool,
}

/// Counts of a recording: of what was read so far, and once the reader gave its last event, of all
/// of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// What the messages are wrapped in, outermost first: "gzip, pcap us, ethernet, vlan, iex-tp".
    pub container: String,
    /// What they are.
    pub protocol: Protocol,
    /// Messages of known types that were handed out.
    pub messages: u64,
    /// The same by the venue's name of the type ("A", "mbo", "depth").
    pub by_type: BTreeMap<String, u64>,
    /// Sessions in the order in which they appeared.
    pub sessions: Vec<SessionFacts>,
    /// Messages without a sequence number, as captures that were made anonymous have them.
    pub unsequenced: u64,
    /// Packets of a capture, those that are not part of the feed counted.
    pub packets: u64,
    /// Venue time of the first and the last message, ns since the venue's origin.
    pub first_ns: Option<u64>,
    /// See `first_ns`.
    pub last_ns: Option<u64>,
    /// Messages whose venue time is before that of the message before.
    pub reversals: u64,
    /// Capture (or local) time minus venue time, ns, least and most; negative where the clock of
    /// the recorder was behind.
    pub latency_ns: Option<(i64, i64)>,
    /// How many of those were negative.
    pub negative_latencies: u64,
    /// The recording ends inside a record.
    pub truncated: bool,
    /// What was stepped over, by reason ("unknown type", "fragment", "not udp").
    pub skipped_by: BTreeMap<&'static str, u64>,
}

impl Facts {
    /// Everything that was stepped over.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped_by.values().sum()
    }

    /// One more was stepped over.
    pub fn skip(&mut self, reason: &'static str) {
        *self.skipped_by.entry(reason).or_default() += 1;
    }

    /// Takes the venue time of a message.
    pub fn at(&mut self, venue_ns: u64) {
        self.reversals += u64::from(self.last_ns.is_some_and(|last| venue_ns < last));
        self.first_ns.get_or_insert(venue_ns);
        self.last_ns = Some(venue_ns);
    }

    /// Takes the time at which a message was recorded, and its venue time; both since the same
    /// origin.
    pub fn latency(&mut self, recorded_ns: u64, venue_ns: u64) {
        let latency_ns = recorded_ns.wrapping_sub(venue_ns).cast_signed();
        let (least, most) = self.latency_ns.unwrap_or((latency_ns, latency_ns));
        self.latency_ns = Some((least.min(latency_ns), most.max(latency_ns)));
        self.negative_latencies += u64::from(latency_ns < 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_run_backwards_are_counted_and_latency_is_signed() {
        let mut facts = Facts::default();
        for (recorded, venue) in [(10, 20), (30, 25), (31, 24)] {
            facts.at(venue);
            facts.latency(recorded, venue);
        }
        assert_eq!((facts.first_ns, facts.last_ns, facts.reversals), (Some(20), Some(24), 1));
        assert_eq!((facts.latency_ns, facts.negative_latencies), (Some((-10, 7)), 1));
        facts.skip("fragment");
        facts.skip("fragment");
        assert_eq!(facts.skipped(), 2);
    }
}
