//! The price of the kernel: the same messages through its sockets, past them, and without it.
//!
//! ```text
//!   sender's core                                             receiver's core
//!   namespace near ── UDP or AF_XDP ── near0 ═ veth ═ far0 ── namespace far
//!                                                              udp_block, udp_spin, af_packet,
//!                                                              af_xdp_generic, af_xdp_native
//!   ring ──────────────────── shared memory ───────────────────────── ring
//! ```
//!
//! Each transport once a round, forwards and backwards in turn, and the two senders in turn as well,
//! each opened afresh. The samples are **arrival − intended instant**, so the sender's own work is in
//! them: a UDP sender's system call is a large part of the way, an AF_XDP sender's a smaller one.
//!
//! Last in its turn each transport gets as many messages as it takes ([`Saturated`]).
//!
//! Cost: both cores for some 4 s a round, and root. When it is the wrong choice: to know what a card
//! costs. The cable is software, and the kernel's receiving work is done on the sender's core.

mod flood; // 2. as fast as it goes
mod report; // 4. rounds to prices
mod road; // 1. what is measured between a sender and a receiver
mod wire; // 3. the transports, opened on a cable

pub use flood::Drops;
pub use report::{Crossed, Percentiles, Price, PriceReport, Saturated, price_report};
pub use wire::Transport;

use super::{SharedLine, look, steal_ns};
use crate::error::Failure;
use road::{Journey, Passage};
use std::time::{Duration, Instant};
use tickspin_host::clock::Clock;
use tickspin_host::netns::Cable;
use tickspin_host::process;
use tickspin_results::Histogram;
use wire::{Crossing, Place};

/// Bytes of a message.
pub const PAYLOAD_BYTES: usize = 64;

/// What is to be measured.
#[derive(Clone, Copy, Debug)]
pub struct Wishes {
    /// How often each transport is measured.
    pub rounds: usize,
    /// Messages of one passage; a tenth of them warms up.
    pub messages: usize,
    /// Messages a second.
    pub rate_per_s: f64,
    /// Sender's and receiver's core.
    pub cores: (usize, usize),
}

/// All transports once.
#[derive(Clone, Debug)]
pub struct PriceRound {
    /// Bare round trip before and after, ns.
    look_ns: (f64, f64),
    /// Taken from both cores by the hypervisor meanwhile, ns.
    steal_ns: u64,
    /// In the order of [`Transport::ALL`]; `None`: not in this build.
    crossings: Vec<Option<Crossing>>,
}

/// A distribution of one passage, as it was measured, whether its round is set aside or not.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// The transport's name; `_from_af_xdp` behind it where that sender sent.
    pub tag: &'a str,
    /// When it began and how long it took, since the first round began.
    pub span: (Duration, Duration),
    /// Arrival minus intended instant, ns.
    pub one_way: &'a Histogram,
}

impl PriceRound {
    /// Its distributions, in the order of [`Transport::ALL`].
    pub fn raw(&self) -> impl Iterator<Item = Raw<'_>> {
        fn raw<'a>(tag: &'a str, passage: &'a Passage) -> Raw<'a> {
            Raw { tag, span: passage.span, one_way: &passage.response }
        }
        Transport::ALL.iter().zip(&self.crossings).flat_map(|(transport, crossing)| {
            let plain = crossing.as_ref().map(|all| raw(transport.name(), &all.plain));
            let bypassing = crossing.as_ref().and_then(|all| all.bypassing.as_ref());
            let bypassing = bypassing.map(|passage| raw(transport.name_from_af_xdp(), passage));
            [plain, bypassing].into_iter().flatten()
        })
    }
}

/// Runs the rounds; `progress` hears of (transports done, in all). A signal ends it after the
/// transport that is under way, with the rounds that were whole.
///
/// # Errors
/// Exit code 4: privileges, `ip` or a core are not to be had; 1: the kernel refused something else.
pub fn price_rounds(
    wishes: &Wishes,
    clock: &Clock,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<PriceRound>, Failure> {
    let cable = Cable::new().map_err(|error| wire::opening(&error))?;
    let lines = (SharedLine::default(), SharedLine::default());
    let pairs = [wishes.cores];
    let journey = Journey {
        messages: wishes.messages,
        warm_up: wishes.messages / 10,
        rate_per_s: wishes.rate_per_s,
        cores: wishes.cores,
        origin: Instant::now(),
    };
    let count = Transport::ALL.len();
    let mut rounds = Vec::new();
    for number in 0..wishes.rounds {
        let stolen = steal_ns(&pairs);
        let before_ns = look(wishes.cores, clock, &lines)?;
        let mut crossings: Vec<Option<Crossing>> = vec![None; count];
        let bypasses_first = number / 2 % 2 == 1;
        let place = Place { cable: &cable, journey, clock, bypasses_first };
        for turn in 0..count {
            if process::stop_signal() != 0 {
                return Ok(rounds);
            }
            // Forwards and backwards in turn, each pair of rounds from the next transport on.
            let turned = if number % 2 == 0 { turn } else { count - 1 - turn };
            let index = (turned + number / 2) % count;
            crossings[index] = place.cross(Transport::ALL[index])?;
            progress(number * count + turn + 1, wishes.rounds * count);
        }
        rounds.push(PriceRound {
            look_ns: (before_ns, look(wishes.cores, clock, &lines)?),
            steal_ns: steal_ns(&pairs).saturating_sub(stolen),
            crossings,
        });
    }
    Ok(rounds)
}
