//! A Unix `SEQPACKET` socket that carries one fixed-size message and its descriptors, each wait
//! bounded.

use std::{
    io,
    mem::{self, offset_of},
    os::{
        fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
    time::Duration,
};

use super::message::{MESSAGE_BYTES, SEGMENTS_MAX};

/// One descriptor, in bytes.
const FD_BYTES: usize = size_of::<RawFd>();
/// Room for one control message with [`SEGMENTS_MAX`] descriptors: its header (16 bytes) and the
/// descriptors.
const CONTROL_WORDS: usize = 2 + SEGMENTS_MAX * FD_BYTES / 8;

/// What the C library says that room is.
// SAFETY: CMSG_SPACE only computes.
const CONTROL_BYTES: u32 = unsafe { libc::CMSG_SPACE((SEGMENTS_MAX * FD_BYTES) as u32) };

const _: () = {
    assert!(size_of::<libc::cmsghdr>() == 16 && align_of::<libc::cmsghdr>() <= 8);
    assert!(CONTROL_BYTES as usize == CONTROL_WORDS * 8);
};

/// A new socket, non-blocking, closed on exec.
fn new_socket() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: socket takes no pointer.
    let fd = unsafe { libc::socket(libc::AF_UNIX, kind, 0) };
    owned(fd)
}

fn owned(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a system call has just returned `fd`: it is open and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The address of a path that fits into 107 bytes; ours, through `/proc/self/fd`, always does.
fn address_of(path: &Path) -> io::Result<(libc::sockaddr_un, libc::socklen_t)> {
    let bytes = path.as_os_str().as_bytes();
    // SAFETY: sockaddr_un is plain data, for which all zeros is valid.
    let mut address: libc::sockaddr_un = unsafe { mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    if bytes.len() >= address.sun_path.len() || bytes.contains(&0) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "path too long for a socket"));
    }
    for (to, &from) in address.sun_path.iter_mut().zip(bytes) {
        *to = from as libc::c_char;
    }
    let length = offset_of!(libc::sockaddr_un, sun_path) + bytes.len() + 1;
    Ok((address, length as libc::socklen_t))
}

/// Binds to `path` and listens.
pub(super) fn listen(path: &Path) -> io::Result<OwnedFd> {
    let socket = new_socket()?;
    let (address, length) = address_of(path)?;
    // SAFETY: the pointer and the length are those of `address`.
    let result = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    check(result)?;
    // SAFETY: listen takes no pointer. 16 may wait: more than ever meet one feed at once.
    let result = unsafe { libc::listen(socket.as_raw_fd(), 16) };
    check(result)?;
    Ok(socket)
}

/// Connects to `path`, without waiting: `WouldBlock` when too many are waiting already.
pub(super) fn connect(path: &Path) -> io::Result<OwnedFd> {
    let socket = new_socket()?;
    let (address, length) = address_of(path)?;
    // SAFETY: the pointer and the length are those of `address`.
    let result = unsafe { libc::connect(socket.as_raw_fd(), (&raw const address).cast(), length) };
    check(result)?;
    Ok(socket)
}

/// The next one that waits to be accepted; `None` if nobody does any more.
pub(super) fn accept(listener: &OwnedFd) -> io::Result<Option<OwnedFd>> {
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: both pointers may be null: the caller's address is not asked for.
    let fd = unsafe {
        libc::accept4(listener.as_raw_fd(), std::ptr::null_mut(), std::ptr::null_mut(), flags)
    };
    match owned(fd) {
        Ok(socket) => Ok(Some(socket)),
        Err(error) => match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EINTR | libc::ECONNABORTED) => Ok(None),
            _ => Err(error),
        },
    }
}

/// Waits until `events` may be done, at most `patience`. False when the time is over or a signal
/// came.
pub(super) fn wait(socket: &OwnedFd, events: i16, patience: Duration) -> io::Result<bool> {
    let mut poll = libc::pollfd { fd: socket.as_raw_fd(), events, revents: 0 };
    // Rounded up, so that a short wait is not a busy one; at most 24 days.
    let ms = patience.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128) as i32;
    // SAFETY: the pointer is that of `poll`, and the count is 1.
    match unsafe { libc::poll(&raw mut poll, 1, ms) } {
        0 => Ok(false),
        ready if ready > 0 => Ok(true),
        _ => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            error => Err(error),
        },
    }
}

/// User number of the process at the other end, as the kernel noted it at connect.
pub(super) fn peer_uid(socket: &OwnedFd) -> io::Result<u32> {
    let mut cred = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the pointers are those of `cred` and `length`, and `length` says the size of `cred`.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut cred).cast(),
            &raw mut length,
        )
    };
    check(result)?;
    Ok(cred.uid)
}

/// Sends one message with its descriptors, without waiting.
pub(super) fn send(
    socket: &OwnedFd,
    bytes: &[u8; MESSAGE_BYTES],
    fds: &[BorrowedFd<'_>],
) -> io::Result<()> {
    if fds.len() > SEGMENTS_MAX {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut control = [0_u64; CONTROL_WORDS];
    let mut iov = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut header = new_header(&mut iov);
    if !fds.is_empty() {
        let payload = fds.len() * FD_BYTES;
        // A control message as the kernel reads it: cmsghdr {length, level, type} in two words,
        // then the descriptors.
        control[0] = (size_of::<libc::cmsghdr>() + payload) as u64;
        let level_and_type = [libc::SOL_SOCKET, libc::SCM_RIGHTS];
        control[1] = bytemuck::cast(level_and_type);
        let numbers: &mut [RawFd] = bytemuck::cast_slice_mut(&mut control[2..]);
        for (number, fd) in numbers.iter_mut().zip(fds) {
            *number = fd.as_raw_fd();
        }
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = 16 + payload.next_multiple_of(8);
    }
    // SAFETY: `header` points to `iov`, which points to `bytes`, and to `control`; all live through
    // the call, which only reads them, and the lengths are theirs.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL) };
    match usize::try_from(sent) {
        Err(_) => Err(io::Error::last_os_error()),
        Ok(MESSAGE_BYTES) => Ok(()),
        Ok(_) => Err(io::ErrorKind::WriteZero.into()),
    }
}

/// What came: the length of the message (0: the other side is gone), its descriptors, and whether
/// it was whole.
pub(super) struct Arrived {
    pub(super) bytes: usize,
    pub(super) fds: Vec<OwnedFd>,
    pub(super) is_whole: bool,
}

/// Receives one message, without waiting. All descriptors that came are owned here, and closed if
/// not used.
pub(super) fn receive(socket: &OwnedFd, into: &mut [u8; MESSAGE_BYTES]) -> io::Result<Arrived> {
    let mut control = [0_u64; CONTROL_WORDS];
    let mut iov = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let mut header = new_header(&mut iov);
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control);
    // SAFETY: `header` points to `iov`, which points to `into`, and to `control`; all live through
    // the call, and the lengths are theirs.
    let got = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_CMSG_CLOEXEC) };
    let Ok(bytes) = usize::try_from(got) else { return Err(io::Error::last_os_error()) };
    let fds = take_descriptors(&control, header.msg_controllen);
    let is_whole = header.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) == 0;
    Ok(Arrived { bytes, fds, is_whole })
}

/// Owns the descriptors of a control buffer that the kernel has just filled. The buffer has room
/// for exactly one control message: we switch on no option that would bring another kind, and the
/// kernel packs all descriptors into one.
fn take_descriptors(control: &[u64; CONTROL_WORDS], filled_bytes: usize) -> Vec<OwnedFd> {
    if filled_bytes < size_of::<libc::cmsghdr>() {
        return Vec::new();
    }
    let [level, kind]: [i32; 2] = bytemuck::cast(control[1]);
    if (level, kind) != (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
        return Vec::new();
    }
    let payload = (control[0] as usize).saturating_sub(size_of::<libc::cmsghdr>());
    let numbers: &[RawFd] = bytemuck::cast_slice(&control[2..]);
    let numbers = &numbers[..(payload / FD_BYTES).min(numbers.len())];
    // SAFETY: the kernel has just installed these descriptors for us; nobody else owns them.
    numbers.iter().map(|&number| unsafe { OwnedFd::from_raw_fd(number) }).collect()
}

fn new_header(iov: &mut libc::iovec) -> libc::msghdr {
    // SAFETY: msghdr is plain data, for which all zeros is valid (no name, no control, no flags).
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_iov = iov;
    header.msg_iovlen = 1;
    header
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
