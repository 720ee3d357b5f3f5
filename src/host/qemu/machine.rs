//! The running machine: wait for its console, type, take its screen, shut it down.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::net::UnixStream,
    path::Path,
    process::{ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use regex::Regex;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    accel::{self, Choice},
    check::check,
    cmdline::arguments,
    config::{Config, Network},
    console::{Match, SerialLog},
    ending::{Ending, WaitError},
    launch::{Running, connect, prepare, read_tail},
    process::{bound_to_us, find_qemu, kill, spawn, wait_at_most},
    qmp::Qmp,
    watch::Watch,
};
use crate::util::{files, run::shown};

/// How often what the guest does is looked at.
const PERIOD: Duration = Duration::from_millis(20);

/// A machine in QEMU. Dropped, it is killed.
#[derive(Debug)]
pub struct Machine {
    // before the folder: a field is dropped after those above it
    child: Running,
    qmp: Qmp,
    ports: Vec<SerialLog>,
    typing: Option<UnixStream>,
    watch: Watch,
    resets: u32,
    ending: Option<Ending>,
    accel: Choice,
    command: String,
    errors: File,
    folder: TempDir,
}

impl Machine {
    /// Checks `config`, chooses KVM or TCG, and starts QEMU; serial logs begin empty.
    ///
    /// # Errors
    /// When the configuration cannot work, something is not installed, or QEMU refuses to
    /// start; the message has what QEMU said and its command line.
    pub fn start(config: &Config) -> Result<Self> {
        check(config)?;
        let qemu = find_qemu()?;
        let accel = accel::choose(config.accel)?;
        let folder = tempfile::Builder::new()
            .prefix("ezmail-qemu")
            .tempdir()
            .context("creating a temporary folder")?;
        let run_files = prepare(config, folder.path())?;
        let mut ports = vec![SerialLog::new(&config.serial_log)];
        ports.extend(config.channels.iter().map(|path| SerialLog::new(path)));
        for port in &ports {
            files::write(port.path(), "", 0o644)?;
        }
        let errors = tempfile::tempfile().context("creating a temporary file")?;
        let netns = match &config.network {
            Network::Tap { netns, .. } => netns.as_deref(),
            _ => None,
        };
        let mut command = bound_to_us(&qemu, netns);
        command
            .args(arguments(config, accel.kvm, &run_files)?)
            .stdin(Stdio::null())
            .stdout(errors.try_clone()?)
            .stderr(errors.try_clone()?);
        let line = shown(&command);
        let mut child = Running(spawn(command).context("starting QEMU")?);
        let qmp = connect(&run_files.qmp, &mut child.0, &errors)
            .with_context(|| format!("starting QEMU\n  command: {line}"))?;
        Ok(Self {
            qmp,
            child,
            ports,
            typing: None,
            watch: Watch::new(&config.fail_on),
            resets: 0,
            ending: None,
            accel,
            command: line,
            errors,
            folder,
        })
    }

    /// QEMU's process id.
    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// KVM or TCG, and why, in one line.
    pub fn accel(&self) -> &str {
        &self.accel.line
    }

    /// QEMU's command line, as a person would type it.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// The serial port `number` (0 is the console): its text so far, its file.
    ///
    /// # Panics
    /// When there is no such port: it was not in [`Config::channels`].
    pub fn port(&self, number: usize) -> &SerialLog {
        &self.ports[number]
    }

    /// How often the guest has reset itself.
    pub fn resets(&self) -> u32 {
        self.resets
    }

    /// Takes in what has happened; returns how the run ended, once it has.
    ///
    /// # Errors
    /// When a log or the control socket cannot be read.
    pub fn poll(&mut self) -> Result<Option<&Ending>> {
        if self.ending.is_some() {
            return Ok(self.ending.as_ref());
        }
        // in this order: once the end is known, all that the guest said before it is there
        let exited = self.child.0.try_wait().context("waiting for QEMU")?;
        let mut ending = None;
        loop {
            match self.qmp.poll_event() {
                Ok(Some(event)) => {
                    let reason = event.data["reason"].as_str().unwrap_or_default();
                    match (event.name.as_str(), reason) {
                        ("SHUTDOWN", "guest-reset") => ending = Some(Ending::Rebooted),
                        ("SHUTDOWN", "guest-shutdown") => ending = Some(Ending::PoweredOff),
                        ("SHUTDOWN", "guest-panic") => {
                            ending = Some(Ending::Failed("the guest reported a panic".into()));
                        }
                        ("RESET", _) if event.data["guest"] == true => self.resets += 1,
                        _ => {}
                    }
                }
                Ok(None) => break,
                Err(_) if exited.is_some() => break,
                Err(e) => return Err(e),
            }
        }
        for port in &mut self.ports {
            port.update()?;
        }
        if ending.is_none() {
            match exited {
                Some(status) => ending = Some(self.died(status)?),
                None if self.qmp.is_closed() => {
                    let status = kill(&mut self.child.0)?;
                    ending = Some(self.died(status)?);
                }
                None => {}
            }
        }
        // what the console showed comes before how the machine ended because of it
        if let Some(line) = self.watch.look(self.ports[0].text(), ending.is_some()) {
            ending = Some(Ending::Failed(line));
        }
        self.ending = ending;
        Ok(self.ending.as_ref())
    }

    fn died(&self, status: ExitStatus) -> Result<Ending> {
        let said = read_tail(&self.errors)?;
        let said = said.trim();
        Ok(Ending::Died(if said.is_empty() {
            status.to_string()
        } else {
            format!("{status}, saying: {said}")
        }))
    }

    /// Looks for `pattern` on the serial port `number`, behind the last match there and before
    /// any failure of the guest, without waiting.
    pub fn find(&mut self, number: usize, pattern: &Regex) -> Option<Match> {
        let end = match number {
            0 => self.watch.failed_at.unwrap_or(usize::MAX),
            _ => usize::MAX,
        };
        self.ports[number].find(pattern, end)
    }

    /// Waits until the console shows `pattern`, behind the last match.
    ///
    /// # Errors
    /// When `limit` passes, the run ends, or the guest fails first.
    pub fn wait_for(&mut self, pattern: &Regex, limit: Duration) -> Result<Match, WaitError> {
        self.wait_on(0, pattern, limit)
    }

    /// As [`Machine::wait_for`], on the serial port `number`.
    ///
    /// # Errors
    /// As [`Machine::wait_for`].
    pub fn wait_on(
        &mut self,
        number: usize,
        pattern: &Regex,
        limit: Duration,
    ) -> Result<Match, WaitError> {
        let what = format!("\"{pattern}\" on serial port {number}");
        self.wait(&what, limit, |machine| machine.find(number, pattern))
    }

    /// Waits until the run has ended by itself: power-off, failure, death of QEMU.
    ///
    /// # Errors
    /// When `limit` passes first.
    pub fn wait_for_end(&mut self, limit: Duration) -> Result<Ending, WaitError> {
        self.wait("the end of the run", limit, |machine| {
            machine.ending.clone()
        })
    }

    fn wait<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut done: impl FnMut(&mut Self) -> Option<T>,
    ) -> Result<T, WaitError> {
        let deadline = Instant::now() + limit;
        loop {
            self.poll()?;
            if let Some(value) = done(self) {
                return Ok(value);
            }
            let log = self.ports[0].path().display().to_string();
            let tail = self.ports[0].tail(15);
            if let Some(ending) = self.ending.clone() {
                return Err(WaitError::Ended {
                    what: what.to_owned(),
                    ending,
                    tail,
                    log,
                });
            }
            if Instant::now() >= deadline {
                return Err(WaitError::Timeout {
                    what: what.to_owned(),
                    seconds: limit.as_secs(),
                    hint: self.hint(),
                    tail,
                    log,
                });
            }
            thread::sleep(PERIOD);
        }
    }

    /// What may explain that nothing comes: `; ...`, or nothing.
    pub fn hint(&self) -> String {
        if self.resets > 0 {
            format!("; the guest has reset itself {} times", self.resets)
        } else if self.ports[0].text().is_empty() {
            "; the serial console is silent: does the kernel line have console=ttyS0, \
             and does the drive boot at all? A screenshot shows"
                .to_owned()
        } else {
            String::new()
        }
    }

    /// Types `text` on the serial console; a line ends with `\n`, as the Enter key sends it.
    ///
    /// # Errors
    /// When QEMU does not take it.
    pub fn type_text(&mut self, text: &str) -> Result<()> {
        if self.typing.is_none() {
            let stream = self.serial()?;
            let mut echo = stream.try_clone()?;
            // QEMU stops the guest's port when nobody reads what it sends here; it is in the log
            thread::spawn(move || std::io::copy(&mut echo, &mut std::io::sink()));
            self.typing = Some(stream);
        }
        if let Some(stream) = &mut self.typing {
            stream
                .write_all(text.replace('\n', "\r").as_bytes())
                .context("typing on the serial console")?;
        }
        Ok(())
    }

    /// The serial console as a stream, both ways: for one reader at a time, who must read, and
    /// not together with [`Machine::type_text`].
    ///
    /// # Errors
    /// When QEMU does not answer.
    pub fn serial(&self) -> Result<UnixStream> {
        UnixStream::connect(self.folder.path().join("serial"))
            .context("connecting to the serial console")
    }

    /// Saves the screen as a PNG file.
    ///
    /// # Errors
    /// When QEMU is gone or too old, or the file cannot be written.
    pub fn screenshot(&mut self, path: &Path) -> Result<()> {
        let shot = self.folder.path().join("screen.png");
        self.qmp("screendump", json!({"filename": shot, "format": "png"}))
            .context("taking a screenshot (this needs QEMU 7.1 or later, built with PNG)")?;
        let bytes = fs::read(&shot).context("reading the screenshot QEMU wrote")?;
        files::write_with_parents(path, bytes, 0o644)
    }

    /// Runs any control command with its arguments (an object), such as `snapshot-save`.
    ///
    /// # Errors
    /// When QEMU refuses it or is gone.
    pub fn qmp(&mut self, command: &str, arguments: Value) -> Result<Value> {
        self.qmp.execute(command, arguments)
    }

    /// Presses the power button, waits until the guest has powered off, and ends QEMU.
    ///
    /// # Errors
    /// When the guest does not power off within `limit`; the machine is killed then.
    pub fn shutdown(mut self, limit: Duration) -> Result<()> {
        self.qmp("system_powerdown", json!({}))?;
        match self.wait_for_end(limit) {
            Ok(Ending::PoweredOff) => self.quit(),
            Ok(other) => bail!("at shutdown {other}"),
            Err(e) => Err(e).context("the guest does not react to its power button"),
        }
    }

    /// Ends QEMU at once but in order: what the guest has written is in the disk files.
    ///
    /// # Errors
    /// When QEMU cannot be ended even by SIGKILL.
    pub fn quit(&mut self) -> Result<()> {
        if self
            .child
            .0
            .try_wait()
            .context("waiting for QEMU")?
            .is_none()
        {
            // the connection may close before the answer comes, and the wait decides anyway
            self.qmp.execute("quit", json!({})).ok();
            if wait_at_most(&mut self.child.0, Duration::from_secs(10))?.is_none() {
                kill(&mut self.child.0)?;
            }
        }
        Ok(())
    }

    /// Pulls the plug: SIGKILL, in the middle of whatever happens.
    ///
    /// # Errors
    /// When the process does not end.
    pub fn kill(mut self) -> Result<()> {
        kill(&mut self.child.0).map(drop)
    }
}
