//! Packets instead of the ring: sources opened, what they got told, and, once all is open, privileges
//! given up.
//!
//! ```text
//!   source ─► pinned thread: MoldInput ─ questions ─► tickspin-ask ─► server of lost packets
//!                                 ▲───── answers ─────────┘
//! ```

pub mod ask; // the thread that asks for lost packets

use crate::config::{Config, InputName, Packets};
use crate::error::EngineError;
use ask::Asker;
use ringbuf::{HeapCons, HeapProd};
use std::net::SocketAddrV4;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use tickspin_host::af_packet::AfPacketSource;
use tickspin_host::memory;
use tickspin_host::packets::{Flow, OpenError};
use tickspin_host::rights::{self, User};
use tickspin_host::seccomp;
use tickspin_host::udp::UdpSource;
#[cfg(feature = "xdp")]
use tickspin_host::xdp::{ModeWish, XdpConfig, XdpSource};
use tickspin_hot::input::mold::Reply;
use tickspin_results::out::OutError;
use tickspin_wire::moldudp64::Request;

/// Requests on their way to the thread that sends them.
pub type Questions = HeapProd<Request>;
/// Datagrams that it received.
pub type Answers = HeapCons<Reply>;

/// Bytes that a waiting datagram takes of a socket's buffer, the kernel's overhead included.
const SOCKET_BYTES: usize = 2_304;

/// Where events come from, open.
pub enum Opened {
    /// The feed's ring.
    Ring,
    /// Spinning sockets.
    Udp(UdpSource),
    /// The raw socket's ring.
    AfPacket(AfPacketSource),
    /// Past the kernel.
    #[cfg(feature = "xdp")]
    AfXdp(Box<XdpSource>),
}

/// Opens what the configuration names, and says in a line what was got; nothing for the ring.
///
/// # Errors
/// [`EngineError::Open`], with the command that mends it where there is one.
pub fn open(config: &Config) -> Result<(Opened, Option<String>), EngineError> {
    let packets = &config.packets;
    let (interface, flows) = (packets.interface.as_str(), flows(packets));
    let lines: Vec<String> = flows.iter().map(ToString::to_string).collect();
    let lines = lines.join(" and ");
    let opened = match packets.input {
        InputName::Ring => return Ok((Opened::Ring, None)),
        InputName::Udp => {
            UdpSource::open(interface, &flows, packets.frames as usize * SOCKET_BYTES).map(
                |source| {
                    let kib = source.receive_buffer_bytes() >> 10;
                    let line =
                        format!("packets by spinning UDP sockets of {kib} KiB on {interface}");
                    (Opened::Udp(source), line)
                },
            )
        }
        InputName::AfPacket => {
            AfPacketSource::open(interface, &flows, packets.frames).map(|source| {
                let line =
                    format!("packets by AF_PACKET on {interface}, {} frames", packets.frames);
                (Opened::AfPacket(source), line)
            })
        }
        InputName::AfXdp => open_xdp(packets, &flows),
    };
    let (opened, line) = opened.map_err(EngineError::Open)?;
    let asks = match packets.recovery.0 {
        Some(server) => format!("lost ones are asked for at {server}"),
        None => "lost ones are asked for nowhere".to_owned(),
    };
    Ok((opened, Some(format!("{line}: {lines}; {asks}"))))
}

fn flows(packets: &Packets) -> Vec<Flow> {
    let lines = [packets.line_a, packets.line_b];
    let flow = |at: SocketAddrV4| Flow { address: *at.ip(), port: at.port() };
    lines.iter().filter_map(|line| line.0.map(flow)).collect()
}

#[cfg(feature = "xdp")]
fn open_xdp(packets: &Packets, flows: &[Flow]) -> Result<(Opened, String), OpenError> {
    use crate::config::XdpMode;
    let mode = match packets.xdp_mode {
        XdpMode::Auto => ModeWish::NativeThenGeneric,
        XdpMode::Native => ModeWish::Native,
        XdpMode::Generic => ModeWish::Generic,
    };
    let wish = XdpConfig::new(&packets.interface, flows);
    let source = XdpSource::open(&XdpConfig { mode, frames: packets.frames, ..wish })?;
    let line = format!("packets by {}", source.obtained());
    Ok((Opened::AfXdp(Box::new(source)), line))
}

#[cfg(not(feature = "xdp"))]
fn open_xdp(_: &Packets, _: &[Flow]) -> Result<(Opened, String), OpenError> {
    Err(OpenError::Unfit {
        what: "this program was built without AF_XDP".into(),
        cure: "build it with `cargo build --release --features xdp`".into(),
    })
}

/// Whom to become, looked up before anything is opened.
///
/// # Errors
/// There is no such user, or this process may not become it.
pub fn user(config: &Config) -> Result<Option<User>, EngineError> {
    let name = &config.packets.user;
    match name.is_empty() {
        true => Ok(None),
        false => User::named(name)
            .and_then(|user| rights::may_become(user).map(|()| Some(user)))
            .map_err(EngineError::Rights),
    }
}

/// Whether `user` can get at the folder and may have it: every folder above it lets them through, and it
/// is empty or theirs.
///
/// # Errors
/// The one that is in the way, with the command that mends it.
pub fn may_have(user: Option<User>, folder: &Path) -> Result<(), EngineError> {
    let Some(user) = user else { return Ok(()) };
    let failed = |path: &Path, source| {
        EngineError::Out(OutError::Io { doing: "look at", path: path.into(), source })
    };
    let whole = folder.canonicalize().map_err(|source| failed(folder, source))?;
    for above in whole.ancestors().skip(1) {
        let meta = above.metadata().map_err(|source| failed(above, source))?;
        let bit = match (meta.uid() == user.uid, meta.gid() == user.gid) {
            (true, _) => 0o100,
            (false, true) => 0o010,
            (false, false) => 0o001,
        };
        if meta.mode() & bit == 0 {
            return Err(EngineError::Folder(format!(
                "{}: user {} cannot get through it to the results; `chmod o+x` it, or give another -o",
                above.display(),
                user.uid
            )));
        }
    }
    let is_theirs = whole.metadata().is_ok_and(|meta| meta.uid() == user.uid);
    let is_empty = std::fs::read_dir(&whole).is_ok_and(|mut entries| entries.next().is_none());
    if is_theirs || is_empty {
        return Ok(());
    }
    Err(EngineError::Folder(format!(
        "{}: it is not empty and not user {}'s, who would get it; give a folder of its own by -o",
        whole.display(),
        user.uid
    )))
}

/// After everything is open and met: starts the thread that asks for lost packets, where there is a
/// server; leaves the calling thread no privilege, makes the process another user where one is named
/// (who gets the folder of the results), and takes only the calls that a run makes from then on. The
/// pinned thread then gives up its own privileges. Says what was done; nothing where the ring is read.
///
/// # Errors
/// A privilege is still there, no thread or socket is to be had, the kernel has no filter.
pub fn settle(
    config: &Config,
    user: Option<User>,
    folder: &Path,
    asking: (HeapCons<Request>, HeapProd<Reply>),
) -> Result<(Option<Asker>, Option<String>), EngineError> {
    let packets = &config.packets;
    if packets.input == InputName::Ring {
        return Ok((None, None));
    }
    if let Some(user) = user {
        std::os::unix::fs::chown(folder, Some(user.uid), Some(user.gid)).map_err(|source| {
            EngineError::Out(OutError::Io { doing: "give away", path: folder.into(), source })
        })?;
    }
    if config.memory.lock {
        // What is mapped from here on would count against a limit that the privilege lifts.
        memory::lock_present()
            .map_err(|source| EngineError::Memory { what: "everything (--lock-memory)", source })?;
    }
    rights::give_up(user).map_err(EngineError::Rights)?;
    if user.is_some() {
        // Results that could not be written would be known of only when the run is over.
        let trial = folder.join(".trial");
        std::fs::File::create(&trial).and_then(|_| std::fs::remove_file(&trial)).map_err(
            |source| {
                EngineError::Out(OutError::Io { doing: "write as that user", path: trial, source })
            },
        )?;
    }
    let asker = packets.recovery.0.map(|server| Asker::start(server, asking)).transpose()?;
    let who = match user {
        Some(user) => format!("user {} ({})", packets.user, user.uid),
        None => "the same user".to_owned(),
    };
    let calls = if packets.seccomp {
        let allowed: Vec<_> = seccomp::RUNNING.iter().chain(&seccomp::HOUSE).copied().collect();
        seccomp::install(&allowed, seccomp::Otherwise::Refuse).map_err(EngineError::Seccomp)?;
        format!("and no system calls but {}", allowed.len())
    } else {
        "and all system calls".to_owned()
    };
    Ok((asker, Some(format!("privileges: ran on as {who} with none, {calls}"))))
}
