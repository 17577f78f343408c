//! [`PacketFeed`]: what a packet file must know about a venue's protocol.

use crate::session::{Head, SessionId};
use crate::{Facts, Symbols};
use std::collections::VecDeque;
use tickspin_wire::Event;

/// Whether a payload is of a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// It is not.
    No,
    /// It can be; it has no message that would tell.
    Perhaps,
    /// It is, by its messages: so are all packets of its line.
    Yes,
}

/// A session protocol and the messages in it. Stands for all sessions of a file; each message is given
/// to it once and in order.
///
/// In both protocols there are, a message stands behind its length of two bytes; only the byte order
/// of that length is the protocol's own.
pub(crate) trait PacketFeed: Send {
    /// The session protocol, as [`Facts::container`] names it.
    fn name(&self) -> &'static str;

    /// Whether a payload of a line that nobody has claimed is ours.
    fn judge(&self, payload: &[u8]) -> Verdict;

    /// The header of a payload that is ours, its count that of the whole messages; `None` where it is
    /// broken or holds no whole one of those it announces.
    fn head(&self, payload: &[u8]) -> Option<Head>;

    /// The length before a message.
    fn length(&self, prefix: [u8; 2]) -> usize;

    /// Says what a message means: no event, one, or several into the sink.
    fn translate(&mut self, message: &[u8], sink: &mut Sink<'_>);

    /// A session begins afresh: what was said about instruments before is void.
    fn restart(&mut self) {}

    /// What [`EventReader::position`](crate::EventReader::position) gives for a sequence number.
    fn position(&self, sequence: u64) -> u64;

    /// Adds what it counted since the start: messages, types, protocol.
    fn add_facts(&self, facts: &mut Facts);

    /// The file begins again.
    fn reset(&mut self);
}

/// Where a message's events go.
pub(crate) struct Sink<'a> {
    /// They are handed out in this order, with the position of the message.
    pub(crate) events: &'a mut VecDeque<Event>,
    /// For [`Facts::at`] and [`Facts::skip`]; messages and types are counted by
    /// [`PacketFeed::add_facts`], latencies by the file.
    pub(crate) facts: &'a mut Facts,
    /// For names and numbers.
    pub(crate) symbols: &'a mut Symbols,
    /// Whose message it is.
    pub(crate) session: SessionId,
}
