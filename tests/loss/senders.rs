//! Mail servers outside that do what they should: they try again until they have heard 250, and note it.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, Scope},
    time::{Duration, Instant},
};

use crate::world::{
    World,
    addresses::{FAMILIES, SENDER},
    appliance::{ALICE, BOB},
    client::{Login, Port, Step, Talk},
    message::Mail,
};

/// How many there are at a time.
const SENDERS: usize = 3;
/// How many messages go over one connection.
const PER_CONNECTION: usize = 2;
/// How long they wait for an answer, in seconds. A server that has lost power gives none; one that
/// waits for rspamd may take two minutes.
const PATIENCE: u64 = 150;

/// A message of the campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number(pub usize);

impl Number {
    /// Its Message-ID.
    pub fn id(self) -> String {
        format!("<loss-{}@example.com>", self.0)
    }

    /// Who gets it.
    pub fn to(self) -> Login<'static> {
        if self.0.is_multiple_of(2) { ALICE } else { BOB }
    }

    /// The sender in its envelope, which tells its answers from those of others.
    fn from(self) -> String {
        format!("loss-{}@example.com", self.0)
    }

    /// One to sixty kilobytes.
    fn mail(self) -> Mail {
        let mut mail = Mail::new("peer@example.com", self.to().0, &format!("loss-{}", self.0));
        let lines = [10, 10, 100, 10, 800][self.0 % 5];
        for line in 0..lines {
            mail = mail.line(&format!(
                "line {line} of message {}, and it is {lines} lines long in all, more or less",
                self.0
            ));
        }
        mail.envelope_from(&self.from())
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Sent {
    /// What got 250, and the words after that.
    pub taken: BTreeMap<Number, String>,
    /// How many connections there were.
    pub connections: usize,
    /// How many of them ended before all was said.
    pub broken: usize,
    /// How often a message was put off.
    pub put_off: usize,
    /// Answers that should not be.
    pub odd: Vec<String>,
}

/// The senders at work.
pub struct Senders {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// How many messages they have been given.
    given: AtomicUsize,
    waiting: Mutex<VecDeque<Number>>,
    sent: Mutex<Sent>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Senders {
    /// Starts them, with nothing to send.
    pub fn start<'scope>(scope: &'scope Scope<'scope, '_>, world: &'scope World) -> Self {
        let shared = Arc::<Shared>::default();
        for sender in 0..SENDERS {
            let shared = shared.clone();
            scope.spawn(move || shared.work(world, sender));
        }
        Self { shared }
    }

    /// Gives them these to send.
    pub fn give(&self, numbers: Range<usize>) {
        self.shared.given.fetch_add(numbers.len(), Ordering::SeqCst);
        held(&self.shared.waiting).extend(numbers.map(Number));
    }

    /// How many were taken so far.
    pub fn taken(&self) -> usize {
        held(&self.shared.sent).taken.len()
    }

    /// Waits until so many were taken, or all there are, or for that time; how many were.
    pub fn wait_for(&self, count: usize, limit: Duration) -> usize {
        let deadline = Instant::now() + limit;
        loop {
            let taken = self.taken();
            let wanted = count.min(self.shared.given.load(Ordering::SeqCst));
            if taken >= wanted || Instant::now() > deadline {
                return taken;
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Ends them, each with the connection that it has; what came of it all.
    pub fn stop(self) -> Sent {
        self.shared.stop.store(true, Ordering::SeqCst);
        // each of them has a part until it ends
        let deadline = Instant::now() + Duration::from_secs(10 * PATIENCE);
        while Arc::strong_count(&self.shared) > 1 {
            assert!(Instant::now() < deadline, "the senders do not end");
            thread::sleep(Duration::from_millis(100));
        }
        std::mem::take(&mut *held(&self.shared.sent))
    }
}

impl Drop for Senders {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
    }
}

impl Shared {
    fn work(&self, world: &World, sender: usize) {
        let family = FAMILIES[sender % FAMILIES.len()];
        while !self.stop.load(Ordering::SeqCst) {
            let batch: Vec<Number> = {
                let mut waiting = held(&self.waiting);
                let count = PER_CONNECTION.min(waiting.len());
                waiting.drain(..count).collect()
            };
            if batch.is_empty() {
                thread::sleep(Duration::from_millis(200));
                continue;
            }
            let mut steps = Vec::new();
            for number in &batch {
                let mail = number.mail();
                steps.push(Step::line(format!("MAIL FROM:<{}>", mail.envelope_from)));
                steps.push(Step::line(format!("RCPT TO:<{}>", mail.envelope_to[0])));
                steps.push(Step::Data(mail.raw));
            }
            let client = world.client(SENDER, family).impatient(PATIENCE);
            // an error here is one of the test, not of the server
            let talk = client.encrypted(Port::Smtp, &steps).unwrap();
            let left = self.note(&batch, &talk);
            if !left.is_empty() {
                held(&self.waiting).extend(left);
                thread::sleep(Duration::from_secs(2));
            }
        }
    }

    /// Notes what was answered; what has to be sent again.
    fn note(&self, batch: &[Number], talk: &Talk) -> Vec<Number> {
        let mut sent = held(&self.sent);
        sent.connections += 1;
        sent.broken += usize::from(talk.ended.is_some());
        let mut current = None;
        for reply in &talk.replies {
            if let Some(rest) = reply.step.strip_prefix("MAIL FROM:<") {
                let is_it = |number: &&Number| rest.starts_with(&format!("{}>", number.from()));
                current = batch.iter().find(is_it).copied();
            }
            // 354 has the message's own answer behind it
            let last = match reply.step.as_str() {
                "message" => true,
                "DATA" => reply.code != 354,
                _ => false,
            };
            match (current, reply.code) {
                (Some(number), 250) if reply.step == "message" => {
                    if !is_acceptance(&reply.text) {
                        let odd = format!("{}: 250 {}", number.id(), reply.text);
                        sent.odd.push(odd);
                    }
                    sent.taken.insert(number, reply.text.clone());
                }
                // it follows what was put off before
                (Some(_), 503) => {}
                (Some(number), 500..) => {
                    let odd = format!("{}: {reply:?}", number.id());
                    sent.odd.push(odd);
                }
                (Some(_), 400..) => sent.put_off += 1,
                _ => {}
            }
            if last {
                current = None;
            }
        }
        let is_left = |number: &&Number| !sent.taken.contains_key(number);
        batch.iter().filter(is_left).copied().collect()
    }
}

/// Whether it is what smtpd says when a message is in its queue, with the number it has there.
fn is_acceptance(text: &str) -> bool {
    let words: Vec<&str> = text.split(' ').collect();
    let is_number = |word: &str| word.len() == 8 && word.bytes().all(|b| b.is_ascii_hexdigit());
    matches!(words[..], ["2.0.0", number, "Message", "accepted", ..] if is_number(number))
}

#[test]
fn the_answers_of_two_messages_are_told_apart() {
    let shared = Shared::default();
    let talk = |replies: &[(&str, u16, &str)], ended: Option<&str>| -> Talk {
        let replies: Vec<_> = replies
            .iter()
            .map(|(step, code, text)| serde_json::json!({"step": step, "code": code, "text": text}))
            .collect();
        serde_json::from_value(
            serde_json::json!({"replies": replies, "ended": ended, "tls": null, "certificate": null}),
        )
        .unwrap()
    };
    let both = [Number(1), Number(10)];
    let said = talk(
        &[
            ("connect", 220, "mail"),
            ("MAIL FROM:<loss-1@example.com>", 250, "2.0.0 Ok"),
            ("RCPT TO:<bob@example.net>", 451, "4.3.0 later"),
            ("DATA", 503, "5.5.1 no"),
            ("MAIL FROM:<loss-10@example.com>", 250, "2.0.0 Ok"),
            ("RCPT TO:<alice@example.org>", 250, "2.0.0 Ok"),
            ("DATA", 354, "Enter mail"),
            (
                "message",
                250,
                "2.0.0 0a1b2c3d Message accepted for delivery",
            ),
        ],
        None,
    );
    assert_eq!(shared.note(&both, &said), [Number(1)]);
    let said = talk(
        &[
            ("MAIL FROM:<loss-1@example.com>", 250, "2.0.0 Ok"),
            ("message", 250, "2.0.0"),
        ],
        Some("closed by the server"),
    );
    assert_eq!(shared.note(&both[..1], &said), []);
    let sent = held(&shared.sent);
    assert_eq!(sent.taken.len(), 2);
    assert_eq!((sent.connections, sent.broken, sent.put_off), (2, 1, 1));
    assert_eq!(sent.odd, ["<loss-1@example.com>: 250 2.0.0"]);
}
