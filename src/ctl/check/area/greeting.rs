//! The first line that a server says, within limits: it may be anybody's.

use std::{
    io::{self, ErrorKind, Read},
    net::TcpStream,
    time::{Duration, Instant},
};

/// RFC 5321 section 4.5.3.1.5 has half of that.
const LENGTH: usize = 1024;

/// The line without its end, within `limit` from now; what is longer is cut, and what is not UTF-8
/// replaced. Empty when the server hangs up without a word.
///
/// # Errors
/// When the connection breaks, or there is no whole line in time.
pub(super) fn read(mut stream: TcpStream, limit: Duration) -> io::Result<String> {
    let deadline = Instant::now() + limit;
    let mut line = Vec::new();
    while line.len() < LENGTH && !line.contains(&b'\n') {
        // for each part: one byte a second would never end otherwise
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let mut part = [0; LENGTH];
        let room = LENGTH - line.len();
        match stream.read(&mut part[..room]) {
            Ok(0) => break,
            Ok(n) => line.extend(&part[..n]),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            // what a read that takes too long is on Linux
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                return Err(ErrorKind::TimedOut.into());
            }
            Err(e) => return Err(e),
        }
    }
    let line = line.split(|b| *b == b'\n').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use std::{io::Write, net::TcpListener, thread};

    use super::*;

    /// What is read of a server that writes `part` so often, with `pause` between.
    fn said(part: &'static [u8], times: usize, pause: Duration) -> io::Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for _ in 0..times {
                // the other side need not stay
                if stream.write_all(part).is_err() {
                    break;
                }
                thread::sleep(pause);
            }
        });
        read(stream, Duration::from_millis(500))
    }

    #[test]
    fn a_line_has_its_limits() {
        let at_once = Duration::ZERO;
        assert_eq!(said(b"220 a\r\n250 b\r\n", 1, at_once).unwrap(), "220 a");
        assert_eq!(said(b"220 \xff\r\n", 1, at_once).unwrap(), "220 \u{fffd}");
        assert_eq!(said(b"", 1, at_once).unwrap(), "");
        assert_eq!(said(b"xxxx", 5000, at_once).unwrap().len(), LENGTH);
        let start = Instant::now();
        let slow = said(b"x", 200, Duration::from_millis(50)).unwrap_err();
        assert_eq!(slow.kind(), ErrorKind::TimedOut);
        assert!(start.elapsed() < Duration::from_secs(3));
    }
}
