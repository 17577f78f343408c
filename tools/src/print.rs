//! Standard output, where a closed pipe is success: nobody wants the rest.

use crate::error::Failure;
use std::io::{self, Write};

/// Prints `text` and flushes it. A reader that has gone away is no failure.
///
/// # Errors
/// Exit code 1: standard output cannot be written (a full disk behind it).
pub fn out(text: &str) -> Result<(), Failure> {
    bytes(text.as_bytes())
}

/// [`out`] of what may be no text.
///
/// # Errors
/// As [`out`].
pub fn bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) => sorted(&error),
        Ok(()) => Ok(()),
    }
}

/// What an error of standard output is: none, where the reader has gone away.
///
/// # Errors
/// As [`out`].
pub fn sorted(error: &io::Error) -> Result<(), Failure> {
    if tickspin_host::process::is_closed_pipe(error) {
        return Ok(());
    }
    Err(Failure::failed(format_args!("standard output: {error}")))
}

/// Prints one JSON object, indented, with a line end.
///
/// # Errors
/// As [`out`].
pub fn json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::failed(format_args!("cannot write this as JSON: {error}")))?;
    out(&format!("{text}\n"))
}

/// One line on standard error, `tickspin: …`; a closed one is nobody's concern.
pub fn complain(message: &impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "tickspin: {message}");
}
