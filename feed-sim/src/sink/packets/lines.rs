//! The lines: each packet goes out on all of them, and on each with faults of its own.
//!
//! Faults are drawn a packet, three draws on each line whatever came of the last, from a generator of
//! fixed algorithm: the same seed does the same to the n-th packet of a line. Heartbeats and the end
//! of a session have none: a receiver that never hears of the tail would wait for ever.
//!
//! | fault | what the line does |
//! |---|---|
//! | loss | the packet is not sent |
//! | duplicate | it is sent twice |
//! | reorder | it waits, and goes behind the next packet, or where none comes before a word about the sequence |
//!
//! A sink of packets that has no free buffer is asked again some times; then the packet is counted as
//! not sent, as a card would lose it, and the other line or the server has it.

use super::draft::PAYLOAD_BYTES;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tickspin_host::packets::{Flow, NotSent, PacketSink};
use tickspin_results::LineOut;

/// How often a sink without a free buffer is asked: some tens of microseconds.
const TRIES: u32 = 64;

/// Shares of packets, 0 to 0.5 each.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// Not sent.
    pub loss: f64,
    /// Sent twice.
    pub duplicate: f64,
    /// Sent behind the next one.
    pub reorder: f64,
}

/// One line.
#[derive(Debug)]
struct Line {
    flow: Flow,
    faults: Faults,
    rng: Pcg64Mcg,
    held: [u8; PAYLOAD_BYTES],
    held_bytes: usize,
    part: LineOut,
}

/// The fate of a packet on one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Sent,
    Lost,
    Duplicated,
    Held,
}

impl Line {
    fn draw(&mut self) -> Fate {
        let [loss, duplicate, reorder]: [f64; 3] =
            [self.rng.random(), self.rng.random(), self.rng.random()];
        if loss < self.faults.loss {
            Fate::Lost
        } else if reorder < self.faults.reorder && self.held_bytes == 0 {
            Fate::Held
        } else if duplicate < self.faults.duplicate {
            Fate::Duplicated
        } else {
            Fate::Sent
        }
    }
}

/// All lines, and what sends on them.
#[derive(Debug)]
pub struct Lines<P> {
    sink: P,
    lines: Vec<Line>,
    has_faults: bool,
    refused: Option<(Flow, i32)>,
}

impl<P: PacketSink> Lines<P> {
    /// Over a sink that was opened with these flows, in this order.
    #[must_use]
    pub fn new(sink: P, flows: &[(Flow, Faults)], seed: u64) -> Lines<P> {
        let line = |(index, &(flow, faults)): (usize, &(Flow, Faults))| Line {
            flow,
            faults,
            // The constant only tells the lines apart.
            rng: Pcg64Mcg::seed_from_u64(seed ^ (index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            held: [0; PAYLOAD_BYTES],
            held_bytes: 0,
            part: LineOut { flow: flow.to_string(), ..LineOut::default() },
        };
        let has_faults = flows.iter().any(|(_, faults)| *faults != Faults::default());
        let lines = flows.iter().enumerate().map(line).collect();
        Lines { sink, lines, has_faults, refused: None }
    }

    /// Sends a packet of so many messages on all lines.
    #[inline]
    pub fn send(&mut self, packet: &[u8], messages: u64) {
        for index in 0..self.lines.len() {
            if self.has_faults {
                self.send_faulty(index, packet, messages);
            } else {
                self.hand_over(index, packet);
            }
        }
        self.flush();
    }

    /// Sends a word about the sequence on all lines, behind what was held.
    pub fn say(&mut self, packet: &[u8]) {
        for index in 0..self.lines.len() {
            self.release(index);
            self.put(index, packet);
        }
        self.flush();
    }

    /// Sends what is held.
    pub fn release_all(&mut self) {
        (0..self.lines.len()).for_each(|index| self.release(index));
        self.flush();
    }

    /// The flow and the error number of the first packet that the system refused.
    #[must_use]
    pub fn refused(&self) -> Option<(Flow, i32)> {
        self.refused
    }

    /// Counts so far.
    #[must_use]
    pub fn parts(&self) -> Vec<LineOut> {
        self.lines.iter().map(|line| line.part.clone()).collect()
    }

    fn send_faulty(&mut self, index: usize, packet: &[u8], messages: u64) {
        let Some(line) = self.lines.get_mut(index) else { return };
        let held_bytes = line.held_bytes;
        match line.draw() {
            Fate::Lost => {
                line.part.lost += 1;
                line.part.lost_messages += messages;
            }
            Fate::Held => {
                if let Some(held) = line.held.get_mut(..packet.len()) {
                    held.copy_from_slice(packet);
                    line.held_bytes = packet.len();
                }
            }
            Fate::Sent => self.hand_over(index, packet),
            Fate::Duplicated => {
                line.part.duplicated += 1;
                self.hand_over(index, packet);
                self.put(index, packet);
            }
        }
        if held_bytes > 0 {
            if let Some(line) = self.lines.get_mut(index) {
                line.part.reordered += 1;
            }
            self.release(index);
        }
    }

    fn release(&mut self, index: usize) {
        let Some(line) = self.lines.get_mut(index) else { return };
        let bytes = std::mem::take(&mut line.held_bytes);
        if bytes > 0 {
            let held = line.held;
            self.hand_over(index, held.get(..bytes).unwrap_or(&[]));
        }
    }

    /// Sends a packet of messages, and counts it.
    #[inline]
    fn hand_over(&mut self, index: usize, packet: &[u8]) {
        let is_sent = self.put(index, packet);
        if let Some(line) = self.lines.get_mut(index) {
            if is_sent {
                line.part.sent += 1;
            } else {
                line.part.unsent += 1;
            }
        }
    }

    #[inline]
    fn put(&mut self, index: usize, packet: &[u8]) -> bool {
        // At most two lines.
        match self.sink.send(index as u16, packet) {
            Ok(()) => true,
            Err(refused) => self.put_again(index, packet, refused),
        }
    }

    #[cold]
    fn put_again(&mut self, index: usize, packet: &[u8], mut refused: NotSent) -> bool {
        for _ in 0..TRIES {
            match refused {
                NotSent::NoRoom => {}
                NotSent::Refused(error) => {
                    self.refuse(index, error);
                    return false;
                }
                NotSent::TooLong { .. } | NotSent::NoSuchFlow => return false,
            }
            self.flush();
            match self.sink.send(index as u16, packet) {
                Ok(()) => return true,
                Err(again) => refused = again,
            }
        }
        false
    }

    #[inline]
    fn flush(&mut self) {
        if let Err(NotSent::Refused(error)) = self.sink.flush() {
            self.refuse(0, error);
        }
    }

    #[cold]
    fn refuse(&mut self, index: usize, error: i32) {
        if let Some(line) = self.lines.get(index) {
            self.refused.get_or_insert((line.flow, error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    /// What left, in order: (line, first byte).
    #[derive(Default)]
    struct Wire {
        left: Vec<(u16, u8)>,
        no_room: u32,
        error: Option<NotSent>,
    }

    impl PacketSink for Wire {
        fn send(&mut self, flow: u16, payload: &[u8]) -> Result<(), NotSent> {
            if let Some(error) = self.error {
                return Err(error);
            }
            if self.no_room > 0 {
                self.no_room -= 1;
                return Err(NotSent::NoRoom);
            }
            self.left.push((flow, payload[0]));
            Ok(())
        }
        fn flush(&mut self) -> Result<(), NotSent> {
            Ok(())
        }
    }

    fn lines(faults: [Faults; 2], seed: u64) -> Lines<Wire> {
        let flow = |last| Flow { address: Ipv4Addr::new(239, 0, 0, last), port: 1 };
        Lines::new(Wire::default(), &[(flow(1), faults[0]), (flow(2), faults[1])], seed)
    }

    #[test]
    fn the_same_seed_loses_the_same_and_lines_are_independent() {
        let faults = Faults { loss: 0.3, duplicate: 0.1, reorder: 0.1 };
        let run = |seed| {
            let mut lines = lines([faults; 2], seed);
            (0..200).for_each(|n| lines.send(&[n], 1));
            lines.release_all();
            (lines.parts(), lines.sink.left)
        };
        let (parts, left) = run(1);
        assert_eq!((&parts, &left), (&run(1).0, &run(1).1));
        assert_ne!(left, run(2).1);
        for part in &parts {
            assert_eq!(part.sent + part.lost, 200, "{part:?}");
            assert!((40..80).contains(&part.lost) && part.duplicated > 3 && part.reordered > 3);
            assert_eq!(part.lost, part.lost_messages);
        }
        let on = |line| -> Vec<u8> {
            left.iter().filter(|(at, _)| *at == line).map(|(_, byte)| *byte).collect()
        };
        assert_ne!(on(0), on(1));
        let total: u64 = parts.iter().map(|part| part.sent + part.duplicated).sum();
        assert_eq!(left.len() as u64, total);
    }

    #[test]
    fn a_held_packet_goes_behind_the_next_or_before_a_word_about_the_sequence() {
        let all = Faults { reorder: 1.0, ..Faults::default() };
        let mut lines = lines([all, Faults::default()], 1);
        [1, 2, 3].iter().for_each(|&n| lines.send(&[n], 1));
        lines.say(&[9]);
        let of_a: Vec<u8> =
            lines.sink.left.iter().filter(|(line, _)| *line == 0).map(|(_, n)| *n).collect();
        assert_eq!(of_a, [2, 1, 3, 9]);
        assert_eq!(lines.parts()[0].reordered, 1);
    }

    #[test]
    fn no_room_is_asked_again_and_a_refusal_is_remembered() {
        let mut lines = lines([Faults::default(); 2], 1);
        lines.sink.no_room = 3;
        lines.send(&[1], 1);
        assert_eq!(lines.sink.left, [(0, 1), (1, 1)]);
        lines.sink.no_room = TRIES + 1;
        lines.send(&[2], 1);
        assert_eq!((lines.parts()[0].unsent, lines.parts()[1].unsent), (1, 0));
        lines.sink.error = Some(NotSent::Refused(100));
        lines.send(&[3], 1);
        assert_eq!(
            lines.refused().map(|(flow, error)| (flow.address.octets()[3], error)),
            Some((1, 100))
        );
    }
}
