use super::*;
use crate::{answers, ctl::check::finding::State};

const DAY: i64 = 86_400;
const NOW: i64 = 1_795_521_600;

fn answers(backup: &str) -> Answers {
    let text = format!(
        "hostname = \"mail.example.org\"\npostmaster = \"a@example.com\"\n\
         network.address = [\"192.0.2.10/24\"]\nnetwork.gateway = [\"192.0.2.1\"]\n\
         [[domain]]\nname = \"example.org\"\n{backup}"
    );
    answers::parse(&text, "a").unwrap()
}

fn to(target: &str, more: &str) -> Answers {
    answers(&format!("[backup]\ntarget = \"{target}\"\n{more}\n"))
}

fn daily() -> Answers {
    to("sftp://backup@backup.example.net/srv", "")
}

fn run(age: i64) -> Run {
    let begun = NOW - age;
    let id = jiff::Timestamp::from_second(begun).unwrap();
    let id = format!("mail.example.org_{}", id.strftime("%Y%m%dT%H%M%SZ"));
    Run {
        begun,
        ended: begun + 100,
        id: Some(id.parse().unwrap()),
        place: "sftp://backup@backup.example.net/srv".to_owned(),
        files: 1234,
        bytes: 3 << 30,
        written: 1 << 20,
        error: None,
    }
}

fn drilled(age: i64, of: i64) -> Drill {
    Drill {
        begun: NOW - age,
        ended: NOW - age + 100,
        id: run(of).id,
        files: 1234,
        bytes: 3 << 30,
        mailboxes: 3,
        messages: 1000,
        error: None,
    }
}

/// All as it should be, a backup an hour ago.
fn well() -> Report {
    Report {
        last: Some(run(3600)),
        good: Some(run(3600)),
        drill: Some(drilled(3 * DAY, 3 * DAY)),
        good_drill: Some(drilled(3 * DAY, 3 * DAY)),
        not_pruned: None,
        passphrase_shown: Some(NOW - 9 * DAY),
    }
}

/// The findings that are not well, each with its reason.
fn troubles(answers: &Answers, report: &Report) -> String {
    let findings = judge(answers, report, NOW);
    let troubles = findings.iter().filter(|f| f.state.is_trouble());
    let line = |f: &Finding| format!("{} {}: {}", f.state.word(), f.id, f.reason);
    troubles.map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn all_is_well() {
    let findings = judge(&daily(), &well(), NOW);
    assert!(findings.iter().all(|f| f.state == State::Ok));
    let reasons: Vec<_> = findings.iter().map(|f| f.reason.as_str()).collect();
    insta::assert_snapshot!(reasons.join("\n"), @r"
    The newest backup was made 60 minutes ago: 3.0 GiB in 1234 files.
    The last one went to sftp://backup@backup.example.net/srv.
    A backup was restored to see whether it can be, 3 days ago: 1234 files, 3 mailboxes.
    The passphrase was shown to somebody.
    ");
}

#[test]
fn none_is_configured() {
    insta::assert_snapshot!(troubles(&answers(""), &Report::default()), @"WARNING backup: No backup is configured: if the disk is lost, so is all mail.");
}

#[test]
fn none_was_made() {
    insta::assert_snapshot!(troubles(&daily(), &Report::default()), @r"
    WARNING backup.newest: No backup has been made yet: if the disk is lost, so is all mail.
    ERROR backup.passphrase: Nobody has seen the passphrase of the backups: without the server, none opens.
    ");
}

#[test]
fn the_newest_may_be_two_periods_old() {
    let aged = |age, more: &str| {
        let report = Report {
            last: Some(run(age)),
            good: Some(run(age)),
            ..well()
        };
        troubles(&to("sftp://backup@backup.example.net/srv", more), &report)
    };
    assert_eq!(aged(2 * DAY, ""), "");
    insta::assert_snapshot!(aged(2 * DAY + 1, ""), @"ERROR backup.newest: The newest backup was made 2 days ago; the schedule is 'daily'.");
    assert_eq!(aged(14 * DAY, "schedule = \"weekly\""), "");
    assert!(aged(14 * DAY + 1, "schedule = \"weekly\"").contains("backup.newest"));
    assert!(aged(7201, "schedule = \"hourly\"").contains("backup.newest"));
    insta::assert_snapshot!(aged(60, "schedule = \"never\""), @"WARNING backup.newest: The newest backup was made 60 seconds ago, and none is made by itself.");
}

#[test]
fn the_last_one_failed() {
    let mut report = well();
    report.last = Some(Run {
        error: Some("backup.example.net does not answer".to_owned()),
        ..run(60)
    });
    insta::assert_snapshot!(troubles(&daily(), &report), @"WARNING backup.last: The last backup failed: backup.example.net does not answer");
}

#[test]
fn old_ones_stay() {
    let mut report = well();
    report.not_pruned = Some("backup.example.net does not answer".to_owned());
    insta::assert_snapshot!(troubles(&daily(), &report), @"WARNING backup.prune: Old backups could not be removed: backup.example.net does not answer");
}

#[test]
fn a_drill_is_missing_failed_or_old() {
    let with = |drill| {
        let drill: Option<Drill> = drill;
        let report = Report { drill, ..well() };
        troubles(&daily(), &report)
    };
    insta::assert_snapshot!(with(None), @"WARNING backup.drill: No backup was ever drilled: whether one can be restored is not known.");
    let failed = Drill {
        error: Some("mail/example.org/alice/cur/1: another hash".to_owned()),
        ..drilled(DAY, DAY)
    };
    insta::assert_snapshot!(with(Some(failed)), @"ERROR backup.drill: The last drill of mail.example.org_20261123T120000Z failed: mail/example.org/alice/cur/1: another hash");
    assert_eq!(with(Some(drilled(35 * DAY, 35 * DAY))), "");
    insta::assert_snapshot!(with(Some(drilled(35 * DAY + 1, 35 * DAY))), @"WARNING backup.drill: The last drill was 35 days ago.");
    insta::assert_snapshot!(with(Some(drilled(DAY, 60 * DAY))), @"WARNING backup.drill: The backup that was drilled last is 59 days older than the newest.");
}

#[test]
fn nobody_has_the_passphrase() {
    let report = Report {
        passphrase_shown: None,
        ..well()
    };
    insta::assert_snapshot!(troubles(&daily(), &report), @"ERROR backup.passphrase: Nobody has seen the passphrase of the backups: without the server, none opens.");
    // who gave it in the answers has it
    let target = "sftp://backup@backup.example.net/srv";
    let given = to(target, "passphrase = \"5f0c7a1e9d2b4f6688aa31c05e7d9b12\"");
    assert_eq!(troubles(&given, &report), "");
}

#[test]
fn they_go_to_this_machine() {
    let at = |host: &str| troubles(&to(&format!("sftp://backup@{host}/srv"), ""), &well());
    insta::assert_snapshot!(at("mail.example.org"), @"WARNING backup.place: Backups go to this machine: they are lost together with it.");
    for host in ["192.0.2.10", "127.0.0.1", "[::1]"] {
        assert!(at(host).contains("backup.place"), "{host}");
    }
    for host in ["192.0.2.11", "backup.example.org"] {
        assert_eq!(at(host), "", "{host}");
    }
}

#[test]
fn what_a_restore_has_left_is_told_after_a_week() {
    let of = |days: i64| {
        let (since, bytes) = (NOW - days * 86_400, 3 << 30);
        kept(Before { since, bytes }, NOW)
    };
    let week = of(7);
    assert_eq!(week.state, State::Ok);
    let later = of(8);
    assert_eq!(later.state, State::Warning);
    let todo = later.todo.unwrap();
    insta::assert_snapshot!(format!("{}\n{}\n{todo}", week.reason, later.reason), @r"
    What was there before a restore is kept, 7 days so far: 3.0 GiB.
    What was there before a restore is still kept, after 8 days: 3.0 GiB.
    If all is well since, 'mailctl restore --drop-old' removes it; 'mailctl restore --undo' goes back to it.
    ");
}
