//! Datagrams from the ring of a raw socket: `AF_PACKET`, version 2.
//!
//! ```text
//! ring  ├─ frame 0 ──────────────┼─ frame 1 ─┼─ … ─┤   2 to 16 KiB each, one a packet
//!        │status│lengths, stamp│ Ethernet frame │
//!        └ KERNEL: theirs to fill ─► USER: ours to read ─► KERNEL
//! ```
//!
//! The cheap middle step: nearly the cost of `AF_XDP` (2 ns an empty poll, 30 to 40 ns a packet, no
//! system call) for one capability and no program in the driver. The packet also goes its way
//! through the kernel, which is load on the core that takes the interrupts.
//! Version 3 is never used: it hands over blocks of packets when a timer says so, half a
//! millisecond later.
//!
//! A filter in the kernel lets only the flows into the ring. VLAN tags are taken off by the kernel,
//! the outermost one; frames that keep one are not in a flow.
//!
//! When it is the wrong choice: where the card's driver runs XDP programs, and where the kernel's own
//! work for each packet is too much at the feed's rate.

mod filter;

use crate::clock;
use crate::interface::Interface;
use crate::mapping::Mapping;
use crate::membership::{self, Membership};
use crate::packets::{
    Datagram, Flow, OpenError, PacketSource, RxStamp, SourceHealth, check_flows, hand_out,
};
use crate::socket::{self, plain};
use std::io;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;

plain!(libc::tpacket2_hdr);

/// What the kernel puts before a frame, at most: its header, the address, alignment, a tag.
const OVERHEAD_BYTES: u32 = 128;
/// Ethernet and two VLAN tags.
const LINK_BYTES: u32 = 14 + 8;
/// The kernel allocates rings in blocks of whole pages, each in one piece.
const BLOCK_BYTES: u32 = 64 << 10;
/// Frames by default: 8,192 of 2 KiB are 16 MiB, 28 ms of a feed at 285,000 packets/s.
pub const FRAMES_DEFAULT: u32 = 8_192;

/// Datagrams from a raw socket's ring.
#[derive(Debug)]
pub struct AfPacketSource {
    map: Mapping,
    frame_bytes: usize,
    mask: usize,
    /// Index of the frame that comes next.
    next: usize,
    flows: Vec<Flow>,
    health: SourceHealth,
    socket: OwnedFd,
    _membership: Membership,
    _silent: Vec<OwnedFd>,
}

impl AfPacketSource {
    /// Listens to `flows` on the interface of this name, with a ring of `frames` (rounded up to a
    /// power of two, at least 64).
    ///
    /// # Errors
    /// [`OpenError`]; a missing `cap_net_raw` names the command that gives it.
    pub fn open(interface: &str, flows: &[Flow], frames: u32) -> Result<AfPacketSource, OpenError> {
        check_flows(flows)?;
        let interface = Interface::named(interface)?;
        let frame_bytes = frame_bytes(&interface)?;
        let frames = frames.clamp(64, 1 << 20).next_power_of_two();
        let bytes = frames as usize * frame_bytes as usize;
        let socket = socket::open(libc::AF_PACKET, libc::SOCK_RAW, 0)
            .map_err(|error| OpenError::of("opening a raw socket", crate::rights::RAW, error))?;
        let set_up = || -> io::Result<Mapping> {
            let version = libc::tpacket_versions::TPACKET_V2 as i32;
            socket::set(&socket, libc::SOL_PACKET, libc::PACKET_VERSION, &version)?;
            socket::set(&socket, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &1_i32)?;
            let block_bytes = BLOCK_BYTES.max(frame_bytes);
            let request = libc::tpacket_req {
                tp_block_size: block_bytes,
                tp_block_nr: ((bytes as u64).div_ceil(u64::from(block_bytes))) as u32,
                tp_frame_size: frame_bytes,
                tp_frame_nr: frames,
            };
            socket::set(&socket, libc::SOL_PACKET, libc::PACKET_RX_RING, &request)?;
            let map = Mapping::of(&socket, bytes, 0)?;
            // The filter before the address: nothing else ever enters the ring.
            socket::attach_filter(&socket, &mut filter::program(flows))?;
            socket::bind(&socket, &address_of(&interface))?;
            Ok(map)
        };
        let map = set_up().map_err(|error| match error.raw_os_error() {
            Some(libc::ENOMEM) => OpenError::Memory {
                what: format!("a ring of {} KiB on {}", bytes / 1024, interface.name),
                error,
                cure: "take fewer frames, or free memory (`free -m`)".into(),
            },
            _ => OpenError::Refused { what: format!("a packet ring on {}", interface.name), error },
        })?;
        let membership = Membership::join(&interface, flows.iter().map(|flow| flow.address))?;
        Ok(AfPacketSource {
            map,
            frame_bytes: frame_bytes as usize,
            mask: frames as usize - 1,
            next: 0,
            flows: flows.to_vec(),
            health: SourceHealth::default(),
            socket,
            _membership: membership,
            _silent: membership::silent(flows)?,
        })
    }

    /// The next frame, looked at and given back.
    #[inline]
    fn look<F: FnMut(Datagram<'_>)>(&mut self, header: libc::tpacket2_hdr, ticks: u64, f: &mut F) {
        let start = self.next * self.frame_bytes;
        let (at, len) = (usize::from(header.tp_mac), header.tp_snaplen as usize);
        if header.tp_len > header.tp_snaplen {
            self.health.truncated += 1;
            return;
        }
        // The kernel's numbers are input: the frame must lie within its place.
        let fits = at.checked_add(len).is_some_and(|end| end <= self.frame_bytes);
        // SAFETY: the status said USER, so the kernel leaves this frame alone until we store KERNEL,
        // which happens after this function.
        let bytes = unsafe { self.map.bytes(start + at, if fits { len } else { 0 }) };
        let Some(bytes) = bytes.filter(|_| fits) else {
            self.health.invalid += 1;
            return;
        };
        let ns = u64::from(header.tp_sec) * 1_000_000_000 + u64::from(header.tp_nsec);
        let stamp = RxStamp { ticks, kernel_ns: NonZeroU64::new(ns) };
        hand_out(bytes, &self.flows, stamp, &mut self.health, f);
    }
}

/// A frame of the ring holds the longest frame of the interface.
fn frame_bytes(interface: &Interface) -> Result<u32, OpenError> {
    let needed = interface.mtu_bytes.saturating_add(OVERHEAD_BYTES + LINK_BYTES);
    if needed > BLOCK_BYTES + OVERHEAD_BYTES + LINK_BYTES {
        return Err(OpenError::Unfit {
            what: format!("{} has an MTU of {} bytes", interface.name, interface.mtu_bytes),
            cure: "a feed's interface has one of 1500, at most 65536".into(),
        });
    }
    Ok(needed.next_power_of_two().max(2_048))
}

fn address_of(interface: &Interface) -> libc::sockaddr_ll {
    libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
        sll_ifindex: interface.index.cast_signed(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    }
}

impl PacketSource for AfPacketSource {
    #[inline]
    fn rx_burst<F: FnMut(Datagram<'_>)>(&mut self, budget: u32, mut f: F) -> u32 {
        let before = self.health.received;
        let mut ticks = 0;
        for looked in 0..budget {
            let start = self.next * self.frame_bytes;
            let Some(status) = self.map.word(start) else { break };
            // Answers the kernel's store of USER behind smp_wmb() (__packet_set_status
            // in net/packet/af_packet.c): header and bytes are complete.
            if status.acquire() & libc::TP_STATUS_USER == 0 {
                break;
            }
            if looked == 0 {
                ticks = clock::ticks();
            }
            if let Some(header) = self.map.read::<libc::tpacket2_hdr>(start) {
                self.look(header, ticks, &mut f);
            }
            if let Some(status) = self.map.word(start) {
                // All reads of the frame happen before the kernel, which looks at the
                // status first, writes there again.
                status.release(libc::TP_STATUS_KERNEL);
            }
            self.next = (self.next + 1) & self.mask;
        }
        (self.health.received - before) as u32
    }

    fn health(&mut self) -> SourceHealth {
        // Reading resets the kernel's counters.
        let read = socket::get::<libc::tpacket_stats>(
            &self.socket,
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
        );
        match read {
            Ok((fresh, _)) => self.health.dropped += u64::from(fresh.tp_drops),
            Err(_) => self.health.errors += 1,
        }
        self.health
    }
}
