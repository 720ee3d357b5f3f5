//! The way of each message, put together from the lines of all services.
//!
//! smtpd's session leads to the message's number, that to its envelopes and to rspamd's judgement,
//! and the Message-ID in that one to dovecot's delivery.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::{
    dovecot::{self, What},
    journal::Entry,
    rspamd::{self, Verdict},
    smtpd::{self, Line},
};

/// How many messages, and sessions, are kept in mind: the newest.
const KEPT: usize = 20_000;

/// One message, or a client that was refused before it had one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Story {
    /// smtpd's number of the message; of the session where it came to no message.
    pub id: String,
    /// Its Message-ID, without brackets.
    pub message_id: Option<String>,
    /// Who sent it; empty for a bounce, none if nothing tells.
    pub from: Option<String>,
    /// Its recipients.
    pub to: Vec<String>,
    /// What happened, oldest first.
    pub events: Vec<Event>,
}

/// Something that happened to a message.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// When, in microseconds since 1970.
    pub time: i64,
    /// What.
    #[serde(flatten)]
    pub what: Happened,
}

/// What can happen to a message.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happened {
    /// rspamd has judged it.
    Judged(Verdict),
    /// It could not be judged: the sender is to come again.
    Unjudged {
        /// Why.
        reason: String,
    },
    /// It is in the queue.
    Accepted {
        /// Who handed it in.
        #[serde(flatten)]
        client: Client,
        /// Bytes.
        size: u64,
    },
    /// A command, or the message itself, was refused.
    Refused {
        /// Who was.
        #[serde(flatten)]
        client: Client,
        /// The command; `DATA` for the message.
        command: String,
        /// The reply.
        reply: String,
    },
    /// dovecot has it.
    Stored {
        /// The mailbox.
        user: String,
        /// The folder.
        folder: String,
    },
    /// dovecot has done something else with it.
    Done {
        /// The mailbox.
        user: String,
        /// What, in dovecot's words.
        words: String,
    },
    /// smtpd has handed it on.
    Delivered {
        /// The recipient.
        to: String,
        /// The server, with its address; none for this one.
        relay: Option<String>,
        /// Version and cipher; none for plain text and for this server.
        tls: Option<String>,
        /// What was answered.
        answer: String,
    },
    /// It waits for another attempt.
    Waits {
        /// The recipient.
        to: String,
        /// The server that said so.
        relay: Option<String>,
        /// Why.
        answer: String,
    },
    /// It cannot be delivered; the sender is told.
    Bounced {
        /// The recipient.
        to: String,
        /// The server that said so.
        relay: Option<String>,
        /// Why.
        answer: String,
    },
}

/// Who handed a message in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Client {
    /// Its IP address, or `local`.
    pub address: String,
    /// What its address is called; `<unknown>` if nothing.
    pub host: String,
    /// Version and cipher; none for plain text.
    pub tls: Option<String>,
    /// Who logged in.
    pub user: Option<String>,
}

/// All stories so far.
#[derive(Debug, Default)]
pub struct Book {
    stories: BTreeMap<u64, Story>,
    next: u64,
    of_id: HashMap<String, u64>,
    of_message_id: HashMap<String, u64>,
    sessions: HashMap<String, Session>,
    /// How many lines of the journal were no entries.
    pub skipped: usize,
}

#[derive(Debug, Default)]
struct Session {
    client: Client,
    /// The message that was judged last.
    message: Option<String>,
}

impl Book {
    /// Takes an entry of the journal; says which story goes on with it.
    pub fn read(&mut self, entry: &Entry) -> Option<u64> {
        match entry.unit.as_str() {
            "rspamd.service" => self.judged(entry.time, rspamd::parse(&entry.message)?),
            "dovecot.service" => self.stored(entry.time, dovecot::parse(&entry.message)?),
            _ => self.smtpd(entry.time, smtpd::parse(&entry.message)?),
        }
    }

    /// A story by what [`Book::read`] said.
    pub fn get(&self, key: u64) -> Option<&Story> {
        self.stories.get(&key)
    }

    /// All of them, in the order in which they began.
    pub fn stories(&self) -> impl DoubleEndedIterator<Item = &Story> {
        self.stories.values()
    }

    fn judged(&mut self, time: i64, verdict: Verdict) -> Option<u64> {
        let key = self.story(&verdict.message);
        let story = self.stories.get_mut(&key)?;
        story.from = Some(verdict.from.clone());
        story.to.clone_from(&verdict.to);
        story.message_id.clone_from(&verdict.message_id);
        if let Some(id) = &verdict.message_id {
            self.of_message_id.insert(id.clone(), key);
        }
        self.add(key, time, Happened::Judged(verdict))
    }

    fn stored(&mut self, time: i64, stored: dovecot::Stored) -> Option<u64> {
        let key = *self.of_message_id.get(&stored.message_id)?;
        let user = stored.user;
        let what = match stored.what {
            What::Folder(folder) => Happened::Stored { user, folder },
            What::Other(words) => Happened::Done { user, words },
        };
        self.add(key, time, what)
    }

    fn smtpd(&mut self, time: i64, line: Line) -> Option<u64> {
        match line {
            Line::Connected {
                session,
                address,
                host,
            } => {
                let session = self.session(session);
                session.client.address = address;
                session.client.host = host;
                None
            }
            Line::Tls { session, ciphers } => {
                self.session(session).client.tls = Some(ciphers);
                None
            }
            Line::Auth {
                session,
                user,
                result,
            } => {
                if result == "ok" {
                    self.session(session).client.user = Some(user);
                }
                None
            }
            Line::Disconnected { session } => {
                self.sessions.remove(&session);
                None
            }
            Line::Filtered {
                session,
                message,
                doubt,
                ..
            } => {
                self.session(session).message = Some(message.clone());
                let key = self.story(&message);
                self.add(key, time, Happened::Unjudged { reason: doubt? })
            }
            Line::Message {
                session,
                message,
                size,
            } => {
                let client = self.session(session).client.clone();
                let key = self.story(&message);
                self.add(key, time, Happened::Accepted { client, size })
            }
            Line::Envelope {
                envelope, from, to, ..
            } => {
                let key = self.story(&envelope[..8]);
                let story = self.stories.get_mut(&key)?;
                story.from = Some(from);
                if !story.to.contains(&to) {
                    story.to.push(to);
                }
                None
            }
            Line::Refused {
                session,
                command,
                reply,
            } => self.refused(time, session, command, reply),
            Line::Delivery {
                envelope,
                session,
                from,
                to,
                relay,
                result,
                answer,
            } => {
                let tls = session.and_then(|s| self.sessions.get(&s)?.client.tls.clone());
                let key = self.story(&envelope[..8]);
                let story = self.stories.get_mut(&key)?;
                // its beginning may lie before what is read
                if story.to.is_empty() {
                    story.from = Some(from);
                    story.to.push(to.clone());
                }
                let what = match result.as_str() {
                    "Ok" => Happened::Delivered {
                        to,
                        relay,
                        tls,
                        answer,
                    },
                    "TempFail" => Happened::Waits { to, relay, answer },
                    _ => Happened::Bounced { to, relay, answer },
                };
                self.add(key, time, what)
            }
        }
    }

    /// The end of a message belongs to the one that was judged; all else to the session.
    fn refused(&mut self, time: i64, id: String, command: String, reply: String) -> Option<u64> {
        let session = self.session(id.clone());
        let client = session.client.clone();
        // a filter's refusal comes after the last line, and is one of DATA
        let whole = matches!(command.as_str(), "" | "." | "DATA");
        let message = session.message.take().filter(|_| whole);
        let key = self.story(&message.unwrap_or(id));
        let story = self.stories.get_mut(&key)?;
        if let Some((verb, address)) = address_in(&command) {
            match verb {
                "MAIL" => story.from = Some(address),
                _ if !story.to.contains(&address) => story.to.push(address),
                _ => {}
            }
        }
        let what = Happened::Refused {
            client,
            command,
            reply,
        };
        self.add(key, time, what)
    }

    fn session(&mut self, id: String) -> &mut Session {
        // those of a boot that ended by a power cut never end
        if self.sessions.len() > KEPT {
            self.sessions.clear();
        }
        self.sessions.entry(id).or_default()
    }

    fn story(&mut self, id: &str) -> u64 {
        if let Some(key) = self.of_id.get(id) {
            return *key;
        }
        if self.stories.len() >= KEPT
            && let Some((key, old)) = self.stories.pop_first()
        {
            self.of_id.remove(&old.id);
            if let Some(id) = old.message_id
                && self.of_message_id.get(&id) == Some(&key)
            {
                self.of_message_id.remove(&id);
            }
        }
        let key = self.next;
        self.next += 1;
        self.of_id.insert(id.to_owned(), key);
        self.stories.insert(
            key,
            Story {
                id: id.to_owned(),
                message_id: None,
                from: None,
                to: Vec::new(),
                events: Vec::new(),
            },
        );
        key
    }

    fn add(&mut self, key: u64, time: i64, what: Happened) -> Option<u64> {
        let story = self.stories.get_mut(&key)?;
        // a client that tries the same again and again fills no memory
        if story.events.len() >= 200 {
            story.events.remove(1);
        }
        story.events.push(Event { time, what });
        Some(key)
    }
}

/// The address of `MAIL FROM:<...>` and `RCPT TO:<...>`, with the first word.
fn address_in(command: &str) -> Option<(&'static str, String)> {
    let verb = match command.get(..4)?.to_ascii_uppercase().as_str() {
        "MAIL" => "MAIL",
        "RCPT" => "RCPT",
        _ => return None,
    };
    let (_, rest) = command.split_once('<')?;
    let (address, _) = rest.split_once('>')?;
    Some((verb, address.to_owned()))
}

impl Story {
    /// Whether it is about an address, or about any of a domain: `@example.org`.
    pub fn is_about(&self, address: &str) -> bool {
        let address = address.to_lowercase();
        let is = |other: &str| {
            let other = other.to_lowercase();
            match address.starts_with('@') {
                true => other.ends_with(&address),
                false => other == address,
            }
        };
        let stored = self.events.iter().filter_map(|e| match &e.what {
            Happened::Stored { user, .. } | Happened::Done { user, .. } => Some(user),
            Happened::Delivered { to, .. }
            | Happened::Waits { to, .. }
            | Happened::Bounced { to, .. } => Some(to),
            Happened::Accepted { client, .. } | Happened::Refused { client, .. } => {
                client.user.as_ref()
            }
            _ => None,
        });
        self.from
            .iter()
            .chain(&self.to)
            .chain(stored)
            .any(|a| is(a))
    }

    /// Whether `id` is its number, one of its envelopes', or its Message-ID.
    pub fn is(&self, id: &str) -> bool {
        let id = id.trim_start_matches('<').trim_end_matches('>');
        let number = id.to_ascii_lowercase();
        let envelope = number.len() == 16 && number.get(..8) == Some(self.id.as_str());
        self.id == number || envelope || self.message_id.as_deref() == Some(id)
    }
}
