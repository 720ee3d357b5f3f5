//! The threads: who is asked, who finds out, who keeps.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result};

use super::{
    book::{Answer, Book},
    fetch, kept,
    known::{Job, Outcome},
    wire::{REQUEST, Reply, Request},
};
use crate::{
    dns::{Client, RESOLVER},
    util::time,
};

/// How long a client may be silent.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most connections at a time.
const CONNECTIONS: usize = 256;
/// How many domains are looked at at a time.
const WORKERS: usize = 32;
/// How long the DNS may take.
const DNS: Duration = Duration::from_secs(12);
/// How often it is looked for what has ended.
const TIDY: Duration = Duration::from_secs(900);

/// What all threads share.
pub(super) struct Shared {
    book: Mutex<Book>,
    jobs: Sender<Job>,
    /// The user of smtpd's table.
    asker: Option<u32>,
    file: PathBuf,
    /// Held while the file is written.
    writing: Mutex<()>,
}

impl Shared {
    pub(super) fn new(book: Book, jobs: Sender<Job>, asker: Option<u32>, file: PathBuf) -> Self {
        Self {
            book: Mutex::new(book),
            jobs,
            asker,
            file,
            writing: Mutex::new(()),
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, job: Job) {
        // the workers end with the process
        let _ = self.jobs.send(job);
    }

    /// Writes what is known to the disk.
    pub(super) fn keep(&self) {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        // mail is not to wait for the disk
        let known = self.book().kept();
        if let Err(error) = kept::write(&self.file, known) {
            log(&format!("what is known is not kept: {error:#}"));
        }
    }
}

/// The time; a clock from before 1970 is at its beginning.
fn now() -> i64 {
    time::now().unwrap_or(0)
}

/// One line of the journal.
pub(super) fn log(text: &str) {
    eprintln!("ezmail-sts: {text}");
}

/// Starts those who find out, and the one who tidies up.
pub(super) fn work(shared: &Arc<Shared>, jobs: Receiver<Job>) -> Result<()> {
    let jobs = Arc::new(Mutex::new(jobs));
    for _ in 0..WORKERS {
        let (shared, jobs) = (Arc::clone(shared), Arc::clone(&jobs));
        let client = Client::new(RESOLVER, DNS)?;
        thread::spawn(move || {
            loop {
                let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok(job) = job else { return };
                let outcome = fetch::look(&client, &job);
                tell(&job.domain, &outcome);
                let worth = shared.book().learned(now(), &job, outcome);
                if worth {
                    shared.keep();
                }
            }
        });
    }
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        loop {
            thread::sleep(TIDY);
            let jobs = shared.book().tidy(now());
            shared.keep();
            for job in jobs {
                shared.start(job);
            }
        }
    });
    Ok(())
}

fn tell(domain: &str, outcome: &Outcome) {
    match outcome {
        Outcome::NoRecord | Outcome::Unchanged => {}
        Outcome::NoAnswer(why) => log(&format!("{domain}: {why}")),
        Outcome::Policy { id, .. } => log(&format!("{domain}: policy {id} fetched")),
        Outcome::Failed { result, reason } => log(&format!("{domain}: {result}: {reason}")),
    }
}

/// Serves smtpd's table and mailctl, until the process ends.
pub(super) fn socket(shared: &Arc<Shared>, listener: &UnixListener) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                log(&format!("taking a connection: {error}"));
                thread::sleep(Duration::from_secs(1));
                continue;
            }
        };
        // before it is counted: others of this machine are to keep nobody out
        let user = match rustix::net::sockopt::socket_peercred(&stream) {
            Ok(peer) => peer.uid.as_raw(),
            Err(error) => {
                log(&format!("asking who it is: {error}"));
                continue;
            }
        };
        let root = user == 0 || user == rustix::process::geteuid().as_raw();
        // who is dropped asks again
        let known = root || shared.asker == Some(user);
        if !known || open.load(Ordering::Relaxed) >= CONNECTIONS {
            continue;
        }
        open.fetch_add(1, Ordering::Relaxed);
        let (shared, mine) = (Arc::clone(shared), Arc::clone(&open));
        let started = thread::Builder::new().spawn(move || {
            if let Err(error) = line(&shared, &stream, root) {
                log(&format!("{error:#}"));
            }
            mine.fetch_sub(1, Ordering::Relaxed);
        });
        if let Err(error) = started {
            open.fetch_sub(1, Ordering::Relaxed);
            log(&format!("starting a thread: {error}"));
        }
    }
}

/// One request.
fn line(shared: &Shared, mut stream: &UnixStream, root: bool) -> Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut text = String::new();
    let read = BufReader::new(stream.take(REQUEST)).read_line(&mut text);
    // who has gone or says nothing wants nothing
    if read.unwrap_or(0) == 0 {
        return Ok(());
    }
    let reply = match serde_json::from_str(&text) {
        Err(_) => Reply::Refused("this is no request".to_owned()),
        Ok(Request::List | Request::Refresh { .. }) if !root => {
            Reply::Refused("this is for root".to_owned())
        }
        Ok(request) => reply(shared, request),
    };
    let mut text = serde_json::to_vec(&reply).context("writing an answer")?;
    text.push(b'\n');
    // as above
    drop(stream.write_all(&text));
    Ok(())
}

fn reply(shared: &Shared, request: Request) -> Reply {
    match request {
        Request::Relay { domain } => {
            let (answer, job) = shared.book().ask(now(), &domain);
            if let Some(job) = job {
                shared.start(job);
            }
            match answer {
                Answer::Relay(relay) => Reply::Relay(relay),
                Answer::Later => Reply::Later,
            }
        }
        Request::Refresh { domain } => {
            let job = shared.book().refresh(now(), &domain);
            match job {
                Some(job) => {
                    shared.start(job);
                    Reply::Later
                }
                None => Reply::Refused(format!("'{domain}' is no name of a domain")),
            }
        }
        Request::List => {
            let book = shared.book();
            Reply::Known {
                policies: book.entries(now()),
                failed: book.kept().1,
            }
        }
    }
}
