//! Reading the kernel's small text files, and CPUID. Parsers take text, so that tests need no
//! particular machine.

use core::arch::x86_64::{__cpuid, CpuidResult};
use std::fs;

/// One leaf of CPUID, sub-leaf 0.
pub(crate) fn cpuid(leaf: u32) -> CpuidResult {
    __cpuid(leaf)
}

/// A whole file without its surrounding white space; `None` where it is missing or unreadable.
pub(crate) fn read_trimmed(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// The kernel's list format, "0-3,8,10-14:2", sorted; `None` for anything else.
///
/// Empty is an empty list (that is how `isolated` reads where there is none); "(null)" too, which
/// kernels print for `nohz_full`. Numbers end at 65,535: more is not a machine but a broken file.
pub(crate) fn cpu_list(text: &str) -> Option<Vec<usize>> {
    const NUMBER_MAX: usize = 65_535;
    let text = text.trim();
    if text.is_empty() || text == "(null)" {
        return Some(Vec::new());
    }
    let mut list = Vec::new();
    for part in text.split(',') {
        let (range, stride) = match part.split_once(':') {
            // "first-last:used/group": `used` of each `group`.
            Some((range, stride)) => (range, Some(stride)),
            None => (part, None),
        };
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if first > last || last > NUMBER_MAX {
            return None;
        }
        let (used, group) = match stride {
            None => (1, 1),
            Some(stride) => {
                let (used, group) = stride.split_once('/').unwrap_or(("1", stride));
                (used.parse().ok()?, group.parse().ok()?)
            }
        };
        if used == 0 || group == 0 || used > group {
            return None;
        }
        if list.len() > NUMBER_MAX {
            // The same cores over and over: no kernel's file, and it would fill the memory.
            return None;
        }
        list.extend((first..=last).filter(|number| (number - first) % group < used));
    }
    list.sort_unstable();
    list.dedup();
    Some(list)
}

/// A list as the kernel would write it: "0-3,8".
pub(crate) fn list_text(list: &[usize]) -> String {
    let mut text = String::new();
    let mut rest = list;
    while let [first, ..] = *rest {
        let run = rest.iter().zip(first..).take_while(|(have, want)| *have == want).count();
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&first.to_string());
        if run > 1 {
            text.push(if run == 2 { ',' } else { '-' });
            text.push_str(&(first + run - 1).to_string());
        }
        rest = &rest[run..];
    }
    if text.is_empty() { "none".into() } else { text }
}

/// The value behind "key:" at the start of a line, trimmed (/proc/*/status, meminfo, cpuinfo).
pub(crate) fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim())
    })
}

/// A number behind "key:", its unit ("kB") ignored.
pub(crate) fn number(text: &str, key: &str) -> Option<u64> {
    value(text, key)?.split_whitespace().next()?.parse().ok()
}

/// The flags of the first processor in /proc/cpuinfo.
pub(crate) fn cpu_flags() -> Vec<String> {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    value(&text, "flags").unwrap_or("").split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_lists_parse_as_the_kernel_writes_them() {
        assert_eq!(cpu_list("0-3,8\n"), Some(vec![0, 1, 2, 3, 8]));
        assert_eq!(cpu_list("0"), Some(vec![0]));
        assert_eq!(cpu_list(""), Some(vec![]));
        assert_eq!(cpu_list("\n"), Some(vec![]));
        assert_eq!(cpu_list(" (null)\n"), Some(vec![]));
        assert_eq!(cpu_list("8,2-3,2"), Some(vec![2, 3, 8]));
        assert_eq!(cpu_list("0-7:2/4"), Some(vec![0, 1, 4, 5]));
        assert_eq!(cpu_list("0-6:2"), Some(vec![0, 2, 4, 6]));
    }

    #[test]
    fn what_is_no_cpu_list_is_refused() {
        for text in ["x", "3-1", "1-", "-1", "0,,1", "0-3:0", "0-3:3/2", "0-99999999", "1;2"] {
            assert_eq!(cpu_list(text), None, "{text:?}");
        }
    }

    #[test]
    fn lists_are_written_as_they_are_read() {
        for text in ["0-3,8", "1", "0,1", "2-4,7,9,10"] {
            assert_eq!(list_text(&cpu_list(text).unwrap()), text);
        }
        assert_eq!(list_text(&[]), "none");
    }

    #[test]
    fn values_are_found_by_their_whole_key() {
        let text = "Name:\tengine\nVmLck:\t  64 kB\nflags\t\t: fpu tsc\nCpus_allowed:\t3\n";
        assert_eq!(value(text, "Name"), Some("engine"));
        assert_eq!(value(text, "flags"), Some("fpu tsc"));
        assert_eq!(value(text, "Cpus"), None);
        assert_eq!(number(text, "VmLck"), Some(64));
        assert_eq!(number(text, "Name"), None);
    }
}
