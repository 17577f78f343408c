//! A cable between two network namespaces ([`netns`]), for one test each, and what is sent through it.
#![allow(dead_code, reason = "each test program needs a part of it")]

use std::io;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::{Duration, Instant};
use tickspin_host::netns::{self, Cable, CablePlan};
pub(crate) use tickspin_host::netns::{FAR, NEAR};
use tickspin_host::packets::Flow;

pub(crate) const NEAR_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
pub(crate) const FAR_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// Lines A and B.
pub(crate) const FLOWS: [Flow; 2] = [
    Flow { address: Ipv4Addr::new(239, 1, 1, 1), port: 5_001 },
    Flow { address: Ipv4Addr::new(239, 1, 1, 2), port: 5_001 },
];

/// A network namespace, for work that must be let in.
pub(crate) struct Namespace(netns::Namespace);

impl Namespace {
    /// Runs `work` there; sockets made there stay there.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.0.run(work).unwrap()
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

impl Pair {
    /// `None`, and a line that says why, where privilege is missing; with
    /// `TICKSPIN_NET_TESTS=require` that is a failure.
    pub(crate) fn new(plan: CablePlan) -> Option<Pair> {
        match Cable::of(plan) {
            Ok(Cable { near, far }) => Some(Pair { near: Namespace(near), far: Namespace(far) }),
            Err(why) => {
                let is_required = std::env::var("TICKSPIN_NET_TESTS").is_ok_and(|v| v == "require");
                assert!(!is_required, "network tests are required: {why}");
                println!("skipped: needs root/CAP_NET_ADMIN and iproute2: {why}");
                None
            }
        }
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
