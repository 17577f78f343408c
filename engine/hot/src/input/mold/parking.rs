//! Packets behind a hole, sorted by their first number, in memory of a fixed size.
//!
//! ```text
//! order  ├─ done ─┼─ slot numbers, by first message ─┼─ room ─┤
//!                 start                              end
//! ```
//!
//! Packets that come in order are added at the end and taken at the start, both without a search's
//! worth of work; one that comes between others moves the numbers behind it, 2 bytes each.

/// The payload of a datagram in an Ethernet frame; longer ones are not parked.
pub const PAYLOAD_BYTES: usize = 1_472;

/// A packet that waits.
#[derive(Clone, Copy, Debug)]
pub struct ParkedPacket {
    /// Number of its first message.
    pub(super) first: u64,
    /// When it came, ticks.
    pub(super) arrived: u64,
    pub(super) count: u16,
    len: u16,
    /// By index.
    pub(super) line: u8,
    bytes: [u8; PAYLOAD_BYTES],
}

impl Default for ParkedPacket {
    fn default() -> ParkedPacket {
        ParkedPacket { first: 0, arrived: 0, count: 0, len: 0, line: 0, bytes: [0; PAYLOAD_BYTES] }
    }
}

impl ParkedPacket {
    pub(super) fn payload(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// One past the number of its last message.
    pub(super) const fn end(&self) -> u64 {
        self.first.saturating_add(self.count as u64)
    }
}

/// Memory for parked packets: three slices of one length, at most 65,535; 4,096 are 6 MiB.
#[derive(Debug)]
pub struct ParkingMemory<'m> {
    /// The packets.
    pub slots: &'m mut [ParkedPacket],
    /// Their order.
    pub order: &'m mut [u16],
    /// Slots that are free.
    pub free: &'m mut [u16],
}

#[derive(Debug)]
pub(super) struct Parking<'m> {
    memory: ParkingMemory<'m>,
    start: usize,
    end: usize,
    /// How many of `free` are.
    free: usize,
}

/// What became of a packet that was to be parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parked {
    /// It waits.
    Yes,
    /// One with its messages waits already.
    Duplicate,
    /// All places are taken.
    Full,
    /// It is longer than a place.
    TooLong,
}

impl<'m> Parking<'m> {
    pub(super) fn new(memory: ParkingMemory<'m>) -> Parking<'m> {
        let len = memory.slots.len().min(memory.order.len()).min(memory.free.len());
        let len = len.min(usize::from(u16::MAX));
        let parking = Parking { memory, start: 0, end: 0, free: len };
        for (number, place) in parking.memory.free.iter_mut().take(len).enumerate() {
            *place = number as u16;
        }
        parking
    }

    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The packet with the lowest number.
    #[inline]
    pub(super) fn front(&self) -> Option<&ParkedPacket> {
        if self.is_empty() {
            return None;
        }
        self.memory.slots.get(usize::from(*self.memory.order.get(self.start)?))
    }

    /// The `n`-th packet by its number, from 0.
    #[inline]
    pub(super) fn get(&self, n: usize) -> Option<&ParkedPacket> {
        let at = self.start.checked_add(n).filter(|&at| at < self.end)?;
        self.memory.slots.get(usize::from(*self.memory.order.get(at)?))
    }

    /// Lets it go.
    pub(super) fn pop_front(&mut self) {
        let Some(&slot) = self.memory.order.get(self.start).filter(|_| !self.is_empty()) else {
            return;
        };
        if let Some(place) = self.memory.free.get_mut(self.free) {
            *place = slot;
            self.free += 1;
        }
        self.start += 1;
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Lets all go.
    pub(super) fn clear(&mut self) {
        while !self.is_empty() {
            self.pop_front();
        }
    }

    /// Keeps a copy of a packet.
    pub(super) fn insert(
        &mut self,
        first: u64,
        count: u16,
        (line, arrived): (u8, u64),
        payload: &[u8],
    ) -> Parked {
        if payload.len() > PAYLOAD_BYTES {
            return Parked::TooLong;
        }
        let at = self.start + self.place_of(first);
        if at > self.start && self.covers(at - 1, first, count) {
            return Parked::Duplicate;
        }
        let Some(&slot) = self.free.checked_sub(1).and_then(|last| self.memory.free.get(last))
        else {
            return Parked::Full;
        };
        // There is a free slot, so the order is not full; perhaps it stands too far back.
        let at = if self.end < self.memory.order.len() { at } else { self.move_to_start(at) };
        let Some(packet) = self.memory.slots.get_mut(usize::from(slot)) else {
            return Parked::Full;
        };
        let Some(place) = packet.bytes.get_mut(..payload.len()) else { return Parked::TooLong };
        place.copy_from_slice(payload);
        (packet.first, packet.count, packet.len) = (first, count, payload.len() as u16);
        (packet.line, packet.arrived) = (line, arrived);
        if let Some(behind) = self.memory.order.get_mut(at..=self.end) {
            behind.rotate_right(1);
            if let Some(place) = behind.first_mut() {
                *place = slot;
            }
            self.end += 1;
            self.free -= 1;
        }
        Parked::Yes
    }

    /// How many waiting packets begin at `first` or before.
    fn place_of(&self, first: u64) -> usize {
        let waiting = self.memory.order.get(self.start..self.end).unwrap_or(&[]);
        // Mostly behind all of them.
        let is_before = |slot: &u16| {
            self.memory.slots.get(usize::from(*slot)).is_some_and(|packet| packet.first <= first)
        };
        match waiting.last() {
            Some(last) if is_before(last) => waiting.len(),
            _ => waiting.partition_point(is_before),
        }
    }

    /// Whether the waiting packet at this place of the order has all of these messages.
    fn covers(&self, at: usize, first: u64, count: u16) -> bool {
        let slot =
            self.memory.order.get(at).and_then(|&slot| self.memory.slots.get(usize::from(slot)));
        slot.is_some_and(|packet| {
            packet.first <= first && packet.end() >= first.saturating_add(u64::from(count))
        })
    }

    fn move_to_start(&mut self, at: usize) -> usize {
        let by = self.start;
        self.memory.order.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - by);
        at - by
    }
}

#[cfg(test)]
mod tests {
    #[cfg(test)]
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    fn with_parking<T>(len: usize, work: impl FnOnce(&mut Parking<'_>) -> T) -> T {
        let (mut slots, mut order) = (vec![ParkedPacket::default(); len], vec![0; len]);
        let mut free = vec![0; len];
        let memory = ParkingMemory { slots: &mut slots, order: &mut order, free: &mut free };
        work(&mut Parking::new(memory))
    }

    #[test]
    fn it_is_full_after_as_many_packets_as_it_has_places() {
        with_parking(3, |parking| {
            for first in [30, 10, 20] {
                assert_eq!(parking.insert(first, 5, (1, 7), &[first as u8]), Parked::Yes);
            }
            assert_eq!(parking.insert(40, 5, (0, 0), b""), Parked::Full);
            assert_eq!(parking.insert(10, 5, (0, 0), b""), Parked::Duplicate);
            assert_eq!(parking.insert(12, 2, (0, 0), b""), Parked::Duplicate);
            assert_eq!(parking.insert(5, 5, (0, 0), &[0; 1_473]), Parked::TooLong);
            let front = parking.front().unwrap();
            assert_eq!((front.first, front.end(), front.payload()), (10, 15, &[10][..]));
            assert_eq!((front.line, front.arrived), (1, 7));
            parking.pop_front();
            assert_eq!(parking.insert(10, 6, (0, 0), b"x"), Parked::Yes);
            assert_eq!(parking.front().unwrap().payload(), b"x");
            parking.clear();
            assert!(parking.is_empty() && parking.front().is_none());
            parking.pop_front();
            assert_eq!(parking.insert(1, 1, (0, 0), b""), Parked::Yes);
        });
        with_parking(0, |parking| assert_eq!(parking.insert(1, 1, (0, 0), b""), Parked::Full));
    }

    proptest! {
        #[test]
        fn packets_leave_in_the_order_of_their_numbers(
            steps in proptest::collection::vec((0_u64..50, any::<bool>()), 0..200),
        ) {
            with_parking(8, |parking| {
                let mut twin: Vec<u64> = Vec::new();
                for (first, takes) in steps {
                    if takes {
                        let front = parking.front().map(|packet| packet.first);
                        assert_eq!(front, twin.first().copied());
                        parking.pop_front();
                        if !twin.is_empty() { twin.remove(0); }
                    } else {
                        let parked = parking.insert(first, 1, (0, 0), &[first as u8]);
                        let want = if twin.contains(&first) { Parked::Duplicate }
                            else if twin.len() == 8 { Parked::Full }
                            else { Parked::Yes };
                        assert_eq!(parked, want);
                        if parked == Parked::Yes {
                            twin.push(first);
                            twin.sort_unstable();
                        }
                    }
                }
            });
        }
    }
}
