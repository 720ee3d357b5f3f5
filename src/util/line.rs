//! A service of this machine is asked over its socket: one line of JSON there, one back.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result};
use serde::{Serialize, de::DeserializeOwned};

/// The longest answer.
const LONGEST: u64 = 16 << 20;

/// Asks `service` at `socket`, and waits at most `patience` for each step.
///
/// # Errors
/// When nobody is there, does not answer in time, or not as it should.
pub fn ask<T: DeserializeOwned>(
    service: &str,
    socket: &Path,
    request: &impl Serialize,
    patience: Duration,
) -> Result<T> {
    let exchange = || -> Result<T> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        stream.write_all(&line)?;
        let mut answer = String::new();
        BufReader::new(stream.take(LONGEST)).read_line(&mut answer)?;
        serde_json::from_str(&answer).context("its answer is not as expected")
    };
    exchange().with_context(|| format!("asking {service} at {}", socket.display()))
}
