//! The thread that asks for lost packets: the pinned one only puts a request into a queue and looks for
//! answers in another.
//!
//! It sleeps a millisecond at a time, since the pinned thread cannot wake it without a system call: a
//! hole is open for so much longer, and a core of cold threads is woken a thousand times a second. For
//! some milliseconds after a request it looks for answers more often.
//! Where no server is named there is no such thread.

use super::{Answers, Questions};
use crate::error::EngineError;
use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tickspin_hot::input::mold::Reply;
use tickspin_wire::moldudp64::Request;

/// Requests that wait to be sent.
const QUESTIONS: usize = 256;
/// Answers that wait to be taken: more than our own server sends for a request. Those that find no place are
/// asked for again.
const ANSWERS: usize = 1_024;
/// Between two looks at the queue of requests.
const NAP: Duration = Duration::from_millis(1);
/// Between two looks at the socket while answers are due.
const SHORT_NAP: Duration = Duration::from_micros(100);
/// How long after a request they are.
const ANSWERED_WITHIN: Duration = Duration::from_millis(5);
/// The longest datagram that is of use, and a byte more, so that a longer one is known.
const BUFFER_BYTES: usize = 2_048;

/// What the thread counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AskCounts {
    /// Requests sent.
    pub sent: u64,
    /// Requests that the kernel refused to send.
    pub refused: u64,
    /// Datagrams that came.
    pub answers: u64,
    /// Of these: too long, or without a place in the queue.
    pub dropped: u64,
}

/// Both queues, each end once.
pub struct Queues {
    /// For the pinned thread.
    pub hot: (Questions, Answers),
    /// For the thread.
    pub cold: (HeapCons<Request>, HeapProd<Reply>),
}

impl Queues {
    /// Empty ones, every page of them touched.
    #[must_use]
    pub fn new() -> Queues {
        let (questions, asked) = HeapRb::<Request>::new(QUESTIONS).split();
        let (mut answered, mut answers) = HeapRb::<Reply>::new(ANSWERS).split();
        if let Some(empty) = Reply::of(&[]) {
            while answered.try_push(empty).is_ok() {}
        }
        answers.clear();
        Queues { hot: (questions, answers), cold: (asked, answered) }
    }
}

impl Default for Queues {
    fn default() -> Queues {
        Queues::new()
    }
}

/// The running thread.
pub struct Asker {
    handle: JoinHandle<AskCounts>,
    is_over: Arc<AtomicBool>,
}

impl Asker {
    /// Starts it; it inherits what the calling thread may and may not do.
    ///
    /// # Errors
    /// No socket or no thread is to be had.
    pub fn start(
        server: SocketAddrV4,
        queues: (HeapCons<Request>, HeapProd<Reply>),
    ) -> Result<Asker, EngineError> {
        let failed = |source| EngineError::Ask { server, source };
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(failed)?;
        socket.connect(server).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let handle = thread::Builder::new()
            .name("tickspin-ask".to_owned())
            .spawn(move || work(&socket, queues, &told))
            .map_err(failed)?;
        Ok(Asker { handle, is_over })
    }

    /// Ends it.
    ///
    /// # Errors
    /// It panicked: a defect.
    pub fn finish(self) -> Result<AskCounts, EngineError> {
        // PAIR over: nothing is handed over by it.
        self.is_over.store(true, Ordering::Relaxed);
        self.handle.join().map_err(|_| EngineError::Thread("tickspin-ask"))
    }
}

fn work(
    socket: &UdpSocket,
    (mut asked, mut answered): (HeapCons<Request>, HeapProd<Reply>),
    is_over: &AtomicBool,
) -> AskCounts {
    let mut counts = AskCounts::default();
    let mut buffer = [0; BUFFER_BYTES];
    let mut asked_at: Option<Instant> = None;
    while !is_over.load(Ordering::Relaxed) {
        while let Some(request) = asked.try_pop() {
            asked_at = Some(Instant::now());
            match socket.send(&request.encode()) {
                Ok(_) => counts.sent += 1,
                Err(_) => counts.refused += 1,
            }
        }
        // An error is "nothing there", or that nobody listens at the server's port: asked again, somebody
        // may.
        while let Ok(len) = socket.recv(&mut buffer) {
            counts.answers += 1;
            let reply = Reply::of(buffer.get(..len).unwrap_or_default());
            let is_taken = reply.is_some_and(|reply| answered.try_push(reply).is_ok());
            counts.dropped += u64::from(!is_taken);
        }
        let is_due = asked_at.is_some_and(|at| at.elapsed() < ANSWERED_WITHIN);
        thread::sleep(if is_due { SHORT_NAP } else { NAP });
    }
    counts
}
