//! Datagrams in and out: what a source and a sink of packets promise.
//!
//! ```text
//!  udp        recv on spinning sockets     no privilege                    ┐
//!  af_packet  ring of the raw socket       CAP_NET_RAW                     ├─► PacketSource ─► f(Datagram)
//!  xdp        AF_XDP, feature `xdp`        CAP_NET_RAW, _NET_ADMIN, _BPF   │    one poll = one burst
//!  memory     frames that are there        nothing                         ┘
//! ```
//!
//! One poll hands at most `budget` borrowed datagrams to a closure, and the buffers are back with
//! the source before it returns: a closure cannot keep what it was shown, so no buffer can leak and
//! none is counted. Who needs a datagram for longer copies it.
//! Sources are types, chosen once: a loop is compiled for each.
//!
//! When it is the wrong choice: streams, IPv6 and datagrams that are put together from fragments
//! belong to the kernel's sockets.

use crate::frame::{self, NoDatagram};
use std::net::Ipv4Addr;
use std::num::NonZeroU64;
use std::{fmt, io};

/// The most flows that one source subscribes to or one sink sends.
pub const FLOWS_MAX: usize = 16;

/// A destination of datagrams: what a source subscribes to and a sink sends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// A multicast group, or the address of one host.
    pub address: Ipv4Addr,
    /// UDP port, 1..=65,535.
    pub port: u16,
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.address, self.port)
    }
}

/// When a datagram was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RxStamp {
    /// TSC of the core that took it, read once a burst, before its first datagram is handed out.
    pub ticks: u64,
    /// When the kernel took it, ns since the Unix epoch, by `CLOCK_REALTIME`; where the source is
    /// told ([`crate::af_packet`]).
    pub kernel_ns: Option<NonZeroU64>,
}

/// One UDP datagram, borrowed from the source's memory until the closure returns.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// What it carries, whole.
    pub payload: &'a [u8],
    /// Index of its destination in the flows that the source was opened with.
    pub flow: u16,
    /// When it was seen.
    pub stamp: RxStamp,
}

/// Where datagrams come from.
pub trait PacketSource {
    /// Polls once: hands at most `budget` datagrams to `f` and returns how many. Never blocks,
    /// never allocates, never panics; the buffers are back when it returns.
    ///
    /// Frames that turn out to be no datagram of a subscribed flow are counted and use up the
    /// budget like the others, so that the time of a poll is bounded.
    fn rx_burst<F: FnMut(Datagram<'_>)>(&mut self, budget: u32, f: F) -> u32;

    /// Losses and state since the source was opened. Cold: some system calls.
    fn health(&mut self) -> SourceHealth;
}

/// What became of the packets of a source since it was opened. No counter is ever reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceHealth {
    /// Datagrams handed out.
    pub received: u64,
    /// Frames that carried no datagram of a subscribed flow.
    pub foreign: u64,
    /// Frames whose headers contradict their lengths.
    pub malformed: u64,
    /// Datagrams longer than a buffer; not handed out.
    pub truncated: u64,
    /// Lost because the receiver was late or its memory too small, as far as the kernel tells:
    /// a full socket buffer (UDP), a full ring (`AF_PACKET`), no frame or no place (`AF_XDP`).
    pub dropped: u64,
    /// `AF_XDP`: of `dropped`, those that found no place in the RX ring.
    pub ring_full: u64,
    /// `AF_XDP`: times the kernel found the FILL ring empty; each is a packet in `dropped`.
    pub fill_empty: u64,
    /// Descriptors from the kernel that name no frame of ours, and ours that it refused.
    pub invalid: u64,
    /// System calls that failed for another reason than "nothing there".
    pub errors: u64,
    /// `AF_XDP`: the NAPI context that brought the last packet; 0 is none (virtual devices), and
    /// then busy polling does nothing.
    pub napi_id: Option<u32>,
}

/// Where datagrams go to.
pub trait PacketSink {
    /// Sends a copy of `payload` to the flow of this index, or puts it in a queue that
    /// [`PacketSink::flush`] hands to the kernel. Never blocks.
    ///
    /// # Errors
    /// [`NotSent`]; the datagram is not sent then, also not later.
    fn send(&mut self, flow: u16, payload: &[u8]) -> Result<(), NotSent>;

    /// Hands over what is queued. Never blocks.
    ///
    /// # Errors
    /// The kernel's refusal; what is queued stays queued.
    fn flush(&mut self) -> Result<(), NotSent>;
}

/// Why a datagram was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// All buffers are on their way: a moment later there will be some.
    NoRoom,
    /// The payload does not fit.
    TooLong {
        /// Bytes that would.
        bytes_max: usize,
    },
    /// The sink was opened with fewer flows.
    NoSuchFlow,
    /// The kernel's error number.
    Refused(i32),
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            NotSent::NoRoom => f.write_str("no free buffer: all are on their way"),
            NotSent::TooLong { bytes_max } => {
                write!(f, "the payload is longer than the {bytes_max} bytes that fit")
            }
            NotSent::NoSuchFlow => f.write_str("the sink was not opened with this flow"),
            NotSent::Refused(error) => write!(f, "{}", io::Error::from_raw_os_error(error)),
        }
    }
}

impl std::error::Error for NotSent {}

/// Why a source or a sink cannot be opened. Each says the cause and, where there is one, the cure.
#[derive(Debug)]
pub enum OpenError {
    /// There is no such interface.
    NoSuchInterface {
        /// The wished one.
        name: String,
        /// Those there are.
        would_do: Vec<String>,
    },
    /// A privilege is missing.
    Permission {
        /// What was tried.
        what: String,
        /// The kernel's answer.
        error: io::Error,
        /// The command that mends it.
        cure: String,
    },
    /// A limit or the machine's memory is too small.
    Memory {
        /// What was tried.
        what: String,
        /// The kernel's answer.
        error: io::Error,
        /// The command that mends it.
        cure: String,
    },
    /// What was asked for cannot work.
    Unfit {
        /// What, and why.
        what: String,
        /// What would do.
        cure: String,
    },
    /// Somebody else has it.
    Taken {
        /// What.
        what: String,
        /// Who, and how to free it.
        cure: String,
    },
    /// The kernel refused for another reason.
    Refused {
        /// What was tried.
        what: String,
        /// Its answer.
        error: io::Error,
    },
}

impl OpenError {
    /// A privilege or a limit is missing: exit code 4, not 1.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        matches!(self, OpenError::Permission { .. } | OpenError::Memory { .. })
    }

    /// What the kernel said while `what` was tried; a refusal for want of rights names `rights`.
    pub(crate) fn of(what: impl Into<String>, rights: &str, error: io::Error) -> OpenError {
        let what = what.into();
        match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => {
                OpenError::Permission { what, error, cure: crate::rights::cure(rights) }
            }
            _ => OpenError::Refused { what, error },
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::NoSuchInterface { name, would_do } => {
                write!(f, "there is no interface {name}; there are: {}", would_do.join(", "))
            }
            OpenError::Permission { what, error, cure } => write!(f, "{what}: {error}; {cure}"),
            OpenError::Memory { what, error, cure } => write!(f, "{what}: {error}; {cure}"),
            OpenError::Unfit { what, cure } => write!(f, "{what}; {cure}"),
            OpenError::Taken { what, cure } => write!(f, "{what}; {cure}"),
            OpenError::Refused { what, error } => write!(f, "{what}: {error}"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::Permission { error, .. }
            | OpenError::Memory { error, .. }
            | OpenError::Refused { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// Flows that every source and sink can take.
pub(crate) fn check_flows(flows: &[Flow]) -> Result<(), OpenError> {
    let unfit = |what: String, cure: &str| Err(OpenError::Unfit { what, cure: cure.into() });
    if flows.is_empty() || flows.len() > FLOWS_MAX {
        return unfit(format!("{} flows", flows.len()), "a source or a sink has 1 to 16");
    }
    for (index, flow) in flows.iter().enumerate() {
        if flow.port == 0 {
            return unfit(format!("flow {flow}"), "a port is 1 to 65535");
        }
        if flow.address.is_unspecified() || flow.address.is_broadcast() {
            return unfit(format!("flow {flow}"), "name a multicast group or one host");
        }
        if flows[..index].contains(flow) {
            return unfit(format!("flow {flow} twice"), "each line has its own group or port");
        }
    }
    Ok(())
}

/// Which of `flows` a datagram belongs to.
#[inline]
fn flow_of(flows: &[Flow], address: Ipv4Addr, port: u16) -> Option<u16> {
    let wanted = Flow { address, port };
    flows.iter().position(|flow| *flow == wanted).map(|index| index as u16)
}

/// Hands out the datagram in a frame if it is one of `flows`, and counts the frame in any case.
#[inline]
pub(crate) fn hand_out<F: FnMut(Datagram<'_>)>(
    frame: &[u8],
    flows: &[Flow],
    stamp: RxStamp,
    health: &mut SourceHealth,
    f: &mut F,
) {
    match frame::udp(frame) {
        Ok(udp) => match flow_of(flows, udp.address, udp.port) {
            Some(flow) => {
                health.received += 1;
                f(Datagram { payload: udp.payload, flow, stamp });
            }
            None => health.foreign += 1,
        },
        Err(NoDatagram::Foreign) => health.foreign += 1,
        Err(NoDatagram::Malformed) => health.malformed += 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_are_checked_before_anything_is_opened() {
        let flow = |last, port| Flow { address: Ipv4Addr::new(239, 1, 1, last), port };
        assert!(check_flows(&[flow(1, 5_001), flow(2, 5_001)]).is_ok());
        let many: Vec<Flow> = (0..17).map(|last| flow(last, 1)).collect();
        let nowhere = Flow { address: Ipv4Addr::UNSPECIFIED, port: 1 };
        for wrong in [&[][..], &many, &[flow(1, 0)], &[flow(1, 1), flow(1, 1)], &[nowhere]] {
            assert!(matches!(check_flows(wrong), Err(OpenError::Unfit { .. })), "{wrong:?}");
        }
        assert_eq!(flow_of(&many, Ipv4Addr::new(239, 1, 1, 3), 1), Some(3));
        assert_eq!(flow_of(&many, Ipv4Addr::new(239, 1, 1, 3), 2), None);
    }
}
