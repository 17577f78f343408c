//! What it costs to walk ITCH messages in memory and to take their fields out.
//!
//! Measures one core over real order messages, repeated to some megabytes: larger than the second
//! cache, as a day file is. Lines, best and median of several rounds:
//! - `walk`: framing and type byte only, the floor of the others;
//! - `fields`: the fields an order book needs, by a match on the type byte and `from_slice`;
//! - `decode`: the same fields by way of `Message`;
//! - `event`: bytes to the normalized `Event`, all seven words read.
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
    let works: [(&str, Work); 4] =
        [("walk", walk), ("fields", fields), ("decode", decode), ("event", event)];
    for (name, work) in works {
        let mut ns: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let start = Instant::now();
                black_box(work(black_box(&bytes)));
                start.elapsed().as_nanos() as f64 / messages as f64
            })
            .collect();
        ns.sort_by(f64::total_cmp);
        let (best, median) = (ns[0], ns[ROUNDS / 2]);
        println!(
            "{name:<7} best {best:6.2} ns/message ({:6.1} M/s)   median {median:6.2} ({:6.1} M/s)",
            1e3 / best,
            1e3 / median
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
