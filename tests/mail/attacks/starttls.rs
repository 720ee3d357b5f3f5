//! What is said in the clear is nothing inside of TLS (RFC 3207, 4.2; RFC 5804, 2.2; CVE-2011-0411).

use std::{thread, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{PEER, logged, taken};
use crate::{
    PATIENCE, ehlo, eventually, together,
    world::{
        addresses::{FAMILIES, Family, SENDER, client_name},
        appliance::ALICE,
        client::{SieveInjected, Step, Talk},
        message::{Mail, headers},
    },
};

/// Right behind STARTTLS, and what has time to be read by itself.
const PAUSES: [Duration; 2] = [Duration::ZERO, Duration::from_millis(700)];

fn plain() -> String {
    STANDARD.encode(format!("\0{}\0{}", ALICE.0, ALICE.1))
}

/// What somebody on the way may put behind the client's STARTTLS; `injected` stands in what would be
/// logged of it, were it read as a command.
fn behind_smtp() -> Vec<String> {
    let login = format!("EHLO injected.example.com\r\nAUTH PLAIN {}\r\n", plain());
    let message = format!(
        "EHLO injected.example.com\r\nMAIL FROM:<injected@example.com>\r\nRCPT TO:<{}>\r\nDATA\r\n",
        ALICE.0
    );
    let mut all = vec![login, message];
    for text in [
        "RSET\r\n",
        "EHLO injected.example.com\r\n",
        "MAIL FROM:<injected@example.com>\r\n",
        "injected-nonsense\r\n",
        "EH",
        "\r\n",
        // and nobody
        "",
    ] {
        all.push(text.to_owned());
    }
    all
}

/// Either the session ends, or all of it is forgotten.
fn nothing_was_executed(talk: &Talk, port: u16, number: u8, behind: &str) {
    let story = || format!("port {port}, {behind:?} behind STARTTLS: {}", talk.story());
    let start = talk.replies.iter().position(|r| r.step == "STARTTLS");
    let start = start.unwrap_or_else(|| panic!("{}", story()));
    let (first, rest) = (&talk.replies[start], &talk.replies[start + 1..]);
    if talk.tls.is_none() {
        assert!(!behind.is_empty(), "{}", story());
        // refused, or the handshake failed over it
        assert!([220, 500].contains(&first.code), "{}", story());
        assert!(rest.is_empty(), "{}", story());
        assert!(talk.ended.is_some(), "{}", story());
        return;
    }
    assert_eq!(first.code, 220, "{}", story());
    assert_eq!(talk.ended, None, "{}", story());
    // one answer too many would move all that follow
    let codes: Vec<u16> = rest.iter().map(|r| r.code).collect();
    let sender = if port == 587 { 530 } else { 250 };
    assert_eq!(codes, [250, 503, 503, 250, sender, 221, 0], "{}", story());
    let hello = format!("Hello {} ", client_name(number));
    assert!(rest[3].text.contains(&hello), "{}", story());
    assert_eq!(rest[3].text.contains("AUTH"), port == 587, "{}", story());
    assert_eq!(rest[6].text, "", "{}", story());
}

#[test]
fn nothing_behind_starttls_is_executed_by_smtpd() {
    let (setting, _guard) = together();
    thread::scope(|scope| {
        for (number, port, family) in [
            (12, 25, Family::V4),
            (12, 25, Family::V6),
            (13, 587, Family::V4),
            (13, 587, Family::V6),
        ] {
            scope.spawn(move || {
                let client = setting.world.client(number, family).impatient(120);
                for behind in behind_smtp() {
                    for pause in PAUSES {
                        let steps = [
                            Step::line(ehlo(number)).must(),
                            Step::Inject(behind.clone().into_bytes(), pause),
                            Step::line("NOOP one"),
                            Step::line("RSET"),
                            Step::line("MAIL FROM:<>"),
                            Step::line(ehlo(number)),
                            Step::line(format!("MAIL FROM:<{PEER}>")),
                            Step::line("QUIT"),
                            Step::Rest(5),
                        ];
                        let talk = client.talk(port, false, &steps).unwrap();
                        nothing_was_executed(&talk, port, number, &behind);
                    }
                }
            });
        }
    });
    // neither done nor refused
    assert_eq!(logged(setting, "injected"), "");
}

#[test]
fn what_is_said_before_starttls_is_forgotten_by_smtpd() {
    let (setting, _guard) = together();
    for family in FAMILIES {
        for port in [25, 587] {
            let client = setting.world.client(14, family).impatient(120);
            let mut steps = vec![Step::line("EHLO before-tls.example.com").must()];
            let mut wanted = vec![220, 250];
            if port == 25 {
                // a message that has begun is in the way of it
                steps.push(Step::line(format!("MAIL FROM:<{PEER}>")));
                steps.push(Step::StartTls);
                steps.push(Step::line("RSET"));
                wanted.extend([250, 503, 250]);
            }
            steps.extend([
                Step::line("AUTH LOGIN"),
                Step::StartTls.must(),
                Step::line("NOOP"),
                // nobody, who has not said a name
                Step::line(format!("MAIL FROM:<{PEER}>")),
                Step::line(format!("RCPT TO:<{}>", ALICE.0)),
                Step::line("DATA"),
                Step::Plain(ALICE),
                // what would be the next word of the login
                Step::line(STANDARD.encode(ALICE.0)),
                Step::line(ehlo(14)),
                Step::line(format!("RCPT TO:<{}>", ALICE.0)),
                Step::line("DATA"),
                Step::line("QUIT"),
            ]);
            wanted.extend([503, 220, 250, 503, 503, 503, 503, 500, 250, 503, 503, 221]);
            let talk = client.talk(port, false, &steps).unwrap();
            let codes: Vec<u16> = talk.replies.iter().map(|r| r.code).collect();
            assert_eq!(codes, wanted, "port {port}: {}", talk.story());
            assert!(talk.tls.is_some(), "port {port}: {}", talk.story());
        }
    }
}

#[test]
fn the_name_of_the_clear_stands_in_no_message() {
    let (setting, _guard) = together();
    for family in FAMILIES {
        let mail = Mail::new(PEER, ALICE.0, &format!("starttls-name-{family:?}"));
        let mail = setting.world.sign(mail).unwrap();
        let steps = [
            Step::line("EHLO before-tls.example.com").must(),
            Step::StartTls.must(),
            Step::line(ehlo(SENDER)).must(),
            Step::line(format!("MAIL FROM:<{PEER}>")).must(),
            Step::line(format!("RCPT TO:<{}>", ALICE.0)).must(),
            Step::Data(mail.raw.clone()),
        ];
        eventually("a message after STARTTLS", PATIENCE, || {
            let talk = setting.sender(family).talk(25, false, &steps).unwrap();
            let code = talk.last().unwrap().code;
            assert!(code == 250 || code / 100 == 4, "{}", talk.story());
            if code != 250 {
                thread::sleep(Duration::from_secs(10));
            }
            (code == 250).then_some(())
        });
        let stored = taken(setting, &mail);
        let received = headers(&stored.raw, "Received").join("\n");
        assert!(received.contains(&client_name(SENDER)), "{received}");
        let text = String::from_utf8_lossy(&stored.raw);
        assert!(!text.contains("before-tls"), "{text}");
    }
}

/// As for smtpd: the end, or the answers to what was said inside of TLS and none besides.
fn nothing_was_heard_by_sieve(told: &SieveInjected, behind: &str) {
    let story = || format!("{behind:?} behind STARTTLS: {told:#?}");
    let heard = &told.heard;
    let kind = |n: usize| -> &str {
        let line = heard[n].last().unwrap();
        line.split([' ', '(']).next().unwrap_or_default()
    };
    match heard.len() {
        // STARTTLS refused, or the handshake failed over it
        0 | 1 => {
            assert!(!behind.is_empty(), "{}", story());
            assert!(!told.ended.starts_with("at the end"), "{}", story());
        }
        6 => {
            let kinds: Vec<&str> = (0..6).map(kind).collect();
            assert_eq!(kinds, ["OK", "OK", "OK", "NO", "OK", "OK"], "{}", story());
            // the second is the greeting, the others are a line
            let lines: Vec<usize> = heard.iter().map(Vec::len).collect();
            assert!(lines[1] > 1, "{}", story());
            assert_eq!((lines[0], &lines[2..]), (1, &[1; 4][..]), "{}", story());
            assert_eq!(told.ended, "at the end b''", "{}", story());
        }
        _ => panic!("{}", story()),
    }
}

#[test]
fn nothing_behind_starttls_is_executed_by_managesieve() {
    let (setting, _guard) = together();
    let login = format!("AUTHENTICATE \"PLAIN\" \"{}\"\r\n", plain());
    let put = "PUTSCRIPT \"injected\" \"keep;\"\r\n";
    let all = [
        "NOOP\r\n",
        "CAPABILITY\r\n",
        "LISTSC",
        "\r\n",
        &login,
        put,
        "",
    ];
    thread::scope(|scope| {
        for family in FAMILIES {
            scope.spawn(move || {
                for behind in all {
                    // OpenSSL waits for the rest of what it takes for the beginning of a record
                    let patience = if behind.is_empty() { 120 } else { 20 };
                    let client = setting.world.client(14, family).impatient(patience);
                    for pause in PAUSES {
                        let told = client.sieve_inject(behind.as_bytes(), pause).unwrap();
                        nothing_was_heard_by_sieve(&told, behind);
                    }
                }
            });
        }
    });
    let after = setting.world.client(14, Family::V4).sieve(ALICE, true);
    let scripts = after.unwrap().scripts.unwrap();
    assert!(!scripts.join("\n").contains("injected"), "{scripts:?}");
}
