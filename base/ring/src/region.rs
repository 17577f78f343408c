//! The segments of a ring: its slots, written by the producer, and the consumer's position, written
//! by the consumer.
//!
//! Each is created by its one writer, sealed, and handed to the other side as a read-only
//! descriptor ([`Share`] on its way out, [`Received`] on its way in). Attaching maps it read-only,
//! copies the header once and validates it; every refusal has its own [`AttachError`].
//!
//! Cost: creating allocates and touches all memory at once (4 MiB for 65,536 slots, some
//! milliseconds); afterwards neither side takes a page fault. Wrong choice where memory must
//! outlive its writer: it has no name and goes with its last user.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

pub use crate::control::State;
pub use crate::header::{ClockWords, Header, Policy, SegmentKind};
use crate::{
    error::{AttachError, CreateError},
    header::is_label,
    layout::{self, SEGMENT_LABEL_BYTES, position, ring},
    memfd::{self, Attached, Created},
    memory::{Mapping, PeerSlots, PeerWord, Slots, Word},
    protocol::ReadSlots,
    sync::{Ordering, fence},
};

/// One descriptor on offer: reopened read-only, never the writer's original.
#[derive(Clone, Copy, Debug)]
pub struct Share<'a> {
    /// What the segment is.
    pub kind: SegmentKind,
    /// Its label, 1 to 16 printable ASCII characters, as "events".
    pub label: &'a str,
    /// Read-only.
    pub fd: BorrowedFd<'a>,
}

impl Share<'_> {
    /// What the other side receives, without a socket: for a consumer in the same process, and for
    /// tests.
    ///
    /// # Errors
    /// The kernel's, if there are no more descriptors.
    pub fn to_received(&self) -> std::io::Result<Received> {
        let fd = self.fd.try_clone_to_owned()?;
        Ok(Received { kind: self.kind, label: self.label.to_owned(), fd })
    }
}

/// What a received descriptor is.
#[derive(Debug)]
pub struct Received {
    /// What it was announced as.
    pub kind: SegmentKind,
    /// The label it was announced with.
    pub label: String,
    /// The descriptor.
    pub fd: OwnedFd,
}

/// What a ring is to be.
#[derive(Clone, Copy, Debug)]
pub struct RingSpec<'a> {
    /// 1 to 16 printable ASCII characters.
    pub label: &'a str,
    /// A power of two in 2..=2^24.
    pub slots: u32,
    /// What the producer will do when it is full.
    pub policy: Policy,
    /// Random number of this segment's life, not 0; see [`random_epoch`].
    pub epoch: u64,
    /// The producer's clock.
    pub clock: ClockWords,
    /// Ask for 2 MiB pages; where there are none, ordinary ones are taken, see
    /// [`RingSegment::has_huge_pages`].
    pub huge_pages: bool,
}

/// A header with everything that all kinds have.
pub(crate) fn new_header(
    kind: SegmentKind,
    label: &str,
    epoch: u64,
    capacity: u32,
) -> Result<Header, CreateError> {
    if !is_label(label, SEGMENT_LABEL_BYTES) {
        let label = label.to_owned();
        return Err(CreateError::BadLabel { label, bytes_max: SEGMENT_LABEL_BYTES });
    }
    if epoch == 0 {
        return Err(CreateError::ZeroEpoch);
    }
    Ok(Header {
        kind,
        label: label.to_owned(),
        epoch,
        capacity,
        policy: None,
        clock: ClockWords::default(),
        labels: Vec::new(),
        total_bytes: 0, // Set by `memfd::create`.
        owner_pid: u64::from(std::process::id()),
        owner_start: own_start_ticks(),
    })
}

/// Start time of this process in clock ticks since boot; 0 where /proc does not say. For display
/// only.
fn own_start_ticks() -> u64 {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return 0 };
    // Field 22; the second one, the command, may contain blanks and brackets, so count behind its
    // last bracket.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    rest.split_ascii_whitespace().nth(19).and_then(|field| field.parse().ok()).unwrap_or(0)
}

/// A ring segment that this process writes. Prefaulted; sealed after mapping.
pub struct RingSegment {
    created: Created,
}

impl RingSegment {
    /// Creates, prefaults and seals a ring in state [`State::Boot`].
    ///
    /// # Errors
    /// A slot count, label or epoch out of range; a system call that failed.
    pub fn create(spec: &RingSpec<'_>) -> Result<Self, CreateError> {
        let slots = spec.slots;
        if !slots.is_power_of_two() || !(ring::SLOTS_MIN..=ring::SLOTS_MAX).contains(&slots) {
            return Err(CreateError::BadSlots(slots));
        }
        let mut header = new_header(SegmentKind::Ring, spec.label, spec.epoch, slots)?;
        header.policy = Some(spec.policy);
        header.clock = spec.clock;
        let created = memfd::create(header, spec.huge_pages, |memory| {
            memory.word(ring::STATE).store(State::Boot.to_word(), Ordering::Relaxed);
        })?;
        Ok(Self { created })
    }

    /// The read-only descriptor to hand out.
    pub fn share(&self) -> Share<'_> {
        share(&self.created)
    }

    /// True where huge pages were asked for and obtained.
    pub fn has_huge_pages(&self) -> bool {
        self.created.has_huge_pages
    }

    /// The header as written.
    pub fn header(&self) -> &Header {
        &self.created.header
    }

    pub(crate) fn slots(&self) -> Slots {
        self.created.memory.slots(self.created.header.capacity)
    }

    pub(crate) fn word(&self, offset: usize) -> Word {
        self.created.memory.word(offset)
    }
}

pub(crate) fn share(created: &Created) -> Share<'_> {
    Share { kind: created.header.kind, label: &created.header.label, fd: created.shared.as_fd() }
}

/// A consumer's segment (position, heartbeat, loss counters), written by this process.
pub struct PositionSegment {
    created: Created,
}

impl PositionSegment {
    /// Creates and seals a position segment, position 0. `epoch` is the number of this segment's
    /// own life, not the ring's: a consumer makes its segments before it has seen the ring.
    ///
    /// # Errors
    /// A label or epoch out of range; a system call that failed.
    pub fn create(label: &str, epoch: u64) -> Result<Self, CreateError> {
        let header = new_header(SegmentKind::Position, label, epoch, 0)?;
        let created = memfd::create(header, false, |_| {})?;
        Ok(Self { created })
    }

    /// The read-only descriptor to hand out.
    pub fn share(&self) -> Share<'_> {
        share(&self.created)
    }

    pub(crate) fn word(&self, offset: usize) -> Word {
        self.created.memory.word(offset)
    }
}

/// Another process's ring, mapped read-only, header copied once and validated.
pub struct PeerRing {
    header: Header,
    memory: Arc<Mapping>,
    slots: PeerSlots,
    live: [PeerWord; 4],
}

impl PeerRing {
    /// Validates and maps a received ring.
    ///
    /// # Errors
    /// The first rule that the segment breaks, by name.
    pub fn attach(received: Received) -> Result<Self, AttachError> {
        let Attached { header, memory } = memfd::attach(SegmentKind::Ring, received)?;
        let slots = memory.peer_slots(header.capacity);
        let live = [ring::CURSOR, ring::HEARTBEAT, ring::STATE, ring::ERRORS]
            .map(|offset| memory.peer_word(offset));
        Ok(Self { header, memory, slots, live })
    }

    /// The ring's label.
    pub fn label(&self) -> &str {
        &self.header.label
    }

    /// Random number of this ring's life: (epoch, sequence) is unique for ever.
    pub fn epoch(&self) -> u64 {
        self.header.epoch
    }

    /// Number of slots.
    pub fn slots(&self) -> u32 {
        self.header.capacity
    }

    /// What the producer does when the ring is full.
    pub fn policy(&self) -> Policy {
        // `decode` lets no ring pass without a policy.
        self.header.policy.unwrap_or(Policy::Wait)
    }

    /// The producer's clock.
    pub fn clock(&self) -> ClockWords {
        self.header.clock
    }

    /// The validated header, for display.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The producer's live words. Relaxed; for display and for watching.
    pub fn live(&self) -> RingLive {
        let [cursor, heartbeat, state, errors] = &self.live;
        RingLive {
            cursor: cursor.load(),
            heartbeat: heartbeat.load(),
            state: State::from_word(state.load()),
            errors: errors.load(),
        }
    }

    /// A copy of slot `seq`'s payload, if it still holds that sequence. For display: the producer
    /// is not stopped, so a slot that is being overwritten at this very moment is recognised by
    /// reading it twice, which is not a proof.
    pub fn peek(&self, seq: u64) -> Option<[u64; ring::PAYLOAD_WORDS]> {
        let slot = self.slots.slot(seq);
        if seq == 0 || PeerSlots::stamp(slot) != seq {
            return None;
        }
        // PAIR publish: acquires the stamp's release.
        fence(Ordering::Acquire);
        let copy = || core::array::from_fn(|i| PeerSlots::word(slot, i));
        let first = copy();
        // PAIR publish: the second reading and the stamp's come after the first one.
        fence(Ordering::Acquire);
        let second: [u64; ring::PAYLOAD_WORDS] = copy();
        (first == second && PeerSlots::stamp(slot) == seq).then_some(first)
    }

    /// A copy of slot `seq`'s payload for a recorder, which follows and holds nobody up.
    ///
    /// It is whole, not just probably: afterwards the slot half a ring earlier must still hold its
    /// own sequence. A producer that had begun to write over `seq` would have published over that
    /// one half a ring of publishes before (a batch is at most half a ring), and on x86-64, the
    /// one machine that this is built for, stores are seen in the order in which they were made.
    /// The price: a follower that is more than half a ring behind is told that it lost.
    pub fn follow(&self, seq: u64) -> Followed {
        let slot = self.slots.slot(seq);
        let stamp = PeerSlots::stamp(slot);
        if stamp < seq {
            return Followed::NotYet;
        }
        // PAIR publish: acquires the stamp's release.
        fence(Ordering::Acquire);
        let payload = core::array::from_fn(|i| PeerSlots::word(slot, i));
        // PAIR publish: the stamps below are loaded after the payload.
        fence(Ordering::Acquire);
        let half = u64::from(self.slots() / 2);
        let earlier = seq.saturating_sub(half);
        let is_whole = PeerSlots::stamp(slot) == seq
            && (earlier == 0 || PeerSlots::stamp(self.slots.slot(earlier)) == earlier);
        if stamp == seq && is_whole { Followed::Here(payload) } else { Followed::Gone }
    }

    pub(crate) fn new_slots(&self) -> PeerSlots {
        self.memory.peer_slots(self.header.capacity)
    }

    pub(crate) fn state_word(&self) -> PeerWord {
        self.memory.peer_word(ring::STATE)
    }
}

/// What a follower finds at a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    /// Its payload.
    Here([u64; ring::PAYLOAD_WORDS]),
    /// It was not published yet.
    NotYet,
    /// The producer is half a ring ahead, or more: it is lost to this follower.
    Gone,
}

/// A ring's live words at one instant.
#[derive(Clone, Copy, Debug)]
pub struct RingLive {
    /// Highest sequence published, as the producer last said; a hint.
    pub cursor: u64,
    /// The producer's loop counter.
    pub heartbeat: u64,
    /// `None`: a word that no honest producer writes.
    pub state: Option<State>,
    /// Events that the producer dropped.
    pub errors: u64,
}

/// Another process's position segment, mapped read-only.
pub struct PeerPosition {
    header: Header,
    position: PeerWord,
    heartbeat: PeerWord,
    lost: PeerWord,
    foreign: PeerWord,
}

impl PeerPosition {
    /// Validates and maps a received position.
    ///
    /// # Errors
    /// The first rule that the segment breaks, by name.
    pub fn attach(received: Received) -> Result<Self, AttachError> {
        let Attached { header, memory } = memfd::attach(SegmentKind::Position, received)?;
        Ok(Self {
            header,
            position: memory.peer_word(position::POSITION),
            heartbeat: memory.peer_word(position::HEARTBEAT),
            lost: memory.peer_word(position::LOST),
            foreign: memory.peer_word(position::FOREIGN),
        })
    }

    /// The label, that of the ring which it is read from.
    pub fn label(&self) -> &str {
        &self.header.label
    }

    /// (position: highest sequence released, heartbeat). Relaxed; for display.
    pub fn live(&self) -> (u64, u64) {
        (self.position.load(), self.heartbeat.load())
    }

    /// (sequences lost, foreign stamps seen). Relaxed; for display.
    pub fn faults(&self) -> (u64, u64) {
        (self.lost.load(), self.foreign.load())
    }

    pub(crate) fn position_word(&self) -> PeerWord {
        self.position.clone()
    }
}

/// A random epoch from the kernel, never 0.
pub fn random_epoch() -> u64 {
    loop {
        let mut bytes = [0_u8; 8];
        // SAFETY: the pointer and the length are those of `bytes`.
        let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
        let epoch = u64::from_ne_bytes(bytes);
        // Up to 256 bytes are never cut short once the pool is ready; a signal before that repeats
        // the call.
        if got == bytes.len() as isize && epoch != 0 {
            return epoch;
        }
    }
}

const _: () = assert!(layout::ring::PAYLOAD_WORDS == 7, "the public payload is seven words");
