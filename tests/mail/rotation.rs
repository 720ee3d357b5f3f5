//! A rotation of DKIM keys on the running server, mail flowing: every message verifies by what the
//! DNS shows at that moment, and rspamd is never restarted.

use std::{cell::Cell, time::Duration};

use crate::{
    ARRIVAL, Setting, alone, eventually,
    world::{
        addresses::{Family, authority},
        appliance::{ALICE, BOB},
        client::{Login, Port},
        dkim::Signature,
        message::Mail,
    },
};

const PEER: &str = "peer@example.com";
/// For the DNS to show what was published: its records live for five seconds.
const SHOWN: Duration = Duration::from_secs(60);

/// For rspamd to have new workers in place of those that finish.
const RELOADED: Duration = Duration::from_secs(120);

/// Sends mail of both domains all the way through, and says by which keys it was signed.
struct Flow<'a> {
    setting: &'a Setting,
    sent: Cell<u32>,
}

impl Flow<'_> {
    fn sent(&self, login: Login<'_>) -> Vec<Signature> {
        let number = self.sent.get();
        self.sent.set(number + 1);
        let local = login.0.split('@').next().unwrap();
        let mail = Mail::new(login.0, PEER, &format!("rotation-{local}-{number}"));
        let client = self.setting.world.client(23, Family::V4);
        client
            .deliver(Port::Submissions, Some(login), &mail)
            .unwrap();
        let message = self.setting.world.mx().wait_for(&mail.id, ARRIVAL).unwrap();
        let found = self.setting.world.verify_dkim(&message.raw).unwrap();
        let domain = login.0.split('@').nth(1).unwrap();
        assert!(
            found.len() == 2 && found.iter().all(|s| s.pass && s.domain == domain),
            "{found:#?}"
        );
        found
    }

    /// The selectors that sign the mail of alice's domain; bob's is signed by the keys of ever.
    fn selectors(&self) -> Vec<String> {
        let of = |found: Vec<Signature>| {
            let mut selectors: Vec<String> = found.into_iter().map(|s| s.selector).collect();
            selectors.sort();
            selectors
        };
        assert_eq!(of(self.sent(BOB)), ["ezmail-ed25519", "ezmail-rsa"]);
        of(self.sent(ALICE))
    }

    /// rspamd takes new files while it works: a message or two may still have the old keys, which
    /// verify, as all of them do.
    fn soon(&self, wanted: &[String]) {
        eventually("signatures by the new keys", RELOADED, || {
            (self.selectors() == wanted).then_some(())
        });
    }
}

fn look(setting: &Setting) -> String {
    // the service that the timer starts, with its sandbox
    let script = "systemctl start ezmail-dkim.service || {
                    journalctl --no-pager -u ezmail-dkim -u ezmail-apply -n 60; exit 1; }
                  mailctl dkim rotate --status";
    setting.appliance.run(script).unwrap()
}

#[test]
fn keys_are_rotated_while_mail_flows() {
    let (setting, _guard) = alone();
    let run = |script: &str| setting.appliance.run(script).unwrap();
    let flow = Flow {
        setting,
        sent: Cell::new(0),
    };
    let rspamd = || run("systemctl show -p MainPID -p NRestarts rspamd.service");
    let before = rspamd();
    let old = ["ezmail-ed25519", "ezmail-rsa"];
    assert_eq!(flow.selectors(), old);
    run("systemctl is-active ezmail-dkim.timer");

    run("mailctl dkim rotate --domain example.org");
    let next: Vec<String> = run("mailctl dkim list --json | grep -o 'ezmail-[a-z0-9]*-20[0-9-]*'")
        .lines()
        .map(str::to_owned)
        .collect();
    let selector = |algorithm: &str| {
        let start = format!("ezmail-{algorithm}-");
        let found = next.iter().find(|s| s.starts_with(&start));
        found.cloned().unwrap_or_else(|| panic!("{next:?}"))
    };
    let (rsa, ed25519) = (selector("rsa"), selector("ed25519"));

    // not yet published: nothing changes
    let said = look(setting);
    assert!(said.contains("does not show it yet"), "{said}");
    assert_eq!(flow.selectors(), old);

    // a record that lost its end in a form, and one of the two keys that is right
    let zone = setting.appliance.records().unwrap();
    let is = |line: &str, selector: &str| line.starts_with(&format!("{selector}._domainkey."));
    let cut: String = zone
        .lines()
        .map(|line| match is(line, &rsa) {
            true => {
                let (first, _) = line.split_once("\" \"").unwrap();
                format!("{first}\"\n")
            }
            false => format!("{line}\n"),
        })
        .collect();
    setting.world.publish(&cut).unwrap();
    let shows = |selector: &str| {
        let name = format!("{selector}._domainkey.example.org");
        let server = authority(Family::V4);
        let text = setting.world.dig(server, &[&name, "TXT", "+short"]);
        text.unwrap()
    };
    eventually("the record", SHOWN, || {
        (!shows(&ed25519).is_empty()).then_some(())
    });
    let said = look(setting);
    assert!(said.contains("cut off"), "{said}");
    let mut mixed = [ed25519.clone(), "ezmail-rsa".to_owned()];
    mixed.sort();
    flow.soon(&mixed);

    // all of it
    setting.world.publish(&zone).unwrap();
    eventually("the whole record", SHOWN, || {
        shows(&rsa).contains("\" \"").then_some(())
    });
    let said = look(setting);
    assert!(said.contains("has to stay until"), "{said}");
    let mut new = [ed25519, rsa];
    new.sort();
    flow.soon(&new);
    assert_eq!(rspamd(), before, "rspamd was restarted");

    // the week is over: told, removed, and the record goes
    let said = run("mailctl dkim rotate --continue --at $(( $(date +%s) + 8 * 86400 ))");
    assert!(said.contains("may go from the DNS"), "{said}");
    let zone = setting.appliance.records().unwrap();
    let of_old = |line: &str| {
        let of = |selector: &&str| line.starts_with(&format!("{selector}._domainkey.example.org."));
        old.iter().any(of)
    };
    assert!(!zone.lines().any(of_old), "{zone}");
    setting.world.publish(&zone).unwrap();
    eventually("the end of the old record", SHOWN, || {
        shows("ezmail-rsa").is_empty().then_some(())
    });
    let said = look(setting);
    assert!(said.starts_with("No rotation is on its way"), "{said}");
    assert_eq!(flow.selectors(), new);
    let found = run("ls /var/lib/ezmail/dkim/example.org");
    assert!(!found.lines().any(|l| l == "ezmail-rsa.pem"), "{found}");
    assert_eq!(rspamd(), before, "rspamd was restarted");
}
