//! One message, from its first line to its verdict.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    answer::{MAX_LINE, ReplyTo},
    doubt::Doubt,
    headers::unstuffed,
    log::{Level, log, printable},
    missing::Completion,
    output::Output,
    policy::{self, Verdict},
    rewrite, rspamd,
    senders::Senders,
    session::Known,
    spool::{Spool, Writer},
};

/// How much goes to smtpd at a time.
const BATCH: usize = 64 * 1024;

/// The largest header in bytes: twice what a list of five thousand recipients takes.
pub(super) const MAX_HEADER: u64 = 256 * 1024;

/// Where messages wait, and how large they may be.
#[derive(Debug)]
pub(super) struct Spooling {
    pub(super) folder: PathBuf,
    /// In bytes.
    pub(super) max_size: u64,
}

/// A message that is coming in, or what has gone wrong with it so far.
#[derive(Debug)]
pub(super) struct Intake {
    writer: Result<Writer, Doubt>,
    completion: Option<Completion>,
    max_size: u64,
    in_header: bool,
}

impl Intake {
    /// Opens a spool. `complete` says whether Date and Message-ID are to be added.
    pub(super) fn begin(spooling: &Spooling, complete: bool) -> Self {
        Self {
            writer: Writer::create(&spooling.folder).map_err(Doubt::Spool),
            completion: complete.then(Completion::new),
            max_size: spooling.max_size,
            in_header: true,
        }
    }

    /// Takes one line, dot-stuffed. After something went wrong, lines are let go.
    pub(super) fn push(&mut self, line: &[u8], host: &str) {
        let Ok(writer) = &mut self.writer else {
            return;
        };
        self.in_header &= !line.is_empty();
        let mut store = || -> Result<(), Doubt> {
            if line.len() > MAX_LINE {
                return Err(Doubt::LongLine);
            }
            if let Some(completion) = &mut self.completion {
                for new in completion.before(unstuffed(line), host)? {
                    writer.push(new.as_bytes())?;
                }
            }
            writer.push(line)?;
            if self.in_header && writer.size() > MAX_HEADER {
                return Err(Doubt::LargeHeader);
            }
            if writer.size() > self.max_size {
                return Err(Doubt::TooLarge);
            }
            Ok(())
        };
        if let Err(doubt) = store() {
            self.writer = Err(doubt);
        }
    }

    /// The message as a whole.
    pub(super) fn finish(self, host: &str) -> Result<Spool, Doubt> {
        let mut writer = self.writer?;
        if let Some(completion) = &self.completion {
            for new in completion.at_end(host)? {
                writer.push(new.as_bytes())?;
            }
        }
        Ok(writer.finish()?)
    }
}

/// What smtpd is told when it asks whether it may take the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// It may.
    Take,
    /// It must refuse with this SMTP reply.
    Refuse(String),
}

/// The tie between the thread that judges a message and the session that waits for it.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    decision: Mutex<Option<Decision>>,
    cancelled: AtomicBool,
}

impl Outcome {
    /// The decision, once there is one.
    pub(super) fn decision(&self) -> Option<Decision> {
        let decision = self.decision.lock();
        decision.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Nobody waits for the message any more.
    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
    }

    fn decide(&self, decision: Decision) {
        let mut slot = self.decision.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(decision);
    }
}

/// What is the same for all messages.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) socket: PathBuf,
    pub(super) timeout: Duration,
    pub(super) signatures: usize,
    /// The server's name for rspamd, if not smtpd's own.
    pub(super) hostname: Option<String>,
    pub(super) senders: Option<Senders>,
}

/// A whole message that waits for its verdict.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) to: ReplyTo,
    pub(super) known: Known,
    pub(super) host: Arc<str>,
    pub(super) spool: Spool,
    pub(super) outcome: Arc<Outcome>,
    /// When the message was complete.
    pub(super) received: Instant,
}

impl Job {
    /// Asks rspamd, gives the message back to smtpd and settles the outcome.
    pub(super) fn run(self, setting: &Setting, output: &Output) {
        if self.outcome.cancelled.load(Ordering::Acquire) {
            return;
        }
        let mut report = String::new();
        let (level, decision) = match self.judge(setting, output, &mut report) {
            Ok(decision) => (Level::Info, decision),
            Err(doubt) => {
                report.push_str(&format!(" doubt=\"{doubt}\""));
                (doubt.level(), Decision::Refuse(doubt.reply().to_owned()))
            }
        };
        let result = match &decision {
            _ if self.outcome.cancelled.load(Ordering::Acquire) => "the client has gone",
            Decision::Take => "pass",
            Decision::Refuse(reply) => reply,
        };
        log(
            level,
            format_args!(
                "{} message={} size={}{report} ms={} result=\"{result}\"",
                self.to.session,
                printable(&self.known.envelope.id),
                self.spool.size(),
                self.received.elapsed().as_millis(),
            ),
        );
        // when smtpd hears of the end, nothing of the message is left here
        drop(self.spool);
        conclude(self.to, &self.outcome, decision, output);
    }

    fn judge(
        &self,
        setting: &Setting,
        output: &Output,
        report: &mut String,
    ) -> Result<Decision, Doubt> {
        if let Some(gap) = self.known.gap() {
            return Err(Doubt::Gap(gap));
        }
        let senders = match (&setting.senders, &self.known.client.user) {
            (Some(table), Some(user)) => Some(table.of(user)?),
            _ => None,
        };
        let question = rspamd::Question {
            server: setting.hostname.as_deref().unwrap_or(&self.host),
            known: &self.known,
            senders: senders.as_deref(),
        };
        let deadline = self.received + setting.timeout;
        let reply = rspamd::check(&setting.socket, deadline, &question, &self.spool)?;
        report.push_str(&format!(
            " action=\"{}\" score={:.2}/{:.2}",
            reply.action.name(),
            reply.score,
            reply.required_score
        ));
        match policy::decide(&reply, &self.known.client, setting.signatures)? {
            Verdict::Refuse(reply) => Ok(Decision::Refuse(reply)),
            Verdict::Pass(plan) => {
                self.give_back(&plan, output)?;
                Ok(Decision::Take)
            }
        }
    }

    /// Sends the message's lines to smtpd. If that fails half way nothing is lost: smtpd has yet
    /// to ask whether it may take the message.
    fn give_back(&self, plan: &rewrite::Plan, output: &Output) -> Result<(), Doubt> {
        let cancelled = &self.outcome.cancelled;
        let mut batch = Vec::with_capacity(BATCH);
        rewrite::each_line(&self.spool, plan, |line| {
            self.to.data_line(&mut batch, line);
            if batch.len() < BATCH {
                return Ok(true);
            }
            let going = output.send_unless(cancelled, &batch)?;
            batch.clear();
            Ok(going)
        })?;
        output.send_unless(cancelled, &batch)?;
        Ok(())
    }
}

/// Settles the outcome and ends the message, in this order: the end is what makes smtpd ask. A
/// message that is refused without having been given back is empty for smtpd; it drops it.
pub(super) fn conclude(to: ReplyTo, outcome: &Outcome, decision: Decision, output: &Output) {
    outcome.decide(decision);
    let mut end = Vec::new();
    to.data_line(&mut end, b".");
    if let Err(error) = output.send_unless(&outcome.cancelled, &end) {
        let text = format_args!("{} smtpd is gone: {error}", to.session);
        log(Level::Warning, text);
    }
}
