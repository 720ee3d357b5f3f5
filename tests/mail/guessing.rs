//! Passwords that are guessed: who does is banned from the mail ports, and nobody else is harmed.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    ARRIVAL, PATIENCE, Setting, alone, eventually, together,
    world::{
        Knock,
        addresses::{FAMILIES, Family, appliance, client},
        appliance::{ALICE, BOB, admin_key},
        client::{Login, Port, Step},
        message::Mail,
    },
};

/// How long the guard and the firewall may take, in an emulated machine.
const SOON: Duration = Duration::from_secs(90);

/// The bans, as `mailctl` lists them.
fn bans(setting: &Setting) -> Vec<Value> {
    let text = setting.appliance.run("mailctl ban list --json").unwrap();
    let mut list: Value = serde_json::from_str(&text).unwrap();
    serde_json::from_value(list["bans"].take()).unwrap()
}

/// The ban of an address; for v6 it is its /64.
fn ban_of(setting: &Setting, address: IpAddr) -> Option<Value> {
    let network = match address {
        IpAddr::V4(address) => format!("{address}/32"),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    };
    bans(setting)
        .into_iter()
        .find(|ban| ban["network"] == network.as_str())
}

fn knock(setting: &Setting, source: IpAddr, family: Family, port: u16) -> Knock {
    let knocks = setting
        .world
        .knock(Some(source), appliance(family), port, 1);
    knocks.unwrap()[0]
}

fn by_imap(setting: &Setting, number: u8, family: Family, login: Login<'_>) -> bool {
    let client = setting.world.client(number, family);
    let result = client.imap(login, json!([])).unwrap();
    result.login.is_some_and(|answer| answer.starts_with("OK"))
}

/// The code of the last answer.
fn by_smtp(setting: &Setting, number: u8, family: Family, step: Step<'_>) -> u16 {
    let client = setting.world.client(number, family);
    let talk = client.encrypted(Port::Submissions, &[step]).unwrap();
    talk.replies.last().map_or(0, |reply| reply.code)
}

#[test]
fn guessing_ends_in_a_ban_for_the_mail_ports() {
    let (setting, _guard) = together();
    for family in FAMILIES {
        let (guesser, other) = (client(100, family), client(101, family));
        assert_eq!(knock(setting, guesser, family, 993), Knock::Open);
        // over both, and each time another password
        let mut guesses = 0;
        while ban_of(setting, guesser).is_none() {
            assert!(guesses < 60, "{:?}", bans(setting));
            let password = format!("guessed-{guesses}-{family:?}");
            let login = (BOB.0, password.as_str());
            match guesses % 2 {
                0 => assert!(!by_imap(setting, 100, family, login)),
                // so many in a minute are looked at; others are refused unseen
                _ => {
                    assert!([535, 501].contains(&by_smtp(setting, 100, family, Step::Plain(login))))
                }
            }
            guesses += 1;
            // smtpd's filter reports it without waiting
            thread::sleep(Duration::from_secs(1));
        }
        // more than a person mistypes
        assert!(guesses >= 9, "{guesses}");
        eventually("the ban", SOON, || {
            (knock(setting, guesser, family, 25) == Knock::Silent).then_some(())
        });
        for port in [25, 465, 587, 993, 4190] {
            assert_eq!(
                knock(setting, guesser, family, port),
                Knock::Silent,
                "{port}"
            );
        }
        assert_eq!(knock(setting, guesser, family, 22), Knock::Open);
        assert_eq!(knock(setting, guesser, family, 443), Knock::Open);
        // whose password was guessed gets in
        assert_eq!(knock(setting, other, family, 25), Knock::Open);
        assert!(by_imap(setting, 101, family, BOB));
        assert_eq!(by_smtp(setting, 101, family, Step::Plain(BOB)), 235);
    }
    let ban = ban_of(setting, client(100, Family::V4)).unwrap();
    let reason = ban["reason"].as_str().unwrap();
    assert!(reason.contains("wrong passwords"), "{reason}");
    let (since, until) = (ban["since"].as_i64(), ban["until"].as_i64());
    assert_eq!(until.unwrap() - since.unwrap(), 15 * 60, "{ban}");
    assert_eq!(ban["count"], 1);

    // one line a ban, and nothing of a password anywhere: not in base64 either
    let line = format!("banned {} for 900 s", client(100, Family::V4));
    let script = format!(
        "journalctl -b -o cat -u ezmail-guard --no-pager | grep -c -F '{line}'
         ! journalctl -b --no-pager | grep -F -e guessed- -e AGJvYkBleGFtcGxlLm5ldA"
    );
    assert_eq!(setting.appliance.run(&script).unwrap(), "1\n");

    for family in FAMILIES {
        let guesser = client(100, family);
        let remove = format!("mailctl ban remove {guesser}");
        setting.appliance.run(&remove).unwrap();
        eventually("being let in again", SOON, || {
            (knock(setting, guesser, family, 993) == Knock::Open).then_some(())
        });
    }
}

#[test]
fn a_ban_ends_by_itself_and_survives_the_guard() {
    // the guard is killed, and with it what it has counted
    let (setting, _guard) = alone();
    for (number, family) in [(102, Family::V4), (103, Family::V6)] {
        let banned = client(number, family);
        let run = |script: &str| setting.appliance.run(script).unwrap();
        let silent = || {
            eventually("the ban", SOON, || {
                (knock(setting, banned, family, 25) == Knock::Silent).then_some(())
            });
        };
        run(&format!(
            "mailctl ban add {banned} --for 60s --reason short"
        ));
        silent();
        // nobody does anything about it
        eventually("the end of the ban", Duration::from_secs(180), || {
            (knock(setting, banned, family, 25) == Knock::Open).then_some(())
        });
        assert_eq!(ban_of(setting, banned), None);

        run(&format!("mailctl ban add {banned} --for 1h"));
        silent();
        let before = ban_of(setting, banned).unwrap();
        run("systemctl kill -s KILL ezmail-guard");
        eventually("the guard", SOON, || {
            (ban_of_if_up(setting, banned)? == before).then_some(())
        });
        assert_eq!(knock(setting, banned, family, 25), Knock::Silent);
        run(&format!("mailctl ban remove {banned}"));
        eventually("being let in again", SOON, || {
            (knock(setting, banned, family, 25) == Knock::Open).then_some(())
        });
    }
}

fn ban_of_if_up(setting: &Setting, address: IpAddr) -> Option<Value> {
    let up = "mailctl ban list --json >/dev/null 2>&1 && echo up || echo down";
    let up = setting.appliance.run(up).unwrap() == "up\n";
    up.then(|| ban_of(setting, address)).flatten()
}

#[test]
fn a_ban_cuts_what_is_open() {
    let (setting, _guard) = together();
    let banned = client(104, Family::V4);
    let folder = setting.world.folder();
    let (open, go) = (folder.join("cut-open"), folder.join("cut-go"));
    let script = format!(
        "timeout 300 python3 - <<'END'
import os, socket, ssl, time
plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
plain.check_hostname, plain.verify_mode = False, ssl.CERT_NONE
connection = socket.create_connection(('{}', 993), 120, ('{banned}', 0))
connection = plain.wrap_socket(connection)
connection.recv(1000)
connection.sendall(b'a NOOP\\r\\n')
assert connection.recv(1000).startswith(b'a OK')
open('{}', 'w').close()
while not os.path.exists('{}'):
    time.sleep(0.2)
connection.settimeout(20)
connection.sendall(b'b NOOP\\r\\n')
try:
    print(connection.recv(1000))
except TimeoutError:
    print('cut')
END",
        appliance(Family::V4),
        open.display(),
        go.display()
    );
    let said = thread::scope(|scope| {
        let talk = scope.spawn(|| setting.world.namespace().shell("a talk", &script));
        eventually("a talk with dovecot", ARRIVAL, || {
            open.exists().then_some(())
        });
        let ban = format!("mailctl ban add {banned} --for 10m");
        setting.appliance.run(&ban).unwrap();
        eventually("the ban", SOON, || {
            (knock(setting, banned, Family::V4, 993) == Knock::Silent).then_some(())
        });
        std::fs::write(&go, "").unwrap();
        talk.join().unwrap().unwrap()
    });
    assert_eq!(said, "cut\n");
    let remove = format!("mailctl ban remove {banned}");
    setting.appliance.run(&remove).unwrap();
}

#[test]
fn who_logs_in_well_is_unharmed_by_who_guesses_beside() {
    let (setting, _guard) = together();
    let family = Family::V4;
    let address = client(105, family);
    assert!(by_imap(setting, 105, family, ALICE));
    assert_eq!(by_smtp(setting, 105, family, Step::Plain(ALICE)), 235);
    for n in 0..14 {
        let password = format!("guessed-beside-{n}");
        let login = (BOB.0, password.as_str());
        match n % 2 {
            0 => assert!(!by_imap(setting, 105, family, login)),
            _ => assert_ne!(by_smtp(setting, 105, family, Step::Plain(login)), 235),
        }
    }
    assert_eq!(ban_of(setting, address), None);
    // she goes on by every way, while his login is refused from there, with the right password too
    assert!(by_imap(setting, 105, family, ALICE));
    for step in [Step::Plain(ALICE), Step::LoginWords(ALICE)] {
        assert_eq!(by_smtp(setting, 105, family, step), 235);
    }
    assert!(!by_imap(setting, 105, family, BOB));
    let refused = by_smtp(setting, 105, family, Step::Plain(BOB));
    assert_eq!(refused, 501);
    // and he himself gets in from everywhere else
    assert!(by_imap(setting, 106, family, BOB));
    assert_eq!(by_smtp(setting, 106, family, Step::LoginWords(BOB)), 235);
    let script = "! journalctl -b --no-pager | grep -F -e guessed-beside -e AGJvYkBleGFtcGxlLm5ldA";
    assert_eq!(setting.appliance.run(script).unwrap(), "");
}

#[test]
fn the_administrator_is_not_banned() {
    let (setting, _guard) = together();
    let (family, address) = (Family::V4, client(94, Family::V4));
    let key = admin_key(&setting.world).unwrap();
    let script = format!(
        "timeout 300 ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o LogLevel=ERROR \
         -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes -i {} -b {address} root@{} true",
        key.display(),
        appliance(family)
    );
    setting.world.namespace().shell("SSH", &script).unwrap();
    // written down within a minute or two
    let known = format!("grep -c -F '{address}/32' /var/lib/ezmail/guard/guard.json || true");
    eventually("the guard's note", Duration::from_secs(300), || {
        (setting.appliance.run(&known).unwrap() == "1\n").then_some(())
    });
    for n in 0..12 {
        let password = format!("guessed-by-the-administrator-{n}");
        assert!(!by_imap(setting, 94, family, (BOB.0, &password)));
    }
    assert_eq!(ban_of(setting, address), None);
    assert_eq!(knock(setting, address, family, 993), Knock::Open);
    let refused = format!("mailctl ban add {address} </dev/null 2>&1 && echo done || true");
    let with = format!("export SSH_CONNECTION='{address} 1 {address} 22'; {refused}");
    let said = setting.appliance.run(&with).unwrap();
    assert!(said.contains("--yes") && !said.contains("done"), "{said}");
}

/// Logs in with wrong passwords from 40 addresses, as fast as it goes, until told to stop; says how
/// often it tried and what it was told.
const FLOOD: &str = r"
import base64, collections, os, socket, ssl, threading
plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
plain.check_hostname, plain.verify_mode = False, ssl.CERT_NONE
told, lock = collections.Counter(), threading.Lock()
def flood(source, number):
    n = 0
    while not os.path.exists(STOP):
        try:
            talk = socket.create_connection((HOST, 465), 20, (source, 0))
            talk = plain.wrap_socket(talk)
            talk.recv(1000)
            talk.sendall(b'EHLO flood.example\r\n')
            talk.recv(1000)
            for _ in range(5):
                n += 1
                text = f'\0bob@example.net\0flooded-{number}-{n}'
                word = base64.b64encode(text.encode())
                talk.sendall(b'AUTH PLAIN ' + word + b'\r\n')
                code = talk.recv(1000)[:3].decode()
                with lock:
                    told[code] += 1
            talk.close()
        except OSError as error:
            with lock:
                told[type(error).__name__] += 1
threads = [threading.Thread(target=flood, args=(s, i)) for i, s in enumerate(SOURCES)]
[t.start() for t in threads]
[t.join() for t in threads]
print(sum(n for code, n in told.items() if code.isdigit()), dict(told))
";

#[test]
fn full_a_flood_of_logins_stops_no_delivery() {
    let (setting, _guard) = alone();
    let run = |script: &str| setting.appliance.run(script).unwrap();
    // who is known there, and where mail comes from
    assert!(by_imap(setting, 90, Family::V6, ALICE));
    assert_eq!(by_smtp(setting, 90, Family::V6, Step::Plain(ALICE)), 235);
    let stop = setting.world.folder().join("flood-stop");
    let stopped = AtomicBool::new(false);
    let sources: Vec<String> = (107..127)
        .map(|number| client(number, Family::V4).to_string())
        .collect();
    let script = format!(
        "timeout 3600 python3 - <<'END'\nSTOP, HOST = '{}', '{}'\nSOURCES = {sources:?}\n{FLOOD}\nEND",
        stop.display(),
        appliance(Family::V4)
    );
    let begin = Instant::now();
    let said = thread::scope(|scope| {
        let flood = scope.spawn(|| {
            setting
                .world
                .namespace()
                .shell("a flood of logins", &script)
        });
        // whatever fails here, the flood has to end
        let beside = scope.spawn(|| {
            thread::sleep(Duration::from_secs(10));
            for n in 0..4 {
                assert!(!stopped.load(Ordering::Relaxed));
                let mail = Mail::new("peer@example.com", ALICE.0, &format!("flood-{n}"));
                let mail = setting.world.sign(mail).unwrap();
                let sender = setting.sender(Family::V6);
                sender.deliver_patiently(&mail, PATIENCE).unwrap();
                setting.find(&mail, ALICE, "INBOX");
                // and who is known logs in
                assert_eq!(by_smtp(setting, 90, Family::V6, Step::Plain(ALICE)), 235);
            }
            // one after the other comes to its limit
            eventually("bans of the flood", Duration::from_secs(600), || {
                (bans(setting).len() >= 10).then_some(())
            });
        });
        let beside = beside.join();
        stopped.store(true, Ordering::Relaxed);
        std::fs::write(&stop, "").unwrap();
        let said = flood.join().unwrap();
        beside.unwrap();
        said.unwrap()
    });
    let seconds = begin.elapsed().as_secs();
    println!("{seconds} s of flood: {said}");
    let tried: u64 = said.split(' ').next().unwrap().parse().unwrap();
    let looked = "journalctl -b -o cat -u smtpd --no-pager | \
                  grep -c 'authentication user=bob@example.net result=permfail' || true";
    let looked: u64 = run(looked).trim().parse().unwrap();
    println!("{tried} logins were tried, smtpd has looked at the passwords of {looked} at most");
    // on a slow machine many get no answer in time, though smtpd has looked at them
    assert!(tried.max(looked) > 50, "{said}");
    // 10 of each of the 20 addresses until its ban, and some that were under way
    assert!(looked < 400, "{looked}");
    // and the daily mail would tell
    let check = run("mailctl check abuse || true");
    assert!(check.contains("bob@example.net"), "{check}");
    let script = "! journalctl -b --no-pager | grep -F -e flooded- -e AGJvYkBleGFtcGxlLm5ldA";
    assert_eq!(run(script), "");
    run("mailctl ban remove --all");
    // and nothing of it is remembered
    run("systemctl restart ezmail-guard");
    eventually("being let in again", SOON, || {
        let address = client(107, Family::V4);
        (knock(setting, address, Family::V4, 465) == Knock::Open).then_some(())
    });
}
