//! The threads: smtpd's filter and mailctl at a socket, dovecot at a port. What follows is brought to the
//! firewall and to the disk by the housekeeper.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{IpAddr, TcpListener, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::Sender,
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result};

use super::{
    admin,
    book::{Answer, Book, Event, Failure, Verdict},
    limits::LONGEST,
    network::{seen, shown},
    policy::{self, Command, Said},
    wire::{Overview, REQUEST, Reply, Request},
};
use crate::util::time;

/// How long a client of the socket may be silent, and dovecot.
const SOCKET_PATIENCE: Duration = Duration::from_secs(5);
const HTTP_PATIENCE: Duration = Duration::from_secs(300);
/// The most connections at a time, of each kind.
const CONNECTIONS: usize = 256;
/// What all threads share.
pub(super) struct Shared {
    book: Mutex<Book>,
    wake: Sender<Wake>,
    /// The user of smtpd's filter.
    reporter: Option<u32>,
    secret: String,
}

/// What the housekeeper has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wake {
    /// The bans are others.
    Bans,
    /// A good login came from somewhere new.
    Good,
    /// The guard ends.
    Stop,
}

impl Shared {
    pub(super) fn new(
        book: Book,
        wake: Sender<Wake>,
        reporter: Option<u32>,
        secret: String,
    ) -> Arc<Self> {
        Arc::new(Self {
            book: Mutex::new(book),
            wake,
            reporter,
            secret,
        })
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wake(&self, why: Wake) {
        // the housekeeper ends last
        let _ = self.wake.send(why);
    }

    fn ask(&self, address: IpAddr, login: Option<&str>) -> Answer {
        let address = seen(address);
        self.book().ask(now(), address, login)
    }

    fn passed(&self, address: IpAddr, login: &str) {
        let address = seen(address);
        if self.book().passed(now(), address, login) {
            self.wake(Wake::Good);
        }
    }

    fn failed(&self, failure: &Failure<'_>) {
        let now = now();
        let failure = &Failure {
            address: seen(failure.address),
            ..*failure
        };
        let mut book = self.book();
        // before anybody is banned: the administrator may have just come
        if let Ok(addresses) = admin::sessions() {
            for address in addresses {
                book.good.admin(address, now);
            }
        }
        let events = book.failed(now, failure);
        drop(book);
        for event in &events {
            say(event);
        }
        if events.iter().any(|e| matches!(e, Event::Banned(_))) {
            self.wake(Wake::Bans);
        }
    }
}

/// The time; a clock from before 1970 is at its beginning.
pub(super) fn now() -> i64 {
    time::now().unwrap_or(0)
}

/// One line of the journal.
pub(super) fn log(text: &str) {
    eprintln!("ezmail-guard: {text}");
}

fn say(event: &Event) {
    match event {
        Event::Banned(ban) => log(&format!(
            "banned {} for {} s (time {}): {}",
            shown(&ban.network),
            ban.until - ban.since,
            ban.count,
            ban.reason
        )),
        Event::Spared(network) => log(&format!(
            "not banned: {}, where good logins came from; other logins are refused there",
            shown(network)
        )),
        Event::Held(login, network) => log(&format!(
            "too many wrong passwords for {login} from {}: not tried from there for a while",
            shown(network)
        )),
        Event::Guessed(login, networks) => log(&format!(
            "the password of {login} is guessed from {networks} networks"
        )),
    }
}

/// Serves smtpd's filter and mailctl, until the process ends.
pub(super) fn socket(shared: Arc<Shared>, listener: UnixListener) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        match stream {
            Ok(stream) => {
                let shared = Arc::clone(&shared);
                serve(&open, move || line(&shared, stream));
            }
            Err(error) => pause(&error),
        }
    }
}

/// Serves dovecot, until the process ends.
pub(super) fn http(shared: Arc<Shared>, listener: TcpListener) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        match stream {
            Ok(stream) => {
                let shared = Arc::clone(&shared);
                serve(&open, move || requests(&shared, stream));
            }
            Err(error) => pause(&error),
        }
    }
}

/// Runs `work` in a thread, if there are not too many: who is dropped goes on without an answer.
fn serve(open: &Arc<AtomicUsize>, work: impl FnOnce() -> Result<()> + Send + 'static) {
    if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
        open.fetch_sub(1, Ordering::Relaxed);
        return;
    }
    let mine = Arc::clone(open);
    let started = thread::Builder::new().spawn(move || {
        if let Err(error) = work() {
            log(&format!("{error:#}"));
        }
        mine.fetch_sub(1, Ordering::Relaxed);
    });
    if let Err(error) = started {
        open.fetch_sub(1, Ordering::Relaxed);
        log(&format!("starting a thread: {error}"));
    }
}

fn pause(error: &std::io::Error) {
    log(&format!("taking a connection: {error}"));
    thread::sleep(Duration::from_secs(1));
}

/// One request of the socket.
fn line(shared: &Shared, stream: UnixStream) -> Result<()> {
    let peer = rustix::net::sockopt::socket_peercred(&stream).context("asking who it is")?;
    let user = peer.uid.as_raw();
    stream.set_read_timeout(Some(SOCKET_PATIENCE))?;
    stream.set_write_timeout(Some(SOCKET_PATIENCE))?;
    let mut text = String::new();
    let read = BufReader::new((&stream).take(REQUEST)).read_line(&mut text);
    // who has gone or says nothing wants nothing
    if read.unwrap_or(0) == 0 {
        return Ok(());
    }
    let root = user == 0 || user == rustix::process::geteuid().as_raw();
    let reply = match serde_json::from_str(&text) {
        Err(_) => Reply::Refused("this is no request".to_owned()),
        Ok(_) if !root && shared.reporter != Some(user) => {
            Reply::Refused("this socket is for smtpd's filter and for root".to_owned())
        }
        Ok(Request::List | Request::Add { .. } | Request::Remove { .. }) if !root => {
            Reply::Refused("this is for root".to_owned())
        }
        Ok(request) => reply(shared, request),
    };
    let mut text = serde_json::to_vec(&reply).context("writing an answer")?;
    text.push(b'\n');
    // as above
    drop((&stream).write_all(&text));
    Ok(())
}

fn reply(shared: &Shared, request: Request) -> Reply {
    match request {
        Request::Ask { address, login } => Reply::Answer(shared.ask(address, login.as_deref())),
        Request::Report {
            address,
            login,
            passed: true,
            ..
        } => {
            shared.passed(address, &login);
            Reply::Done
        }
        Request::Report {
            address,
            login,
            exists,
            password,
            ..
        } => {
            shared.failed(&Failure {
                address,
                login: &login,
                exists,
                password: password.as_deref(),
                service: "smtp",
            });
            Reply::Done
        }
        Request::List => {
            let (now, book) = (now(), shared.book());
            Reply::Overview(Overview {
                bans: book.bans.current(now),
                guessed: book.guessed(now),
                spared: book.good.count(),
            })
        }
        Request::Add {
            network,
            seconds,
            reason,
        } => {
            let now = now();
            let until = now.saturating_add(seconds.clamp(1, 100 * LONGEST));
            let ban = shared.book().bans.add(network, &reason, now, until);
            say(&Event::Banned(ban.clone()));
            shared.wake(Wake::Bans);
            Reply::Bans(vec![ban])
        }
        Request::Remove { network } => {
            let ended = shared.book().remove(network.as_ref(), now());
            for ban in &ended {
                log(&format!("no longer banned: {}", shown(&ban.network)));
            }
            shared.wake(Wake::Bans);
            Reply::Bans(ended)
        }
    }
}

/// The requests of a connection of dovecot's.
fn requests(shared: &Shared, mut stream: TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(HTTP_PATIENCE))?;
    stream.set_write_timeout(Some(HTTP_PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut held: Vec<u8> = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let answer = match request(shared, &mut held) {
            Ok(Some(answer)) => answer,
            Ok(None) => match stream.read(&mut buffer) {
                // it closes what is idle
                Ok(0) | Err(_) => return Ok(()),
                Ok(read) => {
                    held.extend_from_slice(&buffer[..read]);
                    continue;
                }
            },
            Err(wrong) => {
                drop(stream.write_all(policy::refusal().as_bytes()));
                return Err(wrong).context("a request to the port for dovecot");
            }
        };
        if stream.write_all(answer.as_bytes()).is_err() {
            return Ok(());
        }
    }
}

/// Takes a request off `held`, if all of it is there, and answers it.
fn request(shared: &Shared, held: &mut Vec<u8>) -> Result<Option<String>, policy::Wrong> {
    let Some(head) = policy::head(held, &shared.secret)? else {
        return Ok(None);
    };
    let end = head.size + head.body;
    if held.len() < end {
        return Ok(None);
    }
    let said = Said::parse(&held[head.size..end]);
    held.drain(..end);
    let said = said?;
    // without an address it is a lookup of the server's own
    let Some(address) = said.address() else {
        return Ok(Some(policy::answer(Verdict::Allow)));
    };
    let verdict = match head.command {
        Command::Allow => shared.ask(address, Some(&said.login)).verdict,
        Command::Report if said.success => {
            shared.passed(address, &said.login);
            Verdict::Allow
        }
        Command::Report => {
            if said.is_wrong_password() {
                shared.failed(&Failure {
                    address,
                    login: &said.login,
                    exists: said.exists(),
                    password: said.password(),
                    service: match said.protocol.as_str() {
                        "sieve" => "sieve",
                        _ => "imap",
                    },
                });
            }
            Verdict::Allow
        }
    };
    Ok(Some(policy::answer(verdict)))
}
