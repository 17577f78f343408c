//! Privileges and system calls given up for good, each in a process of its own.

use std::net::UdpSocket;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};
use tickspin_host::af_packet::AfPacketSource;
use tickspin_host::packets::Flow;
use tickspin_host::process::is_root;
use tickspin_host::rights::{self, User};
use tickspin_host::seccomp::{self, Otherwise, RUNNING};

/// This very program again, as one test of it that does something only as a child.
fn child(name: &str) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--ignored", "--nocapture"]).env("TICKSPIN_CHILD", name);
    command.output().unwrap()
}

fn is_child(name: &str) -> bool {
    std::env::var("TICKSPIN_CHILD").is_ok_and(|child| child == name)
}

fn succeeds(name: &str) {
    let output = child(name);
    let text = String::from_utf8_lossy(&output.stderr);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("all seen"), "{said}{text}");
}

#[test]
#[ignore = "a child of the test below"]
fn child_that_gives_up() {
    if !is_child("child_that_gives_up") {
        return;
    }
    let user = is_root().then_some(User { uid: 65_534, gid: 65_534 });
    rights::give_up(user).unwrap();
    assert!(!is_root());
    let flow = Flow { address: [239, 77, 9, 1].into(), port: 15_009 };
    let error = AfPacketSource::open("lo", &[flow], 64).unwrap_err();
    assert!(error.is_permission(), "{error}");
    assert!(error.to_string().contains("sudo setcap cap_net_raw+ep /"), "{error}");
    // Nothing comes back, and a second time does no harm.
    rights::give_up(None).unwrap();
    assert!(rights::give_up(Some(User { uid: 1, gid: 1 })).is_err());
    println!("all seen");
}

#[test]
fn given_up_privileges_are_gone_and_the_error_says_how_to_get_them() {
    succeeds("child_that_gives_up");
}

#[test]
#[ignore = "a child of the test below"]
fn child_that_is_refused() {
    if !is_child("child_that_is_refused") {
        return;
    }
    // A thread that was there before is filtered, too.
    let (send, receive) = std::sync::mpsc::channel();
    let other = std::thread::spawn(move || {
        receive.recv().unwrap();
        UdpSocket::bind("127.0.0.1:0").map(|_| ())
    });
    seccomp::install(&RUNNING, Otherwise::Refuse).unwrap();
    let error = UdpSocket::bind("127.0.0.1:0").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EPERM), "socket(2) is not in the list");
    send.send(()).unwrap();
    assert_eq!(other.join().unwrap().unwrap_err().raw_os_error(), Some(libc::EPERM));
    // What is in the list works: files, memory, time, sleeping.
    assert!(std::fs::read_to_string("/proc/self/status").unwrap().contains("Seccomp:\t2"));
    let memory = vec![1_u8; 64 << 20];
    assert_eq!(memory.iter().map(|&byte| u64::from(byte)).sum::<u64>(), 64 << 20);
    std::thread::sleep(std::time::Duration::from_millis(1));
    println!("all seen");
}

#[test]
fn a_call_outside_of_the_list_fails() {
    succeeds("child_that_is_refused");
}

#[test]
#[ignore = "a child of the test below"]
fn child_that_is_killed() {
    if !is_child("child_that_is_killed") {
        return;
    }
    seccomp::install(&RUNNING, Otherwise::Kill).unwrap();
    drop(UdpSocket::bind("127.0.0.1:0"));
    println!("all seen");
}

#[test]
fn or_ends_the_process() {
    let output = child("child_that_is_killed");
    assert_eq!(output.status.signal(), Some(libc::SIGSYS), "{output:?}");
}
