//! The appliance as a mail server, seen from outside: one unattended boot, and then all that
//! arrives, leaves and is refused.

// clippy.toml allows it in tests, but takes only functions marked #[test] for such
#![allow(clippy::unwrap_used)]

#[path = "../world/mod.rs"]
mod world;

mod accounts;
mod attacks;
mod boot;
#[cfg(feature = "by-hand")]
mod captures;
mod crowds;
mod daily;
mod forwarding;
mod guessing;
mod guide;
mod hardening;
mod health;
#[cfg(feature = "by-hand")]
mod hold;
mod import;
mod incoming;
mod large;
mod mailboxes;
mod notices;
mod operations;
mod outgoing;
mod refused;
mod rotation;
mod spam;
mod ssh;
mod trouble;

use std::{
    sync::{LazyLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, Instant},
};

use anyhow::Result;

use world::{
    World,
    addresses::{Family, SENDER, client_name},
    appliance::{Appliance, answers, iso},
    client::{Client, Login, Port, Stored},
    message::Mail,
};

/// How long a message may take from one end to the other, in an emulated machine.
const ARRIVAL: Duration = Duration::from_secs(420);

/// How long a sender outside repeats what is refused for the time being.
const PATIENCE: Duration = Duration::from_secs(480);

/// The one machine that most tests share, and the world around it.
struct Setting {
    world: World,
    appliance: Appliance,
    /// Held to read by a test, held to write by one that breaks something meanwhile.
    peace: RwLock<()>,
}

static SETTING: LazyLock<Result<Setting, String>> =
    LazyLock::new(|| start().map_err(|error| format!("{error:#}")));

fn start() -> Result<Setting> {
    let world = World::new("mail")?;
    let answers = answers(&world)?;
    let appliance = Appliance::boot(&world, &iso()?, &answers)?;
    appliance.wait_until_up(&world)?;
    // what an administrator does with the records that the console shows
    world.publish(&appliance.records()?)?;
    // five minutes for each test whose sender is new are an hour; tests/pair has them as they are.
    // Reloaded, rspamd's old process would end in the midst of a test
    appliance.run(
        "cd /usr/share/ezmail/templates/etc/rspamd/override.d &&
         sed -i 's/^timeout = 5min;$/timeout = 10s;/' greylist.conf &&
         grep -qx 'timeout = 10s;' greylist.conf && ezmail-agent apply &&
         grep -qx 'timeout = 10s;' /etc/rspamd/override.d/greylist.conf &&
         systemctl restart rspamd",
    )?;
    Ok(Setting {
        world,
        appliance,
        peace: RwLock::new(()),
    })
}

fn setting() -> &'static Setting {
    match &*SETTING {
        Ok(setting) => setting,
        Err(error) => panic!("the appliance is not up: {error}"),
    }
}

/// For a test that leaves everything as it is.
fn together() -> (&'static Setting, RwLockReadGuard<'static, ()>) {
    let setting = setting();
    let guard = setting.peace.read().unwrap_or_else(PoisonError::into_inner);
    (setting, guard)
}

/// For a test that breaks something and repairs it.
fn alone() -> (&'static Setting, RwLockWriteGuard<'static, ()>) {
    let setting = setting();
    let guard = setting
        .peace
        .write()
        .unwrap_or_else(PoisonError::into_inner);
    (setting, guard)
}

impl Setting {
    /// The mail server that example.com's SPF record names.
    fn sender(&self, family: Family) -> Client<'_> {
        self.world.client(SENDER, family)
    }

    /// Where a user reads mail: an address of its own, which no test gets banned.
    fn reader(&self) -> Client<'_> {
        self.world.client(90, Family::V6)
    }

    /// A signed message from outside, accepted and found again in `folder`.
    fn arrives(&self, mail: Mail, login: Login<'_>, folder: &str) -> Stored {
        let mail = self.world.sign(mail).unwrap();
        self.sender(Family::V4)
            .deliver_patiently(&mail, PATIENCE)
            .unwrap();
        self.find(&mail, login, folder)
    }

    /// The one message in `folder` that is this one.
    fn find(&self, mail: &Mail, login: Login<'_>, folder: &str) -> Stored {
        let header = ("Message-ID", mail.id.as_str());
        let mut found = self
            .reader()
            .wait_for_mail(login, folder, header, ARRIVAL)
            .unwrap();
        assert_eq!(found.len(), 1, "{} is there more than once", mail.id);
        found.remove(0)
    }
}

/// Tries until there is something, at most `limit`.
fn eventually<T>(what: &str, limit: Duration, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// The greeting of a client, as a line.
fn ehlo(number: u8) -> String {
    format!("EHLO {}", client_name(number))
}

/// Where mail is handed in, with the name that messages of the test carry.
fn named(port: Port, family: Family) -> String {
    format!("{port:?}-{family:?}").to_lowercase()
}
