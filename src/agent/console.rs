//! What is told while it happens: on the console at boot, on the terminal otherwise.

use std::io::{self, Write};

/// Prints a line. That nobody reads it any more is no reason to stop halfway.
pub fn say(line: impl std::fmt::Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Prints a line on standard error, likewise.
pub fn complain(line: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "ezmail-agent: {line}");
}
