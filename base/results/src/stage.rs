//! The names of what is measured, and what each means.
//!
//! ```text
//! intended ──lag──► sent ──wait──► arrival ─book─► ─strategy─► ─risk+order─► departure ──► request's arrival
//!    │                │               └──────────── tick_to_order ─────────────┘               │
//!    │                │               └──────────────── service ───────────────┘               │
//!    │                └──────────────────────── tick_to_order_exchange ────────────────────────┘
//!    └───────────────────────────────── response ──────────────────────────────┘
//! ```

/// One measured span. The order is that of every table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(usize)]
pub enum Stage {
    /// How late the feed was against its own schedule.
    ScheduleLag = 0,
    /// From the feed's send stamp to the engine's arrival stamp.
    RingWait,
    /// Decoding and the book update.
    Book,
    /// The strategy's decision.
    Strategy,
    /// Risk check, encoding, publishing of the request.
    RiskOrder,
    /// Arrival to departure inside the engine.
    TickToOrder,
    /// Event's send stamp to its request's arrival, both read on the feed's core.
    TickToOrderExchange,
    /// Arrival to the end of the work, every event.
    Service,
    /// Intended instant to the end of the work, every event: what a user of the system waits.
    Response,
}

impl Stage {
    /// All stages in table order.
    pub const ALL: [Stage; 9] = [
        Stage::ScheduleLag,
        Stage::RingWait,
        Stage::Book,
        Stage::Strategy,
        Stage::RiskOrder,
        Stage::TickToOrder,
        Stage::TickToOrderExchange,
        Stage::Service,
        Stage::Response,
    ];

    /// The name in files, JSON, tags and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Stage::ScheduleLag => "schedule_lag",
            Stage::RingWait => "ring_wait",
            Stage::Book => "book",
            Stage::Strategy => "strategy",
            Stage::RiskOrder => "risk_order",
            Stage::TickToOrder => "tick_to_order",
            Stage::TickToOrderExchange => "tick_to_order_exchange",
            Stage::Service => "service",
            Stage::Response => "response",
        }
    }

    /// From its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Stage> {
        Stage::ALL.into_iter().find(|stage| stage.name() == name)
    }

    /// What the span may take, ns: a value is within it when it is below. `None`: no promise is made,
    /// because the feed's lag behind its own schedule is no work of the engine.
    ///
    /// Three promises stand behind it. A tick, from its sending until the book knows it, takes less
    /// than 1 us; so does the decision, with the request it leads to; the whole loop takes less
    /// than 5 us, from whichever stamp it is counted. Each part is held to the promise of the
    /// whole that it belongs to.
    #[must_use]
    pub const fn budget_ns(self) -> Option<u64> {
        match self {
            Stage::ScheduleLag => None,
            Stage::RingWait | Stage::Book | Stage::Strategy | Stage::RiskOrder => Some(1_000),
            Stage::TickToOrder | Stage::TickToOrderExchange | Stage::Service | Stage::Response => {
                Some(5_000)
            }
        }
    }

    /// One line for the reader of a report: from which stamp to which, and over which events.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Stage::ScheduleLag => "intended instant to actual send, every measured event",
            Stage::RingWait => "actual send to arrival in the engine, every measured event",
            Stage::Book => "arrival to book updated (stamps: all)",
            Stage::Strategy => "book updated to decision taken (stamps: all)",
            Stage::RiskOrder => {
                "decision to last request published, events with orders (stamps: all)"
            }
            Stage::TickToOrder => "arrival to last request published, events with orders",
            Stage::TickToOrderExchange => {
                "actual send to the request's arrival at the exchange end, one clock, every request"
            }
            Stage::Service => "arrival to end of work, every measured event",
            Stage::Response => "intended instant to end of work, every measured event",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_lead_back() {
        for (index, stage) in Stage::ALL.into_iter().enumerate() {
            assert_eq!(stage as usize, index);
            assert_eq!(Stage::from_name(stage.name()), Some(stage));
        }
        assert_eq!(Stage::from_name("queue"), None);
    }
}
