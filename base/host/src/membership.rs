//! Multicast groups joined, and hosts' ports kept quiet, for sources beside the kernel's sockets.
//!
//! A raw source sees packets before sockets do and knows nothing of groups: an ordinary socket joins
//! them, so that the card lets them pass and the kernel answers the router's queries.

use crate::interface::Interface;
use crate::packets::{Flow, OpenError};
use crate::socket::{self, get};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

/// Membership of multicast groups on one interface, for sources whose packets bypass the sockets.
/// It lasts as long as this value: the card lets the groups pass and the kernel answers the router.
#[derive(Debug)]
pub(crate) struct Membership {
    _sockets: Vec<OwnedFd>,
}

/// Groups that one socket may join by the system's default.
const GROUPS_A_SOCKET: usize = 16;

impl Membership {
    /// Joins those of `addresses` that are groups, by sockets bound to ports of the kernel's choice.
    pub(crate) fn join(
        interface: &Interface,
        addresses: impl Iterator<Item = Ipv4Addr>,
    ) -> Result<Membership, OpenError> {
        let mut groups: Vec<_> = addresses.filter(Ipv4Addr::is_multicast).collect();
        groups.sort_unstable();
        groups.dedup();
        let mut sockets = Vec::new();
        for groups in groups.chunks(GROUPS_A_SOCKET) {
            let open = || {
                let fd = socket::open(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
                // Nobody reads it: it holds one packet at most.
                set_smallest_buffer(&fd)?;
                Ok(fd)
            };
            let fd = open().map_err(|error| OpenError::Refused {
                what: "a socket that joins groups".into(),
                error,
            })?;
            for group in groups {
                join(&fd, interface, *group)?;
            }
            sockets.push(fd);
        }
        Ok(Membership { _sockets: sockets })
    }
}

fn set_smallest_buffer(fd: &OwnedFd) -> io::Result<()> {
    socket::set(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, &1_i32)?;
    get::<i32>(fd, libc::SOL_SOCKET, libc::SO_RCVBUF).map(|_| ())
}

/// Joins a group on an interface.
pub(crate) fn join(fd: &OwnedFd, interface: &Interface, group: Ipv4Addr) -> Result<(), OpenError> {
    let request = libc::ip_mreqn {
        imr_multiaddr: libc::in_addr { s_addr: u32::from_ne_bytes(group.octets()) },
        imr_address: libc::in_addr { s_addr: 0 },
        imr_ifindex: interface.index.cast_signed(),
    };
    socket::set(fd, libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP, &request).map_err(|error| {
        let what = format!("joining {group} on {}", interface.name);
        match error.raw_os_error() {
            Some(libc::ENOBUFS) => OpenError::Memory {
                what,
                error,
                cure: "`sudo sysctl net.ipv4.igmp_max_memberships=64`".into(),
            },
            _ => OpenError::Refused { what, error },
        }
    })
}

/// Takes what a host's address and port would get and throws it away, so that the kernel does not
/// answer "port unreachable" to datagrams that a raw source takes beside it.
fn silence_one(address: Ipv4Addr, port: u16) -> io::Result<OwnedFd> {
    let fd = socket::open(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
    let mut nothing =
        [libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: 0 }];
    socket::attach_filter(&fd, &mut nothing)?;
    socket::share_address(&fd)?;
    socket::bind(&fd, &address_of(address, port))?;
    Ok(fd)
}

/// An address in the kernel's layout.
pub(crate) fn address_of(address: Ipv4Addr, port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.octets()) },
        sin_zero: [0; 8],
    }
}

/// Sockets that keep the kernel from answering "port unreachable" for hosts' addresses.
pub(crate) fn silent(flows: &[Flow]) -> Result<Vec<OwnedFd>, OpenError> {
    let hosts = flows.iter().filter(|flow| !flow.address.is_multicast());
    let quiet = |flow: &Flow| {
        silence_one(flow.address, flow.port).map_err(|error| OpenError::Refused {
            what: format!("taking {flow} from the kernel"),
            error,
        })
    };
    hosts.map(quiet).collect()
}
