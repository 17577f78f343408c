//! Frames out past the kernel's stack: what a measurement sends with, for a UDP sender's system call
//! costs as much as the whole way to the receiver.
//!
//! ```text
//!  free frames ─► headers, payload ─► TX ─► kernel ─► COMPLETE ─► free frames
//! ```

use super::ZeroCopy;
use super::socket::{Bound, Direction, SocketPlan, frame_bytes, open};
use crate::frame::{HEAD_BYTES, Head, Mac, multicast_mac};
use crate::interface::Interface;
use crate::packets::{Flow, NotSent, OpenError, PacketSink, check_flows};
use libc::xdp_desc;
use std::net::{Ipv4Addr, SocketAddrV4};

/// Frames that lie in FILL, which a sender never reads: drivers want some there when it is bound.
const FILLED: u32 = 64;
/// What the kernel sends in one call, at least (`TX_BATCH_SIZE` in net/xdp/xsk.c).
const SENT_A_CALL: u32 = 32;
/// Frames that a sender has at least.
const FRAMES_MIN: u32 = 256;

/// How a sender is opened.
#[derive(Clone, Copy, Debug)]
pub struct XdpSenderConfig<'a> {
    /// Through which interface.
    pub interface: &'a str,
    /// To whom.
    pub flows: &'a [Flow],
    /// TX queue; on a veth pair the peer receives in the queue of the same number.
    pub queue: u32,
    /// Frames that may be under way, rounded up to a power of two; at least 256.
    pub frames: u32,
    /// UDP port that it sends from; the address is the interface's own.
    pub port: u16,
    /// Hardware address for flows that are no groups (those have one of their own).
    pub host: Option<Mac>,
    /// See [`ZeroCopy`].
    pub zero_copy: ZeroCopy,
}

/// A sender on one queue.
#[derive(Debug)]
pub struct XdpSender {
    bound: Bound,
    heads: Vec<Head>,
    /// Addresses of frames in our hand.
    free: Vec<u64>,
    payload_bytes_max: usize,
    /// Sent, and not yet handed to the kernel by a system call.
    waiting: u32,
    invalid: u64,
}

impl XdpSender {
    /// Opens a sender; nothing needs to be attached to the interface.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(config: &XdpSenderConfig<'_>) -> Result<XdpSender, OpenError> {
        check_flows(config.flows)?;
        let interface = Interface::named(config.interface)?;
        let from =
            SocketAddrV4::new(interface.address.unwrap_or(Ipv4Addr::UNSPECIFIED), config.port);
        let mut heads = Vec::with_capacity(config.flows.len());
        for flow in config.flows {
            let group = flow.address.is_multicast().then(|| multicast_mac(flow.address));
            let Some(mac) = group.or(config.host) else {
                return Err(OpenError::Unfit {
                    what: format!("{flow} is no group, and its hardware address is not given"),
                    cure: format!("`ip neigh show dev {}` shows it", interface.name),
                });
            };
            let to = SocketAddrV4::new(flow.address, flow.port);
            heads.push(Head::new((interface.mac, from), (mac, to)));
        }
        let frames = config.frames.clamp(FRAMES_MIN, 1 << 20).next_power_of_two();
        let plan = SocketPlan {
            interface: &interface,
            queue: config.queue,
            frames,
            frame_bytes: frame_bytes(&interface)?,
            zero_copy: config.zero_copy,
            busy_poll: None,
            filled: FILLED,
            direction: Direction::Send,
        };
        let bound = open(&plan)?;
        let free = (FILLED..frames).map(|index| bound.frames.frame(index)).collect();
        // IPv4 and UDP headers count in the MTU, Ethernet's does not.
        let payload_bytes_max = (interface.mtu_bytes as usize).saturating_sub(HEAD_BYTES - 14);
        Ok(XdpSender { bound, heads, free, payload_bytes_max, waiting: 0, invalid: 0 })
    }

    /// Whether the card reads our frames itself.
    #[must_use]
    pub const fn is_zero_copy(&self) -> bool {
        self.bound.is_zero_copy
    }

    /// Addresses from the kernel that name no frame of ours, and indexes that it cannot have.
    #[must_use]
    pub fn invalid(&self) -> u64 {
        let rings = self.bound.tx.as_ref().map_or(0, super::ring::Producer::faults);
        self.invalid + rings + self.bound.completion.faults()
    }

    /// Frames that were sent and have come back, or were never used: all but those under way.
    #[must_use]
    pub fn free(&mut self) -> usize {
        self.reclaim();
        self.free.len()
    }

    /// Takes back what the kernel has sent.
    fn reclaim(&mut self) {
        let ready = self.bound.completion.ready(u32::MAX);
        for ahead in 0..ready {
            let frame = self.bound.frames.frame_of(self.bound.completion.peek(ahead));
            // Never beyond its capacity: no allocation, whatever the kernel says.
            if self.bound.frames.contains(frame, 1) && self.free.len() < self.free.capacity() {
                self.free.push(frame);
            } else {
                self.invalid += 1;
            }
        }
        if ready > 0 {
            self.bound.completion.release(ready);
        }
    }
}

impl PacketSink for XdpSender {
    #[inline]
    fn send(&mut self, flow: u16, payload: &[u8]) -> Result<(), NotSent> {
        let head = *self.heads.get(usize::from(flow)).ok_or(NotSent::NoSuchFlow)?;
        let too_long = NotSent::TooLong { bytes_max: self.payload_bytes_max };
        if payload.len() > self.payload_bytes_max {
            return Err(too_long);
        }
        if self.free.is_empty() {
            self.reclaim();
        }
        let Some(tx) = self.bound.tx.as_mut().filter(|_| !self.free.is_empty()) else {
            return Err(NotSent::NoRoom);
        };
        if !tx.has_room(1) {
            return Err(NotSent::NoRoom);
        }
        let Some(address) = self.free.pop() else { return Err(NotSent::NoRoom) };
        // SAFETY: the frame was free, and is put into TX only below, when the borrow has ended.
        let bytes = unsafe { self.bound.frames.bytes_mut(address) };
        let Some(bytes) = bytes else { return Err(NotSent::NoRoom) };
        let Some(len) = head.write(payload.len(), bytes) else {
            self.free.push(address);
            return Err(too_long);
        };
        bytes[HEAD_BYTES..len].copy_from_slice(payload);
        tx.put(0, xdp_desc { addr: address, len: len as u32, options: 0 });
        tx.publish(1);
        self.waiting += 1;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), NotSent> {
        let is_asleep = self.bound.tx.as_ref().is_some_and(|tx| tx.needs_wakeup());
        if self.waiting == 0 || !is_asleep {
            self.waiting = 0;
            return Ok(());
        }
        // Each call sends a batch, and says EAGAIN while some are left.
        let calls_max = self.waiting / SENT_A_CALL + 2;
        let mut answer = Ok(());
        for _ in 0..calls_max {
            match self.bound.kick_tx() {
                Ok(()) => {
                    self.waiting = 0;
                    answer = Ok(());
                    break;
                }
                Err(error) => match error.raw_os_error().unwrap_or(0) {
                    libc::EAGAIN | libc::EBUSY | libc::ENOBUFS => answer = Err(NotSent::NoRoom),
                    number => return Err(NotSent::Refused(number)),
                },
            }
        }
        self.reclaim();
        answer
    }
}
