//! `/proc/interrupts` and `/proc/softirqs`: how often each core was interrupted, and by what.
//!
//! Both files have a head line of cores and a line a source, so one parser serves both. Counts are
//! since boot; the difference of two readings says what came in between.

use std::collections::BTreeMap;

/// One source of interrupts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// "24", "LOC", "TIMER".
    pub id: String,
    /// What the kernel calls it: chip, pin and device, or a description; empty for softirqs.
    pub name: String,
    /// Count of each core.
    pub counts: BTreeMap<usize, u64>,
}

impl Source {
    /// The id and the last word of the name of a device's interrupt, the whole of the others'.
    #[must_use]
    pub fn label(&self) -> String {
        let device = self.name.split_whitespace().last().unwrap_or("");
        match (self.id.parse::<u32>(), self.name.is_empty()) {
            (_, true) => self.id.clone(),
            (Ok(_), false) => format!("{} {device}", self.id),
            (Err(_), false) => format!("{} {}", self.id, self.name),
        }
    }
}

/// The sources in the file's order; lines that are something else are left out.
#[must_use]
pub fn parse(text: &str) -> Vec<Source> {
    let mut lines = text.lines();
    let cores: Vec<usize> = lines
        .next()
        .unwrap_or("")
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("CPU")?.parse().ok())
        .collect();
    lines
        .filter_map(|line| {
            let (id, rest) = line.split_once(':')?;
            let words: Vec<&str> = rest.split_whitespace().collect();
            // ERR and MIS have one count for the whole machine: no core's.
            let numbers: Vec<u64> = words.iter().map_while(|word| word.parse().ok()).collect();
            if numbers.len() < cores.len() {
                return None;
            }
            Some(Source {
                id: id.trim().to_owned(),
                name: words.get(cores.len()..).unwrap_or(&[]).join(" "),
                counts: cores.iter().copied().zip(numbers).collect(),
            })
        })
        .collect()
}

/// What one core got between two readings: (label, count), the most frequent first.
#[must_use]
pub fn since(earlier: &[Source], later: &[Source], core: usize) -> Vec<(String, u64)> {
    let count = |source: &Source| source.counts.get(&core).copied().unwrap_or(0);
    let mut added: Vec<(String, u64)> = later
        .iter()
        .filter_map(|source| {
            let before = earlier.iter().find(|one| one.id == source.id).map_or(0, count);
            let added = count(source).saturating_sub(before);
            (added > 0).then(|| (source.label(), added))
        })
        .collect();
    added.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    added
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "           CPU0       CPU2\n\
        \x2024:          1          7  IO-APIC   5-edge      ACPI:Ged\n\
        LOC:    5216138    5813692   Local timer interrupts\nERR:          0\njunk\n";

    #[test]
    fn sources_have_their_cores_and_names() {
        let sources = parse(TEXT);
        assert_eq!(sources.len(), 2);
        assert_eq!(sources[0].counts, BTreeMap::from([(0, 1), (2, 7)]));
        assert_eq!(sources[0].label(), "24 ACPI:Ged");
        assert_eq!(sources[1].label(), "LOC Local timer interrupts");
        assert_eq!(parse("    CPU0\n  TIMER:  9\n")[0].label(), "TIMER");
        assert!(parse("").is_empty() && parse("CPUx\n1: -3 9\n").len() <= 1);
    }

    #[test]
    fn the_difference_is_what_one_core_got() {
        let (earlier, mut later) = (parse(TEXT), parse(TEXT));
        later[0].counts.insert(2, 10);
        later[1].counts.insert(2, 5_813_792);
        let added = since(&earlier, &later, 2);
        assert_eq!(added, [("LOC Local timer interrupts".into(), 100), ("24 ACPI:Ged".into(), 3)]);
        assert!(since(&earlier, &later, 0).is_empty() && since(&later, &earlier, 2).is_empty());
    }
}
