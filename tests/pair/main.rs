//! Two appliances that write to each other: what the one's users send is what the other's read, and
//! each believes the other.

// clippy.toml allows it in tests, but takes only functions marked #[test] for such
#![allow(clippy::unwrap_used)]

#[path = "../world/mod.rs"]
mod world;

mod compare;
mod headers;
mod large;
mod mime;
mod odd;
mod texts;
mod ways;

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use anyhow::Result;

use world::{
    World,
    addresses::{Family, HOSTNAME},
    appliance::{self, Appliance, Kind, Place, answers, iso, second_answers},
    client::{Client, Login, Port, Stored},
    message::{Mail, headers as fields},
    zones::SECOND_HOSTNAME,
};

/// How long a message may take from the one's user to the other's. It may be put off for five minutes,
/// and the machines are emulated.
const ARRIVAL: Duration = Duration::from_secs(900);
/// How long it is looked for before the queues are tried again.
const LOOK: Duration = Duration::from_secs(15);

/// Somebody who has a mailbox on one of them.
#[derive(Debug, Clone, Copy)]
struct Person {
    login: Login<'static>,
    place: Place,
}

const ALICE: Person = Person {
    login: appliance::ALICE,
    place: Place::First,
};
const BOB: Person = Person {
    login: appliance::BOB,
    place: Place::First,
};
const CAROL: Person = Person {
    login: appliance::CAROL,
    place: Place::Second,
};
const DAVE: Person = Person {
    login: appliance::DAVE,
    place: Place::Second,
};

impl Person {
    fn address(self) -> &'static str {
        self.login.0
    }

    fn domain(self) -> &'static str {
        self.address().split('@').nth(1).unwrap()
    }

    /// The name of the server that has the mailbox.
    fn server(self) -> &'static str {
        match self.place {
            Place::First => HOSTNAME,
            Place::Second => SECOND_HOSTNAME,
        }
    }
}

/// Both machines, and the world around them.
struct Setting {
    world: World,
    first: Appliance,
    second: Appliance,
}

static SETTING: LazyLock<Result<Setting, String>> =
    LazyLock::new(|| start().map_err(|error| format!("{error:#}")));

fn start() -> Result<Setting> {
    let world = World::new("pair")?;
    let iso = iso()?;
    let generous = |answers: String| format!("messages_per_hour = 100000\n{answers}");
    let first = Appliance::boot(&world, &iso, &generous(answers(&world)?))?;
    let text = generous(second_answers(&world)?);
    let kind = Kind::default();
    let second = Appliance::boot_at(Place::Second, kind, &world, &iso, Some(&text), |_| {})?;
    for machine in [&first, &second] {
        machine.wait_until_up(&world)?;
    }
    for machine in [&first, &second] {
        world.publish(&machine.records()?)?;
    }
    Ok(Setting {
        world,
        first,
        second,
    })
}

fn setting() -> &'static Setting {
    match &*SETTING {
        Ok(setting) => setting,
        Err(error) => panic!("the two appliances are not up: {error}"),
    }
}

impl Setting {
    fn machine(&self, place: Place) -> &Appliance {
        match place {
            Place::First => &self.first,
            Place::Second => &self.second,
        }
    }

    /// A program of this person, somewhere outside, that speaks to the person's own server.
    fn program_of(&self, person: Person) -> Client<'_> {
        let client = self.world.client(20, Family::V4);
        client.to(person.place.address(Family::V4))
    }

    /// A user hands a message in.
    fn submits(&self, person: Person, mail: &Mail) {
        self.program_of(person)
            .deliver(Port::Submissions, Some(person.login), mail)
            .unwrap();
    }

    /// Has both try again what waits, as they would by themselves some minutes later.
    fn hurry(&self) {
        for machine in [&self.first, &self.second] {
            // with an empty queue it may say that there is nothing
            machine.run("smtpctl schedule all || true").unwrap();
        }
    }

    /// The one message in a person's inbox that has such a field, once it is there.
    fn arrives(&self, person: Person, field: (&str, &str)) -> Stored {
        let mut found = self.all_that_arrive(person, "INBOX", field, ARRIVAL);
        assert_eq!(found.len(), 1, "{field:?} is there more than once");
        found.remove(0)
    }

    /// The messages in a person's folder that have such a field, once there is one.
    fn all_that_arrive(
        &self,
        person: Person,
        folder: &str,
        field: (&str, &str),
        limit: Duration,
    ) -> Vec<Stored> {
        let deadline = Instant::now() + limit;
        loop {
            let reader = self.program_of(person);
            let error = match reader.wait_for_mail(person.login, folder, field, LOOK) {
                Ok(found) => return found,
                Err(error) => error,
            };
            if Instant::now() > deadline {
                panic!("{error:#}\n{}", self.queues());
            }
            self.hurry();
        }
    }

    /// What waits on both, for an error message.
    fn queues(&self) -> String {
        [&self.first, &self.second]
            .map(|machine| machine.run("smtpctl show queue").unwrap())
            .concat()
    }

    /// The receiver's server has found the message to be from `domain` in every way: by the address it
    /// came from, by both signatures, by the policy. The signatures are judged once more, by others.
    fn assert_genuine(&self, stored: &Stored, receiver: Person, domain: &str) {
        if let Err(error) = self.genuine(stored, receiver, domain) {
            panic!("{error}");
        }
    }

    fn genuine(&self, stored: &Stored, receiver: Person, domain: &str) -> Result<(), String> {
        let verdict = verdict(&stored.raw, receiver.server())?;
        for result in ["spf=pass", "dmarc=pass"] {
            if !verdict.contains(result) {
                return Err(format!("no {result}: {verdict}"));
            }
        }
        let signatures = self.world.verify_dkim(&stored.raw);
        let signatures = signatures.map_err(|error| format!("{error:#}"))?;
        let ours: Vec<_> = signatures.iter().filter(|s| s.domain == domain).collect();
        let mut algorithms: Vec<&str> = ours.iter().map(|s| s.algorithm.as_str()).collect();
        algorithms.sort_unstable();
        if algorithms != ["ed25519-sha256", "rsa-sha256"] || !ours.iter().all(|s| s.pass) {
            return Err(format!("the signatures of {domain}: {signatures:#?}"));
        }
        for signature in ours {
            let is_it = |part: &str| {
                part.trim_start().starts_with("dkim=pass")
                    && part.contains(domain)
                    && part.contains(&signature.selector)
            };
            if !verdict.split(';').any(is_it) {
                return Err(format!(
                    "no dkim=pass for {}: {verdict}",
                    signature.selector
                ));
            }
        }
        Ok(())
    }
}

/// What that server itself says about a message.
fn verdict(raw: &[u8], server: &str) -> Result<String, String> {
    let mut own: Vec<String> = fields(raw, "Authentication-Results")
        .into_iter()
        .filter(|value| value.starts_with(server))
        .collect();
    match (own.pop(), own.pop()) {
        (Some(one), None) => Ok(one),
        (one, more) => Err(format!("verdicts of {server}: {one:?}, {more:?}")),
    }
}
