//! What smtpd and its filter write into the log, line by line.

/// A line of smtpd's that says something about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A client came: session, address, host name.
    Connected {
        /// Its number, 16 hexadecimal digits.
        session: String,
        /// Its IP address, or `local`.
        address: String,
        /// What its address is called, `<unknown>` if nothing.
        host: String,
    },
    /// The session, in or out, is encrypted: `TLSv1.3:...`.
    Tls {
        /// The session.
        session: String,
        /// Version and cipher.
        ciphers: String,
    },
    /// Somebody logged in, or could not.
    Auth {
        /// The session.
        session: String,
        /// The login.
        user: String,
        /// `ok`, `permfail` or `tempfail`.
        result: String,
    },
    /// A message was taken and is in the queue.
    Message {
        /// The session.
        session: String,
        /// Its number, 8 hexadecimal digits.
        message: String,
        /// Bytes.
        size: u64,
    },
    /// One of its recipients.
    Envelope {
        /// The session.
        session: String,
        /// The envelope's number; it begins with the message's.
        envelope: String,
        /// Who sent it; empty for a bounce.
        from: String,
        /// The recipient.
        to: String,
    },
    /// A command was refused.
    Refused {
        /// The session.
        session: String,
        /// The command; `DATA` for a message.
        command: String,
        /// The reply.
        reply: String,
    },
    /// The client has gone.
    Disconnected {
        /// The session.
        session: String,
    },
    /// An attempt at delivery has ended.
    Delivery {
        /// The envelope's number.
        envelope: String,
        /// The session out; none for deliveries here.
        session: Option<String>,
        /// Who sent it.
        from: String,
        /// The recipient after aliases.
        to: String,
        /// The server it went to, with its address; none for deliveries here.
        relay: Option<String>,
        /// `Ok`, `TempFail` or `PermFail`.
        result: String,
        /// What was answered.
        answer: String,
    },
    /// The filter has had a message judged.
    Filtered {
        /// The session.
        session: String,
        /// The message's number.
        message: String,
        /// `pass`, or the reply that refuses it.
        result: String,
        /// Why it could not be judged.
        doubt: Option<String>,
    },
}

/// What a line says; none if it is about no message.
pub fn parse(line: &str) -> Option<Line> {
    if let Some((_, rest)) = line.split_once(": ")
        && rest.contains(" message=")
        && rest.contains(" result=\"")
    {
        return filtered(rest);
    }
    let (session, rest) = line.split_at_checked(16)?;
    if !is_hex(session) {
        return None;
    }
    let session = session.to_owned();
    let mut words = rest.split_whitespace();
    let (side, event) = (words.next()?, words.next()?);
    Some(match (side, event) {
        ("smtp", "connected") => Line::Connected {
            session,
            address: value(rest, "address")?,
            host: value(rest, "host")?,
        },
        ("smtp" | "mta", "tls") => Line::Tls {
            session,
            ciphers: value(rest, "ciphers")?,
        },
        ("smtp", "authentication") => Line::Auth {
            session,
            user: value(rest, "user")?,
            result: value(rest, "result")?,
        },
        ("smtp", "message") => Line::Message {
            session,
            message: value(rest, "msgid")?,
            size: value(rest, "size")?.parse().ok()?,
        },
        ("smtp", "envelope") => Line::Envelope {
            session,
            envelope: value(rest, "evpid").filter(|id| is_hex(id) && id.len() == 16)?,
            from: value(rest, "from")?,
            to: value(rest, "to")?,
        },
        ("smtp", "failed-command") => Line::Refused {
            session,
            command: between(rest, "command=\"", "\" result=")?,
            reply: value(rest, "result")?,
        },
        ("smtp", "disconnected") => Line::Disconnected { session },
        ("mta" | "mda", "delivery") => Line::Delivery {
            envelope: value(rest, "evpid").filter(|id| is_hex(id) && id.len() == 16)?,
            session: (side == "mta").then_some(session),
            from: value(rest, "from")?,
            to: value(rest, "to")?,
            relay: (side == "mta").then(|| value(rest, "relay")).flatten(),
            result: value(rest, "result")?,
            // last, and without quotes for deliveries here
            answer: rest
                .split_once(" stat=")
                .map(|(_, stat)| stat.trim_matches('"').to_owned())?,
        },
        _ => return None,
    })
}

/// `SESSION message=ID size=N action="A" score=S/R doubt="..." ms=N result="R"`.
fn filtered(rest: &str) -> Option<Line> {
    let session = rest.get(..16).filter(|id| is_hex(id))?;
    Some(Line::Filtered {
        session: session.to_owned(),
        message: value(rest, "message").filter(|id| is_hex(id))?,
        result: rest
            .rsplit_once(" result=\"")
            .map(|(_, r)| r.trim_end_matches('"').to_owned())?,
        doubt: between(rest, " doubt=\"", "\" ms="),
    })
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The value of the first ` KEY=`: in quotation marks, in angle brackets, or one word.
fn value(text: &str, key: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!(" {key}="))?;
    let value = if let Some(rest) = rest.strip_prefix('"') {
        rest.split_once('"')?.0
    } else if let Some(inner) = rest.strip_prefix('<').filter(|_| key != "host") {
        // an address in quotation marks may have a bracket in it; a space ends the value
        inner
            .split_once("> ")
            .map_or_else(|| inner.trim_end_matches('>'), |(value, _)| value)
    } else {
        rest.split_whitespace().next().unwrap_or_default()
    };
    Some(value.to_owned())
}

fn between(text: &str, from: &str, to: &str) -> Option<String> {
    let (_, rest) = text.split_once(from)?;
    Some(rest.split_once(to)?.0.to_owned())
}
