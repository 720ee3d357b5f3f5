//! Users who have handed in more messages than one may.
//!
//! rspamd's rule `OVER_LIMIT` (`lua.local.d/ezmail_limits.lua`) writes a file for each, which says
//! until when it holds. The files are in memory, like the counters that they are about.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{ErrorKind, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context as _, Result};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::system::span;
use crate::{
    ctl::{
        check::{
            Context,
            finding::{Area, Finding},
        },
        server::Server,
    },
    mail::address::Address,
};

const AREA: Area = Area::Limits;

/// One notice has about a hundred bytes.
const LARGEST: u64 = 4096;

/// A user above a limit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Over {
    /// The address.
    pub user: String,
    /// How many messages one may hand in.
    pub limit: u64,
    /// Within which time: `hour` or `day`.
    pub window: Window,
    /// When the first message was put off, in seconds since 1970.
    pub over: i64,
    /// When the next one is taken.
    pub ends: i64,
}

/// A time for which messages are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Window {
    /// 3600 seconds.
    Hour,
    /// 24 hours.
    Day,
}

impl Window {
    fn words(self) -> &'static str {
        match self {
            Self::Hour => "an hour",
            Self::Day => "a day",
        }
    }
}

pub(super) fn check(cx: &Context) -> Result<Vec<Finding>> {
    Ok(vec![judge(&over(&cx.server, cx.now)?, cx.now)])
}

/// Who is above a limit now.
///
/// # Errors
/// When the folder or a file in it cannot be read.
pub fn over(server: &Server, now: i64) -> Result<Vec<Over>> {
    let folder = server.target.path(&server.paths.limits);
    let reading = || format!("reading {}", folder.display());
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(reading)?,
    };
    let mut all = Vec::new();
    for entry in entries {
        let path = entry.with_context(reading)?.path();
        // what rspamd has not finished has another name
        if path.extension().is_some_and(|e| e == "json") {
            all.extend(read(&path)?);
        }
    }
    all.retain(|over| over.ends > now);
    all.sort();
    Ok(all)
}

/// None if it has gone meanwhile.
fn read(path: &Path) -> Result<Option<Over>> {
    let reading = || format!("reading {}", path.display());
    let mut options = File::options();
    // whatever rspamd's user may have put there
    let plain = OFlags::NOFOLLOW.union(OFlags::NONBLOCK);
    options.read(true).custom_flags(plain.bits().cast_signed());
    let file = match options.open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.with_context(reading)?,
    };
    let mut text = String::new();
    file.take(LARGEST)
        .read_to_string(&mut text)
        .with_context(reading)?;
    parse(&text).with_context(reading).map(Some)
}

/// A notice. rspamd reads what strangers write: what it says is not believed without a look.
fn parse(text: &str) -> Result<Over> {
    let over: Over = serde_json::from_str(text).context("it is no notice of rspamd's")?;
    let address = over.user.parse::<Address>();
    address.with_context(|| format!("'{}' is not a user", over.user.escape_debug()))?;
    Ok(over)
}

fn judge(all: &[Over], now: i64) -> Finding {
    if all.is_empty() {
        return Finding::ok(AREA, "", "Nobody has sent more messages than one may.");
    }
    let lines: Vec<String> = all
        .iter()
        .map(|o| {
            let left = span((o.ends - now).unsigned_abs());
            format!(
                "{} has sent {} messages in {}; more are put off for another {left}.",
                o.user,
                o.limit,
                o.window.words()
            )
        })
        .collect();
    let users: BTreeSet<&str> = all.iter().map(|o| o.user.as_str()).collect();
    let users: Vec<&str> = users.into_iter().collect();
    // with its time: that a user is above it once more is news
    let about = all.iter().map(|o| format!("{} {}", o.user, o.over));
    Finding::warning(
        AREA,
        "",
        lines.join("\n"),
        format!(
            "Ask whether that is meant. If not, somebody has the password: \
             'mailctl user passwd {}' ends that.",
            users.first().unwrap_or(&"ADDRESS")
        ),
    )
    .about(about)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::check::finding::State;

    const NOTICE: &str = r#"{"over":1700000000,"limit":100,"user":"alice@example.org",
        "ends":1700003000,"window":"hour"}"#;

    #[test]
    fn who_is_above_a_limit_is_named() {
        assert_eq!(judge(&[], 0).state, State::Ok);
        let alice = parse(NOTICE).unwrap();
        let bob = Over {
            user: "bob@example.org".to_owned(),
            limit: 500,
            window: Window::Day,
            ends: 1_700_050_000,
            ..alice.clone()
        };
        let finding = judge(&[alice, bob], 1_700_000_060);
        assert_eq!(finding.state, State::Warning);
        assert_eq!(
            finding.about,
            ["alice@example.org 1700000000", "bob@example.org 1700000000"]
        );
        insta::assert_snapshot!(finding.reason, @r"
        alice@example.org has sent 100 messages in an hour; more are put off for another 49 minutes.
        bob@example.org has sent 500 messages in a day; more are put off for another 13 hours.
        ");
        insta::assert_snapshot!(finding.todo.unwrap(), @"Ask whether that is meant. If not, somebody has the password: 'mailctl user passwd alice@example.org' ends that.");
    }

    #[test]
    fn what_is_no_notice_is_said() {
        assert!(parse("").is_err() && parse("{}").is_err());
        let forged = NOTICE.replace("alice@", "al\\u001bice");
        insta::assert_snapshot!(
            parse(&forged).unwrap_err().to_string(),
            @r"'al\u{1b}iceexample.org' is not a user"
        );
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::at(folder.path()).unwrap();
        assert_eq!(over(&server, 0).unwrap(), []);
        let limits = server.target.path(&server.paths.limits);
        fs::create_dir_all(&limits).unwrap();
        fs::write(limits.join("a.json"), NOTICE).unwrap();
        fs::write(limits.join("b.json.new"), "{").unwrap();
        assert_eq!(over(&server, 1_700_000_000).unwrap().len(), 1);
        assert_eq!(over(&server, 1_700_003_000).unwrap(), []);
        fs::write(limits.join("c.json"), "{").unwrap();
        assert!(over(&server, 0).is_err());
    }
}
