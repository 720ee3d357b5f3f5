//! What is measured, and how much of it: defaults, and the environment over them.

use std::{env, str::FromStr};

use anyhow::{Context, Result, bail};

use crate::server::Server;

/// The numbers of one run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Messages of 1 KB: so many in each way, one after the other and then at once.
    pub small: usize,
    /// The same of 100 KB.
    pub large: usize,
    /// Connections at once.
    pub connections: usize,
    /// Memory of the machines, MiB.
    pub memory_mib: u64,
    /// Their CPUs.
    pub cpus: u32,
    /// For how long, in seconds, a machine may be busy with what follows its boot: patterns to
    /// compile, file systems. 0 to measure at once, as a trial of the benchmark itself.
    pub settle: u64,
    /// Who is measured, in this order.
    pub servers: Vec<Server>,
}

impl Settings {
    /// From `EZMAIL_BENCH_SMALL`, `_LARGE`, `_CONNECTIONS`, `_MEMORY`, `_CPUS`, `_SETTLE` and `_SERVERS`.
    ///
    /// # Errors
    /// When one is not a number, or names no server.
    pub fn of_environment() -> Result<Self> {
        let settings = Self {
            small: variable("SMALL", 40)?,
            large: variable("LARGE", 15)?,
            connections: variable("CONNECTIONS", 10)?,
            memory_mib: variable("MEMORY", 1024)?,
            cpus: variable("CPUS", 1)?,
            settle: variable("SETTLE", 1800)?,
            servers: variable("SERVERS", "ours stock debian".to_owned())?
                .split_whitespace()
                .map(Server::named)
                .collect::<Result<_>>()?,
        };
        if settings.small == 0 || settings.large == 0 {
            bail!("EZMAIL_BENCH_SMALL and EZMAIL_BENCH_LARGE are at least 1");
        }
        // our firewall takes 50 from an address, and so does postfix
        if !(1..=40).contains(&settings.connections) {
            bail!("EZMAIL_BENCH_CONNECTIONS is from 1 to 40: they all come from one address");
        }
        Ok(settings)
    }
}

fn variable<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    name: &str,
    default: T,
) -> Result<T> {
    let name = format!("EZMAIL_BENCH_{name}");
    match env::var(&name) {
        Ok(text) => text
            .parse()
            .with_context(|| format!("{name} is \"{text}\"")),
        Err(_) => Ok(default),
    }
}
