//! What is counted while DBN records go by, and what it says of the recording.

use crate::dbn::DbnFile;
use crate::dbn::layout::{self, Header};
use crate::facts::{Facts, Protocol, SessionFacts};
use ::dbn::{Schema, UNDEF_TIMESTAMP, flags, rtype};

/// Counts that are not in [`Facts`] already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) unknown_types: u64,
    pub(super) unexpected_sizes: u64,
    pub(super) unknown_actions: u64,
    /// Of instruments beyond the last number there is.
    pub(super) unnumbered: u64,
    pub(super) maybe_bad_book: u64,
    pub(super) sequence_first: Option<u32>,
    pub(super) sequence_last: u32,
}

impl DbnFile {
    /// Counts a record that is handed out.
    #[inline(always)]
    pub(super) fn note(&mut self, header: &Header, flags: u8, ts_recv_ns: u64) {
        self.records += 1;
        self.by_rtype[header.rtype as usize] += 1;
        self.counts.maybe_bad_book += u64::from(flags & flags::MAYBE_BAD_BOOK != 0);
        if header.ts_event_ns != UNDEF_TIMESTAMP {
            self.times.at(header.ts_event_ns);
            if ts_recv_ns != UNDEF_TIMESTAMP && flags & flags::BAD_TS_RECV == 0 {
                self.times.latency(ts_recv_ns, header.ts_event_ns);
            }
        }
    }

    #[inline(always)]
    pub(super) fn sequenced(&mut self, sequence: u32) {
        self.counts.sequence_first.get_or_insert(sequence);
        self.counts.sequence_last = sequence;
    }

    /// What the recording turned out to be so far.
    pub(super) fn told(&self) -> Facts {
        let named = |rtype: u8| match (rtype, self.schema) {
            (rtype::MBP_1, Some(Schema::Tbbo)) => "tbbo",
            _ => layout::name(rtype),
        };
        let counted = (0..=u8::MAX).zip(*self.by_rtype).filter(|&(_, count)| count > 0);
        let mut facts = Facts {
            container: match self.version {
                Some(version) => format!("{}, dbn v{version}", self.container()),
                None => format!("{}, dbn fragment", self.container()),
            },
            protocol: Protocol::Dbn,
            messages: self.by_rtype.iter().sum(),
            by_type: counted.map(|(rtype, count)| (named(rtype).into(), count)).collect(),
            truncated: self.truncated,
            ..self.times.clone()
        };
        if let Some(first) = self.counts.sequence_first {
            facts.sessions.push(SessionFacts {
                id: self.dataset.clone(),
                first: first.into(),
                last: self.counts.sequence_last.into(),
                ..SessionFacts::default()
            });
        }
        for (reason, count) in [
            ("unknown type", self.counts.unknown_types),
            ("unexpected length", self.counts.unexpected_sizes),
            ("unknown action", self.counts.unknown_actions),
            ("instrument without a number", self.counts.unnumbered),
        ] {
            if count > 0 {
                facts.skipped_by.insert(reason, count);
            }
        }
        facts
    }
}
