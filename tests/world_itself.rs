//! The test world without an appliance: what the tests of the appliance rely on.

// clippy.toml allows it in tests, but takes only functions marked #[test] for such
#![allow(clippy::unwrap_used)]

mod world;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    process::Command,
    sync::LazyLock,
    time::Duration,
};

use world::{
    World,
    addresses::{
        FAMILIES, Family, HOSTNAME, MX_NAME, OUTSIDE, SENDER, appliance, authority, client,
        client_name, mx, resolver, reverse_name,
    },
    client::{Port, Step},
    message::{Mail, body, headers},
    namespace::Service,
    shell::{Shell, guest_script},
    zones::BOGUS,
};

/// One world for those tests that leave it as it is.
static WORLD: LazyLock<World> = LazyLock::new(|| World::new("world-itself").unwrap());

const LIMIT: Duration = Duration::from_secs(30);

/// What the resolver says, with the validation's outcome.
fn ask(name: &str, kind: &str) -> String {
    WORLD
        .dig(resolver(Family::V4), &[name, kind, "+dnssec"])
        .unwrap()
}

#[test]
fn names_are_resolved_and_validated() {
    for (name, kind, answer) in [
        ("example.org.", "SOA", "ns.com."),
        ("mail.example.org.", "A", "198.18.0.10"),
        ("mail.example.org.", "AAAA", "2001:2::10"),
        ("example.com.", "MX", "mx.example.com."),
        ("_dmarc.strict.example.com.", "TXT", "p=reject"),
    ] {
        let text = ask(name, kind);
        assert!(text.contains("status: NOERROR"), "{text}");
        assert!(text.contains(answer), "{text}");
        assert!(text.contains(" ad;"), "validated: {text}");
    }
    // what does not exist is proven as well: block lists, for example
    for name in ["10.0.18.198.zen.spamhaus.org.", "nobody.example.net."] {
        let text = ask(name, "A");
        assert!(text.contains("status: NXDOMAIN"), "{text}");
        assert!(text.contains(" ad;"), "{text}");
    }
}

#[test]
fn addresses_have_names_that_lead_back() {
    for family in FAMILIES {
        for (address, name) in [
            (appliance(family), "mail.example.org".to_owned()),
            (mx(family), MX_NAME.to_owned()),
            (client(SENDER, family), client_name(SENDER)),
            (client(99, family), client_name(99)),
        ] {
            let text = ask(&reverse_name(address), "PTR");
            let found = text.lines().any(|l| l.ends_with(&format!("{name}.")));
            assert!(found, "{text}");
            assert!(
                text.contains("ANSWER: 2;"),
                "one name and its signature: {text}"
            );
            let kind = if family == Family::V4 { "A" } else { "AAAA" };
            let text = ask(&format!("{name}."), kind);
            assert!(text.contains(&address.to_string()), "{text}");
        }
        let nameless = reverse_name(client(100, family));
        assert!(ask(&nameless, "PTR").contains("status: NXDOMAIN"));
    }
}

#[test]
fn a_false_signature_is_refused() {
    let text = ask(&format!("www.{BOGUS}"), "A");
    assert!(text.contains("status: SERVFAIL"), "{text}");
    let server = authority(Family::V4);
    let text = WORLD.dig(server, &[&format!("www.{BOGUS}"), "A"]).unwrap();
    assert!(text.contains("status: NOERROR"), "it is there: {text}");
}

#[test]
fn what_is_published_is_seen_and_replaced() {
    let world = World::new("world-published").unwrap();
    let txt = |name: &str| {
        let words = [name, "TXT", "+dnssec", "+retry=0"];
        world.dig(resolver(Family::V6), &words).unwrap()
    };
    let long = "p".repeat(300);
    world
        .publish(&format!(
            "; what an appliance prints\n\
             s1._domainkey.example.org. 3600 IN TXT ( \"v=DKIM1; k=rsa; \" ; split\n\
             \t\t\"{}\" \"{}\" )\n\
             example.net.\tTXT\t\"v=spf1 mx -all\"\n\
             mail.example.org. 300 IN A 198.18.0.10\n",
            &long[..200],
            &long[200..]
        ))
        .unwrap();
    let text = txt("s1._domainkey.example.org.");
    assert!(text.contains("\"v=DKIM1; k=rsa; \""), "{text}");
    assert!(text.contains(" ad;"), "{text}");
    assert!(txt("example.net.").contains("v=spf1 mx -all"));
    world
        .publish("s2._domainkey.example.org. IN TXT \"v=DKIM1; p=\"\n")
        .unwrap();
    assert!(txt("s2._domainkey.example.org.").contains("ANSWER: 2;"));
    // the resolver keeps an answer for up to five seconds
    let gone = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(200));
        txt("s1._domainkey.example.org.").contains("status: NXDOMAIN")
    });
    assert!(gone);
    for (records, error) in [
        (
            "example.com. TXT \"a\" (\n",
            "a parenthesis is never closed",
        ),
        ("  TXT \"a\"\n", "line 1: no full name in front"),
        ("relative TXT \"a\"\n", "line 1: no full name in front"),
        (
            "host.example.edu. A 198.18.0.1\n",
            "lies in no zone of the test world",
        ),
        ("$ORIGIN example.org.\n", "line 1: a directive"),
        (
            "a.example.org. A no.address\n",
            "publishing example.org. failed",
        ),
    ] {
        let said = format!("{:#}", world.publish(records).unwrap_err());
        assert!(said.contains(error), "{said}");
    }
}

#[test]
fn the_mx_takes_mail_from_every_client_over_tls() {
    let world = &WORLD;
    for family in FAMILIES {
        for number in [SENDER, 57] {
            let name = format!("mx-{number}-{family:?}");
            let mail = Mail::new("anyone@example.org", "peer@example.com", &name);
            let somebody = world.client(number, family).to(mx(family));
            somebody.deliver(Port::Smtp, None, &mail).unwrap();
            let message = world.mx().wait_for(&name, LIMIT).unwrap();
            assert_eq!(message.raw, mail.raw, "not a byte is changed");
            assert_eq!(message.peer, client(number, family));
            assert_eq!(message.helo, client_name(number));
            assert_eq!(message.tls.as_deref(), Some("TLSv1.3"));
            assert_eq!(message.from, "anyone@example.org");
            assert_eq!(message.to, ["peer@example.com"]);
        }
    }
}

#[test]
fn the_mx_refuses_on_demand() {
    let world = World::new("world-refuses").unwrap();
    let peer = world.client(2, Family::V4).to(mx(Family::V4));
    let mail = Mail::new("anyone@example.org", "peer@example.com", "refused");
    for (stage, answer, step) in [
        ("rcpt", "451 4.3.0 later", "RCPT"),
        ("data", "554 5.7.1 never", "message"),
    ] {
        let refusing = world.mx().respond(stage, answer).unwrap();
        let talk = peer.send(Port::Smtp, None, &mail).unwrap();
        let reply = talk.last().unwrap();
        assert!(reply.step.starts_with(step), "{talk:?}");
        assert_eq!(format!("{} {}", reply.code, reply.text), answer);
        drop(refusing);
    }
    assert!(world.mx().messages().unwrap().is_empty());
    peer.deliver(Port::Smtp, None, &mail).unwrap();
    assert_eq!(world.mx().messages().unwrap().len(), 1);
    let answers: Vec<String> = world
        .mx()
        .attempts()
        .unwrap()
        .iter()
        .map(|a| format!("{} {}", a.stage, a.answer))
        .collect();
    assert_eq!(
        answers,
        [
            "rcpt 451 4.3.0 later",
            "rcpt 250 2.1.5 fine",
            "data 554 5.7.1 never",
            "rcpt 250 2.1.5 fine",
            "data 250 2.0.0 stored as 1"
        ]
    );
}

#[test]
fn a_client_says_what_it_is_told() {
    let server = mx(Family::V6);
    let peer = WORLD.client(3, Family::V6).to(server);
    let steps = [
        Step::line("HELO there"),
        Step::line("NONSENSE"),
        Step::Raw(b"NOOP\r\n".to_vec()),
        Step::line("AUTH PLAIN").must(),
        Step::line("NOOP never said"),
    ];
    let talk = peer.talk(25, false, &steps).unwrap();
    let codes: Vec<u16> = talk.replies.iter().map(|r| r.code).collect();
    assert_eq!(codes, [220, 250, 500, 250, 500], "{talk:?}");
    assert_eq!(talk.ended, None);
    assert_eq!(talk.tls, None);
    let talk = peer.talk(26, false, &steps).unwrap();
    assert!(talk.replies.is_empty());
    assert!(talk.ended.unwrap().starts_with("ConnectionRefusedError"));
    assert!(WORLD.is_open(server, 25).unwrap());
    assert!(!WORLD.is_open(server, 26).unwrap());
}

#[test]
fn a_client_says_more_than_it_is_asked() {
    let server = mx(Family::V4);
    let peer = WORLD.client(4, Family::V4).to(server).impatient(30);
    let recipient = "RCPT TO:<a@example.com>";
    let steps = [
        Step::line("EHLO there"),
        Step::Inject(Vec::new(), Duration::ZERO),
        Step::line("EHLO there"),
        Step::line("MAIL FROM:<wire@example.org>"),
        Step::Again(recipient.to_owned(), 3),
        Step::line("DATA"),
        Step::Send(b"Subject: wire\r\n\r\n".to_vec(), 1),
        Step::Send(b"..line\r\n".to_vec(), 2),
        Step::Slowly(b".\r".to_vec(), Duration::from_millis(50)),
        Step::Raw(b"\n".to_vec()),
        Step::Rest(1),
        Step::line("QUIT"),
        Step::Rest(10),
        Step::line("NOOP"),
    ];
    let talk = peer.talk(25, false, &steps).unwrap();
    let codes: Vec<u16> = talk.replies.iter().map(|r| r.code).collect();
    let wanted = [220, 250, 220, 250, 250, 250, 354, 250, 0, 221, 0];
    assert_eq!(codes, wanted, "{}", talk.story());
    assert!(talk.tls.is_some(), "{}", talk.story());
    assert_eq!(talk.reply("again").unwrap().text, "250*3");
    assert_eq!(talk.replies[8].step, "rest: silent");
    assert_eq!(talk.replies[10].step, "rest: closed");
    assert!(talk.ended.is_some(), "{}", talk.story());
    assert!(talk.story().contains("QUIT -> 221"), "{}", talk.story());
    let message = WORLD
        .mx()
        .wait_for("Subject: wire", Duration::from_secs(10));
    let message = message.unwrap();
    let wire = String::from_utf8(message.wire).unwrap();
    let end = "DATA\r\nSubject: wire\r\n\r\n..line\r\n..line\r\n.\r\n";
    assert!(wire.ends_with(end), "{wire:?}");
    assert!(wire.starts_with("EHLO there\r\nSTARTTLS\r\n"), "{wire:?}");
    // in the clear, and not the beginning of TLS
    let steps = [
        Step::line("EHLO there"),
        Step::Inject(b"RSET\r\n".to_vec(), Duration::from_millis(500)),
        Step::line("NOOP"),
    ];
    let talk = peer.talk(25, false, &steps).unwrap();
    assert_eq!(talk.replies.last().unwrap().code, 220, "{}", talk.story());
    assert!(
        talk.tls.is_none() && talk.ended.is_some(),
        "{}",
        talk.story()
    );
}

#[test]
fn dkim_is_signed_and_verified() {
    let mail = Mail::new("peer@example.com", "alice@example.org", "signed");
    let signed = WORLD.sign(mail).unwrap();
    let found = WORLD.verify_dkim(&signed.raw).unwrap();
    assert_eq!(found.len(), 1);
    assert!(found[0].pass, "{found:?}");
    assert_eq!(found[0].domain, OUTSIDE);
    assert_eq!(found[0].algorithm, "rsa-sha256");
    assert!(found[0].headers.contains(&"subject".to_owned()));
    // a second, untouched by the first, is judged by itself
    let twice = WORLD.sign(signed.clone()).unwrap();
    let found = WORLD.verify_dkim(&twice.raw).unwrap();
    assert_eq!(found.iter().map(|s| s.pass).collect::<Vec<_>>(), [true; 2]);
    let changed = signed.line("one line more");
    let found = WORLD.verify_dkim(&changed.raw).unwrap();
    assert!(!found[0].pass, "{found:?}");
}

#[test]
fn messages_are_made_and_read() {
    let mail = Mail::new("a@example.com", "b@example.org", "made")
        .without("Date")
        .with("X-Long", "one\r\n\ttwo");
    assert_eq!(headers(&mail.raw, "date"), [""; 0]);
    assert_eq!(headers(&mail.raw, "x-long"), ["one two"]);
    assert_eq!(headers(&mail.raw, "Message-ID"), ["<made@example.com>"]);
    assert!(body(&mail.raw).starts_with("Dear reader,\r\n\r\nthis"));
}

/// Whether a process lives, and is not just waiting to be collected.
fn lives(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn nothing_is_left_behind() {
    let world = World::new("world-dropped").unwrap();
    let pids = world.pids();
    assert_eq!(pids.len(), 4);
    assert!(pids.iter().all(|pid| lives(*pid)));
    drop(world);
    assert!(!pids.iter().any(|pid| lives(*pid)), "{pids:?}");

    // nor by a test that fails
    let mut pids = Vec::new();
    let failing = AssertUnwindSafe(|| {
        let world = World::new("world-dropped").unwrap();
        pids = world.pids();
        panic!("as a failing test does");
    });
    catch_unwind(failing).unwrap_err();
    assert_eq!(pids.len(), 4);
    assert!(!pids.iter().any(|pid| lives(*pid)), "{pids:?}");
}

#[test]
fn the_answers_fit() {
    let text = world::appliance::answers(&WORLD).unwrap();
    let (answers, report) = ezmail::answers::read(text.as_bytes(), "answers.toml", None);
    let answers = answers.unwrap();
    // memory only: meant so
    let found: Vec<&str> = report.findings().iter().map(|f| f.path.as_str()).collect();
    assert_eq!(found, ["state"]);
    assert_eq!(answers.hostname.as_str(), HOSTNAME);
}

/// A terminal whose other end is a socket, as QEMU's serial port is, and a shell on the terminal.
const TERMINAL: &str = r#"
import os, pty, select, socket, subprocess, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
print("listening", flush=True)
connection, _ = server.accept()
master, slave = pty.openpty()
script = sys.argv[2].replace("TTY", os.ttyname(slave))
child = subprocess.Popen(["sh", "-c", script])
while child.poll() is None:
    for end in select.select([connection, master], [], [], 1)[0]:
        data = os.read(end.fileno() if end is connection else end, 4096)
        if not data:
            child.kill()
        os.write(master if end is connection else connection.fileno(), data)
"#;

#[test]
fn the_shell_of_a_guest_runs_scripts() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("socket");
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", TERMINAL]).arg(&socket);
    command.arg(guest_script("TTY")).env("TMPDIR", dir.path());
    let log = dir.path().join("log");
    let mut terminal = Service::start("terminal", command, &log).unwrap();
    let listening = || fs::read_to_string(&log).is_ok_and(|text| text.contains("listening"));
    terminal.wait_until(LIMIT, listening).unwrap();
    let mut shell = Shell::connect(&socket).unwrap();
    shell.wait(LIMIT).unwrap();
    for (script, status, output) in [
        ("echo hello; echo there >&2; exit 3", 3, "hello\nthere\n"),
        ("true", 0, ""),
        ("cat", 0, ""),
        (
            "printf '@end 4 0\\nno line end'",
            0,
            "@end 4 0\nno line end",
        ),
        ("seq 1 20000 | tail -n 1", 0, "20000\n"),
    ] {
        let ran = shell.run(script, LIMIT).unwrap();
        assert_eq!((ran.status, ran.output.as_str()), (status, output));
    }
    let long = format!("echo {} | wc -c", "x".repeat(20_000));
    assert_eq!(shell.run(&long, LIMIT).unwrap().output.trim(), "20001");
    let ran = shell.run("seq 1 20000", LIMIT).unwrap();
    assert_eq!(ran.output.lines().count(), 20_000);
    let ran = shell.run("sleep 100", Duration::from_secs(1)).unwrap();
    assert_eq!(ran.status, 124);
}
