//! `ezmail-filter`: every message that smtpd receives goes through rspamd.
//!
//! smtpd hands the message over line by line, and wants the lines back before it asks whether it
//! may take the message (`smtpd-filters(7)`). rspamd answers after the last line, and its answer
//! changes the header. So:
//!
//! 1. lines go to a spool file as they come (`message::Intake`); smtpd's reports tell who
//!    sends (`session`);
//! 2. at the final dot a thread of the `pool` streams the spool to rspamd (`rspamd`), with
//!    the sender done and gone quiet: a slow sender occupies a file, not a thread or rspamd;
//! 3. the verdict (`policy`) is settled; a message that passes is streamed back to smtpd with
//!    its header changed (`rewrite`), one that does not is given back empty;
//! 4. smtpd asks to commit and gets the verdict: proceed, or a reply with 4xx or 5xx.
//!
//! smtpd asks as well before it looks at a password (`logins`): who has failed too often is refused,
//! and a flood of logins gets no more of smtpd's time than its `gate` lets through.
//!
//! Memory holds one line and a few buffers per message. Any `doubt` is a temporary failure:
//! the sender keeps the message and tries again.

mod answer;
mod credentials;
mod doubt;
mod gate;
mod headers;
mod lines;
mod log;
mod logins;
mod message;
mod missing;
mod output;
mod policy;
mod pool;
mod protocol;
mod rewrite;
mod rspamd;
mod senders;
mod server;
mod session;
mod spool;

use std::{
    fs::File,
    io::BufReader,
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::{
    fs::OFlags,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

/// How the filter is started. In smtpd.conf:
/// `filter "rspamd" proc-exec "/usr/bin/ezmail-filter --spool /var/spool/ezmail-filter"`.
#[derive(Debug, Clone, clap::Parser)]
#[command(
    name = "ezmail-filter",
    version,
    about = "Passes smtpd's messages through rspamd"
)]
pub struct Options {
    /// The unix socket of rspamd's normal worker
    #[arg(
        long,
        value_name = "PATH",
        default_value = "/run/ezmail/rspamd/normal.sock"
    )]
    pub socket: PathBuf,

    /// Where messages wait for their verdict: a folder on a disk, not in memory, with room for
    /// as many messages as are received at a time
    #[arg(long, value_name = "DIR", default_value = "/var/tmp")]
    pub spool: PathBuf,

    /// Seconds from a message's last line to rspamd's verdict, at most 240: smtpd itself gives
    /// up after 300
    #[arg(long, value_name = "SECONDS", default_value = "45", value_parser = clap::value_parser!(u64).range(1..=240))]
    pub timeout: u64,

    /// How many messages are judged at a time; more wait their turn
    #[arg(long, value_name = "N", default_value = "64", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub max_messages: u16,

    /// The largest message in bytes; larger ones are refused for good. Not more than rspamd's
    /// max_message: rspamd hangs up on what is larger, which looks like a failure that may pass
    #[arg(long, value_name = "BYTES", default_value = "52428800")]
    pub max_size: u64,

    /// How many DKIM signatures a logged-in user's message must get, one for each key; with
    /// fewer it fails temporarily
    #[arg(long, value_name = "N", default_value = "2")]
    pub signatures: usize,

    /// The name of this server in Authentication-Results; without it, smtpd's `mailname`
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,

    /// smtpd's table of senders, a file of table-sqlite(5): rspamd is told the addresses that a
    /// login may write from
    #[arg(long, value_name = "FILE")]
    pub senders: Option<PathBuf>,

    /// The unix socket of ezmail-guard, which is asked before smtpd looks at a password; logins go on
    /// without it where it does not answer
    #[arg(long, value_name = "PATH", default_value = crate::guard::SOCKET)]
    pub guard: PathBuf,

    /// Log to this socket of syslog(3), `/dev/log`, instead of to standard error: smtpd takes what
    /// is written there for warnings
    #[arg(long, value_name = "PATH")]
    pub syslog: Option<PathBuf>,

    /// Log more than one line a message
    #[arg(short, long)]
    pub verbose: bool,
}

/// Serves smtpd on standard input and output until it closes them.
///
/// # Errors
/// At start, when standard input or output cannot be used; after that only when smtpd is gone.
pub fn run(options: Options) -> Result<()> {
    if let Some(path) = options.syslog {
        log::to_system(path).context("opening a socket for the log")?;
    }
    check_spool(&options.spool);
    raise_file_limit()?;
    let input = own(std::io::stdin().as_fd()).context("opening standard input")?;
    let output = own(std::io::stdout().as_fd()).context("opening standard output")?;
    let setting = message::Setting {
        socket: options.socket,
        timeout: Duration::from_secs(options.timeout),
        signatures: options.signatures,
        hostname: options.hostname,
        senders: options.senders.clone().map(senders::Senders::new),
    };
    let output = Arc::new(output::Output::new(Box::new(output)));
    let limit = usize::from(options.max_messages);
    let known = options.senders.map(senders::Senders::new);
    let key = *crate::util::random::bytes::<32>()?;
    let logins = logins::Logins::new(options.guard, known, Arc::clone(&output));
    let spooling = message::Spooling {
        folder: options.spool,
        max_size: options.max_size,
    };
    let mut server = server::Server::new(
        setting,
        spooling,
        limit,
        logins,
        key,
        options.verbose,
        output,
    );
    server
        .run(&mut BufReader::with_capacity(64 * 1024, input))
        .context("talking to smtpd")
}

/// Says at once what would otherwise be said for every message. No reason to stop: the folder may
/// still come, and until then mail is put off, not lost.
fn check_spool(folder: &Path) {
    if let Err(error) = tempfile::tempfile_in(folder) {
        log::log(
            log::Level::Error,
            format_args!(
                "the spool folder {} cannot be written: {error}; all mail is put off until it can: \
             create it for smtpd's filter user, or name another with --spool",
                folder.display()
            ),
        );
    }
}

/// Each message on its way is an open file or two; the usual soft limit of 1024 is a heritage
/// of select(2), which nobody uses here.
fn raise_file_limit() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).context("raising the limit of open files")
}

/// A blocking, unbuffered file of our own on `fd`.
fn own(fd: std::os::fd::BorrowedFd<'_>) -> Result<File> {
    let flags = rustix::fs::fcntl_getfl(fd)?;
    if flags.contains(OFlags::NONBLOCK) {
        rustix::fs::fcntl_setfl(fd, flags - OFlags::NONBLOCK)?;
    }
    Ok(File::from(fd.try_clone_to_owned()?))
}
