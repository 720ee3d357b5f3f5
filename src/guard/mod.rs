//! `ezmail-guard`: counts wrong passwords, and keeps those who guess away from the mail ports.
//!
//! smtpd's filter asks it before a password is looked at, and reports what came of it (`wire`);
//! dovecot does both by its auth policy (`policy`). The `book` counts by network and by login and
//! decides. Bans go into sets of the firewall (`firewall`), each with its end, and are kept with the
//! state (`kept`). Networks of recent good logins and of the administrator (`admin`) are spared:
//! there, guessing is slowed instead.
//!
//! No mail waits for it: where it does not answer, filter and dovecot go on without.

mod admin;
mod bans;
mod book;
mod firewall;
mod good;
mod housekeeper;
mod kept;
mod limits;
mod network;
mod policy;
mod server;
mod window;
mod wire;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use anyhow::{Context, Result};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

pub use admin::sessions;
pub use bans::{Ban, Bans};
pub use book::{Answer, Guessed, Verdict};
pub use kept::Kept;
pub use limits::{LONGEST, Limits};
pub use network::{parse, shown};
pub use policy::HEADER;
pub use wire::{Overview, Reply, Request, SOCKET, ask};

use crate::{agent::target::Target, util::files};

/// The name of the file that bans and good logins are kept in.
pub const FILE: &str = "guard.json";

/// The port for dovecot on 127.0.0.1.
pub const PORT: u16 = 4001;

/// How the guard is started.
#[derive(Debug, Clone, clap::Parser)]
#[command(
    name = "ezmail-guard",
    version,
    about = "Bans who guesses passwords from the mail ports"
)]
pub struct Options {
    /// The unix socket for smtpd's filter and mailctl
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    pub socket: PathBuf,

    /// The port on 127.0.0.1 for dovecot's auth policy
    #[arg(long, value_name = "PORT", default_value_t = PORT)]
    pub port: u16,

    /// The file with the secret that dovecot shows
    #[arg(long, value_name = "FILE")]
    pub secret: PathBuf,

    /// Where bans and good logins are kept
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/var/lib/ezmail/guard/guard.json"
    )]
    pub state: PathBuf,

    /// The user that smtpd's filter runs as
    #[arg(long, value_name = "USER", default_value = "ezmail")]
    pub reporter: String,

    /// Points of an address in ten minutes that get it banned: a wrong password is one, for a login
    /// that there is not two
    #[arg(long, value_name = "N", default_value_t = Limits::default().short, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub limit: u32,

    /// Seconds of the first ban; each next one is four times as long, up to a week
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().first, value_parser = clap::value_parser!(i64).range(1..=LONGEST))]
    pub first: i64,

    /// Leave the firewall alone, and only refuse
    #[arg(long)]
    pub no_firewall: bool,
}

/// Serves until it is told to end.
///
/// # Errors
/// When the secret cannot be read, or nobody can be listened to. A state that cannot be read is no
/// reason not to guard: it is put aside.
pub fn run(options: Options) -> Result<()> {
    let secret = files::read_to_string(&options.secret)?.trim().to_owned();
    anyhow::ensure!(!secret.is_empty(), "{} is empty", options.secret.display());
    let reporter = Target::new(Path::new("/"))?.uid(&options.reporter);
    let kept = kept(&options.state);
    let limits = Limits {
        short: options.limit,
        first: options.first,
        ..Limits::default()
    };
    let (wake, wakes) = mpsc::channel();
    let book = book::Book::new(limits, kept.bans, kept.good);
    let shared = server::Shared::new(book, wake.clone(), reporter, secret);

    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let http = TcpListener::bind(address).with_context(|| format!("listening on {address}"))?;
    let socket = listen(&options.socket)?;
    let mut signals = Signals::new([SIGTERM, SIGINT]).context("waiting for signals")?;
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            let _ = wake.send(server::Wake::Stop);
        }
    });
    let for_http = shared.clone();
    thread::spawn(move || server::http(for_http, http));
    let for_socket = shared.clone();
    thread::spawn(move || server::socket(for_socket, socket));
    housekeeper::Housekeeper {
        shared,
        wakes,
        file: options.state,
        firewall: !options.no_firewall,
    }
    .run();
    Ok(())
}

fn kept(file: &Path) -> Kept {
    Kept::read(file).unwrap_or_else(|error| {
        eprintln!("ezmail-guard: {error:#}; it is put aside, and counting begins anew");
        // what cannot be moved is written over
        drop(fs::rename(file, file.with_extension("bad")));
        Kept::default()
    })
}

/// A socket that everybody reaches; who may ask what, the server looks at itself: smtpd's filter
/// shares no group with it.
fn listen(path: &Path) -> Result<UnixListener> {
    // of a guard before this one
    drop(fs::remove_file(path));
    let listener = UnixListener::bind(path)
        .and_then(|l| fs::set_permissions(path, fs::Permissions::from_mode(0o666)).map(|()| l));
    listener.with_context(|| format!("listening at {}", path.display()))
}
