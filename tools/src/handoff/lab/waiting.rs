//! How a receiver waits for what is only memory or a descriptor, and how it is woken.

use super::experiment::Waiting;
use crate::error::Failure;
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::OnceLock;
use std::thread::{self, Thread};

/// The sender's part: after each message.
pub(super) enum Waker {
    /// Whoever spins sees it by himself.
    None,
    /// A futex, through the standard library; a system call only where the other one sleeps.
    Unpark(Arc<OnceLock<Thread>>),
    /// One more in the counter.
    Event(Arc<OwnedFd>),
}

impl Waker {
    #[inline(always)]
    pub(super) fn wake(&self) {
        match self {
            Waker::None => {}
            Waker::Unpark(thread) => {
                if let Some(thread) = thread.get() {
                    thread.unpark();
                }
            }
            Waker::Event(event) => {
                let _ = rustix::io::write(event, &1_u64.to_ne_bytes());
            }
        }
    }
}

/// The receiver's part: when nothing was there.
pub(super) enum Waiter {
    Spin,
    Pause,
    Yield,
    Park(Arc<OnceLock<Thread>>),
    /// Until the descriptor is readable; an event counter is emptied, too.
    Epoll {
        epoll: OwnedFd,
        event: Option<Arc<OwnedFd>>,
    },
    /// The transport itself blocks.
    Block,
}

impl Waiter {
    /// On the receiver's thread, before the first message: it is this one that is to be woken.
    pub(super) fn begin(&self) {
        if let Waiter::Park(thread) = self {
            let _ = thread.set(thread::current());
        }
    }

    #[inline(always)]
    pub(super) fn wait(&self) {
        match self {
            Waiter::Spin | Waiter::Block => {}
            Waiter::Pause => spin_loop(),
            Waiter::Yield => thread::yield_now(),
            Waiter::Park(_) => thread::park(),
            Waiter::Epoll { epoll, event } => {
                let mut events = [epoll::Event {
                    flags: epoll::EventFlags::empty(),
                    data: epoll::EventData::new_u64(0),
                }; 1];
                let _ = epoll::wait(epoll, &mut events, None);
                if let Some(event) = event {
                    let _ = rustix::io::read(event, &mut [0_u8; 8]);
                }
            }
        }
    }
}

/// Both parts, for a transport with or without a descriptor of its own.
pub(super) fn pair(
    waiting: Waiting,
    descriptor: Option<BorrowedFd<'_>>,
) -> Result<(Waker, Waiter), Failure> {
    let failed = |error: rustix::io::Errno| Failure::environment(format_args!("epoll: {error}"));
    Ok(match waiting {
        Waiting::Spin => (Waker::None, Waiter::Spin),
        Waiting::Pause => (Waker::None, Waiter::Pause),
        Waiting::Yield => (Waker::None, Waiter::Yield),
        Waiting::Futex => {
            let thread = Arc::new(OnceLock::new());
            (Waker::Unpark(Arc::clone(&thread)), Waiter::Park(thread))
        }
        Waiting::Epoll => {
            let poll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(failed)?;
            let watch = |fd: BorrowedFd<'_>| {
                let data = epoll::EventData::new_u64(0);
                epoll::add(&poll, fd, data, epoll::EventFlags::IN).map_err(failed)
            };
            if let Some(descriptor) = descriptor {
                watch(descriptor)?;
                (Waker::None, Waiter::Epoll { epoll: poll, event: None })
            } else {
                let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
                let event = Arc::new(eventfd(0, flags).map_err(failed)?);
                watch(event.as_fd())?;
                (
                    Waker::Event(Arc::clone(&event)),
                    Waiter::Epoll { epoll: poll, event: Some(event) },
                )
            }
        }
        Waiting::Block | Waiting::Async | Waiting::Task => (Waker::None, Waiter::Block),
    })
}
