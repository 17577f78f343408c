//! ns a message of a whole day: decode, books with and without looking ahead, a naive twin.
//!
//! ```text
//! cargo bench -p tickspin-hot --bench book
//! TICKSPIN_DAY=FILE  cargo bench …     an ITCH BinaryFILE instead of the synthetic day
//! TICKSPIN_MESSAGES=N                  messages of the synthetic day, 20,000,000 otherwise
//! ```
//!
//! The day is made by `feed-sim synth --format itch50`, which cargo builds for it. Sides take turns,
//! round after round; times are CPU time of the thread, so that a busy machine disturbs less.
//! [`books`] takes any events: whoever reads another format measures its books with the same rows.
//! What a regression would mean: `book` less than 2.5 times faster than `naive` breaks a promise;
//! `book` above 30 ns on near memory misses an aim.
//! The losing variants are in `docs/decisions/0005`.

#![allow(clippy::disallowed_methods, reason = "a bench is cold code")]

mod memory;

use memory::Memory;
use std::hint::black_box;
use std::process::{Command, Stdio};
use tickspin_host::process::process_cpu_ns;
use tickspin_hot::book::{Ahead, BookSize, LOOK_AHEAD, LOOK_AT_LEVEL};
use tickspin_hot::decode::check;
use tickspin_recording::TreeBook;
use tickspin_wire::binaryfile::Records;
use tickspin_wire::event::Event;
use tickspin_wire::normalize::itch_event;

const ROUNDS: usize = 5;

/// A pass over the whole day with fresh books.
type Pass<'a> = Box<dyn FnMut() -> u64 + 'a>;

/// The sides in turn: median ns an item, the others beside the last.
fn rows(items: usize, mut sides: Vec<(&str, Pass<'_>)>) {
    let mut times: Vec<Vec<f64>> = sides.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for ((_, pass), times) in sides.iter_mut().zip(&mut times) {
            times.push(pass() as f64 / items as f64);
        }
    }
    times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
    let median = |times: &[f64]| times[ROUNDS / 2];
    let reference = times.last().map_or(0.0, |times| median(times));
    println!("{:<36} {:>8} {:>8} {:>8} {:>9}", "ns an item", "best", "median", "worst", "naive is");
    for ((name, _), times) in sides.iter().zip(&times) {
        let (best, worst) = (times[0], times[ROUNDS - 1]);
        let middle = median(times);
        println!(
            "{name:<36} {best:>8.1} {middle:>8.1} {worst:>8.1} {:>7.2} x   {:>6.1} M/s",
            reference / middle,
            1e3 / middle
        );
    }
}

fn cpu(work: impl FnOnce()) -> u64 {
    let start = process_cpu_ns();
    work();
    process_cpu_ns() - start
}

/// Capacity for these events, found by the naive twin.
fn size_for(events: impl Iterator<Item = Event>) -> BookSize {
    let mut twin = TreeBook::default();
    let mut instruments = 1;
    for event in events {
        twin.apply(&event);
        if event.order_id != 0 && event.instrument.0 != u16::MAX {
            instruments = instruments.max(event.instrument.index() + 1);
        }
    }
    let orders = twin.open_orders_peak().max(4);
    println!(
        "{orders} live orders at the peak, {instruments} instruments, {} unknown",
        twin.unknown()
    );
    BookSize { instruments, orders, levels: orders }
}

/// Books of events that lie in memory, of whatever format they were.
fn books(name: &str, events: &[Event]) {
    println!("\n{name}: {} events, decoded before", events.len());
    let size = size_for(events.iter().copied());
    let (mut one, mut other) = (Memory::new(size, true), Memory::new(size, true));
    let ticks = || events.iter().filter_map(|&event| check(event).ok());
    rows(
        events.len(),
        vec![
            (
                "book, looking ahead",
                Box::new(|| {
                    let mut book = one.book();
                    cpu(|| {
                        let mut ahead = Ahead::new();
                        ticks().for_each(|tick| {
                            black_box(ahead.push(&mut book, tick));
                        });
                        while ahead.pop(&mut book).is_some() {}
                    })
                }),
            ),
            (
                "book, singly",
                Box::new(|| {
                    let mut book = other.book();
                    cpu(|| {
                        ticks().for_each(|tick| {
                            black_box(book.apply(&tick));
                        })
                    })
                }),
            ),
            (
                "naive",
                Box::new(|| {
                    let mut twin = TreeBook::default();
                    let ns = cpu(|| events.iter().for_each(|event| twin.apply(event)));
                    black_box(&twin);
                    ns
                }),
            ),
        ],
    );
}

/// Decoding and books of an ITCH day.
fn itch(day: &[u8]) {
    let events = || Records::new(day).flatten().flat_map(itch_event);
    let messages = Records::new(day).count();
    println!("ITCH day: {messages} messages, looking {LOOK_AHEAD} and {LOOK_AT_LEVEL} ahead");
    let size = size_for(events());
    let mut memories = [false, true, false, true].map(|huge| Memory::new(size, huge));
    let mut sides: Vec<(&str, Pass<'_>)> = vec![(
        "decode",
        Box::new(|| {
            cpu(|| {
                let sum =
                    |sum, event: Event| event.to_words().into_iter().fold(sum, u64::wrapping_add);
                black_box(events().fold(0, sum));
            })
        }),
    )];
    let names = [
        "decode + book, ahead, small pages",
        "decode + book, ahead, huge pages",
        "decode + book, singly, small pages",
        "decode + book, singly, huge pages",
    ];
    for ((name, memory), is_ahead) in
        names.into_iter().zip(&mut memories).zip([true, true, false, false])
    {
        let pass = move || {
            let mut book = memory.book();
            let ticks = events().filter_map(|event| check(event).ok());
            cpu(|| {
                if is_ahead {
                    let mut ahead = Ahead::new();
                    ticks.for_each(|tick| {
                        black_box(ahead.push(&mut book, tick));
                    });
                    while ahead.pop(&mut book).is_some() {}
                } else {
                    ticks.for_each(|tick| {
                        black_box(book.apply(&tick));
                    });
                }
            })
        };
        sides.push((name, Box::new(pass)));
    }
    sides.push((
        "decode + naive",
        Box::new(|| {
            let mut twin = TreeBook::default();
            let ns = cpu(|| events().for_each(|event| twin.apply(&event)));
            black_box(&twin);
            ns
        }),
    ));
    rows(messages, sides);
}

fn main() {
    let day = match std::env::var("TICKSPIN_DAY") {
        Ok(path) => std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}")),
        Err(_) => made(),
    };
    itch(&day);
    // A quarter as events: 56 bytes each.
    let events: Vec<Event> =
        Records::new(&day).flatten().flat_map(itch_event).take(5_000_000).collect();
    books("the day's first events", &events);
}

/// The synthetic day, through a pipe.
fn made() -> Vec<u8> {
    let messages = std::env::var("TICKSPIN_MESSAGES").unwrap_or_else(|_| "20000000".to_owned());
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--release", "--package", "tickspin-feed-sim", "--"])
        .args(["synth", "--format", "itch50", "--seed", "1", "-o", "-", "--messages", &messages])
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "feed-sim makes a day");
    output.stdout
}
