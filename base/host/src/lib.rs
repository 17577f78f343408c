//! The machine under us: clock, cores, memory, process.
//!
//! A floor: it knows nothing of rings, books or files of ours, and everything here is either one
//! instruction (a clock read, a `pause`, a load of the stop flag) or a call for the cold side of
//! a program.
//! Nothing here degrades in silence.
//! What was asked for and not got comes back as an error that names the cause and the command
//! that mends it; what merely is not known on this host (a missing file under `/sys`) is absent.
//!
//! In the order a reader should meet them:
//!
//! | module | what | cost |
//! |---|---|---|
//! | [`clock`] | the TSC: read it, calibrate it, convert it | a read ~9 ns, a conversion ~3 ns |
//! | [`wait`] | what a loop does when there is nothing to do: a type, not a branch | one `pause` |
//! | [`cpu`] | which cores exist, pinning, priority, a plan for two spinners | cold |
//! | [`memory`] | lock, prefault, tables that the hot loop borrows | cold, once |
//! | [`child`] | processes that we start: told to stop, and gone when we are | cold |
//! | [`process`] | the stop flag, what the kernel did to a thread | the flag: one load |
//! | [`facts`] | what this machine is, for reports | cold |
//! | [`tree`] | the kernel's small files, below a root that tests may move | cold |
//! | [`interrupts`] | who interrupted which core how often | cold |
//! | [`packets`] | datagrams in bursts: the interface of all sources and sinks | – |
//! | [`udp`] | through the kernel's sockets, spinning | ~0.6 µs a datagram |
//! | [`af_packet`] | from a raw socket's ring | ~35 ns a datagram |
//! | `xdp` | `AF_XDP`, past the kernel's stack; feature `xdp` | ~20 ns a datagram |
//! | [`memory_source`] | from frames in memory, captured or made | 5 to 13 ns a datagram |
//! | [`frame`] | Ethernet, IPv4 and UDP around a payload | 2 to 3 ns |
//! | [`interface`] | what a network interface is and has | cold |
//! | [`netns`] | network namespaces of our own with a cable between them, for measurements | cold |
//! | [`rights`] | privileges: named when missing, given up when not needed | cold |
//! | [`seccomp`] | which system calls are left | cold |
//!
//! Linux on x86-64 only: anything else is a compile error, because a clock that silently means
//! something else is worse than none.
//!
//! `unsafe` is allowed here and in the ring; each block is one operation with its proof.

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
compile_error!("tickspin-host reads the x86-64 TSC and Linux's /proc and /sys: no other target");

pub mod af_packet;
mod calibrate;
pub mod child;
pub mod clock;
pub mod cpu;
pub mod facts;
pub mod frame;
mod image;
pub mod interface;
pub mod interrupts;
mod mapping;
mod membership;
pub mod memory;
pub mod memory_source;
pub mod netns;
pub mod packets;
mod plan;
pub mod process;
pub mod rights;
pub mod seccomp;
mod socket;
mod table;
mod text;
pub mod tree;
pub mod udp;
pub mod wait;
#[cfg(feature = "xdp")]
pub mod xdp;
