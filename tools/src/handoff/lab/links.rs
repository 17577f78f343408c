//! Transports that are not rings: channels, a locked queue, sockets.
//!
//! Each takes and gives a message whole; where its own receive can sleep, `Native` says how.

use super::super::contenders::with_sequence;
use super::super::measure::{Payload, Rx, SLOTS, Taken, Tx};
use crate::error::Failure;
use std::collections::VecDeque;
use std::fmt::Display;
use std::io;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// A receiving end that can sleep by its own means.
pub(super) trait Native: Rx {
    /// The next message, however long it takes; `None`: it has ended.
    fn take(&mut self) -> Option<Taken>;
}

type Words = [u64; 8];

fn environment(what: &str, error: impl Display) -> Failure {
    Failure::environment(format_args!("{what}: {error}"))
}

/// `Mutex<VecDeque>` with a `Condvar`, bounded.
struct Queue {
    words: Mutex<VecDeque<Words>>,
    is_filled: Condvar,
}

pub(super) struct QueueTx(Arc<Queue>);
pub(super) struct QueueRx(Arc<Queue>);

pub(super) fn queue() -> (QueueTx, QueueRx) {
    let words = Mutex::new(VecDeque::with_capacity(SLOTS as usize));
    let queue = Arc::new(Queue { words, is_filled: Condvar::new() });
    (QueueTx(Arc::clone(&queue)), QueueRx(queue))
}

impl Tx for QueueTx {
    fn try_send(&mut self, payload: &Payload) -> bool {
        let mut words = self.0.words.lock().unwrap_or_else(PoisonError::into_inner);
        if words.len() == SLOTS as usize {
            return false;
        }
        words.push_back(with_sequence(1, payload));
        drop(words);
        self.0.is_filled.notify_one();
        true
    }
}

impl Rx for QueueRx {
    fn try_take(&mut self) -> Option<Taken> {
        let words = self.0.words.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        words.map(|words| Taken::all_of(&words))
    }
}

impl Native for QueueRx {
    fn take(&mut self) -> Option<Taken> {
        let words = self.0.words.lock().unwrap_or_else(PoisonError::into_inner);
        let filled = self.0.is_filled.wait_while(words, |words| words.is_empty());
        let words = filled.unwrap_or_else(PoisonError::into_inner).pop_front();
        words.map(|words| Taken::all_of(&words))
    }
}

pub(super) struct StdTx(SyncSender<Words>);
pub(super) struct StdRx(Receiver<Words>);

pub(super) fn std_channel() -> (StdTx, StdRx) {
    let (tx, rx) = sync_channel(SLOTS as usize);
    (StdTx(tx), StdRx(rx))
}

impl Tx for StdTx {
    fn try_send(&mut self, payload: &Payload) -> bool {
        self.0.try_send(with_sequence(1, payload)).is_ok()
    }
}

impl Rx for StdRx {
    fn try_take(&mut self) -> Option<Taken> {
        self.0.try_recv().ok().map(|words| Taken::all_of(&words))
    }
}

impl Native for StdRx {
    fn take(&mut self) -> Option<Taken> {
        self.0.recv().ok().map(|words| Taken::all_of(&words))
    }
}

pub(super) struct CrossbeamTx(crossbeam_channel::Sender<Words>);
pub(super) struct CrossbeamRx(crossbeam_channel::Receiver<Words>);

pub(super) fn crossbeam() -> (CrossbeamTx, CrossbeamRx) {
    let (tx, rx) = crossbeam_channel::bounded(SLOTS as usize);
    (CrossbeamTx(tx), CrossbeamRx(rx))
}

impl Tx for CrossbeamTx {
    fn try_send(&mut self, payload: &Payload) -> bool {
        self.0.try_send(with_sequence(1, payload)).is_ok()
    }
}

impl Rx for CrossbeamRx {
    fn try_take(&mut self) -> Option<Taken> {
        self.0.try_recv().ok().map(|words| Taken::all_of(&words))
    }
}

impl Native for CrossbeamRx {
    fn take(&mut self) -> Option<Taken> {
        self.0.recv().ok().map(|words| Taken::all_of(&words))
    }
}

/// What a datagram socket can do, of either family.
pub(super) trait Datagrams: Send {
    fn send_bytes(&self, bytes: &[u8]) -> io::Result<usize>;
    fn receive_bytes(&self, bytes: &mut [u8]) -> io::Result<usize>;
}

impl Datagrams for UnixDatagram {
    fn send_bytes(&self, bytes: &[u8]) -> io::Result<usize> {
        self.send(bytes)
    }
    fn receive_bytes(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.recv(bytes)
    }
}

impl Datagrams for UdpSocket {
    fn send_bytes(&self, bytes: &[u8]) -> io::Result<usize> {
        self.send(bytes)
    }
    fn receive_bytes(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.recv(bytes)
    }
}

/// Bytes of one slot with its sequence.
const SLOT_BYTES: usize = 64;

/// Sends a message as one datagram, of as many bytes as its slots would take.
pub(super) struct SocketTx<S> {
    socket: S,
    bytes: Vec<u8>,
}

pub(super) struct SocketRx<S> {
    socket: S,
    bytes: Vec<u8>,
}

impl<S> SocketTx<S> {
    pub(super) fn new(socket: S, slots: usize) -> SocketTx<S> {
        SocketTx { socket, bytes: vec![0; slots * SLOT_BYTES] }
    }
}

impl<S> SocketRx<S> {
    pub(super) fn new(socket: S, slots: usize) -> SocketRx<S> {
        SocketRx { socket, bytes: vec![0; slots * SLOT_BYTES] }
    }
}

impl<S: Datagrams> Tx for SocketTx<S> {
    fn try_send(&mut self, payload: &Payload) -> bool {
        let words = with_sequence(1, payload);
        self.bytes[..SLOT_BYTES].copy_from_slice(bytemuck::bytes_of(&words));
        self.socket.send_bytes(&self.bytes).is_ok_and(|sent| sent == self.bytes.len())
    }
}

impl<S: Datagrams> Rx for SocketRx<S> {
    fn try_take(&mut self) -> Option<Taken> {
        let len = self.socket.receive_bytes(&mut self.bytes).ok()?;
        (len == self.bytes.len()).then(|| Taken::all_of_bytes(&self.bytes))
    }
}

impl<S: Datagrams> Native for SocketRx<S> {
    fn take(&mut self) -> Option<Taken> {
        self.try_take()
    }
}

/// Two Unix datagram sockets; the sender never blocks, the receiver if told so.
pub(super) fn unix(is_blocking: bool) -> Result<(UnixDatagram, UnixDatagram), Failure> {
    let (tx, rx) = UnixDatagram::pair().map_err(|error| environment("Unix sockets", error))?;
    let set = tx.set_nonblocking(true).and_then(|()| rx.set_nonblocking(!is_blocking));
    set.map_err(|error| environment("Unix sockets", error))?;
    Ok((tx, rx))
}

/// Two UDP sockets over loopback.
pub(super) fn udp(is_blocking: bool) -> Result<(UdpSocket, UdpSocket), Failure> {
    let make = || -> io::Result<(UdpSocket, UdpSocket)> {
        let (tx, rx) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        tx.connect(rx.local_addr()?)?;
        rx.connect(tx.local_addr()?)?;
        tx.set_nonblocking(true)?;
        rx.set_nonblocking(!is_blocking)?;
        Ok((tx, rx))
    };
    make().map_err(|error| environment("UDP over loopback", error))
}
