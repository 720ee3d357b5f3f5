//! Real lines of an appliance, from the tests of the state volume.

use super::*;

const JOURNAL: &str = include_str!("../../../tests/ctl/data/journal.jsonl");

fn read_all(lines: &str) -> Book {
    let mut book = Book::default();
    for line in lines.lines() {
        book.read(&journal::parse(line).unwrap());
    }
    book
}

fn smtpd(lines: &[&str]) -> Book {
    let mut book = Book::default();
    for (time, line) in (1_800_000_000_000_000..).step_by(1_000_000).zip(lines) {
        book.read(&journal::Entry {
            time,
            unit: "smtpd.service".to_owned(),
            message: (*line).to_owned(),
        });
    }
    book
}

#[test]
fn the_newest_are_lines() {
    let book = read_all(JOURNAL);
    insta::assert_snapshot!(book.stories().map(text::line).collect::<String>());
}

#[test]
fn each_has_its_story() {
    let book = read_all(JOURNAL);
    let stories: Vec<String> = book.stories().map(text::story).collect();
    insta::assert_snapshot!(stories.join("\n"));
}

#[test]
fn stories_are_found() {
    let book = read_all(JOURNAL);
    let found = |is: &dyn Fn(&Story) -> bool| book.stories().filter(|s| is(s)).count();
    assert_eq!(found(&|s| s.is_about("ALICE@example.org")), 3);
    assert_eq!(found(&|s| s.is_about("@example.net")), 1);
    assert_eq!(found(&|s| s.is_about("nobody@example.org")), 0);
    for id in [
        "194c9b5e",
        "194C9B5E7323A160",
        "<in-the-queue@example.org>",
        "in-the-queue@example.org",
    ] {
        assert_eq!(found(&|s| s.is(id)), 1, "{id}");
    }
}

#[test]
fn refusals_say_at_which_step() {
    let book = smtpd(&[
        "0ab1fb075cfa18e5 smtp connected address=[2001:2::5] host=c1.example.com",
        "0ab1fb075cfa18e5 smtp failed-command command=\"RCPT TO:<nobody@example.org>\" \
         result=\"550 5.1.1 No such mailbox\"",
        "0ab1fb075cfa18e5 smtp disconnected reason=quit",
        "0ab1fb075cfa18e6 smtp connected address=198.18.129.5 host=<unknown>",
        "0ab1fb075cfa18e6 smtp failed-command command=\"MAIL FROM:<a@b.example> SIZE=9\" \
         result=\"530 5.5.1 Invalid command: Must issue an AUTH command first\"",
    ]);
    insta::assert_snapshot!(
        book.stories().map(text::line).collect::<String>(),
        @r"
    2027-01-15 08:00:01  0ab1fb075cfa18e5  ? -> nobody@example.org: refused RCPT TO:<nobody@example.org>: 550 5.1.1 No such mailbox
    2027-01-15 08:00:04  0ab1fb075cfa18e6  a@b.example -> ?: refused MAIL FROM:<a@b.example> SIZE=9: 530 5.5.1 Invalid command: Must issue an AUTH command first
    "
    );
    let about = book.stories().filter(|s| s.is_about("nobody@example.org"));
    assert_eq!(about.count(), 1);
}

#[test]
fn a_message_stands_as_its_worst_recipient_does() {
    let line = |to: &str, result: &str, answer: &str| {
        format!(
            "0ab1fb10785c69a2 mta delivery evpid=194c9b5e7323a160 from=<a@example.org> to=<{to}> \
             rcpt=<-> source=\"[2001:2::10]\" relay=\"198.18.0.9 (mx.example.com)\" delay=1s \
             result=\"{result}\" stat=\"{answer}\""
        )
    };
    let waits = line("b@example.com", "TempFail", "451 later");
    let other = line("c@example.com", "Ok", "250 ok");
    let done = line("b@example.com", "Ok", "250 at last");
    let never = line("d@example.com", "PermFail", "550 no");
    for (lines, stands) in [
        (vec![&waits, &other], "waits: 451 later"),
        (vec![&waits, &done], "delivered: 250 at last"),
        (vec![&never, &other], "undeliverable: 550 no"),
    ] {
        let lines: Vec<&str> = lines.into_iter().map(String::as_str).collect();
        let book = smtpd(&lines);
        let text = text::line(book.stories().next().unwrap());
        assert!(text.ends_with(&format!(": {stands}\n")), "{text}");
    }
}

#[test]
fn other_lines_are_about_no_message() {
    let book = smtpd(&[
        "info: OpenSMTPD 7.8.0 starting",
        "0ab1fb075cfa18e5 smtp failed-command",
        "0ab1fb075cfa18e5 mda delivery evpid=zz from=<> to=<>",
        "rspamd: x message=1 result=\"",
        "",
        "é",
        "0ab1fb075cfa18eé smtp",
    ]);
    assert_eq!(book.stories().count(), 0);
}

#[test]
fn memory_is_bounded() {
    let mut book = Book::default();
    for number in 0..30_000u32 {
        book.read(&journal::Entry {
            time: 1,
            unit: "smtpd.service".to_owned(),
            message: format!(
                "0ab1fb075cfa18e5 smtp envelope evpid={number:08x}00000000 from=<> to=<a@b>"
            ),
        });
    }
    assert_eq!(book.stories().count(), 20_000);
    assert_eq!(book.stories().next().unwrap().id, format!("{:08x}", 10_000));
}

#[test]
fn what_is_no_entry_is_counted() {
    let mut book = Book::default();
    let line = serde_json::json!({
        "__REALTIME_TIMESTAMP": "17",
        "_SYSTEMD_UNIT": "smtpd.service",
        "MESSAGE": "7641df97a0b1c2d3 smtp connected address=203.0.113.7 host=mx.example.com",
    });
    for text in [
        "{\"MESSAGE\":\"cut",
        &line.to_string(),
        r#"{"MESSAGE":["a","b"]}"#,
    ] {
        assert_eq!(take(&mut book, text), None);
    }
    assert_eq!(book.skipped, 2);
}
