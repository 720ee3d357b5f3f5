//! A shell inside an unmodified image, on a serial port of its own.
//!
//! Brought there by systemd credentials, as [`ezmail::host::qemu::Probe`] is, but it takes
//! commands for as long as the machine runs.

use std::{
    io::{BufRead, BufReader, ErrorKind, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use ezmail::host::qemu::{Config, Credential};

const UNIT: &str = "ezmail-shell.service";
const SCRIPT: &str = "ezmail-shell.script";

/// The other end of the shell.
pub struct Shell {
    stream: BufReader<UnixStream>,
    number: u64,
}

/// What a script did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its exit status; 124 if it took too long.
    pub status: i32,
    /// What it printed, to standard output and standard error together.
    pub output: String,
}

/// Gives `config` a further serial port, reached through `socket`, and the shell on it.
pub fn attach(config: &mut Config, socket: &Path) {
    let port = 1 + config.channels.len();
    let unit = format!(
        "[Unit]\nDescription=Shell of a test\n\n\
         [Service]\nLoadCredential={SCRIPT}\nStandardInput=null\nExecStart=/bin/sh %d/{SCRIPT}\n"
    );
    config.credentials.extend([
        Credential::new(format!("systemd.extra-unit.{UNIT}"), unit),
        Credential::new(
            "systemd.unit-dropin.multi-user.target",
            format!("[Unit]\nWants={UNIT}\n"),
        ),
        Credential::new(SCRIPT, guest_script(&format!("/dev/ttyS{port}"))),
    ]);
    let path = socket.display();
    config.extra_args.extend([
        "-chardev".into(),
        format!("socket,id=shell,path={path},server=on,wait=off").into(),
        "-serial".into(),
        "chardev:shell".into(),
    ]);
}

/// What runs in the guest. An order is one line: number, limit in seconds, script; everything is
/// in base64, so that the terminal sees nothing but letters.
pub fn guest_script(tty: &str) -> String {
    format!(
        "stty raw -echo <{tty}\n\
         exec <{tty} >{tty} 2>&1\n\
         folder=$(mktemp -d) && cd \"$folder\" || exit 1\n\
         echo; echo '@ready'\n\
         while read -r number limit script; do\n\
         printf %s \"$script\" | base64 -d >in\n\
         timeout -k 5 \"$limit\" sh in >out 2>&1 </dev/null\n\
         status=$?\n\
         echo \"@begin $number\"; base64 out; echo \"@end $number $status\"\n\
         done\n"
    )
}

impl Shell {
    /// Connects to the machine's socket, right after its start: what the guest says before
    /// anybody listens is lost.
    pub fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).context("connecting to the guest's shell")?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        Ok(Self {
            stream: BufReader::new(stream),
            number: 0,
        })
    }

    /// Waits until the shell is there.
    pub fn wait(&mut self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while self
            .line(deadline)
            .context("waiting for the guest's shell")?
            != "@ready"
        {}
        Ok(())
    }

    /// Drops what has been said so far, of a boot that is over.
    pub fn forget(&mut self) -> Result<()> {
        loop {
            let said = match self.stream.fill_buf() {
                Ok([]) => bail!("the machine has gone"),
                Ok(bytes) => bytes.len(),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Ok(());
                }
                Err(e) => return Err(e).context("reading from the guest's shell"),
            };
            self.stream.consume(said);
        }
    }

    /// Runs a script for `/bin/sh`, as root, for at most `limit`.
    pub fn run(&mut self, script: &str, limit: Duration) -> Result<Ran> {
        self.number += 1;
        let order = format!(
            "{} {} {}\n",
            self.number,
            limit.as_secs(),
            STANDARD.encode(script)
        );
        self.stream.get_mut().write_all(order.as_bytes())?;
        // the guest's own limit comes first, unless its shell is gone
        let deadline = Instant::now() + limit + Duration::from_secs(60);
        let begin = format!("@begin {}", self.number);
        let end = format!("@end {} ", self.number);
        let wait = |shell: &mut Self| {
            shell
                .line(deadline)
                .with_context(|| format!("running in the guest: {script}"))
        };
        while wait(self)? != begin {}
        let mut output = String::new();
        loop {
            let line = wait(self)?;
            if let Some(status) = line.strip_prefix(&end) {
                let output = STANDARD.decode(output).context("the output of a script")?;
                return Ok(Ran {
                    status: status.parse().context("the exit status of a script")?,
                    output: String::from_utf8_lossy(&output).into_owned(),
                });
            }
            output.push_str(&line);
        }
    }

    fn line(&mut self, deadline: Instant) -> Result<String> {
        let mut bytes = Vec::new();
        loop {
            match self.stream.read_until(b'\n', &mut bytes) {
                Ok(_) if bytes.ends_with(b"\n") => {
                    let line = String::from_utf8_lossy(&bytes);
                    return Ok(line.trim_end().to_owned());
                }
                Ok(_) => bail!("the machine has gone"),
                // what came of a line so far stays in `bytes`
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if Instant::now() > deadline {
                        bail!("no answer in time");
                    }
                }
                Err(e) => return Err(e).context("reading from the guest's shell"),
            }
        }
    }
}
