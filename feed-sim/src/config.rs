//! The configuration, typed and held against its ranges.
//!
//! [`crate::layers`] says where values come from; meanings, ranges and reasons stand in the
//! compiled-in file, `default.toml`. A value that will not do is an error that names its key, who
//! said it, and what would do.

mod packets; // the keys of packets
mod values; // what a value may be, where TOML's types do not say it

pub use packets::PacketsConfig;

use crate::args::{Flags, PolicyName, SinkName};
use crate::error::SimError;
use crate::layers::Layers;
use crate::pace::Speed;
use crate::source::synth::Bursts;
use crate::times::{TIME_RULE, time};
use serde::Deserialize;
use std::time::Duration;
use tickspin_recording::place::Place;
use tickspin_ring::rendezvous::check_name;
use toml::Value;
use values::{cold_cores, core, number, place};

/// What an idle turn of the pinned loop is wished to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WaitingWish {
    /// Spin, unless both spinners share a core.
    Auto,
    /// One `pause`.
    Spin,
    /// One `sched_yield`.
    Yield,
}

/// The keys as they stand in a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    name: String,
    rate: f64,
    speed: Value,
    duration: String,
    count: u64,
    from: Value,
    to: Value,
    symbols: Vec<String>,
    parts: bool,
    #[serde(rename = "loop")]
    repeats: bool,
    warm_up: u64,
    seed: u64,
    instruments: u16,
    burst_share: f64,
    burst_length: f64,
    ahead: Value,
    policy: PolicyKey,
    lockstep: bool,
    sink: SinkName,
    interface: String,
    line_a: String,
    line_b: String,
    recovery: String,
    resend: u32,
    loss_a: f64,
    loss_b: f64,
    duplicate: f64,
    reorder: f64,
    sink_seed: u64,
    heartbeat: String,
    window: u32,
    ring_slots: u32,
    report_slots: u32,
    open_orders: u32,
    core: Value,
    cold_cores: Value,
    waiting: WaitingWish,
    fifo: u8,
    lock_memory: bool,
    huge_pages: bool,
    wait_peer: String,
    interval: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PolicyKey {
    Wait,
    Drop,
}

/// The configuration in force, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Name of the run.
    pub name: String,
    /// Events a second, where they were asked for.
    pub rate: Option<f64>,
    /// Factor on the schedule, or none.
    pub speed: Speed,
    /// Length of the schedule.
    pub duration: Option<Duration>,
    /// Most events.
    pub count: Option<u64>,
    /// Place of a recording before which nothing is paced.
    pub from: Option<Place>,
    /// Place of a recording before which it ends.
    pub to: Option<Place>,
    /// Names of the instruments that pass; empty: all.
    pub symbols: Vec<String>,
    /// The files are parts of one recording.
    pub are_parts: bool,
    /// Begin again at the end.
    pub is_loop: bool,
    /// Events from the first that are not measured.
    pub warm_up: u64,
    /// Of the synthetic market.
    pub seed: u64,
    /// Of the synthetic market.
    pub instruments: u16,
    /// Of the synthetic market.
    pub bursts: Option<Bursts>,
    /// Most events prepared ahead; `None`: as the plan has it.
    pub ahead: Option<u32>,
    /// What to do when the ring is full.
    pub policy: PolicyName,
    /// One event at a time.
    pub is_lockstep: bool,
    /// Out as packets; `None`: into the ring.
    pub packets: Option<PacketsConfig>,
    /// Slots of the events ring.
    pub ring_slots: u32,
    /// Slots of the reports ring.
    pub report_slots: u32,
    /// Most open orders at the exchange end.
    pub open_orders: u32,
    /// Core of the pinned thread, if one is wished.
    pub core: Option<usize>,
    /// Cores of the others, if some are wished.
    pub cold_cores: Option<Vec<usize>>,
    /// What an idle turn does.
    pub waiting: WaitingWish,
    /// SCHED_FIFO priority.
    pub fifo: Option<u8>,
    /// Lock all memory.
    pub lock_memory: bool,
    /// Ask for 2 MiB pages.
    pub huge_pages: bool,
    /// Longest wait for the engine.
    pub wait_peer: Duration,
    /// Length of one interval of the log.
    pub interval: Duration,
}

impl Config {
    /// Loads all layers and checks them. The text is that of `--print-config`.
    ///
    /// # Errors
    /// The first key that will not do.
    pub fn load(flags: &Flags) -> Result<(Config, String), SimError> {
        let layers = Layers::of(flags)?;
        Ok((Config::checked(&layers)?, layers.print()))
    }

    fn checked(layers: &Layers) -> Result<Config, SimError> {
        let keys = typed(layers)?;
        let check = |key: &str, holds: bool, rule: &str| {
            let bad = || SimError::key(key, layers.origin(key), rule);
            if holds { Ok(()) } else { Err(bad()) }
        };
        let parsed = |key: &str, result: Result<Option<Duration>, &str>| {
            result.map_err(|rule| SimError::key(key, layers.origin(key), rule))
        };
        if let Err(error) = check_name(&keys.name) {
            return Err(SimError::key("name", layers.origin("name"), error.to_string()));
        }
        let is_rate = keys.rate == 0.0 || (keys.rate > 0.0 && keys.rate <= 1e9);
        check("rate", is_rate, "events a second, above 0 to 1e9, or 0 for the source's own")?;
        let speed = match (&keys.speed, number(&keys.speed)) {
            (Value::String(word), _) if word == "max" => Ok(Speed::Max),
            (_, Some(times)) if (0.01..=1000.0).contains(&times) => Ok(Speed::Times(times)),
            _ => Err(SimError::key("speed", layers.origin("speed"), "0.01 to 1000, or \"max\"")),
        }?;
        let place = |key: &str, value: &Value| {
            place(value).map_err(|rule| SimError::key(key, layers.origin(key), rule))
        };
        let (from, to) = (place("from", &keys.from)?, place("to", &keys.to)?);
        check("symbols", !keys.symbols.iter().any(String::is_empty), "names, none of them empty")?;
        check("seed", i64::try_from(keys.seed).is_ok(), "0 to 2^63 - 1")?;
        check("instruments", (1..=4_096).contains(&keys.instruments), "1 to 4,096")?;
        check("burst_share", (0.0..=0.95).contains(&keys.burst_share), "0 to 0.95")?;
        check("burst_length", (1.0..=1e6).contains(&keys.burst_length), "1 to 1e6")?;
        let is_size = |n: u32, most: u32| n.is_power_of_two() && (2..=most).contains(&n);
        let ahead = match &keys.ahead {
            Value::String(word) if word == "auto" => None,
            value => Some(value.as_integer().and_then(|n| u32::try_from(n).ok()).unwrap_or(0)),
        };
        let is_ahead = ahead.is_none_or(|ahead| is_size(ahead, 1 << 26));
        check("ahead", is_ahead, "a power of two, 2 to 2^26, or \"auto\"")?;
        check("ring_slots", is_size(keys.ring_slots, 1 << 24), "a power of two, 2 to 2^24")?;
        // With two slots a consumer shows its position with each slot it releases, which is before
        // its turn is over.
        let is_enough = !keys.lockstep || keys.ring_slots >= 4;
        check("ring_slots", is_enough, "at least 4 in lock-step")?;
        check("report_slots", is_size(keys.report_slots, 1 << 24), "a power of two, 2 to 2^24")?;
        check("open_orders", (1..=65_536).contains(&keys.open_orders), "1 to 65,536")?;
        check("fifo", keys.fifo <= 99, "0 to 99")?;
        let core = core(&keys.core, layers.origin("core"))?;
        let cold_cores = cold_cores(&keys.cold_cores, layers.origin("cold_cores"))?;
        let policy = match keys.policy {
            PolicyKey::Wait => PolicyName::Wait,
            PolicyKey::Drop => PolicyName::Drop,
        };
        let is_one = !keys.lockstep || policy == PolicyName::Wait;
        check("policy", is_one, "in lock-step nothing is dropped; give --policy wait")?;
        let packets = packets::checked(&keys, policy, layers)?;
        let needed = |key: &str, text: &str| {
            let missing = || SimError::key(key, layers.origin(key), TIME_RULE);
            parsed(key, time(text))?.ok_or_else(missing)
        };
        let interval = needed("interval", &keys.interval)?;
        check("interval", interval >= Duration::from_millis(100), "at least 100ms")?;
        Ok(Config {
            rate: (keys.rate > 0.0).then_some(keys.rate),
            speed,
            duration: parsed("duration", time(&keys.duration))?,
            count: (keys.count > 0).then_some(keys.count),
            from,
            to,
            symbols: keys.symbols,
            are_parts: keys.parts,
            is_loop: keys.repeats,
            warm_up: keys.warm_up,
            seed: keys.seed,
            instruments: keys.instruments,
            bursts: (keys.burst_share > 0.0)
                .then_some(Bursts { share: keys.burst_share, length: keys.burst_length }),
            ahead,
            policy,
            is_lockstep: keys.lockstep,
            packets,
            ring_slots: keys.ring_slots,
            report_slots: keys.report_slots,
            open_orders: keys.open_orders,
            core,
            cold_cores,
            waiting: keys.waiting,
            fifo: (keys.fifo > 0).then_some(keys.fifo),
            lock_memory: keys.lock_memory,
            huge_pages: keys.huge_pages,
            wait_peer: needed("wait_peer", &keys.wait_peer)?,
            interval,
            name: keys.name,
        })
    }

    /// `wait`, `drop` or `lockstep`, as in files.
    #[must_use]
    pub fn policy_name(&self) -> &'static str {
        if self.is_lockstep { "lockstep" } else { self.policy.name() }
    }
}

/// All keys with their types; the culprit is named by trying each key alone in the default.
fn typed(layers: &Layers) -> Result<Keys, SimError> {
    let error = match Value::Table(layers.values.clone()).try_into::<Keys>() {
        Ok(keys) => return Ok(keys),
        Err(error) => error,
    };
    let line =
        |error: &toml::de::Error| error.message().lines().next().unwrap_or_default().to_owned();
    for (key, value) in &layers.values {
        let mut trial = Layers::compiled_in().values;
        trial.insert(key.clone(), value.clone());
        if let Err(error) = Value::Table(trial).try_into::<Keys>() {
            return Err(SimError::key(
                key,
                layers.origin(key),
                format!("{value}: {}", line(&error)),
            ));
        }
    }
    Err(SimError::key("configuration", "all layers", line(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::Table;

    fn with(key: &str, value: impl Into<Value>) -> Result<Config, SimError> {
        let mut layers = Layers::compiled_in();
        layers.values.insert(key.to_owned(), value.into());
        Config::checked(&layers)
    }

    #[test]
    fn the_compiled_in_default_is_valid() {
        let config = Config::checked(&Layers::compiled_in()).unwrap();
        assert_eq!((config.rate, config.speed), (None, Speed::Times(1.0)));
        assert_eq!((config.duration, config.count, config.from), (None, None, None));
        assert_eq!(config.policy_name(), "wait");
    }

    #[test]
    fn values_out_of_range_name_their_key() {
        for (key, value) in [
            ("name", Value::from("a/b")),
            ("rate", Value::from(-1.0)),
            ("rate", Value::from(f64::NAN)),
            ("speed", Value::from(0.001)),
            ("speed", Value::from("fast")),
            ("duration", Value::from("5")),
            ("count", Value::from(-1)),
            ("from", Value::from("9:30")),
            ("to", Value::from("#")),
            ("to", Value::from(-1)),
            ("instruments", Value::from(0)),
            ("burst_share", Value::from(1.0)),
            ("ahead", Value::from(1_000)),
            ("ahead", Value::from("some")),
            ("ring_slots", Value::from(1)),
            ("policy", Value::from("overwrite")),
            ("core", Value::from("first")),
            ("cold_cores", Value::Array(vec![])),
            ("waiting", Value::from("sleep")),
            ("fifo", Value::from(100)),
            ("wait_peer", Value::from("none")),
            ("interval", Value::from("1ms")),
            ("seed", Value::from("x")),
        ] {
            let error = with(key, value.clone()).unwrap_err();
            assert!(error.to_string().starts_with(key), "{key} = {value}: {error}");
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn lockstep_drops_nothing() {
        let mut layers = Layers::compiled_in();
        layers.values.insert("lockstep".into(), Value::from(true));
        assert_eq!(Config::checked(&layers).unwrap().policy_name(), "lockstep");
        layers.values.insert("policy".into(), Value::from("drop"));
        assert!(Config::checked(&layers).is_err());
    }

    #[test]
    fn lockstep_needs_four_slots() {
        for (slots, is_good) in [(2, false), (4, true)] {
            let mut layers = Layers::compiled_in();
            layers.values.insert("ring_slots".into(), Value::from(slots));
            assert!(Config::checked(&layers).is_ok());
            layers.values.insert("lockstep".into(), Value::from(true));
            assert_eq!(Config::checked(&layers).is_ok(), is_good, "{slots}");
        }
    }

    #[test]
    fn places_are_times_dates_nanoseconds_or_messages() {
        assert_eq!(with("from", 7).unwrap().from, Some(Place::Ns(7)));
        let second = Some(Place::TimeOfDay(1_000_000_000));
        assert_eq!(with("from", "00:00:01").unwrap().from, second);
        assert_eq!(with("to", "#5").unwrap().to, Some(Place::Index(5)));
        let date: Table = toml::from_str("to = 1970-01-01T00:00:01Z").unwrap();
        let to = with("to", date["to"].clone()).unwrap().to;
        assert_eq!(to, Some(Place::Date(1_000_000_000)));
    }

    #[test]
    fn symbols_are_names() {
        let symbols = with("symbols", vec!["AAPL", "MSFT"]).unwrap().symbols;
        assert_eq!(symbols, ["AAPL", "MSFT"]);
        assert!(with("symbols", vec![""]).is_err());
        assert!(with("symbols", 5).is_err());
    }
}
