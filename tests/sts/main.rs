//! What other domains ask of the TLS of mail to them: policies that are kept to, tested, changed and
//! gone, and the reports of what was seen.

// clippy.toml allows it in tests, but takes only functions marked #[test] for such
#![allow(clippy::unwrap_used)]

#[path = "../world/mod.rs"]
mod world;

mod others;
mod reports;

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use others::Others;
use world::{
    World,
    addresses::Family,
    appliance::{ALICE, Appliance, iso, one_domain},
    client::Port,
    message::Mail,
};

/// For a message on an emulated machine.
const LIMIT: Duration = Duration::from_secs(180);
/// What smtpd says of mail that it puts off.
const NO_MX: &str = "No MX keeps to the MTA-STS policy of the domain";
/// What has to be put off.
const PUT_OFF: [&str; 4] = [
    "first-wrong",
    "first-plain",
    "first-twice",
    "first-unlisted",
];

struct Setting<'a> {
    world: &'a World,
    others: Others<'a>,
    appliance: Appliance,
}

#[test]
fn what_others_ask_is_kept_to() {
    let world = World::new("sts").unwrap();
    let others = Others::start(&world).unwrap();
    let answers = one_domain(&world).unwrap() + "\n[acme]\nenabled = false\n";
    let appliance = Appliance::boot(&world, &iso().unwrap(), &answers).unwrap();
    appliance.wait_until_up(&world).unwrap();
    let mut setting = Setting {
        world: &world,
        others,
        appliance,
    };
    // the image trusts nobody of this world
    let root = setting.others.root().unwrap();
    setting.run(&format!(
        "cat >>/etc/ssl/certs/ca-certificates.crt <<'END'\n{root}END\nsystemctl restart smtpd"
    ));
    setting.appliance.wait_for_ports(&world).unwrap();
    world
        .publish(&setting.appliance.records().unwrap())
        .unwrap();
    setting.stage("policies of all kinds", Setting::all_kinds);
    setting.stage("policies that change", Setting::changes);
    setting.stage("without who knows them", Setting::without_the_service);
    setting.stage("reports", reports::all);
}

impl Setting<'_> {
    fn stage(&mut self, name: &str, what: impl FnOnce(&mut Self)) {
        let begun = Instant::now();
        eprintln!("sts: {name}");
        what(self);
        eprintln!("sts: {name}: {} s", begun.elapsed().as_secs());
    }

    fn run(&self, script: &str) -> String {
        self.appliance.run(script).unwrap()
    }

    /// Alice writes to somebody of that name at a domain below example.com.
    fn write(&self, domain: &str, name: &str) {
        let mail = Mail::new(ALICE.0, &format!("{name}@{domain}.example.com"), name);
        let client = self.world.client(7, Family::V4);
        client
            .deliver(Port::Submissions, Some(ALICE), &mail)
            .unwrap();
    }

    /// Whether the message came to the MX of that number, and if so over TLS.
    fn came(&self, mx: usize, name: &str) -> Option<bool> {
        let all = self.others.mxs[mx].messages().unwrap();
        let message = all.iter().find(|m| m.contains(name))?;
        Some(message.tls.is_some())
    }

    fn wait_for(&self, mx: usize, name: &str) -> bool {
        let message = self.others.mxs[mx].wait_for(name, LIMIT);
        let message = message.unwrap_or_else(|error| panic!("{error:#}\n{}", self.log()));
        message.tls.is_some()
    }

    /// What smtpd and ezmail-sts have said.
    fn log(&self) -> String {
        self.run("journalctl --no-pager -o cat -u smtpd -u ezmail-sts | tail -n 150")
    }

    /// Waits until smtpd says that the message was put off, and why.
    fn wait_until_put_off(&self, name: &str, why: &str) {
        let deadline = Instant::now() + LIMIT;
        let line = format!("to=<{name}@");
        loop {
            let log = self.run("journalctl --no-pager -o cat -u smtpd");
            let said = log.lines().any(|l| l.contains(&line) && l.contains(why));
            if said {
                return;
            }
            assert!(Instant::now() < deadline, "{name} was not put off\n{log}");
            sleep(Duration::from_secs(2));
        }
    }

    fn all_kinds(&mut self) {
        for (domain, ..) in others::DOMAINS {
            self.write(domain, &format!("first-{domain}"));
        }
        // sent as the policy has it
        assert!(self.wait_for(0, "first-good"));
        assert!(self.wait_for(0, "first-both"));
        // only tested: sent in any case
        assert!(self.wait_for(1, "first-testing"));
        assert!(!self.wait_for(2, "first-clear"));
        // none, or one that cannot be fetched from whom it should be
        assert!(self.wait_for(1, "first-none"));
        assert!(self.wait_for(1, "first-badweb"));
        for name in PUT_OFF {
            self.wait_until_put_off(name, NO_MX);
        }
        // it is tried, tried without a policy, and left alone as without one
        self.wait_until_put_off("first-rude", "Network error on destination MXs");
        // never to anybody, in whatever way
        for name in PUT_OFF {
            for mx in 0..4 {
                assert_eq!(self.came(mx, name), None, "{name}");
            }
        }
        assert_eq!(self.came(1, "first-both"), None);
        let seen = self.run("journalctl --no-pager -o cat -u smtpd | grep 'mta tls-policy'");
        for wanted in [
            r#"domain="good.example.com" policy="enforce" mx="mx.good.example.com" address="198.18.2.26" result="success""#,
            r#"domain="both.example.com" policy="enforce" mx="mx.both.example.com" address="198.18.2.27" result="certificate-not-trusted""#,
            r#"domain="both.example.com" policy="enforce" mx="mx2.both.example.com" address="198.18.2.26" result="success""#,
            r#"domain="wrong.example.com" policy="enforce" mx="mx.wrong.example.com" address="198.18.2.27" result="certificate-not-trusted""#,
            r#"domain="plain.example.com" policy="enforce" mx="mx.plain.example.com" address="198.18.2.28" result="starttls-not-supported""#,
            r#"domain="unlisted.example.com" policy="enforce" mx="mx.unlisted.example.com" address="-" result="validation-failure" reason="the policy has no such MX""#,
            r#"domain="testing.example.com" policy="testing" mx="mx.testing.example.com" address="198.18.2.27" result="certificate-not-trusted""#,
            r#"domain="clear.example.com" policy="testing" mx="mx.clear.example.com" address="198.18.2.28" result="starttls-not-supported""#,
            r#"domain="none.example.com" policy="none" mx="mx.none.example.com" address="198.18.2.27" result="success""#,
        ] {
            assert!(seen.contains(wanted), "{wanted}\n{seen}");
        }
        let list = self.run("mailctl sts list");
        assert!(list.contains("good.example.com      enforce"), "{list}");
        assert!(!list.contains("badweb"), "{list}");
        let shown = self.run("mailctl sts show badweb.example.com");
        assert!(shown.contains("sts-webpki-invalid"), "{shown}");
        let check = self.run("mailctl check --all sts");
        assert!(
            check.contains("6 are kept to, 3 are only tested"),
            "{check}"
        );
    }

    /// A policy that is known goes on though record and file are gone, and another one counts as soon
    /// as its record tells of it. What waited is sent then.
    fn changes(&mut self) {
        self.others.no_policy("wrong").unwrap();
        self.forget_looks();
        self.write("wrong", "second-wrong");
        self.wait_until_put_off("second-wrong", NO_MX);
        let shown = self.run("mailctl sts show wrong.example.com");
        assert!(shown.starts_with("wrong.example.com: enforce"), "{shown}");
        assert_eq!(self.came(1, "second-wrong"), None);

        for (domain, mode) in [("wrong", "none"), ("plain", "testing")] {
            self.others
                .policy(domain, "2", mode, "*.example.com")
                .unwrap();
        }
        self.others
            .policy("unlisted", "2", "enforce", "mx.unlisted.example.com")
            .unwrap();
        self.others.publish().unwrap();
        self.forget_looks();
        self.run("mailctl queue retry --all");
        assert!(self.wait_for(1, "first-wrong"));
        assert!(self.wait_for(1, "second-wrong"));
        assert!(!self.wait_for(2, "first-plain"));
        assert!(self.wait_for(0, "first-unlisted"));
    }

    /// The records live for five seconds, and looks are remembered for five minutes, but not by one
    /// that is started anew; the policies are.
    fn forget_looks(&self) {
        self.run("sleep 6; systemctl restart ezmail-sts");
    }

    /// Mail waits for who knows the policies, and goes when that is back; the smtpd that asks in vain
    /// does not stumble.
    fn without_the_service(&mut self) {
        self.run("systemctl stop ezmail-sts");
        let check = self.run("mailctl check sts || true");
        assert!(check.contains("mail to them waits"), "{check}");
        self.write("good", "third-good");
        // longer than a delivery takes, and shorter than smtpd goes on asking
        sleep(Duration::from_secs(15));
        let queue = self.run("mailctl queue list");
        assert!(queue.contains("third-good@"), "{queue}");
        assert_eq!(self.came(0, "third-good"), None);
        self.run("systemctl start ezmail-sts");
        assert!(self.wait_for(0, "third-good"));
        assert_eq!(self.run("systemctl show -p NRestarts --value smtpd"), "0\n");
    }
}
