//! Somebody out there with an address: speaks SMTP (`smtp.py`) and IMAP (`imap.py`).

use std::{net::IpAddr, time::Duration};

use anyhow::{Context, Result, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    addresses::{Family, appliance, client, client_name},
    message::Mail,
    mx::from_base64,
    namespace::Namespace,
};

/// How long one answer may take: what RFC 5321, section 4.5.3.2.6, has a client wait after the end of
/// a message. The appliance is emulated, and judges 50 MB.
const ANSWER: u64 = 600;
/// How long a whole conversation may take.
const TALK: Duration = Duration::from_secs(1200);

/// A client with an address of its own.
pub struct Client<'a> {
    namespace: &'a Namespace,
    number: u8,
    family: Family,
    server: IpAddr,
    answer: u64,
}

/// A TCP port, and how TLS begins there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// 25: STARTTLS, if anything.
    Smtp,
    /// 465: TLS from the first byte.
    Submissions,
    /// 587: STARTTLS.
    Submission,
}

/// The ports where users hand in their mail.
pub const SUBMISSION: [Port; 2] = [Port::Submissions, Port::Submission];

/// A name and a password.
pub type Login<'a> = (&'a str, &'a str);

/// One thing to say.
#[derive(Debug, Clone)]
pub enum Step<'a> {
    /// A line.
    Line(String),
    /// STARTTLS and the handshake.
    StartTls,
    /// AUTH PLAIN.
    Plain(Login<'a>),
    /// AUTH LOGIN.
    LoginWords(Login<'a>),
    /// DATA and a message.
    Data(Vec<u8>),
    /// Bytes, answered once.
    Raw(Vec<u8>),
    /// STARTTLS, these bytes behind it in the clear, in one segment or after a pause, and the
    /// handshake.
    Inject(Vec<u8>, Duration),
    /// Bytes, so many times; no answer is waited for.
    Send(Vec<u8>, usize),
    /// Bytes, and a pause after them; no answer is waited for.
    Slowly(Vec<u8>, Duration),
    /// All that comes until the server closes or is silent for so many seconds: the answer to
    /// `rest: closed`, `rest: silent` or `rest: ConnectionResetError`.
    Rest(u64),
    /// A line, so many times; the text of the answer counts codes, as in `250*200 451*800`.
    Again(String, usize),
    /// As the step itself; if it is refused, nothing more is said.
    Must(Box<Step<'a>>),
}

impl Step<'_> {
    /// A line.
    pub fn line(text: impl Into<String>) -> Self {
        Self::Line(text.into())
    }

    /// Nothing more is said after a refusal.
    pub fn must(self) -> Self {
        Self::Must(Box::new(self))
    }

    fn json(&self) -> Value {
        match self {
            Self::Line(text) => json!({ "line": text }),
            Self::StartTls => json!({ "starttls": true }),
            Self::Plain((user, password)) => json!({ "plain": [user, password] }),
            Self::LoginWords((user, password)) => json!({ "login": [user, password] }),
            Self::Data(bytes) => json!({ "data": STANDARD.encode(bytes) }),
            Self::Raw(bytes) => json!({ "raw": STANDARD.encode(bytes) }),
            Self::Inject(bytes, pause) => json!({
                "starttls": true,
                "behind": STANDARD.encode(bytes),
                "pause": pause.as_secs_f64(),
            }),
            Self::Send(bytes, times) => {
                json!({ "send": STANDARD.encode(bytes), "times": times, "pause": 0 })
            }
            Self::Slowly(bytes, pause) => json!({
                "send": STANDARD.encode(bytes),
                "times": 1,
                "pause": pause.as_secs_f64(),
            }),
            Self::Rest(seconds) => json!({ "rest": seconds }),
            Self::Again(text, times) => json!({ "again": text, "times": times }),
            Self::Must(step) => {
                let mut value = step.json();
                value["must"] = json!(true);
                value
            }
        }
    }
}

/// What a server answered.
#[derive(Debug, Clone, Deserialize)]
pub struct Reply {
    /// What it answers to; passwords are not in it.
    pub step: String,
    /// The code, 0 if there was none.
    pub code: u16,
    /// The text of all its lines.
    pub text: String,
}

/// A conversation.
#[derive(Debug, Clone, Deserialize)]
pub struct Talk {
    /// The answers; the first is the greeting.
    pub replies: Vec<Reply>,
    /// Why it ended before everything was said.
    pub ended: Option<String>,
    /// The TLS version, once encrypted.
    pub tls: Option<String>,
    /// The server's certificate in base64 (DER).
    pub certificate: Option<String>,
}

impl Talk {
    /// The answer to the first step that begins with `step`.
    pub fn reply(&self, step: &str) -> Result<&Reply> {
        self.replies
            .iter()
            .find(|reply| reply.step.starts_with(step))
            .with_context(|| format!("no answer to {step}: {self:#?}"))
    }

    /// The conversation in some lines, for who reads of a failure.
    pub fn story(&self) -> String {
        let mut story = String::new();
        let count = self.replies.len();
        for (number, reply) in self.replies.iter().enumerate() {
            if (20..count.saturating_sub(20)).contains(&number) {
                continue;
            }
            let Reply { step, code, text } = reply;
            story.push_str(&format!("\n  {step:.200} -> {code} {text:.400}"));
        }
        let (tls, ended) = (&self.tls, &self.ended);
        format!("{story}\n  {count} answers, TLS {tls:?}, ended {ended:?}")
    }

    /// The last answer.
    pub fn last(&self) -> Result<&Reply> {
        match (&self.ended, self.replies.last()) {
            (None, Some(reply)) => Ok(reply),
            _ => bail!("the conversation ended early: {self:#?}"),
        }
    }
}

/// A message in a mailbox.
#[derive(Debug, Clone, Deserialize)]
pub struct Stored {
    /// Its UID.
    pub uid: u32,
    /// Its flags.
    pub flags: Vec<String>,
    /// The message.
    #[serde(deserialize_with = "from_base64")]
    pub raw: Vec<u8>,
}

/// What came of an IMAP session.
#[derive(Debug, Clone, Deserialize)]
pub struct ImapResult {
    /// `OK`, or the refusal; none if it did not come to that.
    pub login: Option<String>,
    /// Why it ended early.
    pub ended: Option<String>,
    /// One for each step.
    pub results: Vec<Value>,
}

/// What came of a login by ManageSieve.
#[derive(Debug, Clone, Deserialize)]
pub struct SieveResult {
    /// The mechanisms that are offered before TLS.
    pub offered: String,
    /// The answer to the login.
    pub login: String,
    /// The scripts, as they are listed; none without a login.
    pub scripts: Option<Vec<String>>,
}

/// What is heard at port 4190 when more than STARTTLS is said in the clear.
#[derive(Debug, Clone, Deserialize)]
pub struct SieveInjected {
    /// The answers, each with its lines: to STARTTLS, the greeting inside TLS, then to NOOP,
    /// LISTSCRIPTS, NOOP and LOGOUT.
    pub heard: Vec<Vec<String>>,
    /// What the end was, or why it came to that early.
    pub ended: String,
}

/// What became of many connections at once.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Crowd {
    /// How many were taken.
    pub taken: usize,
    /// How many were refused.
    pub refused: usize,
    /// How many had no answer.
    pub silent: usize,
    /// What somebody else, whose connection was taken, was told meanwhile; nothing where TLS comes
    /// first.
    pub greeting: Option<String>,
}

impl<'a> Client<'a> {
    pub(super) fn new(namespace: &'a Namespace, number: u8, family: Family) -> Self {
        Self {
            namespace,
            number,
            family,
            server: appliance(family),
            answer: ANSWER,
        }
    }

    /// The same client, who does not wait longer than so many seconds for an answer to what it says.
    #[must_use]
    pub fn impatient(mut self, seconds: u64) -> Self {
        self.answer = seconds;
        self
    }

    /// The same client, who speaks to another server than the appliance.
    #[must_use]
    pub fn to(mut self, server: IpAddr) -> Self {
        self.server = server;
        self
    }

    /// Says `steps` and returns what was answered; a refused connection is an answer, too.
    pub fn talk(&self, port: u16, implicit: bool, steps: &[Step<'_>]) -> Result<Talk> {
        let order = json!({
            "source": client(self.number, self.family),
            "host": self.server,
            "port": port,
            "implicit": implicit,
            "timeout": self.answer,
            "steps": steps.iter().map(Step::json).collect::<Vec<_>>(),
        });
        let result = self.namespace.python("smtp.py", &order, TALK)?;
        serde_json::from_value(result).context("reading what smtp.py has found")
    }

    /// EHLO, and TLS by whatever way `port` has it, with EHLO again; a refusal ends it there.
    pub fn hello<'s>(&self, port: Port) -> Vec<Step<'s>> {
        let ehlo = || Step::line(format!("EHLO {}", client_name(self.number))).must();
        match port {
            Port::Submissions => vec![ehlo()],
            Port::Smtp | Port::Submission => vec![ehlo(), Step::StartTls.must(), ehlo()],
        }
    }

    /// Speaks to `port`, over TLS.
    pub fn encrypted(&self, port: Port, steps: &[Step<'_>]) -> Result<Talk> {
        let mut all = self.hello(port);
        all.extend_from_slice(steps);
        let number = match port {
            Port::Smtp => 25,
            Port::Submissions => 465,
            Port::Submission => 587,
        };
        self.talk(number, port == Port::Submissions, &all)
    }

    /// Sends a message, after a login if there is one; stops at the first refusal.
    pub fn send(&self, port: Port, login: Option<Login<'_>>, mail: &Mail) -> Result<Talk> {
        let mut steps = Vec::new();
        steps.extend(login.map(|login| Step::Plain(login).must()));
        steps.push(Step::line(format!("MAIL FROM:<{}>", mail.envelope_from)).must());
        for to in &mail.envelope_to {
            steps.push(Step::line(format!("RCPT TO:<{to}>")).must());
        }
        steps.push(Step::Data(mail.raw.clone()));
        self.encrypted(port, &steps)
    }

    /// As [`Client::send`], and it must be accepted.
    pub fn deliver(&self, port: Port, login: Option<Login<'_>>, mail: &Mail) -> Result<()> {
        let talk = self.send(port, login, mail)?;
        match talk.last()? {
            reply if reply.step == "message" && reply.code == 250 => Ok(()),
            _ => bail!("the message was not accepted: {talk:#?}"),
        }
    }

    /// As [`Client::deliver`], but as a mail server does it: a temporary refusal is answered by
    /// trying again, until `limit` has passed.
    pub fn deliver_patiently(&self, mail: &Mail, limit: Duration) -> Result<()> {
        let deadline = std::time::Instant::now() + limit;
        loop {
            let talk = self.send(Port::Smtp, None, mail)?;
            let code = talk.replies.last().map_or(0, |reply| reply.code);
            let temporary = talk.ended.is_some() || (400..500).contains(&code);
            if talk.ended.is_none() && code == 250 {
                return Ok(());
            }
            if !temporary || std::time::Instant::now() > deadline {
                bail!("the message was not accepted: {talk:#?}");
            }
            std::thread::sleep(Duration::from_secs(10));
        }
    }

    /// Logs in at port 993 and does `steps` (see `imap.py`).
    pub fn imap(&self, login: Login<'_>, steps: Value) -> Result<ImapResult> {
        let order = json!({
            "source": client(self.number, self.family),
            "host": self.server,
            "port": 993,
            "timeout": ANSWER,
            "user": login.0,
            "password": login.1,
            "steps": steps,
        });
        let result = self.namespace.python("imap.py", &order, TALK)?;
        serde_json::from_value(result).context("reading what imap.py has found")
    }

    /// Logs in at port 4190, over TLS or without (see `sieve.py`).
    pub fn sieve(&self, login: Login<'_>, tls: bool) -> Result<SieveResult> {
        let order = json!({
            "source": client(self.number, self.family),
            "host": self.server,
            "port": 4190,
            "timeout": ANSWER,
            "user": login.0,
            "password": login.1,
            "tls": tls,
            "behind": null,
        });
        let result = self.namespace.python("sieve.py", &order, TALK)?;
        serde_json::from_value(result).context("reading what sieve.py has found")
    }

    /// Says `behind` in the clear after STARTTLS at port 4190, in one segment or after a pause, and
    /// goes on (see `sieve.py`).
    pub fn sieve_inject(&self, behind: &[u8], pause: Duration) -> Result<SieveInjected> {
        let order = json!({
            "source": client(self.number, self.family),
            "host": self.server,
            "port": 4190,
            "timeout": self.answer,
            "behind": STANDARD.encode(behind),
            "pause": pause.as_secs_f64(),
        });
        let result = self.namespace.python("sieve.py", &order, TALK)?;
        serde_json::from_value(result).context("reading what sieve.py has found")
    }

    /// Opens `count` connections to `port` and says nothing; then client `other` connects, too (see
    /// `crowd.py`).
    pub fn crowd(&self, port: u16, count: usize, other: u8) -> Result<Crowd> {
        let order = json!({
            "source": client(self.number, self.family),
            "other": client(other, self.family),
            "host": self.server,
            "port": port,
            "count": count,
            // smtpd greets when it has looked up the client's name
            "timeout": 60,
            "greets": port != 993,
        });
        let result = self.namespace.python("crowd.py", &order, TALK)?;
        serde_json::from_value(result).context("reading what crowd.py has found")
    }

    /// Everything in a folder.
    pub fn fetch(&self, login: Login<'_>, folder: &str) -> Result<Vec<Stored>> {
        self.messages(login, json!([["fetch", folder]]))
    }

    /// Waits for the messages with that header in a folder; there must be at least one.
    pub fn wait_for_mail(
        &self,
        login: Login<'_>,
        folder: &str,
        (header, value): (&str, &str),
        limit: Duration,
    ) -> Result<Vec<Stored>> {
        let step = json!([["wait", folder, header, value, limit.as_secs()]]);
        let found = self.messages(login, step)?;
        if found.is_empty() {
            bail!(
                "{} has no message with {header}: {value} in {folder} after {} s",
                login.0,
                limit.as_secs()
            );
        }
        Ok(found)
    }

    fn messages(&self, login: Login<'_>, steps: Value) -> Result<Vec<Stored>> {
        let mut result = self.imap(login, steps)?;
        match (result.login.as_deref(), &result.ended, result.results.pop()) {
            (Some("OK"), None, Some(messages)) => {
                serde_json::from_value(messages).context("reading what imap.py has found")
            }
            (login, ended, _) => bail!("no mail could be read: {login:?}, {ended:?}"),
        }
    }
}
