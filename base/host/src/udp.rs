//! Datagrams through the kernel's own sockets: no privilege, any interface, the yardstick.
//!
//! [`UdpSource`] spins on `recv` without waiting: a system call of ~0.2 µs where nothing is there and
//! ~0.6 µs a datagram, for each of its sockets (one a flow). [`UdpSource::wait_burst`] sleeps in the
//! kernel instead, for comparison: some 10 µs more a datagram, and no core burnt.
//!
//! When it is the wrong choice: where a microsecond matters and privileges can be had.

use crate::clock;
use crate::interface::Interface;
use crate::membership::{self, address_of};
use crate::packets::{
    Datagram, Flow, NotSent, OpenError, PacketSink, PacketSource, RxStamp, SourceHealth,
    check_flows,
};
use crate::socket::{self, done};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

/// The longest datagram.
const BUFFER_BYTES: usize = 65_536;

/// Datagrams from sockets of the kernel, one a flow.
#[derive(Debug)]
pub struct UdpSource {
    sockets: Vec<OwnedFd>,
    buffer: Box<[u8]>,
    /// Whose turn it is.
    turn: usize,
    health: SourceHealth,
    receive_buffer_bytes: usize,
}

impl UdpSource {
    /// Listens to `flows`; groups are joined on the interface of this name, hosts' addresses are
    /// bound on whatever interface has them. `receive_buffer_bytes` for each socket: what arrives
    /// while nobody polls; without privilege at most `net.core.rmem_max`.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        interface: &str,
        flows: &[Flow],
        receive_buffer_bytes: usize,
    ) -> Result<UdpSource, OpenError> {
        check_flows(flows)?;
        let interface = Interface::named(interface)?;
        let mut got = usize::MAX;
        let mut sockets = Vec::with_capacity(flows.len());
        for flow in flows {
            let open = || -> io::Result<(OwnedFd, usize)> {
                let fd = socket::open(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
                socket::share_address(&fd)?;
                // Only groups that this very socket has joined.
                socket::set(&fd, libc::IPPROTO_IP, libc::IP_MULTICAST_ALL, &0_i32)?;
                let got = socket::receive_buffer(&fd, receive_buffer_bytes)?;
                socket::bind(&fd, &address_of(flow.address, flow.port))?;
                Ok((fd, got))
            };
            let (fd, bytes) = open().map_err(|error| match error.raw_os_error() {
                Some(libc::EADDRINUSE) => OpenError::Taken {
                    what: format!("listening to {flow}"),
                    cure: format!("`ss -ulnp 'sport = :{}'` shows who has the port", flow.port),
                },
                _ => OpenError::of(format!("listening to {flow}"), "cap_net_bind_service", error),
            })?;
            if flow.address.is_multicast() {
                membership::join(&fd, &interface, flow.address)?;
            }
            got = got.min(bytes);
            sockets.push(fd);
        }
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        let health = SourceHealth::default();
        Ok(UdpSource { sockets, buffer, turn: 0, health, receive_buffer_bytes: got })
    }

    /// What the kernel gave each socket, bytes; it counts its own overhead in.
    #[must_use]
    pub const fn receive_buffer_bytes(&self) -> usize {
        self.receive_buffer_bytes
    }

    /// Sleeps in the kernel until a datagram is there or `timeout` is over, then polls once: what
    /// [`PacketSource::rx_burst`] is to be compared with. With one flow the first datagram comes
    /// by a blocking `recv`, with several there is a `poll` before.
    pub fn wait_burst<F: FnMut(Datagram<'_>)>(
        &mut self,
        timeout: Duration,
        budget: u32,
        mut f: F,
    ) -> u32 {
        if budget == 0 {
            return 0;
        }
        if let [socket] = &self.sockets[..] {
            let timeout = libc::timeval {
                tv_sec: timeout.as_secs().cast_signed(),
                // 0 and 0 would mean "for ever".
                tv_usec: i64::from(timeout.subsec_micros()).max(1),
            };
            if socket::set(socket, libc::SOL_SOCKET, libc::SO_RCVTIMEO, &timeout).is_err() {
                self.health.errors += 1;
            }
            return match self.take(0, 0, &mut f) {
                Taken::Datagram => 1 + self.rx_burst(budget - 1, f),
                Taken::Skipped => self.rx_burst(budget - 1, f),
                Taken::Nothing => 0,
            };
        }
        let mut waiting = [libc::pollfd { fd: -1, events: libc::POLLIN, revents: 0 }; 16];
        for (entry, socket) in waiting.iter_mut().zip(&self.sockets) {
            entry.fd = socket.as_raw_fd();
        }
        let ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: `waiting` is live and has 16 entries; negative descriptors are passed over.
        unsafe { libc::poll(waiting.as_mut_ptr(), 16, ms) };
        self.rx_burst(budget, f)
    }

    /// One `recv` on one socket.
    #[inline]
    fn take<F: FnMut(Datagram<'_>)>(&mut self, index: usize, flags: i32, f: &mut F) -> Taken {
        let Some(socket) = self.sockets.get(index) else { return Taken::Nothing };
        let (place, len) = (self.buffer.as_mut_ptr().cast(), self.buffer.len());
        // SAFETY: `buffer` is ours and writable for its length.
        let got = unsafe { libc::recv(socket.as_raw_fd(), place, len, flags | libc::MSG_TRUNC) };
        let Ok(bytes) = usize::try_from(got) else {
            let error = io::Error::last_os_error().raw_os_error();
            if !matches!(error, Some(libc::EAGAIN | libc::EINTR)) {
                self.health.errors += 1;
            }
            return Taken::Nothing;
        };
        let Some(payload) = self.buffer.get(..bytes) else {
            self.health.truncated += 1;
            return Taken::Skipped;
        };
        let stamp = RxStamp { ticks: clock::ticks(), kernel_ns: None };
        self.health.received += 1;
        f(Datagram { payload, flow: index as u16, stamp });
        Taken::Datagram
    }
}

enum Taken {
    Datagram,
    Skipped,
    Nothing,
}

impl PacketSource for UdpSource {
    #[inline]
    fn rx_burst<F: FnMut(Datagram<'_>)>(&mut self, budget: u32, mut f: F) -> u32 {
        let (mut left, mut taken, mut empty) = (budget, 0, 0);
        // Each socket in turn, until all are empty: no line waits for another one's burst.
        while left > 0 && empty < self.sockets.len() {
            match self.take(self.turn, libc::MSG_DONTWAIT, &mut f) {
                Taken::Datagram => (taken, left, empty) = (taken + 1, left - 1, 0),
                Taken::Skipped => (left, empty) = (left - 1, 0),
                Taken::Nothing => empty += 1,
            }
            self.turn = if self.turn + 1 < self.sockets.len() { self.turn + 1 } else { 0 };
        }
        taken
    }

    fn health(&mut self) -> SourceHealth {
        let dropped = self.sockets.iter().map(|socket| u64::from(socket::drops(socket))).sum();
        SourceHealth { dropped, ..self.health }
    }
}

/// Datagrams out through a socket of the kernel: a system call each, ~1.5 µs.
#[derive(Debug)]
pub struct UdpSender {
    socket: OwnedFd,
    to: Vec<libc::sockaddr_in>,
}

impl UdpSender {
    /// Sends to `flows`; to groups through the interface of this name, one hop far. `is_looped`:
    /// receivers on this very host hear groups, too.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(interface: &str, flows: &[Flow], is_looped: bool) -> Result<UdpSender, OpenError> {
        check_flows(flows)?;
        let interface = Interface::named(interface)?;
        let open = || -> io::Result<OwnedFd> {
            let fd = socket::open(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
            let through = libc::ip_mreqn {
                imr_multiaddr: libc::in_addr { s_addr: 0 },
                imr_address: libc::in_addr { s_addr: 0 },
                imr_ifindex: interface.index.cast_signed(),
            };
            socket::set(&fd, libc::IPPROTO_IP, libc::IP_MULTICAST_IF, &through)?;
            socket::set(&fd, libc::IPPROTO_IP, libc::IP_MULTICAST_TTL, &1_i32)?;
            socket::set(&fd, libc::IPPROTO_IP, libc::IP_MULTICAST_LOOP, &i32::from(is_looped))?;
            Ok(fd)
        };
        let socket = open().map_err(|error| OpenError::Refused {
            what: format!("a socket that sends through {}", interface.name),
            error,
        })?;
        let to = flows.iter().map(|flow| address_of(flow.address, flow.port)).collect();
        Ok(UdpSender { socket, to })
    }

    /// The port that it sends from; where it is not fixed yet, the kernel chooses one now.
    ///
    /// # Errors
    /// The kernel's.
    pub fn port(&self) -> io::Result<u16> {
        let mut address = address_of(Ipv4Addr::UNSPECIFIED, 0);
        if self.local(&mut address)? == 0 {
            socket::bind(&self.socket, &address_of(Ipv4Addr::UNSPECIFIED, 0))?;
        }
        self.local(&mut address)
    }

    fn local(&self, address: &mut libc::sockaddr_in) -> io::Result<u16> {
        let mut bytes = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        let place: *mut libc::sockaddr_in = address;
        let fd = self.socket.as_raw_fd();
        // SAFETY: `place` is writable for `bytes` bytes.
        done(unsafe { libc::getsockname(fd, place.cast(), &raw mut bytes) })?;
        Ok(u16::from_be(address.sin_port))
    }
}

impl PacketSink for UdpSender {
    #[inline]
    fn send(&mut self, flow: u16, payload: &[u8]) -> Result<(), NotSent> {
        let to = self.to.get(usize::from(flow)).ok_or(NotSent::NoSuchFlow)?;
        let bytes = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        let to: *const libc::sockaddr_in = to;
        let (fd, flags) = (self.socket.as_raw_fd(), libc::MSG_DONTWAIT);
        let (data, len) = (payload.as_ptr().cast(), payload.len());
        // SAFETY: payload and address are live for the call and have the sizes that are told.
        let sent = unsafe { libc::sendto(fd, data, len, flags, to.cast(), bytes) };
        if sent >= 0 {
            return Ok(());
        }
        match io::Error::last_os_error().raw_os_error().unwrap_or(0) {
            libc::EAGAIN | libc::ENOBUFS => Err(NotSent::NoRoom),
            libc::EMSGSIZE => Err(NotSent::TooLong { bytes_max: 65_507 }),
            error => Err(NotSent::Refused(error)),
        }
    }

    fn flush(&mut self) -> Result<(), NotSent> {
        Ok(())
    }
}
