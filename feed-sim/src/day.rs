//! A synthetic ITCH 5.0 day: as many messages as wanted, for measuring books and decoders.
//!
//! ```text
//!   S O │ R … R │ H … H │ S S │ build-up: 10 % │ S Q │ the day: 90 % │ S M  S E  S C
//!   03:00               04:00                  09:30                  16:00 20:00
//! ```
//! Stocks are drawn by Zipf's law, the busy ones scattered over the locates. Each stock holds a
//! share of the live orders as large as its share of the messages; the sum grows to 3 % of all
//! messages during the build-up and stays there: 600,000 for 20 million.
//!
//! | of the day, about | |
//! |---|---|
//! | 45 % | `A`, one in 32 an `F` |
//! | 40 % | `D` |
//! | 8 % | `U`: another price, as a rule |
//! | 4 % | `E` at or near the touch, three in four in full; one in 16 is a `C` |
//! | 2 % | `X` |
//! | 1 % | `P` |
//!
//! Every message is about an order that is there, and no book ever locks or crosses. **Harder than
//! a real day** in two ways, on purpose: an order's end comes as likely late as early, where most
//! real orders die young, and order references have nothing in common with their neighbours.
//!
//! **Same seed, same bytes.** One generator of fixed algorithm (PCG), integers throughout.
//!
//! Cost: ~100 ns a message; memory for the live orders and 4 KiB a stock, whatever the length.
//! Wrong choice for anything that depends on how prices, sizes or bursts are distributed.

mod draw; // 1. by how much each stock is busier than the next, and which one is next
pub mod file; // 4. into a file, hashed on the way
mod preface; // 3. what a day says before its first order
mod stock; // 2. one stock: orders, levels, touch

use draw::Draw;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::ops::Range;
use stock::{ASK, BID, Stock};
use tickspin_wire::binaryfile::PREFIX_BYTES;
use tickspin_wire::itch50::{
    self, AddOrder, AddOrderMpid, Alpha, Header, MESSAGE_BYTES_MAX, Message, OrderCancel,
    OrderDelete, OrderExecuted, OrderExecutedWithPrice, OrderReplace, SystemEvent, Trade,
};

/// Stocks that nobody gave another number.
pub const INSTRUMENTS_DEFAULT: u16 = 5_000;
/// One tick, 1e-4 dollars.
const TICK_1E4: u32 = 100;
/// Of a thousand messages: `A`, `F` and `D`; then `U`, `E` and `C`, `X`; the rest are `P`.
const ADDS_AND_DELETES: u32 = 850;
const REPLACES: u32 = 80;
const EXECUTIONS: u32 = 40;
const REDUCTIONS: u32 = 20;
/// Of a thousand adds and deletes, adds when a stock holds what it should: as many more as
/// executions take away.
const ADDS: i64 = 519;
/// `S` events behind the preface.
const SYSTEM_EVENTS: u64 = 5;

const HOUR_NS: u64 = 3_600_000_000_000;
const EARLY_NS: u64 = 4 * HOUR_NS;
const OPEN_NS: u64 = 9 * HOUR_NS + HOUR_NS / 2;
const CLOSE_NS: u64 = 16 * HOUR_NS;

/// What a day is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaySpec {
    /// Same seed, same bytes.
    pub seed: u64,
    /// Stocks, 1..=65,534: locates from 1.
    pub instruments: u16,
    /// Messages in all, at least [`DaySpec::messages_min`].
    pub messages: u64,
}

impl DaySpec {
    /// What the preface and the phases of the day take, and one more.
    #[must_use]
    pub fn messages_min(&self) -> u64 {
        preface::messages(self.instruments) + SYSTEM_EVENTS + 1
    }
}

/// What a day holds so far.
#[derive(Clone, Debug)]
pub struct DayFacts {
    /// Messages by type byte.
    pub by_type: [u64; 256],
    /// Messages.
    pub messages: u64,
    /// Live orders now.
    pub live: u64,
    /// Most live orders at one time.
    pub live_peak: u64,
}

/// The generator and where it stands.
pub struct Day {
    spec: DaySpec,
    rng: Pcg64Mcg,
    draw: Draw,
    stocks: Vec<Stock>,
    references: u64,
    matches: u64,
    /// Messages about stocks given so far, of so many.
    sent: u64,
    flow: u64,
    time_ns: u64,
    live_goal: u64,
    is_begun: bool,
    is_ended: bool,
    facts: DayFacts,
}

impl Day {
    /// Deterministic in `spec`; `None` where that asks for fewer messages than a day must have, or
    /// for no stock.
    #[must_use]
    pub fn new(spec: DaySpec) -> Option<Day> {
        let flow = spec.messages.checked_sub(spec.messages_min() - 1).filter(|&flow| flow > 0)?;
        if spec.instruments == 0 || spec.instruments == u16::MAX {
            return None;
        }
        let mut rng = Pcg64Mcg::seed_from_u64(spec.seed);
        let draw = Draw::new(spec.instruments, &mut rng);
        let stocks = (1..=spec.instruments).map(|locate| Stock::new(locate, &mut rng)).collect();
        Some(Day {
            spec,
            rng,
            draw,
            stocks,
            references: 0,
            matches: 0,
            sent: 0,
            flow,
            time_ns: EARLY_NS,
            live_goal: 0,
            is_begun: false,
            is_ended: false,
            facts: DayFacts { by_type: [0; 256], messages: 0, live: 0, live_peak: 0 },
        })
    }

    /// What was given so far.
    #[must_use]
    pub fn facts(&self) -> &DayFacts {
        &self.facts
    }

    /// Puts records behind `out` until it holds `bytes` or a little more; false when the day is
    /// over and nothing was put.
    pub fn fill(&mut self, out: &mut Vec<u8>, bytes: usize) -> bool {
        if self.is_ended {
            return false;
        }
        if !self.is_begun {
            self.is_begun = true;
            let spec = self.spec;
            preface::write(spec.instruments, |message| self.put(out, &message));
            self.system(out, EARLY_NS, b'S');
        }
        let build_up = self.flow / 10;
        while out.len() < bytes && self.sent < self.flow {
            // Both phases are straight lines in time; orders grow over the first.
            let (index, phase, from, to) = if self.sent < build_up {
                (self.sent, build_up, EARLY_NS, OPEN_NS)
            } else {
                (self.sent - build_up, self.flow - build_up, OPEN_NS, CLOSE_NS)
            };
            if self.sent == build_up {
                self.system(out, OPEN_NS, b'Q');
            }
            let due = |at| from + (u128::from(to - from) * at / u128::from(phase)) as u64;
            self.advance(due(u128::from(index))..due(u128::from(index) + 1));
            let grown = (self.sent + 1).min(build_up.max(1));
            self.live_goal = grown * 3 / 10;
            self.about_a_stock(out);
            self.sent += 1;
        }
        if self.sent == self.flow {
            for (time_ns, event) in
                [(CLOSE_NS, b'M'), (20 * HOUR_NS, b'E'), (20 * HOUR_NS + HOUR_NS / 12, b'C')]
            {
                self.system(out, time_ns, event);
            }
            self.is_ended = true;
        }
        true
    }

    /// The time of the next message, which falls into `slot` by an even schedule. Three of four
    /// come close behind the one before, so there are bursts and gaps; none is late for the next.
    fn advance(&mut self, slot: Range<u64>) {
        let draw: u64 = self.rng.random();
        let is_near = !draw.is_multiple_of(4);
        let earliest = if is_near { self.time_ns } else { self.time_ns.max(slot.start) };
        self.time_ns = (earliest + (draw >> 32) % 1_000).min(slot.end.max(self.time_ns));
    }

    /// One message about a stock, or rather its order, drawn now.
    fn about_a_stock(&mut self, out: &mut Vec<u8>) {
        let index = self.draw.next(&mut self.rng);
        let locate = index as u16 + 1;
        let goal = self.draw.share_of(index, self.live_goal) as i64;
        let stock = &mut self.stocks[index];
        let live = stock.live() as i64;
        let draw: u64 = self.rng.random();
        // The high half says what, the low half about which side and order.
        let what = (((draw >> 32) * 1_000) >> 32) as u32;
        let side = if draw & 1 == 0 { BID } else { ASK };
        if what >= ADDS_AND_DELETES + REPLACES + EXECUTIONS + REDUCTIONS {
            return self.trade(out, locate);
        }
        let Some(side) = stock.inhabited(side) else { return self.add(out, locate, side) };
        if what < ADDS_AND_DELETES {
            // More adds the more orders are missing, at most nine in ten.
            let pull = 4_000 * (goal - live) / (goal + 4);
            let adds = (ADDS + pull).clamp(100, 900) as u64;
            return if (draw >> 1) % 1_000 < adds {
                // The side of an add is drawn, not the side that has orders.
                self.add(out, locate, (draw & 1) as usize)
            } else {
                self.delete(out, locate, side)
            };
        }
        match what - ADDS_AND_DELETES {
            0..REPLACES => self.replace(out, locate, side),
            roll if roll < REPLACES + EXECUTIONS => self.execute(out, locate, side),
            _ => self.reduce(out, locate, side),
        }
    }

    fn add(&mut self, out: &mut Vec<u8>, locate: u16, side: usize) {
        let (order_ref, shares) = (self.next_reference(), self.shares());
        let stock = &mut self.stocks[usize::from(locate) - 1];
        let (side, level) = stock.level_for(side, &mut self.rng);
        stock.add(side, order_ref, level, shares);
        let (name, price_1e4) = (stock.name(), stock.price_1e4(level));
        let (header, side) = (self.header(locate), if side == BID { b'B' } else { b'S' });
        let message = if self.rng.random_range(0..32_u32) == 0 {
            let attribution = Alpha(*[b"NSDQ", b"GSCO", b"UBSS", b"MSCO"][order_ref as usize % 4]);
            let stock = name;
            AddOrderMpid { header, order_ref, side, shares, stock, price_1e4, attribution }.into()
        } else {
            AddOrder { header, order_ref, side, shares, stock: name, price_1e4 }.into()
        };
        self.facts.live += 1;
        self.facts.live_peak = self.facts.live_peak.max(self.facts.live);
        self.put(out, &message);
    }

    fn delete(&mut self, out: &mut Vec<u8>, locate: u16, side: usize) {
        let stock = &mut self.stocks[usize::from(locate) - 1];
        let at = stock.any(side, &mut self.rng);
        let order = stock.remove(side, at);
        self.facts.live -= 1;
        let header = self.header(locate);
        self.put(out, &OrderDelete { header, order_ref: order.order_ref }.into());
    }

    fn replace(&mut self, out: &mut Vec<u8>, locate: u16, side: usize) {
        let (new_order_ref, shares) = (self.next_reference(), self.shares());
        let stock = &mut self.stocks[usize::from(locate) - 1];
        let at = stock.any(side, &mut self.rng);
        let old = stock.remove(side, at);
        // The side stays: where its new price would be beyond the window, the old price does.
        let (new_side, level) = stock.level_for(side, &mut self.rng);
        let level = if new_side == side { level } else { old.level };
        stock.add(side, new_order_ref, level, shares);
        let price_1e4 = stock.price_1e4(level);
        let header = self.header(locate);
        let old_order_ref = old.order_ref;
        let message = OrderReplace { header, old_order_ref, new_order_ref, shares, price_1e4 };
        self.put(out, &message.into());
    }

    fn execute(&mut self, out: &mut Vec<u8>, locate: u16, side: usize) {
        let match_number = self.next_match();
        let stock = &mut self.stocks[usize::from(locate) - 1];
        let at = stock.near_touch(side, &mut self.rng);
        let order = stock.order(side, at);
        let roll: u32 = self.rng.random();
        let is_part = roll.is_multiple_of(4) && order.shares > 1;
        let shares = if is_part { 1 + (roll >> 8) % (order.shares - 1) } else { order.shares };
        self.facts.live -= u64::from(!is_part);
        stock.take(side, at, shares);
        let price_1e4 = stock.price_1e4(order.level);
        let (header, order_ref) = (self.header(locate), order.order_ref);
        let message = if (roll >> 2).is_multiple_of(16) {
            let printable = if (roll >> 6).is_multiple_of(2) { b'Y' } else { b'N' };
            let improved = price_1e4 - TICK_1E4 / 2;
            OrderExecutedWithPrice {
                header,
                order_ref,
                shares,
                match_number,
                printable,
                price_1e4: improved,
            }
            .into()
        } else {
            OrderExecuted { header, order_ref, shares, match_number }.into()
        };
        self.put(out, &message);
    }

    fn reduce(&mut self, out: &mut Vec<u8>, locate: u16, side: usize) {
        let stock = &mut self.stocks[usize::from(locate) - 1];
        let at = stock.any(side, &mut self.rng);
        let order = stock.order(side, at);
        if order.shares < 2 {
            return self.delete(out, locate, side);
        }
        let shares = self.rng.random_range(1..order.shares);
        stock.take(side, at, shares);
        let header = self.header(locate);
        self.put(out, &OrderCancel { header, order_ref: order.order_ref, shares }.into());
    }

    fn trade(&mut self, out: &mut Vec<u8>, locate: u16) {
        let (match_number, shares) = (self.next_match(), self.shares());
        let stock = &self.stocks[usize::from(locate) - 1];
        let message = Trade {
            header: self.header(locate),
            order_ref: 0,
            side: b'B',
            shares,
            stock: stock.name(),
            price_1e4: stock.price_1e4(stock.middle()),
            match_number,
        };
        self.put(out, &message.into());
    }

    fn system(&mut self, out: &mut Vec<u8>, time_ns: u64, event: u8) {
        let header = Header { locate: 0, tracking: 0, timestamp_ns: time_ns };
        self.time_ns = self.time_ns.max(time_ns);
        self.put(out, &SystemEvent { header, event }.into());
    }

    fn header(&self, locate: u16) -> Header {
        Header { locate, tracking: 0, timestamp_ns: self.time_ns }
    }

    /// Sizes as markets have them: lots of a hundred, a few large ones, odd lots.
    fn shares(&mut self) -> u32 {
        let draw: u64 = self.rng.random();
        let many = (draw >> 32) as u32;
        match draw % 8 {
            0 => 1 + many % 99,
            1 => 100 * (5 + many % 45),
            _ => 100 * (1 + many % 4),
        }
    }

    /// Never used twice, neither small nor monotonic, and without neighbours: sixteen generators,
    /// each in a range of 2^40 of its own, in which an odd multiple of the count visits every
    /// place once.
    fn next_reference(&mut self) -> u64 {
        const RANGE_BITS: u32 = 40;
        const STRIDE: u64 = 0x9E_3779_B97F;
        let count = self.references;
        self.references += 1;
        (count % 16) << RANGE_BITS | (count / 16 + 1).wrapping_mul(STRIDE) & ((1 << RANGE_BITS) - 1)
    }

    fn next_match(&mut self) -> u64 {
        self.matches += 1;
        self.matches
    }

    #[inline]
    fn put(&mut self, out: &mut Vec<u8>, message: &Message) {
        let start = out.len();
        out.resize(start + PREFIX_BYTES + MESSAGE_BYTES_MAX, 0);
        let (prefix, record) = out[start..].split_at_mut(PREFIX_BYTES);
        let len = itch50::encode(message, record).expect("room for the longest message");
        prefix.copy_from_slice(&(len as u16).to_be_bytes());
        out.truncate(start + PREFIX_BYTES + len);
        self.facts.by_type[usize::from(message.kind())] += 1;
        self.facts.messages += 1;
    }
}

#[cfg(test)]
mod tests;
