//! Many messages at a time.

use super::{MESSAGE, World, rspamd::Behaviour, smtpd, still_works, verdict};

#[test]
fn hundreds_of_sessions_interleave() {
    let mut world = World::new(&["--max-messages", "4"]);
    world.json(&verdict("no action", ""));
    let sessions: Vec<String> = (0..300)
        .map(|_| world.smtpd.open(&smtpd::OUTSIDE))
        .collect();
    let own = |n: usize| format!("X-Number: {n}").into_bytes();
    for (n, session) in sessions.iter().enumerate() {
        world.smtpd.data_line(session, &own(n));
    }
    for line in MESSAGE {
        for session in &sessions {
            world.smtpd.data_line(session, line);
        }
    }
    for session in &sessions {
        world.smtpd.data_line(session, b".");
    }
    for (n, session) in sessions.iter().enumerate() {
        let outcome = world.smtpd.finish(session);
        assert_eq!(outcome.result, "proceed");
        assert_eq!(outcome.lines[0], own(n));
        assert_eq!(outcome.lines[1..], MESSAGE);
    }
}

#[test]
fn a_message_that_waits_for_rspamd_holds_up_no_other() {
    let mut world = World::new(&["--max-messages", "2"]);
    world.rspamd.set(Behaviour::Silent);
    let slow = world.smtpd.open(&smtpd::OUTSIDE);
    world.smtpd.data_line(&slow, b"a: b");
    world.smtpd.data_line(&slow, b".");
    world.rspamd.request();
    for _ in 0..20 {
        still_works(&mut world);
    }
    world.rspamd.release();
    let outcome = world.smtpd.finish(&slow);
    assert!(outcome.result.starts_with("reject|451 "), "{outcome:?}");
}

#[test]
fn more_messages_than_threads_on_a_dead_rspamd_all_get_an_answer() {
    let mut world = World::new(&["--max-messages", "2", "--timeout", "1"]);
    world.rspamd.set(Behaviour::Silent);
    let sessions: Vec<String> = (0..20).map(|_| world.smtpd.open(&smtpd::OUTSIDE)).collect();
    for session in &sessions {
        world.smtpd.data_line(session, b"a: b");
        world.smtpd.data_line(session, b".");
    }
    for session in &sessions {
        let outcome = world.smtpd.finish(session);
        assert!(outcome.result.starts_with("reject|451 "), "{outcome:?}");
    }
    still_works(&mut world);
}

#[test]
fn a_client_that_hangs_up_leaves_nothing_behind() {
    let mut world = World::new(&[]);
    let files = |world: &World| std::fs::read_dir(world.smtpd.proc("fd")).unwrap().count();
    still_works(&mut world);
    world.rspamd.request();
    let before = files(&world);
    for _ in 0..50 {
        // in the middle of the message
        let session = world.smtpd.open(&smtpd::OUTSIDE);
        world.smtpd.data_line(&session, b"a: b");
        world.smtpd.report("tx-rollback", &session, "|00000001");
        world.smtpd.report("tx-reset", &session, "|00000001");
        world.smtpd.report("link-disconnect", &session, "");
    }
    // and while rspamd has it: no line may come for it any more
    world.rspamd.set(Behaviour::Silent);
    let gone = world.smtpd.open(&smtpd::OUTSIDE);
    world.smtpd.data_line(&gone, b"a: b");
    world.smtpd.data_line(&gone, b".");
    world.rspamd.request();
    world.smtpd.report("link-disconnect", &gone, "");
    still_works(&mut world);
    world.rspamd.release();
    // the thread says so in the log when it is done with the message
    let log = loop {
        let line = world.smtpd.log_line();
        if line.contains(&gone) {
            break line;
        }
    };
    assert!(log.ends_with(r#" result="the client has gone""#), "{log}");
    still_works(&mut world);
    assert!(!world.smtpd.has_lines_for(&gone));
    assert_eq!(files(&world), before);
}

#[test]
fn one_session_sends_message_after_message() {
    let mut world = World::new(&[]);
    world.json(&verdict("no action", ""));
    let session = world.smtpd.open(&smtpd::OUTSIDE);
    for n in 0..5_u8 {
        if n > 0 {
            world.smtpd.report("tx-begin", &session, "|0000ffff");
            world.smtpd.report("tx-mail", &session, "|0000ffff|ok|");
            let recipient = format!("|0000ffff|ok|r{n}@example.net");
            world.smtpd.report("tx-rcpt", &session, &recipient);
        }
        world.smtpd.data_line(&session, b"a: b");
        world.smtpd.data_line(&session, b".");
        assert_eq!(world.smtpd.commit(&session).result, "proceed");
        let head = world.rspamd.request().head;
        assert_eq!(head.matches("\r\nRcpt: ").count(), 1, "{head}");
        assert_eq!(
            head.contains(&format!("<r{n}@example.net>")),
            n > 0,
            "{head}"
        );
        assert_eq!(head.contains("\r\nFrom: <>\r\n"), n > 0, "{head}");
    }
}
