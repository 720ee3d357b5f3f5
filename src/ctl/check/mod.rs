//! `mailctl check`: is all as it has to be, and if not, what helps?
//!
//! Every area is split in two: what touches the system, and a judge that is given what was found
//! and touches nothing. Areas run side by side, each on a server of its own, with a limit of time.

pub mod area;
pub mod finding;
pub mod render;

use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::{
    output,
    server::{self, Server},
};
use crate::answers::Answers;

use finding::{Area, Finding};

/// Exit status when something was found.
pub const FOUND: u8 = 3;

/// How long an area may take.
const LIMIT: Duration = Duration::from_secs(40);

/// What to check.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mailctl check                        what is not well, and what helps
  mailctl check --all                  what is well too
  mailctl check disk certificate       these alone
  ssh root@SERVER mailctl check --json | jq '.[] | select(.state == \"error\")'
  mailctl check port25 --target mx.example.net:25

Exit status: 0 all is well or could not be found out, 1 the check itself failed,
3 there is a warning or an error.")]
pub struct Check {
    /// As JSON: a list of objects with id, area, state, reason and todo
    #[arg(long)]
    json: bool,
    /// What is well too, in full
    #[arg(long, short, conflicts_with = "json")]
    all: bool,
    /// Try outgoing port 25 with this server, instead of well-known ones
    #[arg(long = "target", value_name = "HOST:PORT")]
    targets: Vec<String>,
    /// What to look at; without it, everything
    #[arg(value_name = "AREA", hide_possible_values = false)]
    areas: Vec<Area>,
}

/// What areas look at.
struct Context {
    /// The server.
    server: Server,
    /// Its answers as they are in effect, or why there are none.
    answers: Result<Answers, String>,
    /// Seconds since 1970.
    now: i64,
    /// Servers to try port 25 with; none: the well-known ones.
    targets: Vec<String>,
}

impl Context {
    fn new(root: &Path, targets: &[String]) -> Result<Self> {
        let server = Server::at(root)?;
        let answers = server.effective().or_else(|_| server.answers());
        Ok(Self {
            answers: answers.map_err(|e| format!("{e:#}")),
            server,
            now: server::now()?,
            targets: targets.to_owned(),
        })
    }
}

/// Runs `mailctl check`.
///
/// # Errors
/// When nothing can be printed; what cannot be found out is a finding.
pub fn run(command: &Check, server: &Server) -> Result<ExitCode> {
    let findings = findings(server, &command.areas, &command.targets);
    if command.json {
        output::json(&findings)?;
    } else {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        print(&render::text(&findings, colour, command.all))?;
    }
    Ok(match findings.iter().any(|f| f.state.is_trouble()) {
        true => ExitCode::from(FOUND),
        false => ExitCode::SUCCESS,
    })
}

/// The colours are ours; what came from outside is made harmless in [`findings`].
fn print(text: &str) -> Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// All that there is to say about `areas`, or about everything if there are none, in the order of
/// [`Area`].
pub fn findings(server: &Server, areas: &[Area], targets: &[String]) -> Vec<Finding> {
    let mut areas: Vec<Area> = match areas {
        [] => Area::value_variants().to_vec(),
        some => some.to_vec(),
    };
    areas.sort_unstable();
    areas.dedup();
    let root = server.target.path(Path::new("/"));
    let mut findings = gather(&root, &areas, targets);
    for finding in &mut findings {
        finding.reason = crate::agent::console::harmless(&finding.reason);
    }
    // within an area, the order is its own
    findings.sort_by_key(|f| f.area);
    findings
}

fn gather(root: &Path, areas: &[Area], targets: &[String]) -> Vec<Finding> {
    let (sender, receiver) = mpsc::channel();
    for area in areas.iter().copied() {
        let (sender, root, targets) = (sender.clone(), PathBuf::from(root), targets.to_owned());
        thread::spawn(move || {
            let found = Context::new(&root, &targets).and_then(|cx| area::check(area, &cx));
            let found =
                found.unwrap_or_else(|e| vec![Finding::unknown(area, "", format!("{e:#}"))]);
            // nobody listens any more when the time is over
            let _ = sender.send((area, found));
        });
    }
    drop(sender);
    let deadline = Instant::now() + LIMIT;
    let mut waiting = areas.to_vec();
    let mut findings = Vec::new();
    let progress = std::io::stderr().is_terminal();
    while !waiting.is_empty() {
        if progress {
            let names: Vec<String> = waiting.iter().map(|a| a.name()).collect();
            let line: String = format!("checking {}", names.join(" "))
                .chars()
                .take(79)
                .collect();
            eprint!("\r\x1b[K{line}");
        }
        match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok((area, found)) => {
                waiting.retain(|a| *a != area);
                findings.extend(found);
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    if progress {
        eprint!("\r\x1b[K");
    }
    let late = format!("No answer within {} seconds.", LIMIT.as_secs());
    findings.extend(waiting.iter().map(|a| Finding::unknown(*a, "", &*late)));
    findings
}
