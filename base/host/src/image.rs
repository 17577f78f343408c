//! [`prefault_image`]: the program itself in memory before the loop starts.
//!
//! Code and constants are mapped from the file and come in page by page when they are first run.
//! A branch that the hot loop takes for the first time after an hour would pay for it with a page
//! fault: 0.5 to 1 µs from the page cache, milliseconds from a disk. Locking all memory would do
//! it as well, and needs a privilege; this needs none.
//!
//! When it is the wrong choice: for a program with gigabytes mapped from files that it will hardly
//! touch; only mappings of up to [`MAPPING_BYTES_MAX`] are looked at.

use std::fs;

/// Larger mappings are data, not program.
pub const MAPPING_BYTES_MAX: usize = 256 << 20;

/// One line of `/proc/self/maps` that is ours to populate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mapping {
    start: usize,
    bytes: usize,
    is_writable: bool,
}

/// Makes the pages of the program, its libraries, its static data and its heap present, those that
/// may be written for writing. Returns how many bytes are; what the kernel refuses stays as it was
/// (before Linux 5.14 that is everything).
///
/// Cost: once, some milliseconds.
pub fn prefault_image() -> usize {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    maps.lines().filter_map(mapping).filter(populate).map(|mapping| mapping.bytes).sum()
}

/// `start-end perms offset device inode path`. Ours are those of the image: files and the heap, and
/// private memory without a name, of which static data that begins at zero is the part that counts.
fn mapping(line: &str) -> Option<Mapping> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let permissions = fields.next()?.as_bytes();
    let path = fields.nth(3).unwrap_or("");
    let (start, end) =
        (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    let bytes = end.checked_sub(start)?;
    let (&[b'r', write, _, b'p', ..], true) = (permissions, bytes <= MAPPING_BYTES_MAX) else {
        return None;
    };
    let is_image = path.starts_with('/') || path.is_empty() || path == "[heap]";
    is_image.then_some(Mapping { start, bytes, is_writable: write == b'w' })
}

fn populate(mapping: &Mapping) -> bool {
    let advice =
        if mapping.is_writable { libc::MADV_POPULATE_WRITE } else { libc::MADV_POPULATE_READ };
    let start = std::ptr::without_provenance_mut(mapping.start);
    // SAFETY: populating makes pages present and changes no contents, whoever uses them; a mapping
    // that went meanwhile is an error, one that came in its place is populated instead.
    unsafe { libc::madvise(start, mapping.bytes, advice) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_image_are_told_from_the_rest() {
        let code = "5581c0a00000-5581c0a01000 r-xp 00002000 fe:00 12 /usr/bin/engine";
        let expected = Mapping { start: 0x5581_c0a0_0000, bytes: 4_096, is_writable: false };
        assert_eq!(mapping(code), Some(expected));
        let bss = "5581c0a00000-5581c0a01000 rw-p 00000000 00:00 0 ";
        assert_eq!(mapping(bss), Some(Mapping { is_writable: true, ..expected }));
        for other in [
            "7f0000000000-7f0000001000 rw-s 00000000 00:05 9 /memfd:events (deleted)",
            "7f0000000000-7f0000001000 ---p 00000000 00:00 0 ",
            "7f0000000000-7f0040001000 r--p 00000000 fe:00 9 /a/day",
            "7ffc00000000-7ffc00001000 rw-p 00000000 00:00 0 [stack]",
            "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]",
            "",
        ] {
            assert_eq!(mapping(other), None, "{other}");
        }
    }

    #[test]
    fn the_code_of_this_program_is_there_afterwards() {
        assert!(prefault_image() > 100 << 10, "no file of this program is mapped");
    }
}
