//! Takes a running program's code out of memory: a page fault planted from outside.
//!
//! `process_madvise(MADV_PAGEOUT)` on the mapped code of another process unmaps and reclaims its
//! clean pages, so that its next instructions fault them in again, from the page cache or from disk.

use std::fs;
use std::io;

/// include/uapi/asm-generic/mman-common.h; the crate has no name for it on all targets.
const MADV_PAGEOUT: libc::c_int = 21;

/// Evicts the executable mappings of the file `name` in process `pid`; gives their bytes.
///
/// # Errors
/// The process is gone, or this user may not (`CAP_SYS_PTRACE` and `CAP_SYS_NICE`).
pub fn evict_code(pid: i32, name: &str) -> io::Result<usize> {
    // SAFETY: takes two numbers; the descriptor it gives is ours to close.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // A descriptor is an int.
    let descriptor = descriptor as libc::c_int;
    let evicted = ranges(pid, name)?.into_iter().try_fold(0, |bytes, (from, len)| {
        let range = libc::iovec { iov_base: from as *mut libc::c_void, iov_len: len };
        // SAFETY: `range` is live for the call and names memory of the other process, which the
        // kernel alone looks at; nothing of ours is read or written.
        let done = unsafe {
            libc::syscall(
                libc::SYS_process_madvise,
                descriptor,
                &raw const range,
                1usize,
                MADV_PAGEOUT,
                0u32,
            )
        };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(bytes + done as usize) }
    });
    // SAFETY: the descriptor was opened above and is closed once.
    unsafe { libc::close(descriptor) };
    evicted
}

/// (address, bytes) of the executable mappings of a file, by the end of its path.
fn ranges(pid: i32, name: &str) -> io::Result<Vec<(usize, usize)>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let parsed = maps.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (from, to) = words.next()?.split_once('-')?;
        let is_code = words.next()?.contains('x');
        let is_wanted = line.ends_with(&format!("/{name}"));
        let number = |text| usize::from_str_radix(text, 16).ok();
        let (from, to) = (number(from)?, number(to)?);
        (is_code && is_wanted).then_some((from, to.checked_sub(from)?))
    });
    Ok(parsed.collect())
}
