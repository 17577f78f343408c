//! Whatever another process hands over or writes: refused by name, or without effect.

#![cfg(not(tickspin_loom))]

use std::{
    fs::File,
    io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::fs::FileExt,
    },
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use memmap2::{MmapOptions, MmapRaw};
use tickspin_ring::{
    AttachError, Consumer, PeerPosition, PeerRing, Polled, PositionSegment, Producer, RingSegment,
    RingSpec, SegmentKind, Share,
    counters::{CounterSegment, PeerCounters},
    layout::{self, HEADER_WORDS, header as at},
    region::{ClockWords, Policy, Received},
    tally::{TallyReader, TallySegment},
};

const SEALS: i32 =
    libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_FUTURE_WRITE | libc::F_SEAL_SEAL;

/// How a forger makes a segment; the default is what an honest writer does.
struct Forge {
    seals: i32,
    mode: libc::mode_t,
    has_holes: bool,
    is_writable: bool,
}

const HONEST: Forge = Forge { seals: SEALS, mode: 0o600, has_holes: false, is_writable: false };

fn memfd() -> OwnedFd {
    // SAFETY: the name is a C string literal; the call keeps no pointer.
    let fd = unsafe {
        libc::memfd_create(c"forged".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING)
    };
    assert!(fd >= 0);
    // SAFETY: the call just succeeded, so `fd` is open and nobody else owns it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

impl Forge {
    /// A segment with these bytes, and a writable mapping of it made before the seals.
    fn make(&self, bytes: &[u8]) -> (OwnedFd, Option<MmapRaw>) {
        let file = File::from(memfd());
        file.set_len(bytes.len() as u64).unwrap();
        if !self.has_holes {
            file.write_all_at(bytes, 0).unwrap();
        }
        let map = (!bytes.is_empty()).then(|| MmapOptions::new().map_raw(&file).unwrap());
        // SAFETY: fchmod takes no pointer, and `file` is open.
        assert_eq!(unsafe { libc::fchmod(file.as_raw_fd(), self.mode) }, 0);
        // SAFETY: F_ADD_SEALS takes an integer, and `file` is open.
        assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, self.seals) }, 0);
        if self.is_writable {
            return (file.into(), map);
        }
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        (File::open(path).unwrap().into(), map)
    }

    fn ring(&self, bytes: &[u8]) -> Result<PeerRing, AttachError> {
        PeerRing::attach(events(SegmentKind::Ring, self.make(bytes).0))
    }

    fn position(&self, bytes: &[u8]) -> Result<PeerPosition, AttachError> {
        PeerPosition::attach(events(SegmentKind::Position, self.make(bytes).0))
    }
}

fn events(kind: SegmentKind, fd: OwnedFd) -> Received {
    Received { kind, label: "events".into(), fd }
}

fn new_ring(slots: u32) -> RingSegment {
    RingSegment::create(&RingSpec {
        label: "events",
        slots,
        policy: Policy::Wait,
        epoch: 0x0123_4567_89ab_cdef,
        clock: ClockWords { ticks_per_second: 3, origin_ticks: 4, origin_realtime_ns: 5 },
        huge_pages: false,
    })
    .unwrap()
}

fn new_position() -> PositionSegment {
    PositionSegment::create("events", 0xfedc_ba98_7654_3210).unwrap()
}

fn bytes_of(share: Share<'_>) -> Vec<u8> {
    let file = File::from(share.fd.try_clone_to_owned().unwrap());
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

fn ring_bytes() -> Vec<u8> {
    bytes_of(new_ring(4).share())
}

fn set_word(bytes: &mut [u8], index: usize, value: u64) {
    bytes[index * 8..index * 8 + 8].copy_from_slice(&value.to_ne_bytes());
}

/// An honest ring's bytes with one header word changed, under a right checksum.
fn with_word(index: usize, value: u64) -> Vec<u8> {
    let mut bytes = ring_bytes();
    set_word(&mut bytes, index, value);
    let mut words = [0; HEADER_WORDS];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_ne_bytes(chunk.try_into().unwrap());
    }
    set_word(&mut bytes, at::CHECKSUM, layout::checksum(&words));
    bytes
}

macro_rules! assert_refused {
    ($outcome:expr, $reason:pat) => {
        match $outcome {
            Err($reason) => {}
            Err(other) => panic!("refused for another reason: {other:?}"),
            Ok(_) => panic!("accepted"),
        }
    };
}

#[test]
fn an_honest_copy_is_accepted() {
    // Without this, every refusal below could be for a wrong reason.
    let ring = HONEST.ring(&ring_bytes()).unwrap();
    assert_eq!((ring.label(), ring.slots(), ring.policy()), ("events", 4, Policy::Wait));
    assert_eq!(ring.epoch(), 0x0123_4567_89ab_cdef);
    assert_eq!(ring.clock().origin_realtime_ns, 5);
    assert_eq!(HONEST.position(&bytes_of(new_position().share())).unwrap().live(), (0, 0));
}

#[test]
fn every_one_byte_change_of_a_header_is_refused() {
    let (ring, position) = (ring_bytes(), bytes_of(new_position().share()));
    for byte in 0..layout::HEADER_BYTES {
        for flip in [0x01, 0xff] {
            let mut changed = ring.clone();
            changed[byte] ^= flip;
            assert!(HONEST.ring(&changed).is_err(), "ring, byte {byte} ^ {flip:#x}");
            let mut changed = position.clone();
            changed[byte] ^= flip;
            assert!(HONEST.position(&changed).is_err(), "position, byte {byte} ^ {flip:#x}");
        }
    }
}

#[test]
fn every_short_length_is_refused() {
    let bytes = ring_bytes();
    for length in 0..layout::HEADER_BYTES {
        assert_refused!(HONEST.ring(&bytes[..length]), AttachError::TooShort { .. });
    }
    for length in layout::HEADER_BYTES..bytes.len() {
        assert_refused!(HONEST.ring(&bytes[..length]), AttachError::WrongLength { .. });
    }
    let longer = [&bytes[..], &[0; 64]].concat();
    assert_refused!(HONEST.ring(&longer), AttachError::WrongLength { .. });
}

#[test]
fn foreign_headers_are_refused_by_name_even_under_a_right_checksum() {
    let refused = |index, value| HONEST.ring(&with_word(index, value));
    assert_refused!(refused(at::MAGIC, 0), AttachError::NotReady);
    assert_refused!(refused(at::MAGIC, 42), AttachError::WrongMagic(42));
    let swapped = layout::MAGIC.swap_bytes();
    assert_refused!(refused(at::MAGIC, swapped), AttachError::OtherEndianness);
    let swapped = layout::ENDIAN_PROBE.swap_bytes();
    assert_refused!(refused(at::ENDIAN, swapped), AttachError::OtherEndianness);
    let major = layout::ABI_MAJOR + 1;
    assert_refused!(
        refused(at::ABI_MAJOR, major),
        AttachError::OtherAbi { theirs: (2, _), ours: (1, _) }
    );
    let minor = layout::ABI_MINOR + 1;
    assert_refused!(refused(at::ABI_MINOR, minor), AttachError::OtherAbi { .. });
    assert_refused!(refused(at::HEADER_BYTES, 8192), AttachError::WrongHeaderLength(8192));
    assert_refused!(refused(at::LAYOUT_HASH, 1), AttachError::ForeignLayout { theirs: 1, .. });
    assert_refused!(refused(at::KIND, 0), AttachError::WrongKind { found: 0, .. });
    assert_refused!(refused(at::KIND, 9), AttachError::WrongKind { found: 9, .. });
    assert_refused!(refused(at::LABEL, 0), AttachError::BadLabels);
    assert_refused!(refused(at::CELL_BYTES, 128), AttachError::WrongCellSize(128));
    for slots in [0, 1, 3, 1 << 25, 1 << 33, u64::MAX] {
        assert_refused!(refused(at::CAPACITY, slots), AttachError::BadCapacity(_));
    }
    for slots in [2, 8, 1 << 24] {
        assert_refused!(refused(at::CAPACITY, slots), AttachError::WrongLength { .. });
    }
    assert_refused!(refused(at::TOTAL_BYTES, 0), AttachError::WrongLength { .. });
    assert_refused!(refused(at::EPOCH, 0), AttachError::ZeroEpoch);
    for policy in [0, 4, u64::MAX] {
        assert_refused!(refused(at::POLICY, policy), AttachError::BadPolicy(_));
    }
    assert_refused!(refused(at::LABEL_COUNT, 1), AttachError::BadLabels);
    assert_refused!(refused(at::LABELS, 1), AttachError::BadLabels);
    assert_refused!(refused(at::FIELDS_END, 1), AttachError::NotZero { .. });
    let mut bytes = ring_bytes();
    set_word(&mut bytes, at::CHECKSUM, 0);
    assert_refused!(HONEST.ring(&bytes), AttachError::Checksum);
}

#[test]
fn every_missing_seal_is_named() {
    let bytes = ring_bytes();
    for seal in [libc::F_SEAL_SHRINK, libc::F_SEAL_GROW, libc::F_SEAL_FUTURE_WRITE] {
        let forge = Forge { seals: SEALS & !seal, ..HONEST };
        match forge.ring(&bytes) {
            Err(AttachError::Unsealed { missing }) => assert_eq!(missing, seal),
            other => panic!("{:?}", other.err()),
        }
    }
    let open = Forge { seals: SEALS & !libc::F_SEAL_SEAL, ..HONEST };
    assert_refused!(open.ring(&bytes), AttachError::Unsealed { .. });
    let bare = Forge { seals: 0, ..HONEST };
    assert_refused!(bare.ring(&bytes), AttachError::Unsealed { missing: SEALS });
}

#[test]
fn descriptors_that_are_not_sealed_memory_of_ours_are_refused_by_name() {
    let bytes = ring_bytes();
    let writable = Forge { is_writable: true, ..HONEST };
    assert_refused!(writable.ring(&bytes), AttachError::Writable);
    let open_to_all = Forge { mode: 0o644, ..HONEST };
    assert_refused!(open_to_all.ring(&bytes), AttachError::WrongMode { mode: 0o644 });
    let sparse = Forge { has_holes: true, ..HONEST };
    assert_refused!(sparse.ring(&bytes), AttachError::NotAllocated);

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ring");
    std::fs::write(&path, &bytes).unwrap();
    let named = File::open(&path).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let attach = |fd: File| PeerRing::attach(events(SegmentKind::Ring, fd.into()));
    assert_refused!(attach(named.try_clone().unwrap()), AttachError::Linked { links: 1 });
    std::fs::remove_file(&path).unwrap();
    assert_refused!(attach(named), AttachError::Unsealed { .. });
    assert_refused!(attach(File::open("/dev/null").unwrap()), AttachError::NotRegularFile);
    assert_refused!(attach(File::open(dir.path()).unwrap()), AttachError::NotRegularFile);
}

#[test]
fn a_segment_of_another_user_is_refused() {
    let file = File::from(memfd());
    // SAFETY: fchown takes no pointer, and `file` is open.
    if unsafe { libc::fchown(file.as_raw_fd(), 12_345, u32::MAX) } != 0 {
        println!("skipped: only root can give a file away: {}", io::Error::last_os_error());
        return;
    }
    let outcome = PeerRing::attach(events(SegmentKind::Ring, file.into()));
    assert_refused!(outcome, AttachError::WrongOwner { uid: 12_345 });
}

#[test]
fn announced_and_found_must_agree() {
    let ring = new_ring(4);
    let as_label =
        |label: &str| Received { label: label.into(), ..ring.share().to_received().unwrap() };
    assert_refused!(PeerRing::attach(as_label("reports")), AttachError::WrongLabel { .. });
    let mut as_position = as_label("events");
    as_position.kind = SegmentKind::Position;
    assert_refused!(PeerRing::attach(as_label("")), AttachError::WrongLabel { .. });
    assert_refused!(PeerPosition::attach(as_position), AttachError::WrongKind { found: 1, .. });
    let wrong_kind = AttachError::WrongKind { found: 1, expected: 3 };
    match PeerCounters::attach(as_label("events")) {
        Err(error) => assert_eq!(error.to_string(), wrong_kind.to_string()),
        Ok(_) => panic!("accepted"),
    }
    assert!(TallyReader::attach(as_label("events")).is_err());
}

#[test]
fn what_was_shared_cannot_be_written_by_anyone() {
    let ring = new_ring(4);
    let shared = ring.share().to_received().unwrap().fd;
    // Not through the read-only descriptor, not through a mapping of it …
    assert!(MmapOptions::new().map_raw(&shared).is_err());
    // … and not through the same memory opened again for writing, which its owner may do.
    let path = format!("/proc/self/fd/{}", shared.as_raw_fd());
    if let Ok(file) = File::options().read(true).write(true).open(path) {
        assert!(file.write_all_at(&[1], 0).is_err());
        assert!(file.set_len(0).is_err());
        assert!(file.set_len(1 << 20).is_err());
        assert!(MmapOptions::new().map_raw(&file).is_err());
    }
}

#[test]
fn a_stamp_that_no_honest_producer_writes_is_foreign_and_frees_nothing() {
    for stamp in [2, 5, 4, 1 << 40, u64::MAX] {
        let mut bytes = ring_bytes();
        // Sequence 1 lies in slot 1 of 4.
        set_word(&mut bytes, (layout::ring::SLOTS + 64) / 8, stamp);
        let ring = HONEST.ring(&bytes).unwrap();
        let mut consumer = Consumer::new(ring, new_position(), 1);
        for round in 1..=3 {
            match consumer.poll() {
                Polled::Foreign(found) => assert_eq!(found, stamp),
                Polled::Empty => panic!("{stamp} taken for nothing"),
                Polled::Slot(_) => panic!("{stamp} taken for 1"),
            }
            assert_eq!(consumer.next_seq(), 1);
            let shared = consumer.segment().share().to_received().unwrap();
            let position = PeerPosition::attach(shared).unwrap();
            assert_eq!((position.live().0, position.faults()), (0, (0, round)));
        }
        assert_eq!(consumer.poll_copy(), None);
    }
}

#[test]
fn a_position_out_of_range_is_foreign_and_frees_nothing() {
    let (fd, map) = HONEST.make(&bytes_of(new_position().share()));
    let map = map.unwrap();
    let say = |position: u64| {
        let at = map.as_mut_ptr().wrapping_add(layout::position::POSITION).cast::<u64>();
        // SAFETY: the word lies within the mapping, is aligned, and is reached by atomics only.
        let word = unsafe { AtomicU64::from_ptr(at) };
        word.store(position, Ordering::Release);
    };
    let peer = PeerPosition::attach(events(SegmentKind::Position, fd)).unwrap();
    let mut producer = Producer::new(new_ring(4), peer);
    for seq in 1..=4 {
        assert_eq!(producer.try_publish(&[0; 7]), Some(seq));
    }
    // Ahead of what was published.
    for position in [5, 6, 1 << 40, u64::MAX] {
        say(position);
        assert_eq!(producer.try_publish(&[0; 7]), None);
        assert_eq!((producer.room(), producer.consumer_position()), (0, 0));
        assert!(producer.peer_is_foreign());
    }
    // An honest one is still taken …
    say(2);
    assert_eq!((producer.consumer_position(), producer.room()), (2, 2));
    assert_eq!(producer.try_publish(&[0; 7]), Some(5));
    // … and never taken back.
    say(1);
    assert_eq!(producer.consumer_position(), 2);
    assert_eq!(producer.try_publish(&[0; 7]), Some(6));
    assert_eq!(producer.try_publish(&[0; 7]), None);
    assert!(producer.peer_is_foreign());
}

struct StopAtTheEnd<'a>(&'a AtomicBool);
impl Drop for StopAtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A peer that writes everywhere it can, all the time: no fault, no panic, no endless loop.
#[test]
fn scribbling_over_everything_does_the_readers_no_harm() {
    let (ring_fd, ring_map) = HONEST.make(&ring_bytes());
    let (position_fd, position_map) = HONEST.make(&bytes_of(new_position().share()));
    let maps = [ring_map.unwrap(), position_map.unwrap()];
    let peer = PeerRing::attach(events(SegmentKind::Ring, ring_fd)).unwrap();
    let mut consumer = Consumer::new(peer, new_position(), 1);
    let position = PeerPosition::attach(events(SegmentKind::Position, position_fd)).unwrap();
    let mut producer = Producer::new(new_ring(4), position);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let scribble = || {
            let mut random = 1_u64;
            while !stop.load(Ordering::Relaxed) {
                for map in &maps {
                    for offset in (0..map.len()).step_by(8) {
                        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        let at = map.as_mut_ptr().wrapping_add(offset).cast::<u64>();
                        // SAFETY: within the mapping, aligned, reached by atomics only.
                        let word = unsafe { AtomicU64::from_ptr(at) };
                        // Small numbers too: they are the plausible ones.
                        let small = random & 1 << 40 != 0;
                        word.store(if small { random >> 60 } else { random }, Ordering::Relaxed);
                    }
                }
            }
        };
        scope.spawn(scribble);
        // Also when this thread panics: otherwise the scope would wait for ever.
        let _at_the_end = StopAtTheEnd(&stop);
        let start = Instant::now();
        let (mut polls, mut found) = (0_u64, [0_u64; 3]);
        while start.elapsed() < Duration::from_millis(400) {
            for _ in 0..100 {
                polls += 1;
                let kind = match consumer.poll() {
                    Polled::Empty => 0,
                    Polled::Slot(view) => {
                        core::hint::black_box((view.seq(), view.copy()));
                        1
                    }
                    Polled::Foreign(_) => 2,
                };
                found[kind] += 1;
                core::hint::black_box((consumer.ended(), consumer.peer().live()));
                core::hint::black_box(consumer.peer().peek(polls));
                producer.try_publish(&[polls; 7]);
                if let Some(mut batch) = producer.reserve(3) {
                    for i in 0..batch.len() {
                        batch.write(i, &[polls; 7]);
                    }
                    batch.commit();
                }
                producer.consumer_position();
                assert!(producer.room() <= 4);
            }
        }
        assert!(polls > 100 && found[2] > 0, "nothing was scribbled: {found:?}");
    });
    assert!(producer.peer_is_foreign());
}

#[test]
fn specifications_out_of_range_are_refused() {
    let honest = RingSpec {
        label: "events",
        slots: 4,
        policy: Policy::Wait,
        epoch: 1,
        clock: ClockWords::default(),
        huge_pages: false,
    };
    for slots in [0, 1, 3, 6, (1 << 24) + 1, 1 << 25, 1 << 31] {
        assert!(RingSegment::create(&RingSpec { slots, ..honest }).is_err(), "{slots} slots");
    }
    for label in ["", "exactly_seventeen", "a b", "ä", "a\0"] {
        assert!(RingSegment::create(&RingSpec { label, ..honest }).is_err(), "{label:?}");
        assert!(PositionSegment::create(label, 1).is_err(), "{label:?}");
        assert!(CounterSegment::create(label, &["a"]).is_err(), "{label:?}");
    }
    assert!(RingSegment::create(&RingSpec { epoch: 0, ..honest }).is_err());
    assert!(PositionSegment::create("events", 0).is_err());
    let many: Vec<String> = (0..65).map(|i| format!("label{i}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(CounterSegment::create("x", &many).is_err());
    assert!(CounterSegment::create("x", &many[..64]).is_ok());
    assert!(CounterSegment::create("x", &[]).is_err());
    assert!(CounterSegment::create("x", &["a", "a"]).is_err());
    assert!(CounterSegment::create("x", &["exactly_twenty_five_long_"]).is_err());
    assert!(TallySegment::create("x", &many[..33]).is_err());
}

#[test]
fn huge_pages_are_had_or_not_and_the_ring_works_either_way() {
    let spec = RingSpec {
        label: "events",
        slots: 1 << 15,
        policy: Policy::Wait,
        epoch: 1,
        clock: ClockWords::default(),
        huge_pages: true,
    };
    let ring = RingSegment::create(&spec).unwrap();
    let file = File::from(ring.share().fd.try_clone_to_owned().unwrap());
    let page_bytes = std::os::unix::fs::MetadataExt::blksize(&file.metadata().unwrap());
    assert_eq!(ring.has_huge_pages(), page_bytes == 2 << 20);
    println!("huge pages: {}", ring.has_huge_pages());
    let peer = PeerRing::attach(ring.share().to_received().unwrap()).unwrap();
    assert_eq!(peer.slots(), 1 << 15);
}
