//! Locking memory, in a process of its own: it binds all that the process maps later.

use tickspin_host::memory::{MemoryError, Table, lock_all};

fn locked_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmLck:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn memory_is_locked_or_the_error_names_the_limit_and_the_cure() {
    let before = locked_kib();
    match lock_all() {
        Ok(()) => {
            assert!(locked_kib() > before);
            let mut table = Table::<u64>::new(1 << 17, false).unwrap();
            table.as_mut_slice()[5] = 1;
            assert!(locked_kib() >= before + 1024, "later mappings are locked too");
        }
        Err(error) => {
            // The test machine has a limit: either all of now, or nothing.
            let only_now = matches!(error, MemoryError::LockedOnlyNow { .. });
            assert!(only_now || matches!(error, MemoryError::LockLimit { .. }), "{error}");
            assert_eq!(only_now, locked_kib() > before, "{error}");
            assert!(error.is_permission(), "{error}");
            let text = error.to_string();
            assert!(text.contains("RLIMIT_MEMLOCK") && text.contains("prlimit"), "{text}");
            assert!(!text.contains('\n'), "{text}");
            // And the process can still map more than the limit.
            assert_eq!(Table::<u64>::new(4 << 20, true).unwrap().as_slice().len(), 4 << 20);
        }
    }
}
