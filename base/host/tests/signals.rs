//! The stop flag and real signals: one test, because both belong to the whole process.

use std::ptr;
use tickspin_host::process::{
    catch_stop_signals, clear_stop, is_closed_pipe, quiet_pipes, request_stop, stop_signal,
};

fn raise(signal: i32) {
    // SAFETY: a signal to this very thread; its handler has returned when the call does.
    assert_eq!(unsafe { libc::raise(signal) }, 0);
}

fn disposition(signal: i32) -> libc::sighandler_t {
    // SAFETY: plain data, overwritten by the call below.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: nothing is set; `action` is live and writable.
    assert_eq!(unsafe { libc::sigaction(signal, ptr::null(), &raw mut action) }, 0);
    action.sa_sigaction
}

#[test]
fn the_first_reason_wins_and_a_second_interrupt_restores_the_default() {
    catch_stop_signals();
    assert_eq!(stop_signal(), 0);
    raise(libc::SIGTERM);
    assert_eq!(stop_signal(), libc::SIGTERM);
    request_stop(1_001);
    assert_eq!(stop_signal(), libc::SIGTERM, "the first reason wins");

    clear_stop();
    request_stop(1_001);
    raise(libc::SIGTERM);
    assert_eq!(stop_signal(), 1_001);

    clear_stop();
    raise(libc::SIGINT);
    assert_eq!(stop_signal(), libc::SIGINT);
    assert_ne!(disposition(libc::SIGINT), libc::SIG_DFL);
    raise(libc::SIGINT);
    assert_eq!(stop_signal(), libc::SIGINT);
    assert_eq!(disposition(libc::SIGINT), libc::SIG_DFL, "the next one kills");
    assert_ne!(disposition(libc::SIGTERM), libc::SIG_DFL);

    quiet_pipes();
    assert_eq!(disposition(libc::SIGPIPE), libc::SIG_IGN);
    assert_eq!(disposition(libc::SIGXFSZ), libc::SIG_IGN);
    let (reader, mut writer) = std::io::pipe().unwrap();
    drop(reader);
    let error = std::io::Write::write(&mut writer, b"x").unwrap_err();
    assert!(is_closed_pipe(&error));
}
