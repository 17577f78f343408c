//! A run, from the command line to the exit code: build, lock, pin, meet the feed, wait, tear down
//! in reverse.
//!
//! ```text
//!   configuration ─► plan ─► folder ─► claim ─► clock ─► tables ─► segments ─► lock
//!     ─► pinned thread ready ─► attach (bounded, stoppable) ─► armed ─► keep house
//!     ─► loop over ─► files ─► join ─► claim let go
//! ```
//! Whatever fails before the feed is met leaves nothing behind; whatever ends the run afterwards
//! leaves all files.

use crate::args::Args;
use crate::causes::{Causes, SPELLS};
use crate::config::{Config, InputName, Stamps};
use crate::ending::{Ending, FEED_DIED};
use crate::error::{EngineError, exit};
use crate::events::{Events, PacketEvents, RingEvents};
use crate::keep::{Journal, Keep};
use crate::packets::ask::{Asker, Queues};
use crate::packets::{self, Answers, Opened, Questions};
use crate::pinned::{self, Baggage, Finished, Up};
use crate::plan::Plan;
use crate::rehearsal::Scratch;
use crate::report::{self, Facts};
use crate::segments::{Links, Ours, Watched};
use crate::tables::Tables;
use crate::terminal;
use crate::watch::{Feed, Watch};
use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};
use tickspin_host::clock::{self, Clock};
use tickspin_host::memory::{self, MemoryError};
use tickspin_host::{cpu, process};
use tickspin_hot::input::mold::{Join, MoldTerms};
use tickspin_hot::notice::Notice;
use tickspin_hot::record::Spell;
use tickspin_results::EnginePart;
use tickspin_results::out::{OutDir, default_folder};
use tickspin_ring::MeetError;
use tickspin_ring::rendezvous::{self, Claim, Role, RuntimeDir};

/// Between two wakes of the main thread: ten a second are few enough to share a spinner's core.
const WAKE: Duration = Duration::from_millis(100);
/// Time for the clock's calibration: a bound of about 1 ppm.
const CALIBRATION: Duration = Duration::from_millis(100);
/// Notices on their way to the terminal.
const NOTICES: usize = 1_024;
/// Stack of the pinned thread, 1 MiB: the loop needs some KiB, and a locked one is populated whole.
const STACK_BYTES: usize = 1 << 20;

/// Runs what the command line asks for; the exit code, or why there was no run.
///
/// # Errors
/// See [`EngineError`]; nothing is left behind then, unless it is about a result file.
pub fn main(args: &Args) -> Result<u8, EngineError> {
    if args.build_id {
        terminal::print(concat!(env!("TICKSPIN_BUILD"), "\n"))?;
        return Ok(exit::OK);
    }
    let config = Config::load(args)?;
    let plan = Plan::settle(&config)?;
    if args.print_config {
        terminal::print(&format!("{}\n{}", config.print(), plan.text(&config, "# ")))?;
        return Ok(exit::OK);
    }
    process::catch_stop_signals();
    let folder =
        args.out.clone().unwrap_or_else(|| default_folder(&config.run.name, SystemTime::now()));
    let out = OutDir::create(&folder)?;
    let names = report::file_names();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let code = out
        .refuse_existing(&names, args.force)
        .map_err(EngineError::from)
        .and_then(|()| run(args, config, plan, &out));
    // Removes only what is empty and was made for this run.
    out.abandon();
    code
}

fn run(args: &Args, config: Config, plan: Plan, out: &OutDir) -> Result<u8, EngineError> {
    if !args.json {
        terminal::print(&plan.text(&config, ""))?;
    }
    cpu::confine(&plan.cold)?;
    let claim = claim(&config)?;
    let clock = Clock::calibrate(CALIBRATION)?;
    let clock_cost_ns = clock::read_cost(&clock);
    let huge = config.memory.huge_pages;
    let tables = Tables::new(&config.books.size(), plan.own_orders, huge)?;
    let ours = Ours::create(&config, &clock)?;
    let scratch = Scratch::new()?;
    let mut notes = plan.notes.clone();
    notes.extend(got(&config, &plan, &tables, &ours)?);

    let (notices, mut heard) = HeapRb::<Notice>::new(NOTICES).split();
    let (spells, mut slow) = spells();
    let user = packets::user(&config)?;
    packets::may_have(user, out.path())?;
    let (opened, got_packets) = packets::open(&config)?;
    notes.extend(got_packets);
    let Queues { hot: queues, cold: asking } = Queues::new();
    let (pinned_config, pinned_plan) = (config.clone(), plan.clone());
    let baggage = Baggage {
        config: pinned_config,
        plan: pinned_plan,
        clock,
        tables,
        scratch,
        notices,
        spells,
        events: (),
    };
    let (thread, up, down) = start(baggage, opened, queues)?;
    let pinned_thread = match up.recv() {
        Ok(Up::Ready(thread)) => thread,
        Ok(Up::Done(Err(error))) => return Err(error),
        Ok(Up::Armed | Up::Done(Ok(_))) | Err(_) => {
            return Err(EngineError::Thread("tickspin-hot"));
        }
    };
    let (links, watched) = meet(&config, &claim, ours)?;
    let epoch = watched.epoch;
    let tallies = watched.tallies.clone();
    let mut watch = Watch::new(&claim, watched);
    let (asker, confined) = packets::settle(&config, user, out.path(), asking)?;
    notes.extend(confined);
    let clock_part = report::clock_part(&clock, clock_cost_ns);
    let mut keep = Keep::begin(
        out.path(),
        tallies,
        report::stages(config.run.stamps),
        config.interval(),
        &report::comments(&config, &plan, &clock_part, epoch),
    )?;
    let mut journal = Journal::default();
    // From here on every ending writes files.
    down.send(links).map_err(|_| EngineError::Thread("tickspin-hot"))?;
    let over_ns = config.run.slow_over_ns;
    let has_stages = config.run.stamps == Stamps::All;
    let mut causes = None;
    let finished = house(&up, &mut keep, &mut watch, |said| {
        if matches!(said, Ok(Up::Armed)) && over_ns > 0 {
            let thread = (pinned_thread, plan.core);
            causes = Some(Causes::begin(clock, thread, over_ns, has_stages));
        }
        while let Some(line) = heard.try_pop().map(|notice| journal.take(&notice)) {
            if let Some(line) = line {
                say(&line);
            }
        }
        if let Some(causes) = &mut causes {
            match said {
                Ok(Up::Done(Ok(finished))) => causes.take_last(slow.pop_iter(), &finished.thread),
                _ => causes.take(slow.pop_iter()),
            }
        }
    });
    let (totals, log_failed) = keep.finish();
    let asked = asker.map(Asker::finish).transpose()?;
    let finished = finished?;
    let ending = Ending::of(&finished.outcome, process::stop_signal());
    notes.extend(journal.notes());
    if finished.stats.notices_lost > 0 {
        notes.push(format!("{} notices found the queue full", finished.stats.notices_lost));
    }
    if let (Some(asked), Some(server)) = (asked, config.packets.recovery.0)
        && asked.sent > 0
        && asked.answers == 0
    {
        notes
            .push(format!("{} requests for lost packets, and {server} never answered", asked.sent));
    }
    let facts = Facts {
        config: &config,
        plan: &plan,
        clock: &clock,
        clock_cost_ns,
        epoch,
        ending,
        asked,
        notes,
    };
    let judged = causes.map(|causes| causes.finish(out, &finished.stats, &totals));
    let (slow, slow_written) = judged.unzip();
    let part = EnginePart { slow, ..report::part(facts, &finished, &totals) };
    let written = report::write_files(out, &part, &totals);
    terminal::print(&if args.json {
        report::json(&part)
    } else {
        format!("\n{}files    {}\n", terminal::table(&part), out.path().display())
    })?;
    written?;
    slow_written.unwrap_or(Ok(()))?;
    if let Some(error) = log_failed {
        return Err(error.into());
    }
    thread.join().map_err(|_| EngineError::Thread("tickspin-hot"))?;
    if ending.exit_code() == exit::FAILURE {
        say(&format_args!("{ending}; files in {}", out.path().display()));
    }
    Ok(ending.exit_code())
}

/// The queue of spells, every page of it touched: the pinned thread meets none that is not there.
fn spells() -> (HeapProd<Spell>, HeapCons<Spell>) {
    let (mut spells, mut slow) = HeapRb::<Spell>::new(SPELLS).split();
    while spells.try_push(Spell::EMPTY).is_ok() {}
    slow.clear();
    (spells, slow)
}

fn claim(config: &Config) -> Result<Claim, EngineError> {
    let named = |source| EngineError::Meet { run: config.run.name.clone(), source };
    RuntimeDir::open().and_then(|dir| dir.claim(&config.run.name, Role::Engine)).map_err(named)
}

/// Asks for what is optional, and says what was got.
fn got(
    config: &Config,
    plan: &Plan,
    tables: &Tables,
    ours: &Ours,
) -> Result<Vec<String>, EngineError> {
    let mut notes = Vec::new();
    if config.memory.huge_pages {
        let ring = if ours.has_huge_pages() { "2 MiB" } else { "4 KiB" };
        notes.push(format!(
            "huge pages asked for: {}; requests ring {ring}; set some aside with `sudo sysctl \
             vm.nr_hugepages=128`",
            tables.pages()
        ));
    }
    if config.memory.lock {
        notes.push(match memory::lock_all() {
            Ok(()) => "all memory locked, now and later (mlockall)".to_owned(),
            Err(limited @ MemoryError::LockedOnlyNow { .. }) => limited.to_string(),
            Err(source) => {
                return Err(EngineError::Memory { what: "everything (--lock-memory)", source });
            }
        });
    }
    if let Some(priority) = plan.fifo {
        notes.push(format!("pinned thread asked for SCHED_FIFO {priority} and got it"));
    }
    Ok(notes)
}

/// Ends of the pinned thread's life: its handle, what it says, what it is given.
type Pinned = (JoinHandle<()>, Receiver<Up>, SyncSender<Links>);

fn spawn(
    body: impl FnOnce(SyncSender<Up>, Receiver<Links>) + Send + 'static,
) -> Result<Pinned, EngineError> {
    let (say, up) = sync_channel(2);
    let (down, links) = sync_channel(1);
    let thread = thread::Builder::new()
        .name("tickspin-hot".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || body(say, links))
        .map_err(|_| EngineError::Thread("tickspin-hot"))?;
    Ok((thread, up, down))
}

/// Starts the pinned thread with what brings its events: here a loop is chosen, once.
fn start<N, C>(
    baggage: Baggage<N, C, ()>,
    opened: Opened,
    queues: (Questions, Answers),
) -> Result<Pinned, EngineError>
where
    N: Producer<Item = Notice> + Send + 'static,
    C: Producer<Item = Spell> + Send + 'static,
{
    let packets = &baggage.config.packets;
    let (clock, asks) = (&baggage.clock, packets.recovery.0.is_some());
    let give_up_ns = packets.give_up_ms * 1_000_000;
    let terms = MoldTerms::of(clock, Join::At(1), asks).giving_up_after(give_up_ns, clock);
    let parked = packets.parked;
    match opened {
        Opened::Ring => carry(baggage, RingEvents),
        Opened::Udp(source) => carry(baggage, PacketEvents::new(source, queues, terms, parked)),
        Opened::AfPacket(source) => {
            carry(baggage, PacketEvents::new(source, queues, terms, parked))
        }
        #[cfg(feature = "xdp")]
        Opened::AfXdp(source) => carry(baggage, PacketEvents::new(*source, queues, terms, parked)),
    }
}

fn carry<N, C, E>(baggage: Baggage<N, C, ()>, events: E) -> Result<Pinned, EngineError>
where
    N: Producer<Item = Notice> + Send + 'static,
    C: Producer<Item = Spell> + Send + 'static,
    E: Events,
{
    let baggage = baggage.with(events);
    spawn(move |up, down| pinned::work(baggage, &up, &down))
}

/// Meets the feed: bounded by `wait_feed_ms`, and by a signal.
fn meet(config: &Config, claim: &Claim, ours: Ours) -> Result<(Links, Watched), EngineError> {
    let stop = || process::stop_signal() != 0;
    let build = env!("TICKSPIN_BUILD");
    let met = rendezvous::attach(claim, build, &ours.shares(), config.wait_feed(), &stop);
    let received = met.map_err(|source| match source {
        MeetError::Stopped => EngineError::Signal(process::stop_signal()),
        source => EngineError::Meet { run: config.run.name.clone(), source },
    })?;
    ours.join(received, config.packets.input != InputName::Ring)
}

/// Until the loop is over: at most ten wakes a second. `listen` hears at each what the pinned thread
/// said, if anything.
fn house(
    up: &Receiver<Up>,
    keep: &mut Keep,
    watch: &mut Watch,
    mut listen: impl FnMut(&Result<Up, RecvTimeoutError>),
) -> Result<Box<Finished>, EngineError> {
    loop {
        let said = up.recv_timeout(WAKE);
        listen(&said);
        match said {
            Ok(Up::Done(done)) => return done,
            Ok(Up::Ready(_) | Up::Armed) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(EngineError::Thread("tickspin-hot"));
            }
            Err(RecvTimeoutError::Timeout) => {
                keep.tick();
                if let Some(sent) = watch.silence() {
                    say(&format_args!(
                        "the feed has sent {sent} events, and no packet of them came in 3 s: are groups, \
                         ports and interface the same on both sides?"
                    ));
                }
                if watch.look() == Feed::Died {
                    process::request_stop(FEED_DIED);
                }
            }
        }
    }
}

/// One line on standard error. Whoever started us may be dead and the pipe closed: the run goes on.
fn say(line: &dyn std::fmt::Display) {
    let _ = writeln!(io::stderr(), "engine: {line}");
}
