//! Certificates from an authority, pebble: the first, a renewal that nobody notices, names that come
//! later, and an authority that is down, wrong, or has been asked too often. And what mail programs are
//! told over the web with them.

// clippy.toml allows it in tests, but takes only functions marked #[test] for such
#![allow(clippy::unwrap_used)]

#[path = "../world/mod.rs"]
mod world;

mod faults;
mod steady;
mod web;

use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::Result;
use ezmail::util::run::Task;
use serde_json::Value;

use world::{
    World,
    acme::Acme,
    addresses::{Family, HOSTNAME, appliance},
    appliance::{Appliance, iso, one_domain},
    zones::SECOND_HOSTNAME,
};

/// All names that a certificate for one domain has.
const FIRST: [&str; 4] = [
    HOSTNAME,
    "autoconfig.example.org",
    "autodiscover.example.org",
    "mta-sts.example.org",
];

/// A name that the authority does not find for a while.
const LOST: &str = "mta-sts.second.org";

/// Names of both domains that are published after the first certificate, and such as are not: acme.sh
/// takes half a minute for each on an emulated machine.
const NEW: [&str; 3] = [
    "autoconfig.example.org",
    "autodiscover.second.org",
    "mta-sts.example.org",
];
const LATER: [&str; 2] = ["autoconfig.second.org", "autodiscover.example.org"];

/// What `ezmail-cert.service` gives the authority and the daemons, and an emulated machine is slow.
const LIMIT: Duration = Duration::from_secs(1200);

struct Setting<'a> {
    world: &'a World,
    acme: Acme<'a>,
    appliance: Appliance,
}

#[test]
fn the_first_of_all_names_and_the_web() {
    let world = World::new("cert").unwrap();
    // as from an earlier server: so there is one order only, of all names
    let alias = |name: &&str| format!("{name}. 3600 IN CNAME {HOSTNAME}.\n");
    let records: String = FIRST[1..].iter().map(alias).collect();
    world.publish(&records).unwrap();
    let mut setting = Setting::new(&world);
    setting.stage("the first, of all names", |s| s.the_first(&FIRST));
    setting.stage("what the web shows", |s| web::all(s, "example.org"));
}

#[test]
fn full_a_life_with_an_authority() {
    let world = World::new("certlife").unwrap();
    let mut setting = Setting::new(&world);
    setting.stage("the first", |s| s.the_first(&[HOSTNAME]));
    setting.stage("one is not found", Setting::one_is_not_found);
    setting.stage("what the web shows", |s| web::all(s, "second.org"));
    setting.stage("nobody notices", steady::nobody_notices);
    setting.stage("too often", faults::too_often);
    setting.stage("a stranger", faults::a_stranger);
    setting.stage("by hand", Setting::by_hand);
}

#[test]
fn full_a_week_without_an_authority() {
    let world = World::new("certweek").unwrap();
    let mut setting = Setting::new(&world);
    setting.stage("the first", |s| s.the_first(&[HOSTNAME]));
    setting.stage("a week without", faults::a_week_without);
}

impl<'a> Setting<'a> {
    /// An authority, and an appliance that asks it.
    fn new(world: &'a World) -> Self {
        let acme = Acme::start(world.namespace(), &world.folder().join("acme")).unwrap();
        // few names: acme.sh takes its time for each on an emulated machine
        let answers = one_domain(world).unwrap() + &acme.answers();
        let appliance = Appliance::boot(world, &iso().unwrap(), &answers).unwrap();
        appliance.wait_until_up(world).unwrap();
        Self {
            world,
            acme,
            appliance,
        }
    }
}

impl Setting<'_> {
    fn stage(&mut self, name: &str, what: impl FnOnce(&mut Self)) {
        let begun = Instant::now();
        eprintln!("cert: {name}");
        what(self);
        eprintln!("cert: {name}: {} s", begun.elapsed().as_secs());
    }

    fn run(&self, script: &str) -> String {
        self.appliance.run(script).unwrap()
    }

    /// What the timer does, by its service with its sandbox; what it said.
    fn renew(&self) -> String {
        let script = "since=$(date +%s); systemctl start ezmail-cert.service || true
                      journalctl --no-pager -o cat -u ezmail-cert --since @$since";
        self.long(script)
    }

    /// A script that may take its time.
    fn long(&self, script: &str) -> String {
        let ran = self.appliance.shell().run(script, LIMIT).unwrap();
        assert_eq!(ran.status, 0, "{script}\n{}", ran.output);
        ran.output
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.run("mailctl cert status --json")).unwrap()
    }

    /// The names of the certificate that is in place.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            serde_json::from_value(self.status()["names"].clone()).unwrap();
        names.sort();
        names
    }

    /// The certificate that a port shows to somebody who trusts the authority: its serial number.
    fn serial(&self, port: u16) -> Result<String> {
        let root = self.acme.root()?;
        let address = appliance(Family::V4);
        let connect = match port {
            25 | 587 => format!("{address}:{port} -starttls smtp"),
            4190 => format!("{address}:{port} -starttls sieve"),
            _ => format!("{address}:{port}"),
        };
        let script = format!(
            "openssl s_client -connect {connect} -servername {HOSTNAME} -verify_hostname {HOSTNAME} \
             -CAfile '{}' -verify_return_error </dev/null 2>/dev/null | openssl x509 -noout -serial",
            root.display()
        );
        self.world
            .namespace()
            .shell("looking at a certificate", &script)
    }

    /// That every daemon has the one certificate, which is the authority's.
    fn all_ports_have_one(&self) -> String {
        let serials = [25, 465, 587, 993, 4190, 443].map(|port| self.serial(port).unwrap());
        assert!(serials.iter().all(|s| *s == serials[0]), "{serials:?}");
        serials[0].clone()
    }

    /// The one for the names that lead here at the first boot, which it asked for by itself.
    fn the_first(&mut self, names: &[&str]) {
        let said = self.run("systemctl is-active ezmail-cert.timer; mailctl cert status");
        assert!(said.starts_with("active\n"), "{said}");
        let mut names = names.to_vec();
        names.sort_unstable();
        let mut said = String::new();
        for _ in 0..5 {
            if self.status()["origin"] == "authority" && self.names() == names {
                break;
            }
            // by itself, or, where the resolver was not yet up to it, by hand
            said += &match said.is_empty() {
                true => self.renew(),
                false => self.long("mailctl cert issue 2>&1 || true"),
            };
        }
        let status = self.status();
        assert_eq!(status["origin"], "authority", "{said}\n{status:#}");
        assert_eq!(self.names(), names, "{said}");
        let missing = status["missing"].as_array().unwrap();
        assert_eq!(missing.len(), FIRST.len() - names.len(), "{status:#}");
        self.all_ports_have_one();
        // the firewall is as it was
        assert!(!self.world.is_open(appliance(Family::V4), 80).unwrap());
        let key = self.run("stat -c '%a %U' /var/lib/ezmail/tls/key.pem /var/lib/ezmail/acme");
        assert_eq!(key, "600 root\n700 ezmail-acme\n");
    }

    /// Names of the domain, and of another that is added now, lead here when their records are published.
    /// One that the authority does not find is left out for a day, and the others are issued. The key
    /// stays the same.
    fn one_is_not_found(&mut self) {
        self.acme.finds(LOST, false).unwrap();
        let said = self.names_come(&[HOSTNAME, NEW[0], NEW[1], NEW[2]]);
        self.acme.finds(LOST, true).unwrap();
        assert!(
            said.contains(&format!("{LOST}: the authority said:")),
            "{said}"
        );
        let status = self.status();
        let missing = status["missing"].as_array().unwrap();
        let lost = missing.iter().find(|left| left["name"] == LOST).unwrap();
        let why = lost["why"].as_str().unwrap();
        assert!(why.starts_with("the authority said:"), "{status:#}");
    }

    /// Publishes those of the domain, and of another that is added, and has a certificate issued for
    /// these names; what is said.
    fn names_come(&mut self, want: &[&str]) -> String {
        let key = "openssl x509 -in /var/lib/ezmail/tls/cert.pem -noout -pubkey | sha256sum";
        let before = self.run(key);
        self.long("mailctl domain add second.org");
        let records = self.appliance.records().unwrap();
        assert!(records.contains("_mta-sts.second.org."), "{records}");
        let published: Vec<&str> = records.lines().filter(|line| !is_later(line)).collect();
        self.world.publish(&published.join("\n")).unwrap();
        for name in NEW.iter().chain([&LOST]) {
            self.run(&format!(
                "for i in $(seq 60); do
                   getent ahostsv4 {name} >/dev/null && exit 0; sleep 1
                 done; exit 1"
            ));
        }
        let mut said = self.renew();
        for _ in 0..5 {
            if !said.contains("the resolver answers SERVFAIL") {
                break;
            }
            // too slow for its own limits on a busy host; the timer asks again too
            said = self.renew();
        }
        assert!(said.contains("the new certificate is in place"), "{said}");
        // that of another machine is not asked for
        let astray = format!("{SECOND_HOSTNAME}: it leads to");
        assert!(said.contains(&astray), "{said}");
        for name in LATER {
            let absent = format!("{name}: it has no address in the DNS");
            assert!(said.contains(&absent), "{said}");
        }
        let mut want = want.to_vec();
        want.sort_unstable();
        assert_eq!(self.names(), want);
        self.all_ports_have_one();
        // whoever has published the key's hash need not publish another one
        assert_eq!(self.run(key), before);
        let again = self.renew();
        assert!(again.contains("nothing is due before"), "{again}");
        said
    }

    /// One that the administrator has is put in place, and the one before can come back.
    fn by_hand(&mut self) {
        let now = self.all_ports_have_one();
        let status = self.status();
        let old = status["old"][0].as_str().unwrap();
        let said = self.long(&format!(
            "cd {old} && mailctl cert install cert.pem key.pem 2>&1"
        ));
        assert!(said.contains("publish the TLSA record"), "{said}");
        assert_ne!(self.all_ports_have_one(), now);
        assert_eq!(self.status()["origin"], "installed");
        let old = self.run("ls /var/lib/ezmail/tls/old | wc -l");
        assert_eq!(old, "3\n");
        let refused = self.run(&format!(
            "cd /var/lib/ezmail/tls && ! mailctl cert install cert.pem old/{}/key.pem 2>&1",
            "$(ls old | tail -1)"
        ));
        assert!(refused.contains("is not the key of"), "{refused}");
    }
}

/// Whether the record is one of a name that is not published.
fn is_later(record: &str) -> bool {
    LATER
        .iter()
        .any(|name| record.starts_with(&format!("{name}.")))
}

/// Runs curl outside, as somebody who trusts the authority and finds `name` at the appliance.
fn fetch(setting: &Setting<'_>, name: &str, path: &str, more: &[&str]) -> Result<Vec<u8>> {
    let root: PathBuf = setting.acme.root()?;
    let mut command: Command = setting.world.namespace().command("curl")?;
    command.args(["--silent", "--show-error", "--fail", "--max-time", "60"]);
    command.arg("--cacert").arg(root);
    let resolve = format!("{name}:443:{}", appliance(Family::V4));
    command.args(["--resolve", &resolve]).args(more);
    command.arg(format!("https://{name}{path}"));
    Task::new(format!("fetching {name}{path}"), command).bytes()
}
