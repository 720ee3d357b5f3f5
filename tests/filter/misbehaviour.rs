//! rspamd does everything it should not. Each time the sender gets a temporary failure, the log
//! says why, and the same filter passes the next message.

use std::os::unix::net::UnixListener;

use super::{
    MESSAGE, World,
    rspamd::{Behaviour, Rspamd},
    smtpd::{self, Smtpd},
    still_works, verdict,
};

/// Lets rspamd behave so, and returns what the log and the sender got to hear.
fn heard(world: &mut World, behaviour: Behaviour, lines: &[&[u8]]) -> String {
    world.rspamd.set(behaviour);
    let outcome = world.smtpd.message(&smtpd::OUTSIDE, lines);
    assert!(outcome.lines.is_empty(), "a refused message came back");
    let log = world.smtpd.log_line();
    let doubt = log.split("doubt=\"").nth(1).unwrap_or(&log);
    let doubt = doubt.split("\" ").next().unwrap_or(doubt);
    // when the end of a connection is noticed, and as what, is a matter of luck
    let doubt = match doubt.split_once(" while ") {
        Some((before, _)) if before == "rspamd went away" => before,
        _ => doubt,
    };
    world.rspamd.release();
    still_works(world);
    world.smtpd.log_line();
    format!("{doubt} -> {}\n", outcome.result)
}

#[test]
fn answers_that_are_none() {
    let mut world = World::new(&[]);
    let raw = |text: &str| Behaviour::Raw(text.as_bytes().to_vec());
    let json = |text: &str| Behaviour::Json(text.to_owned());
    let ok = "HTTP/1.1 200 OK\r\n";
    let behaviours = [
        Behaviour::Close,
        Behaviour::CloseAfter(100),
        Behaviour::Raw(Vec::new()),
        raw("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\n{}"),
        raw("HTTP/1.1 503 Busy\r\n\r\n"),
        raw("HTTP/1.1 404 Not found\r\nContent-Length: 0\r\n\r\n"),
        raw("HTTP/1.1 100 Continue\r\n\r\n"),
        raw("220 mx.example.org ESMTP\r\n"),
        Behaviour::Raw((0..=255).collect()),
        raw(&format!("{ok}Content-Length: 100\r\n\r\n{{\"action\":")),
        raw(&format!("{ok}Content-Length: 99999999\r\n\r\n")),
        raw(&format!("{ok}\r\n{{\"action\":\"no acti")),
        json(""),
        json("null"),
        json("\"no action\""),
        json(r#"{"score":1,"required_score":15}"#),
        json(r#"{"score":1,"required_score":15,"action":7}"#),
        json(&verdict("let it through", "")),
        json(&verdict("rewrite subject", "")),
        json(&verdict("no action", r#","dkim-signature":{"a":1}"#)),
        json(&verdict(
            "no action",
            r#","milter":{"add_headers":{"X:Y":"x"}}"#,
        )),
        json(&"[".repeat(100_000)),
        Behaviour::Endless,
    ];
    let heard: String = behaviours
        .into_iter()
        .map(|b| heard(&mut world, b, &MESSAGE))
        .collect();
    insta::assert_snapshot!(heard, @r"
    rspamd went away -> reject|451 4.7.1 Message cannot be checked now, try again later
    rspamd went away -> reject|451 4.7.1 Message cannot be checked now, try again later
    rspamd went away -> reject|451 4.7.1 Message cannot be checked now, try again later
    rspamd answered with HTTP status 500 -> reject|451 4.7.1 Message cannot be checked now, try again later
    rspamd answered with HTTP status 503 -> reject|451 4.7.1 Message cannot be checked now, try again later
    rspamd answered with HTTP status 404 -> reject|451 4.7.1 Message cannot be checked now, try again later
    rspamd answered with HTTP status 100 -> reject|451 4.7.1 Message cannot be checked now, try again later
    rspamd's answer is malformed: invalid HTTP version -> reject|451 4.7.1 Message cannot be checked now, try again later
    rspamd's answer is malformed: invalid HTTP version -> reject|451 4.7.1 Message cannot be checked now, try again later
    rspamd's answer is malformed: it ends before its body does -> reject|451 4.7.1 Message cannot be checked now, try again later
    rspamd's answer is malformed: its body is too large -> reject|451 4.7.1 Message cannot be checked now, try again later
    rspamd's verdict is malformed: EOF while parsing a string at line 1 column 18 -> reject|451 4.7.1 Message cannot be checked now, try again later
    rspamd's verdict is malformed: EOF while parsing a value at line 1 column 0 -> reject|451 4.7.1 Message cannot be checked now, try again later
    rspamd's verdict is malformed: it is not an object -> reject|451 4.7.1 Message cannot be checked now, try again later
    rspamd's verdict is malformed: it is not an object -> reject|451 4.7.1 Message cannot be checked now, try again later
    rspamd's verdict is malformed: it has no action -> reject|451 4.7.1 Message cannot be checked now, try again later
    rspamd's verdict is malformed: invalid type: integer `7`, expected a string -> reject|451 4.7.1 Message cannot be checked now, try again later
    rspamd asks for what smtpd cannot do: the action 'let it through' -> reject|451 4.7.1 Message cannot be checked now, try again later
    rspamd's verdict is malformed: it rewrites the subject and has none -> reject|451 4.7.1 Message cannot be checked now, try again later
    rspamd's verdict is malformed: dkim-signature is not text -> reject|451 4.7.1 Message cannot be checked now, try again later
    rspamd's verdict is malformed: the header name 'X:Y' is not one -> reject|451 4.7.1 Message cannot be checked now, try again later
    rspamd's verdict is malformed: recursion limit exceeded at line 1 column 128 -> reject|451 4.7.1 Message cannot be checked now, try again later
    rspamd's answer is malformed: its body is too large -> reject|451 4.7.1 Message cannot be checked now, try again later
    ");
}

#[test]
fn the_end_of_the_message_is_not_awaited() {
    let mut world = World::new(&["--timeout", "20"]);
    // more than the socket holds
    let line = [b'x'; 1000];
    let mut lines: Vec<&[u8]> = vec![b"a: b", b""];
    lines.resize(3000, &line);
    let behaviours = [
        Behaviour::Early(verdict("no action", "")),
        Behaviour::EarlyClose(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_vec()),
        Behaviour::EarlyClose(b"HTTP/1.1 413 Too large\r\nContent-Length: 0\r\n\r\n".to_vec()),
        Behaviour::CloseAfter(500_000),
    ];
    let heard: String = behaviours
        .into_iter()
        .map(|b| heard(&mut world, b, &lines))
        .collect();
    insta::assert_snapshot!(heard, @r"
    rspamd answered before it had the whole message -> reject|451 4.7.1 Message cannot be checked now, try again later
    rspamd answered with HTTP status 503 -> reject|451 4.7.1 Message cannot be checked now, try again later
    the message is larger than rspamd takes -> reject|552 5.3.4 Message is too large
    rspamd went away -> reject|451 4.7.1 Message cannot be checked now, try again later
    ");
}

#[test]
fn an_answer_that_does_not_come() {
    let mut world = World::new(&["--timeout", "1"]);
    let line = [b'x'; 1000];
    let mut long: Vec<&[u8]> = vec![b"a: b", b""];
    long.resize(3000, &line);
    let mut heard_all = heard(&mut world, Behaviour::Silent, &MESSAGE);
    heard_all += &heard(&mut world, Behaviour::Deaf, &MESSAGE);
    heard_all += &heard(&mut world, Behaviour::Deaf, &long);
    let drip = Behaviour::Drip(verdict("no action", ""));
    heard_all += &heard(&mut world, drip, &MESSAGE);
    insta::assert_snapshot!(heard_all, @r"
    rspamd took too long: its answer was awaited -> reject|451 4.7.1 Message cannot be checked now, try again later
    rspamd took too long: its answer was awaited -> reject|451 4.7.1 Message cannot be checked now, try again later
    rspamd took too long: the message was being sent -> reject|451 4.7.1 Message cannot be checked now, try again later
    rspamd took too long: its answer was awaited -> reject|451 4.7.1 Message cannot be checked now, try again later
    ");
}

#[test]
fn rspamd_is_not_there_and_comes_later() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("rspamd.sock");
    let mut smtpd = Smtpd::start(&socket, dir.path(), &["--timeout", "1"]);
    let tempfail = "reject|451 4.7.1 Message cannot be checked now, try again later";
    let mut logs = String::new();
    let mut fails = |smtpd: &mut Smtpd| {
        assert_eq!(smtpd.message(&smtpd::OUTSIDE, &MESSAGE).result, tempfail);
        let log = smtpd.log_line();
        let doubt = log.split("doubt=\"").nth(1).unwrap_or(&log).to_owned();
        logs += doubt.split('"').next().unwrap_or_default();
        logs.push('\n');
    };
    fails(&mut smtpd);
    std::fs::write(&socket, "not a socket").unwrap();
    fails(&mut smtpd);
    std::fs::remove_file(&socket).unwrap();
    // a socket of which the owner has died
    drop(UnixListener::bind(&socket).unwrap());
    fails(&mut smtpd);
    std::fs::remove_file(&socket).unwrap();
    // one whose owner never accepts, with its queue full
    let listener = UnixListener::bind(&socket).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let first = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    fails(&mut smtpd);
    drop((first, listener));
    std::fs::remove_file(&socket).unwrap();
    insta::assert_snapshot!(logs, @r"
    rspamd cannot be reached: No such file or directory (os error 2)
    rspamd cannot be reached: Connection refused (os error 111)
    rspamd cannot be reached: Connection refused (os error 111)
    rspamd took too long: the connection was being made
    ");
    let rspamd = Rspamd::start(&socket);
    rspamd.set(Behaviour::Json(verdict("no action", "")));
    assert_eq!(smtpd.message(&smtpd::OUTSIDE, &MESSAGE).result, "proceed");
}

#[test]
fn the_spool_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let rspamd = Rspamd::start(&dir.path().join("rspamd.sock"));
    rspamd.set(Behaviour::Json(verdict("no action", "")));
    let spool = dir.path().join("spool");
    let mut smtpd = Smtpd::start(rspamd.path(), &spool, &[]);
    let warning = smtpd.log_line();
    assert!(warning.contains("cannot be written"), "{warning}");
    let outcome = smtpd.message(&smtpd::OUTSIDE, &MESSAGE);
    assert!(outcome.result.starts_with("reject|451 "), "{outcome:?}");
    assert!(!rspamd.has_request());
    std::fs::create_dir(&spool).unwrap();
    assert_eq!(smtpd.message(&smtpd::OUTSIDE, &MESSAGE).result, "proceed");
}

#[test]
fn smtpd_talks_nonsense() {
    let mut world = World::new(&[]);
    world
        .smtpd
        .send(b"hello\n\n\xff\xff\nreport|0.7|1.0|smtp-in\nfilter|0.7|x\nconfig\n");
    world.smtpd.send(&[b'x'; 300_000]);
    world
        .smtpd
        .send(b"\nreport|9.9|1.0|smtp-in|link-fly|0000000000000001|a\n");
    for _ in 0..7 {
        let log = world.smtpd.log_line();
        assert!(log.starts_with("a line from smtpd is malformed: "), "{log}");
    }
    still_works(&mut world);
    // a message of which the beginning was never told
    world.json(&verdict("no action", ""));
    world.smtpd.data_line("00000000000000aa", b"a: b");
    world.smtpd.data_line("00000000000000aa", b".");
    let outcome = world.smtpd.finish("00000000000000aa");
    assert!(outcome.result.starts_with("reject|451 "), "{outcome:?}");
    still_works(&mut world);
}

#[test]
fn the_input_ends_or_a_signal_comes() {
    let mut world = World::new(&[]);
    world.rspamd.set(Behaviour::Silent);
    let session = world.smtpd.open(&smtpd::OUTSIDE);
    world.smtpd.data_line(&session, b"a: b");
    world.smtpd.data_line(&session, b".");
    world.rspamd.request();
    assert!(world.smtpd.is_running());
    assert!(world.smtpd.close().success());
    let spool = world.dir.path().join("spool");
    assert_eq!(std::fs::read_dir(&spool).unwrap().count(), 0);

    let smtpd = Smtpd::start(world.rspamd.path(), &spool, &[]);
    let pid = rustix::process::Pid::from_raw(smtpd.pid() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    smtpd.close();
    assert_eq!(std::fs::read_dir(&spool).unwrap().count(), 0);
}
