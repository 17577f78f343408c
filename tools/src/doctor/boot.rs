//! What only the next boot changes, as one line to copy.

use super::{Row, Seen};

/// Longer than any kernel takes.
const LINE_BYTES_MAX: usize = 8_192;

/// The kernel parameters that are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootLine {
    /// Those to add, or to put in the place of others of the same name.
    pub add: Vec<String>,
    /// Those that are there now and go.
    pub replace: Vec<String>,
    /// The whole line as it will be; `None` where the present one is not known.
    pub whole: Option<String>,
}

/// Of all rows together; `None` where nothing needs a boot.
#[must_use]
pub fn boot_line(rows: &[Row], seen: &Seen) -> Option<BootLine> {
    let add: Vec<String> = rows.iter().flat_map(|row| row.boot.iter().cloned()).collect();
    if add.is_empty() {
        return None;
    }
    let name = |word: &str| word.split('=').next().unwrap_or(word).to_owned();
    let wanted: Vec<String> = add.iter().map(|word| name(word)).collect();
    let known = seen.command_line.as_ref().ok().filter(|line| line.len() <= LINE_BYTES_MAX);
    let Some(line) = known else {
        return Some(BootLine { add, replace: Vec::new(), whole: None });
    };
    // What stands behind "--" is the first program's, not the kernel's.
    let (ours, theirs) = match line.split_once(" -- ") {
        Some((ours, theirs)) => (ours, Some(theirs)),
        None => (line.as_str(), None),
    };
    let (replace, keep): (Vec<&str>, Vec<&str>) =
        ours.split_whitespace().partition(|word| wanted.contains(&name(word)));
    let mut whole: Vec<&str> = keep;
    whole.extend(add.iter().map(String::as_str));
    let mut whole = whole.join(" ");
    if let Some(theirs) = theirs {
        whole = format!("{whole} -- {theirs}");
    }
    let replace = replace.into_iter().map(str::to_owned).collect();
    let whole = whole.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Some(BootLine { add, replace, whole: Some(whole) })
}
