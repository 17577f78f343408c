//! Send stamps behind the last message: when our own feed wanted its events to leave, and when they did.
//!
//! ```text
//!  … │message│u32 × count: lag, warm-up│sent ticks│"tsp1"│      integers here are little-endian
//!            └──────────── behind what the header's count reaches ────────────┘
//! ```
//! MoldUDP64 says where messages end by counting them; what follows is padding to every receiver that
//! does not know of this. One `sent` is enough for a packet: its messages leave together.
//!
//! The TSC is that of this host: across hosts the numbers mean nothing.
//! When wrong: a venue's packet could end with the same bytes by chance, so a receiver looks for them only
//! where it was told that its feed is ours.

use super::Packet;

/// The last four bytes.
const MAGIC: [u8; 4] = *b"tsp1";
/// Bytes beside the lags: `sent`, and the magic number.
const FIXED_BYTES: usize = 12;
const LAG_BYTES: usize = 4;
const WARM_UP: u32 = 1 << 31;

/// The longest lag that has room, ticks; a longer one stands at it.
pub const LAG_MAX: u32 = WARM_UP - 1;

/// What is told of one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageStamp {
    /// `sent` minus the intended instant, ticks, up to [`LAG_MAX`].
    pub lag_ticks: u32,
    /// It is not to be measured.
    pub is_warm_up: bool,
}

/// The stamps of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendStamps<'a> {
    /// TSC right before the packet was handed to the kernel or the card.
    pub sent_ticks: u64,
    lags: &'a [u8],
}

impl SendStamps<'_> {
    /// Of the packet's message `index`, from 0; behind the last one nothing is told.
    #[inline]
    #[must_use]
    pub fn message(&self, index: usize) -> MessageStamp {
        let word = self.lags.chunks_exact(LAG_BYTES).nth(index);
        let word = word.and_then(|bytes| bytes.first_chunk()).map_or(0, |b| u32::from_le_bytes(*b));
        MessageStamp { lag_ticks: word & LAG_MAX, is_warm_up: word & WARM_UP != 0 }
    }
}

impl<'a> Packet<'a> {
    /// The stamps behind the messages, where there are some.
    #[inline]
    #[must_use]
    pub fn send_stamps(&self) -> Option<SendStamps<'a>> {
        let (rest, magic) = self.blocks.split_last_chunk::<4>()?;
        let (rest, sent) = rest.split_last_chunk::<8>()?;
        let lags = usize::from(self.count()) * LAG_BYTES;
        let at = rest.len().checked_sub(lags)?;
        (*magic == MAGIC).then(|| SendStamps {
            sent_ticks: u64::from_le_bytes(*sent),
            lags: rest.get(at..).unwrap_or_default(),
        })
    }
}

/// Bytes that the stamps of `messages` messages take.
#[must_use]
pub const fn stamps_bytes(messages: usize) -> usize {
    FIXED_BYTES + messages * LAG_BYTES
}

/// Writes the stamps of a packet's messages to where its last message ends; how many bytes. `None` where
/// `out` is shorter than [`stamps_bytes`].
#[must_use]
pub fn write_stamps(out: &mut [u8], messages: &[MessageStamp], sent_ticks: u64) -> Option<usize> {
    let len = stamps_bytes(messages.len());
    let (lags, fixed) = out.get_mut(..len)?.split_at_mut(messages.len() * LAG_BYTES);
    for (place, message) in lags.chunks_exact_mut(LAG_BYTES).zip(messages) {
        let warm_up = if message.is_warm_up { WARM_UP } else { 0 };
        place.copy_from_slice(&(message.lag_ticks.min(LAG_MAX) | warm_up).to_le_bytes());
    }
    let (sent, magic) = fixed.split_at_mut(8);
    sent.copy_from_slice(&sent_ticks.to_le_bytes());
    magic.copy_from_slice(&MAGIC);
    Some(len)
}

#[cfg(test)]
mod tests {
    use super::super::{PacketWriter, Session};
    use super::*;

    const STAMPS: [MessageStamp; 2] = [
        MessageStamp { lag_ticks: 77, is_warm_up: false },
        MessageStamp { lag_ticks: LAG_MAX, is_warm_up: true },
    ];

    fn packet(out: &mut [u8]) -> usize {
        let mut writer = PacketWriter::new(out, Session(*b"SESSION001"), 5).unwrap();
        assert!(writer.push(b"abc") && writer.push(b""));
        writer.finish()
    }

    #[test]
    fn stamps_come_back_and_messages_are_as_they_were() {
        let mut out = [0; 128];
        let len = packet(&mut out);
        let more = write_stamps(&mut out[len..], &STAMPS, u64::MAX - 5).unwrap();
        assert_eq!(more, stamps_bytes(2));
        let packet = Packet::decode(&out[..len + more]).unwrap();
        let messages: std::vec::Vec<_> = packet.messages().collect();
        assert_eq!(messages, [Ok(&b"abc"[..]), Ok(&b""[..])]);
        let stamps = packet.send_stamps().unwrap();
        assert_eq!(stamps.sent_ticks, u64::MAX - 5);
        assert_eq!([stamps.message(0), stamps.message(1)], STAMPS);
        assert_eq!(stamps.message(2), MessageStamp::default());
    }

    #[test]
    fn a_packet_without_them_or_a_cut_one_has_none() {
        let mut out = [0; 128];
        let len = packet(&mut out);
        assert_eq!(Packet::decode(&out[..len]).unwrap().send_stamps(), None);
        let more = write_stamps(&mut out[len..], &STAMPS, 9).unwrap();
        for cut in 20..len + more {
            assert_eq!(Packet::decode(&out[..cut]).unwrap().send_stamps(), None, "{cut}");
        }
        // More messages in the header than lags behind them.
        out[18..20].copy_from_slice(&9_u16.to_be_bytes());
        assert_eq!(Packet::decode(&out[..len + more]).unwrap().send_stamps(), None);
        assert_eq!(write_stamps(&mut [0; 19], &STAMPS, 9), None);
    }
}
