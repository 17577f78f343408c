//! The server that sends again: a cold thread that keeps what was sent and answers MoldUDP64 requests.
//!
//! ```text
//!   pinned thread ─► queue of 64 Ki ─┐ taken out at each wake
//!                                    ▼
//!   engine ── request, unicast ─► tickspin-resend: the last `resend` messages ─► packets, unicast
//! ```
//! An answer is made of ordinary packets, at most [`PACKETS_MAX`]: who wants more asks again. Each
//! message has the stamps that it had when it was first sent; a packet has one send stamp, so it ends
//! where the messages of another one begin.
//!
//! The thread sleeps in the kernel until a request wakes it, and wakes fifty times a second to empty
//! the queue, which holds what 3 M messages a second leave in that time. Where it shares the pinned
//! core each wake is announced, as those of all cold threads are.
//!
//! No fault is drawn for an answer. Cost for the pinned thread: a copy of 80 bytes a message, after
//! the packet is gone. Memory: 80 bytes for each message kept, all of it before the start.

use super::draft::PAYLOAD_BYTES;
use crate::control::Control;
use crate::error::SimError;
use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use std::io;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tickspin_host::packets::OpenError;
use tickspin_results::ResendOut;
use tickspin_wire::itch50::MESSAGE_BYTES_MAX;
use tickspin_wire::moldudp64::stamps::{MessageStamp, stamps_bytes, write_stamps};
use tickspin_wire::moldudp64::{PREFIX_BYTES, Packet, PacketWriter, Request, Session};

/// Messages between the pinned thread and the server.
const QUEUE_MESSAGES: usize = 1 << 16;
/// Longest sleep: rounded up to a tick of the kernel's timer, 4 ms at most.
const REST: Duration = Duration::from_millis(20);
/// Packets of one answer.
pub const PACKETS_MAX: usize = 64;
/// Messages of one packet of an answer, at most: what 1,472 bytes hold of the shortest, 12 bytes.
const MESSAGES_MAX: usize = 80;

/// A message that was sent.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// Its number.
    number: u64,
    sent_ticks: u64,
    /// Which session, counted; 0: nothing is kept here.
    session: u32,
    stamp: MessageStamp,
    len: u8,
    bytes: [u8; MESSAGE_BYTES_MAX],
}

impl Kept {
    const NONE: Kept = Kept {
        number: 0,
        sent_ticks: 0,
        session: 0,
        stamp: MessageStamp { lag_ticks: 0, is_warm_up: false },
        len: 0,
        bytes: [0; MESSAGE_BYTES_MAX],
    };

    /// A copy; `None` where it is longer than any message of ITCH.
    #[inline]
    #[must_use]
    pub fn of(
        (session, number): (u32, u64),
        sent_ticks: u64,
        stamp: MessageStamp,
        message: &[u8],
    ) -> Option<Kept> {
        let mut bytes = [0; MESSAGE_BYTES_MAX];
        bytes.get_mut(..message.len())?.copy_from_slice(message);
        Some(Kept { number, sent_ticks, session, stamp, len: message.len() as u8, bytes })
    }

    fn message(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

/// The server, seen from the pinned thread.
pub struct Resend {
    queue: HeapProd<Kept>,
    unkept: u64,
    is_unwanted: Arc<AtomicBool>,
    thread: Option<JoinHandle<ResendOut>>,
}

impl Resend {
    /// Binds the address, allocates all memory, and starts the thread on the cores of the caller.
    /// `name` gives a session its name by its count.
    ///
    /// # Errors
    /// The address is not to be had, or no thread is.
    pub fn start(
        address: SocketAddrV4,
        messages: u32,
        name: impl Fn(u32) -> Session + Send + 'static,
        control: &Arc<Control>,
    ) -> Result<Resend, SimError> {
        let socket = UdpSocket::bind(address)
            .and_then(|socket| socket.set_read_timeout(Some(REST)).map(|()| socket))
            .map_err(|error| SimError::Packets(unbound(address, &error)))?;
        let (queue, queued) = HeapRb::new(QUEUE_MESSAGES).split();
        let is_unwanted = Arc::new(AtomicBool::new(false));
        let part = ResendOut { address: address.to_string(), ..ResendOut::default() };
        let mut server = Server {
            queued,
            kept: vec![Kept::NONE; messages as usize].into_boxed_slice(),
            session: 0,
            last: 0,
            part,
        };
        // Written, so that the pages are there.
        server.kept.fill(Kept::NONE);
        let (flag, control) = (Arc::clone(&is_unwanted), Arc::clone(control));
        let thread = thread::Builder::new()
            .name("tickspin-resend".to_owned())
            .spawn(move || server.run(&socket, &name, &flag, &control))
            .map_err(|source| SimError::System { doing: "start a thread", source })?;
        Ok(Resend { queue, unkept: 0, is_unwanted, thread: Some(thread) })
    }

    /// Hands over the messages of a packet that was sent, by the session's count.
    #[inline]
    pub fn keep_packet(&mut self, session: u32, packet: &[u8]) {
        let Ok(packet) = Packet::decode(packet) else { return };
        let Some(stamps) = packet.send_stamps() else { return };
        for (index, message) in packet.messages().flatten().enumerate() {
            let number = (session, packet.sequence + index as u64);
            let stamp = stamps.message(index);
            if let Some(kept) = Kept::of(number, stamps.sent_ticks, stamp, message) {
                self.keep(kept);
            }
        }
    }

    /// Hands over one message.
    #[inline]
    pub fn keep(&mut self, kept: Kept) {
        if self.queue.try_push(kept).is_err() {
            self.unkept += 1;
        }
    }

    /// Ends the thread; its counts.
    pub fn finish(&mut self) -> Option<ResendOut> {
        self.is_unwanted.store(true, Relaxed);
        let part = self.thread.take()?.join().ok()?;
        Some(ResendOut { unkept: self.unkept, ..part })
    }
}

impl Drop for Resend {
    fn drop(&mut self) {
        self.finish();
    }
}

fn unbound(address: SocketAddrV4, error: &io::Error) -> OpenError {
    let what = format!("recovery at {address}: {error}");
    let cure = match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("`ss -ulnp 'sport = :{}'` shows who has the port", address.port())
        }
        _ => "name an address of this host, `ip -4 addr` shows them, and a port from 1,024".into(),
    };
    OpenError::Unfit { what, cure }
}

/// What the thread has.
struct Server {
    queued: HeapCons<Kept>,
    /// Message `n` lies at `n` modulo the length.
    kept: Box<[Kept]>,
    /// The present session, and its highest number.
    session: u32,
    last: u64,
    part: ResendOut,
}

impl Server {
    fn run(
        mut self,
        socket: &UdpSocket,
        name: &dyn Fn(u32) -> Session,
        is_unwanted: &AtomicBool,
        control: &Control,
    ) -> ResendOut {
        let mut buffer = [0; 2_048];
        while !is_unwanted.load(Relaxed) {
            let received = socket.recv_from(&mut buffer);
            control.begin_cold_work();
            self.take();
            match received {
                Ok((bytes, from)) => {
                    let request = buffer.get(..bytes).unwrap_or(&[]);
                    self.answer(request, name(self.session), |packet| send(socket, packet, from));
                }
                Err(error) if is_timeout(&error) => {}
                // An answer that nobody took comes back as an error of the next call.
                Err(_) => self.part.errors += 1,
            }
            control.end_cold_work();
        }
        self.part
    }

    /// Empties the queue.
    fn take(&mut self) {
        let len = self.kept.len() as u64;
        while let Some(kept) = self.queued.try_pop() {
            (self.session, self.last) = (kept.session, kept.number);
            if let Some(slot) = self.kept.get_mut((kept.number % len.max(1)) as usize) {
                *slot = kept;
            }
        }
    }

    fn find(&self, number: u64) -> Option<&Kept> {
        let slot = self.kept.get((number % self.kept.len().max(1) as u64) as usize)?;
        (slot.number == number && slot.session == self.session && slot.session != 0).then_some(slot)
    }

    /// Answers one request by `send`, which says whether a packet left.
    fn answer(&mut self, request: &[u8], session: Session, mut send: impl FnMut(&[u8]) -> bool) {
        let request = match Request::decode(request) {
            Ok(request) if request.count > 0 && request.first > 0 => request,
            _ => {
                self.part.malformed += 1;
                return;
            }
        };
        if request.session != session || self.session == 0 {
            self.part.other_session += 1;
            return;
        }
        if request.first > self.last {
            self.part.beyond += 1;
            return;
        }
        let end = request.first.saturating_add(request.count.into()).min(self.last + 1);
        let (mut next, mut packets) = (request.first, 0);
        let mut out = [0; PAYLOAD_BYTES];
        while packets < PACKETS_MAX {
            // What is not kept is stepped over: the rest is of use.
            let Some(first) = (next..end).find(|&number| self.find(number).is_some()) else {
                break;
            };
            let (bytes, messages) = self.packet(session, first, end, &mut out);
            if !send(out.get(..bytes).unwrap_or(&[])) {
                self.part.errors += 1;
                return;
            }
            self.part.packets += 1;
            self.part.messages += messages;
            (next, packets) = (first + messages, packets + 1);
        }
        if packets > 0 {
            self.part.answered += 1;
        } else {
            self.part.not_kept += 1;
        }
    }

    /// The messages from `first` on that left together, as far as they fit; (bytes, messages).
    fn packet(&self, session: Session, first: u64, end: u64, out: &mut [u8]) -> (usize, u64) {
        let mut stamps = [MessageStamp::default(); MESSAGES_MAX];
        let (mut count, mut filled) = (0, tickspin_wire::moldudp64::HEADER_BYTES);
        let sent_ticks = self.find(first).map_or(0, |kept| kept.sent_ticks);
        let Some(mut writer) = PacketWriter::new(out, session, first) else { return (0, 1) };
        for number in first..end {
            let Some(kept) = self.find(number).filter(|kept| kept.sent_ticks == sent_ticks) else {
                break;
            };
            let Some(stamp) = stamps.get_mut(count) else { break };
            let more = PREFIX_BYTES + kept.message().len();
            let is_fitting = filled + more + stamps_bytes(count + 1) <= PAYLOAD_BYTES;
            if !is_fitting || !writer.push(kept.message()) {
                break;
            }
            *stamp = kept.stamp;
            (count, filled) = (count + 1, filled + more);
        }
        let bytes = writer.finish();
        let room = out.get_mut(bytes..).unwrap_or(&mut []);
        let more = write_stamps(room, stamps.get(..count).unwrap_or(&[]), sent_ticks);
        (bytes + more.unwrap_or(0), count.max(1) as u64)
    }
}

fn is_timeout(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}

fn send(socket: &UdpSocket, packet: &[u8], to: SocketAddr) -> bool {
    socket.send_to(packet, to).is_ok()
}

#[cfg(test)]
mod tests;
