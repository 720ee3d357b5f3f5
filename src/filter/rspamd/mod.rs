//! One question to rspamd: the whole message over its unix socket, its verdict back.
//!
//! <https://rspamd.com/doc/developers/protocol.html>

mod connection;
mod http;
mod reply;
mod request;

use std::{path::Path, time::Instant};

use connection::Connection;
pub(super) use reply::{Action, AddHeader, Reply};

use super::{doubt::Doubt, headers::unstuffed, session::Known, spool::Spool};

/// How much of the message is sent at a time.
const CHUNK: usize = 64 * 1024;

/// What rspamd is told beside the message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    /// Our own name.
    pub(super) server: &'a str,
    pub(super) known: &'a Known,
    /// The addresses that the user may write from, if they were looked up.
    pub(super) senders: Option<&'a [String]>,
}

/// Asks the rspamd behind `socket` about a message, and waits for its verdict until `deadline`.
///
/// The connection serves this one message: there is no state that a broken answer could leave
/// behind for the next.
pub(super) fn check(
    socket: &Path,
    deadline: Instant,
    question: &Question<'_>,
    spool: &Spool,
) -> Result<Reply, Doubt> {
    let mut connection = Connection::open(socket, deadline)?;
    match send(&mut connection, question, spool) {
        Ok(()) => reply::parse(&http::read(&mut connection)?.body()?),
        // an answer that came too early counts if it is an error
        Err(Doubt::Early | Doubt::Broken(..)) => match http::read(&mut connection) {
            Ok(answer) => Err(answer.body().err().unwrap_or(Doubt::Early)),
            Err(other) => Err(other),
        },
        Err(doubt) => Err(doubt),
    }
}

fn send(connection: &mut Connection, question: &Question<'_>, spool: &Spool) -> Result<(), Doubt> {
    let mut buffer = request::head(question, spool.size());
    spool.each_line(|line| {
        buffer.extend_from_slice(unstuffed(line));
        buffer.extend_from_slice(b"\r\n");
        if buffer.len() >= CHUNK {
            connection.send(&buffer)?;
            buffer.clear();
        }
        Ok::<_, Doubt>(true)
    })?;
    connection.send(&buffer)
}
