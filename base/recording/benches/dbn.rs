//! What it costs to read DBN market by order from an uncompressed file, and to keep a book with it.
//!
//! Real records (two seconds of ES, the snapshot among them), repeated to some 200 MB in a temporary
//! file, which is in the page cache when it is measured. Each repetition begins with the clear of its
//! snapshot. Lines, best and median of several rounds:
//! - `bytes`: the file through the reader's buffer, nothing decoded: the floor of the others;
//! - `crate`: the `dbn` crate's own decoder over the same file, every record's order id summed;
//! - `decode`: records to events, all seven words of each read;
//! - `book`: the same, and the engine's book;
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
use std::time::Instant;
use tickspin_hot::book::size::{BookMemory, BookSize};
use tickspin_hot::book::{Book, InstrumentSlot};
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
    let (head, records) = whole.split_at(8 + length);
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("es.dbn");
    let repeated = [head, &records.repeat(BYTES / records.len())].concat();
    fs::write(&path, &repeated).expect("the temporary folder is writable");
    let messages = (repeated.len() - head.len()) / size_of::<dbn::MboMsg>();
    println!("{messages} records, {:.1} MB, {ROUNDS} rounds", repeated.len() as f64 / 1e6);
    drop(repeated);
    let works: [(&str, Work, usize); 5] = [
        ("bytes", bytes, ROUNDS),
        ("crate", by_the_crate, ROUNDS),
        ("decode", decode, ROUNDS),
        ("book", book, ROUNDS),
        ("tree", tree, 3),
    ];
    for (name, work, rounds) in works {
        let mut ns: Vec<f64> = (0..rounds)
            .map(|_| {
                let start = Instant::now();
                black_box(work(black_box(&path)));
                start.elapsed().as_nanos() as f64 / messages as f64
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

fn book(path: &Path) -> u64 {
    let size = BookSize { instruments: 1, orders: 20_000, levels: 5_000 };
    let mut orders = vec![Default::default(); size.order_slots()];
    let mut levels = vec![Default::default(); size.level_slots()];
    let mut instruments = vec![InstrumentSlot::default(); size.instrument_slots()];
    let memory =
        BookMemory { orders: &mut orders, levels: &mut levels, instruments: &mut instruments };
    let mut book = Book::new(memory, 7).expect("sizes from BookSize");
    let mut file = DbnFile::open(path).expect("a recording");
    while let Some(event) = file.next_event().expect("whole") {
        if let Ok(tick) = check(event) {
            book.apply(&tick);
        }
    }
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
