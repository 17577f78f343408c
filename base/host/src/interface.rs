//! Network interfaces: number, hardware address, queues, and which XDP program sits on one.
//!
//! By netlink and by `ioctl`, both of which answer for the network namespace of the calling thread;
//! the files under `/sys/class/net` are those of whoever mounted them.
//! Cold: some system calls, ~50 µs.

use crate::frame::Mac;
use crate::packets::OpenError;
use crate::socket::{self, plain};
use std::ffi::{CStr, CString};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;

/// What the kernel says about an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its number in this network namespace.
    pub index: u32,
    /// Its hardware address; zeros where it has none (`lo`).
    pub mac: Mac,
    /// Its IPv4 address, the first of several.
    pub address: Option<Ipv4Addr>,
    /// The longest IP packet, bytes.
    pub mtu_bytes: u32,
    /// RX queues that are in use.
    pub rx_queues: u32,
    /// The XDP program on it.
    pub xdp: Option<AttachedProgram>,
}

/// An XDP program on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttachedProgram {
    /// Its number; `bpftool prog show id N` tells whose it is.
    pub id: u32,
    /// Where it runs.
    pub place: ProgramPlace,
}

/// Where an XDP program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramPlace {
    /// In the driver.
    Native,
    /// In the kernel's stack, after the driver has made its own buffer.
    Generic,
    /// On the card, or on several places.
    Other(u8),
}

// include/uapi/linux/if_link.h
const IFLA_ADDRESS: u16 = 1;
const IFLA_MTU: u16 = 4;
const IFLA_NUM_RX_QUEUES: u16 = 32;
const IFLA_XDP: u16 = 43;
const IFLA_XDP_ATTACHED: u16 = 2;
const IFLA_XDP_PROG_ID: u16 = 4;
const XDP_ATTACHED_NONE: u8 = 0;
const XDP_ATTACHED_DRV: u8 = 1;
const XDP_ATTACHED_SKB: u8 = 2;
// include/uapi/linux/ethtool.h
const ETHTOOL_GCHANNELS: u32 = 0x3C;

const HEADER_BYTES: usize = size_of::<libc::nlmsghdr>();
const INFO_BYTES: usize = 16;

#[derive(Clone, Copy)]
#[repr(C)]
struct LinkRequest {
    header: libc::nlmsghdr,
    info: [u32; 4],
}

plain!(LinkRequest);

impl Interface {
    /// The interface of this name, in the calling thread's network namespace.
    ///
    /// # Errors
    /// [`OpenError::NoSuchInterface`] names those there are.
    pub fn named(name: &str) -> Result<Interface, OpenError> {
        let none = || OpenError::NoSuchInterface { name: name.into(), would_do: names() };
        let text = CString::new(name).map_err(|_| none())?;
        // SAFETY: a live string that ends in 0.
        let index = unsafe { libc::if_nametoindex(text.as_ptr()) };
        if index == 0 {
            return Err(none());
        }
        let refused = |error| OpenError::Refused { what: format!("asking about {name}"), error };
        let answer = ask(index).map_err(refused)?;
        let mut found = Interface {
            name: name.into(),
            index,
            mac: [0; 6],
            address: address(&text),
            mtu_bytes: 0,
            rx_queues: 1,
            xdp: None,
        };
        for (kind, value) in attributes(answer.get(HEADER_BYTES + INFO_BYTES..).unwrap_or(&[])) {
            match kind {
                IFLA_ADDRESS => found.mac = value.first_chunk().copied().unwrap_or_default(),
                IFLA_MTU => found.mtu_bytes = word(value),
                IFLA_NUM_RX_QUEUES => found.rx_queues = word(value).max(1),
                IFLA_XDP => found.xdp = program(value),
                _ => {}
            }
        }
        // Those in use, where the driver tells; else those that there could be.
        found.rx_queues = channels(&text).unwrap_or(found.rx_queues);
        Ok(found)
    }
}

fn program(nested: &[u8]) -> Option<AttachedProgram> {
    let (mut place, mut id) = (XDP_ATTACHED_NONE, 0);
    for (kind, value) in attributes(nested) {
        match kind {
            IFLA_XDP_ATTACHED => place = value.first().copied().unwrap_or(0),
            IFLA_XDP_PROG_ID => id = word(value),
            _ => {}
        }
    }
    let place = match place {
        XDP_ATTACHED_NONE => return None,
        XDP_ATTACHED_DRV => ProgramPlace::Native,
        XDP_ATTACHED_SKB => ProgramPlace::Generic,
        other => ProgramPlace::Other(other),
    };
    Some(AttachedProgram { id, place })
}

/// Netlink's attributes: length, kind, value, padded to 4 bytes.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (head, _) = bytes.split_first_chunk::<4>()?;
        let len = usize::from(u16::from_ne_bytes([head[0], head[1]]));
        // The two highest bits say "nested" and "big-endian".
        let kind = u16::from_ne_bytes([head[2], head[3]]) & 0x3FFF;
        let value = bytes.get(4..len)?;
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value))
    })
}

fn word(value: &[u8]) -> u32 {
    value.first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

/// The message that describes an interface.
fn ask(index: u32) -> io::Result<Vec<u8>> {
    let fd = socket::open(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
    let request = LinkRequest {
        header: libc::nlmsghdr {
            nlmsg_len: size_of::<LinkRequest>() as u32,
            nlmsg_type: libc::RTM_GETLINK,
            nlmsg_flags: libc::NLM_F_REQUEST as u16,
            nlmsg_seq: 1,
            nlmsg_pid: 0,
        },
        // Family and type, number, flags, mask of changes.
        info: [0, index, 0, 0],
    };
    let bytes = size_of::<LinkRequest>();
    // SAFETY: `request` is live for the call and has that size.
    let sent = unsafe { libc::send(fd.as_raw_fd(), (&raw const request).cast(), bytes, 0) };
    if sent < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut answer = vec![0_u8; 64 << 10];
    // SAFETY: `answer` is writable for its length.
    let got = unsafe { libc::recv(fd.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), 0) };
    let Ok(got) = usize::try_from(got) else { return Err(io::Error::last_os_error()) };
    answer.truncate(got);
    let kind = answer.get(4..6).map_or(0, |kind| u16::from_ne_bytes([kind[0], kind[1]]));
    if i32::from(kind) == libc::NLMSG_ERROR {
        let number = answer.get(HEADER_BYTES..).map_or(0, word).cast_signed();
        return Err(io::Error::from_raw_os_error(number.wrapping_neg()));
    }
    Ok(answer)
}

/// RX queues in use, by the driver's word.
fn channels(name: &CStr) -> Option<u32> {
    let fd = socket::open(libc::AF_INET, libc::SOCK_DGRAM, 0).ok()?;
    // Command; the most of rx, tx, other, combined; those in use, in the same order.
    let mut counts = [0_u32; 9];
    counts[0] = ETHTOOL_GCHANNELS;
    let mut request = request(name);
    request.ifr_ifru.ifru_data = counts.as_mut_ptr().cast();
    // SAFETY: `request` is live and names `counts`, which is as large as struct ethtool_channels.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request) };
    let queues = counts[5].saturating_add(counts[8]);
    (result == 0 && queues > 0).then_some(queues)
}

fn names() -> Vec<String> {
    let mut names = Vec::new();
    // SAFETY: takes nothing; gives a list that ends in an entry of zeros, or null.
    let list = unsafe { libc::if_nameindex() };
    if list.is_null() {
        return names;
    }
    let mut entry = list;
    loop {
        // SAFETY: up to the entry of zeros, which ends the loop, all lie in the list.
        let one = unsafe { entry.read() };
        if one.if_name.is_null() {
            break;
        }
        // SAFETY: a string of the list, which ends in 0 and lives until it is freed below.
        names.push(unsafe { CStr::from_ptr(one.if_name) }.to_string_lossy().into_owned());
        entry = entry.wrapping_add(1);
    }
    // SAFETY: the very list, not used any more.
    unsafe { libc::if_freenameindex(list) };
    names
}

/// The IPv4 address of an interface.
fn address(name: &CStr) -> Option<Ipv4Addr> {
    // include/uapi/linux/sockios.h
    const SIOCGIFADDR: libc::c_ulong = 0x8915;
    let fd = socket::open(libc::AF_INET, libc::SOCK_DGRAM, 0).ok()?;
    let mut request = request(name);
    // SAFETY: `request` is live, and the kernel writes no more than it.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), SIOCGIFADDR as _, &raw mut request) };
    if result != 0 {
        return None;
    }
    // SAFETY: the call succeeded, so the union holds an address; any bytes are one.
    let bytes = unsafe { request.ifr_ifru.ifru_addr }.sa_data;
    let octet = |at: usize| bytes[at].cast_unsigned();
    Some(Ipv4Addr::new(octet(2), octet(3), octet(4), octet(5)))
}

/// A request about an interface; longer names do not exist.
fn request(name: &CStr) -> libc::ifreq {
    // SAFETY: plain data; zeros are a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, byte) in request.ifr_name.iter_mut().zip(name.to_bytes()).take(15) {
        *place = byte.cast_signed();
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_there_and_a_wrong_name_lists_what_is() {
        let lo = Interface::named("lo").unwrap();
        assert!(lo.index > 0 && lo.mtu_bytes >= 1_500 && lo.rx_queues >= 1, "{lo:?}");
        assert_eq!((lo.mac, lo.xdp), ([0; 6], None));
        assert_eq!(lo.address, Some(Ipv4Addr::LOCALHOST));
        for name in ["no-such-if", "a\0b", ""] {
            let error = Interface::named(name).unwrap_err().to_string();
            assert!(error.contains("there are: ") && error.contains("lo"), "{error}");
        }
    }

    #[test]
    fn attributes_end_where_the_bytes_do() {
        let bytes = [5, 0, 4, 0, 9, 0, 0, 0, 8, 0, 2, 0x80, 1, 0, 0, 0, 200, 0, 1, 0];
        let found: Vec<_> = attributes(&bytes).collect();
        assert_eq!(found, [(4, &[9][..]), (2, &[1, 0, 0, 0])]);
        for wrong in [&[0; 4][..], &[3, 0, 1, 0], &[4]] {
            assert!(attributes(wrong).next().is_none(), "{wrong:?}");
        }
    }
}
