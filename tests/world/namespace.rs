//! A network namespace without a name: it lives as long as its holder, a process that cannot
//! outlive the test, so nothing is left behind however the test ends.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use ezmail::{
    host::qemu::process::{bound_to_us, kill, spawn, wait_at_most},
    util::run::{Task, find_program, shown},
};

/// Finds a program, or says which is missing.
pub fn program(name: &str) -> Result<PathBuf> {
    find_program(name).with_context(|| format!("{name} was not found: run ci/setup"))
}

/// The namespace, which vanishes with this.
pub struct Namespace {
    holder: Child,
    path: PathBuf,
}

impl Namespace {
    /// A namespace with only a loopback device, which is down.
    pub fn new() -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            bail!("the test world needs root, for its network namespace and tap devices");
        }
        let mut command = bound_to_us(&program("unshare")?, None);
        // `cat` says by its answer that the namespace is there, and ends when our end is closed
        command.args(["--net", "--", "cat"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = spawn(command).context("starting the namespace's holder")?;
        let path = PathBuf::from(format!("/proc/{}/ns/net", holder.id()));
        let answer = || -> Result<String> {
            let stdin = holder.stdin.as_mut().context("the holder's input")?;
            stdin.write_all(b"there\n")?;
            let mut line = String::new();
            BufReader::new(holder.stdout.take().context("the holder's output")?)
                .read_line(&mut line)?;
            Ok(line)
        }();
        let namespace = Self { holder, path };
        match answer {
            Ok(line) if line == "there\n" => Ok(namespace),
            other => bail!("a network namespace could not be made ({other:?})"),
        }
    }

    /// The namespace as a path, for `nsenter` and QEMU.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The process that holds it.
    pub fn pid(&self) -> u32 {
        self.holder.id()
    }

    /// A command that runs `name` inside, and dies with us.
    pub fn command(&self, name: &str) -> Result<Command> {
        Ok(bound_to_us(&program(name)?, Some(&self.path)))
    }

    /// Runs a shell script inside and returns what it printed.
    pub fn shell(&self, what: &str, script: &str) -> Result<String> {
        let mut command = self.command("sh")?;
        command.args(["-euc", script]);
        Task::new(what, command).output()
    }

    /// Runs one of the Python scripts beside this file inside, with `input` as JSON, and returns
    /// its JSON. The system's own Python: a virtual one would not see the system's packages.
    pub fn python(
        &self,
        script: &str,
        input: &serde_json::Value,
        limit: Duration,
    ) -> Result<serde_json::Value> {
        let mut command = self.command("timeout")?;
        command.args(["-k", "5", &limit.as_secs().to_string()]);
        command.args(["/usr/bin/python3", "-I"]).arg(beside(script));
        let text = Task::new(format!("{script} ({input:.300})"), command)
            .input(input.to_string())
            .output()?;
        serde_json::from_str(&text).with_context(|| format!("{script} printed {text:?}"))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        kill(&mut self.holder).ok();
    }
}

/// A file of this folder.
pub fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/world")
        .join(name)
}

/// A program that runs in the background until this is dropped.
pub struct Service {
    child: Child,
    name: String,
    line: String,
    log: PathBuf,
}

impl Service {
    /// Starts `command`; what it prints goes to `log`.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let output = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        let errors = OpenOptions::new().append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let line = shown(&command);
        Ok(Self {
            child: spawn(command).with_context(|| format!("starting {name}"))?,
            name: name.to_owned(),
            line,
            log: log.to_owned(),
        })
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ready` says so; an end of the service is an error.
    pub fn wait_until(&mut self, limit: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
        let deadline = std::time::Instant::now() + limit;
        loop {
            let ended = wait_at_most(&mut self.child, Duration::from_millis(50))?;
            if ended.is_none() && ready() {
                return Ok(());
            }
            let how = match ended {
                Some(status) => format!("ended with {status}"),
                None if std::time::Instant::now() > deadline => {
                    format!("is not ready after {} s", limit.as_secs())
                }
                None => continue,
            };
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(15).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            bail!(
                "{} {how}\n  command: {}\n{}",
                self.name,
                self.line,
                tail.join("\n")
            );
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        kill(&mut self.child).ok();
    }
}
