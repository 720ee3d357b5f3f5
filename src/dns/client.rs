//! Questions and how they travel: UDP, and TCP where an answer is too long for it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, Result};
use hickory_net::{
    runtime::TokioRuntimeProvider,
    tcp::TcpClientStream,
    udp::UdpClientStream,
    xfer::{DnsExchange, DnsHandle, FirstAnswer},
};
use hickory_proto::{
    op::{DnsRequest, DnsRequestOptions, Edns, Message, Query},
    rr::{Name, RecordType},
};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
    time::timeout,
};

use super::answer::{Answer, NoAnswer};

/// The server's own resolver.
pub const RESOLVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 53);
/// What fits into a packet everywhere (the DNS flag day of 2020).
const PAYLOAD: u16 = 1232;
/// Questions that wait at the same time.
const AT_ONCE: usize = 64;

/// Who is asked what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The server.
    pub server: SocketAddr,
    /// Whether it shall ask others: a resolver does, an authoritative server is not asked to.
    pub recurse: bool,
    /// Whether a resolver shall leave out DNSSEC: what does not validate is then seen.
    pub unchecked: bool,
    /// The name.
    pub name: String,
    /// The type.
    pub kind: RecordType,
}

impl Question {
    /// A question to an authoritative server.
    pub fn direct(server: SocketAddr, name: &str, kind: RecordType) -> Self {
        Self {
            server,
            recurse: false,
            unchecked: false,
            name: name.to_owned(),
            kind,
        }
    }

    fn request(&self, limit: Duration) -> Result<DnsRequest, NoAnswer> {
        let mut name = Name::from_ascii(&self.name)
            .map_err(|e| NoAnswer::Broken(format!("{} is no name: {e}", self.name)))?;
        name.set_fqdn(true);
        let mut message = Message::query();
        message.add_query(Query::query(name, self.kind));
        message.metadata.recursion_desired = self.recurse;
        message.metadata.checking_disabled = self.unchecked;
        // RFC 6840 section 5.7: the answer shall tell whether it was validated
        message.metadata.authentic_data = self.recurse;
        let mut edns = Edns::new();
        edns.set_max_payload(PAYLOAD);
        message.set_edns(edns);
        let mut options = DnsRequestOptions::default();
        options.retry_interval = limit / 3;
        Ok(DnsRequest::new(message, options))
    }

    async fn ask(self, limit: Duration) -> Result<Answer, NoAnswer> {
        let request = self.request(limit)?;
        let udp = UdpClientStream::builder(self.server, TokioRuntimeProvider::new())
            .with_timeout(Some(limit))
            .with_max_retries(2)
            .exchange();
        let message = send(&udp, request.clone(), limit).await?;
        if !message.metadata.truncation {
            return Ok(Answer::from_message(&message));
        }
        let provider = TokioRuntimeProvider::new();
        // the connection's task ends with the last of them
        let held = provider.clone();
        let tcp = TcpClientStream::exchange(self.server, None, limit, None, provider);
        let tcp = timeout(limit, tcp).await.map_err(|_| NoAnswer::Timeout)??;
        let message = send(&tcp, request, limit).await?;
        drop(held);
        Ok(Answer::from_message(&message))
    }
}

async fn send(
    exchange: &DnsExchange<TokioRuntimeProvider>,
    request: DnsRequest,
    limit: Duration,
) -> Result<Message, NoAnswer> {
    let answer = exchange.send(request).first_answer();
    let answer = timeout(limit, answer)
        .await
        .map_err(|_| NoAnswer::Timeout)?;
    Ok(answer?.into_message())
}

/// Asks.
#[derive(Debug)]
pub struct Client {
    resolver: SocketAddr,
    limit: Duration,
    patience: Duration,
    runtime: Runtime,
}

impl Client {
    /// A client of `resolver`, which is [`RESOLVER`] on a running server. Each question waits for
    /// `limit` at most.
    ///
    /// # Errors
    /// When the system gives no poller.
    pub fn new(resolver: SocketAddr, limit: Duration) -> Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .context("setting up the DNS client")?;
        Ok(Self {
            resolver,
            limit,
            patience: limit,
            runtime,
        })
    }

    /// Waits that long for the resolver, which itself waits for the servers of others.
    #[must_use]
    pub fn patient(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    fn limit_of(&self, question: &Question) -> Duration {
        match question.recurse {
            true => self.patience,
            false => self.limit,
        }
    }

    /// The resolver.
    pub fn resolver(&self) -> SocketAddr {
        self.resolver
    }

    /// Asks all at once; the answers are in the order of the questions.
    pub fn ask_all(&self, questions: &[Question]) -> Vec<Result<Answer, NoAnswer>> {
        let mut answers = vec![Err(NoAnswer::Timeout); questions.len()];
        self.runtime.block_on(async {
            let mut waiting = JoinSet::new();
            let mut rest = questions.iter().cloned().enumerate();
            loop {
                while waiting.len() < AT_ONCE {
                    let Some((place, question)) = rest.next() else {
                        break;
                    };
                    let limit = self.limit_of(&question);
                    waiting.spawn(async move { (place, question.ask(limit).await) });
                }
                match waiting.join_next().await {
                    Some(Ok((place, answer))) => answers[place] = answer,
                    // a panic of ours: the question stays without an answer
                    Some(Err(_)) => {}
                    None => break,
                }
            }
        });
        answers
    }

    /// Asks one authoritative server.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn ask(
        &self,
        server: SocketAddr,
        name: &str,
        kind: RecordType,
    ) -> Result<Answer, NoAnswer> {
        self.one(Question::direct(server, name, kind))
    }

    /// Asks the resolver. That a name does not exist, or that the resolver cannot tell, is an
    /// answer too: see its status.
    ///
    /// # Errors
    /// When the resolver does not answer at all.
    pub fn query(&self, name: &str, kind: RecordType) -> Result<Answer> {
        let answer = self.one(self.question(name, kind));
        answer.with_context(|| format!("asking the resolver {} for {name} {kind}", self.resolver))
    }

    /// Asks the resolver to leave out DNSSEC.
    ///
    /// # Errors
    /// As [`Client::query`].
    pub fn query_unchecked(&self, name: &str, kind: RecordType) -> Result<Answer> {
        let answer = self.one(Question {
            unchecked: true,
            ..self.question(name, kind)
        });
        answer.with_context(|| format!("asking the resolver {} for {name} {kind}", self.resolver))
    }

    /// A question to the resolver.
    pub fn question(&self, name: &str, kind: RecordType) -> Question {
        Question {
            recurse: true,
            ..Question::direct(self.resolver, name, kind)
        }
    }

    fn one(&self, question: Question) -> Result<Answer, NoAnswer> {
        let limit = self.limit_of(&question);
        self.runtime.block_on(question.ask(limit))
    }
}
