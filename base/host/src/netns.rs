//! Network namespaces of our own, and a cable between two of them: where a measurement sends real
//! packets and no real interface sees one.
//!
//! ```text
//!  namespace near                        namespace far
//!  10.77.0.1  near0 ──── veth pair ──── far0  10.77.0.2
//!     sends                                receives
//! ```
//!
//! They have no names: a namespace lives as long as a descriptor or a socket of it is open, so both,
//! and the cable in them, are gone when this process is, by whatever end. Nothing is cleaned up
//! because nothing can be left.
//!
//! Cost: some milliseconds and three calls of `ip` (iproute2); afterwards nothing.
//! It needs `cap_sys_admin` and `cap_net_admin`, and `ip` needs the latter too, so in effect root.
//! When it is the wrong choice: for the price of a card. A cable of software has no queues of a
//! driver, no interrupts and no zero-copy; what it shows is the kernel's part.

use crate::packets::OpenError;
use crate::socket::done;
use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::process::Command;
use std::{io, panic, thread};

/// The interface of [`Cable::near`].
pub const NEAR: &str = "near0";
/// The interface of [`Cable::far`].
pub const FAR: &str = "far0";
/// Their addresses, with the length of the network.
const ADDRESSES: [&str; 2] = ["10.77.0.1/24", "10.77.0.2/24"];

/// A network namespace without a name.
#[derive(Debug)]
pub struct Namespace(File);

impl Namespace {
    /// A fresh one: a loopback that is down, and nothing else.
    ///
    /// # Errors
    /// [`OpenError::Permission`] without `cap_sys_admin`.
    pub fn new() -> Result<Namespace, OpenError> {
        let make = || -> io::Result<File> {
            // SAFETY: takes a number; the calling thread, which ends here, gets a namespace of its own.
            done(unsafe { libc::unshare(libc::CLONE_NEWNET) })?;
            File::open("/proc/thread-self/ns/net")
        };
        let made = thread::scope(|scope| scope.spawn(make).join());
        let made = made.unwrap_or_else(|cause| panic::resume_unwind(cause));
        made.map(Namespace).map_err(|error| {
            OpenError::of("making a network namespace", "cap_sys_admin,cap_net_admin", error)
        })
    }

    /// Runs `work` in the namespace, on a thread of its own that ends with it: no thread of the
    /// caller is ever moved, so none can be left in the wrong place. Sockets made there stay there.
    ///
    /// # Errors
    /// The kernel's, when it lets nobody in.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        let enter = || {
            // SAFETY: takes two numbers, of which the descriptor is open as long as `self` is; moves
            // the calling thread only.
            done(unsafe { libc::setns(self.0.as_raw_fd(), libc::CLONE_NEWNET) })?;
            Ok(work())
        };
        let ran = thread::scope(|scope| scope.spawn(enter).join());
        ran.unwrap_or_else(|cause| panic::resume_unwind(cause))
    }

    /// Runs `ip` there.
    fn ip(&self, arguments: &str) -> Result<(), OpenError> {
        let what = format!("`ip {arguments}` in a namespace of our own");
        let refused = |error| OpenError::Refused { what: what.clone(), error };
        let run = || Command::new("ip").args(arguments.split(' ')).output();
        let output = match self.run(run).map_err(refused)? {
            Ok(output) => output,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(OpenError::Unfit {
                    what: "there is no program `ip`".into(),
                    cure: "`sudo apt-get install iproute2`".into(),
                });
            }
            Err(error) => return Err(refused(error)),
        };
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let error = io::Error::other(said.trim().replace('\n', "; "));
        match said.contains("not permitted") {
            true => Err(OpenError::Permission { what, error, cure: "run it as root".into() }),
            false => Err(refused(error)),
        }
    }
}

impl AsRawFd for Namespace {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// What a cable is to be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CablePlan {
    /// Queues of each end in each direction.
    pub queues: u32,
    /// Longest packet, without its Ethernet header, bytes.
    pub mtu_bytes: u32,
}

impl Default for CablePlan {
    /// One queue, the packets of Ethernet.
    fn default() -> CablePlan {
        CablePlan { queues: 1, mtu_bytes: 1_500 }
    }
}

/// Two namespaces and the cable between them, up, each end with an address.
#[derive(Debug)]
pub struct Cable {
    /// Has the interface [`NEAR`].
    pub near: Namespace,
    /// Has the interface [`FAR`].
    pub far: Namespace,
}

impl Cable {
    /// Makes all of it; dropping it takes all of it away.
    ///
    /// # Errors
    /// [`OpenError::Permission`] without privilege, [`OpenError::Unfit`] without iproute2.
    pub fn new() -> Result<Cable, OpenError> {
        Cable::of(CablePlan::default())
    }

    /// The same, otherwise than usual.
    ///
    /// # Errors
    /// Those of [`Cable::new`].
    pub fn of(plan: CablePlan) -> Result<Cable, OpenError> {
        let CablePlan { queues, mtu_bytes } = plan;
        let (near, far) = (Namespace::new()?, Namespace::new()?);
        let there = format!("/proc/{}/fd/{}", std::process::id(), far.0.as_raw_fd());
        let ends = format!("numtxqueues {queues} numrxqueues {queues}");
        near.ip(&format!("link add {NEAR} {ends} type veth peer name {FAR} netns {there} {ends}"))?;
        for (namespace, name, address) in [(&near, NEAR, ADDRESSES[0]), (&far, FAR, ADDRESSES[1])] {
            // Without IPv6 nothing is on the cable that we do not send. Where the kernel has no IPv6
            // there is nothing to turn off.
            let quiet = || {
                let _ = std::fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
            };
            namespace.run(quiet).map_err(|error| OpenError::Refused {
                what: "entering a namespace of our own".into(),
                error,
            })?;
            namespace.ip(&format!("addr add {address} dev {name}"))?;
            namespace.ip(&format!("link set {name} mtu {mtu_bytes} up"))?;
        }
        Ok(Cable { near, far })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interface::Interface;

    #[test]
    fn a_cable_is_seen_from_within_only_and_is_gone_with_its_value() {
        let cable = match Cable::new() {
            Ok(cable) => cable,
            Err(error) => {
                let is_required = std::env::var("TICKSPIN_NET_TESTS").is_ok_and(|v| v == "require");
                assert!(!is_required, "network tests are required: {error}");
                println!("skipped: needs root and iproute2: {error}");
                return;
            }
        };
        let index = |name: &'static str| Interface::named(name).map(|found| found.index).ok();
        assert!(cable.near.run(|| index(NEAR)).unwrap().is_some());
        assert!(cable.far.run(|| index(FAR)).unwrap().is_some());
        assert!(cable.near.run(|| index(FAR)).unwrap().is_none());
        // Not where we are.
        assert!(index(NEAR).is_none() && index(FAR).is_none());
        // The end of one namespace takes its end of the cable, and with it the other's.
        let Cable { near, far } = cable;
        drop(near);
        let is_gone = || {
            (0..200).any(|_| {
                std::thread::sleep(std::time::Duration::from_millis(10));
                index(FAR).is_none()
            })
        };
        assert!(far.run(is_gone).unwrap(), "the cable outlived its namespace");
    }

    #[test]
    fn what_ip_refuses_is_told_in_one_line() {
        let Ok(namespace) = Namespace::new() else { return };
        let error = namespace.ip("link set nothing0 up").unwrap_err().to_string();
        assert!(error.contains("nothing0") && error.lines().count() == 1, "{error}");
    }
}
