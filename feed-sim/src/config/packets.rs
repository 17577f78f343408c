//! The keys of packets, typed and held against their ranges; refused where events go into the ring.

use super::Keys;
use crate::args::{PolicyName, SinkName};
use crate::error::SimError;
use crate::layers::Layers;
use crate::sink::packets::lines::Faults;
use crate::times::{TIME_RULE, time};
use std::fmt;
use std::net::SocketAddrV4;
use std::time::Duration;
use tickspin_host::packets::Flow;

/// The keys that have no meaning for the ring.
const ONLY_PACKETS: [&str; 12] = [
    "interface",
    "line_a",
    "line_b",
    "recovery",
    "resend",
    "loss_a",
    "loss_b",
    "duplicate",
    "reorder",
    "sink_seed",
    "heartbeat",
    "window",
];

/// Events as packets.
#[derive(Clone, Debug, PartialEq)]
pub struct PacketsConfig {
    /// How they leave, not by the ring.
    pub sink: SinkName,
    /// Who said so.
    pub origin: String,
    /// Through which interface.
    pub interface: String,
    /// Line A, line B if there is one, and what each does wrong.
    pub lines: Vec<(Flow, Faults)>,
    /// Seed of the faults.
    pub seed: u64,
    /// Where lost messages may be asked for.
    pub recovery: Option<SocketAddrV4>,
    /// Messages kept for that.
    pub resend: u32,
    /// Longest silence.
    pub heartbeat: Duration,
    /// Most events on the way, where there is a bound.
    pub window: Option<u32>,
}

impl PacketsConfig {
    /// The flows alone.
    #[must_use]
    pub fn flows(&self) -> Vec<Flow> {
        self.lines.iter().map(|(flow, _)| *flow).collect()
    }
}

impl fmt::Display for PacketsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} through {}", self.sink.name(), self.interface)?;
        for ((flow, faults), name) in self.lines.iter().zip(["A", "B"]) {
            write!(f, ", line {name} to {flow}")?;
            if *faults != Faults::default() {
                let Faults { loss, duplicate, reorder } = faults;
                write!(f, " (lost {loss}, doubled {duplicate}, reordered {reorder})")?;
            }
        }
        match self.recovery {
            Some(address) => {
                write!(f, "; sent again by {address} (tickspin-resend, fifty wakes a second)")?
            }
            None => write!(f, "; nothing is sent again")?,
        }
        match self.window {
            Some(window) => write!(f, "; at most {window} events on the way"),
            None => write!(f, "; as many events on the way as there are"),
        }
    }
}

/// `None` for the ring.
pub(super) fn checked(
    keys: &Keys,
    policy: PolicyName,
    layers: &Layers,
) -> Result<Option<PacketsConfig>, SimError> {
    let bad = |key: &str, rule: &str| SimError::key(key, layers.origin(key), rule);
    let check =
        |key: &str, holds: bool, rule: &str| if holds { Ok(()) } else { Err(bad(key, rule)) };
    if keys.sink == SinkName::Ring {
        let default = Layers::compiled_in().values;
        let is_foreign = |key: &&&str| layers.values.get(**key) != default.get(**key);
        return match ONLY_PACKETS.iter().find(is_foreign) {
            Some(key) => Err(bad(key, "only for --sink udp or xdp: the ring has no packets")),
            None => Ok(None),
        };
    }
    let is_built = keys.sink != SinkName::Xdp || cfg!(feature = "xdp");
    let how = "this build has no AF_XDP; `cargo build --release --features xdp` makes one, and udp \
               needs none";
    check("sink", is_built, how)?;
    let is_named = !keys.interface.is_empty() && keys.interface != "none";
    check("interface", is_named, "packets leave through one: its name, as in --interface lo")?;
    let rule = "ADDRESS:PORT, as in 239.255.71.1:26400";
    let flow = |key: &str, text: &str| {
        let address: SocketAddrV4 = text.parse().map_err(|_| bad(key, rule))?;
        let flow = Flow { address: *address.ip(), port: address.port() };
        let is_place = flow.port > 0 && !flow.address.is_unspecified();
        check(key, is_place, rule).map(|()| flow)
    };
    let is_share = |share: f64| (0.0..=0.5).contains(&share);
    for (key, share) in [
        ("loss_a", keys.loss_a),
        ("loss_b", keys.loss_b),
        ("duplicate", keys.duplicate),
        ("reorder", keys.reorder),
    ] {
        check(key, is_share(share), "a share of the packets, 0 to 0.5")?;
    }
    let faults = |loss| Faults { loss, duplicate: keys.duplicate, reorder: keys.reorder };
    let mut lines = vec![(flow("line_a", &keys.line_a)?, faults(keys.loss_a))];
    if keys.line_b != "none" {
        let line_b = flow("line_b", &keys.line_b)?;
        check("line_b", line_b != lines[0].0, "another group or port than line A's, or \"none\"")?;
        lines.push((line_b, faults(keys.loss_b)));
    }
    let recovery = match keys.recovery.as_str() {
        "none" => None,
        text => {
            let flow = flow("recovery", text)?;
            let is_host = !flow.address.is_multicast();
            check("recovery", is_host, "an address of this host, not a group, or \"none\"")?;
            Some(SocketAddrV4::new(flow.address, flow.port))
        }
    };
    check("resend", (1_024..=1 << 26).contains(&keys.resend), "1,024 to 2^26")?;
    check("sink_seed", i64::try_from(keys.sink_seed).is_ok(), "0 to 2^63 - 1")?;
    check("window", keys.window <= 1 << 24, "0, no bound, to 2^24")?;
    let heartbeat = time(&keys.heartbeat).ok().flatten();
    Ok(Some(PacketsConfig {
        sink: keys.sink,
        origin: layers.origin("sink").to_owned(),
        interface: keys.interface.clone(),
        lines,
        seed: keys.sink_seed,
        recovery,
        resend: keys.resend,
        heartbeat: heartbeat.ok_or_else(|| bad("heartbeat", TIME_RULE))?,
        window: (policy == PolicyName::Wait && keys.window > 0).then_some(keys.window),
    }))
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;
    use toml::Value;

    fn with(keys: &[(&str, Value)]) -> Result<Config, SimError> {
        let mut layers = Layers::compiled_in();
        for (key, value) in keys {
            layers.values.insert((*key).to_owned(), value.clone());
        }
        Config::checked(&layers)
    }

    fn udp(key: &str, value: impl Into<Value>) -> Result<Config, SimError> {
        with(&[("sink", "udp".into()), ("interface", "lo".into()), (key, value.into())])
    }

    #[test]
    fn keys_of_packets_are_refused_for_the_ring() {
        for (key, value) in [
            ("interface", Value::from("lo")),
            ("loss_a", Value::from(0.1)),
            ("window", Value::from(5)),
            ("recovery", Value::from("127.0.0.1:1")),
        ] {
            let error = with(&[(key, value)]).unwrap_err();
            assert!(error.to_string().starts_with(key), "{error}");
            assert!(error.to_string().contains("--sink udp"), "{error}");
        }
        assert_eq!(with(&[]).unwrap().packets, None);
    }

    #[test]
    fn values_out_of_range_name_their_key() {
        for (key, value) in [
            ("sink", Value::from("tcp")),
            ("interface", Value::from("none")),
            ("line_a", Value::from("239.1.1.1")),
            ("line_a", Value::from("none")),
            ("line_b", Value::from("239.255.71.1:26400")),
            ("line_b", Value::from("239.255.71.1:0")),
            ("recovery", Value::from("239.255.71.1:1")),
            ("resend", Value::from(10)),
            ("loss_a", Value::from(0.6)),
            ("loss_b", Value::from(-0.1)),
            ("duplicate", Value::from(f64::NAN)),
            ("reorder", Value::from(1.0)),
            ("heartbeat", Value::from("none")),
            ("window", Value::from((1 << 24) + 1)),
        ] {
            let error = udp(key, value.clone()).unwrap_err();
            assert!(error.to_string().starts_with(key), "{key} = {value}: {error}");
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn lines_have_their_own_loss_and_drop_has_no_window() {
        let packets = udp("loss_b", 0.25).unwrap().packets.unwrap();
        let losses: Vec<f64> = packets.lines.iter().map(|(_, faults)| faults.loss).collect();
        assert_eq!((losses, packets.window), (vec![0.0, 0.25], Some(1_024)));
        assert_eq!(udp("line_b", "none").unwrap().packets.unwrap().lines.len(), 1);
        assert_eq!(udp("policy", "drop").unwrap().packets.unwrap().window, None);
        assert_eq!(udp("window", 0).unwrap().packets.unwrap().window, None);
    }

    #[test]
    fn xdp_needs_a_build_that_has_it() {
        let xdp = with(&[("sink", "xdp".into()), ("interface", "lo".into())]);
        match cfg!(feature = "xdp") {
            true => assert_eq!(xdp.unwrap().packets.unwrap().sink, SinkName::Xdp),
            false => assert!(xdp.unwrap_err().to_string().contains("--features xdp")),
        }
    }
}
