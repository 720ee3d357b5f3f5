//! A hundred odd messages: each arrives as it was sent.

use std::{collections::BTreeMap, thread, time::Instant};

use serde_json::{Value, json};

use crate::{
    ALICE, ARRIVAL, CAROL, DAVE, Person, compare, fields, headers, mime, setting, texts,
    world::{
        client::{Port, Step, Stored},
        message::Mail,
    },
};

/// How many messages go over one connection.
const PER_SESSION: usize = 12;

/// A message that most would not write.
pub struct Odd {
    /// What no other has; its Message-ID and, unless it has one of its own, its subject.
    pub name: &'static str,
    /// Its fields beyond the usual ones, or instead of them.
    fields: Vec<u8>,
    /// What follows the empty line; `None` if there is no such line.
    body: Option<Vec<u8>>,
    /// Who gets it, if not carol alone.
    to: Vec<String>,
}

/// A message with these fields; the lines of `fields` end with LF here, and so do those of a text.
pub fn odd(name: &'static str, fields: &str, body: impl AsRef<[u8]>) -> Odd {
    Odd {
        name,
        fields: crlf(fields.as_bytes()),
        body: Some(crlf(body.as_ref())),
        to: vec![CAROL.address().to_owned()],
    }
}

impl Odd {
    /// Without an empty line after the header.
    pub fn all_header(mut self) -> Self {
        self.body = None;
        self
    }

    /// With these recipients.
    pub fn to(mut self, to: impl IntoIterator<Item = String>) -> Self {
        self.to = to.into_iter().collect();
        self
    }

    /// The message as it is handed in.
    fn mail(&self) -> Mail {
        let usual = Mail::new(ALICE.address(), CAROL.address(), self.name);
        let (head, _) = compare::split(&usual.raw);
        let mut raw = Vec::new();
        for line in String::from_utf8_lossy(head).lines() {
            let name = line.split(':').next().unwrap();
            // what is MIME the message says itself
            let is_mime = ["MIME-Version", "Content-Type"].contains(&name);
            if !is_mime && !has(&self.fields, name) {
                raw.extend_from_slice(format!("{line}\r\n").as_bytes());
            }
        }
        raw.extend_from_slice(&self.fields);
        if let Some(body) = &self.body {
            raw.extend_from_slice(b"\r\n");
            raw.extend_from_slice(body);
        }
        Mail {
            envelope_from: ALICE.address().to_owned(),
            envelope_to: self.to.clone(),
            id: usual.id,
            raw,
        }
    }
}

/// Whether a field of that name, however it is spelled, stands there.
fn has(fields: &[u8], name: &str) -> bool {
    let text = String::from_utf8_lossy(fields).to_lowercase();
    let start = format!("{}:", name.to_lowercase());
    text.lines().any(|line| line.starts_with(&start))
}

fn crlf(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 40);
    for &byte in text {
        if byte == b'\n' {
            out.push(b'\r');
        }
        out.push(byte);
    }
    out
}

/// All of them.
fn all() -> Vec<Odd> {
    let mut all = texts::all();
    all.extend(headers::all());
    all.extend(mime::all());
    all
}

/// Hands them in, many over one connection.
fn submit(mails: &[Mail]) {
    for part in mails.chunks(PER_SESSION) {
        let mut steps = vec![Step::Plain(ALICE.login).must()];
        for mail in part {
            steps.push(Step::line(format!("MAIL FROM:<{}>", mail.envelope_from)));
            for to in &mail.envelope_to {
                steps.push(Step::line(format!("RCPT TO:<{to}>")));
            }
            steps.push(Step::Data(mail.raw.clone()));
        }
        let client = setting().program_of(ALICE);
        let talk = client.encrypted(Port::Submissions, &steps).unwrap();
        let taken = talk.replies.iter().filter(|r| r.step == "message");
        let codes: Vec<u16> = taken.map(|reply| reply.code).collect();
        let ids: Vec<&str> = part.iter().map(|mail| mail.id.as_str()).collect();
        assert_eq!(codes, vec![250; part.len()], "{ids:#?}: {talk:#?}");
    }
}

/// The Message-IDs in a person's folder, without the messages themselves.
fn ids(person: Person, folder: &str) -> Vec<String> {
    let client = setting().program_of(person);
    let marks = client.imap(person.login, json!([["marks", folder]]));
    let mut marks = marks.unwrap();
    assert_eq!(marks.ended, None, "{folder} of {}", person.address());
    let list: Vec<(String, Value)> = serde_json::from_value(marks.results.remove(0)).unwrap();
    list.into_iter().map(|(id, _)| id).collect()
}

/// Everything that carol has, by its Message-ID, once it is all there. What rspamd thinks of such
/// messages is not the question here.
fn arrived(mails: &[Mail]) -> BTreeMap<String, Vec<Stored>> {
    let deadline = Instant::now() + ARRIVAL;
    loop {
        let there = [ids(CAROL, "INBOX"), ids(CAROL, "Junk")].concat();
        let missing: Vec<&str> = mails
            .iter()
            .filter(|mail| {
                let copies = there.iter().filter(|id| **id == mail.id).count();
                copies < copies_for(CAROL, mail)
            })
            .map(|mail| mail.id.as_str())
            .collect();
        if missing.is_empty() {
            break;
        }
        let late = Instant::now() > deadline;
        assert!(!late, "missing: {missing:#?}\n{}", setting().queues());
        setting().hurry();
        thread::sleep(std::time::Duration::from_secs(10));
    }
    let mut found: BTreeMap<String, Vec<Stored>> = BTreeMap::new();
    for folder in ["INBOX", "Junk"] {
        let client = setting().program_of(CAROL);
        for stored in client.fetch(CAROL.login, folder).unwrap() {
            if let Some(id) = fields(&stored.raw, "Message-ID").pop() {
                if folder == "Junk" {
                    println!("taken for spam: {id}");
                }
                found.entry(id).or_default().push(stored);
            }
        }
    }
    found
}

/// How many of the recipients are this person's addresses.
fn copies_for(person: Person, mail: &Mail) -> usize {
    let (local_part, domain) = person.address().split_once('@').unwrap();
    let is_one = |to: &&String| {
        let (name, at) = to.split_once('@').unwrap();
        name.split('+').next() == Some(local_part) && at == domain
    };
    mail.envelope_to.iter().filter(is_one).count()
}

#[test]
fn odd_messages_arrive_as_they_were_sent() {
    let odd = all();
    let mails: Vec<Mail> = odd.iter().map(Odd::mail).collect();
    assert!(mails.len() >= 50);
    // so that nothing of them is put off: carol has written to alice
    let first = Mail::new(CAROL.address(), ALICE.address(), "odd-first");
    setting().submits(CAROL, &first);
    setting().arrives(ALICE, ("Message-ID", &first.id));
    submit(&mails);
    let found = arrived(&mails);
    let mut wrong = Vec::new();
    for (odd, mail) in odd.iter().zip(&mails) {
        let copies = found.get(&mail.id).map_or(&[][..], Vec::as_slice);
        if copies.len() != copies_for(CAROL, mail) {
            wrong.push(format!("{}: {} copies", odd.name, copies.len()));
        }
        for stored in copies {
            wrong.extend(
                compare::difference(&mail.raw, &stored.raw).map(|d| format!("{}: {d}", odd.name)),
            );
        }
        if let Some(stored) = copies.first() {
            let genuine = setting().genuine(stored, CAROL, ALICE.domain());
            wrong.extend(genuine.err().map(|error| format!("{}: {error}", odd.name)));
        }
    }
    let good = odd.len() - wrong.len().min(odd.len());
    println!(
        "{} odd messages, {good} of them unchanged and genuine",
        odd.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn who_is_named_in_bcc_alone_is_not_shown() {
    let setting = setting();
    let mut mail = Mail::new(ALICE.address(), CAROL.address(), "odd-bcc").with(
        "Bcc",
        &format!("{},\r\n\tsomebody@example.com", DAVE.address()),
    );
    mail.envelope_to.push(DAVE.address().to_owned());
    setting.submits(ALICE, &mail);
    let without = Mail {
        raw: Mail::new(ALICE.address(), CAROL.address(), "odd-bcc").raw,
        ..mail.clone()
    };
    for person in [CAROL, DAVE] {
        let stored = setting.arrives(person, ("Message-ID", &mail.id));
        assert_eq!(fields(&stored.raw, "Bcc"), [""; 0]);
        let text = String::from_utf8_lossy(&stored.raw);
        assert!(!text.contains("somebody@example.com"), "{text}");
        // the time in Date is another one
        let body = |raw: &[u8]| compare::split(raw).1.to_vec();
        assert_eq!(body(&stored.raw), body(&without.raw));
        setting.assert_genuine(&stored, person, ALICE.domain());
    }
}

#[test]
fn no_two_of_them_are_alike() {
    let all = all();
    let mut names: Vec<&str> = all.iter().map(|odd| odd.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all.len());
    for mail in all.iter().map(Odd::mail) {
        assert!(fields(&mail.raw, "From").len() == 1, "{}", mail.id);
        let lines = mail.raw.split(|byte| *byte == b'\n');
        let bare = lines.clone().filter(|line| !line.ends_with(b"\r")).count();
        assert_eq!(bare, 1, "{}: a line that does not end with CRLF", mail.id);
    }
}
