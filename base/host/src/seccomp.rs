//! A filter of system calls: what a running process may still ask the kernel for.
//!
//! A list of allowed calls by number; every other one fails with EPERM, or ends the process. There is
//! no way back, and threads and children inherit it.
//! Cost: a call that is in the list pays some 0.1 µs more, one at its end the most: put the frequent
//! ones first. A loop that makes no calls pays nothing.
//!
//! When it is the wrong choice: before all is set up (a library may open files late), and as the only
//! fence: arguments are not looked at.

use crate::socket::done;
use std::io;

/// What happens to a call that is not in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// It fails with EPERM.
    Refuse,
    /// The whole process ends with SIGSYS.
    Kill,
}

/// Calls that sockets, files, the allocator, threads that are there already, and an end need.
pub const RUNNING: [libc::c_long; 48] = [
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_futex,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_sched_yield,
    libc::SYS_getsockopt,
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_lseek,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_gettid,
    libc::SYS_getpid,
    // The first moments of a thread that was started just before; new ones are not in the list.
    libc::SYS_rseq,
    libc::SYS_set_robust_list,
    libc::SYS_sched_getaffinity,
    // A panic's message and its end.
    libc::SYS_writev,
    libc::SYS_tgkill,
    libc::SYS_getrandom,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_readlink,
    libc::SYS_getcwd,
    libc::SYS_fcntl,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Calls beside those of [`RUNNING`] that keeping house needs: results are written and moved to their
/// names, files are looked for, locks looked at and let go; a thread gives up what it may still do.
pub const HOUSE: [libc::c_long; 18] = [
    libc::SYS_capset,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlink,
    libc::SYS_unlinkat,
    libc::SYS_rmdir,
    libc::SYS_mkdir,
    libc::SYS_ftruncate,
    libc::SYS_getdents64,
    libc::SYS_flock,
    libc::SYS_dup,
    libc::SYS_geteuid,
    libc::SYS_getuid,
    libc::SYS_ioctl,
    libc::SYS_sched_setaffinity,
    libc::SYS_prctl,
    libc::SYS_getrusage,
];

// include/uapi/linux/audit.h: little-endian, 64 bits, machine 62.
const AUDIT_ARCH_X86_64: u32 = 0xC000_003E;
/// Numbers from here on are those of the x32 interface.
const X32_BIT: u32 = 0x4000_0000;
/// Offsets in `struct seccomp_data`, include/uapi/linux/seccomp.h.
const NUMBER_OFFSET: u32 = 0;
const ARCHITECTURE_OFFSET: u32 = 4;
/// The most instructions of a filter.
const INSTRUCTIONS_MAX: usize = 4_096;

/// Installs the filter on all threads of this process.
///
/// # Errors
/// The kernel has no seccomp, or the list is longer than 2,000 calls. Nothing is filtered then.
pub fn install(allowed: &[libc::c_long], otherwise: Otherwise) -> io::Result<()> {
    let mut filter = program(allowed, otherwise);
    if filter.len() > INSTRUCTIONS_MAX {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // Without this a filter needs CAP_SYS_ADMIN.
    // SAFETY: takes numbers.
    done(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1_u64, 0_u64, 0_u64, 0_u64) })?;
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    let (mode, flags) = (libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_TSYNC);
    // SAFETY: `program` and the instructions that it names are live; the kernel copies them.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program) };
    match result {
        0 => Ok(()),
        // The number of a thread that has another filter.
        thread if thread > 0 => Err(io::Error::from_raw_os_error(libc::EBUSY)),
        _ => Err(io::Error::last_os_error()),
    }
}

fn program(allowed: &[libc::c_long], otherwise: Otherwise) -> Vec<libc::sock_filter> {
    let no = match otherwise {
        Otherwise::Refuse => libc::SECCOMP_RET_ERRNO | libc::EPERM as u32,
        Otherwise::Kill => libc::SECCOMP_RET_KILL_PROCESS,
    };
    let step = |code: u32, k, jt, jf| libc::sock_filter { code: code as u16, jt, jf, k };
    let load = |offset| step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0, 0);
    let answer = |k| step(libc::BPF_RET | libc::BPF_K, k, 0, 0);
    let equal = |k, jt, jf| step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, k, jt, jf);
    let mut program = vec![
        load(ARCHITECTURE_OFFSET),
        equal(AUDIT_ARCH_X86_64, 1, 0),
        answer(libc::SECCOMP_RET_KILL_PROCESS),
        load(NUMBER_OFFSET),
        step(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, X32_BIT, 0, 1),
        answer(no),
    ];
    for &number in allowed {
        program.extend([equal(number as u32, 0, 1), answer(libc::SECCOMP_RET_ALLOW)]);
    }
    program.push(answer(no));
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a filter as the kernel would.
    fn run(program: &[libc::sock_filter], architecture: u32, number: u32) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let step = program[at];
            at += 1;
            match step.code {
                0x20 => value = if step.k == 0 { number } else { architecture },
                0x15 => at += usize::from(if value == step.k { step.jt } else { step.jf }),
                0x35 => at += usize::from(if value >= step.k { step.jt } else { step.jf }),
                0x06 => return step.k,
                code => panic!("{code:#x}"),
            }
        }
    }

    #[test]
    fn what_is_in_the_list_passes_and_nothing_else() {
        let allowed = [libc::SYS_read, libc::SYS_exit_group];
        for (otherwise, no) in [(Otherwise::Refuse, 0x0005_0001), (Otherwise::Kill, 0x8000_0000)] {
            let program = program(&allowed, otherwise);
            for number in 0..500_u32 {
                let passes = allowed.contains(&libc::c_long::from(number));
                let want = if passes { libc::SECCOMP_RET_ALLOW } else { no };
                assert_eq!(run(&program, AUDIT_ARCH_X86_64, number), want, "{number}");
            }
            assert_eq!(run(&program, AUDIT_ARCH_X86_64, X32_BIT), no);
            assert_eq!(run(&program, 0x4000_0003, 0), libc::SECCOMP_RET_KILL_PROCESS);
        }
        assert!(install(&[1; 3_000], Otherwise::Refuse).is_err());
    }
}
