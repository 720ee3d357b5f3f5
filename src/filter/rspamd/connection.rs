//! A unix socket on which everything ends at one deadline.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt},
};

use crate::filter::doubt::Doubt;

const SENDING: &str = "the message was being sent";
const WAITING: &str = "its answer was awaited";

/// A connection to rspamd, good for one message.
#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    deadline: Instant,
}

impl Connection {
    /// Connects; where too many wait in line already, waits for a place until `deadline`.
    pub(super) fn open(socket: &Path, deadline: Instant) -> Result<Self, Doubt> {
        let left = left(deadline).map_err(|_| Doubt::Slow("the message was waiting its turn"))?;
        let connect = || -> io::Result<UnixStream> {
            let flags = SocketFlags::CLOEXEC;
            let fd =
                rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
            // connect(2) on a unix socket waits no longer than the send timeout
            sockopt::set_socket_timeout(&fd, sockopt::Timeout::Send, Some(left))?;
            rustix::net::connect(&fd, &SocketAddrUnix::new(socket)?)?;
            let stream = UnixStream::from(fd);
            stream.set_nonblocking(true)?;
            Ok(stream)
        };
        match connect() {
            Ok(stream) => Ok(Self { stream, deadline }),
            Err(e) if is_timeout(&e) => Err(Doubt::Slow("the connection was being made")),
            Err(e) => Err(Doubt::Away(e)),
        }
    }

    /// Sends `bytes`, as long as rspamd has nothing to say yet.
    pub(super) fn send(&mut self, mut bytes: &[u8]) -> Result<(), Doubt> {
        while !bytes.is_empty() {
            let ready = self
                .wait(PollFlags::IN | PollFlags::OUT)
                .map_err(|e| doubt(e, SENDING))?;
            // A verdict on part of a message is none, whatever it says.
            if !ready.contains(PollFlags::OUT) || ready.intersects(PollFlags::IN) {
                return Err(Doubt::Early);
            }
            match self.stream.write(bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(e) if is_transient(&e) => {}
                Err(e) => return Err(doubt(e, SENDING)),
            }
        }
        Ok(())
    }

    /// Waits until one of `events`, an error or the end of the connection.
    fn wait(&self, events: PollFlags) -> io::Result<PollFlags> {
        loop {
            let left = left(self.deadline)?;
            let limit = Timespec::try_from(left).map_err(io::Error::other)?;
            let mut fds = [PollFd::new(&self.stream, events)];
            match poll(&mut fds, Some(&limit)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(fds[0].revents()),
                Err(e) => return Err(e.into()),
            }
        }
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.wait(PollFlags::IN)?;
            match self.stream.read(buffer) {
                Err(e) if is_transient(&e) => {}
                done => return done,
            }
        }
    }
}

/// What an error while the answer was awaited means.
pub(super) fn unanswered(error: io::Error) -> Doubt {
    doubt(error, WAITING)
}

fn doubt(error: io::Error, stage: &'static str) -> Doubt {
    if is_timeout(&error) {
        Doubt::Slow(stage)
    } else {
        Doubt::Broken(stage, error)
    }
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    // as a socket's timeout, zero would mean none
    Ok(left.max(Duration::from_millis(1)))
}

fn is_transient(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, WouldBlock};
    matches!(error.kind(), Interrupted | WouldBlock)
}

fn is_timeout(error: &io::Error) -> bool {
    use io::ErrorKind::{TimedOut, WouldBlock};
    matches!(error.kind(), TimedOut | WouldBlock)
}
