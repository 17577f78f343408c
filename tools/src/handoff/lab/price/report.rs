//! Rounds to prices: medians over rounds, with their intervals.
//!
//! Rounds in which the host moved the cores are set aside, and so is a passage during which another
//! program was on its cores; where nothing would be left, all is used, and that is said.

use super::super::super::{has_moved, placement};
use super::super::summary::{CROWDED_SHARE, Stat, stat};
use super::flood::{Drops, Flood};
use super::road::Passage;
use super::wire::{Crossing, Transport};
use super::{PAYLOAD_BYTES, PriceRound, Wishes};
use crate::num::{hundredth, median};
use serde::Serialize;
use std::collections::BTreeMap;

/// Name and version of the report's shape.
const SCHEMA: &str = "tickspin.price/1";

/// Arrival minus intended instant, ns.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Percentiles {
    /// Half came sooner.
    pub p50: Stat,
    /// Nine of ten.
    pub p90: Stat,
    /// 99 of 100.
    pub p99: Stat,
    /// 999 of 1,000.
    pub p999: Stat,
    /// Largest of each round.
    pub max: Stat,
}

/// A transport with one sender.
#[derive(Clone, Debug, Serialize)]
pub struct Crossed {
    /// See [`Percentiles`].
    pub one_way_ns: Percentiles,
    /// Messages a second that came.
    pub rate_per_s: Stat,
    /// Messages that never came, of all rounds used.
    pub lost: u64,
    /// Rounds that its numbers are over.
    pub rounds: usize,
}

/// A transport that gets as many messages as it takes. Every one that was sent is received, or dropped
/// and counted by somebody, or unexplained.
#[derive(Clone, Debug, Serialize)]
pub struct Saturated {
    /// Who sent: `af_xdp` where this build has it.
    pub sender: &'static str,
    /// Messages a second that came.
    pub rate_per_s: Stat,
    /// Messages sent, of all rounds.
    pub sent: u64,
    /// Of them, those that came.
    pub received: u64,
    /// And those that did not.
    pub lost: u64,
    /// Of the lost, those that a counter names.
    pub explained: u64,
    /// And those that none does.
    pub unexplained: u64,
    /// The counters. In native mode a message without a frame is in two of them.
    pub drops: Drops,
    /// Share of its time that sender or receiver was kept off its core, 0 to 1.
    pub queued_share: Stat,
}

/// What a transport costs.
#[derive(Clone, Debug, Serialize)]
pub struct Price {
    /// Who sent: `udp`; `ring` where the transport has its own.
    pub sender: &'static str,
    /// With this sender.
    #[serde(flatten)]
    pub plain: Crossed,
    /// With an AF_XDP sender, whose own part of the way is smaller; where this build has one.
    pub with_af_xdp_sender: Option<Crossed>,
    /// As fast as it goes; null for the ring.
    pub saturated: Option<Saturated>,
    /// A look that finds nothing, ns. (Of a sleeping receiver: the look that ends each waking.)
    pub empty_poll_ns: Stat,
    /// The receiving thread's time for a message of 2,000 that wait, ns.
    pub drain_ns: Stat,
    /// What was got, where the name does not say it.
    pub obtained: Option<String>,
}

/// The whole experiment.
#[derive(Clone, Debug, Serialize)]
pub struct PriceReport {
    /// Name and version of this shape.
    pub schema: &'static str,
    /// The experiment's name.
    pub name: &'static str,
    /// Bytes of a message.
    pub payload_bytes: usize,
    /// Messages a second that were to be sent.
    pub rate_wished_per_s: f64,
    /// Messages of each transport, sender and round; a tenth of them is not counted.
    pub messages: usize,
    /// Sender's and receiver's core.
    pub cores: (usize, usize),
    /// `tight`, `near` or `far`.
    pub placement: &'static str,
    /// Bare round trip around the rounds, median, ns.
    pub floor_round_trip_ns: f64,
    /// Rounds that the numbers are over.
    pub rounds: usize,
    /// Rounds set aside: the cores were moved.
    pub rounds_moved: usize,
    /// Passages set aside: something else ran on their cores.
    pub passages_crowded: usize,
    /// Nothing was quiet, or of some passage nothing was: the numbers show the host as much.
    pub is_noisy: bool,
    /// Taken from both cores by the hypervisor in all rounds, ns.
    pub steal_ns: u64,
    /// By name; null where this build has none.
    pub transports: BTreeMap<&'static str, Option<Price>>,
    /// What the numbers do not say.
    pub notes: Vec<String>,
}

/// Sums up.
#[must_use]
pub fn price_report(wishes: &Wishes, rounds: &[PriceRound]) -> PriceReport {
    let is_still = |round: &&PriceRound| !has_moved(round.look_ns.0, round.look_ns.1);
    let still: Vec<&PriceRound> = rounds.iter().filter(is_still).collect();
    let mut sorter = Sorter { crowded: 0, is_noisy: still.is_empty() };
    let used = if still.is_empty() { rounds.iter().collect() } else { still };
    let transports = Transport::ALL.iter().enumerate().map(|(index, transport)| {
        let of_round = |round: &&'_ PriceRound| round.crossings.get(index).cloned().flatten();
        let crossings: Vec<Crossing> = used.iter().filter_map(of_round).collect();
        (transport.name(), price(*transport, &crossings, &mut sorter))
    });
    let transports = transports.collect();
    let looks = used.iter().flat_map(|round| [round.look_ns.0, round.look_ns.1]);
    let floor_round_trip_ns = median(looks.collect());
    PriceReport {
        schema: SCHEMA,
        name: "price-of-the-kernel",
        payload_bytes: PAYLOAD_BYTES,
        rate_wished_per_s: wishes.rate_per_s,
        messages: wishes.messages,
        cores: wishes.cores,
        placement: placement(floor_round_trip_ns),
        floor_round_trip_ns,
        rounds: used.len(),
        rounds_moved: rounds.len() - used.len(),
        passages_crowded: sorter.crowded,
        is_noisy: sorter.is_noisy,
        steal_ns: rounds.iter().map(|round| round.steal_ns).sum(),
        transports,
        notes: notes(),
    }
}

fn notes() -> Vec<String> {
    let mut notes = vec![
        "measured over a veth pair: a cable of software, whose receiving work the kernel does on the \
         sender's core; a card has its own price, and zero-copy and busy polling, which veth lacks"
            .to_owned(),
    ];
    if !Transport::AfXdpNative.is_built() {
        notes.push(
            "this build has no AF_XDP: `cargo build --release --features xdp` makes one that has it"
                .to_owned(),
        );
    }
    notes
}

fn price(transport: Transport, crossings: &[Crossing], sorter: &mut Sorter) -> Option<Price> {
    let first = crossings.first()?;
    let over =
        |of: &dyn Fn(&Crossing) -> f64| stat(crossings.iter().map(of).map(hundredth).collect());
    let bypassing: Vec<&Passage> =
        crossings.iter().filter_map(|crossing| crossing.bypassing.as_ref()).collect();
    let floods: Vec<&Flood> =
        crossings.iter().filter_map(|crossing| crossing.flood.as_ref()).collect();
    Some(Price {
        sender: if transport == Transport::Ring { "ring" } else { "udp" },
        plain: sorter.crossed(crossings.iter().map(|crossing| &crossing.plain).collect()),
        with_af_xdp_sender: (!bypassing.is_empty()).then(|| sorter.crossed(bypassing)),
        saturated: saturated(transport, &floods),
        empty_poll_ns: over(&|crossing| crossing.costs.empty_poll_ns),
        drain_ns: over(&|crossing| crossing.costs.drain_ns),
        obtained: first.obtained.clone(),
    })
}

impl Flood {
    fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.received)
    }

    /// Of the lost, those that a counter names.
    fn explained(&self, transport: Transport) -> u64 {
        let Drops { near_tx, far_rx, source } = self.drops;
        // In native mode the interface counts what finds no frame as well.
        let is_double = transport == Transport::AfXdpNative;
        let there = if is_double { far_rx.max(source) } else { far_rx + source };
        (near_tx + there).min(self.lost())
    }
}

/// Over all rounds: a flood keeps the kernel's own threads busy on the same cores, so one whose threads
/// had to wait is no exception.
fn saturated(transport: Transport, floods: &[&Flood]) -> Option<Saturated> {
    let sender = floods.first()?.sender;
    let over = |of: &dyn Fn(&Flood) -> f64| stat(floods.iter().map(|flood| of(flood)).collect());
    let sum = |of: &dyn Fn(&Flood) -> u64| floods.iter().map(|flood| of(flood)).sum::<u64>();
    let (lost, explained) = (sum(&Flood::lost), sum(&|flood| flood.explained(transport)));
    Some(Saturated {
        sender,
        rate_per_s: over(&|flood| flood.rate_per_s.round()),
        sent: sum(&|flood| flood.sent),
        received: sum(&|flood| flood.received),
        lost,
        explained,
        unexplained: lost - explained,
        drops: Drops {
            near_tx: sum(&|flood| flood.drops.near_tx),
            far_rx: sum(&|flood| flood.drops.far_rx),
            source: sum(&|flood| flood.drops.source),
        },
        queued_share: over(&|flood| hundredth(flood.queued_share)),
    })
}

/// Sets crowded passages aside, and counts them.
struct Sorter {
    crowded: usize,
    is_noisy: bool,
}

impl Sorter {
    fn crossed(&mut self, all: Vec<&Passage>) -> Crossed {
        let is_quiet = |passage: &&&Passage| passage.queued_share <= CROWDED_SHARE;
        let mut used: Vec<&Passage> = all.iter().filter(is_quiet).copied().collect();
        self.crowded += all.len() - used.len();
        if used.is_empty() {
            self.is_noisy = true;
            used = all;
        }
        let at = |q: f64| {
            let of = |passage: &&Passage| passage.response.values.value_at_quantile(q) as f64;
            stat(used.iter().map(of).collect())
        };
        Crossed {
            one_way_ns: Percentiles {
                p50: at(0.5),
                p90: at(0.9),
                p99: at(0.99),
                p999: at(0.999),
                max: at(1.0),
            },
            rate_per_s: stat(used.iter().map(|passage| passage.rate_per_s.round()).collect()),
            lost: used.iter().map(|passage| passage.lost).sum(),
            rounds: used.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(ns: u64, lost: u64, queued_share: f64) -> Passage {
        let mut response = tickspin_results::Histogram::new();
        response.record(ns);
        let span = Default::default();
        Passage { span, response, lost, rate_per_s: 100_000.4, queued_share }
    }

    #[test]
    fn of_a_flood_every_message_is_received_or_named_or_unexplained() {
        let flood = |received, drops| Flood {
            sender: "af_xdp",
            rate_per_s: 5e5,
            sent: 100,
            received,
            drops,
            queued_share: 0.0,
        };
        let twice = flood(60, Drops { near_tx: 5, far_rx: 30, source: 30 });
        let late = flood(99, Drops { source: 7, ..Drops::default() });
        let native = saturated(Transport::AfXdpNative, &[&twice, &late]).unwrap();
        assert_eq!((native.sent, native.received, native.lost), (200, 159, 41));
        assert_eq!((native.explained, native.unexplained), (36, 5));
        let generic = saturated(Transport::AfXdpGeneric, &[&twice]).unwrap();
        assert_eq!((generic.explained, generic.unexplained), (40, 0));
        assert!(saturated(Transport::Ring, &[]).is_none());
    }

    #[test]
    fn crowded_passages_are_set_aside_while_there_are_others() {
        let passages = [passage(100, 1, 0.0), passage(900, 7, 0.5), passage(100, 2, 0.01)];
        let mut sorter = Sorter { crowded: 0, is_noisy: false };
        let crossed = sorter.crossed(passages.iter().collect());
        assert_eq!((crossed.lost, crossed.rounds, crossed.one_way_ns.p50.median), (3, 2, 100.0));
        assert_eq!(crossed.rate_per_s.median, 100_000.0);
        assert_eq!((sorter.crowded, sorter.is_noisy), (1, false));
        let crossed = sorter.crossed(passages[1..2].iter().collect());
        assert_eq!((crossed.lost, crossed.rounds), (7, 1));
        assert_eq!((sorter.crowded, sorter.is_noisy), (2, true));
    }

    #[test]
    fn what_a_build_lacks_has_a_name_and_no_number() {
        let wishes = Wishes { rounds: 0, messages: 10, rate_per_s: 1e5, cores: (0, 1) };
        let report = price_report(&wishes, &[]);
        assert_eq!(report.transports.len(), Transport::ALL.len());
        assert!(report.transports.values().all(Option::is_none));
        let says = report.notes.iter().any(|note| note.contains("--features xdp"));
        assert_eq!(says, !cfg!(feature = "xdp"));
    }
}
