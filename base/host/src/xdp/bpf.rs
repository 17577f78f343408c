//! `bpf(2)`: the map, the program, and the link that holds it on the interface.
//!
//! The link's descriptor *is* the attachment: when the last copy is closed, by whatever end of the
//! process, the program is gone from the interface.

use super::program::{Instruction, assemble};
use crate::interface::{Interface, ProgramPlace};
use crate::packets::{Flow, OpenError};
use crate::rights;
use crate::socket::owned;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};
use std::{fmt, io, thread};

// enum bpf_cmd, bpf_map_type, bpf_prog_type, bpf_attach_type of include/uapi/linux/bpf.h
const MAP_CREATE: u32 = 0;
const MAP_UPDATE_ELEM: u32 = 2;
const PROG_LOAD: u32 = 5;
const PROG_TEST_RUN: u32 = 10;
const LINK_CREATE: u32 = 28;
const MAP_TYPE_XSKMAP: u32 = 17;
const PROG_TYPE_XDP: u32 = 6;
const ATTACH_XDP: u32 = 37;
// include/uapi/linux/if_link.h
const XDP_FLAGS_SKB_MODE: u32 = 2;
const XDP_FLAGS_DRV_MODE: u32 = 4;

/// How long a predecessor's remains are waited for: the kernel frees what a killed process had held
/// within some milliseconds.
pub(super) const RETRY: Duration = Duration::from_secs(1);
const RETRY_STEP: Duration = Duration::from_millis(5);

#[derive(Default)]
#[repr(C)]
struct MapCreate {
    map_type: u32,
    key_bytes: u32,
    value_bytes: u32,
    entries_max: u32,
}

#[derive(Default)]
#[repr(C)]
struct ProgLoad {
    prog_type: u32,
    instructions: u32,
    instructions_at: u64,
    license_at: u64,
    log_level: u32,
    log_bytes: u32,
    log_at: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    ifindex: u32,
    expected_attach: u32,
}

#[derive(Default)]
#[repr(C)]
struct LinkCreate {
    program: u32,
    ifindex: u32,
    attach: u32,
    flags: u32,
}

#[derive(Default)]
#[repr(C)]
struct MapUpdate {
    map: u32,
    _padding: u32,
    key_at: u64,
    value_at: u64,
    flags: u64,
}

#[derive(Default)]
#[repr(C)]
struct TestRun {
    program: u32,
    answer: u32,
    data_in_bytes: u32,
    data_out_bytes: u32,
    data_in_at: u64,
    data_out_at: u64,
    repeat: u32,
    duration_ns: u32,
    context_in_bytes: u32,
    context_out_bytes: u32,
    context_in_at: u64,
    context_out_at: u64,
    flags: u32,
    cpu: u32,
    batch: u32,
    _padding: u32,
}

/// One call.
///
/// # Safety
/// `attribute` is what this command reads and writes, and what its fields point to is live, as large
/// as they say, and writable where the command writes.
unsafe fn bpf<T>(command: u32, attribute: &mut T) -> io::Result<i32> {
    let bytes = size_of::<T>();
    let place: *mut T = attribute;
    // SAFETY: the caller's promise; the kernel takes a shorter attribute as one that ends in zeros.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, place, bytes) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as i32) }
}

/// A map from queue to socket.
pub(super) fn create_map(entries: u32) -> Result<OwnedFd, OpenError> {
    let mut attribute =
        MapCreate { map_type: MAP_TYPE_XSKMAP, key_bytes: 4, value_bytes: 4, entries_max: entries };
    // SAFETY: MAP_CREATE reads these fields and nothing behind a pointer.
    let created = unsafe { bpf(MAP_CREATE, &mut attribute) };
    created
        .and_then(owned)
        .map_err(|error| OpenError::of("making the map of sockets", rights::XDP, error))
}

/// The socket takes the packets of this queue from now on.
pub(super) fn enter(map: &OwnedFd, queue: u32, socket: &OwnedFd) -> io::Result<()> {
    let value = socket.as_raw_fd().cast_unsigned();
    let mut attribute = MapUpdate {
        map: map.as_raw_fd().cast_unsigned(),
        key_at: (&raw const queue).addr() as u64,
        value_at: (&raw const value).addr() as u64,
        ..MapUpdate::default()
    };
    // SAFETY: key and value have the 4 bytes of the map's; both live.
    unsafe { bpf(MAP_UPDATE_ELEM, &mut attribute) }.map(|_| ())
}

/// Loads the program for `flows`; a refusal carries the verifier's reason.
pub(super) fn load(flows: &[Flow], map: &OwnedFd) -> Result<OwnedFd, OpenError> {
    let code = assemble(flows, map.as_raw_fd());
    let what = "loading the program that redirects our flows";
    match try_load(&code, None) {
        Ok(program) => Ok(program),
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
            Err(OpenError::of(what, rights::XDP, error))
        }
        Err(error) => {
            let mut log = vec![0; 64 << 10];
            // For its words only.
            drop(try_load(&code, Some(&mut log)));
            let log = String::from_utf8_lossy(&log);
            let reason = log.trim_end_matches(['\0', '\n']).lines().rev().take(3);
            let reason: Vec<&str> = reason.collect();
            Err(OpenError::Refused { what: format!("{what} ({})", reason.join("; ")), error })
        }
    }
}

fn try_load(code: &[Instruction], log: Option<&mut Vec<u8>>) -> io::Result<OwnedFd> {
    let mut attribute = ProgLoad {
        prog_type: PROG_TYPE_XDP,
        instructions: code.len() as u32,
        instructions_at: code.as_ptr().addr() as u64,
        license_at: c"MIT".as_ptr().addr() as u64,
        name: *b"tickspin_flows\0\0",
        expected_attach: ATTACH_XDP,
        ..ProgLoad::default()
    };
    if let Some(log) = log {
        attribute.log_level = 1;
        attribute.log_bytes = log.len() as u32;
        attribute.log_at = log.as_mut_ptr().expose_provenance() as u64;
    }
    // SAFETY: instructions, license and log are live and as large as told; the log is writable.
    unsafe { bpf(PROG_LOAD, &mut attribute) }.and_then(owned)
}

/// Where the program is wished to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModeWish {
    /// In the driver, or else in the kernel's stack; what came of it is said.
    #[default]
    NativeThenGeneric,
    /// In the driver, or not at all.
    Native,
    /// In the kernel's stack: any driver, one copy more.
    Generic,
}

/// Where the program runs.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) mode: Mode,
    /// Why not in the driver, though that was wished first.
    pub(super) refusal: Option<io::Error>,
    /// Dropping it takes the program off.
    _link: OwnedFd,
}

/// Where an XDP program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In the driver.
    Native,
    /// In the kernel's stack.
    Generic,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Native => "native",
            Mode::Generic => "generic",
        })
    }
}

/// Puts the program on the interface. What a killed predecessor has left is waited for, at most a
/// second; another owner's program is never replaced.
pub(super) fn attach(
    program: &OwnedFd,
    interface: &Interface,
    wish: ModeWish,
) -> Result<Attached, OpenError> {
    let link = |mode| retry_busy(|| link(program, interface.index, mode));
    let is_taken =
        |error: &io::Error| matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EEXIST));
    let name = &interface.name;
    let failed = |mode: Mode, error: io::Error| {
        if is_taken(&error) {
            return taken(name);
        }
        OpenError::of(format!("putting the program on {name}, {mode} mode"), rights::XDP, error)
    };
    let attached = |mode, refusal, link| Attached { mode, refusal, _link: link };
    let refusal = match wish {
        ModeWish::Generic => None,
        _ => match link(Mode::Native) {
            Ok(link) => return Ok(attached(Mode::Native, None, link)),
            Err(error)
                if wish == ModeWish::Native
                    || is_taken(&error)
                    || error.raw_os_error() == Some(libc::EPERM) =>
            {
                return Err(failed(Mode::Native, error));
            }
            Err(error) => Some(error),
        },
    };
    match link(Mode::Generic) {
        Ok(link) => Ok(attached(Mode::Generic, refusal, link)),
        Err(error) => Err(failed(Mode::Generic, error)),
    }
}

fn taken(name: &str) -> OpenError {
    let program = Interface::named(name).ok().and_then(|interface| interface.xdp);
    let (whose, place) = match program {
        Some(program) => (format!("program {}", program.id), Some(program.place)),
        None => ("another program".into(), None),
    };
    let (id, off) = (
        program.map_or(0, |program| program.id),
        match place {
            Some(ProgramPlace::Generic) => "xdpgeneric",
            _ => "xdp",
        },
    );
    OpenError::Taken {
        what: format!("{name} has {whose} on it"),
        cure: format!(
            "`bpftool prog show id {id}` tells whose it is; end that process, or `sudo ip link set \
             {name} {off} off` if nobody wants it"
        ),
    }
}

fn link(program: &OwnedFd, ifindex: u32, mode: Mode) -> io::Result<OwnedFd> {
    let mut attribute = LinkCreate {
        program: program.as_raw_fd().cast_unsigned(),
        ifindex,
        attach: ATTACH_XDP,
        flags: match mode {
            Mode::Native => XDP_FLAGS_DRV_MODE,
            Mode::Generic => XDP_FLAGS_SKB_MODE,
        },
    };
    // SAFETY: LINK_CREATE reads these fields and nothing behind a pointer.
    unsafe { bpf(LINK_CREATE, &mut attribute) }.and_then(owned)
}

/// Tries again while something is still being freed.
pub(super) fn retry_busy<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let since = Instant::now();
    loop {
        match attempt() {
            Err(error)
                if matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EEXIST))
                    && since.elapsed() < RETRY =>
            {
                thread::sleep(RETRY_STEP);
            }
            result => return result,
        }
    }
}

/// What the program says about a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// On to the kernel's stack.
    Pass,
    /// To our socket.
    Redirect,
    /// `XDP_ABORTED`, `XDP_DROP`, `XDP_TX`: none of ours.
    Other(u32),
}

/// Runs the program `repeat` times over a frame; its verdict and the mean time, ns.
pub(super) fn test_run(program: &OwnedFd, frame: &[u8], repeat: u32) -> io::Result<(Verdict, u32)> {
    let mut attribute = TestRun {
        program: program.as_raw_fd().cast_unsigned(),
        data_in_bytes: frame.len() as u32,
        data_in_at: frame.as_ptr().addr() as u64,
        repeat,
        ..TestRun::default()
    };
    // SAFETY: the kernel reads `frame`, live and as long as told; no output is asked for.
    unsafe { bpf(PROG_TEST_RUN, &mut attribute) }?;
    let verdict = match attribute.answer {
        2 => Verdict::Pass,
        4 => Verdict::Redirect,
        other => Verdict::Other(other),
    };
    Ok((verdict, attribute.duration_ns))
}
