//! As many messages as the fastest sender of this build can hand over: what a transport sustains, and
//! which counter names each one that did not come.
//!
//! ```text
//!  sent = received + lost        lost = explained + unexplained
//!
//!  near0  tx drop   the cable's other end had no place
//!  far0   rx drop   the kernel's queue before the transport was full
//!  source dropped   no frame, no place in a ring or in a socket's buffer: the receiver was late
//! ```
//!
//! On the cable the kernel's receiving work is done inside the sender's system call, so a flood cannot
//! outrun the kernel, only the receiver, and only as far as that is away from its core.

use super::super::super::measure::Taken;
use super::super::super::pair::{self, Gate};
use super::PAYLOAD_BYTES;
use super::road::{END, Inlet, Sleeping, Spinning, clear};
use crate::error::Failure;
use serde::Serialize;
use std::hint::spin_loop;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tickspin_host::clock::{Clock, ticks};
use tickspin_host::netns::{Cable, FAR, NEAR, Namespace};
use tickspin_host::packets::{NotSent, PacketSink, PacketSource, SourceHealth};
use tickspin_host::udp::UdpSender;
#[cfg(feature = "xdp")]
use tickspin_host::xdp::XdpSender;

/// Messages of one system call: as many as the kernel sends in one. Into AF_XDP, one at a time were a
/// quarter slower on the reference host, 8 a twentieth, and 128 no faster.
const BATCH: u64 = 32;
/// Nothing came for so long after the last was sent: nothing will. Waited for only where some are lost;
/// the kernel's own thread may have the last ones and wait for a core.
const QUIET: Duration = Duration::from_millis(200);
/// How long a flood may take.
const LIMIT: Duration = Duration::from_secs(60);
/// Turns in vain between two questions whether the other side is still there.
const IDLE_TURNS: u32 = 1 << 14;

/// An inlet that keeps account.
pub(super) trait Accounting: Inlet {
    /// What became of its packets since it was opened.
    fn health(&mut self) -> SourceHealth;
}

impl<S: PacketSource + Send> Accounting for Spinning<S> {
    fn health(&mut self) -> SourceHealth {
        self.0.health()
    }
}

impl Accounting for Sleeping {
    fn health(&mut self) -> SourceHealth {
        self.0.health()
    }
}

/// A sink that can say when the kernel has sent all that it took.
pub(super) trait Spout: PacketSink + Send {
    /// Its name in reports.
    const NAME: &'static str;
    /// Some are still on their way to the kernel.
    fn has_waiting(&mut self) -> bool;
}

impl Spout for UdpSender {
    const NAME: &'static str = "udp";

    fn has_waiting(&mut self) -> bool {
        false
    }
}

/// AF_XDP, and its frames when none is on its way.
#[cfg(feature = "xdp")]
pub(super) struct Frames {
    sender: XdpSender,
    all: usize,
}

#[cfg(feature = "xdp")]
impl Frames {
    pub(super) fn of(mut sender: XdpSender) -> Frames {
        Frames { all: sender.free(), sender }
    }
}

#[cfg(feature = "xdp")]
impl PacketSink for Frames {
    fn send(&mut self, flow: u16, payload: &[u8]) -> Result<(), NotSent> {
        self.sender.send(flow, payload)
    }

    fn flush(&mut self) -> Result<(), NotSent> {
        self.sender.flush()
    }
}

#[cfg(feature = "xdp")]
impl Spout for Frames {
    const NAME: &'static str = "af_xdp";

    fn has_waiting(&mut self) -> bool {
        self.sender.free() < self.all
    }
}

/// What became of a flood.
#[derive(Clone, Debug)]
pub(super) struct Flood {
    /// Who sent.
    pub(super) sender: &'static str,
    /// Messages a second that came, from the first to the last.
    pub(super) rate_per_s: f64,
    /// Messages that the kernel took from the sender.
    pub(super) sent: u64,
    /// Messages that came.
    pub(super) received: u64,
    /// What was dropped, by the counters that say so.
    pub(super) drops: Drops,
    /// Share of its time that a thread of it was kept off its core, 0 to 1.
    pub(super) queued_share: f64,
}

/// Counters of drops on the whole way.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Drops {
    /// By the sender's interface.
    pub near_tx: u64,
    /// By the receiver's, before the transport.
    pub far_rx: u64,
    /// By the transport: its buffer, ring or frames were full.
    pub source: u64,
}

/// Sends `count` messages as fast as they are taken.
pub(super) fn flood<S: Spout, I: Accounting>(
    spout: &mut S,
    inlet: &mut I,
    count: u64,
    cores: (usize, usize),
    (cable, clock): (&Cable, &Clock),
) -> Result<Flood, Failure> {
    clear(inlet);
    let before = drops(cable, inlet)?;
    let is_sent = AtomicBool::new(false);
    let send = |gate: &Gate| {
        let sent = sender(spout, count, gate);
        is_sent.store(true, Ordering::Release);
        sent
    };
    let quiet = clock.ticks_from_ns(QUIET.as_nanos() as u64);
    let receive = |gate: &Gate| receiver(inlet, count, quiet, &is_sent, gate);
    let (sent, arrived, queued_share) = pair::run(cores, LIMIT, send, receive)?;
    sent?;
    let (after, Arrived { received, first, last }) = (drops(cable, inlet)?, arrived);
    let drops = Drops {
        near_tx: after.near_tx - before.near_tx,
        far_rx: after.far_rx - before.far_rx,
        source: after.source - before.source,
    };
    let seconds = clock.ns(last.saturating_sub(first)) as f64 / 1e9;
    Ok(Flood {
        sender: S::NAME,
        rate_per_s: if seconds > 0.0 { received as f64 / seconds } else { 0.0 },
        sent: count,
        received,
        drops,
        queued_share,
    })
}

/// `None`: the gate is broken.
fn sender(spout: &mut impl Spout, count: u64, gate: &Gate) -> Option<Result<(), Failure>> {
    let failed = |error: NotSent| Some(Err(Failure::failed(format_args!("sending: {error}"))));
    let (mut sent, mut turns) = (0_u64, 0_u32);
    while sent < count || spout.has_waiting() {
        for _ in 0..BATCH.min(count - sent) {
            match spout.send(0, &payload_of(sent)) {
                Ok(()) => sent += 1,
                Err(NotSent::NoRoom) => break,
                Err(error) => return failed(error),
            }
        }
        match spout.flush() {
            Ok(()) | Err(NotSent::NoRoom) => {}
            Err(error) => return failed(error),
        }
        turns = turns.wrapping_add(1);
        if turns.is_multiple_of(IDLE_TURNS) && gate.is_broken() {
            return None;
        }
    }
    Some(Ok(()))
}

/// 64 bytes that differ from the next ones.
fn payload_of(number: u64) -> [u8; PAYLOAD_BYTES] {
    let mut bytes = [0x5A; PAYLOAD_BYTES];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// What came, and when, ticks.
struct Arrived {
    received: u64,
    first: u64,
    last: u64,
}

fn receiver(
    inlet: &mut impl Inlet,
    count: u64,
    quiet: u64,
    is_sent: &AtomicBool,
    gate: &Gate,
) -> Option<Arrived> {
    let (mut received, mut idle, mut first, mut last) = (0, 0_u32, 0, ticks());
    loop {
        let before = received;
        // The end of the passage before was said more than once.
        let mut take = |taken: Taken| received += u64::from(taken.first != END);
        // Once all is sent a sleeper would sleep for what is lost.
        let is_over = is_sent.load(Ordering::Acquire);
        let _ = if is_over { inlet.look(&mut take) } else { inlet.receive(&mut take) };
        if received > before {
            last = ticks();
            first = if before == 0 { last } else { first };
        } else {
            if is_over && (received >= count || ticks().saturating_sub(last) > quiet) {
                return Some(Arrived { received, first, last });
            }
            idle = idle.wrapping_add(1);
            if idle.is_multiple_of(IDLE_TURNS) && gate.is_broken() {
                return None;
            }
            spin_loop();
        }
    }
}

fn drops(cable: &Cable, inlet: &mut impl Accounting) -> Result<Drops, Failure> {
    let of = |namespace: &Namespace, name: &str| -> io::Result<(u64, u64)> {
        let read = || std::fs::read_to_string("/proc/thread-self/net/dev");
        let text = namespace.run(read)??;
        line(&text, name).ok_or_else(|| io::Error::other(format!("{name} is not in it")))
    };
    let failed = |error| Failure::failed(format_args!("/proc/thread-self/net/dev: {error}"));
    let (_, near_tx) = of(&cable.near, NEAR).map_err(failed)?;
    let (far_rx, _) = of(&cable.far, FAR).map_err(failed)?;
    Ok(Drops { near_tx, far_rx, source: inlet.health().dropped })
}

/// What an interface dropped of what it received and of what it sent.
fn line(text: &str, name: &str) -> Option<(u64, u64)> {
    let fields =
        text.lines().find_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix(':'));
    let numbers: Vec<u64> =
        fields?.split_whitespace().map_while(|text| text.parse().ok()).collect();
    // Both halves begin with bytes, packets, errors, dropped.
    Some((*numbers.get(3)?, *numbers.get(11)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_the_fourth_number_of_each_half() {
        let text = "Inter-|   Receive      |  Transmit\n \
                    face |bytes    packets errs drop fifo frame compressed multicast|bytes\n    \
                    lo:  1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n  \
                    far0:1 2 3 40 5 6 7 8 9 10 11 120 13 14 15 16\n";
        assert_eq!(line(text, "far0"), Some((40, 120)));
        assert_eq!((line(text, "lo"), line(text, "far")), (Some((4, 12)), None));
    }
}
