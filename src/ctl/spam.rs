//! `mailctl spam`: what rspamd has learned, and teaching it by hand.

use std::{
    io::{self, IsTerminal, Read},
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};
use clap::{Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::Value;

use super::{output, server::Server};
use crate::util::{run::Task, size::size};

/// rspamd's controller, which lets root in without a password.
const CONTROLLER: &str = "/run/rspamd/controller.sock";
/// The largest message that is read: rspamd's own limit.
const LARGEST: u64 = 50 * 1024 * 1024;
/// What rspamd needs of each kind before it counts what it has learned (`min_learns`).
const ENOUGH: u64 = 10;

/// What is learned about spam
#[derive(Debug, Subcommand)]
pub enum Spam {
    /// Teach that messages are ham (wanted) or spam
    ///
    /// Users do the same by moving mail into Junk and out of it.
    #[command(after_help = "\
Examples:
  mailctl spam learn spam junk.eml       a message in a file
  mailctl spam learn ham Maildir/cur/*   a folder full of wanted mail
  ssh me@pc cat a.eml | mailctl spam learn spam")]
    Learn {
        /// What they are
        kind: Kind,
        /// Files, a message each [default: one from standard input]
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Tell how much has been learned, and how mail was judged
    #[command(after_help = "\
Examples:
  mailctl spam stats          has enough been learned?
  mailctl spam stats --json   the same for a script

The counts may be a minute old.")]
    Stats {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Wanted mail
    Ham,
    /// Unwanted mail
    Spam,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Ham => "ham",
            Self::Spam => "spam",
        }
    }
}

/// What rspamd knows.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Stats {
    /// Messages learned as spam.
    spam: u64,
    /// Messages learned as ham.
    ham: u64,
    /// How many of each it takes until they count.
    needed: u64,
    /// Whether they count.
    enough: bool,
    /// Messages judged since rspamd started.
    scanned: u64,
    /// How they were judged.
    actions: Vec<(String, u64)>,
}

/// What became of the messages to learn.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Learned {
    learned: usize,
    known: usize,
    failed: Vec<String>,
}

/// Runs a command about spam.
///
/// # Errors
/// When rspamd does not answer, or a file cannot be read.
pub fn run(command: Spam, server: &Server) -> Result<ExitCode> {
    if !server.is_live() {
        bail!("rspamd is that of a running server: leave out --root");
    }
    match command {
        Spam::Learn { kind, files, json } => learn(kind, &files, json),
        Spam::Stats { json } => {
            let stats = parse(&controller("stat", Vec::new())?.1)?;
            match json {
                true => output::json(&stats)?,
                false => output::text(&text(&stats))?,
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn learn(kind: Kind, files: &[PathBuf], json: bool) -> Result<ExitCode> {
    let mut done = Learned::default();
    let mut teach = |name: &str, message: Vec<u8>| -> Result<()> {
        let (status, reply) = controller(&format!("learn{}", kind.word()), message)?;
        match verdict(status, &reply) {
            Taught::New => done.learned += 1,
            Taught::Known => done.known += 1,
            Taught::Not(why) => done.failed.push(format!("{name}: {why}")),
        }
        Ok(())
    };
    if files.is_empty() {
        if io::stdin().is_terminal() {
            bail!("give the message as a FILE or on standard input: mailctl spam learn spam a.eml");
        }
        teach(
            "standard input",
            read(io::stdin().lock(), "standard input")?,
        )?;
    }
    // all can be read before any is taught
    for file in files {
        std::fs::File::open(file).with_context(|| format!("opening {}", file.display()))?;
        if file.is_dir() {
            bail!("{0} is a folder: name its files, {0}/*", file.display());
        }
    }
    for file in files {
        let name = file.display().to_string();
        let open = std::fs::File::open(file).with_context(|| format!("opening {name}"))?;
        teach(&name, read(open, &name)?)?;
    }
    match json {
        true => output::json(&done)?,
        false => output::text(&summary(kind, &done))?,
    }
    Ok(match done.failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn read(from: impl Read, name: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("reading {name}"))?;
    if bytes.len() as u64 > LARGEST {
        bail!(
            "{name} is larger than {}, which rspamd does not read",
            size(LARGEST)
        );
    }
    if bytes.is_empty() {
        bail!("{name} is empty: it is no message");
    }
    // dovecot compresses what it stores
    match bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        true => {
            let decoder = zstd::Decoder::new(bytes.as_slice())?;
            let mut message = Vec::new();
            let limited = decoder.take(LARGEST).read_to_end(&mut message);
            limited.with_context(|| format!("unpacking {name}"))?;
            Ok(message)
        }
        false => Ok(bytes),
    }
}

fn summary(kind: Kind, done: &Learned) -> String {
    let mut text = format!("learned as {}: {}", kind.word(), done.learned);
    if done.known > 0 {
        text += &format!(", known already: {}", done.known);
    }
    if !done.failed.is_empty() {
        text += &format!(", not learned: {}", done.failed.len());
    }
    text.push('\n');
    for failed in &done.failed {
        text += &format!("  {failed}\n");
    }
    text
}

#[derive(Debug, PartialEq, Eq)]
enum Taught {
    New,
    Known,
    Not(String),
}

/// rspamd's answer to a message: 208 for one that it knows.
fn verdict(status: u16, reply: &str) -> Taught {
    let error = serde_json::from_str::<Value>(reply)
        .ok()
        .and_then(|v| v["error"].as_str().map(str::to_owned));
    match (status, error) {
        (200..=299, Some(error)) if error.contains("already learned") => Taught::Known,
        (208, _) => Taught::Known,
        (200, None) => Taught::New,
        // RFC 9110: no content; rspamd's classifier wants some words to learn from
        (204, None) => Taught::Not("it has too few words to learn from".to_owned()),
        (status, Some(error)) => Taught::Not(format!("rspamd: {error} ({status})")),
        (status, None) => Taught::Not(format!("rspamd answered {status}")),
    }
}

/// Asks rspamd's controller; returns the HTTP status and the answer.
fn controller(path: &str, body: Vec<u8>) -> Result<(u16, String)> {
    let mut command = Command::new("curl");
    command.args(["-q", "--silent", "--show-error", "--max-time", "60"]);
    command.args(["--unix-socket", CONTROLLER, "--write-out", "\n%{http_code}"]);
    if path.starts_with("learn") {
        command.args(["--data-binary", "@-", "--header", "Expect:"]);
    }
    command.arg(format!("http://localhost/{path}"));
    let text = Task::new("asking rspamd", command)
        .input(body)
        .output()
        .context("'mailctl service list' tells whether rspamd (spam) runs")?;
    let (reply, status) = text.rsplit_once('\n').context("rspamd answered nothing")?;
    let status = status.parse().context("reading rspamd's answer")?;
    Ok((status, reply.to_owned()))
}

/// The controller's `/stat`.
fn parse(text: &str) -> Result<Stats> {
    let stat: Value = serde_json::from_str(text).context("reading rspamd's statistics")?;
    let statfiles = stat["statfiles"].as_array().map_or(&[][..], Vec::as_slice);
    let learned = |symbol: &str| {
        let of = statfiles.iter().filter(|s| s["symbol"] == symbol);
        of.filter_map(|s| s["revision"].as_u64()).sum::<u64>()
    };
    let (spam, ham) = (learned("BAYES_SPAM"), learned("BAYES_HAM"));
    let actions = stat["actions"].as_object();
    let mut actions: Vec<(String, u64)> = actions
        .into_iter()
        .flatten()
        .filter_map(|(name, count)| Some((name.clone(), count.as_u64()?)))
        .collect();
    actions.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    Ok(Stats {
        spam,
        ham,
        needed: ENOUGH,
        enough: spam >= ENOUGH && ham >= ENOUGH,
        scanned: stat["scanned"]
            .as_u64()
            .context("rspamd's statistics do not count messages")?,
        actions,
    })
}

fn text(stats: &Stats) -> String {
    let mut text = format!("learned: {} ham, {} spam\n", stats.ham, stats.spam);
    let missing = |has: u64| stats.needed.saturating_sub(has);
    text += &match (missing(stats.ham), missing(stats.spam)) {
        (0, 0) => "enough: what was learned counts\n".to_owned(),
        (ham, spam) => format!(
            "not enough yet: it counts from {} of each on; {ham} ham and {spam} spam are \
             missing\n",
            stats.needed
        ),
    };
    text += &format!("judged since rspamd started: {} messages\n", stats.scanned);
    for (action, count) in stats.actions.iter().filter(|(_, count)| *count > 0) {
        text += &format!("  {action:<16} {count}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_read_and_told() {
        let stats = parse(
            r#"{"scanned":7,"learned":3,"actions":{"reject":1,"no action":5,"greylist":0,
            "add header":1},"statfiles":[{"revision":21,"symbol":"BAYES_SPAM"},
            {"revision":2,"symbol":"BAYES_HAM"}]}"#,
        )
        .unwrap();
        insta::assert_snapshot!(text(&stats), @r"
        learned: 2 ham, 21 spam
        not enough yet: it counts from 10 of each on; 8 ham and 0 spam are missing
        judged since rspamd started: 7 messages
          no action        5
          add header       1
          reject           1
        ");
        assert!(parse("{}").is_err() && parse("no").is_err());
    }

    #[test]
    fn answers_to_a_lesson() {
        assert_eq!(verdict(200, r#"{"success":true}"#), Taught::New);
        let known = r#"{"error":"<a@b> has been already learned as spam, ignore it"}"#;
        assert_eq!(verdict(208, known), Taught::Known);
        assert_eq!(
            verdict(403, r#"{"error":"Unauthorized"}"#),
            Taught::Not("rspamd: Unauthorized (403)".to_owned())
        );
        let done = Learned {
            learned: 2,
            known: 1,
            failed: vec!["a.eml: rspamd answered 500".to_owned()],
        };
        insta::assert_snapshot!(summary(Kind::Ham, &done), @r"
        learned as ham: 2, known already: 1, not learned: 1
          a.eml: rspamd answered 500
        ");
    }
}
