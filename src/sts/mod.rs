//! `ezmail-sts`: what other domains ask of the TLS of those who send to them (MTA-STS, RFC 8461).
//!
//! smtpd looks up each domain in a table before it sends there (`table`). The table asks this service
//! over a socket (`wire`), which answers from its `book`: with the policy, or that it is being found
//! out (`fetch`) and smtpd is to ask again. Policies outlive a boot (`kept`), for it is the one who
//! knows a policy already that an attacker cannot hide it from.
//!
//! What came of TLS smtpd logs; `mailctl tlsrpt` reports it.

mod book;
mod fetch;
mod kept;
mod known;
mod server;
mod table;
mod wire;

use std::{
    fs, io,
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

pub use known::{Cached, Entry, Failed};
pub use wire::{Reply, Request, SOCKET, ask};

use crate::agent::target::Target;

/// How it is started.
#[derive(Debug, Parser)]
#[command(
    name = "ezmail-sts",
    version,
    about = "Keeps the MTA-STS policies of other domains for smtpd"
)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find out policies and keep them, until told to end
    Serve {
        /// The unix socket for smtpd's table and mailctl
        #[arg(long, value_name = "PATH", default_value = SOCKET)]
        socket: PathBuf,

        /// Where policies are kept
        #[arg(
            long,
            value_name = "FILE",
            default_value = "/var/lib/ezmail/sts/policies.json"
        )]
        state: PathBuf,

        /// The user that smtpd's tables run as
        #[arg(long, value_name = "USER", default_value = "smtpd")]
        asker: String,
    },
    /// Answer smtpd on standard input and output: smtpd.conf has 'table NAME mta-sts:SOCKET'
    Table {
        /// The unix socket of 'ezmail-sts serve'
        #[arg(long, value_name = "PATH", default_value = SOCKET)]
        socket: PathBuf,
    },
}

/// Does what it is started for.
///
/// # Errors
/// When what is kept cannot be read, nobody can be listened to, or smtpd is gone. A file that makes no
/// sense is put aside.
pub fn run(options: Options) -> Result<()> {
    match options.command {
        Command::Table { socket } => table::serve(io::stdin().lock(), io::stdout().lock(), &socket),
        Command::Serve {
            socket,
            state,
            asker,
        } => serve(&socket, state, &asker),
    }
}

fn serve(socket: &Path, state: PathBuf, asker: &str) -> Result<()> {
    let asker = Target::new(Path::new("/"))?.uid(asker);
    let book = match kept::text(&state)?.map(|text| kept::parse(&text)) {
        None => book::Book::default(),
        Some(Ok(book)) => book,
        Some(Err(error)) => {
            let name = state.display();
            server::log(&format!(
                "{name}: {error:#}; it is put aside, and all is fetched anew"
            ));
            // what cannot be moved is written over
            drop(fs::rename(&state, state.with_extension("bad")));
            book::Book::default()
        }
    };
    let (send, jobs) = mpsc::channel();
    let shared = Arc::new(server::Shared::new(book, send, asker, state));
    let listener = listen(socket)?;
    let mut signals = Signals::new([SIGTERM, SIGINT]).context("waiting for signals")?;
    server::work(&shared, jobs)?;
    let for_socket = Arc::clone(&shared);
    thread::spawn(move || server::socket(&for_socket, &listener));
    signals.forever().next();
    shared.keep();
    Ok(())
}

/// A socket that everybody reaches; who may ask what, the server looks at itself.
fn listen(path: &Path) -> Result<UnixListener> {
    // of one before this
    drop(fs::remove_file(path));
    let listener = UnixListener::bind(path)
        .and_then(|l| fs::set_permissions(path, fs::Permissions::from_mode(0o666)).map(|()| l));
    listener.with_context(|| format!("listening at {}", path.display()))
}
