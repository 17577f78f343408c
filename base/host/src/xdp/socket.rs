//! One `AF_XDP` socket: frame memory registered, rings mapped, bound to a queue.

use super::ring::{Consumer, Producer};
use super::umem::{Frames, HEADROOM_BYTES};
use super::{ZeroCopy, bpf};
use crate::interface::Interface;
use crate::mapping::Mapping;
use crate::memory::MemoryError;
use crate::packets::OpenError;
use crate::rights;
use crate::socket::{self, Plain, get, plain, set};
use libc::{xdp_desc, xdp_mmap_offsets, xdp_ring_offset, xdp_statistics};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

plain!(xdp_mmap_offsets, xdp_statistics, libc::xdp_options);

/// `struct xdp_umem_reg` of include/uapi/linux/if_xdp.h as it was first: the kernel takes a shorter
/// one as one that ends in zeros.
#[derive(Clone, Copy)]
#[repr(C)]
struct UmemRegistration {
    address: u64,
    bytes: u64,
    frame_bytes: u32,
    headroom_bytes: u32,
    flags: u32,
    _padding: u32,
}

/// What a socket is opened with.
#[derive(Clone, Copy)]
pub(super) struct SocketPlan<'a> {
    pub(super) interface: &'a Interface,
    pub(super) queue: u32,
    /// A power of two.
    pub(super) frames: u32,
    pub(super) frame_bytes: u32,
    pub(super) zero_copy: ZeroCopy,
    pub(super) busy_poll: Option<super::BusyPoll>,
    /// Frames that lie in FILL before the socket is bound.
    pub(super) filled: u32,
    pub(super) direction: Direction,
}

/// Which rings a socket has beside FILL and COMPLETE, which every one must have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Receive,
    Send,
}

/// A bound socket.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) fd: OwnedFd,
    pub(super) fill: Producer<u64>,
    pub(super) completion: Consumer<u64>,
    pub(super) rx: Option<Consumer<xdp_desc>>,
    pub(super) tx: Option<Producer<xdp_desc>>,
    pub(super) is_zero_copy: bool,
    /// Declared last: the memory outlives the socket that it is registered with.
    pub(super) frames: Frames,
}

/// The smallest frame that holds the interface's longest packet.
pub(super) fn frame_bytes(interface: &Interface) -> Result<u32, OpenError> {
    // Ethernet and two VLAN tags.
    let needed = interface.mtu_bytes.saturating_add(14 + 8 + HEADROOM_BYTES);
    match needed {
        ..=2_048 => Ok(2_048),
        2_049..=4_096 => Ok(4_096),
        _ => Err(OpenError::Unfit {
            what: format!(
                "{} has an MTU of {} bytes, and a frame of AF_XDP holds a packet of at most {}",
                interface.name,
                interface.mtu_bytes,
                4_096 - 22 - HEADROOM_BYTES
            ),
            cure: format!("`sudo ip link set {} mtu 1500`, or another source", interface.name),
        }),
    }
}

/// Opens, registers, fills, binds.
pub(super) fn open(plan: &SocketPlan<'_>) -> Result<Bound, OpenError> {
    let what = format!("a socket on queue {} of {}", plan.queue, plan.interface.name);
    let refused = |step: &str, error| OpenError::of(format!("{what}: {step}"), rights::XDP, error);
    let fd =
        socket::open(libc::AF_XDP, libc::SOCK_RAW, 0).map_err(|error| refused("opening", error))?;
    let frames =
        Frames::new(plan.frames, plan.frame_bytes).map_err(|error| no_memory(&what, error))?;
    register(&fd, &frames).map_err(|error| match error.raw_os_error() {
        Some(libc::ENOBUFS | libc::ENOMEM) => OpenError::Memory {
            what: format!("{what}: registering {} KiB of frames", frames.total_bytes() / 1024),
            error,
            cure: rights::memlock_cure(frames.total_bytes()),
        },
        _ => refused("registering frames", error),
    })?;
    let is_receiver = plan.direction == Direction::Receive;
    let (received, sent) = if is_receiver {
        (Some((libc::XDP_RX_RING, plan.frames)), None)
    } else {
        (None, Some((libc::XDP_TX_RING, plan.frames)))
    };
    let fill_len = if is_receiver { plan.frames } else { plan.filled.next_power_of_two() };
    let completion_len = if is_receiver { 1 } else { plan.frames };
    let rings = [
        Some((libc::XDP_UMEM_FILL_RING, fill_len)),
        Some((libc::XDP_UMEM_COMPLETION_RING, completion_len)),
        received,
        sent,
    ];
    for (name, len) in rings.into_iter().flatten() {
        set(&fd, libc::SOL_XDP, name, &len).map_err(|error| refused("making its rings", error))?;
    }
    let (offsets, _) = get::<xdp_mmap_offsets>(&fd, libc::SOL_XDP, libc::XDP_MMAP_OFFSETS)
        .map_err(|error| refused("asking for its rings", error))?;
    let mapped = |error| refused("mapping its rings", error);
    let at = |page: u64| page.cast_signed();
    let fill_map = map::<u64>(&fd, &offsets.fr, fill_len, at(libc::XDP_UMEM_PGOFF_FILL_RING));
    let mut fill = Producer::new(fill_map.map_err(mapped)?, &offsets.fr, fill_len)
        .ok_or_else(|| mapped(foreign()))?;
    let page = at(libc::XDP_UMEM_PGOFF_COMPLETION_RING);
    let completion_map = map::<u64>(&fd, &offsets.cr, completion_len, page).map_err(mapped)?;
    let completion = Consumer::new(completion_map, &offsets.cr, completion_len)
        .ok_or_else(|| mapped(foreign()))?;
    let rx = match received {
        Some((_, len)) => {
            let map = map::<xdp_desc>(&fd, &offsets.rx, len, libc::XDP_PGOFF_RX_RING);
            let ring = Consumer::new(map.map_err(mapped)?, &offsets.rx, len);
            Some(ring.ok_or_else(|| mapped(foreign()))?)
        }
        None => None,
    };
    let tx = match sent {
        Some((_, len)) => {
            let map = map::<xdp_desc>(&fd, &offsets.tx, len, libc::XDP_PGOFF_TX_RING);
            let ring = Producer::new(map.map_err(mapped)?, &offsets.tx, len);
            Some(ring.ok_or_else(|| mapped(foreign()))?)
        }
        None => None,
    };
    // Before it is bound: drivers set their own queues up from FILL in that moment.
    for index in 0..plan.filled {
        fill.put(index, frames.frame(index));
    }
    fill.publish(plan.filled);
    if let Some(busy_poll) = plan.busy_poll {
        prefer_busy_poll(&fd, busy_poll).map_err(|error| refused("busy polling", error))?;
    }
    bpf::retry_busy(|| bind(&fd, plan)).map_err(|error| not_bound(plan, error))?;
    let options = get::<libc::xdp_options>(&fd, libc::SOL_XDP, libc::XDP_OPTIONS);
    let is_zero_copy = options.is_ok_and(|(all, _)| all.flags & libc::XDP_OPTIONS_ZEROCOPY != 0);
    Ok(Bound { fd, fill, completion, rx, tx, is_zero_copy, frames })
}

fn no_memory(what: &str, error: MemoryError) -> OpenError {
    let error = io::Error::other(error);
    OpenError::Refused { what: format!("{what}: memory for its frames"), error }
}

fn foreign() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "offsets beyond the ring")
}

fn register(fd: &OwnedFd, frames: &Frames) -> io::Result<()> {
    let registration = UmemRegistration {
        address: frames.address(),
        bytes: frames.total_bytes() as u64,
        frame_bytes: frames.frame_bytes(),
        headroom_bytes: 0,
        flags: 0,
        _padding: 0,
    };
    set(fd, libc::SOL_XDP, libc::XDP_UMEM_REG, &registration)
}

fn map<T: Plain>(fd: &OwnedFd, ring: &xdp_ring_offset, len: u32, page: i64) -> io::Result<Mapping> {
    let slots = size_of::<T>() * len as usize;
    let bytes = usize::try_from(ring.desc).ok().and_then(|first| first.checked_add(slots));
    Mapping::of(fd, bytes.ok_or_else(foreign)?, page)
}

fn prefer_busy_poll(fd: &OwnedFd, wish: super::BusyPoll) -> io::Result<()> {
    set(fd, libc::SOL_SOCKET, libc::SO_PREFER_BUSY_POLL, &1_i32)?;
    set(fd, libc::SOL_SOCKET, libc::SO_BUSY_POLL, &wish.us.cast_signed())?;
    set(fd, libc::SOL_SOCKET, libc::SO_BUSY_POLL_BUDGET, &wish.packets.cast_signed())
}

fn bind(fd: &OwnedFd, plan: &SocketPlan<'_>) -> io::Result<()> {
    let copies = match plan.zero_copy {
        ZeroCopy::Off => libc::XDP_COPY,
        ZeroCopy::Auto => 0,
        ZeroCopy::Require => libc::XDP_ZEROCOPY,
    };
    let address = libc::sockaddr_xdp {
        sxdp_family: libc::AF_XDP as u16,
        sxdp_flags: libc::XDP_USE_NEED_WAKEUP | copies,
        sxdp_ifindex: plan.interface.index,
        sxdp_queue_id: plan.queue,
        sxdp_shared_umem_fd: 0,
    };
    socket::bind(fd, &address)
}

fn not_bound(plan: &SocketPlan<'_>, error: io::Error) -> OpenError {
    let Interface { name, rx_queues, .. } = plan.interface;
    let what = format!("binding to queue {} of {name}", plan.queue);
    match error.raw_os_error() {
        Some(libc::EBUSY) => OpenError::Taken {
            what: format!("{what}: another socket has had it for a second"),
            cure: "`ss --xdp -p` shows whose it is; end that process".into(),
        },
        Some(libc::EOPNOTSUPP | libc::EINVAL) if plan.zero_copy == ZeroCopy::Require => {
            OpenError::Unfit {
                what: format!("{what}: its driver has no zero-copy ({error})"),
                cure: "take zero-copy `auto` or `off`".into(),
            }
        }
        Some(libc::EINVAL) => OpenError::Unfit {
            what: format!("{what}: {error}"),
            cure: format!("{name} has {rx_queues} queues, from 0 on"),
        },
        _ => OpenError::of(what, rights::XDP, error),
    }
}

impl Bound {
    /// A system call that has the kernel look at FILL, or poll the card.
    #[cold]
    #[inline(never)]
    pub(super) fn kick_rx(&self) {
        let (fd, nowhere) = (self.fd.as_raw_fd(), std::ptr::null_mut());
        let (from, len) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: nothing is read or written: the length is 0 and no address is asked for.
        unsafe { libc::recvfrom(fd, nowhere, 0, libc::MSG_DONTWAIT, from, len) };
    }

    /// A system call that has the kernel send what lies in TX.
    pub(super) fn kick_tx(&self) -> io::Result<()> {
        let (fd, nothing) = (self.fd.as_raw_fd(), std::ptr::null());
        // SAFETY: nothing is read: length and address are 0.
        let sent = unsafe { libc::sendto(fd, nothing, 0, libc::MSG_DONTWAIT, std::ptr::null(), 0) };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    pub(super) fn statistics(&self) -> io::Result<xdp_statistics> {
        get::<xdp_statistics>(&self.fd, libc::SOL_XDP, libc::XDP_STATISTICS).map(|(all, _)| all)
    }

    /// The NAPI context of the last packet; 0 for none.
    pub(super) fn napi_id(&self) -> u32 {
        get::<u32>(&self.fd, libc::SOL_SOCKET, libc::SO_INCOMING_NAPI_ID).map_or(0, |(id, _)| id)
    }
}
