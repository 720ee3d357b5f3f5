//! Hands messages in (`load.py`) and waits until all are where they are to be.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};
use ezmail::util::run::Task;
use serde::Deserialize;
use serde_json::json;

use crate::{
    messages::Batch,
    world::{
        World,
        addresses::{Family, SENDER, appliance, client, client_name},
        appliance::ALICE,
    },
};

/// How long a batch may take to be handed in.
const SENDING: Duration = Duration::from_secs(3600);
/// How long the last of it may take from there on.
const ARRIVAL: Duration = Duration::from_secs(900);
/// Our smtpd takes a hundred on a connection.
const PER_CONNECTION: usize = 90;

/// Which way mail goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the one client that the outside's SPF record names, to the user's INBOX.
    In,
    /// From the user, logged in at port 465, to the outside's MX.
    Out,
}

impl Way {
    /// As in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// How it went.
#[derive(Debug, Clone)]
pub struct Sent {
    /// From the first MAIL FROM until the last message was there.
    pub seconds: f64,
    /// Seconds from MAIL FROM to its 250, of each.
    pub took: Vec<f64>,
}

/// What `load.py` prints.
#[derive(Debug, Deserialize)]
struct Report {
    began: f64,
    took: Vec<f64>,
    arrived: Option<f64>,
}

/// Sends all of `batch` over so many connections; answers temporary refusals by trying again for
/// `patience`. Returns when the last message is in the mailbox, or at the MX.
///
/// # Errors
/// When a message is refused, or does not arrive.
pub fn send(
    world: &World,
    way: Way,
    batch: &Batch,
    connections: usize,
    patience: Duration,
) -> Result<Sent> {
    let before = at_mx(world)?.0;
    let order = json!({
        "source": client(SENDER, Family::V4),
        "host": appliance(Family::V4),
        "port": if way == Way::In { 25 } else { 465 },
        "implicit": way == Way::Out,
        "login": (way == Way::Out).then_some(ALICE),
        "name": client_name(SENDER),
        "connections": connections,
        "per_connection": PER_CONNECTION,
        "patience": patience.as_secs(),
        "messages": batch.json(),
        "inbox": (way == Way::In).then_some(ALICE),
        "limit": ARRIVAL.as_secs(),
    });
    let mut command = world.namespace().command("timeout")?;
    command.args(["-k", "5", &SENDING.as_secs().to_string()]);
    command.args(["/usr/bin/python3", "-I"]);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench_mail/load.py"));
    let text = Task::new(
        format!("sending {} messages {}", batch.len(), way.name()),
        command,
    )
    .input(order.to_string())
    .output()?;
    let report: Report = serde_json::from_str(&text).context("reading what load.py has found")?;
    let arrived = match report.arrived {
        Some(time) => time,
        None => wait_at_mx(world, before + batch.len())?,
    };
    Ok(Sent {
        seconds: arrived - report.began,
        took: report.took,
    })
}

/// Waits until the MX has so many messages, and returns when it had the last.
fn wait_at_mx(world: &World, wanted: usize) -> Result<f64> {
    let deadline = Instant::now() + ARRIVAL;
    loop {
        let (count, last) = at_mx(world)?;
        if count >= wanted {
            return Ok(last);
        }
        if Instant::now() > deadline {
            bail!("{wanted} messages should be at the MX: {count} are");
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// How many messages the MX has, and when it stored the last, in seconds since 1970. Its files are
/// not opened: that would take time from what is measured.
fn at_mx(world: &World) -> Result<(usize, f64)> {
    let (mut count, mut last) = (0, 0.0_f64);
    for entry in
        fs::read_dir(world.folder().join("mx/messages")).context("reading the MX's folder")?
    {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "json") {
            let time = path.metadata()?.modified()?.duration_since(UNIX_EPOCH)?;
            (count, last) = (count + 1, last.max(time.as_secs_f64()));
        }
    }
    Ok((count, last))
}
