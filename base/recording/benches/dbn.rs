//! What it costs to read DBN market by order from an uncompressed file, and to keep a book with it.
//!
//! Two seconds of ES with their snapshot (14,000 orders on 3,000 levels), and behind them made-up
//! records to some 200 MB: 45 % new orders near the touch (5,000 open beside those of the snapshot), 40 % cancels, 10 % changes of a quantity,
//! 5 % trades, as in the real part. The temporary file is in the page cache when it is measured.
//! Time is that of the processor, as the kernel counts it for this thread: what others take of the
//! core is not in it, what they take of its caches is. Lines, best and median of several rounds:
//! - `bytes`: the file through the reader's buffer, nothing decoded: the floor of the others;
//! - `crate`: the `dbn` crate's own decoder over the same file, every record's order id summed;
//! - `decode`: records to events, all seven words of each read;
//! - `book`: the same, and the engine's book, looking ahead as when replaying;
//! - `singly`: without looking ahead, as when ticks come one by one;
//! - `tree`: the same, and the tree book of cold code instead.
//!
//! A regression in `decode` means that a replay of market by order can feed less; `book` is to stay
//! above 20 M records/s, 50 ns each, on a quiet core.

#[path = "../tests/data/mod.rs"]
mod data;

use dbn::decode::DecodeRecordRef;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{BufReader, Read};
use std::path::Path;
use tickspin_hot::book::size::{BookMemory, BookSize};
use tickspin_hot::book::{Ahead, Book, InstrumentSlot};
use tickspin_hot::decode::check;
use tickspin_recording::container::Stream;
use tickspin_recording::{DbnFile, TreeBook};

const BYTES: usize = 200 << 20;
const ROUNDS: usize = 7;

type Work = fn(&Path) -> u64;

fn main() {
    let Some(path) = data::path("dbn/es_mbo_20240508_2s.dbn.zst") else { return };
    let mut whole = Vec::new();
    let packed = File::open(path).expect("readable");
    zstd::Decoder::new(packed).expect("memory").read_to_end(&mut whole).expect("whole");
    let length = u32::from_le_bytes([whole[4], whole[5], whole[6], whole[7]]) as usize;
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("es.dbn");
    continue_to(&mut whole, BYTES);
    let messages = (whole.len() - 8 - length) / size_of::<dbn::MboMsg>();
    fs::write(&path, &whole).expect("the temporary folder is writable");
    println!("{messages} records, {:.1} MB, {ROUNDS} rounds", whole.len() as f64 / 1e6);
    drop(whole);
    let works: [(&str, Work, usize); 6] = [
        ("bytes", bytes, ROUNDS),
        ("crate", by_the_crate, ROUNDS),
        ("decode", decode, ROUNDS),
        ("book", |path| book(path, true), ROUNDS),
        ("singly", |path| book(path, false), ROUNDS),
        ("tree", tree, 3),
    ];
    // `cargo bench --bench dbn -- book` measures that line alone.
    let only = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let is_asked = |name: &str| only.as_ref().is_none_or(|only| only == name);
    for (name, work, rounds) in works.into_iter().filter(|work| is_asked(work.0)) {
        let mut ns: Vec<f64> = (0..rounds)
            .map(|_| {
                let start = cpu_ns();
                black_box(work(black_box(&path)));
                (cpu_ns() - start) as f64 / messages as f64
            })
            .collect();
        ns.sort_by(f64::total_cmp);
        let (best, median) = (ns[0], ns[rounds / 2]);
        println!(
            "{name:<7} best {best:6.2} ns/record ({:6.1} M/s)   median {median:6.2} ({:6.1} M/s)",
            1e3 / best,
            1e3 / median
        );
    }
}

/// What the kernel says this thread had of a processor, ns.
fn cpu_ns() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("a number")
}

/// More of the same session: always the same, and always about orders that are there.
fn continue_to(bytes: &mut Vec<u8>, len: usize) {
    const RECORD: usize = size_of::<dbn::MboMsg>();
    const TOUCH: i64 = 5_214_000_000_000;
    const TICK: i64 = 250_000_000;
    let template = bytes[bytes.len() - RECORD..].to_vec();
    let mut state = 1_u64;
    let mut random = move |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut open: Vec<(u64, i64, u8)> = Vec::new();
    let mut next_id = 1_u64 << 50;
    bytes.reserve(len.saturating_sub(bytes.len()));
    while bytes.len() < len {
        let dice = random(100);
        let (action, (id, px, side)) = if (dice < 45 && open.len() < 5_000) || open.len() < 500 {
            let away = random(4) * random(8) + random(3);
            let (side, px) = match random(2) {
                0 => (b'B', TOUCH - away as i64 * TICK),
                _ => (b'A', TOUCH + (1 + away as i64) * TICK),
            };
            next_id += 1 + random(50);
            open.push((next_id, px, side));
            (b'A', (next_id, px, side))
        } else {
            let index = random(open.len() as u64) as usize;
            match dice {
                0..85 => (b'C', open.swap_remove(index)),
                85..95 => (b'M', open[index]),
                _ => (b'T', open[index]),
            }
        };
        let start = bytes.len();
        bytes.extend_from_slice(&template);
        let record = &mut bytes[start..];
        let size = if action == b'C' { 100 } else { 1 + random(9) as u32 };
        record[std::mem::offset_of!(dbn::MboMsg, order_id)..][..8]
            .copy_from_slice(&id.to_le_bytes());
        record[std::mem::offset_of!(dbn::MboMsg, price)..][..8].copy_from_slice(&px.to_le_bytes());
        record[std::mem::offset_of!(dbn::MboMsg, size)..][..4].copy_from_slice(&size.to_le_bytes());
        record[std::mem::offset_of!(dbn::MboMsg, flags)] = dbn::flags::LAST;
        record[std::mem::offset_of!(dbn::MboMsg, action)] = action;
        record[std::mem::offset_of!(dbn::MboMsg, side)] = side;
    }
}

fn bytes(path: &Path) -> u64 {
    let mut stream = Stream::open(path).expect("readable");
    let mut sum = 0_u64;
    while stream.fill(1) {
        sum = sum.wrapping_add(stream.window()[0].into());
        stream.take(stream.window().len());
    }
    sum
}

fn by_the_crate(path: &Path) -> u64 {
    let file = BufReader::with_capacity(512 << 10, File::open(path).expect("readable"));
    let mut decoder = dbn::decode::dbn::Decoder::new(file).expect("metadata");
    let mut sum = 0_u64;
    while let Some(record) = decoder.decode_record_ref().expect("a record") {
        if let Some(mbo) = record.get::<dbn::MboMsg>() {
            sum = sum.wrapping_add(mbo.order_id);
        }
    }
    sum
}

fn decode(path: &Path) -> u64 {
    let mut file = DbnFile::open(path).expect("a recording");
    let mut sum = 0_u64;
    while let Some(event) = file.next_event().expect("whole") {
        sum = event.to_words().into_iter().fold(sum, u64::wrapping_add);
    }
    sum
}

fn book(path: &Path, looks_ahead: bool) -> u64 {
    let size = BookSize { instruments: 1, orders: 30_000, levels: 5_000 };
    let mut orders = vec![Default::default(); size.order_slots()];
    let mut levels = vec![Default::default(); size.level_slots()];
    let mut instruments = vec![InstrumentSlot::default(); size.instrument_slots()];
    let memory =
        BookMemory { orders: &mut orders, levels: &mut levels, instruments: &mut instruments };
    let mut book = Book::new(memory, 7).expect("sizes from BookSize");
    let mut ahead = Ahead::new();
    let mut file = DbnFile::open(path).expect("a recording");
    while let Some(event) = file.next_event().expect("whole") {
        let Ok(tick) = check(event) else { continue };
        if looks_ahead {
            ahead.push(&mut book, tick);
        } else {
            book.apply(&tick);
        }
    }
    while ahead.pop(&mut book).is_some() {}
    assert_eq!(book.stats().refused(), 0, "the book is large enough");
    book.orders_of(tickspin_wire::num::InstrumentId(0)).into()
}

fn tree(path: &Path) -> u64 {
    let mut file = DbnFile::open(path).expect("a recording");
    let mut book = TreeBook::default();
    while let Some(event) = file.next_event().expect("whole") {
        book.apply(&event);
    }
    book.open_orders() as u64
}
