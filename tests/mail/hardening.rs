//! What the appliance shows the world, and how its services are confined: `docs/security.md`.

use std::{collections::BTreeSet, fs, path::Path, thread, time::Duration};

use regex::Regex;
use serde_json::json;

use crate::{
    ARRIVAL, alone, eventually, together,
    world::{
        Knock,
        addresses::{FAMILIES, appliance, client},
        appliance::ALICE,
        message::Mail,
    },
};

/// What may listen, as `ss` names it: protocol, address, program.
const LISTENING: [&str; 22] = [
    "tcp 0.0.0.0:22 sshd",
    "tcp [::]:22 sshd",
    "tcp 0.0.0.0:25 smtpd",
    "tcp [::]:25 smtpd",
    "tcp 0.0.0.0:465 smtpd",
    "tcp [::]:465 smtpd",
    "tcp 0.0.0.0:587 smtpd",
    "tcp [::]:587 smtpd",
    "tcp 0.0.0.0:993 dovecot",
    "tcp [::]:993 dovecot",
    "tcp 0.0.0.0:4190 dovecot",
    "tcp [::]:4190 dovecot",
    // files, the same for everybody; the firewall opens 80 for moments only
    "tcp 0.0.0.0:80 nginx",
    "tcp [::]:80 nginx",
    "tcp 0.0.0.0:443 nginx",
    "tcp [::]:443 nginx",
    "tcp 127.0.0.1:53 kresd",
    "tcp [::1]:53 kresd",
    // the password of its controller is in nobody's hands; an administrator comes by SSH
    "tcp 127.0.0.1:11334 rspamd",
    // for dovecot, with a generated secret
    "tcp 127.0.0.1:4001 ezmail-guard",
    "udp 127.0.0.1:53 kresd",
    "udp [::1]:53 kresd",
];

/// The services that the page has figures of.
const CONFINED: [&str; 12] = [
    "dovecot.service",
    "ezmail-acme.service",
    "ezmail-guard.service",
    "ezmail-sts.service",
    "kres-cache-gc.service",
    "kresd@1.service",
    "nftables.service",
    "nginx.service",
    "rspamd.service",
    "smtpd.service",
    "sshd.service",
    "valkey.service",
];

/// A file of this checkout.
fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn nothing_listens_that_need_not() {
    let (setting, _guard) = together();
    // as in users:(("imap-login",pid=801,fd=6),("dovecot",pid=699,fd=37))
    let process = Regex::new(r#""([^"]+)",pid=(\d+)"#).unwrap();
    let look = || -> BTreeSet<String> {
        let text = setting.appliance.run("ss -Hltunp").unwrap();
        let name = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let processes = process.captures_iter(line);
            // the service's first process has opened it, the others have inherited it
            let first = processes.min_by_key(|c| c[2].parse::<u32>().unwrap());
            let program = first.map_or_else(|| "nobody".to_owned(), |c| c[1].to_owned());
            format!("{} {} {program}", words[0], words[4])
        };
        text.lines().map(name).collect()
    };
    let wanted = LISTENING.map(str::to_owned).into();
    // who asks a question over UDP seems to listen while it waits, but at another port each time
    let mut found = look();
    for _ in 0..30 {
        if found == wanted {
            break;
        }
        thread::sleep(Duration::from_secs(2));
        let again = look();
        found.retain(|name| again.contains(name));
    }
    assert_eq!(found, wanted);
    // systemd's own ways to sshd, one of them for the hypervisor
    let sockets = "systemctl list-units --all --plain --no-legend 'sshd*.socket'";
    assert_eq!(setting.appliance.run(sockets).unwrap(), "");
}

#[test]
fn the_firewall_lets_nothing_else_through() {
    let (setting, _guard) = together();
    for family in FAMILIES {
        let knock = |port| {
            let knocks = setting.world.knock(None, appliance(family), port, 1);
            knocks.unwrap()[0]
        };
        for port in [25, 465, 587, 993, 4190, 443, 22] {
            assert_eq!(knock(port), Knock::Open, "{port} {family:?}");
        }
        // side by side: each of them takes its time
        let knock = &knock;
        thread::scope(|scope| {
            for port in [24, 53, 80, 110, 143, 995, 6379, 10027, 11332, 11333, 11334] {
                scope.spawn(move || assert_eq!(knock(port), Knock::Silent, "{port} {family:?}"));
            }
        });
    }
}

#[test]
fn port_80_opens_while_a_name_is_proved_and_closes_by_itself() {
    // another test finds it closed
    let (setting, _guard) = alone();
    let knock = |family| setting.world.knock(None, appliance(family), 80, 1).unwrap()[0];
    let rules = "nft add element inet ezmail proving '{ 80 timeout 40s }' && \
                 systemctl reload nftables";
    setting.appliance.run(rules).unwrap();
    for family in FAMILIES {
        assert_eq!(knock(family), Knock::Open, "{family:?}");
    }
    eventually("port 80 closing", Duration::from_secs(90), || {
        (knock(FAMILIES[0]) == Knock::Silent).then_some(())
    });
    assert_eq!(knock(FAMILIES[1]), Knock::Silent);
}

#[test]
fn a_ban_outlives_a_reload_and_is_for_the_mail_ports() {
    let (setting, _guard) = together();
    for family in FAMILIES {
        let (banned, other) = (client(96, family), client(97, family));
        let knock = |source, port| {
            let knocks = setting
                .world
                .knock(Some(source), appliance(family), port, 1);
            knocks.unwrap()[0]
        };
        let ban = format!("mailctl ban add {banned} --for 1h");
        setting.appliance.run(&ban).unwrap();
        eventually("the ban", Duration::from_secs(60), || {
            (knock(banned, 25) == Knock::Silent).then_some(())
        });
        for _ in 0..2 {
            for port in [25, 587, 993] {
                assert_eq!(knock(banned, port), Knock::Silent, "{port} {family:?}");
                assert_eq!(knock(other, port), Knock::Open, "{port} {family:?}");
            }
            assert_eq!(knock(banned, 443), Knock::Open, "{family:?}");
            setting.appliance.run("systemctl reload nftables").unwrap();
        }
        let unban = format!("mailctl ban remove {banned}");
        setting.appliance.run(&unban).unwrap();
        eventually("the end of the ban", Duration::from_secs(60), || {
            (knock(banned, 25) == Knock::Open).then_some(())
        });
    }
}

#[test]
fn the_clock_has_servers_that_the_resolver_does_not_validate() {
    let (setting, _guard) = together();
    let text = setting
        .appliance
        .run(
            "systemctl is-active systemd-timesyncd && systemctl is-enabled systemd-timesyncd && \
             timedatectl show-timesync --property FallbackNTPServers --value",
        )
        .unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("active"));
    assert_eq!(lines.next(), Some("enabled"));
    let servers: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert!(servers.len() >= 2, "{text}");
    for server in servers {
        assert!(server.ends_with(".pool.ntp.org"), "{server} in kresd.conf");
    }
}

#[test]
fn the_journal_has_its_limit() {
    let (setting, _guard) = together();
    let script = "systemd-analyze cat-config systemd/journald.conf | grep -v '^#'
                  journalctl -b -o cat -u systemd-journald | grep -F 'Runtime Journal'";
    let text = setting.appliance.run(script).unwrap();
    for line in file("airootfs/etc/systemd/journald.conf.d/10-ezmail.conf").lines() {
        assert!(line.starts_with('#') || text.contains(line), "{line}");
    }
    // what journald makes of it: "Runtime Journal (...) is 8M, max 32M, 24M free."
    let (_, after) = text.rsplit_once(" max ").unwrap();
    let (size, _) = after.split_once("M,").unwrap();
    assert!(size.parse::<f64>().unwrap() <= 32.0, "{text}");
}

#[test]
fn nothing_leaves_a_core_file() {
    let (setting, _guard) = together();
    let pattern = setting.appliance.run("cat /proc/sys/kernel/core_pattern");
    assert_eq!(pattern.unwrap(), "|/bin/false\n");
    let units = [
        "dovecot",
        "ezmail-guard",
        "kresd@1",
        "rspamd",
        "smtpd",
        "sshd",
        "valkey",
    ];
    for unit in units {
        let script = format!(
            "pid=$(systemctl show -P MainPID {unit}) && grep '^Max core file size' /proc/$pid/limits"
        );
        let limits = setting.appliance.run(&script).unwrap();
        let words: Vec<&str> = limits.split_whitespace().collect();
        assert_eq!(words[4..6], ["0", "0"], "{unit}: {limits}");
    }
}

#[test]
fn the_kernel_is_set_as_the_image_says() {
    let (setting, _guard) = together();
    let mut settings = 0;
    for line in file("airootfs/usr/lib/sysctl.d/61-ezmail-hardening.conf").lines() {
        let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        // a star stands for every interface, of which this one is as good as any
        let key = key.trim().replace('*', "lo");
        let actual = setting.appliance.run(&format!("sysctl -n {key}")).unwrap();
        assert_eq!(actual.trim(), value.trim(), "{key}");
        settings += 1;
    }
    assert!(settings > 20, "{settings}");
}

#[test]
fn the_sandboxes_are_in_nobodys_way() {
    let (setting, _guard) = together();
    // through every service, and through Sieve and rspamd's learning on the way back
    let mail = Mail::new("peer@example.com", ALICE.0, "hardening-way");
    let stored = setting.arrives(mail, ALICE, "INBOX");
    let steps = json!([["move", "INBOX", stored.uid, "Junk"]]);
    let moved = setting.reader().imap(ALICE, steps).unwrap();
    assert_eq!(moved.ended, None, "{moved:?}");
    eventually("learning it as spam", ARRIVAL, || {
        let stat = "rspamc --connect=/run/rspamd/controller.sock stat | grep BAYES_SPAM";
        let text = setting.appliance.run(stat).unwrap();
        (!text.contains("learned: 0;")).then_some(())
    });
    let text = setting
        .appliance
        .run("journalctl -b --no-pager | grep -iE 'operation not permitted|read-only file system' || true")
        .unwrap();
    assert_eq!(text, "");
}

#[test]
fn services_are_confined_as_the_page_says() {
    let (setting, _guard) = together();
    let page = file("docs/security.md");
    let mut differences = Vec::new();
    for unit in CONFINED {
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| {unit} |")))
            .unwrap_or_else(|| panic!("no line of {unit} in docs/security.md"));
        let figure: f64 = row.split('|').nth(2).unwrap().trim().parse().unwrap();
        // the last line: "→ Overall exposure level for smtpd.service: 2.8 OK :-)"
        let script = format!("systemd-analyze security --no-pager {unit} | tail -n 1");
        let text = setting.appliance.run(&script).unwrap();
        let (_, text) = text.split_once(".service: ").unwrap();
        let actual: f64 = text.split_whitespace().next().unwrap().parse().unwrap();
        println!("| {unit} | {actual} |");
        // another version of systemd counts a little differently
        if actual > figure || figure - actual > 0.3 {
            differences.push(format!("{unit}: {actual} instead of {figure}"));
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}
