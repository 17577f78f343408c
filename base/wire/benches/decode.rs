//! What it costs to walk ITCH messages in memory and to take their fields out.
//!
//! Measures one core over real order messages, repeated to some megabytes: larger than the second
//! cache, as a day file is. Lines, best and median of several rounds:
//! - `walk`: framing and type byte only, the floor of the others;
//! - `fields`: the fields an order book needs, by a match on the type byte and `from_slice`;
//! - `decode`: the same fields by way of `Message`;
//! - `event`: bytes to the normalized `Event`, all seven words read;
//! - `simple`: the fields once more, as one writes it first, from the specification's offsets with
//!   slices: what the others are to be compared with, since absolute times vary between hosts.
//!
//! The lines take turns, round after round.
//! Aimed at: `fields` at 150 million messages a second.
//!
//! A regression here means that whoever decodes on the hot core, or decodes ahead for it, keeps up
//! with less. Not a latency: consecutive messages overlap in the processor.

#[path = "../tests/data/mod.rs"]
mod data;

use std::hint::black_box;
use std::time::Instant;
use tickspin_wire::binaryfile::Records;
use tickspin_wire::itch50::{
    self, AddOrder, AddOrderMpid, Header, Message, OrderCancel, OrderDelete, OrderExecuted,
    OrderExecutedWithPrice, OrderReplace,
};
use tickspin_wire::normalize;

const BYTES: usize = 16 << 20;
const ROUNDS: usize = 15;

/// Goes through a file; the sum keeps the work from being left out.
type Work = fn(&[u8]) -> u64;

fn main() {
    let Some(file) = data::file("itch/aapl_20190130_first3000.itch50") else { return };
    let bytes = file.repeat(BYTES / file.len());
    let messages = Records::new(&bytes).count();
    println!("{messages} messages, {:.1} MB, {ROUNDS} rounds", bytes.len() as f64 / 1e6);
    assert_eq!(fields(&bytes), decode(&bytes), "both take the same fields out");
    assert_eq!(fields(&bytes), simple(&bytes), "the reference takes them out too");
    let works: [(&str, Work); 5] = [
        ("walk", walk),
        ("fields", fields),
        ("decode", decode),
        ("event", event),
        ("simple", simple),
    ];
    let mut ns = works.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for ((_, work), ns) in works.iter().zip(&mut ns) {
            let start = Instant::now();
            black_box(work(black_box(&bytes)));
            ns.push(start.elapsed().as_nanos() as f64 / messages as f64);
        }
    }
    let spreads = ns.map(|mut ns| {
        ns.sort_by(f64::total_cmp);
        (ns[0], ns[ROUNDS / 2])
    });
    let (_, reference) = spreads[works.len() - 1];
    for ((name, _), (best, median)) in works.iter().zip(spreads) {
        println!(
            "{name:<7} best {best:6.2} ns/message ({:6.1} M/s)   median {median:6.2} ({:6.1} M/s)   \
             simple is {:4.2} times that",
            1e3 / best,
            1e3 / median,
            reference / median
        );
    }
}

fn walk(bytes: &[u8]) -> u64 {
    let mut sum = 0_u64;
    for record in Records::new(bytes).flatten() {
        sum = sum.wrapping_add(record[0].into());
    }
    sum
}

/// What a book needs of a message: order, price, shares, when and of which stock.
#[inline(always)]
fn taken((header, id, px, qty): (Header, u64, u32, u32)) -> u64 {
    id.wrapping_add(px.into())
        .wrapping_add(qty.into())
        .wrapping_add(header.timestamp_ns)
        .wrapping_add(header.locate.into())
}

fn fields(bytes: &[u8]) -> u64 {
    let mut sum = 0_u64;
    for record in Records::new(bytes).flatten() {
        let parts = match record[0] {
            AddOrder::TYPE => {
                AddOrder::from_slice(record).map(|m| (m.header, m.order_ref, m.price_1e4, m.shares))
            }
            AddOrderMpid::TYPE => AddOrderMpid::from_slice(record)
                .map(|m| (m.header, m.order_ref, m.price_1e4, m.shares)),
            OrderExecuted::TYPE => {
                OrderExecuted::from_slice(record).map(|m| (m.header, m.order_ref, 0, m.shares))
            }
            OrderExecutedWithPrice::TYPE => OrderExecutedWithPrice::from_slice(record)
                .map(|m| (m.header, m.order_ref, m.price_1e4, m.shares)),
            OrderCancel::TYPE => {
                OrderCancel::from_slice(record).map(|m| (m.header, m.order_ref, 0, m.shares))
            }
            OrderDelete::TYPE => {
                OrderDelete::from_slice(record).map(|m| (m.header, m.order_ref, 0, 0))
            }
            OrderReplace::TYPE => OrderReplace::from_slice(record)
                .map(|m| (m.header, m.new_order_ref, m.price_1e4, m.shares)),
            _ => continue,
        };
        sum = sum.wrapping_add(parts.map_or(0, taken));
    }
    sum
}

fn decode(bytes: &[u8]) -> u64 {
    let mut sum = 0_u64;
    for record in Records::new(bytes).flatten() {
        let Ok(message) = itch50::decode(record) else { continue };
        let (id, px, qty) = match &message {
            Message::AddOrder(m) => (m.order_ref, m.price_1e4, m.shares),
            Message::AddOrderMpid(m) => (m.order_ref, m.price_1e4, m.shares),
            Message::OrderExecuted(m) => (m.order_ref, 0, m.shares),
            Message::OrderExecutedWithPrice(m) => (m.order_ref, m.price_1e4, m.shares),
            Message::OrderCancel(m) => (m.order_ref, 0, m.shares),
            Message::OrderDelete(m) => (m.order_ref, 0, 0),
            Message::OrderReplace(m) => (m.new_order_ref, m.price_1e4, m.shares),
            _ => continue,
        };
        sum = sum.wrapping_add(taken((*message.header(), id, px, qty)));
    }
    sum
}

fn event(bytes: &[u8]) -> u64 {
    let mut sum = 0_u64;
    for record in Records::new(bytes).flatten() {
        if let Ok(event) = normalize::itch_event(record) {
            sum = event.to_words().into_iter().fold(sum, u64::wrapping_add);
        }
    }
    sum
}

/// The reference: a message is built as the specification reads, slice by slice.
fn simple(bytes: &[u8]) -> u64 {
    struct Order {
        kind: u8,
        locate: u16,
        timestamp_ns: u64,
        id: u64,
        shares: u32,
        price: u32,
    }
    fn number(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
    }
    fn parse(message: &[u8]) -> Option<Order> {
        let (id, shares, price) = match message[0] {
            b'A' | b'F' => (&message[11..19], &message[20..24], &message[32..36]),
            b'E' | b'X' => (&message[11..19], &message[19..23], &message[..0]),
            b'C' => (&message[11..19], &message[19..23], &message[32..36]),
            b'D' => (&message[11..19], &message[..0], &message[..0]),
            b'U' => (&message[19..27], &message[27..31], &message[31..35]),
            _ => return None,
        };
        Some(Order {
            kind: message[0],
            locate: number(&message[1..3]) as u16,
            timestamp_ns: number(&message[5..11]),
            id: number(id),
            shares: number(shares) as u32,
            price: number(price) as u32,
        })
    }
    let (mut sum, mut rest) = (0_u64, bytes);
    while rest.len() >= 2 {
        let (message, behind) = rest[2..].split_at(number(&rest[..2]) as usize);
        rest = behind;
        if let Some(order) = parse(message) {
            black_box(order.kind);
            sum = sum
                .wrapping_add(order.id)
                .wrapping_add(order.price.into())
                .wrapping_add(order.shares.into())
                .wrapping_add(order.timestamp_ns)
                .wrapping_add(order.locate.into());
        }
    }
    sum
}
