//! Who has mail, and what of it there is.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    run,
    world::{
        World,
        addresses::Family,
        appliance::{ALICE, Appliance, BOB},
        client::Login,
    },
};

pub const CAROL: Login<'_> = ("carol@example.net", "quiet harbour lanterns at noon");
pub const NEW_PASSWORD: &str = "velvet turbine marmalade";
pub const PASSPHRASE: &str = "4d1f0c55a0f84f1d9a3b9a2f66c0cbb24ab3c9f7f0e1d2c3b4a5968778695a4b";
/// Those of the answers.
pub const ALL: [Login<'_>; 3] = [ALICE, BOB, CAROL];

/// Domains, users with their hashes, aliases, DKIM keys.
pub const ROWS: &str = "sqlite3 /var/lib/ezmail/mail.sqlite \
    'SELECT name FROM domain; SELECT local_part, domain_id, quota_bytes, enabled FROM user; \
     SELECT user_id, kind, hash FROM credential; SELECT local_part, domain_id, target FROM alias; \
     SELECT domain_id, selector, stage FROM dkim_key' | sort";

/// The folders that are filled, and how many messages each person gets there.
const FOLDERS: [(&str, u32); 4] = [
    ("INBOX", 120),
    ("Sent", 80),
    ("Archive/2025", 90),
    ("Work", 45),
];
/// How many messages that are, for three people.
pub const MESSAGES: u64 = 3 * 335;

/// Somebody with a mailbox.
pub struct Person {
    pub login: Login<'static>,
}

/// Fills everybody's folders with one message of so many; how many messages those are.
pub fn fill(world: &World, people: &[Person], share: u32) -> u64 {
    let mut count = 0;
    for person in people {
        let local_part = person.login.0.split('@').next().unwrap();
        let steps: Vec<Value> = FOLDERS
            .iter()
            .map(|(folder, n)| {
                let name = format!("{local_part}-{}", folder.replace('/', "-"));
                json!(["fill", folder, name, n / share])
            })
            .collect();
        let client = world.client(90, Family::V4);
        let result = client.imap(person.login, Value::Array(steps)).unwrap();
        assert_eq!(result.ended, None);
        count += result
            .results
            .iter()
            .map(|n| n.as_u64().unwrap())
            .sum::<u64>();
    }
    count
}

/// All messages of all people: (person, folder, Message-ID) and the flags of each of its copies.
pub struct Boxes(BTreeMap<(String, String, String), Vec<Vec<String>>>);

impl Boxes {
    pub fn read(world: &World, people: &[Person]) -> Self {
        let mut all: BTreeMap<_, Vec<Vec<String>>> = BTreeMap::new();
        for person in people {
            let steps: Vec<Value> = FOLDERS.iter().map(|(f, _)| json!(["marks", f])).collect();
            let client = world.client(92, Family::V4);
            let result = client.imap(person.login, Value::Array(steps)).unwrap();
            assert_eq!(result.ended, None, "{}", person.login.0);
            assert_eq!(result.login.as_deref(), Some("OK"), "{}", person.login.0);
            for ((folder, _), messages) in FOLDERS.iter().zip(result.results) {
                let messages: Vec<(String, Vec<String>)> =
                    serde_json::from_value(messages).unwrap();
                for (id, flags) in messages {
                    let key = (person.login.0.to_owned(), (*folder).to_owned(), id);
                    all.entry(key).or_default().push(flags);
                }
            }
        }
        Self(all)
    }

    /// Everything that `before` has is here, once, with its flags.
    pub fn has_all_of(&self, before: &Self) {
        for (key, flags) in &before.0 {
            assert_eq!(self.0.get(key), Some(flags), "{key:?}");
            assert_eq!(flags.len(), 1, "{key:?}");
        }
    }

    /// How many copies of a message there are.
    pub fn count(&self, id: &str) -> usize {
        let of = self.0.iter().filter(|((_, _, i), _)| i == id);
        of.map(|(_, copies)| copies.len()).sum()
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}

/// Waits until smtpd's queue is empty.
pub fn wait_until_delivered(machine: &Appliance) {
    let deadline = Instant::now() + Duration::from_secs(300);
    while !run(
        machine,
        "smtpctl schedule all >/dev/null 2>&1; smtpctl show queue",
    )
    .trim()
    .is_empty()
    {
        assert!(Instant::now() < deadline, "mail stays in the queue");
        thread::sleep(Duration::from_secs(3));
    }
}
