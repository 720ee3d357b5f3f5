//! What is printed. Whoever reads may go away, or have a full disk behind them: that is no reason to stop
//! a build halfway, and never one to panic; only a result that nobody gets is a failure.

use std::{
    fmt::Display,
    io::{self, Write},
};

use anyhow::{Context, Result};

/// Prints a result and the end of its line on standard output.
///
/// # Errors
/// When it cannot be written.
pub fn result(text: impl Display) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .context("writing the result to standard output")
}

/// Prints an event, a line on standard output, if anybody reads it.
pub fn event(line: impl Display) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Prints a line for people on standard error, if anybody reads it.
pub fn aside(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
