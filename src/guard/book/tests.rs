//! The counting, with a clock of its own.

use super::*;
use crate::guard::limits::{LONGEST, MINUTE};

const A: &str = "alice@example.org";
const B: &str = "bob@example.org";

fn book() -> Book {
    Book::new(Limits::default(), Bans::default(), Good::default())
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Another wrong password each time.
fn guess(book: &mut Book, now: i64, address: &str, login: &str) -> Vec<Event> {
    wrong(book, now, address, login, Some(true), None)
}

fn wrong(
    book: &mut Book,
    now: i64,
    address: &str,
    login: &str,
    exists: Option<bool>,
    password: Option<&str>,
) -> Vec<Event> {
    book.failed(
        now,
        &Failure {
            address: ip(address),
            login,
            exists,
            password,
            service: "imap",
        },
    )
}

fn is_banned(book: &Book, now: i64, address: &str) -> bool {
    book.bans.covering(ip(address), now).is_some()
}

fn verdict(book: &mut Book, now: i64, address: &str, login: &str) -> Verdict {
    book.ask(now, ip(address), Some(login)).verdict
}

#[test]
fn ten_guesses_are_a_ban_which_ends() {
    let mut book = book();
    for now in 0..9 {
        guess(&mut book, now, "192.0.2.7", A);
    }
    assert!(!is_banned(&book, 9, "192.0.2.7"));
    let events = guess(&mut book, 9, "192.0.2.7", A);
    let Some(Event::Banned(ban)) = events.last() else {
        panic!("{events:?}")
    };
    assert_eq!(
        ban.reason,
        "10 wrong passwords, the last over imap for alice@example.org"
    );
    assert_eq!((ban.since, ban.until), (9, 9 + 15 * MINUTE));
    assert!(is_banned(&book, 10, "192.0.2.7"));
    assert_eq!(verdict(&mut book, 10, "192.0.2.7", B), Verdict::Refuse);
    assert!(!is_banned(&book, 10, "192.0.2.8"));
    assert_eq!(verdict(&mut book, 10, "192.0.2.8", A), Verdict::Allow);
    let later = ban.until;
    assert!(!is_banned(&book, later, "192.0.2.7"));
    assert_eq!(verdict(&mut book, later, "192.0.2.7", B), Verdict::Allow);
}

#[test]
fn a_host_of_v6_is_its_64() {
    let mut book = book();
    for now in 0..10 {
        guess(&mut book, now, &format!("2001:db8::{now}"), A);
    }
    assert!(is_banned(&book, 10, "2001:db8::ffff:1"));
    assert!(!is_banned(&book, 10, "2001:db8:0:1::1"));
}

#[test]
fn slow_guessing_is_found_within_a_day() {
    let mut book = book();
    let mut now = 0;
    for _ in 0..39 {
        assert_eq!(guess(&mut book, now, "192.0.2.7", A), []);
        now += 30 * MINUTE;
    }
    guess(&mut book, now, "192.0.2.7", A);
    assert!(is_banned(&book, now, "192.0.2.7"));
    // an hour apart, 24 in a day: that is too slow to be of use
    let mut other = self::book();
    (0..1000).for_each(|n| {
        guess(&mut other, n * HOUR, "192.0.2.7", A);
    });
    assert_eq!(other.bans, Bans::default());
}

#[test]
fn logins_that_there_are_not_count_twice() {
    let mut book = book();
    for (now, login) in (0..).zip(["admin", "info", "test", "root"]) {
        wrong(&mut book, now, "192.0.2.7", login, Some(false), None);
    }
    assert!(!is_banned(&book, 4, "192.0.2.7"));
    let events = wrong(&mut book, 4, "192.0.2.7", "hunter2", Some(false), None);
    let Some(Event::Banned(ban)) = events.last() else {
        panic!("{events:?}")
    };
    // somebody may have typed a password there
    assert_eq!(ban.reason, "5 wrong passwords, the last over imap");
}

#[test]
fn a_phone_with_an_old_password_bans_nobody() {
    let mut book = book();
    for n in 0..2000 {
        let events = wrong(&mut book, n * 60, "192.0.2.7", A, Some(true), Some("old"));
        assert_eq!(events, [], "{n}");
    }
    // but its password is one of those that count
    for n in 0..9 {
        let password = n.to_string();
        let now = 2000 * 60 + n;
        wrong(&mut book, now, "192.0.2.7", A, Some(true), Some(&password));
    }
    assert!(!is_banned(&book, 2000 * 60 + 9, "192.0.2.7"));
    let now = 2000 * 60 + 10;
    wrong(&mut book, now, "192.0.2.7", A, Some(true), Some("new"));
    assert!(is_banned(&book, now, "192.0.2.7"));
}

#[test]
fn the_same_password_for_many_logins_is_guessing() {
    let mut book = book();
    for now in 0..10 {
        let login = format!("user{now}@example.org");
        wrong(&mut book, now, "192.0.2.7", &login, Some(true), Some("x"));
    }
    assert!(is_banned(&book, 10, "192.0.2.7"));
}

#[test]
fn who_logs_in_well_is_unharmed_by_who_guesses_beside() {
    let mut book = book();
    assert!(book.passed(0, ip("192.0.2.7"), A));
    let mut events = Vec::new();
    for now in 1..200 {
        events.extend(guess(&mut book, now, "192.0.2.7", B));
    }
    let net = counted(ip("192.0.2.7"));
    assert_eq!(events, [Event::Held(B.to_owned(), net), Event::Spared(net)]);
    assert!(!is_banned(&book, 200, "192.0.2.7"));
    assert_eq!(verdict(&mut book, 200, "192.0.2.7", B), Verdict::Refuse);
    assert_eq!(verdict(&mut book, 200, "192.0.2.7", A), Verdict::Allow);
    let label = "Alice+phone@example.org";
    assert_eq!(verdict(&mut book, 200, "192.0.2.7", label), Verdict::Allow);
    // nor can other logins be tried there now
    let other = "carol@example.org";
    assert_eq!(verdict(&mut book, 200, "192.0.2.7", other), Verdict::Refuse);
    // it is not known yet who it is
    let hidden = book.ask(200, ip("192.0.2.7"), None);
    assert_eq!(hidden.verdict, Verdict::Delay(DELAY));
    // and a day later all is as it was
    assert_eq!(
        verdict(&mut book, 200 + DAY, "192.0.2.7", B),
        Verdict::Allow
    );
}

#[test]
fn an_owner_whose_login_is_guessed_at_home_is_slowed_only() {
    let mut book = book();
    book.passed(0, ip("192.0.2.7"), A);
    for now in 1..6 {
        guess(&mut book, now, "192.0.2.7", A);
    }
    let delay = Verdict::Delay(DELAY);
    let tried: Vec<_> = (0..6)
        .map(|_| verdict(&mut book, 6, "192.0.2.7", A))
        .collect();
    assert_eq!(tried[..5], [delay; 5]);
    // faster than that no person types
    assert_eq!(tried[5], Verdict::Refuse);
    assert_eq!(verdict(&mut book, 30, "192.0.2.7", A), delay);
    book.passed(30, ip("192.0.2.7"), A);
    assert_eq!(verdict(&mut book, 30, "192.0.2.7", A), Verdict::Allow);
}

#[test]
fn nobody_locks_an_owner_out_from_elsewhere() {
    let mut book = book();
    book.passed(0, ip("192.0.2.7"), A);
    let mut events = Vec::new();
    for n in 0..20 {
        events.extend(guess(&mut book, 1, &format!("198.51.100.{n}"), A));
    }
    assert_eq!(events, [Event::Guessed(A.to_owned(), 10)]);
    let guessed = book.guessed(2);
    assert_eq!((guessed[0].login.as_str(), guessed[0].networks), (A, 20));
    assert_eq!(verdict(&mut book, 2, "192.0.2.7", A), Verdict::Allow);
    // on the road the owner waits a little
    let road = verdict(&mut book, 2, "203.0.113.9", A);
    assert_eq!(road, Verdict::Delay(DELAY));
    assert_eq!(book.guessed(2 + HOUR), []);
}

#[test]
fn the_administrator_is_spared() {
    let mut book = book();
    book.good.admin(ip("192.0.2.7"), 0);
    for now in 1..50 {
        guess(&mut book, now, "192.0.2.7", A);
    }
    assert!(!is_banned(&book, 50, "192.0.2.7"));
    // a neighbour is not
    for now in 50..60 {
        guess(&mut book, now, "192.0.2.8", A);
    }
    assert!(is_banned(&book, 60, "192.0.2.8"));
}

#[test]
fn this_machine_is_never_counted() {
    let mut book = book();
    for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
        for now in 0..100 {
            assert_eq!(guess(&mut book, now, address, A), []);
        }
        let answer = book.ask(100, ip(address), Some(A));
        assert_eq!((answer.verdict, answer.spared), (Verdict::Allow, true));
    }
    assert_eq!(book.good, Good::default());
}

#[test]
fn many_attempts_are_stopped_whatever_comes_of_them() {
    let mut book = book();
    let allowed = |book: &mut Book, address: &str| {
        let verdicts = (0..500).map(|_| verdict(book, 0, address, A));
        verdicts.filter(|v| *v == Verdict::Allow).count()
    };
    assert_eq!(allowed(&mut book, "192.0.2.7"), 30);
    // a whole office behind one address comes back: they have been there before
    book.passed(0, ip("198.51.100.1"), A);
    assert_eq!(allowed(&mut book, "198.51.100.1"), 500);
    // others there are let try more than elsewhere
    book.passed(0, ip("198.51.100.9"), B);
    assert!(allowed(&mut book, "198.51.100.9") == 500);
    let hidden = (0..500).map(|_| book.ask(60, ip("198.51.100.9"), None).verdict);
    assert_eq!(hidden.filter(|v| *v == Verdict::Allow).count(), 120);
}

#[test]
fn who_is_let_in_again_begins_anew() {
    let mut book = book();
    for _ in 0..2 {
        for now in 0..10 {
            guess(&mut book, now, "192.0.2.7", A);
        }
        let net = counted(ip("192.0.2.7"));
        let ended = book.remove(Some(&net), 10);
        assert_eq!(ended[0].count, 1);
        assert_eq!(verdict(&mut book, 10, "192.0.2.7", A), Verdict::Allow);
    }
}

#[test]
fn nothing_grows_without_end() {
    let mut book = book();
    for n in 0..u32::try_from(3 * MOST).unwrap() {
        let address = IpAddr::from(n.wrapping_mul(2_654_435_761).to_be_bytes());
        if address.is_loopback() {
            continue;
        }
        let login = format!("user{n}@example.org");
        book.failed(
            i64::from(n / 100),
            &Failure {
                address,
                login: &login,
                exists: Some(true),
                password: Some("x"),
                service: "smtp",
            },
        );
    }
    let sizes = [book.sources.len(), book.pairs.len(), book.logins.len()];
    assert!(sizes.iter().all(|s| (1000..=MOST).contains(s)), "{sizes:?}");
    book.forget(LONGEST);
    let sizes = [book.sources.len(), book.pairs.len(), book.logins.len()];
    assert_eq!(sizes, [0, 0, 0]);
}

#[test]
fn accounts_of_logins() {
    assert_eq!(account("Alice+Phone@Example.org"), A);
    assert_eq!(account("alice@example.org"), A);
    assert_eq!(account("admin+x"), "admin+x");
    assert_eq!(account(&"x".repeat(1000)).len(), LONGEST_LOGIN);
}
