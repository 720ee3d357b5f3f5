//! One running ssh(1), and a limit for the time that anything takes.

use std::{
    fmt,
    io::{self, Write},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use openssh_sftp_client::{Error, Sftp, SftpOptions};
use tempfile::NamedTempFile;
use tokio::{
    io::AsyncReadExt,
    process::{Child, ChildStderr, Command},
    runtime::{Builder, Handle},
    sync::{oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

use super::{
    command::Destination,
    trouble::{self, Failure},
};
use crate::util::files;

/// How long ssh may take until the server speaks SFTP.
const BEGINNING: Duration = Duration::from_secs(60);
/// How long ssh may take to say why it ended.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// How much of what ssh says is kept.
const SAID: usize = 8 << 10;

/// A running ssh, with a thread that moves the data.
pub struct Connection {
    /// What to ask, within [`Connection::run`].
    pub sftp: Sftp,
    errors: Errors,
    child: Child,
    runtime: Runtime,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    /// Logs in.
    ///
    /// # Errors
    /// When ssh is not there or the server cannot be talked to, in words that say what to do.
    pub fn open(to: &Destination) -> Result<Self> {
        if !to.key.is_file() {
            // ssh would only say that it is not let in
            bail!("there is no SSH key {} to log in with", to.key.display());
        }
        if let Some(folder) = to.known_hosts.parent() {
            // ssh does not mind if it cannot remember a key, and would take any other next time
            files::create_dir_all(folder)?;
        }
        let pinned = to.host_key.as_deref().map(pin).transpose()?;
        let command = to.command(pinned.as_ref().map(|file| file.path().to_owned()));
        let runtime = Runtime::start()?;
        let (mut child, sftp) = {
            let _inside = runtime.handle.enter();
            let mut command = Command::from(command);
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                // an interrupt is ours to handle: what is unfinished has to be removed first
                .process_group(0)
                .kill_on_drop(true);
            let mut child = command.spawn().map_err(|e| match e.kind() {
                io::ErrorKind::NotFound => anyhow::anyhow!("the program 'ssh' was not found"),
                _ => anyhow::Error::new(e).context("starting 'ssh'"),
            })?;
            let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
                bail!("ssh has no input or output");
            };
            (child, Sftp::new(input, output, SftpOptions::new()))
        };
        let errors = Errors::follow(&runtime.handle, child.stderr.take());
        let begun = runtime
            .handle
            .block_on(async { timeout(BEGINNING, sftp).await });
        match begun {
            Ok(Ok(sftp)) => Ok(Self {
                sftp,
                errors,
                child,
                runtime,
            }),
            Ok(Err(_)) => {
                let said = runtime.handle.block_on(errors.last());
                bail!(trouble::no_login(&said, to))
            }
            Err(_) => bail!(
                "the server did not begin to speak SFTP within {} s",
                BEGINNING.as_secs()
            ),
        }
    }

    /// Waits for `future`, no longer than `limit`.
    ///
    /// # Errors
    /// What the server refused, or that the connection is lost.
    pub fn run<T>(
        &self,
        limit: Duration,
        future: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Failure> {
        let done = self
            .runtime
            .handle
            .block_on(async { timeout(limit, future).await });
        match done {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Error::SftpError(kind, message))) => {
                Err(Failure::Refused(kind, message.get().0.to_owned()))
            }
            Ok(Err(error)) => {
                let said = self.runtime.handle.block_on(self.errors.last());
                Err(Failure::Lost(trouble::lost(&said, &error.to_string())))
            }
            Err(_) => Err(Failure::Lost(format!(
                "the server has not answered for {} s; is the line to it up, and its disk well?",
                limit.as_secs()
            ))),
        }
    }

    /// Begins `future`, which goes on while others are waited for.
    pub fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> JoinHandle<Result<T, Error>> {
        self.runtime.handle.spawn(future)
    }

    /// Whether ssh still runs.
    pub fn works(&self) -> bool {
        !*self.errors.ended.borrow()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let (runtime, child) = (&self.runtime, &mut self.child);
        // every answer that counts has come
        runtime
            .handle
            .block_on(async { timeout(LAST_WORDS, child.kill()).await.ok() });
    }
}

/// A file that says that `key` is the one of every host.
fn pin(key: &str) -> Result<NamedTempFile> {
    let what = "writing the host key down for ssh";
    let mut file = NamedTempFile::new().context(what)?;
    writeln!(file, "* {}", key.trim()).context(what)?;
    Ok(file)
}

/// What ssh says on its standard error.
struct Errors {
    said: Arc<Mutex<String>>,
    ended: watch::Receiver<bool>,
}

impl Errors {
    fn follow(runtime: &Handle, stderr: Option<ChildStderr>) -> Self {
        let said = Arc::new(Mutex::new(String::new()));
        let (end, ended) = watch::channel(false);
        let all = said.clone();
        runtime.spawn(async move {
            let mut buffer = [0; 1024];
            if let Some(mut stderr) = stderr {
                while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
                    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                    if all.len() < SAID {
                        *all += &String::from_utf8_lossy(&buffer[..count]);
                    }
                }
            }
            end.send_replace(true);
        });
        Self { said, ended }
    }

    /// All of it, once ssh has ended or [`LAST_WORDS`] are over.
    async fn last(&self) -> String {
        let mut ended = self.ended.clone();
        // either way, there may be something
        timeout(LAST_WORDS, ended.wait_for(|ended| *ended))
            .await
            .ok();
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.clone()
    }
}

/// A thread in which tasks run, until it is dropped.
struct Runtime {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Runtime {
    fn start() -> Result<Self> {
        let what = "starting a thread for ssh";
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .context(what)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("sftp".to_owned())
            .spawn(move || {
                // dropped or told, it is the end
                runtime.block_on(stopped).ok();
            })
            .context(what)?;
        Ok(Self {
            handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // it has nothing to say
            thread.join().ok();
        }
    }
}
