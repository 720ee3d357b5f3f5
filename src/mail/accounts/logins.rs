//! Who logged in when: the daemons only read the database, but they write to the journal.

use anyhow::Result;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use serde::Deserialize;

use super::app_passwords;

/// A login that went well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// What was typed as the user name, in lower case.
    pub name: String,
    /// When, in seconds since 1970.
    pub time: i64,
    /// `imap`, `sieve` or `smtp`.
    pub service: &'static str,
}

/// The user name and the service of a login that went well, from the line that dovecot or smtpd
/// logs of it; `None` for every other line.
///
/// dovecot's ends with the `login=<...>` that our `login_log_format_elements` adds.
pub fn parse(line: &str) -> Option<(String, &'static str)> {
    let dovecot = [("imap", "imap-login: "), ("sieve", "managesieve-login: ")];
    for (service, process) in dovecot {
        let Some(rest) = line.strip_prefix(process) else {
            continue;
        };
        // from its beginning: what a client sends stands in later parts; a level is in files only
        let rest = rest.strip_prefix("Info: ").unwrap_or(rest);
        let elements = rest.strip_prefix("Logged in: ")?;
        let (_, login) = elements.rsplit_once(", login=<")?;
        return Some((login.strip_suffix('>')?.to_ascii_lowercase(), service));
    }
    let (session, rest) = line.split_once(" smtp authentication user=")?;
    let is_session = session.len() == 16 && session.bytes().all(|b| b.is_ascii_hexdigit());
    let name = rest.strip_suffix(" result=ok")?;
    is_session.then(|| (name.to_ascii_lowercase(), "smtp"))
}

/// What is read of an entry of `journalctl -o json`.
#[derive(Deserialize)]
struct Entry {
    /// Text; an array of numbers if it is none.
    #[serde(rename = "MESSAGE", default)]
    message: serde_json::Value,
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    microseconds: String,
    #[serde(rename = "__CURSOR")]
    cursor: String,
}

/// What a text that `journalctl -o json` printed has of logins.
#[derive(Debug, Default)]
pub struct Read {
    /// The logins.
    pub logins: Vec<Login>,
    /// The cursor of the last entry; none when there is no entry.
    pub cursor: Option<String>,
    /// How many lines are no entries: one must not keep the others from being read.
    pub skipped: usize,
}

/// The logins of a text that `journalctl -o json` printed.
pub fn entries(text: &str) -> Read {
    let mut read = Read::default();
    for line in text.lines() {
        let entry = serde_json::from_str::<Entry>(line).ok();
        let Some((entry, time)) =
            entry.and_then(|e| e.microseconds.parse::<i64>().ok().map(|t| (e, t)))
        else {
            read.skipped += 1;
            continue;
        };
        if let Some((name, service)) = entry.message.as_str().and_then(parse) {
            read.logins.push(Login {
                name,
                time: time / 1_000_000,
                service,
            });
        }
        read.cursor = Some(entry.cursor);
    }
    read
}

/// The key in `meta` of where the journal was read to.
const CURSOR: &str = "journal_cursor";

/// Where the journal was read to.
///
/// # Errors
/// When the database cannot be read.
pub fn cursor(db: &Connection) -> Result<Option<String>> {
    let get = "SELECT value FROM meta WHERE key = ?1";
    Ok(db.query_row(get, [CURSOR], |row| row.get(0)).optional()?)
}

/// Writes the logins to their passwords, and where the journal was read to; returns how many
/// passwords were used since the last time.
///
/// # Errors
/// When the database cannot be written; it is then as it was.
pub fn note(db: &mut Connection, logins: &[Login], cursor: &str) -> Result<usize> {
    let step = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut used = 0;
    {
        let mut set = step.prepare(
            "UPDATE credential SET last_used = ?2
             WHERE id = ?1 AND created <= ?2 AND coalesce(last_used, 0) < ?2",
        )?;
        for (id, login) in passwords(&step)? {
            let times = logins.iter().filter(|l| l.name == login).map(|l| l.time);
            if let Some(time) = times.max() {
                used += set.execute(params![id, time])?;
            }
        }
    }
    step.execute(
        "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [CURSOR, cursor],
    )?;
    step.commit()?;
    Ok(used)
}

/// The id of every password, and what is typed as the user name with it.
fn passwords(db: &Connection) -> Result<Vec<(i64, String)>> {
    let mut query = db.prepare(
        "SELECT credential.id, local_part || '@' || name, kind, label FROM credential
         JOIN user ON user.id = user_id JOIN domain ON domain.id = domain_id",
    )?;
    let rows = query.query_map([], |row| {
        let (user, kind, label): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let login = match kind.as_str() {
            "app" => app_passwords::login(&user, &label),
            _ => user,
        };
        Ok((row.get(0)?, login))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::accounts::{
        tests::{HASH, address, database},
        users,
    };

    /// As dovecot 2.4.1 logged it, with our `login_log_format_elements`, but for addresses and TLS.
    const PHONE: &str = "imap-login: Logged in: user=<alice@example.org>, method=PLAIN, \
        rip=203.0.113.7, lip=192.0.2.1, mpid=19501, TLS, session=<um14RwNhwsd/AAAB>, \
        login=<Alice+Phone@example.org>";
    const SIEVE: &str = "managesieve-login: Logged in: user=<alice@example.org>, method=PLAIN, \
        rip=2001:db8::7, lip=2001:db8::1, mpid=19502, TLS, session=<1ViDRwNh/NN/AAAB>, \
        login=<alice@example.org>";
    /// As OpenSMTPD 7.6 to 7.8 log it.
    const SMTP: &str = "7a1f03d2c4b5e697 smtp authentication user=alice@example.org result=ok";

    #[test]
    fn the_lines_of_the_daemons_are_read() {
        let of = |name: &str, service| Some((name.to_owned(), service));
        assert_eq!(parse(PHONE), of("alice+phone@example.org", "imap"));
        let in_a_file = PHONE.replace("login: L", "login: Info: L");
        assert_eq!(parse(&in_a_file), parse(PHONE));
        assert_eq!(parse(SIEVE), of("alice@example.org", "sieve"));
        assert_eq!(parse(SMTP), of("alice@example.org", "smtp"));
        for line in [
            "imap-login: Login aborted: Connection closed (auth failed, 1 attempts in 2 secs) \
             (auth_failed): user=<alice@example.org>, method=PLAIN, rip=203.0.113.7, \
             lip=192.0.2.1, TLS, session=<1ViDRwNh/NN/AAAB>, login=<alice@example.org>",
            "imap-login: Login aborted: Logged in: user=<x>, login=<alice@example.org>",
            "imap(alice@example.org)<19501><um14RwNhwsd/AAAB>: Disconnected: Logged out in=8",
            "7a1f03d2c4b5e697 smtp authentication user=alice@example.org result=permfail",
            "7a1f03d2c4b5e697 smtp connected address=203.0.113.7 host=x smtp authentication \
             user=alice@example.org result=ok",
            "",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    fn journal(lines: &[(&str, i64)]) -> String {
        let entry = |(place, (message, time)): (usize, &(&str, i64))| {
            let entry = serde_json::json!({
                "__CURSOR": format!("s=1;i={place}"),
                "__REALTIME_TIMESTAMP": format!("{time}123456"),
                "__MONOTONIC_TIMESTAMP": "77",
                "MESSAGE": message,
            });
            format!("{entry}\n")
        };
        lines.iter().enumerate().map(entry).collect()
    }

    #[test]
    fn a_login_is_noted_with_its_own_password() {
        let (mut db, _) = database();
        let alice = address("alice@example.org");
        let phone = "Phone".parse().unwrap();
        app_passwords::add(&db, &alice, &phone, HASH, 100).unwrap();
        // before the password of now, later, and in between
        let text = journal(&[(PHONE, 90), (SMTP, 120), (PHONE, 130), (SIEVE, 110)]);
        let odd = r#"{"__CURSOR":"s=1;i=9","__REALTIME_TIMESTAMP":"1","MESSAGE":[104,255]}"#;
        let read = entries(&format!("no JSON\n{text}{odd}\n"));
        let logins = read.logins;
        assert_eq!((logins.len(), read.skipped), (4, 1));
        assert_eq!(cursor(&db).unwrap(), None);
        let cursor_read = read.cursor.unwrap();
        assert_eq!(note(&mut db, &logins, &cursor_read).unwrap(), 2);
        assert_eq!(cursor(&db).unwrap().as_deref(), Some("s=1;i=9"));
        let user = users::get(&db, &alice).unwrap();
        assert_eq!((user.last_used, user.last_login()), (Some(120), Some(130)));
        assert_eq!(user.app_passwords[0].last_used, Some(130));
        assert_eq!(note(&mut db, &logins, &cursor_read).unwrap(), 0);
        assert_eq!(entries("no JSON").cursor, None);
    }
}
