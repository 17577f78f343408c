//! `AF_XDP`: packets of our flows straight from the driver into memory of ours.
//!
//! ```text
//!            kernel                                      this process
//!  card ─► driver ─► program ─── our flows ───► RX ring ─► rx_burst ─► f(payload)
//!                      │                          ▲                       │
//!                      │ all else                 └─ frames ◄─ FILL ring ◄┘ given back in the same burst
//!                      ▼
//!                 kernel's stack: ARP, IGMP, TCP, ping, other feeds
//! ```
//!
//! - Cost: 1 to 2 ns an empty poll, 15 to 30 ns a datagram, no system call.
//! - It needs `cap_net_raw`, `cap_net_admin`, `cap_bpf`, `cap_ipc_lock` to be opened and nothing
//!   afterwards ([`crate::rights`]).
//! - The program sits on the interface as long as this process lives, and not a moment longer: the
//!   kernel takes it off at any end, a SIGKILL too. While it sits there, nobody else's can.
//! - What was got is said in one line ([`Obtained`]): native or generic mode, copies or none, pages.
//! - One socket for each queue, each with its own frames: nothing is shared, nothing is locked.
//!
//! Losses are counted by the kernel and told by `health`: a receiver that is away for longer than its
//! frames last (8,192 are 28 ms of a feed at 285,000 packets/s) loses what comes then.
//!
//! Zero-copy and busy polling are implemented and have not been measured: virtual interfaces have
//! neither. Turn them on after looking at [`Obtained`] and at `napi_id`.
//!
//! When it is the wrong choice: feeds with an MTU beyond 3,818 bytes, IPv6, tunnels; and a machine
//! where another XDP program must stay.

mod bpf; // 2. map, program, link
mod program; // 1. which packets are ours
mod ring; // 4. the rings between kernel and us
mod sender; // 6. frames out
mod socket; // 5. all of it for one queue
mod umem; // 3. frames and who has them

pub use bpf::{Mode, ModeWish, Verdict};
pub use sender::{XdpSender, XdpSenderConfig};

use crate::clock;
use crate::interface::Interface;
use crate::membership::Membership;
use crate::memory::Pages;
use crate::packets::{
    Datagram, Flow, OpenError, PacketSource, RxStamp, SourceHealth, check_flows, hand_out,
};
use libc::xdp_desc;
use socket::{Bound, Direction, SocketPlan};
use std::os::fd::OwnedFd;
use std::{fmt, io};

/// Frames of each queue by default: 16 MiB.
pub const FRAMES_DEFAULT: u32 = 8_192;

/// Frames that are asked for ahead of the one that is read. They lie 2 KiB apart, so few of them stay
/// in the inner caches and the processor does not see the next one coming.
const PREFETCHED: u32 = 8;

/// Which queues of the interface are listened to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Queues {
    /// All that are in use: nothing can go astray.
    #[default]
    All,
    /// One; a rule of the card steers the flows there (`ethtool -N IFACE flow-type udp4 dst-ip GROUP
    /// dst-port PORT action QUEUE`).
    One(u32),
}

/// Whether the card writes into our frames itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ZeroCopy {
    /// No: the kernel copies each packet, ~10 ns for a short one. Works with every driver.
    #[default]
    Off,
    /// Where the driver can.
    Auto,
    /// Or not at all.
    Require,
}

/// The receiving thread drives the card itself, by a system call in each empty poll. It pays only
/// with interrupts put off (`napi_defer_hard_irqs`, `gro_flush_timeout`), which this does not do:
/// left set, they cost every other socket 100 µs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusyPoll {
    /// How long a call may look, µs.
    pub us: u32,
    /// Packets that it takes at most.
    pub packets: u32,
}

/// How a source is opened.
#[derive(Clone, Copy, Debug)]
pub struct XdpConfig<'a> {
    /// On which interface.
    pub interface: &'a str,
    /// What is listened to; 1 to 16.
    pub flows: &'a [Flow],
    /// See [`Queues`].
    pub queues: Queues,
    /// See [`ModeWish`].
    pub mode: ModeWish,
    /// See [`ZeroCopy`].
    pub zero_copy: ZeroCopy,
    /// Frames of each queue, rounded up to a power of two, 64 to 1,048,576: rate times the longest
    /// time that nobody polls.
    pub frames: u32,
    /// See [`BusyPoll`].
    pub busy_poll: Option<BusyPoll>,
}

impl<'a> XdpConfig<'a> {
    /// All queues, native or else generic mode, copies, 8,192 frames.
    #[must_use]
    pub fn new(interface: &'a str, flows: &'a [Flow]) -> XdpConfig<'a> {
        XdpConfig {
            interface,
            flows,
            queues: Queues::All,
            mode: ModeWish::default(),
            zero_copy: ZeroCopy::default(),
            frames: FRAMES_DEFAULT,
            busy_poll: None,
        }
    }
}

/// What was got, for one line of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obtained {
    /// The interface.
    pub interface: String,
    /// Where the program runs.
    pub mode: Mode,
    /// Why it does not run in the driver, though that was tried.
    pub native_refused: Option<String>,
    /// The card writes into our frames, on all queues.
    pub is_zero_copy: bool,
    /// Queues listened to.
    pub queues: u32,
    /// Frames of each.
    pub frames: u32,
    /// Bytes of a frame.
    pub frame_bytes: u32,
    /// What the frames lie on.
    pub pages: Pages,
}

impl fmt::Display for Obtained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AF_XDP on {}: {} mode", self.interface, self.mode)?;
        if let Some(why) = &self.native_refused {
            write!(f, " (native was refused: {why})")?;
        }
        let copies = if self.is_zero_copy { "zero-copy" } else { "copy" };
        let Obtained { queues, frames, frame_bytes, pages, .. } = self;
        let of_queues = if *queues == 1 { "queue" } else { "queues" };
        write!(f, ", {copies}, {queues} {of_queues} of {frames} × {frame_bytes} bytes on {pages}")
    }
}

/// Datagrams by `AF_XDP`.
#[derive(Debug)]
pub struct XdpSource {
    /// Dropped first: no packet is redirected to a socket that is going.
    attached: bpf::Attached,
    queues: Vec<Bound>,
    /// Whose turn it is.
    turn: usize,
    /// A system call in each empty poll: busy polling was asked for and has not proved idle.
    kicks_when_empty: bool,
    flows: Vec<Flow>,
    health: SourceHealth,
    interface: Interface,
    program: OwnedFd,
    _map: OwnedFd,
    _membership: Membership,
}

impl XdpSource {
    /// Joins the groups, loads and attaches the program, opens a socket for each queue.
    ///
    /// # Errors
    /// [`OpenError`]. What a killed predecessor has left on the interface is waited for, at most a
    /// second.
    pub fn open(config: &XdpConfig<'_>) -> Result<XdpSource, OpenError> {
        check_flows(config.flows)?;
        let interface = Interface::named(config.interface)?;
        let queues: Vec<u32> = match config.queues {
            Queues::All => (0..interface.rx_queues).collect(),
            Queues::One(queue) if queue < interface.rx_queues => vec![queue],
            Queues::One(queue) => {
                return Err(OpenError::Unfit {
                    what: format!("{} has no queue {queue}", interface.name),
                    cure: format!("it has {}, from 0 on", interface.rx_queues),
                });
            }
        };
        let frames = config.frames.clamp(64, 1 << 20).next_power_of_two();
        let frame_bytes = socket::frame_bytes(&interface)?;
        let map = bpf::create_map(interface.rx_queues)?;
        let program = bpf::load(config.flows, &map)?;
        let membership =
            Membership::join(&interface, config.flows.iter().map(|flow| flow.address))?;
        // Before the sockets are bound: some drivers rebuild their queues for a program.
        let attached = bpf::attach(&program, &interface, config.mode)?;
        let mut bound = Vec::with_capacity(queues.len());
        for &queue in &queues {
            bound.push(socket::open(&SocketPlan {
                interface: &interface,
                queue,
                frames,
                frame_bytes,
                zero_copy: config.zero_copy,
                busy_poll: config.busy_poll,
                filled: frames,
                direction: Direction::Receive,
            })?);
        }
        // Only now does the first packet come here; until now all were the kernel's.
        for (socket, &queue) in bound.iter().zip(&queues) {
            bpf::enter(&map, queue, &socket.fd).map_err(|error| OpenError::Refused {
                what: format!("entering queue {queue} of {} into the map", interface.name),
                error,
            })?;
        }
        Ok(XdpSource {
            attached,
            queues: bound,
            turn: 0,
            kicks_when_empty: config.busy_poll.is_some(),
            flows: config.flows.to_vec(),
            health: SourceHealth::default(),
            interface,
            program,
            _map: map,
            _membership: membership,
        })
    }

    /// What was got.
    #[must_use]
    pub fn obtained(&self) -> Obtained {
        let frames = self.queues.first().map(|queue| &queue.frames);
        Obtained {
            interface: self.interface.name.clone(),
            mode: self.attached.mode,
            native_refused: self.attached.refusal.as_ref().map(ToString::to_string),
            is_zero_copy: self.queues.iter().all(|queue| queue.is_zero_copy),
            queues: self.queues.len() as u32,
            frames: frames.map_or(0, umem::Frames::count),
            frame_bytes: frames.map_or(0, umem::Frames::frame_bytes),
            pages: frames.map_or(Pages::Small, umem::Frames::pages),
        }
    }

    /// What the program says about a frame, and how long it took, ns: the mean of `repeat` runs, the
    /// call around it included. The frame goes nowhere.
    ///
    /// # Errors
    /// The kernel's: the frame has fewer than 14 bytes, or privileges were given up.
    pub fn verdict(&self, frame: &[u8], repeat: u32) -> io::Result<(Verdict, u32)> {
        bpf::test_run(&self.program, frame, repeat)
    }
}

impl Bound {
    /// The packets of one queue, at most `budget`.
    #[inline]
    fn burst<F: FnMut(Datagram<'_>)>(
        &mut self,
        budget: u32,
        flows: &[Flow],
        health: &mut SourceHealth,
        f: &mut F,
    ) -> u32 {
        let Some(rx) = &mut self.rx else { return 0 };
        let ready = rx.ready(budget);
        if ready == 0 {
            return 0;
        }
        let stamp = RxStamp { ticks: clock::ticks(), kernel_ns: None };
        let mut refilled = 0;
        for ahead in 1..ready.min(PREFETCHED) {
            self.frames.prefetch(rx.peek(ahead).addr);
        }
        for ahead in 0..ready {
            if ahead + PREFETCHED < ready {
                self.frames.prefetch(rx.peek(ahead + PREFETCHED).addr);
            }
            let descriptor: xdp_desc = rx.peek(ahead);
            // The frames that the kernel names are input; one of several to a packet is not ours: no
            // packet is longer than a frame.
            let is_whole = descriptor.options & libc::XDP_PKT_CONTD == 0;
            // SAFETY: the kernel has put the frame into RX and does not write to it before it is in
            // FILL again, which is published after the loop.
            let bytes = unsafe { self.frames.bytes(descriptor.addr, descriptor.len) };
            match bytes.filter(|_| is_whole) {
                Some(bytes) => hand_out(bytes, flows, stamp, health, f),
                None => health.invalid += 1,
            }
            if bytes.is_some() {
                // There are as many slots as frames, and this frame is in none of them.
                self.fill.put(refilled, self.frames.frame_of(descriptor.addr));
                refilled += 1;
            }
        }
        rx.release(ready);
        self.fill.publish(refilled);
        ready
    }
}

impl PacketSource for XdpSource {
    #[inline]
    fn rx_burst<F: FnMut(Datagram<'_>)>(&mut self, budget: u32, mut f: F) -> u32 {
        let before = self.health.received;
        let mut left = budget;
        for _ in 0..self.queues.len() {
            let Some(queue) = self.queues.get_mut(self.turn) else { break };
            let looked = queue.burst(left, &self.flows, &mut self.health, &mut f);
            if looked == 0 && (self.kicks_when_empty || queue.fill.needs_wakeup()) {
                queue.kick_rx();
            }
            // Also where the budget ends here: the next poll begins with another queue.
            self.turn = if self.turn + 1 < self.queues.len() { self.turn + 1 } else { 0 };
            left -= looked;
            if left == 0 {
                break;
            }
        }
        (self.health.received - before) as u32
    }

    fn health(&mut self) -> SourceHealth {
        let mut health = self.health;
        let mut napi_id = 0;
        for queue in &self.queues {
            match queue.statistics() {
                Ok(told) => {
                    health.dropped += told.rx_dropped + told.rx_ring_full;
                    health.ring_full += told.rx_ring_full;
                    health.fill_empty += told.rx_fill_ring_empty_descs;
                    health.invalid += told.rx_invalid_descs;
                }
                Err(_) => health.errors += 1,
            }
            health.invalid += queue.rx.as_ref().map_or(0, ring::Consumer::faults);
            napi_id = napi_id.max(queue.napi_id());
        }
        health.napi_id = Some(napi_id);
        if health.received > 0 && napi_id == 0 {
            // Busy polling would do nothing but cost a system call in each empty poll.
            self.kicks_when_empty = false;
        }
        health
    }
}
