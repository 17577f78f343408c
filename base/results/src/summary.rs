//! The JSON object of a run, and the parts that each program adds.
//!
//! `engine` writes `engine.json`, `feed-sim` writes `feed.json`; `tickspin run` joins them into
//! `summary.json`. Scripts rely on the names: they are frozen by a test, and a change of meaning
//! changes [`SCHEMA`]. Times are nanoseconds, rates events per second.

use crate::certificate::Certificate;
use crate::histogram::Percentiles;
use crate::packets_in::PacketsIn;
use crate::packets_out::PacketsOut;
use crate::recorded::Recorded;
use crate::slow::Slow;
use crate::stage::Stage;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name and version of the object's shape.
pub const SCHEMA: &str = "tickspin.summary/1";

/// What the kernel did to one pinned thread between armed and disarmed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// The core it was pinned to.
    pub core: usize,
    /// `spin` or `yield`.
    pub waiting: String,
    /// Page faults served without I/O.
    pub minor_faults: u64,
    /// Page faults with I/O.
    pub major_faults: u64,
    /// Times the thread was taken off its core.
    pub involuntary_switches: u64,
    /// Times it left by itself; 0 when spinning.
    pub voluntary_switches: u64,
    /// Time the hypervisor took from this core, ns.
    pub steal_ns: u64,
    /// Largest gap between two turns of the loop, ns.
    pub largest_gap_ns: u64,
    /// CPU time of this process's other threads, ns.
    pub cold_cpu_ns: u64,
}

/// The clock both stamps of a span come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClockPart {
    /// Cost of one reading, ns.
    pub read_ns: f64,
    /// Smallest step it shows, ns.
    pub step_ns: f64,
    /// Bound on the calibration's relative error, parts per million.
    pub error_ppm: f64,
    /// Ticks per second.
    pub ticks_per_second: u64,
}

/// What stamping costs one tick, against a clock that is not read, ns; medians.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StampsCost {
    /// All four marks.
    pub all_ns: f64,
    /// Both ends of the work only.
    pub ends_ns: f64,
}

/// What a core loses that does nothing but spin: no measurement on it can be quieter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IdleControl {
    /// The core.
    pub core: usize,
    /// How long it spun, ns.
    pub ran_ns: u64,
    /// Time in gaps of a microsecond or longer, ns.
    pub lost_ns: u64,
    /// How many.
    pub gaps: u64,
    /// The longest, ns.
    pub longest_ns: u64,
}

/// How far the engine's core's counter is ahead of the feed's, at least and at most, ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OffsetBound {
    /// At least; negative: behind.
    pub low_ns: f64,
    /// At most.
    pub high_ns: f64,
}

impl OffsetBound {
    /// How wrong a span between the two cores may be, ns.
    #[must_use]
    pub fn worst_ns(&self) -> f64 {
        self.low_ns.abs().max(self.high_ns.abs())
    }
}

/// Events per second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Asked for; `null`: as fast as possible, or as recorded.
    pub target: Option<f64>,
    /// Got, over the measured events.
    pub achieved: Option<f64>,
}

/// Values that a stage could not hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotHeld {
    /// Above the largest value.
    pub overflow: u64,
    /// Negative differences.
    pub negative: u64,
}

/// What feed-sim leaves behind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FeedPart {
    /// [`SCHEMA`].
    pub schema: String,
    /// Build id of the program.
    pub build: String,
    /// Name of the run.
    pub run: String,
    /// Epoch of the events ring, hexadecimal.
    pub epoch: String,
    /// Where the ticks came from, one line.
    pub source: String,
    /// Why it stopped, one line.
    pub ended: String,
    /// `wait`, `drop` or `lockstep`.
    pub policy: String,
    /// The clock.
    pub clock: ClockPart,
    /// Target and achieved.
    pub rate: Rate,
    /// From first measured send to last, ns.
    pub measured_ns: u64,
    /// Events offered by the schedule: published plus dropped.
    pub sent: u64,
    /// Of `sent`: not measured (warm-up, before `--from`).
    pub warm_up: u64,
    /// Of `sent`: the ring was full (policy `drop`).
    pub dropped: u64,
    /// Sends whose lag did not fit.
    pub lag_saturated: u64,
    /// Recorded times that ran backwards and were clamped.
    pub reversals: u64,
    /// Messages of unknown type or length, skipped.
    pub skipped: u64,
    /// The file ended inside a record: the reader's line.
    pub truncated: Option<String>,
    /// Turns in which the ring was full and the schedule slipped.
    pub full_turns: u64,
    /// Turns in which nothing was prepared because the decoding thread fell behind.
    pub starved_turns: u64,
    /// How well the schedule was kept; `null`: there was none (speed max).
    pub certificate: Option<Certificate>,
    /// What was played; `null`: a synthetic market.
    pub recording: Option<Recorded>,
    /// Events that left as packets; `null`: through the ring.
    #[serde(default)]
    pub packets: Option<PacketsOut>,
    /// Requests taken from the ring.
    pub requests: u64,
    /// Requests with bytes that no honest engine writes.
    pub foreign: u64,
    /// Reports: orders acknowledged.
    pub acknowledged: u64,
    /// Reports: fills.
    pub filled: u64,
    /// Reports: rejections.
    pub rejected: u64,
    /// Reports: cancellations.
    pub cancelled: u64,
    /// SHA-256 over the requests; lock-step only.
    pub orders_hash: Option<String>,
    /// 99th percentile of the spinning loop's turn, ns: how fine its clock of arrival is.
    pub turn_p99_ns: Option<u64>,
    /// The pinned thread.
    pub usage: Usage,
    /// Its stages.
    pub latency_ns: BTreeMap<String, Percentiles>,
    /// What its stages could not hold.
    pub not_held: BTreeMap<String, NotHeld>,
    /// What was asked of the machine and what was got: priority, locking, huge pages.
    pub notes: Vec<String>,
}

/// What the engine leaves behind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EnginePart {
    /// [`SCHEMA`].
    pub schema: String,
    /// Build id of the program.
    pub build: String,
    /// Name of the run.
    pub run: String,
    /// Epoch of the events ring, hexadecimal.
    pub epoch: String,
    /// Why it stopped, one line.
    pub ended: String,
    /// What the stamps cost, measured before the run; `null`: not measured.
    #[serde(default)]
    pub stamps_cost_ns: Option<StampsCost>,
    /// Name of the strategy.
    pub strategy: String,
    /// `all` or `ends`.
    pub stamps: String,
    /// The clock.
    pub clock: ClockPart,
    /// Events taken from the ring.
    pub received: u64,
    /// Of `received`: not measured.
    pub warm_up: u64,
    /// Numbers of the feed's that never came: messages that no line brought and no server had.
    pub lost: u64,
    /// Events overwritten before they were read (overwrite mode).
    pub overruns: u64,
    /// Events with bytes that no honest feed writes.
    pub foreign: u64,
    /// Gaps the venue's own sequence had.
    pub feed_gaps: u64,
    /// Events about orders that no book holds.
    pub unknown_orders: u64,
    /// Adds of an order that a book holds already.
    pub duplicate_orders: u64,
    /// Events refused because book memory was full.
    pub book_refused: u64,
    /// Requests published.
    pub orders_sent: u64,
    /// Wishes refused: risk, own table or ring full.
    pub orders_refused: u64,
    /// The same by cause.
    pub refused_by: BTreeMap<String, u64>,
    /// Reports taken.
    pub reports: u64,
    /// Fills taken.
    pub filled: u64,
    /// SHA-256 over the canonical lines of the final books.
    pub book_hash: String,
    /// Instruments with at least one level at the end.
    pub book_instruments: u64,
    /// Orders resting at the end.
    pub book_orders: u64,
    /// Hash of the risk limits in force.
    pub limits_hash: String,
    /// The pinned thread.
    pub usage: Usage,
    /// Turns of the loop that found nothing, and those that found an event.
    pub turns: Turns,
    /// Its stages.
    pub latency_ns: BTreeMap<String, Percentiles>,
    /// What its stages could not hold.
    pub not_held: BTreeMap<String, NotHeld>,
    /// Why ticks were slow; `null`: not looked at.
    #[serde(default)]
    pub slow: Option<Slow>,
    /// What became of the packets; `null`: the ring brought the events.
    #[serde(default)]
    pub packets: Option<PacketsIn>,
    /// What was asked of the machine and what was got: priority, locking, huge pages.
    pub notes: Vec<String>,
}

/// Turns of the engine's loop: each is charged to one of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turns {
    /// Found nothing.
    pub idle: u64,
    /// Handled an event.
    pub work: u64,
}

/// A pair of values taken before and after the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Placement {
    /// `tight`, `near` or `far`, from a bare round trip before the run; `null`: not measured.
    pub before: Option<String>,
    /// The same after it.
    pub after: Option<String>,
}

/// The bare hand-over of one cache line on the run's cores, medians, ns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Floor {
    /// One way.
    pub one_way: Option<f64>,
    /// There and back.
    pub round_trip: Option<f64>,
}

/// The ring alone on the run's cores at the run's rate, before and after the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RingOneWay {
    /// Median over both measurements, ns.
    pub p50: Option<f64>,
    /// Median before the run, ns.
    pub before: Option<f64>,
    /// Median after the run, ns.
    pub after: Option<f64>,
    /// Rate it was measured at, messages per second.
    pub rate: Option<f64>,
}

/// Events, both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Events {
    /// Offered by the schedule.
    pub sent: u64,
    /// Taken by the engine.
    pub received: u64,
    /// Dropped at a full ring, or never arrived: `sent == received + lost`, or the run failed.
    pub lost: u64,
    /// Overwritten before they were read.
    pub overruns: u64,
    /// Of `received`: not measured.
    pub warm_up: u64,
    /// About orders that no book holds.
    pub unknown_orders: u64,
}

/// Orders, both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// Requests that the engine published.
    pub sent: u64,
    /// Requests that the exchange end took.
    pub received: u64,
    /// Acknowledged.
    pub acknowledged: u64,
    /// Fills.
    pub filled: u64,
    /// Rejected by the exchange end.
    pub rejected: u64,
    /// Refused inside the engine: risk, own table, full ring.
    pub refused: u64,
    /// SHA-256 over the requests, lock-step only; else `null`.
    pub hash: Option<String>,
}

/// The final books.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book {
    /// SHA-256 over the canonical lines.
    pub hash: String,
    /// Instruments with at least one level.
    pub instruments: u64,
    /// Resting orders.
    pub orders: u64,
}

/// The feed's loop, for the top of the summary.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FeedLoop {
    /// 99th percentile of a turn, ns.
    pub turn_p99_ns: Option<u64>,
    /// The pinned thread, its largest gap included.
    #[serde(flatten)]
    pub usage: Usage,
}

/// One run: what `tickspin run --json` prints and `summary.json` holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// [`SCHEMA`].
    pub schema: String,
    /// Name of the run.
    pub run: String,
    /// Build id of the programs: they refuse to meet when it differs.
    pub build: String,
    /// Where the ticks came from.
    pub source: String,
    /// Why the run ended, one line.
    pub ended: String,
    /// The machine, key by key.
    pub host: BTreeMap<String, String>,
    /// Where the host had the two cores.
    pub placement: Placement,
    /// The clock of the engine (the feed's is in `parts`).
    pub clock: ClockPart,
    /// The bare line, on the same cores, around the run.
    pub floor_ns: Floor,
    /// The ring alone, on the same cores, around the run.
    pub ring_one_way_ns: RingOneWay,
    /// What the stamps cost a tick; `null`: not measured.
    #[serde(default)]
    pub stamps_cost_ns: Option<StampsCost>,
    /// The same cores with nothing to do, before the run; empty: not measured.
    #[serde(default)]
    pub idle_control: Vec<IdleControl>,
    /// The engine's counter against the feed's, before the run; `null`: not measured.
    #[serde(default)]
    pub offset: Option<OffsetBound>,
    /// Target and achieved.
    pub rate: Rate,
    /// How well the feed kept its schedule; `null`: there was none (speed max).
    pub certificate: Option<Certificate>,
    /// What was played; `null`: a synthetic market.
    pub recording: Option<Recorded>,
    /// Events.
    pub events: Events,
    /// Orders.
    pub orders: Orders,
    /// Final books.
    pub book: Book,
    /// All nine stages, empty ones too.
    pub latency_ns: BTreeMap<String, Percentiles>,
    /// What the stages could not hold.
    pub not_held: BTreeMap<String, NotHeld>,
    /// The feed's loop.
    pub feed: FeedLoop,
    /// The engine's loop.
    pub engine: Usage,
    /// Why ticks were slow; `null`: not looked at.
    #[serde(default)]
    pub slow: Option<Slow>,
    /// Packets as they left; `null`: the ring brought the events.
    #[serde(default)]
    pub packets_out: Option<PacketsOut>,
    /// Packets as they came; `null`: the ring brought the events.
    #[serde(default)]
    pub packets_in: Option<PacketsIn>,
    /// Strategy, stamps, policy and the like.
    pub settings: BTreeMap<String, String>,
    /// Things a reader must know: what was not got, what spoilt the run.
    pub notes: Vec<String>,
}

impl Summary {
    /// Joins the two parts. Measurements around the run, host facts and notes of `tickspin` itself
    /// are the caller's to add.
    #[must_use]
    pub fn join(feed: &FeedPart, engine: &EnginePart) -> Summary {
        let mut latency_ns: BTreeMap<String, Percentiles> = Stage::ALL
            .iter()
            .map(|stage| (stage.name().to_owned(), Percentiles::default()))
            .collect();
        let mut not_held = BTreeMap::new();
        for (latency, held) in
            [(&feed.latency_ns, &feed.not_held), (&engine.latency_ns, &engine.not_held)]
        {
            latency_ns.extend(
                latency
                    .iter()
                    .filter(|(name, _)| Stage::from_name(name).is_some())
                    .map(|(name, p)| (name.clone(), *p)),
            );
            not_held.extend(held.iter().map(|(name, n)| (name.clone(), *n)));
        }
        let input = engine.packets.as_ref().map_or("ring", |packets| packets.input.as_str());
        let settings = [
            ("events_over", &input.to_owned()),
            ("strategy", &engine.strategy),
            ("stamps", &engine.stamps),
            ("policy", &feed.policy),
            ("limits_hash", &engine.limits_hash),
        ];
        Summary {
            schema: SCHEMA.to_owned(),
            run: feed.run.clone(),
            build: engine.build.clone(),
            source: feed.source.clone(),
            ended: format!("feed: {}; engine: {}", feed.ended, engine.ended),
            clock: engine.clock.clone(),
            rate: feed.rate.clone(),
            certificate: feed.certificate.clone(),
            recording: feed.recording.clone(),
            events: Events {
                sent: feed.sent,
                received: engine.received,
                lost: feed.dropped + engine.lost,
                overruns: engine.overruns,
                warm_up: engine.warm_up,
                unknown_orders: engine.unknown_orders,
            },
            orders: Orders {
                sent: engine.orders_sent,
                received: feed.requests,
                acknowledged: feed.acknowledged,
                filled: feed.filled,
                rejected: feed.rejected,
                refused: engine.orders_refused,
                hash: feed.orders_hash.clone(),
            },
            book: Book {
                hash: engine.book_hash.clone(),
                instruments: engine.book_instruments,
                orders: engine.book_orders,
            },
            latency_ns,
            not_held,
            feed: FeedLoop { turn_p99_ns: feed.turn_p99_ns, usage: feed.usage.clone() },
            engine: engine.usage.clone(),
            slow: engine.slow.clone(),
            stamps_cost_ns: engine.stamps_cost_ns,
            packets_out: feed.packets.clone(),
            packets_in: engine.packets.clone(),
            settings: settings.map(|(key, value)| (key.to_owned(), value.clone())).into(),
            notes: feed.notes.iter().chain(&engine.notes).cloned().collect(),
            ..Summary::default()
        }
    }

    /// Was every event and every order accounted for? `Err` says what is missing.
    ///
    /// # Errors
    /// One line with the numbers.
    pub fn accounted(&self) -> Result<(), String> {
        let Events { sent, received, lost, .. } = self.events;
        if sent != received + lost {
            let missing = sent.abs_diff(received + lost);
            return Err(format!(
                "{sent} events sent, but {received} received and {lost} lost: {missing} unaccounted for"
            ));
        }
        let Orders { sent, received, .. } = self.orders;
        if sent != received {
            return Err(format!("{sent} orders sent, but {received} received at the exchange end"));
        }
        Ok(())
    }
}
