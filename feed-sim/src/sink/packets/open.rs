//! From the configuration to open sockets, before the pinned thread is there; and whether the source
//! can be said in packets at all.

use super::lines::Lines;
use super::resend::Resend;
use super::stand::first_unsayable;
use super::{PacketsSink, Terms};
use crate::ahead::Ahead;
use crate::args::SinkName;
use crate::config::{Config, PacketsConfig};
use crate::control::Control;
use crate::error::SimError;
use std::sync::Arc;
use tickspin_host::clock::Clock;
use tickspin_host::interface::Interface;
use tickspin_host::packets::{OpenError, PacketSink};
use tickspin_host::udp::UdpSender;
use tickspin_ring::Producer;
use tickspin_wire::event::Kind;
use tickspin_wire::moldudp64::Session;

/// From a packet to the first heartbeat behind it: ten times what an idle engine needs for it.
const NUDGE_NS: u64 = 2_000_000;
/// A receiver gives a hole up after 100 ms.
const PATIENCE_NS: u64 = 250_000_000;
/// Between two Ends of Session.
const END_NS: u64 = 5_000_000;
/// The longest packet: our payload, UDP and IPv4 headers.
const MTU_BYTES: u32 = 1_500;
/// Frames of an AF_XDP sender: some milliseconds of a fast feed.
#[cfg(feature = "xdp")]
const FRAMES: u32 = 4_096;

/// Everything that a sink of packets has but the ring, which comes with the engine.
pub struct Parts<P> {
    lines: Lines<P>,
    resend: Option<Resend>,
    terms: Terms,
}

impl<P: PacketSink> Parts<P> {
    /// The sink, now that the engine is there.
    #[must_use]
    pub fn sink(self, ring: Producer) -> PacketsSink<P> {
        PacketsSink::new(ring, self.lines, self.resend, self.terms)
    }
}

/// What was opened.
pub enum Opened {
    /// Nothing: events go into the ring.
    Ring,
    /// Sockets of the kernel.
    Udp(Box<Parts<UdpSender>>),
    /// A socket past it.
    #[cfg(feature = "xdp")]
    Xdp(Box<Parts<tickspin_host::xdp::XdpSender>>),
}

impl Opened {
    /// Opens what the configuration asks for; `epoch` is the run's. The server's thread runs on the
    /// cores of the caller.
    ///
    /// # Errors
    /// The interface is not there or not fit, a privilege is missing, an address is taken.
    pub fn open(
        config: &Config,
        epoch: u64,
        clock: &Clock,
        control: &Arc<Control>,
    ) -> Result<Opened, SimError> {
        let Some(packets) = &config.packets else { return Ok(Opened::Ring) };
        let interface = Interface::named(&packets.interface)?;
        if interface.mtu_bytes < MTU_BYTES {
            return Err(SimError::Packets(OpenError::Unfit {
                what: format!("packets of {MTU_BYTES} bytes do not fit {}", interface.name),
                cure: format!("`sudo ip link set {} mtu {MTU_BYTES}`", interface.name),
            }));
        }
        match packets.sink {
            SinkName::Ring => Ok(Opened::Ring),
            SinkName::Udp => {
                // Receivers behind the loopback interface are on this host.
                let is_looped = packets.interface == "lo";
                let sender = UdpSender::open(&packets.interface, &packets.flows(), is_looped)?;
                Ok(Opened::Udp(Box::new(parts(sender, packets, epoch, clock, control)?)))
            }
            SinkName::Xdp => xdp(packets, epoch, clock, control),
        }
    }
}

#[cfg(feature = "xdp")]
fn xdp(
    packets: &PacketsConfig,
    epoch: u64,
    clock: &Clock,
    control: &Arc<Control>,
) -> Result<Opened, SimError> {
    use tickspin_host::xdp::{XdpSender, XdpSenderConfig, ZeroCopy};
    let flows = packets.flows();
    let sender = XdpSender::open(&XdpSenderConfig {
        interface: &packets.interface,
        flows: &flows,
        queue: 0,
        frames: FRAMES,
        port: flows.first().map_or(0, |flow| flow.port),
        host: None,
        zero_copy: ZeroCopy::Auto,
    })?;
    Ok(Opened::Xdp(Box::new(parts(sender, packets, epoch, clock, control)?)))
}

#[cfg(not(feature = "xdp"))]
fn xdp(
    packets: &PacketsConfig,
    _epoch: u64,
    _clock: &Clock,
    _control: &Arc<Control>,
) -> Result<Opened, SimError> {
    let rule = "this build has no AF_XDP; build with --features xdp";
    Err(SimError::key("sink", &packets.origin, rule))
}

fn parts<P: PacketSink>(
    sender: P,
    packets: &PacketsConfig,
    epoch: u64,
    clock: &Clock,
    control: &Arc<Control>,
) -> Result<Parts<P>, SimError> {
    let resend = match packets.recovery {
        Some(address) => {
            let name = move |count| Session::of_run(epoch, count);
            Some(Resend::start(address, packets.resend, name, control)?)
        }
        None => None,
    };
    Ok(Parts {
        lines: Lines::new(sender, &packets.lines, packets.seed),
        resend,
        terms: terms(packets, clock),
    })
}

/// Times in ticks of this clock.
#[must_use]
pub fn terms(packets: &PacketsConfig, clock: &Clock) -> Terms {
    let heartbeat_ns = u64::try_from(packets.heartbeat.as_nanos()).unwrap_or(u64::MAX);
    Terms {
        heartbeat_ticks: clock.ticks_from_ns(heartbeat_ns),
        nudge_ticks: clock.ticks_from_ns(NUDGE_NS.min(heartbeat_ns)),
        patience_ticks: clock.ticks_from_ns(PATIENCE_NS),
        end_ticks: clock.ticks_from_ns(END_NS),
        window: packets.window.map_or(u64::MAX, u64::from),
    }
}

/// Looks through what is prepared for an event that packets cannot say: most formats show in their
/// first thousand events that they are no ITCH.
///
/// # Errors
/// Names the event, the format and the sink that takes it.
pub fn check_source(config: &Config, ahead: &Ahead) -> Result<(), SimError> {
    let Some(packets) = &config.packets else { return Ok(()) };
    let events = (0..ahead.len()).map_while(|n| ahead.get(n)).map(|prepared| &prepared.event);
    let Some((at, event)) = first_unsayable(events, config.ring_slots.into()) else {
        return Ok(());
    };
    if event.kind() == Some(Kind::Gap) && event.second_id > config.ring_slots.into() {
        let rule = format!(
            "event {at} is a gap of {} numbers, more than the {} events that may be on the way; \
             --ring-slots raises that to 16,777,216, and sink ring takes any gap",
            event.second_id, config.ring_slots
        );
        return Err(SimError::key("sink", &packets.origin, rule));
    }
    let facts = ahead.facts();
    let format = facts.recording.map_or(String::new(), |it| format!(" ({})", it.protocol));
    let kind = event.kind().map_or("unknown", Kind::name);
    Err(SimError::key(
        "sink",
        &packets.origin,
        format!(
            "{} says ITCH 5.0, which has no message for event {at}, {kind}, of {}{format}: it knows no \
             levels and quotes, no price finer than 0.0001 and no time but since midnight; ring takes \
             any source",
            packets.sink.name(),
            facts.line
        ),
    ))
}
