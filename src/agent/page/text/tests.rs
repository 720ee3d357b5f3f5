//! The page in each of its states, as it looks.

mod guide;

use super::*;
use crate::agent::{
    health::{UnitState, tests::services_like},
    page::{facts::Ssh, guide::Known},
    release::Release,
};

const RUNNING: (&str, &str) = ("active", "running");

fn release(base: &str) -> Release {
    Release {
        version: "0.1.0".to_owned(),
        base: base.to_owned(),
    }
}

fn told(outcome: Outcome, message: Option<&str>) -> Agent {
    let source = "the volume EZMAIL (/dev/sr1)".to_owned();
    let source = (outcome != Outcome::Waiting).then_some(source);
    let mut status = Status::new(outcome, source, message.map(str::to_owned));
    status.state = Some("/dev/vda".to_owned());
    Agent::Told(Box::new(status))
}

/// A server on Arch with a disk, where all is well.
fn well() -> Facts {
    Facts {
        installing: String::new(),
        release: release("arch"),
        hostname: "mail.example.org".to_owned(),
        addresses: vec![
            "203.0.113.10".parse().unwrap(),
            "2001:db8:1:2::10".parse().unwrap(),
        ],
        agent: told(Outcome::Ready, None),
        services: services_like([RUNNING; 6]),
        closed: Vec::new(),
        ssh: Ssh {
            runs: true,
            keys: true,
            fingerprint: Some("SHA256:gUulXwxEyk76f/63DJaAYMrUprynHb/qiq3srU25Qug".to_owned()),
        },
        console_password: false,
        self_signed: false,
        records: "/var/lib/ezmail/dns-records.txt".into(),
        notices: Vec::new(),
        guide: guide::done(),
    }
}

/// The stand-in without a disk or a key, as it comes from the first steps of the README.
fn in_memory() -> Facts {
    let mut facts = well();
    facts.release = release("standin");
    facts.self_signed = true;
    facts.guide = Known::Nothing;
    facts.ssh = Ssh::default();
    if let Agent::Told(status) = &mut facts.agent {
        status.state = None;
    }
    facts
}

/// Before any answers: nothing runs, and there is no key.
fn blank() -> Facts {
    Facts {
        hostname: "ezmail".to_owned(),
        addresses: Vec::new(),
        services: services_like([("inactive", "dead"); 6]),
        ssh: Ssh::default(),
        agent: Agent::Works,
        ..well()
    }
}

/// The page on a console of 25 rows, whose lines must fit.
fn screen(facts: &Facts) -> String {
    fits(page(facts, true).text(Some(25), false))
}

/// The whole page, as on the serial line.
fn line(facts: &Facts) -> String {
    fits(page(facts, true).text(None, false))
}

fn fits(text: String) -> String {
    for line in text.lines() {
        assert!(
            textwrap::core::display_width(line) <= WIDTH,
            "too wide: {line}"
        );
    }
    text
}

#[test]
fn starting() {
    let facts = blank();
    assert_eq!(page(&facts, true).state, State::Starting);
    insta::assert_snapshot!(screen(&facts));
}

#[test]
fn installing_to_disk() {
    let facts = Facts {
        installing: "/dev/vda (10.74 GB): copying the image, 232.8 MB\n".to_owned(),
        ..blank()
    };
    insta::assert_snapshot!(screen(&facts));
}

#[test]
fn services_starting() {
    let mut facts = well();
    for (n, service) in facts.services.iter_mut().enumerate().skip(2) {
        service.state = UnitState {
            active: if n == 2 { "activating" } else { "inactive" }.to_owned(),
            sub: "dead".to_owned(),
            queued: true,
            masked: false,
        };
    }
    facts.closed = vec![25, 465, 993];
    assert_eq!(page(&facts, true).state, State::Starting);
    insta::assert_snapshot!(screen(&facts));
}

#[test]
fn services_that_run_and_do_not_listen_yet() {
    let facts = Facts {
        closed: vec![25, 465],
        ..well()
    };
    assert_eq!(page(&facts, true).state, State::Starting);
    insta::assert_snapshot!(screen(&facts));
}

#[test]
fn no_answers() {
    let facts = Facts {
        agent: told(Outcome::Waiting, Some(crate::agent::discover::HOW)),
        ..blank()
    };
    assert_eq!(page(&facts, true).state, State::Waiting);
    insta::assert_snapshot!(screen(&facts));
}

#[test]
fn ready() {
    assert_eq!(page(&well(), true).state, State::Ready);
    insta::assert_snapshot!(screen(&well()));
}

#[test]
fn ready_in_memory_on_the_standin() {
    let text = screen(&in_memory());
    assert!(!text.contains("more lines"), "it does not fit:\n{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn with_a_console_password_enter_is_for_the_login() {
    let facts = Facts {
        console_password: true,
        ..well()
    };
    let text = screen(&facts);
    assert!(text.ends_with("\n Press Enter to log in here.\n"), "{text}");
}

#[test]
fn over_ssh_nobody_is_told_how_to_log_in() {
    let text = page(&well(), false).text(None, false);
    assert!(
        !text.contains("Enter") && !text.contains("ssh root"),
        "{text}"
    );
}

#[test]
fn failed_services() {
    let mut facts = well();
    facts.services = services_like([
        ("active", "exited"),
        RUNNING,
        RUNNING,
        ("activating", "auto-restart"),
        ("failed", "failed"),
        ("inactive", "dead"),
    ]);
    assert_eq!(page(&facts, true).state, State::Broken);
    insta::assert_snapshot!(screen(&facts));
}

#[test]
fn every_service_down_has_its_meaning() {
    let mut facts = in_memory();
    facts.services = services_like([("failed", "failed"); 6]);
    insta::assert_snapshot!(line(&facts));
}

/// A message of the agent for a bad answers file, which has that many mistakes.
fn refusal(mistakes: usize) -> String {
    let mistake = "error: there is no key `colour` at the top of the file
 --> answers.toml:3:1
  |
3 | colour = ******
  | ^^^^^^
  |
  = help: the keys here are: hostname, postmaster, domain, user, alias, ssh, smarthost, dns, network, state
";
    let mistakes = vec![mistake; mistakes].join("\n");
    format!(
        "the answers from the volume EZMAIL (/dev/sr1) are not right, so nothing was changed:\n\n\
         {mistakes}"
    )
}

#[test]
fn refused_answers() {
    let facts = Facts {
        agent: told(Outcome::Failed, Some(&refusal(1))),
        ..blank()
    };
    assert_eq!(page(&facts, true).state, State::Refused);
    insta::assert_snapshot!(screen(&facts));
}

#[test]
fn a_long_refusal_is_whole_on_the_serial_line_only() {
    let facts = Facts {
        agent: told(Outcome::Failed, Some(&refusal(9))),
        ..in_memory()
    };
    let mistakes = |text: &str| text.matches("error: there is no key").count();
    assert_eq!(mistakes(&line(&facts)), 9);
    let text = screen(&facts);
    assert_eq!(text.lines().count(), 24);
    insta::assert_snapshot!(text);
}

#[test]
fn an_agent_without_words() {
    let silent = Facts {
        agent: Agent::Silent,
        ..blank()
    };
    insta::assert_snapshot!(screen(&silent));
    let unreadable = Facts {
        agent: Agent::Unreadable("/run/ezmail/status.json is damaged".to_owned()),
        ..blank()
    };
    assert_eq!(page(&unreadable, true).state, State::Refused);
    assert!(screen(&unreadable).contains("status.json is damaged"));
}

#[test]
fn facts_that_are_not_to_be_had() {
    let error = anyhow::anyhow!("no such file").context("asking systemd for the services");
    insta::assert_snapshot!(fits(trouble(&error).text(Some(25), false)));
}

#[test]
fn a_long_name_does_not_break_the_page() {
    let facts = Facts {
        hostname: format!("{}.example.org", "mail".repeat(20)),
        addresses: vec!["2001:db8:1111:2222:3333:4444:5555:6666".parse().unwrap(); 3],
        ..well()
    };
    assert!(screen(&facts).contains("5555:6666"));
}

#[test]
fn what_the_daily_check_found_is_to_be_done() {
    let mut facts = well();
    facts.notices = vec![
        "Outgoing port 25: No mail server can be reached by IPv4: the provider blocks port 25. \
         ('mailctl check port25')"
            .to_owned(),
    ];
    insta::assert_snapshot!(screen(&facts));
}
