//! A web server, `web.py`, on loopback or in a namespace, which ends with this.

use std::{
    io::{BufRead, BufReader},
    net::IpAddr,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use anyhow::{Context, Result};
use ezmail::host::qemu::process::{bound_to_us, kill, spawn};

/// The running server.
pub struct Web {
    child: Child,
    address: IpAddr,
    port: u16,
    secure: bool,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Web {
    /// Serves `folder` on a port of its own choice; over TLS with a certificate and its key.
    pub fn start(
        netns: Option<&Path>,
        folder: &Path,
        address: IpAddr,
        tls: Option<[PathBuf; 2]>,
    ) -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/world/web.py");
        // the system's own Python, as for the other scripts
        let mut command = bound_to_us(Path::new("/usr/bin/python3"), netns);
        command.arg("-I").arg(script).arg(folder);
        command.args([address.to_string(), "0".to_owned()]);
        command.args(tls.iter().flatten());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = spawn(command).context("starting web.py")?;
        let mut lines = BufReader::new(child.stdout.take().context("its output")?).lines();
        let first = lines.next().context("web.py ended at once")?;
        let port = first
            .ok()
            .and_then(|line| line.strip_prefix("listening ")?.parse().ok());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let writer = asked.clone();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut asked = writer.lock().unwrap_or_else(PoisonError::into_inner);
                asked.push(line);
            }
        });
        // from here on it ends with us
        let mut web = Self {
            child,
            address,
            port: 0,
            secure: tls.is_some(),
            asked,
        };
        web.port = port.context("web.py does not say its port")?;
        Ok(web)
    }

    /// Where `path` is, by the server's address or by another name for it.
    pub fn url(&self, host: Option<&str>, path: &str) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        let address = self.address.to_string();
        format!(
            "{scheme}://{}:{}/{path}",
            host.unwrap_or(&address),
            self.port
        )
    }

    /// The paths of all requests until now.
    pub fn asked(&self) -> Vec<String> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        kill(&mut self.child).ok();
    }
}
