//! `mailctl backup create`: makes a backup.

use std::{
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::Args as Arguments;
use serde_json::json;

use super::{
    passphrase as phrase,
    place::{Place, deriving},
    scratch,
};
use crate::{
    answers::Answers,
    backup::{
        create::{self, Made, NoServices, PART, Request, Services, Sink},
        live::Live,
        meter::{Meter, tell},
        module::Module,
        prune,
        report::{Report, Run},
        schedule,
        scratch::Scratch,
        store::{Folder, Store, Upload},
    },
    ctl::{
        output,
        server::{Server, now},
    },
    encpipe::Key,
    util::size::size,
};

/// The words of `mailctl backup create`.
#[derive(Debug, Arguments)]
#[command(after_help = "\
Examples:
  mailctl backup create                     to 'backup.target' of the answers
  mailctl backup create --to /mnt/usb       to a folder, such as a mounted disk
  mailctl backup create -o /mnt/usb/all     everything in one file
  mailctl backup create --module keys -o - | ssh home 'cat > keys.backup'

The server runs meanwhile; mail is held for the last moment, as long as it takes
to look at every folder once.
Into a folder or to a target, mail that is there from an earlier backup is not
written again, and what a run that was broken off has written is used by the
next one.

Whatever is made opens with: encpipe -d -P PASSFILE | zstd -d | tar t")]
pub struct Args {
    /// A folder, or an address as in 'backup.target'
    #[arg(long, value_name = "PLACE", conflicts_with = "output")]
    to: Option<String>,
    /// One file with everything in it ('-': standard output)
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only this part of the server; may be given several times
    #[arg(long = "module", value_name = "MODULE")]
    modules: Vec<Module>,
    /// Write everything, also what is there already
    #[arg(long, conflicts_with = "output")]
    full: bool,
    /// Read the passphrase from FILE, instead of the server's own
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Only if one is due, and remove afterwards what need not stay: for the timer
    #[arg(long, hide = true, conflicts_with_all = ["to", "output", "full", "modules"])]
    scheduled: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, server: &Server) -> Result<ExitCode> {
    let answers = server.answers()?;
    let state = server.target.path(&server.paths.state);
    let begun = now()?;
    if args.scheduled && !is_due(&answers, &state, begun)? {
        output::text("no backup is due\n")?;
        return Ok(ExitCode::SUCCESS);
    }
    let to_stdout = args.output.as_deref() == Some(Path::new("-"));
    if to_stdout && io::stdout().is_terminal() {
        bail!("a backup is nothing for a terminal: use -o FILE or > FILE");
    }
    let done = make(args, server, &answers, begun);
    // a file that somebody takes away is not what 'check' looks for
    let counts = args.output.is_none() && args.to.is_none() && args.modules.is_empty();
    let mut noted = match counts {
        true => note(&state, &answers, begun, &done),
        false => Ok(()),
    };
    let Done {
        made,
        place,
        key,
        scratch,
    } = match (done, &noted) {
        (Err(error), Err(also)) => bail!("{error:#}; and 'mailctl check' will not tell: {also:#}"),
        (done, _) => done?,
    };
    let mut tidied = Ok(());
    if args.scheduled {
        tidied = tidy(server, &answers, &key);
        let error = tidied.as_ref().err().map(|e| format!("{e:#}"));
        noted = noted.and_then(|()| Report::update(&state, |report| report.not_pruned = error));
    }
    drop(scratch);
    let text = match args.json {
        true => json(&made, &place)?,
        false => text(&made, &place),
    };
    match to_stdout {
        true => tell(text.trim_end()),
        false => output::text(&text)?,
    }
    noted.context("the backup was made, but 'mailctl check' will not tell")?;
    tidied.context("the backup was made; removing old ones failed")?;
    Ok(ExitCode::SUCCESS)
}

/// A backup that was made.
struct Done {
    made: Made,
    /// Where to, for people.
    place: String,
    key: Key,
    /// Held until old ones are removed: no other run must count on them meanwhile.
    scratch: Scratch,
}

fn make(args: &Args, server: &Server, answers: &Answers, begun: i64) -> Result<Done> {
    if args.passphrase_file.is_none() {
        phrase::ensure(server)?;
    }
    let mut key = deriving(args.passphrase_file.as_deref(), server)?;
    let mut modules = match args.modules.is_empty() {
        true => Module::ALL.to_vec(),
        false => args.modules.clone(),
    };
    modules.sort();
    modules.dedup();
    let request = Request {
        target: &server.target,
        paths: &server.paths,
        host: answers.hostname.as_str(),
        modules: &modules,
        full: args.full,
        now: begun,
        part: PART,
    };
    let place = match &args.output {
        None => Some(Place::find(args.to.as_deref(), server)?),
        Some(_) => None,
    };
    if let Some(Place {
        archive: Some(name),
        ..
    }) = &place
    {
        bail!("{name} is a file: name a folder, or make one file with -o");
    }
    let (sink, name) = match (&place, &args.output) {
        (Some(place), _) => (Sink::Store(place.store.as_ref()), place.store.name()),
        (None, Some(path)) if path != Path::new("-") => {
            (Sink::Stream(file(path)?), path.display().to_string())
        }
        _ => (Sink::Stream(Box::new(Stdout)), "standard output".to_owned()),
    };
    let scratch = scratch(server)?;
    let services: &dyn Services = match server.is_live() {
        true => &Live,
        false => &NoServices,
    };
    let line = |text: &str| tell(&format!("backup: {text}"));
    let meter = Meter::new(&line, true);
    let made = create::create(&request, &mut key, sink, &scratch, services, &meter);
    meter.end();
    Ok(Done {
        made: made?,
        place: name,
        key: key.key()?.clone(),
        scratch,
    })
}

fn is_due(answers: &Answers, state: &Path, now: i64) -> Result<bool> {
    let Some(backup) = &answers.backup else {
        return Ok(false);
    };
    let zone = schedule::zone(&answers.timezone)?;
    schedule::is_due(backup.schedule, &zone, &Report::read(state)?, now)
}

/// A file that must not be there yet: a backup is not written over another one.
fn file(path: &Path) -> Result<Box<dyn Upload>> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = Folder::new(folder.unwrap_or(Path::new(".")))?;
    let name = path.file_name().and_then(|n| n.to_str());
    folder.create(name.with_context(|| format!("{} names no file", path.display()))?)
}

struct Stdout;

impl Write for Stdout {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        io::stdout().write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

impl Upload for Stdout {
    fn commit(self: Box<Self>) -> Result<()> {
        io::stdout().flush().context("writing to standard output")
    }
}

/// Notes what became of it, for 'status', 'check' and the daily mail.
fn note(state: &Path, answers: &Answers, begun: i64, done: &Result<Done>) -> Result<()> {
    let place = answers.backup.as_ref().map(|b| b.target.to_string());
    let mut run = Run {
        begun,
        ended: now()?,
        id: None,
        place: place.unwrap_or_default(),
        files: 0,
        bytes: 0,
        written: 0,
        error: None,
    };
    match done {
        Ok(Done { made, .. }) => {
            run.id = Some(made.header.id.clone());
            run.files = made.header.files;
            run.bytes = made.header.bytes;
            run.written = made.written;
        }
        Err(error) => run.error = Some(format!("{error:#}")),
    }
    Report::update(state, |report| {
        if run.error.is_none() {
            report.good = Some(run.clone());
        }
        report.last = Some(run);
    })
}

/// Removes what need not stay; the backup is good whatever becomes of this.
fn tidy(server: &Server, answers: &Answers, key: &Key) -> Result<()> {
    let Some(backup) = &answers.backup else {
        return Ok(());
    };
    let place = Place::find(None, server)?;
    let store = place.store.as_ref();
    let plan = prune::plan(store, key, answers.hostname.as_str(), backup.keep)?;
    prune::remove(store, &plan, answers.hostname.as_str())
}

fn text(made: &Made, place: &str) -> String {
    let header = &made.header;
    let mut text = format!(
        "backup {}: {} files, {}; {} written to {place}\n",
        header.id,
        header.files,
        size(header.bytes),
        size(made.written),
    );
    for note in &made.notes {
        text += &format!("note: {note}\n");
    }
    text
}

fn json(made: &Made, place: &str) -> Result<String> {
    let value = json!({
        "backup": made.header.id,
        "place": place,
        "modules": made.header.modules,
        "files": made.header.files,
        "bytes": made.header.bytes,
        "written": made.written,
        "complete_until": made.header.complete_until,
        "notes": made.notes,
    });
    Ok(serde_json::to_string_pretty(&value).context("writing JSON")? + "\n")
}
