//! Pinning, confining and priorities, each on a thread of its own.

use std::thread;
use tickspin_host::cpu::{self, CpuError};

fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    thread::spawn(work).join().unwrap()
}

fn allowed() -> Vec<usize> {
    cpu::cores().unwrap().iter().filter(|core| core.allowed).map(|core| core.id).collect()
}

#[test]
fn a_pinned_thread_is_where_it_was_put() {
    for core in allowed() {
        apart(move || {
            cpu::pin(core).unwrap();
            for _ in 0..1_000 {
                assert_eq!(cpu::current_core(), core);
                thread::yield_now();
            }
        });
    }
}

#[test]
fn a_pinned_thread_still_sees_all_allowed_cores() {
    let before = allowed();
    let core = before[0];
    let after = apart(move || {
        cpu::pin(core).unwrap();
        allowed()
    });
    assert_eq!(before, after);
}

#[test]
fn a_core_that_does_not_exist_is_refused_and_those_that_would_do_are_listed() {
    for missing in [1_023, 1_024, usize::MAX] {
        let error = cpu::pin(missing).unwrap_err();
        let CpuError::NoSuchCore { core, would_do } = &error else { panic!("{error}") };
        assert_eq!((*core, would_do), (missing, &allowed()));
        assert!(error.to_string().contains("would do"), "{error}");
        assert!(!error.is_permission());
    }
}

#[test]
fn confined_threads_stay_there_and_so_do_threads_they_start() {
    let cores = allowed();
    let last = cores[cores.len() - 1];
    apart(move || {
        assert_eq!(cpu::confine(&[last, 9_999]).unwrap(), [last]);
        let child = thread::spawn(cpu::current_core).join().unwrap();
        assert_eq!(child, last);
        assert_eq!(cpu::release().unwrap(), cores);
    });
    assert!(matches!(cpu::confine(&[9_999]), Err(CpuError::NoSuchCore { core: 9_999, .. })));
    assert!(cpu::confine(&[]).is_err());
}

#[test]
fn fifo_is_granted_or_names_cause_and_cure() {
    assert!(matches!(cpu::fifo(0), Err(CpuError::BadPriority { priority: 0 })));
    assert!(matches!(cpu::fifo(100), Err(CpuError::BadPriority { priority: 100 })));
    // Its own thread: granted, it lasts until the thread ends.
    match apart(|| cpu::fifo(1)) {
        Ok(()) => {}
        Err(error) => {
            assert!(error.is_permission(), "{error}");
            let text = error.to_string();
            assert!(text.contains("setcap") || text.contains("cgroup"), "{text}");
        }
    }
}

#[test]
fn the_plan_for_this_machine_uses_cores_that_can_be_pinned() {
    let plan = cpu::plan(None).unwrap();
    assert_eq!(plan.must_yield, plan.feed == plan.engine);
    assert!(plan.must_yield || !plan.cold.contains(&plan.engine));
    for core in [plan.feed, plan.engine] {
        apart(move || cpu::pin(core).unwrap());
    }
    let cold = plan.cold.clone();
    assert_eq!(apart(move || cpu::confine(&cold).unwrap()), plan.cold);
    assert!(plan.why.contains(&plan.engine.to_string()) && !plan.why.contains('\n'));
}
