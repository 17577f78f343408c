//! Two real processes: meet, publish, be killed at random, start again.
//!
//! The other process is this test binary once more, told by an environment variable which end it
//! is.

#![cfg(not(tickspin_loom))]

use std::{
    collections::HashSet,
    io::{Read, Write},
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use tickspin_ring::{
    Consumer, MeetError, PeerPosition, PeerRing, PositionSegment, Producer, RingSegment, RingSpec,
    SegmentKind, Share, State,
    counters::CounterSegment,
    region::{ClockWords, Policy, Received, random_epoch},
    rendezvous::{Claim, Listener, Role, RuntimeDir, Served, attach, observe},
};

const ROLE: &str = "TICKSPIN_RING_TEST_ROLE";
const DIR: &str = "TICKSPIN_RING_TEST_DIR";
const RUN: &str = "run-1";
const BUILD: &str = "test-build";

/// Not a test: the other process's main, when told so.
#[test]
fn other_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let dir = RuntimeDir::at(Path::new(&std::env::var_os(DIR).unwrap())).unwrap();
    match role.as_str() {
        "feed" => feed(&dir),
        "engine" => engine(&dir),
        "holder" => holder(&dir),
        other => panic!("no role {other}"),
    }
}

fn spawn(role: &str, dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["other_process", "--exact", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env(DIR, dir)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// One line to the parent, recognisable among the test harness's own.
fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "\n@{line}").unwrap();
    out.flush().unwrap();
}

/// The lines that a process said.
fn said(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter_map(|line| line.strip_prefix('@')).map(str::to_owned).collect()
}

fn payload(epoch: u64, seq: u64) -> [u64; 7] {
    core::array::from_fn(|i| (epoch ^ seq.rotate_left(17 * i as u32 + 1)).wrapping_add(seq))
}

fn new_ring(slots: u32) -> RingSegment {
    RingSegment::create(&RingSpec {
        label: "events",
        slots,
        policy: Policy::Wait,
        epoch: random_epoch(),
        clock: ClockWords::default(),
        huge_pages: false,
    })
    .unwrap()
}

fn take(received: &mut Vec<Received>, kind: SegmentKind, label: &str) -> Received {
    let found = received.iter().position(|it| it.kind == kind && it.label == label);
    received.swap_remove(found.unwrap_or_else(|| panic!("no {kind:?} {label}")))
}

/// Publishes for ever, until its engine is gone or nobody came within two seconds.
fn feed(dir: &RuntimeDir) {
    let claim = match dir.claim(RUN, Role::Feed) {
        Ok(claim) => claim,
        Err(error) => return say(&format!("refused {error}")),
    };
    let ring = new_ring(256);
    let mut listener = Listener::bind(&claim, BUILD).unwrap();
    let start = Instant::now();
    let mut received = loop {
        if start.elapsed() > Duration::from_secs(2) {
            return say("nobody came");
        }
        let mine = [ring.share()];
        if let Served::Attached(received) =
            listener.serve(Duration::from_millis(50), &mine).unwrap()
        {
            break received;
        }
    };
    let position = take(&mut received, SegmentKind::Position, "events");
    let mut producer = Producer::new(ring, PeerPosition::attach(position).unwrap());
    producer.run();
    let epoch = producer.epoch();
    let mut looked = Instant::now();
    loop {
        for _ in 0..64 {
            if producer.next_seq().is_multiple_of(7) {
                if let Some(mut batch) = producer.reserve(5) {
                    for i in 0..batch.len() {
                        let seq = batch.first_seq() + u64::from(i);
                        batch.write(i, &payload(epoch, seq));
                    }
                    batch.commit();
                }
            } else {
                producer.try_publish(&payload(epoch, producer.next_seq()));
            }
        }
        assert!(!producer.peer_is_foreign());
        producer.beat();
        if producer.room() == 0 {
            std::thread::yield_now();
        }
        if looked.elapsed() > Duration::from_millis(2) {
            looked = Instant::now();
            if dir.owner(RUN, Role::Engine).unwrap().is_none() {
                let (position, _) = producer.peer().live();
                producer.halt();
                return say(&format!("engine died {epoch:016x} {position}"));
            }
        }
    }
}

/// Reads until the feed says its end or is dead, checking every word of every payload.
fn engine(dir: &RuntimeDir) {
    let claim = match dir.claim(RUN, Role::Engine) {
        Ok(claim) => claim,
        Err(error) => return say(&format!("refused {error}")),
    };
    let position = PositionSegment::create("events", random_epoch()).unwrap();
    let wait = Duration::from_millis(1500);
    let mut received = match attach(&claim, BUILD, &[position.share()], wait, &|| false) {
        Ok(received) => received,
        Err(error) => return say(&format!("not met {error}")),
    };
    let ring = PeerRing::attach(take(&mut received, SegmentKind::Ring, "events")).unwrap();
    let mut consumer = Consumer::new(ring, position, 16);
    let epoch = consumer.epoch();
    let mut expected = 1;
    let mut drain = |consumer: &mut Consumer| {
        while let Some((seq, words)) = consumer.poll_copy() {
            assert_eq!(seq, expected, "a sequence was skipped or used again");
            assert_eq!(words, payload(epoch, seq), "torn");
            expected += 1;
        }
        expected - 1
    };
    let mut looked = Instant::now();
    let how = loop {
        drain(&mut consumer);
        consumer.publish_position();
        consumer.beat();
        if let Some(state) = consumer.ended() {
            break if state == State::Halt { "end" } else { "failure" };
        }
        if looked.elapsed() > Duration::from_millis(2) {
            looked = Instant::now();
            if dir.owner(RUN, Role::Feed).unwrap().is_none() {
                // It is dead, or it has just said its end.
                drain(&mut consumer);
                break if consumer.ended().is_some() { "end" } else { "death" };
            }
        }
        std::thread::yield_now();
    };
    say(&format!("{how} {epoch:016x} {}", drain(&mut consumer)));
}

/// Takes both roles and keeps them until its standard input ends.
fn holder(dir: &RuntimeDir) {
    let feed = dir.claim(RUN, Role::Feed).unwrap();
    let engine = dir.claim(RUN, Role::Engine).unwrap();
    say("holding");
    let _ = std::io::stdin().read(&mut [0]);
    drop((feed, engine));
}

/// Reads a process's output until it has said `line`.
fn wait_for(child: &mut Child, line: &str) {
    let out = child.stdout.as_mut().unwrap();
    let (mut text, mut byte) = (String::new(), [0]);
    while !text.contains(&format!("@{line}\n")) {
        assert_eq!(out.read(&mut byte).unwrap(), 1, "it ended without saying {line}");
        text.push(byte[0] as char);
    }
}

/// Small and seeded: the same delays in every run.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

#[test]
fn killed_at_random_nothing_is_torn_and_every_restart_is_clean() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("tickspin");
    let dir = RuntimeDir::at(&path).unwrap();
    let mut seed = 42;
    let (mut epochs, mut met, mut delivered) = (HashSet::new(), 0, 0);
    for cycle in 0..40 {
        let mut feed = spawn("feed", &path);
        let mut engine = spawn("engine", &path);
        std::thread::sleep(Duration::from_micros(random(&mut seed) % 40_000));
        let kills_feed = random(&mut seed).is_multiple_of(2);
        let (killed, other) = if kills_feed { (&mut feed, engine) } else { (&mut engine, feed) };
        killed.kill().unwrap();
        killed.wait().unwrap();
        if random(&mut seed).is_multiple_of(8) {
            // Both at once: nobody is left to clean.
            let mut other = other;
            other.kill().unwrap();
            other.wait().unwrap();
        } else {
            let output = other.wait_with_output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "cycle {cycle}: {stderr}");
            let lines = said(&output);
            let words: Vec<&str> = lines.last().unwrap().split(' ').collect();
            match words[..] {
                ["death", epoch, count] if kills_feed => {
                    assert!(epochs.insert(epoch.to_owned()), "epoch {epoch} was used again");
                    met += 1;
                    delivered += count.parse::<u64>().unwrap();
                }
                ["engine", "died", epoch, count] if !kills_feed => {
                    assert!(epochs.insert(epoch.to_owned()), "epoch {epoch} was used again");
                    met += 1;
                    delivered += count.parse::<u64>().unwrap();
                }
                // Killed before they met.
                ["nobody", ..] | ["not", "met", ..] => {}
                _ => panic!("cycle {cycle}: {lines:?}"),
            }
        }
        // What is left is removed by whoever looks, and nothing alive is shown.
        let (alive, _) = dir.runs().unwrap();
        assert!(alive.is_empty(), "cycle {cycle}: {alive:?}");
        assert!(!path.join(RUN).exists(), "cycle {cycle}: the dead run's entry is still there");
    }
    println!("{met} of 40 met, {delivered} delivered");
    assert!(met >= 10 && delivered > 1_000, "{met} met, {delivered} delivered: nothing was tested");
}

#[test]
fn the_second_one_is_sent_away_with_the_owner_named() {
    let temp = tempfile::tempdir().unwrap();
    let dir = RuntimeDir::at(&temp.path().join("t")).unwrap();
    let mut child = spawn("holder", dir.path());
    wait_for(&mut child, "holding");
    for role in [Role::Feed, Role::Engine] {
        match dir.claim(RUN, role) {
            Err(MeetError::Busy { run, role: named, owner }) => {
                assert_eq!((run.as_str(), named, owner.pid), (RUN, role.name(), child.id()));
                assert!(owner.command.contains("other_process"), "{owner}");
                assert!(owner.started.starts_with("20"), "{owner}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(dir.owner(RUN, role).unwrap().unwrap().pid, child.id());
    }
    let (alive, dead) = dir.runs().unwrap();
    assert_eq!((alive.len(), dead.len()), (1, 0));
    assert_eq!(alive[0].name, RUN);
    // Another run does not meet this one.
    let other = dir.claim("run-2", Role::Feed).unwrap();
    assert_eq!((other.run(), other.role()), ("run-2", Role::Feed));
    drop(other);
    assert!(!dir.path().join("run-2").exists());
    // The kernel frees the locks of the killed one; its entry is removed by the next that looks.
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(dir.owner(RUN, Role::Feed).unwrap(), None);
    assert!(dir.path().join(RUN).exists());
    assert_eq!(dir.runs().unwrap(), (vec![], vec![RUN.to_owned()]));
    assert!(!dir.path().join(RUN).exists());
}

#[test]
fn a_claim_after_a_kill_starts_clean_and_leaves_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let dir = RuntimeDir::at(&temp.path().join("t")).unwrap();
    let mut child = spawn("holder", dir.path());
    wait_for(&mut child, "holding");
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::write(dir.path().join(RUN).join("sock"), "left behind").unwrap();
    let claim = dir.claim(RUN, Role::Feed).unwrap();
    let listener = Listener::bind(&claim, BUILD).unwrap();
    drop(listener);
    drop(claim);
    assert!(!dir.path().join(RUN).exists());
}

/// Both ends in this process, each with its claim.
struct Pair {
    _temp: tempfile::TempDir,
    dir: RuntimeDir,
    feed: Claim,
    engine: Option<Claim>,
    listener: Listener,
    ring: RingSegment,
    counters: CounterSegment,
    position: PositionSegment,
}

impl Pair {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let dir = RuntimeDir::at(&temp.path().join("t")).unwrap();
        let engine = dir.claim(RUN, Role::Engine).unwrap();
        let feed = dir.claim(RUN, Role::Feed).unwrap();
        let listener = Listener::bind(&feed, BUILD).unwrap();
        Self {
            _temp: temp,
            dir,
            feed,
            engine: Some(engine),
            listener,
            ring: new_ring(4),
            counters: CounterSegment::create("feed", &["sent"]).unwrap(),
            position: PositionSegment::create("events", 7).unwrap(),
        }
    }

    /// Serves one visitor while `visit` runs on another thread.
    fn meet<T: Send>(
        &mut self,
        visit: impl FnOnce(&RuntimeDir, Option<&Claim>, Share<'_>) -> T + Send,
    ) -> (Served, T) {
        let (dir, engine) = (&self.dir, self.engine.as_ref());
        let position = self.position.share();
        std::thread::scope(|scope| {
            let visitor = scope.spawn(move || visit(dir, engine, position));
            let mine = [self.ring.share(), self.counters.share()];
            let served = self.listener.serve(Duration::from_secs(5), &mine).unwrap();
            (served, visitor.join().unwrap())
        })
    }

    fn attach(&mut self, build: &str) -> (Served, Result<Vec<Received>, MeetError>) {
        self.meet(|_, engine, position| {
            attach(engine.unwrap(), build, &[position], Duration::from_secs(5), &|| false)
        })
    }
}

#[test]
fn an_observer_sees_what_both_ends_write() {
    let mut pair = Pair::new();
    let (served, engine_got) = pair.attach(BUILD);
    let engine_got = engine_got.unwrap();
    assert_eq!(engine_got.len(), 2);
    let Served::Attached(feed_got) = served else { panic!("{served:?}") };
    assert_eq!((feed_got.len(), feed_got[0].kind), (1, SegmentKind::Position));
    let (served, seen) = pair.meet(|dir, _, _| observe(dir, RUN));
    assert!(matches!(served, Served::Observed));
    let mut seen = seen.unwrap();
    assert_eq!(seen.len(), 3);
    PeerPosition::attach(take(&mut seen, SegmentKind::Position, "events")).unwrap();
    let ring = PeerRing::attach(take(&mut seen, SegmentKind::Ring, "events")).unwrap();
    assert_eq!(ring.live().state, Some(State::Boot));
    take(&mut seen, SegmentKind::Counters, "feed");
}

#[test]
fn one_attach_is_granted_in_an_epoch() {
    let mut pair = Pair::new();
    pair.attach(BUILD).1.unwrap();
    let (served, second) = pair.attach(BUILD);
    assert!(matches!(served, Served::Refused(_)), "{served:?}");
    match second {
        Err(MeetError::Refused(why)) => assert!(why.contains("has had its engine"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_engine_of_another_build_is_refused_by_name() {
    let mut pair = Pair::new();
    let (_, refused) = pair.attach("other-build");
    match refused {
        Err(MeetError::Refused(why)) => {
            assert!(why.contains("other-build") && why.contains(BUILD), "{why}");
        }
        other => panic!("{other:?}"),
    }
    // It cost nothing: the right one still attaches.
    pair.attach(BUILD).1.unwrap();
}

#[test]
fn a_new_feed_is_refused_while_an_engine_lives_that_met_the_old_one() {
    let mut pair = Pair::new();
    pair.attach(BUILD).1.unwrap();
    let Pair { _temp: temp, dir, feed, engine, listener, .. } = pair;
    drop((listener, feed));
    match dir.claim(RUN, Role::Feed) {
        Err(MeetError::Busy { role: "engine", owner, .. }) => {
            assert_eq!(owner.pid, std::process::id());
        }
        other => panic!("{other:?}"),
    }
    drop(engine);
    dir.claim(RUN, Role::Feed).unwrap();
    drop(temp);
}

#[test]
fn waiting_is_bounded_and_can_be_stopped() {
    let temp = tempfile::tempdir().unwrap();
    let dir = RuntimeDir::at(&temp.path().join("t")).unwrap();
    let engine = dir.claim(RUN, Role::Engine).unwrap();
    let patience = Duration::from_millis(100);
    let start = Instant::now();
    assert!(matches!(
        attach(&engine, BUILD, &[], patience, &|| false),
        Err(MeetError::TimedOut { after_ms: 100, .. })
    ));
    assert!(start.elapsed() < Duration::from_secs(2));
    let long = Duration::from_secs(60);
    assert!(matches!(attach(&engine, BUILD, &[], long, &|| true), Err(MeetError::Stopped)));
    // The wrong role, and a run that does not live.
    assert!(matches!(Listener::bind(&engine, BUILD), Err(MeetError::WrongRole { needed: "feed" })));
    assert!(matches!(observe(&dir, RUN), Err(MeetError::NoSuchRun(_))));
    assert!(matches!(observe(&dir, "../x"), Err(MeetError::BadName(_))));
    drop(engine);
    let feed = dir.claim(RUN, Role::Feed).unwrap();
    assert!(matches!(
        attach(&feed, BUILD, &[], patience, &|| false),
        Err(MeetError::WrongRole { needed: "engine" })
    ));
    let mut listener = Listener::bind(&feed, BUILD).unwrap();
    assert!(matches!(listener.serve(patience, &[]), Ok(Served::Nothing)));
    assert!(matches!(Listener::bind(&feed, &"x".repeat(65)), Err(MeetError::BadBuild(_))));
}

#[test]
fn an_engine_without_its_claim_is_refused() {
    let mut pair = Pair::new();
    // A claim of the same role in another directory: held, but not here.
    let elsewhere = RuntimeDir::at(&pair._temp.path().join("u")).unwrap();
    let other = elsewhere.claim(RUN, Role::Engine).unwrap();
    drop(pair.engine.take());
    let sock = pair.dir.path().join(RUN).join("sock");
    symlink(&sock, elsewhere.path().join(RUN).join("sock")).unwrap();
    let (served, outcome) = pair.meet(|_, _, position| {
        attach(&other, BUILD, &[position], Duration::from_secs(5), &|| false)
    });
    assert!(matches!(served, Served::Refused(_)), "{served:?}");
    match outcome {
        Err(MeetError::Refused(why)) => assert!(why.contains("nobody holds"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_path_of_any_length_will_do() {
    let temp = tempfile::tempdir().unwrap();
    let deep = temp.path().join("d".repeat(120)).join("e".repeat(120));
    std::fs::create_dir_all(&deep).unwrap();
    let dir = RuntimeDir::at(&deep.join("t")).unwrap();
    let name = "n".repeat(64);
    let feed = dir.claim(&name, Role::Feed).unwrap();
    let mut listener = Listener::bind(&feed, BUILD).unwrap();
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| observe(&dir, &name));
        assert!(matches!(listener.serve(Duration::from_secs(5), &[]), Ok(Served::Observed)));
        assert!(looking.join().unwrap().unwrap().is_empty());
    });
}

#[test]
fn planted_directories_and_files_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    let (target, link) = (temp.path().join("target"), temp.path().join("link"));
    std::fs::create_dir(&target).unwrap();
    symlink(&target, &link).unwrap();
    let refused = RuntimeDir::at(&link).unwrap_err();
    assert!(matches!(refused, MeetError::Planted { .. }) && refused.is_permission(), "{refused}");

    let file = temp.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(RuntimeDir::at(&file), Err(MeetError::Planted { .. })));

    let open = temp.path().join("open");
    std::fs::create_dir(&open).unwrap();
    for mode in [0o755, 0o770, 0o701, 0o1777] {
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(mode)).unwrap();
        let refused = RuntimeDir::at(&open).unwrap_err();
        assert!(matches!(refused, MeetError::TooOpen { .. }) && refused.is_permission());
    }

    let foreign = temp.path().join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    if std::os::unix::fs::chown(&foreign, Some(12_345), None).is_ok() {
        let refused = RuntimeDir::at(&foreign).unwrap_err();
        assert!(matches!(refused, MeetError::ForeignOwner { uid: 12_345, .. }), "{refused}");
        assert!(refused.is_permission());
    } else {
        println!("skipped: only root can give a directory away");
    }

    // A link in place of a lock file, of the gate, of a run: never followed.
    let dir = RuntimeDir::at(&temp.path().join("t")).unwrap();
    let victim = temp.path().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    symlink(&target, dir.path().join("run-3")).unwrap();
    assert!(matches!(dir.claim("run-3", Role::Feed), Err(MeetError::Planted { .. })));
    let keeper = dir.claim(RUN, Role::Engine).unwrap();
    symlink(&victim, dir.path().join(RUN).join("feed.lock")).unwrap();
    assert!(matches!(dir.claim(RUN, Role::Feed), Err(MeetError::Planted { .. })));
    drop(keeper);
    std::fs::remove_file(dir.path().join(".lock")).unwrap();
    symlink(&victim, dir.path().join(".lock")).unwrap();
    assert!(matches!(dir.runs(), Err(MeetError::Planted { .. })));
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
}
