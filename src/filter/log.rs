//! The filter's log: a line each, with a level of its own.

use std::{
    fmt::Display,
    io::{self, Write},
    os::unix::net::UnixDatagram,
    path::PathBuf,
    sync::OnceLock,
    time::Duration,
};

/// Where the system's log takes lines.
static SYSTEM: OnceLock<(UnixDatagram, PathBuf)> = OnceLock::new();

/// How long the log may keep mail waiting.
const PATIENCE: Duration = Duration::from_secs(2);

/// The facility `mail` (RFC 5424, section 6.2.1).
const MAIL: u8 = 2;

/// How much a line matters (RFC 5424, section 6.2.1).
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(super) enum Level {
    /// A defect of ours.
    Error = 3,
    /// Something is not as it should be; mail is put off, or goes on with less.
    Warning = 4,
    /// What goes on.
    Info = 6,
}

/// From now on lines go to that socket of syslog(3), as those of every daemon do: smtpd would take
/// what a filter writes to standard error for warnings.
///
/// # Errors
/// When there is no socket to be had.
pub(super) fn to_system(path: PathBuf) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    // a second call would be about the same log
    let _ = SYSTEM.set((socket, path));
    Ok(())
}

/// Writes one line. Where the system's log does not take it, it goes to standard error, from where
/// smtpd logs it.
pub(super) fn log(level: Level, text: impl Display) {
    let line = one_line(&text.to_string());
    if let Some((socket, path)) = SYSTEM.get()
        && socket.send_to(&datagram(level, &line), path).is_ok()
    {
        return;
    }
    // with the log gone there is nowhere left to say so, and mail still has to pass
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// A line as syslog's socket takes it. It begins as one that smtpd logs for its filter.
fn datagram(level: Level, line: &str) -> Vec<u8> {
    let priority = MAIL * 8 + level as u8;
    let process = std::process::id();
    format!("<{priority}>ezmail-filter[{process}]: rspamd: {line}").into_bytes()
}

/// One line stays one line, whatever rspamd or a client put into it.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// `bytes` fit for a log line: escaped, and cut after 200.
pub(super) fn printable(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(200)];
    let more = if cut.len() < bytes.len() { "..." } else { "" };
    format!("{}{more}", cut.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_and_the_facility_stand_in_front() {
        let id = std::process::id();
        for (level, number) in [(Level::Error, 19), (Level::Warning, 20), (Level::Info, 22)] {
            let line = String::from_utf8(datagram(level, &one_line("a\nb"))).unwrap();
            assert_eq!(line, format!("<{number}>ezmail-filter[{id}]: rspamd: a?b"));
        }
    }
}
