//! Listen, attach, observe: one message each way, then the connection is closed.
//!
//! ```text
//!   engine                         feed                        observer
//!     │── Attach + its segments ──►│                              │
//!     │◄── Offer + its segments ───│   (once in an epoch)         │
//!     │                            │◄──────────── Observe ────────│
//!     │                            │── Offer + everybody's ──────►│
//!     │◄── Refuse: one line ───────│── Refuse: one line ─────────►│
//! ```

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Claim, Role, RuntimeDir, SOCKET,
    files::{Dir, own_uid},
    message::{MESSAGE_BYTES, Message, Purpose, SEGMENTS_MAX},
    socket::{self, Arrived},
};
use crate::{
    error::MeetError,
    region::{Received, Share},
};

/// How long one side waits for the other's message once they are connected.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a waiting side looks whether it shall stop.
const SLICE: Duration = Duration::from_millis(20);

fn failed(doing: &'static str) -> impl Fn(io::Error) -> MeetError {
    move |error| MeetError::io(doing, Path::new(""), error)
}

/// The feed's end of the meeting place.
pub struct Listener {
    socket: OwnedFd,
    build: String,
    dir: RuntimeDir,
    run: String,
    run_dir: Arc<Dir>,
    /// The engine's segments once it attached, for observers.
    kept: Vec<Received>,
    is_granted: bool,
}

/// What became of one call of [`Listener::serve`].
#[derive(Debug)]
pub enum Served {
    /// Nobody came within the timeout.
    Nothing,
    /// The engine attached; its segments.
    Attached(Vec<Received>),
    /// Somebody looked.
    Observed,
    /// Somebody was sent away, and told why.
    Refused(String),
}

impl Listener {
    /// Opens the run's socket. `build`: this program's build id; an engine with another is refused
    /// by name.
    ///
    /// # Errors
    /// The claim is not the feed's, the build id is too long, or a system call failed.
    pub fn bind(claim: &Claim, build: &str) -> Result<Self, MeetError> {
        if claim.role != Role::Feed {
            return Err(MeetError::WrongRole { needed: Role::Feed.name() });
        }
        // Also checks the build id.
        new_message(Purpose::Offer, build, &[], String::new()).encode()?;
        // A dead feed's socket may still lie there; the claim says that it is dead.
        claim.run_dir.remove_file(SOCKET)?;
        let socket = socket::listen(&claim.run_dir.entry(SOCKET))
            .map_err(|error| MeetError::io("listen at", &claim.run_dir.shown(SOCKET), error))?;
        Ok(Self {
            socket,
            build: build.to_owned(),
            dir: claim.dir.clone(),
            run: claim.run.clone(),
            run_dir: Arc::clone(&claim.run_dir),
            kept: Vec::new(),
            is_granted: false,
        })
    }

    /// Serves one connection, if one comes within `timeout`; a signal ends the wait early. `mine`
    /// goes to both engine and observers; what the engine sent (duplicates are kept inside) goes to
    /// observers too. Grants one attach per epoch. Takes at most two seconds more than `timeout`,
    /// whatever the other side does.
    ///
    /// # Errors
    /// A system call on the listening socket failed. What a single visitor does wrong is
    /// [`Served::Refused`].
    pub fn serve(&mut self, timeout: Duration, mine: &[Share<'_>]) -> Result<Served, MeetError> {
        if !socket::wait(&self.socket, libc::POLLIN, timeout)
            .map_err(failed("wait for a visitor"))?
        {
            return Ok(Served::Nothing);
        }
        let accepted = socket::accept(&self.socket).map_err(failed("accept a visitor"))?;
        let Some(visitor) = accepted else { return Ok(Served::Nothing) };
        match self.answer(&visitor, mine) {
            Ok(served) => Ok(served),
            Err(error) => {
                let why = reason(&error);
                let refusal = new_message(Purpose::Refuse, &self.build, &[], why.clone());
                // A visitor that is gone needs no answer.
                let _ = send(&visitor, &refusal, &[]);
                Ok(Served::Refused(why))
            }
        }
    }

    fn answer(&mut self, visitor: &OwnedFd, mine: &[Share<'_>]) -> Result<Served, MeetError> {
        check_peer(visitor)?;
        let deadline = Instant::now() + PATIENCE;
        let Some((hello, received)) = receive(visitor, deadline, &|| false)? else {
            return Err(MeetError::ForeignMessage("it left without a word"));
        };
        match hello.purpose {
            Purpose::Attach => self.attach(visitor, &hello, received, mine),
            Purpose::Observe if received.is_empty() => {
                let kept = self.kept.iter().map(as_share);
                let everything: Vec<_> = mine.iter().copied().chain(kept).collect();
                offer(visitor, &self.build, &everything)?;
                Ok(Served::Observed)
            }
            _ => Err(MeetError::ForeignMessage("not a visitor's message")),
        }
    }

    fn attach(
        &mut self,
        visitor: &OwnedFd,
        hello: &Message,
        received: Vec<Received>,
        mine: &[Share<'_>],
    ) -> Result<Served, MeetError> {
        let refuse = |why: String| Err(MeetError::Refused(why));
        if hello.build != self.build {
            return refuse(format!(
                "the engine is build {:?}, the feed is build {:?}; build both together",
                hello.build, self.build
            ));
        }
        let Some(owner) = self.dir.owner(&self.run, Role::Engine)? else {
            return refuse(format!("nobody holds the engine's role of run {}", self.run));
        };
        if self.is_granted {
            return refuse(format!(
                "run {} has had its engine in this epoch; {owner} holds the role now",
                self.run
            ));
        }
        let copies = received.iter().map(|segment| as_share(segment).to_received());
        let kept = copies.collect::<io::Result<_>>().map_err(failed("duplicate a descriptor"))?;
        offer(visitor, &self.build, mine)?;
        self.is_granted = true;
        self.kept = kept;
        Ok(Served::Attached(received))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // The claim, or the next command that sees the dead run, removes it otherwise.
        let _ = self.run_dir.remove_file(SOCKET);
    }
}

/// The engine's side: waits up to `wait` for the feed to listen, hands over its segments, gets the
/// feed's. `stop` is asked about 50 times a second. The engine must hold its [`Claim`] (checked).
///
/// # Errors
/// `Refused` with the feed's reason, `TimedOut`, `Stopped`, a foreign peer or message, or a system
/// call that failed.
pub fn attach(
    claim: &Claim,
    build: &str,
    mine: &[Share<'_>],
    wait: Duration,
    stop: &dyn Fn() -> bool,
) -> Result<Vec<Received>, MeetError> {
    if claim.role != Role::Engine {
        return Err(MeetError::WrongRole { needed: Role::Engine.name() });
    }
    let hello = new_message(Purpose::Attach, build, mine, String::new());
    let deadline = Instant::now() + wait;
    loop {
        if stop() {
            return Err(MeetError::Stopped);
        }
        if let Some((answer, received)) = ask(&claim.run_dir, &hello, mine, deadline, stop)? {
            let received = accepted(answer, received, Some(build))?;
            claim.note_attached()?;
            return Ok(received);
        }
        if Instant::now() >= deadline {
            let after_ms = wait.as_millis() as u64;
            return Err(MeetError::TimedOut { waiting_for: "the feed to listen", after_ms });
        }
        std::thread::sleep(SLICE);
    }
}

/// An observer's side: read-only descriptors of everything both ends write. Waits at most about a
/// second.
///
/// # Errors
/// `NoSuchRun` where no feed lives, otherwise as [`attach`].
pub fn observe(dir: &RuntimeDir, run: &str) -> Result<Vec<Received>, MeetError> {
    let no_such_run = || MeetError::NoSuchRun(run.to_owned());
    if dir.owner(run, Role::Feed)?.is_none() {
        return Err(no_such_run());
    }
    let run_dir = dir.run_dir(run)?.ok_or_else(no_such_run)?;
    let hello = new_message(Purpose::Observe, "", &[], String::new());
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some((answer, received)) = ask(&run_dir, &hello, &[], deadline, &|| false)? {
            return accepted(answer, received, None);
        }
        if Instant::now() >= deadline {
            let after_ms = PATIENCE.as_millis() as u64;
            return Err(MeetError::TimedOut { waiting_for: "the feed's answer", after_ms });
        }
        std::thread::sleep(SLICE);
    }
}

/// Connects, sends `hello`, waits for the answer. `None`: nobody listens (yet), or the listener
/// went away.
fn ask(
    run_dir: &Dir,
    hello: &Message,
    mine: &[Share<'_>],
    deadline: Instant,
    stop: &dyn Fn() -> bool,
) -> Result<Option<(Message, Vec<Received>)>, MeetError> {
    let socket = match socket::connect(&run_dir.entry(SOCKET)) {
        Ok(socket) => socket,
        Err(error) => {
            return match error.raw_os_error() {
                // No socket, nobody behind it, or a full waiting room.
                Some(libc::ENOENT | libc::ECONNREFUSED | libc::EAGAIN | libc::EINTR) => Ok(None),
                _ => Err(MeetError::io("connect to", &run_dir.shown(SOCKET), error)),
            };
        }
    };
    check_peer(&socket)?;
    match send(&socket, hello, mine) {
        Err(MeetError::Io { source, .. }) if is_gone(&source) => return Ok(None),
        other => other?,
    }
    receive(&socket, deadline, stop)
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPIPE | libc::ECONNRESET | libc::ENOTCONN))
}

/// What the feed answered: its segments, or its refusal.
fn accepted(
    answer: Message,
    received: Vec<Received>,
    build: Option<&str>,
) -> Result<Vec<Received>, MeetError> {
    match answer.purpose {
        Purpose::Refuse => Err(MeetError::Refused(answer.text)),
        Purpose::Offer if build.is_none_or(|own| own == answer.build) => Ok(received),
        Purpose::Offer => Err(MeetError::Refused(format!(
            "the feed is build {:?}, the engine is build {:?}; build both together",
            answer.build,
            build.unwrap_or_default()
        ))),
        _ => Err(MeetError::ForeignMessage("not a listener's message")),
    }
}

/// The reason as the visitor shall read it: a refusal's own words, anything else by its message.
fn reason(error: &MeetError) -> String {
    match error {
        MeetError::Refused(why) => why.clone(),
        other => other.to_string(),
    }
}

fn check_peer(socket: &OwnedFd) -> Result<(), MeetError> {
    match socket::peer_uid(socket).map_err(failed("ask who is at the other end"))? {
        uid if uid == own_uid() => Ok(()),
        uid => Err(MeetError::ForeignPeer { uid }),
    }
}

fn as_share(received: &Received) -> Share<'_> {
    Share { kind: received.kind, label: &received.label, fd: received.fd.as_fd() }
}

fn new_message(purpose: Purpose, build: &str, shares: &[Share<'_>], text: String) -> Message {
    let segments = shares.iter().map(|share| (share.kind, share.label.to_owned())).collect();
    Message { purpose, build: build.to_owned(), segments, text }
}

fn offer(visitor: &OwnedFd, build: &str, shares: &[Share<'_>]) -> Result<(), MeetError> {
    send(visitor, &new_message(Purpose::Offer, build, shares, String::new()), shares)
}

fn send(socket: &OwnedFd, message: &Message, shares: &[Share<'_>]) -> Result<(), MeetError> {
    let bytes = message.encode()?;
    let fds: Vec<BorrowedFd<'_>> = shares.iter().map(|share| share.fd).collect();
    let sending = failed("send a message");
    // The one message always fits into an empty socket's buffer; the wait is for the kernel's
    // memory.
    if !socket::wait(socket, libc::POLLOUT, PATIENCE).map_err(&sending)? {
        let after_ms = PATIENCE.as_millis() as u64;
        return Err(MeetError::TimedOut { waiting_for: "the other side to read", after_ms });
    }
    socket::send(socket, &bytes, &fds).map_err(sending)
}

/// One message, or `None` if the other side left without one.
fn receive(
    socket: &OwnedFd,
    deadline: Instant,
    stop: &dyn Fn() -> bool,
) -> Result<Option<(Message, Vec<Received>)>, MeetError> {
    let start = Instant::now();
    let receiving = failed("receive a message");
    while !socket::wait(socket, libc::POLLIN, SLICE).map_err(&receiving)? {
        if stop() {
            return Err(MeetError::Stopped);
        }
        if Instant::now() >= deadline {
            let after_ms = start.elapsed().as_millis() as u64;
            return Err(MeetError::TimedOut { waiting_for: "the other side's message", after_ms });
        }
    }
    let mut bytes = [0; MESSAGE_BYTES];
    let Arrived { bytes: length, fds, is_whole } = match socket::receive(socket, &mut bytes) {
        Err(error) if is_gone(&error) => return Ok(None),
        other => other.map_err(receiving)?,
    };
    if length == 0 {
        return Ok(None);
    }
    if !is_whole {
        return Err(MeetError::ForeignMessage("longer than a message, or too many descriptors"));
    }
    let message = Message::decode(&bytes[..length], fds.len())?;
    let pairs = message.segments.iter().cloned().zip(fds);
    let received = pairs.map(|((kind, label), fd)| Received { kind, label, fd }).collect();
    Ok(Some((message, received)))
}

const _: () =
    assert!(SEGMENTS_MAX >= 10, "both ends: three rings, their positions, counters, tallies");
