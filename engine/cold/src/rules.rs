//! Every value in its range, every limit above zero.
//!
//! Types have settled what is a number and what a word ([`crate::config`]); this is the rest. An
//! error names the key, who said it, and what would do.

use crate::config::{Config, InputName};
use crate::error::EngineError;
use crate::layers::Layers;
use tickspin_hot::record::slow::OVER_MIN_NS;

/// Largest quantity anywhere: positions are signed.
const QTY_MAX: u64 = i64::MAX as u64;

/// Largest price distance: a million of the quote currency.
const PX_MAX: u64 = 1_000_000_000_000_000;

/// Every value in its range.
///
/// # Errors
/// The first that is not, in the order of `default.toml`.
pub fn check(config: &Config, layers: &Layers) -> Result<(), EngineError> {
    let (run, risk) = (&config.run, &config.risk);
    let within = |key: &str, value: u64, least: u64, most: u64| {
        if (least..=most).contains(&value) {
            return Ok(());
        }
        let rule = format!("{value} is out of range; {least} to {most} would do");
        Err(EngineError::key(key, layers.origin(key), rule))
    };
    let limit = |key: &str, value: u64, most: u64| match value {
        0 => {
            let rule = format!("a limit of 0 refuses the start; 1 to {most} would do");
            Err(EngineError::key(key, layers.origin(key), rule))
        }
        _ => within(key, value, 1, most),
    };
    tickspin_ring::rendezvous::check_name(&run.name).map_err(|error| {
        EngineError::key("run.name", layers.origin("run.name"), error.to_string())
    })?;
    within("run.wait_feed_ms", run.wait_feed_ms, 1, 3_600_000)?;
    within("run.interval_ms", run.interval_ms, 100, 3_600_000)?;
    within("run.linger_ms", run.linger_ms, 0, 10_000)?;
    within("run.drain_ms", run.drain_ms, 0, 60_000)?;
    if run.slow_over_ns != 0 {
        within("run.slow_over_ns", run.slow_over_ns, OVER_MIN_NS, 1_000_000_000)?;
    }
    within("cores.fifo_priority", u64::from(config.cores.fifo_priority), 0, 99)?;
    if config.cores.cold.given().is_some_and(Vec::is_empty) {
        let rule = "an empty list; at least one core, or \"auto\", would do";
        return Err(EngineError::key("cores.cold", layers.origin("cores.cold"), rule));
    }
    let slots = config.rings.requests_slots;
    within("rings.requests_slots", u64::from(slots), 64, 1 << 20)?;
    if !slots.is_power_of_two() {
        let would_do = slots.next_power_of_two();
        let rule = format!("{slots} is no power of two; {would_do} would do");
        let key = "rings.requests_slots";
        return Err(EngineError::key(key, layers.origin(key), rule));
    }
    packets(config, layers)?;
    within("packets.frames", u64::from(config.packets.frames), 64, 1 << 20)?;
    within("packets.give_up_ms", config.packets.give_up_ms, 1, 60_000)?;
    within("packets.parked", u64::from(config.packets.parked), 16, u64::from(u16::MAX))?;
    within("books.instruments", config.books.instruments as u64, 1, 65_535)?;
    within("books.orders", config.books.orders as u64, 1, 1 << 30)?;
    within("books.levels", config.books.levels as u64, 1, 1 << 30)?;
    within("probe.qty", config.probe.qty, 1, QTY_MAX)?;
    within("probe.think_steps", u64::from(config.probe.think_steps), 0, 100_000_000)?;
    within("probe.think_every", u64::from(config.probe.think_every), 1, u64::from(u32::MAX))?;
    let quotes = &config.quotes;
    within("quotes.qty", quotes.qty, 1, QTY_MAX)?;
    within("quotes.half_spread_px", quotes.half_spread_px, 1, PX_MAX)?;
    within("quotes.skew_px", quotes.skew_px, 0, PX_MAX)?;
    within("quotes.position_qty_max", quotes.position_qty_max, quotes.qty, QTY_MAX)?;
    within("quotes.hysteresis_ticks", u64::from(quotes.hysteresis_ticks), 1, 1_000_000)?;
    within("quotes.tick_px", quotes.tick_px, 1, PX_MAX)?;
    limit("risk.order_qty_max", risk.order_qty_max, QTY_MAX)?;
    limit("risk.order_notional_max", risk.order_notional_max, 9_223_372_036)?;
    limit("risk.position_qty_max", risk.position_qty_max, QTY_MAX)?;
    limit("risk.open_orders_max", u64::from(risk.open_orders_max), 1 << 20)?;
    limit("risk.collar_bp", u64::from(risk.collar_bp), 10_000)?;
    limit("risk.event_age_max_ms", risk.event_age_max_ms, 3_600_000)?;
    for (rate, per_second, burst) in [
        ("new", risk.new_per_second, risk.new_burst),
        ("replace", risk.replace_per_second, risk.replace_burst),
        ("total", risk.total_per_second, risk.total_burst),
    ] {
        limit(&format!("risk.{rate}_per_second"), per_second, 1_000_000_000)?;
        limit(&format!("risk.{rate}_burst"), u64::from(burst), 1_000_000)?;
    }
    Ok(())
}

/// Packets need an interface and a line; nothing else does.
fn packets(config: &Config, layers: &Layers) -> Result<(), EngineError> {
    let packets = &config.packets;
    let wrong = |key: &str, rule: &str| {
        let key = format!("packets.{key}");
        Err(EngineError::key(&*key, layers.origin(&key), rule))
    };
    if packets.input == InputName::Ring {
        // Whoever names them means packets; above all, nobody is to run on as root who said --user.
        let default: Config = Layers::compiled_in().typed()?;
        let default = &default.packets;
        for (key, is_default) in [
            ("interface", packets.interface == default.interface),
            ("line_a", packets.line_a == default.line_a),
            ("line_b", packets.line_b == default.line_b),
            ("recovery", packets.recovery == default.recovery),
            ("xdp_mode", packets.xdp_mode == default.xdp_mode),
            ("user", packets.user == default.user),
        ] {
            if !is_default {
                return wrong(
                    key,
                    "only for packets: give --input udp, af-packet or af-xdp with it",
                );
            }
        }
        return Ok(());
    }
    if packets.interface.is_empty() {
        return wrong("interface", "missing; packets come in by one, as --interface eth1");
    }
    if packets.line_a.0.is_none() {
        return wrong("line_a", "none; one line there must be, as 239.255.71.1:26400");
    }
    if packets.recovery.0.is_some_and(|at| at.ip().is_multicast() || at.port() == 0) {
        return wrong("recovery", "a group or port 0; the address and port of one host would do");
    }
    if packets.input == InputName::AfXdp && !cfg!(feature = "xdp") {
        return wrong(
            "input",
            "this program was built without AF_XDP; build it with `cargo build --release --features \
             xdp`, or take udp or af-packet",
        );
    }
    Ok(())
}
