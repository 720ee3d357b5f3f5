use super::*;

const D: &str = "example.com";
const ENFORCE: &str = "version: STSv1\nmode: enforce\nmx: mx.example.com\nmax_age: 604800\n";
const RELAY: &str = "mta-sts:enforce:mx.example.com";
const NONE: &str = "mta-sts:none";

fn policy(id: &str, text: &str) -> Outcome {
    Outcome::Policy {
        id: id.into(),
        text: text.into(),
    }
}

fn failed() -> Outcome {
    Outcome::Failed {
        result: "sts-policy-fetch-error",
        reason: "404".into(),
    }
}

fn relay(text: &str) -> (Answer, Option<Job>) {
    (Answer::Relay(text.into()), None)
}

fn job(known: Option<&str>) -> Job {
    Job {
        domain: D.into(),
        known: known.map(Into::into),
        for_mail: true,
    }
}

fn later(known: Option<&str>) -> (Answer, Option<Job>) {
    (Answer::Later, Some(job(known)))
}

/// A book that has the policy with the id 1 since the time 0.
fn with_policy() -> Book {
    let mut book = Book::default();
    assert_eq!(book.ask(0, D), later(None));
    assert!(book.learned(0, &job(None), policy("1", ENFORCE)));
    book
}

#[test]
fn mail_waits_until_a_policy_is_known() {
    let mut book = Book::default();
    assert_eq!(book.ask(0, D), later(None));
    assert_eq!(book.ask(1, D), (Answer::Later, None));
    book.learned(2, &job(None), policy("1", ENFORCE));
    assert_eq!(book.ask(3, D), relay(RELAY));
    // and is looked for again later, by its id
    assert_eq!(book.ask(2 + FRESH, D), later(Some("1")));
    book.learned(2 + FRESH, &job(Some("1")), Outcome::Unchanged);
    assert_eq!(book.ask(3 + FRESH, D), relay(RELAY));
}

#[test]
fn without_a_policy_mail_goes() {
    let mut book = Book::default();
    book.ask(0, D);
    assert!(!book.learned(1, &job(None), Outcome::NoRecord));
    assert_eq!(book.ask(2, D), relay(NONE));
    for name in [
        "[192.0.2.1]",
        "localhost",
        "",
        "a..b",
        "ex ample.com",
        "x\".com",
    ] {
        assert_eq!(book.ask(2, name), relay(NONE), "{name}");
    }
}

#[test]
fn a_policy_goes_on_until_its_end() {
    for outcome in [Outcome::NoRecord, failed(), policy("2", "no policy")] {
        let mut book = with_policy();
        let last = 604_799;
        book.ask(last, D);
        book.learned(last, &job(Some("1")), outcome.clone());
        assert_eq!(book.ask(last, D), relay(RELAY), "{outcome:?}");
        // which comes, and then it is fetched again though its id be the same
        assert_eq!(book.ask(last + 1, D), later(None), "{outcome:?}");
        book.learned(last + 1, &job(None), Outcome::NoRecord);
        assert_eq!(book.ask(last + 1, D), relay(NONE), "{outcome:?}");
    }
}

#[test]
fn a_policy_of_no_length_counts_once() {
    let text = ENFORCE.replace("604800", "0");
    let mut book = Book::default();
    book.ask(0, D);
    book.learned(1, &job(None), policy("1", &text));
    assert_eq!(book.ask(2, D), relay(RELAY));
    assert_eq!(book.ask(1 + FRESH, D), later(None));
}

#[test]
fn a_policy_may_end_while_it_is_looked_for() {
    let mut book = with_policy();
    let last = 604_799;
    assert_eq!(book.ask(last, D), later(Some("1")));
    assert_eq!(book.ask(last + 1, D), (Answer::Later, None));
    // its record is the same, but nothing is known any more
    assert!(!book.learned(last + 2, &job(Some("1")), Outcome::Unchanged));
    assert_eq!(book.ask(last + 2, D), later(None));
}

#[test]
fn a_policy_changes_and_goes() {
    let mut book = with_policy();
    assert_eq!(book.ask(FRESH, D), later(Some("1")));
    let other = ENFORCE.replace("mx.", "mx2.").replace("enforce", "testing");
    book.learned(FRESH, &job(Some("1")), policy("2", &other));
    assert_eq!(book.ask(FRESH, D), relay("mta-sts:testing:mx2.example.com"));
    let gone = "version: STSv1\nmode: none\nmax_age: 86400\n";
    book.learned(FRESH, &job(Some("2")), policy("3", gone));
    assert_eq!(book.ask(FRESH, D), relay(NONE));
}

#[test]
fn what_takes_too_long_does_not_hold_up_mail() {
    let mut book = with_policy();
    assert_eq!(book.ask(FRESH, D), later(Some("1")));
    assert_eq!(book.ask(FRESH + WAIT - 1, D), (Answer::Later, None));
    assert_eq!(book.ask(FRESH + WAIT, D), relay(RELAY));
    // a job that never ended is given again
    assert_eq!(book.ask(2 * FRESH, D), later(Some("1")));
}

#[test]
fn without_an_answer_it_is_asked_again() {
    let mut book = Book::default();
    let silent = || Outcome::NoAnswer("no answer in time".into());
    assert_eq!(book.ask(0, D), later(None));
    assert!(!book.learned(12, &job(None), silent()));
    assert_eq!(book.ask(13, D), later(None));
    book.learned(25, &job(None), silent());
    // mail does not wait for ever, but it is looked for with each
    let (answer, again) = book.ask(WAIT, D);
    assert_eq!(answer, Answer::Relay(NONE.into()));
    assert_eq!(again, Some(job(None)));
    book.learned(WAIT + 1, &job(None), policy("1", ENFORCE));
    assert_eq!(book.ask(WAIT + 2, D), relay(RELAY));
}

#[test]
fn a_clock_set_back_keeps_nothing_fresh() {
    let mut book = Book::default();
    book.ask(1_000_000, D);
    book.learned(1_000_000, &job(None), Outcome::NoRecord);
    assert_eq!(book.ask(5, D), later(None));
}

#[test]
fn policies_are_fetched_again_while_they_are_used() {
    let again = || Job {
        for_mail: false,
        ..job(None)
    };
    let mut book = with_policy();
    assert_eq!(book.tidy(DAY - 1), []);
    assert_eq!(book.tidy(DAY), [again()]);
    // not at once again, and that is no failure of a connection
    assert!(!book.learned(DAY + 1, &again(), failed()));
    assert_eq!(book.tidy(DAY + AGAIN - 1), []);
    assert_eq!(book.tidy(DAY + AGAIN), [again()]);
    assert_eq!(book.kept().1, []);
    let now = DAY + AGAIN + 1;
    book.learned(now, &again(), policy("1", ENFORCE));
    assert_eq!(book.entries(now)[0].until, now + 604_800);
    // one that nobody used for long ends
    let text = ENFORCE.replace("604800", "31557600");
    let cached = Cached {
        id: "1".into(),
        text,
        fetched: 0,
        used: 0,
    };
    let mut book = Book::new(vec![(D.into(), cached)], Vec::new());
    assert_eq!(book.tidy(USED), []);
    assert_eq!(book.entries(USED).len(), 1);
    book.tidy(31_557_600);
    assert_eq!(book.kept().0, []);
}

#[test]
fn what_is_kept_comes_back() {
    let mut book = with_policy();
    for text in ["mode: enforce", "mode: enforced"] {
        assert!(book.learned(DAY + 5, &job(None), policy("2", text)));
    }
    let (policies, failed) = book.kept();
    assert_eq!(policies[0].1.text, ENFORCE);
    assert_eq!(failed.len(), 1);
    assert_eq!((failed[0].day, failed[0].count), (DAY, 2));
    assert_eq!(failed[0].reason, "there is no 'max_age'");
    let mut again = Book::new(policies, failed);
    assert_eq!(again.entries(DAY), book.entries(DAY));
    assert_eq!(again.ask(DAY, D), later(Some("1")));
    again.tidy(6 * DAY);
    assert_eq!(again.kept().1, []);
}

#[test]
fn there_is_an_end_to_what_is_remembered() {
    let mut book = Book::default();
    for number in 0..DOMAINS + 10 {
        let domain = format!("d{number}.example");
        let at = i64::try_from(number).unwrap() / 1000;
        let (_, job) = book.ask(at, &domain);
        book.learned(at, &job.unwrap(), policy("1", ENFORCE));
        book.learned(at, &self::job(None), failed());
    }
    let (policies, _) = book.kept();
    assert!(policies.len() < DOMAINS, "{}", policies.len());
    // the last ones are there
    let last = format!("d{}.example", DOMAINS + 9);
    assert!(policies.iter().any(|(domain, _)| *domain == last));
    for number in 0..2 * FAILURES {
        let job = Job {
            domain: format!("f{number}.example"),
            ..job(None)
        };
        book.learned(50, &job, failed());
    }
    assert_eq!(book.kept().1.len(), FAILURES);
}
