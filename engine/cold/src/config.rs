//! The configuration, typed. [`crate::rules`] holds each value against its range.
//!
//! [`crate::layers`] says where values come from; meanings, ranges and reasons stand in the
//! compiled-in file, `default.toml`. A value that will not do is an error that names its key, who
//! said it, and what would do.

use crate::args::Args;
use crate::book_hash::hex;
use crate::error::EngineError;
use crate::layers::{self, Layers};
use crate::rules;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::net::SocketAddrV4;
use std::time::Duration;
use tickspin_hot::book::BookSize;
use tickspin_hot::risk::{Limits, Rate};
use tickspin_hot::strategy::market_maker::Quoting;
use tickspin_wire::num::{Px, Qty};
use toml::{Table, Value};

/// Everything that can be configured. Fields are the keys of `default.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(
    missing_docs,
    reason = "each key is documented in default.toml, which a test holds against"
)]
pub struct Config {
    pub run: Run,
    pub cores: Cores,
    pub memory: Memory,
    pub rings: Rings,
    pub packets: Packets,
    pub books: Books,
    pub probe: ProbeKeys,
    pub quotes: Quotes,
    pub risk: RiskKeys,
}

/// `[run]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see default.toml")]
pub struct Run {
    pub name: String,
    pub strategy: Strategy,
    pub stamps: Stamps,
    pub wait_feed_ms: u64,
    pub interval_ms: u64,
    pub linger_ms: u64,
    pub drain_ms: u64,
    pub slow_over_ns: u64,
}

/// What answers the ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Answers every tick with one order and thinks nothing: the floor of the pipeline.
    Probe,
    /// Two-sided quotes, skewed by inventory.
    MarketMaker,
}

impl Strategy {
    /// The name on the command line and in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Strategy::Probe => "probe",
            Strategy::MarketMaker => "market-maker",
        }
    }
}

/// Which instants of an event's way are stamped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Stamps {
    /// Arrival, after the book, after the strategy, departure.
    All,
    /// Arrival and departure: two clock reads less an event.
    Ends,
}

impl Stamps {
    /// The name on the command line and in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Stamps::All => "all",
            Stamps::Ends => "ends",
        }
    }
}

/// `[cores]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see default.toml")]
pub struct Cores {
    pub engine: Wish<usize>,
    pub cold: Wish<Vec<usize>>,
    pub waiting: WaitingWish,
    pub fifo_priority: u8,
}

/// A value, or `"auto"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a core, a list of cores where there may be several, or \"auto\"")]
pub enum Wish<T> {
    /// Exactly this.
    Given(T),
    /// Left to the plan.
    Auto(Auto),
}

/// The word `auto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auto {
    /// Left to the plan.
    Auto,
}

impl<T> Wish<T> {
    /// What was wished, if anything.
    pub fn given(&self) -> Option<&T> {
        match self {
            Wish::Given(value) => Some(value),
            Wish::Auto(_) => None,
        }
    }
}

/// What an idle turn does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WaitingWish {
    /// Spin where there are cores enough.
    Auto,
    /// One `pause`.
    Spin,
    /// One `sched_yield`.
    Yield,
}

/// `[memory]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see default.toml")]
pub struct Memory {
    pub lock: bool,
    pub huge_pages: bool,
}

/// `[rings]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see default.toml")]
pub struct Rings {
    pub requests_slots: u32,
}

/// `[packets]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see default.toml")]
pub struct Packets {
    pub input: InputName,
    pub interface: String,
    pub line_a: Endpoint,
    pub line_b: Endpoint,
    pub recovery: Endpoint,
    pub frames: u32,
    pub parked: u16,
    pub give_up_ms: u64,
    pub xdp_mode: XdpMode,
    pub user: String,
    pub seccomp: bool,
}

/// What brings the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum InputName {
    /// The feed's shared ring.
    Ring,
    /// Packets, by spinning on the kernel's sockets.
    Udp,
    /// Packets, by the raw socket's ring.
    AfPacket,
    /// Packets, past the kernel.
    AfXdp,
}

impl InputName {
    /// The name on the command line and in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            InputName::Ring => "ring",
            InputName::Udp => "udp",
            InputName::AfPacket => "af-packet",
            InputName::AfXdp => "af-xdp",
        }
    }
}

/// Where the AF_XDP program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum XdpMode {
    /// In the driver, else behind it.
    Auto,
    /// In the driver.
    Native,
    /// Behind it, for any interface.
    Generic,
}

impl XdpMode {
    /// The name on the command line and in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            XdpMode::Auto => "auto",
            XdpMode::Native => "native",
            XdpMode::Generic => "generic",
        }
    }
}

/// An IPv4 address and a port, or `"none"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint(pub Option<SocketAddrV4>);

impl TryFrom<String> for Endpoint {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Endpoint, &'static str> {
        match text.parse() {
            _ if text == "none" => Ok(Endpoint(None)),
            Ok(address) => Ok(Endpoint(Some(address))),
            Err(_) => Err("ADDRESS:PORT, as 239.255.71.1:26400, or none"),
        }
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> String {
        endpoint.0.map_or_else(|| "none".to_owned(), |address| address.to_string())
    }
}

/// `[books]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see default.toml")]
pub struct Books {
    pub instruments: usize,
    pub orders: usize,
    pub levels: usize,
}

impl Books {
    /// As the pinned loop's memory sizes.
    #[must_use]
    pub const fn size(&self) -> BookSize {
        BookSize { instruments: self.instruments, orders: self.orders, levels: self.levels }
    }
}

/// `[probe]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see default.toml")]
pub struct ProbeKeys {
    pub qty: u64,
    pub think_steps: u32,
    pub think_every: u32,
}

/// `[quotes]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see default.toml")]
pub struct Quotes {
    pub qty: u64,
    pub half_spread_px: u64,
    pub skew_px: u64,
    pub position_qty_max: u64,
    pub hysteresis_ticks: u32,
    pub tick_px: u64,
}

impl Quotes {
    /// As the market maker takes them; values are in range once checked.
    #[must_use]
    pub fn quoting(&self) -> Quoting {
        let px = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        Quoting {
            half_spread_px: px(self.half_spread_px),
            skew_px: px(self.skew_px),
            qty: Qty(self.qty),
            max_position: self.position_qty_max,
            hysteresis_ticks: self.hysteresis_ticks,
            tick_px: px(self.tick_px),
        }
    }
}

/// `[risk]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "see default.toml")]
pub struct RiskKeys {
    pub order_qty_max: u64,
    pub order_notional_max: u64,
    pub position_qty_max: u64,
    pub open_orders_max: u32,
    pub collar_bp: u32,
    pub event_age_max_ms: u64,
    pub new_per_second: u64,
    pub new_burst: u32,
    pub replace_per_second: u64,
    pub replace_burst: u32,
    pub total_per_second: u64,
    pub total_burst: u32,
}

impl RiskKeys {
    /// As the gate takes them. `units_per_second`: the clock of rates (TSC ticks, in lock-step ns);
    /// `ticks_per_second`: that of ages.
    #[must_use]
    pub fn limits(&self, units_per_second: u64, ticks_per_second: u64) -> Limits {
        let age = u128::from(self.event_age_max_ms) * u128::from(ticks_per_second) / 1_000;
        Limits {
            max_qty: self.order_qty_max,
            max_notional: self.order_notional_max.saturating_mul(Px::ONE.unsigned_abs()),
            max_position: self.position_qty_max,
            max_open_orders: self.open_orders_max,
            collar_bp: self.collar_bp,
            max_age: u64::try_from(age).unwrap_or(u64::MAX),
            rate_new: Rate::new(self.new_per_second, self.new_burst, units_per_second),
            rate_replace: Rate::new(self.replace_per_second, self.replace_burst, units_per_second),
            rate_total: Rate::new(self.total_per_second, self.total_burst, units_per_second),
        }
    }

    /// SHA-256 over `key = value\n` of every limit, in the order of `default.toml`.
    #[must_use]
    pub fn hash(&self) -> String {
        let limits = Table::try_from(self).unwrap_or_default();
        let lines: String = layers::keys_of("risk")
            .filter_map(|key| Some(format!("{key} = {}\n", limits.get(&key)?)))
            .collect();
        hex(&Sha256::digest(lines))
    }
}

impl Config {
    /// From all layers: compiled-in < file < environment < flags.
    ///
    /// # Errors
    /// See [`EngineError`]: file, syntax, unknown or missing key, wrong type, out of range.
    pub fn load(args: &Args) -> Result<Config, EngineError> {
        let mut layers = Layers::compiled_in();
        if let Some(path) = &args.config {
            layers.file(path)?;
        }
        layers.environment(std::env::vars_os())?;
        flags(args, &mut layers)?;
        let config: Config = layers.typed()?;
        rules::check(&config, &layers)?;
        Ok(config)
    }

    /// The compiled-in file's words with these values in force.
    #[must_use]
    pub fn print(&self) -> String {
        layers::print(&Table::try_from(self).unwrap_or_default())
    }

    /// Longest wait for the feed.
    #[must_use]
    pub const fn wait_feed(&self) -> Duration {
        Duration::from_millis(self.run.wait_feed_ms)
    }

    /// Length of one interval of the log.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        Duration::from_millis(self.run.interval_ms)
    }
}

/// The flags that have a key.
fn flags(args: &Args, layers: &mut Layers) -> Result<(), EngineError> {
    let ms = |time: Duration| Value::Integer(i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
    let number = |core: usize| Value::Integer(i64::try_from(core).unwrap_or(i64::MAX));
    if let Some(name) = &args.name {
        layers.flag(("run", "name"), name.as_str(), "--name")?;
    }
    if let Some(strategy) = args.strategy {
        layers.flag(("run", "strategy"), strategy.name(), "--strategy")?;
    }
    if let Some(stamps) = args.stamps {
        layers.flag(("run", "stamps"), stamps.name(), "--stamps")?;
    }
    if let Some(time) = args.wait_feed {
        layers.flag(("run", "wait_feed_ms"), ms(time), "--wait-feed")?;
    }
    if let Some(time) = args.interval {
        layers.flag(("run", "interval_ms"), ms(time), "--interval")?;
    }
    if let Some(over_ns) = args.slow {
        let over_ns = Value::Integer(i64::try_from(over_ns).unwrap_or(i64::MAX));
        layers.flag(("run", "slow_over_ns"), over_ns, "--slow")?;
    }
    if let Some(core) = args.core {
        layers.flag(("cores", "engine"), number(core), "--core")?;
    }
    if !args.cold_cores.is_empty() {
        let cores: Vec<Value> = args.cold_cores.iter().copied().map(number).collect();
        layers.flag(("cores", "cold"), cores, "--cold-cores")?;
    }
    if args.yields {
        layers.flag(("cores", "waiting"), "yield", "--yield")?;
    }
    if let Some(priority) = args.fifo {
        layers.flag(("cores", "fifo_priority"), i64::from(priority), "--fifo")?;
    }
    if let Some(input) = args.input {
        layers.flag(("packets", "input"), input.name(), "--input")?;
    }
    for (key, value, flag) in [
        ("interface", &args.interface, "--interface"),
        ("line_a", &args.line_a, "--line-a"),
        ("line_b", &args.line_b, "--line-b"),
        ("recovery", &args.recovery, "--recovery"),
        ("user", &args.user, "--user"),
    ] {
        if let Some(value) = value {
            layers.flag(("packets", key), value.as_str(), flag)?;
        }
    }
    if let Some(mode) = args.xdp_mode {
        layers.flag(("packets", "xdp_mode"), mode.name(), "--xdp-mode")?;
    }
    if args.lock_memory {
        layers.flag(("memory", "lock"), true, "--lock-memory")?;
    }
    if args.huge_pages {
        layers.flag(("memory", "huge_pages"), true, "--huge-pages")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn default() -> Config {
        Layers::compiled_in().typed().unwrap()
    }

    #[test]
    fn the_compiled_in_file_has_every_key_and_passes_its_own_rules() {
        let config = default();
        rules::check(&config, &Layers::compiled_in()).unwrap();
        assert_eq!(config.print(), layers::DEFAULT);
    }

    #[test]
    fn limits_are_turned_into_the_units_of_the_gate() {
        let risk = default().risk;
        let limits = risk.limits(2_000_000_000, 2_000_000_000);
        assert!(limits.check().is_ok());
        assert_eq!(limits.max_notional, 1_000_000 * 1_000_000_000);
        assert_eq!(limits.max_age, 2_000_000_000, "1,000 ms at 2 GHz");
        assert_eq!(limits.rate_new.interval(), 200, "10 M a second at 2 GHz");
        let in_step = risk.limits(1_000_000_000, 2_000_000_000);
        assert_eq!(in_step.rate_new.interval(), 100, "10 M a second in ns");
    }

    #[test]
    fn the_hash_of_the_limits_moves_with_each_of_them_and_with_nothing_else() {
        let hash = default().risk.hash();
        let mut seen = vec![hash.clone()];
        for key in layers::keys_of("risk") {
            let mut layers = Layers::compiled_in();
            layers.flag(("risk", &key), 7, "--test").unwrap();
            let config: Config = layers.typed().unwrap();
            assert!(!seen.contains(&config.risk.hash()), "{key}");
            seen.push(config.risk.hash());
        }
        assert_eq!(seen.len(), 13);
        let mut layers = Layers::compiled_in();
        layers.flag(("run", "linger_ms"), 7, "--test").unwrap();
        assert_eq!(layers.typed::<Config>().unwrap().risk.hash(), hash);
    }
}
