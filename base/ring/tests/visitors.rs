//! Who knocks at the feed's socket with something else than our message: sent away, told why, no
//! descriptor kept, nobody held up.

#![cfg(not(tickspin_loom))]

use std::{
    fs::File,
    io,
    mem::offset_of,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    path::Path,
    time::{Duration, Instant},
};

use tickspin_ring::rendezvous::{Claim, Listener, Role, RuntimeDir, Served};

struct Feed {
    _temp: tempfile::TempDir,
    path: std::path::PathBuf,
    listener: Listener,
    _claim: Claim,
}

fn feed() -> Feed {
    // Short, so that the plain path fits into a socket's address.
    let temp = tempfile::Builder::new().prefix("ts").tempdir_in("/tmp").unwrap();
    let dir = RuntimeDir::at(&temp.path().join("t")).unwrap();
    let claim = dir.claim("r", Role::Feed).unwrap();
    let listener = Listener::bind(&claim, "build").unwrap();
    let path = dir.path().join("r/sock");
    Feed { _temp: temp, path, listener, _claim: claim }
}

fn connect(path: &Path) -> OwnedFd {
    // SAFETY: socket takes no pointer.
    let fd = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, 0) };
    assert!(fd >= 0);
    // SAFETY: the call just succeeded, so `fd` is open and nobody else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: sockaddr_un is plain data, for which all zeros is valid.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    let bytes = path.as_os_str().as_encoded_bytes();
    for (to, &from) in address.sun_path.iter_mut().zip(bytes) {
        *to = from as libc::c_char;
    }
    let length = (offset_of!(libc::sockaddr_un, sun_path) + bytes.len() + 1) as libc::socklen_t;
    // SAFETY: the pointer is that of `address`, and `length` is at most its size.
    let result = unsafe { libc::connect(fd, (&raw const address).cast(), length) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
    socket
}

/// Sends bytes and so many copies of one descriptor.
fn send(socket: &OwnedFd, bytes: &[u8], fds: &[RawFd]) {
    let mut control = [0_u64; 64];
    control[0] = (16 + fds.len() * 4) as u64;
    control[1] = bytemuck::cast([libc::SOL_SOCKET, libc::SCM_RIGHTS]);
    bytemuck::cast_slice_mut::<u64, RawFd>(&mut control[2..])[..fds.len()].copy_from_slice(fds);
    let mut iov = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: msghdr is plain data, for which all zeros is valid.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut iov;
    header.msg_iovlen = 1;
    if !fds.is_empty() {
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = 16 + (fds.len() * 4).next_multiple_of(8);
    }
    // SAFETY: `header` points to `iov` and `control`, which live through the call.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL) };
    assert_eq!(sent, bytes.len() as isize, "{}", io::Error::last_os_error());
}

/// The answer's text, behind the fields of the fixed-size message.
fn answer(socket: &OwnedFd) -> String {
    let mut bytes = [0_u8; 2048];
    // SAFETY: the pointer and the length are those of `bytes`.
    let got = unsafe { libc::recv(socket.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    assert_eq!(got, 1024);
    let text = &bytes[496..1008];
    let end = text.iter().position(|&b| b == 0).unwrap();
    String::from_utf8(text[..end].to_vec()).unwrap()
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

// One test, because it counts this process's descriptors.
#[test]
fn foreign_visitors_are_sent_away_and_leave_nothing() {
    let mut feed = feed();
    let patience = Duration::from_secs(5);
    let file = File::open("/dev/null").unwrap();
    let mut almost = [0_u8; 1024];
    almost[..8].copy_from_slice(b"tickmeet");
    let zeros = [0_u8; 1024];
    let before = open_descriptors();
    for (bytes, fds, reason) in [
        (&b"hello"[..], 0, "wrong length"),
        (&zeros[..], 0, "wrong magic"),
        (&almost[..], 0, "unknown purpose"),
        (&[0; 1025][..], 0, "longer than a message"),
        (&zeros[..], 3, "wrong magic"),
        (&zeros[..], 17, "too many descriptors"),
        (&zeros[..], 100, "too many descriptors"),
    ] {
        let visitor = connect(&feed.path);
        send(&visitor, bytes, &vec![file.as_raw_fd(); fds]);
        match feed.listener.serve(patience, &[]).unwrap() {
            Served::Refused(why) => assert!(why.contains(reason), "{why}"),
            other => panic!("{other:?}"),
        }
        let told = answer(&visitor);
        assert!(told.contains(reason), "{told}");
        drop(visitor);
        assert_eq!(open_descriptors(), before, "{reason}: descriptors were kept");
    }

    // One that comes and goes, and one that comes and says nothing.
    drop(connect(&feed.path));
    assert!(matches!(feed.listener.serve(patience, &[]), Ok(Served::Refused(_))));
    let silent = connect(&feed.path);
    let start = Instant::now();
    assert!(matches!(feed.listener.serve(patience, &[]), Ok(Served::Refused(_))));
    assert!(start.elapsed() < Duration::from_secs(3), "held up for {:?}", start.elapsed());
    assert!(answer(&silent).contains("waited"));
    drop(silent);
    assert_eq!(open_descriptors(), before);
    assert!(matches!(feed.listener.serve(Duration::ZERO, &[]), Ok(Served::Nothing)));
}
