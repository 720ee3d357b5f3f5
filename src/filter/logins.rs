//! Logins: whether smtpd may look at a password, and what came of it.
//!
//! Two threads of their own talk to ezmail-guard, so that no mail waits for it. Where it does not
//! answer, logins go on without it, through the `gate` alone.

use std::{
    net::IpAddr,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    answer::ReplyTo,
    credentials::Credentials,
    gate::Gate,
    log::{Level, log},
    output::Output,
    protocol::Id,
    senders::Senders,
};
use crate::guard::{Answer, Reply, Request, Verdict, ask};

/// How long the guard may take for an answer, and for a report.
const ANSWER: Duration = Duration::from_millis(300);
const REPORT: Duration = Duration::from_secs(2);
/// How long it is left alone when it did not answer.
const AWAY: Duration = Duration::from_secs(5);
/// The most questions and reports that wait.
const WAITING: usize = 1024;
/// The most logins that are kept waiting on purpose.
const DELAYED: usize = 256;
/// How often it is logged how many were refused.
const SUMMARY: Duration = Duration::from_secs(60);

/// In place of what a client sent with AUTH: no base64, so that smtpd says 501 and looks at nothing.
/// To a reply of ours it would log the command that it answers, with the password in it.
const NOTHING: &str = "PLAIN !";

/// The replies to a login that has not sent anything yet; both end the session.
const GUESSING: &str = "421 4.7.0 Too many failed logins, try again later";
const BUSY: &str = "421 4.7.0 Too many logins at a time, try again later";

/// Somebody who wants to log in.
pub(super) struct Attempt {
    pub(super) to: ReplyTo,
    /// `None` where smtpd has not told it.
    pub(super) address: Option<IpAddr>,
    pub(super) credentials: Credentials,
}

impl Attempt {
    /// What has smtpd refuse it.
    fn refusal(&self, reply: &str) -> String {
        match self.credentials.any {
            true => self.to.rewrite(NOTHING),
            false => self.to.reject(reply),
        }
    }
}

/// What came of it.
pub(super) struct Ended {
    pub(super) address: Option<IpAddr>,
    pub(super) login: String,
    pub(super) passed: bool,
    pub(super) password: Option<String>,
}

enum Item {
    Attempt(Attempt),
    Done(Id),
}

/// The way to both threads.
pub(super) struct Logins {
    attempts: SyncSender<Item>,
    results: SyncSender<Ended>,
    output: Arc<Output>,
}

impl Logins {
    /// `guard` is its socket; `senders` tells which logins there are.
    pub(super) fn new(guard: PathBuf, senders: Option<Senders>, output: Arc<Output>) -> Self {
        let (attempts, asked) = mpsc::sync_channel(WAITING);
        let (results, told) = mpsc::sync_channel(WAITING);
        let asker = Asker {
            guard: Guard::new(guard.clone(), ANSWER),
            gate: Gate::new(Instant::now()),
            output: Arc::clone(&output),
            delayed: Vec::new(),
            refused: [0; 2],
            last: Instant::now(),
        };
        thread::spawn(move || asker.run(&asked));
        thread::spawn(move || report(&told, Guard::new(guard, REPORT), senders.as_ref()));
        Self {
            attempts,
            results,
            output,
        }
    }

    /// Answers smtpd, now or soon.
    ///
    /// # Errors
    /// When smtpd is gone.
    pub(super) fn attempt(&self, attempt: Attempt) -> std::io::Result<()> {
        let refusal = attempt.refusal(BUSY);
        match self.attempts.try_send(Item::Attempt(attempt)) {
            Ok(()) => Ok(()),
            Err(_) => self.output.send(refusal.as_bytes()),
        }
    }

    /// The login of `session` is over; `result` is what came of it, if anything did.
    pub(super) fn done(&self, session: Id, result: Option<Ended>) {
        // what does not fit is not counted: under such a flood, enough is
        drop(self.attempts.try_send(Item::Done(session)));
        if let Some(result) = result {
            drop(self.results.try_send(result));
        }
    }
}

/// ezmail-guard, as far as it answers.
struct Guard {
    socket: PathBuf,
    patience: Duration,
    away_until: Option<Instant>,
    said: bool,
}

impl Guard {
    fn new(socket: PathBuf, patience: Duration) -> Self {
        Self {
            socket,
            patience,
            away_until: None,
            said: false,
        }
    }

    fn ask(&mut self, request: &Request) -> Option<Reply> {
        let now = Instant::now();
        if self.away_until.is_some_and(|until| now < until) {
            return None;
        }
        match ask(&self.socket, request, self.patience) {
            Ok(reply) => {
                (self.away_until, self.said) = (None, false);
                Some(reply)
            }
            Err(error) => {
                self.away_until = Some(now + AWAY);
                if !self.said {
                    self.said = true;
                    log(
                        Level::Warning,
                        format_args!("{error:#}; logins go on without it"),
                    );
                }
                None
            }
        }
    }
}

/// Decides about attempts.
struct Asker {
    guard: Guard,
    gate: Gate,
    output: Arc<Output>,
    delayed: Vec<(Instant, Attempt, bool)>,
    /// How many were refused since it was last logged: by the guard, by the gate.
    refused: [u64; 2],
    last: Instant,
}

impl Asker {
    fn run(mut self, asked: &Receiver<Item>) {
        loop {
            let next = self.delayed.iter().map(|(due, ..)| *due).min();
            let now = Instant::now();
            let wait = next.map_or(SUMMARY, |due| due.saturating_duration_since(now));
            match asked.recv_timeout(wait.min(SUMMARY)) {
                Ok(Item::Attempt(attempt)) => self.decide(attempt),
                Ok(Item::Done(session)) => {
                    self.gate.done(session);
                    self.delayed.retain(|(_, a, _)| a.to.session != session);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = Instant::now();
            let (due, later) = std::mem::take(&mut self.delayed)
                .into_iter()
                .partition(|(due, ..)| *due <= now);
            self.delayed = later;
            for (_, attempt, known) in due {
                self.enter(&attempt, known);
            }
            self.summary(now);
        }
    }

    fn decide(&mut self, attempt: Attempt) {
        let asked = attempt.address.and_then(|address| {
            let login = attempt.credentials.login.clone();
            self.guard.ask(&Request::Ask { address, login })
        });
        let local = attempt
            .address
            .is_some_and(|a| a.to_canonical().is_loopback());
        let Some(Reply::Answer(Answer { verdict, spared })) = asked else {
            return self.enter(&attempt, local);
        };
        match verdict {
            Verdict::Allow => self.enter(&attempt, spared),
            Verdict::Delay(seconds) if self.delayed.len() < DELAYED => {
                let due = Instant::now() + Duration::from_secs(seconds.into());
                self.delayed.push((due, attempt, spared));
            }
            Verdict::Delay(_) => self.refuse(&attempt, BUSY, 1),
            Verdict::Refuse => self.refuse(&attempt, GUESSING, 0),
        }
    }

    fn enter(&mut self, attempt: &Attempt, known: bool) {
        let (session, complete) = (attempt.to.session, attempt.credentials.is_complete());
        let now = Instant::now();
        match self
            .gate
            .enter(now, session, attempt.address, known, complete)
        {
            true => self.send(&attempt.to.proceed()),
            false => self.refuse(attempt, BUSY, 1),
        }
    }

    fn refuse(&mut self, attempt: &Attempt, reply: &str, why: usize) {
        self.refused[why] += 1;
        self.send(&attempt.refusal(reply));
    }

    fn send(&self, line: &str) {
        // without smtpd there is nobody to answer; the loop that reads from it ends the process
        drop(self.output.send(line.as_bytes()));
    }

    /// One line a minute, however many there are.
    fn summary(&mut self, now: Instant) {
        if self.refused == [0; 2] || now.saturating_duration_since(self.last) < SUMMARY {
            return;
        }
        let [guessing, busy] = std::mem::take(&mut self.refused);
        self.last = now;
        log(
            Level::Info,
            format_args!(
                "logins refused unseen: {guessing} for guessing, {busy} since there were too many"
            ),
        );
    }
}

/// Tells the guard what came of logins.
fn report(told: &Receiver<Ended>, mut guard: Guard, senders: Option<&Senders>) {
    for result in told {
        let Some(address) = result.address else {
            continue;
        };
        // one that does not exist is guessed with more zeal; what cannot be looked up is not known
        let found = senders.map(|s| s.of(result.login.as_bytes()));
        let exists = found.and_then(|found| found.ok().map(|own| !own.is_empty()));
        guard.ask(&Request::Report {
            address,
            login: result.login,
            passed: result.passed,
            exists: exists.filter(|_| !result.passed),
            password: result.password,
        });
    }
}
