//! Fresh network namespaces with a veth pair between them, for one test each.
//!
//! ```text
//!  namespace "near"                      namespace "far"
//!  10.77.0.1  near0 ──── veth pair ──── far0  10.77.0.2
//!     sends                                receives
//! ```
//!
//! The namespaces have no names: they live as long as a descriptor or a socket of theirs is open, so
//! they and the pair in them are gone when the test's process is, by whatever end.
#![allow(dead_code, reason = "each test program needs a part of it")]

use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::{Duration, Instant};
use tickspin_host::packets::Flow;

/// Where the sender is.
pub(crate) const NEAR: &str = "near0";
/// Where the receiver is.
pub(crate) const FAR: &str = "far0";
pub(crate) const NEAR_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
pub(crate) const FAR_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// Lines A and B.
pub(crate) const FLOWS: [Flow; 2] = [
    Flow { address: Ipv4Addr::new(239, 1, 1, 1), port: 5_001 },
    Flow { address: Ipv4Addr::new(239, 1, 1, 2), port: 5_001 },
];

/// A network namespace.
pub(crate) struct Namespace(File);

fn own_namespace() -> io::Result<File> {
    File::open("/proc/thread-self/ns/net")
}

fn enter(namespace: &File) {
    // SAFETY: takes two numbers; moves the calling thread only.
    let result = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
    assert_eq!(result, 0, "setns: {}", io::Error::last_os_error());
}

impl Namespace {
    fn new() -> io::Result<Namespace> {
        let made = std::thread::spawn(|| {
            // SAFETY: takes a number; the calling thread gets a namespace of its own.
            if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
                return Err(io::Error::last_os_error());
            }
            own_namespace()
        });
        made.join().unwrap().map(Namespace)
    }

    /// Runs `work` on this thread in the namespace; sockets made there stay there.
    pub(crate) fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        struct Back(File);
        impl Drop for Back {
            fn drop(&mut self) {
                enter(&self.0);
            }
        }
        let _back = Back(own_namespace().unwrap());
        enter(&self.0);
        work()
    }

    /// Runs a shell command there.
    pub(crate) fn sh(&self, command: &str) -> String {
        self.run(|| sh(command))
    }
}

fn sh(command: &str) -> String {
    let output = Command::new("sh").args(["-ec", command]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Both ends.
pub(crate) struct Pair {
    pub(crate) near: Namespace,
    pub(crate) far: Namespace,
}

/// How a pair is made.
#[derive(Clone, Copy)]
pub(crate) struct Wish {
    pub(crate) queues: u32,
    pub(crate) mtu: u32,
}

impl Default for Wish {
    fn default() -> Wish {
        Wish { queues: 1, mtu: 1_500 }
    }
}

impl Pair {
    /// `None`, and a line that says why, where privilege is missing; with
    /// `TICKSPIN_NET_TESTS=require` that is a failure.
    pub(crate) fn new(wish: Wish) -> Option<Pair> {
        let made = Namespace::new().and_then(|near| Ok((near, Namespace::new()?)));
        let has_ip = Command::new("ip").arg("-V").output().is_ok();
        let (near, far) = match made {
            Ok(both) if has_ip => both,
            made => {
                let why = made.err().map_or("no `ip` (package iproute2)".into(), |e| e.to_string());
                let is_required = std::env::var("TICKSPIN_NET_TESTS").is_ok_and(|v| v == "require");
                assert!(!is_required, "network tests are required: {why}");
                println!("skipped: needs root/CAP_NET_ADMIN and iproute2: {why}");
                return None;
            }
        };
        let Wish { queues, mtu } = wish;
        let far_fd = format!("/proc/{}/fd/{}", std::process::id(), far.0.as_raw_fd());
        near.sh(&format!(
            "ip link add {NEAR} numtxqueues {queues} numrxqueues {queues} type veth \
             peer name {FAR} netns {far_fd} numtxqueues {queues} numrxqueues {queues}"
        ));
        for (namespace, name, address) in [(&near, NEAR, NEAR_ADDRESS), (&far, FAR, FAR_ADDRESS)] {
            // Without IPv6 nothing is on the wire that the test does not send.
            namespace.sh(&format!(
                "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 || true; \
                 ip link set lo up; ip link set {name} mtu {mtu} up; \
                 ip addr add {address}/24 dev {name}"
            ));
        }
        Some(Pair { near, far })
    }
}

/// Calls `step` until it says that it is done, at most 5 s; whether it was.
pub(crate) fn until(mut step: impl FnMut() -> bool) -> bool {
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(5) {
        if step() {
            return true;
        }
    }
    false
}

/// An Ethernet frame put on the wire as it is, from the interface near0.
pub(crate) fn inject(frames: &[Vec<u8>]) {
    // SAFETY: takes three numbers.
    let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0) };
    assert!(fd >= 0, "{}", io::Error::last_os_error());
    // SAFETY: a string that ends in 0.
    let index = unsafe { libc::if_nametoindex(c"near0".as_ptr()) };
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
        sll_ifindex: index.cast_signed(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [0; 8],
    };
    let bytes = size_of::<libc::sockaddr_ll>() as u32;
    for frame in frames {
        let (data, len, to) = (frame.as_ptr().cast(), frame.len(), (&raw const address).cast());
        // SAFETY: frame and address are live and as long as told.
        let sent = unsafe { libc::sendto(fd, data, len, 0, to, bytes) };
        assert_eq!(sent, len as isize, "{}", io::Error::last_os_error());
    }
    // SAFETY: opened above, not used again.
    unsafe { libc::close(fd) };
}
