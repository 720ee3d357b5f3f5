//! What the authoritative servers show.

use std::{net::SocketAddr, time::Duration};

use anyhow::Result;

use crate::dns::{self, Client, RESOLVER};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);

/// What one authoritative server shows under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The server, as a person would name it.
    pub server: String,
    /// Each TXT record with its strings joined, or why there is no answer.
    pub texts: Result<Vec<String>, String>,
}

/// Who asks the authoritative servers.
pub trait Published {
    /// The TXT records of `name` at each of them.
    ///
    /// # Errors
    /// When it cannot be found out which servers those are.
    fn txt(&self, name: &str) -> Result<Vec<Shown>>;
}

/// The DNS itself.
pub(super) struct Dns(Client);

impl Dns {
    /// By way of `resolver`, or of the server's own.
    ///
    /// # Errors
    /// When the system gives no poller.
    pub fn new(resolver: Option<SocketAddr>) -> Result<Self> {
        Ok(Self(Client::new(resolver.unwrap_or(RESOLVER), LIMIT)?))
    }
}

impl Published for Dns {
    fn txt(&self, name: &str) -> Result<Vec<Shown>> {
        let shown = |p: dns::Published| Shown {
            server: match p.address {
                Some(address) => format!("{} ({})", p.server, address.ip()),
                None => p.server,
            },
            texts: p.texts.map_err(|why| why.to_string()),
        };
        Ok(self.0.published_txt(name)?.into_iter().map(shown).collect())
    }
}
