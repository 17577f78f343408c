//! The clock against the kernel's, on this machine.

use std::time::Duration;
use tickspin_host::clock::{Clock, read_cost, ticks, ticks_ordered};

fn kernel_ns(clock: libc::clockid_t) -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a live, writable timespec.
    let result = unsafe { libc::clock_gettime(clock, &raw mut now) };
    assert_eq!(result, 0);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// (ticks, kernel ns, width of the bracket in ticks), the tightest of many.
fn both(clock: libc::clockid_t) -> (u64, u64, u64) {
    (0..500)
        .map(|_| {
            let before = ticks_ordered();
            let ns = kernel_ns(clock);
            let after = ticks_ordered();
            (before + (after - before) / 2, ns, after - before)
        })
        .min_by_key(|read| read.2)
        .unwrap()
}

#[test]
fn calibration_agrees_with_the_kernels_clock_within_its_stated_error() {
    let clock = Clock::calibrate(Duration::from_millis(100)).unwrap();
    assert!(clock.error_ppm() > 0.0 && clock.error_ppm() < 100.0, "{clock:?}");
    let (start_ticks, start_ns, start_width) = both(libc::CLOCK_MONOTONIC_RAW);
    std::thread::sleep(Duration::from_secs(1));
    let (end_ticks, end_ns, end_width) = both(libc::CLOCK_MONOTONIC_RAW);
    let ours = clock.ns(end_ticks - start_ticks);
    let theirs = end_ns - start_ns;
    // What the clock claims, and what this measurement itself may be wrong by.
    let reading_ns = clock.ns(start_width + end_width) + 3;
    let stated_ns = theirs as f64 * clock.error_ppm() / 1e6;
    assert!(
        ours.abs_diff(theirs) as f64 <= stated_ns + reading_ns as f64,
        "{ours} against {theirs} ns; stated {stated_ns:.0}, reading {reading_ns}; {clock:?}"
    );
}

#[test]
fn a_longer_calibration_states_a_smaller_error() {
    let short = Clock::calibrate(Duration::ZERO).unwrap();
    let long = Clock::calibrate(Duration::from_millis(200)).unwrap();
    assert!(long.error_ppm() < short.error_ppm(), "{short:?} {long:?}");
    let apart = short.ticks_per_second().abs_diff(long.ticks_per_second()) as f64;
    let apart_ppm = apart / long.ticks_per_second() as f64 * 1e6;
    assert!(apart_ppm <= short.error_ppm() + long.error_ppm(), "{short:?} {long:?}");
}

#[test]
fn readings_never_go_back_not_even_across_threads() {
    let clock = Clock::calibrate(Duration::ZERO).unwrap();
    let mut last = clock.ns(ticks());
    for turn in 0..200_000 {
        let now = clock.ns(if turn % 2 == 0 { ticks_ordered() } else { ticks() });
        assert!(now >= last);
        last = now;
    }
    for _ in 0..50 {
        let there = std::thread::spawn(ticks_ordered).join().unwrap();
        assert!(clock.ns(there) >= last, "another core's counter is behind");
        last = clock.ns(ticks_ordered());
        assert!(ticks_ordered() >= there);
    }
}

#[test]
fn the_origin_is_the_time_of_day() {
    let clock = Clock::calibrate(Duration::from_millis(20)).unwrap();
    let (ticks, now, _) = both(libc::CLOCK_REALTIME);
    assert!(clock.realtime_ns(ticks).abs_diff(now) < 1_000_000, "within a millisecond");
}

#[test]
fn a_read_has_a_cost_and_a_step() {
    let clock = Clock::calibrate(Duration::from_millis(20)).unwrap();
    let (cost_ns, step_ns) = read_cost(&clock);
    assert!(cost_ns > 0.5 && cost_ns < 2_000.0, "{cost_ns}");
    assert!(step_ns > 0.0 && step_ns <= cost_ns * 4.0, "{step_ns} {cost_ns}");
}
