//! The loop that reads smtpd's lines. It never waits for rspamd and never gives up.

use std::{
    collections::HashMap,
    io::{self, BufRead},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use super::{
    answer::{self, MAX_LINE, ReplyTo},
    credentials::{self, Credentials},
    doubt::Doubt,
    lines::{self, Found},
    log::{Level, log, printable},
    logins::{self, Logins},
    message::{Decision, Intake, Job, Outcome, Setting, Spooling, conclude},
    output::Output,
    pool::Pool,
    protocol::{self, Event, Id, Line, Login, Phase, Query},
    session::Known,
};

/// The most that is kept of a line from smtpd: a data-line that is too long by any measure is
/// still recognised for what it is.
const MAX_INPUT: usize = MAX_LINE + 4096;

/// All sessions and what they need.
pub(super) struct Server {
    sessions: HashMap<Id, Session>,
    output: Arc<Output>,
    pool: Pool<Job>,
    spooling: Spooling,
    logins: Logins,
    /// Makes digests of passwords that mean nothing elsewhere.
    key: [u8; 32],
    host: Arc<str>,
    subsystems: Option<bool>,
    verbose: bool,
}

#[derive(Default)]
struct Session {
    known: Known,
    content: Content,
    /// The digest of the password that is being looked at.
    password: Option<String>,
}

/// How far the message of a session has come.
#[derive(Default)]
enum Content {
    #[default]
    None,
    Coming(Intake),
    Judged(Arc<Outcome>),
}

impl Server {
    /// `limit` is the most messages that are judged at a time.
    pub(super) fn new(
        setting: Setting,
        spooling: Spooling,
        limit: usize,
        logins: Logins,
        key: [u8; 32],
        verbose: bool,
        output: Arc<Output>,
    ) -> Self {
        let for_jobs = Arc::clone(&output);
        let pool = Pool::new(limit, move |job: Job| {
            let (to, outcome) = (job.to, Arc::clone(&job.outcome));
            let run = AssertUnwindSafe(|| job.run(&setting, &for_jobs));
            if catch_unwind(run).is_err() {
                let decision = Decision::Refuse(Doubt::Bug.reply().to_owned());
                conclude(to, &outcome, decision, &for_jobs);
            }
        });
        Self {
            sessions: HashMap::new(),
            output,
            pool,
            spooling,
            logins,
            key,
            host: Arc::from("localhost"),
            subsystems: None,
            verbose,
        }
    }

    /// Reads until smtpd closes its end.
    ///
    /// # Errors
    /// When reading or writing fails for good, which means that smtpd is gone.
    pub(super) fn run(&mut self, input: &mut impl BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        loop {
            if lines::read(input, &mut line, MAX_INPUT)? == Found::End {
                return Ok(());
            }
            match catch_unwind(AssertUnwindSafe(|| self.handle(&line))) {
                Ok(done) => done?,
                Err(_) => log(
                    Level::Error,
                    format_args!(
                        "internal error, please report it; at: {}",
                        credentials::shown(&line)
                    ),
                ),
            }
        }
    }

    fn handle(&mut self, line: &[u8]) -> io::Result<()> {
        match protocol::parse(line) {
            Ok(Line::Config { key, value }) => self.configure(key, value),
            Ok(Line::Report { session, event }) => {
                self.report(session, &event);
                Ok(())
            }
            Ok(Line::Query(query)) => self.answer(&query),
            Err(error) => {
                log(
                    Level::Error,
                    format_args!(
                        "a line from smtpd is malformed: {error}: {}",
                        credentials::shown(line)
                    ),
                );
                Ok(())
            }
        }
    }

    fn configure(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        match key {
            b"admd" => self.host = Arc::from(String::from_utf8_lossy(value).as_ref()),
            b"subsystem" => {
                let smtp_in = value == b"smtp-in";
                self.subsystems = Some(self.subsystems.unwrap_or_default() || smtp_in);
            }
            b"ready" => {
                // smtpd before 7.8 may not say; registering for nothing is no error there
                let smtp_in = self.subsystems.unwrap_or(true);
                if !smtp_in {
                    log(Level::Warning, "no listener in smtpd.conf uses this filter");
                }
                self.output.send(answer::registration(smtp_in).as_bytes())?;
            }
            _ => {}
        }
        Ok(())
    }

    fn report(&mut self, id: Id, event: &Event<'_>) {
        match event {
            Event::Disconnect => {
                if let Some(session) = self.sessions.remove(&id) {
                    session.content.drop_it();
                    self.logins.done(id, None);
                }
                return;
            }
            // of sessions that began before we did we would only know half
            Event::Other => return,
            _ => {}
        }
        let session = self.sessions.entry(id).or_default();
        if matches!(event, Event::Begin(_) | Event::Reset) {
            std::mem::take(&mut session.content).drop_it();
        }
        session.known.learn(event);
        if let Event::Auth { result, user } = event {
            let address = session.known.client.address();
            let password = session.password.take();
            let told = (*result != Login::Error).then(|| logins::Ended {
                address,
                login: String::from_utf8_lossy(user).into_owned(),
                passed: *result == Login::Passed,
                password,
            });
            self.logins.done(id, told);
        }
    }

    /// smtpd goes on with a login only when it is answered.
    fn login(&mut self, to: ReplyTo, parameter: &[u8]) -> io::Result<()> {
        let session = self.sessions.entry(to.session).or_default();
        let credentials = Credentials::parse(parameter, &self.key);
        session.password = credentials.password.clone();
        self.logins.attempt(logins::Attempt {
            to,
            address: session.known.client.address(),
            credentials,
        })
    }

    fn answer(&mut self, query: &Query<'_>) -> io::Result<()> {
        let to = query.to;
        match query.phase {
            Phase::DataLine(b".") => {
                self.end_of_message(to);
                Ok(())
            }
            Phase::DataLine(line) => {
                let session = self.sessions.entry(to.session).or_default();
                session
                    .content
                    .push(line, &session.known, &self.spooling, &self.host);
                Ok(())
            }
            Phase::Auth(parameter) => self.login(to, parameter),
            Phase::Commit => self.output.send(self.commit(to).as_bytes()),
            Phase::Other => self.output.send(to.proceed().as_bytes()),
        }
    }

    fn end_of_message(&mut self, to: ReplyTo) {
        let session = self.sessions.entry(to.session).or_default();
        let outcome = Arc::new(Outcome::default());
        let judged = Content::Judged(Arc::clone(&outcome));
        let known = session.known.clone();
        let intake = match std::mem::replace(&mut session.content, judged) {
            Content::Coming(intake) => intake,
            // without a single line: smtpd's own Received always comes first
            _ => Intake::begin(&self.spooling, known.client.is_ours()),
        };
        let spool = match intake.finish(&self.host) {
            Ok(spool) => spool,
            Err(doubt) => return self.refuse(to, &known, &outcome, &doubt),
        };
        let job = Job {
            to,
            known,
            host: Arc::clone(&self.host),
            spool,
            outcome,
            received: Instant::now(),
        };
        if self.verbose {
            log(Level::Info, format_args!("{} message complete", to.session));
        }
        if let Err((job, error)) = self.pool.submit(job) {
            self.refuse(to, &job.known, &job.outcome, &Doubt::Threads(error));
        }
    }

    fn refuse(&self, to: ReplyTo, known: &Known, outcome: &Outcome, doubt: &Doubt) {
        log(
            doubt.level(),
            format_args!(
                "{} message={} doubt=\"{doubt}\" result=\"{}\"",
                to.session,
                printable(&known.envelope.id),
                doubt.reply()
            ),
        );
        let decision = Decision::Refuse(doubt.reply().to_owned());
        conclude(to, outcome, decision, &self.output);
    }

    /// Nothing passes but what was judged.
    fn commit(&self, to: ReplyTo) -> String {
        let content = self.sessions.get(&to.session).map(|s| &s.content);
        let decision = match content {
            Some(Content::Judged(outcome)) => outcome.decision(),
            _ => None,
        };
        match decision {
            Some(Decision::Take) => to.proceed(),
            Some(Decision::Refuse(reply)) => to.reject(&reply),
            None => {
                log(
                    Level::Error,
                    format_args!("{} commit of an unknown message", to.session),
                );
                to.reject(Doubt::Gap("the message").reply())
            }
        }
    }
}

impl Content {
    fn push(&mut self, line: &[u8], known: &Known, spooling: &Spooling, host: &str) {
        if !matches!(self, Self::Coming(_)) {
            *self = Self::Coming(Intake::begin(spooling, known.client.is_ours()));
        }
        if let Self::Coming(intake) = self {
            intake.push(line, host);
        }
    }

    fn drop_it(self) {
        if let Self::Judged(outcome) = self {
            outcome.cancel();
        }
    }
}
