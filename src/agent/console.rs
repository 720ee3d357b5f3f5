//! What is told while it happens: on the console at boot, on the terminal otherwise.

use std::io::{self, Write};

/// Text from outside in a form that moves no terminal's cursor: control characters but tabs and
/// ends of lines become question marks.
pub fn harmless(text: &str) -> String {
    let moves = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    text.chars()
        .map(|c| if moves(c) { '?' } else { c })
        .collect()
}

/// Prints text that was made for a terminal: the control sequences in it are ours.
pub fn show(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Prints a line. That nobody reads it any more is no reason to stop halfway.
pub fn say(line: impl std::fmt::Display) {
    let _ = writeln!(io::stdout(), "{}", harmless(&line.to_string()));
}

/// Prints a line on standard error, likewise.
pub fn complain(line: impl std::fmt::Display) {
    let _ = writeln!(
        io::stderr(),
        "ezmail-agent: {}",
        harmless(&line.to_string())
    );
}
