//! What a run prints: the table and the counts under it.

use crate::error::EngineError;
use std::io::{self, Write};
use tickspin_host::process::is_closed_pipe;
use tickspin_results::EnginePart;
use tickspin_results::packets_in::PacketsIn;
use tickspin_results::table::{Floors, grouped, latency};

/// The table and the counts, for the terminal.
#[must_use]
pub fn table(part: &EnginePart) -> String {
    let EnginePart { usage, turns, .. } = part;
    let refused: Vec<String> =
        part.refused_by.iter().map(|(why, count)| format!("{why} {}", grouped(*count))).collect();
    let refused =
        if refused.is_empty() { String::new() } else { format!(" ({})", refused.join(", ")) };
    let floors = Floors::new(&part.clock, None);
    let mut text = latency(&part.latency_ns, &floors);
    text.push_str(&format!("{}\n\n", floors.meaning()));
    let mut line = |name: &str, line: String| text.push_str(&format!("{name:<8} {line}\n"));
    line(
        "events",
        format!(
            "received {}, of these warm-up {}; lost {}, foreign {}, gaps of the venue {}",
            grouped(part.received),
            grouped(part.warm_up),
            grouped(part.lost),
            grouped(part.foreign),
            grouped(part.feed_gaps)
        ),
    );
    line(
        "orders",
        format!(
            "sent {}, refused {}{refused}; reports {}, fills {}",
            grouped(part.orders_sent),
            grouped(part.orders_refused),
            grouped(part.reports),
            grouped(part.filled)
        ),
    );
    line(
        "books",
        format!(
            "{} instruments, {} orders; unknown orders {}, duplicates {}, refused {}",
            grouped(part.book_instruments),
            grouped(part.book_orders),
            grouped(part.unknown_orders),
            grouped(part.duplicate_orders),
            grouped(part.book_refused)
        ),
    );
    line("", format!("SHA-256 {}", part.book_hash));
    line(
        "thread",
        format!(
            "core {}, {}: faults {} minor {} major, switches {} involuntary {} voluntary, steal {} \
             ms, largest gap {} ns",
            usage.core,
            usage.waiting,
            grouped(usage.minor_faults),
            grouped(usage.major_faults),
            grouped(usage.involuntary_switches),
            grouped(usage.voluntary_switches),
            usage.steal_ns / 1_000_000,
            grouped(usage.largest_gap_ns)
        ),
    );
    line(
        "turns",
        format!(
            "{} work, {} idle; cold threads {} ms of CPU",
            grouped(turns.work),
            grouped(turns.idle),
            usage.cold_cpu_ns / 1_000_000
        ),
    );
    for (name, words) in part.packets.iter().flat_map(PacketsIn::text) {
        line(name, words);
    }
    for words in part.slow.iter().flat_map(|slow| slow.lines(part.received - part.warm_up)) {
        line("slow", words);
    }
    for note in &part.notes {
        line("note", note.clone());
    }
    line("ended", part.ended.clone());
    text
}

/// Prints to standard output; a closed pipe is success.
///
/// # Errors
/// [`EngineError::Print`].
pub fn print(text: &str) -> Result<(), EngineError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if !is_closed_pipe(&error) => Err(EngineError::Print(error)),
        _ => Ok(()),
    }
}
