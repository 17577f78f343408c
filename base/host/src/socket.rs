//! Sockets below the standard library: options of every level, and file descriptors that close.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::{io, mem, ptr};

/// A type that any bytes of its size are a value of, without padding that matters to the kernel.
///
/// # Safety
/// Every bit pattern must be a valid value.
pub(crate) unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($name:ty),+ $(,)?) => {
        $(
            // SAFETY: an integer, or a C struct (an array) of nothing but integers.
            unsafe impl $crate::socket::Plain for $name {}
        )+
    };
}
pub(crate) use plain;

plain!(u8, u16, u32, u64, i32, [u32; 9], libc::tpacket_stats, libc::tpacket_req);

/// Opens a socket that closes on exec.
pub(crate) fn open(domain: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes three numbers.
    let fd = unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol) };
    owned(fd)
}

/// A descriptor that a system call returned, or its error.
pub(crate) fn owned(fd: i32) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// 0, or the error of the last system call.
pub(crate) fn done(result: i32) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `setsockopt` with a value of any plain shape.
pub(crate) fn set<T: Copy>(fd: &OwnedFd, level: i32, name: i32, value: &T) -> io::Result<()> {
    let bytes = size_of::<T>() as libc::socklen_t;
    // SAFETY: `value` is live for the call and has the size that is told.
    let result = unsafe {
        libc::setsockopt(fd.as_raw_fd(), level, name, ptr::from_ref(value).cast(), bytes)
    };
    done(result)
}

/// `getsockopt` into a value of a plain shape; how many bytes the kernel wrote comes with it.
pub(crate) fn get<T: Plain>(fd: &OwnedFd, level: i32, name: i32) -> io::Result<(T, usize)> {
    let mut bytes = size_of::<T>() as libc::socklen_t;
    // SAFETY: `Plain`: zeros are a value.
    let mut value: T = unsafe { mem::zeroed() };
    let place = (&raw mut value).cast();
    // SAFETY: the kernel writes at most `bytes` bytes to `place`, which has as many.
    let result = unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, place, &raw mut bytes) };
    done(result).map(|()| (value, bytes as usize))
}

/// `bind` to an address of any family.
pub(crate) fn bind<T: Copy>(fd: &OwnedFd, address: &T) -> io::Result<()> {
    let bytes = size_of::<T>() as libc::socklen_t;
    // SAFETY: `address` is live for the call and has the size that is told.
    done(unsafe { libc::bind(fd.as_raw_fd(), ptr::from_ref(address).cast(), bytes) })
}

/// A receive buffer of so many bytes; beyond the system's limit only with `CAP_NET_ADMIN`, else as
/// much as the limit allows. Gives what came of it.
pub(crate) fn receive_buffer(fd: &OwnedFd, bytes: usize) -> io::Result<usize> {
    let wish = i32::try_from(bytes).unwrap_or(i32::MAX);
    if set(fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &wish).is_err() {
        set(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, &wish)?;
    }
    let (got, _) = get::<i32>(fd, libc::SOL_SOCKET, libc::SO_RCVBUF)?;
    Ok(usize::try_from(got).unwrap_or(0))
}

/// Packets that the socket lost for want of buffer: field `SK_MEMINFO_DROPS` of `SO_MEMINFO`,
/// include/uapi/linux/sock_diag.h. 32 bits that wrap.
pub(crate) fn drops(fd: &OwnedFd) -> u32 {
    const SK_MEMINFO_DROPS: usize = 8;
    get::<[u32; 9]>(fd, libc::SOL_SOCKET, libc::SO_MEMINFO)
        .map_or(0, |(all, _)| all[SK_MEMINFO_DROPS])
}

/// A classic BPF program decides what the socket sees at all.
pub(crate) fn attach_filter(fd: &OwnedFd, program: &mut [libc::sock_filter]) -> io::Result<()> {
    let Ok(len) = u16::try_from(program.len()) else {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    };
    // The kernel copies the program during the call.
    let program = libc::sock_fprog { len, filter: program.as_mut_ptr() };
    set(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

/// `SO_REUSEADDR`, so that several receivers may listen to one group.
pub(crate) fn share_address(fd: &OwnedFd) -> io::Result<()> {
    set(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, &1_i32)
}
