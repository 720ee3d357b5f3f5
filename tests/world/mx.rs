//! The outside's MX, `mx.py`: what it has received, and what it is to answer.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use ezmail::util::{files, run::Task};
use serde::{Deserialize, Deserializer, de::Error};

use super::{
    addresses::{FAMILIES, MX_NAME, mx},
    namespace::{Namespace, Service, beside, program},
};

/// The running MX.
pub struct Mx {
    folder: PathBuf,
    service: Service,
}

/// A message that the MX has accepted.
#[derive(Debug, Clone, Deserialize)]
pub struct Message {
    /// Who brought it.
    pub peer: IpAddr,
    /// By which name.
    pub helo: String,
    /// The TLS version, if it came encrypted.
    pub tls: Option<String>,
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// The message.
    #[serde(deserialize_with = "from_base64")]
    pub raw: Vec<u8>,
    /// What the client has said since the message before this one, byte for byte; nothing if that
    /// is more than 200,000 bytes.
    #[serde(deserialize_with = "from_base64")]
    pub wire: Vec<u8>,
}

/// One answer of the MX to RCPT or DATA.
#[derive(Debug, Clone, Deserialize)]
pub struct Attempt {
    /// `rcpt` or `data`.
    pub stage: String,
    /// The envelope's sender.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
    /// What was answered.
    pub answer: String,
}

pub(super) fn from_base64<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<u8>, D::Error> {
    STANDARD
        .decode(String::deserialize(input)?)
        .map_err(D::Error::custom)
}

impl Mx {
    /// Starts it on port 25 of its two addresses, with STARTTLS.
    pub fn start(namespace: &Namespace, folder: &Path) -> Result<Self> {
        files::create_dir_all(folder)?;
        let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        let mut command = std::process::Command::new(program("openssl")?);
        command.args(
            "req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 30".split(' '),
        );
        command.args(["-subj", &format!("/CN={MX_NAME}")]);
        command.args(["-addext", &format!("subjectAltName=DNS:{MX_NAME}")]);
        command.arg("-out").arg(&certificate);
        command.arg("-keyout").arg(&key);
        Task::new("making the MX's certificate", command).run()?;
        let addresses = FAMILIES.map(mx);
        Self::start_as(
            namespace,
            folder,
            MX_NAME,
            &addresses,
            Some([certificate, key]),
        )
    }

    /// Starts one of another name and other addresses, with a certificate and its key, or without
    /// STARTTLS.
    pub fn start_as(
        namespace: &Namespace,
        folder: &Path,
        name: &str,
        addresses: &[IpAddr],
        tls: Option<[PathBuf; 2]>,
    ) -> Result<Self> {
        files::create_dir_all(folder)?;
        let mut command = namespace.command("/usr/bin/python3")?;
        command.arg("-I").arg(beside("mx.py")).arg(folder).arg(name);
        command.args(tls.unwrap_or_else(|| ["-".into(), "-".into()]));
        command.args(addresses.iter().map(IpAddr::to_string));
        let log = folder.join("log");
        let mut service = Service::start("mx.py", command, &log)?;
        service.wait_until(Duration::from_secs(60), || {
            fs::read_to_string(&log).is_ok_and(|text| text.starts_with("listening"))
        })?;
        Ok(Self {
            folder: folder.to_owned(),
            service,
        })
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.service.pid()
    }

    /// Everything received, in order.
    pub fn messages(&self) -> Result<Vec<Message>> {
        let folder = self.folder.join("messages");
        let mut paths = Vec::new();
        for entry in fs::read_dir(&folder).context("reading the MX's folder")? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "json") {
                paths.push(path);
            }
        }
        paths.sort();
        paths
            .iter()
            .map(|path| {
                serde_json::from_str(&files::read_to_string(path)?)
                    .with_context(|| format!("reading {}", path.display()))
            })
            .collect()
    }

    /// Waits for the message in which `text` stands, such as in its subject.
    pub fn wait_for(&self, text: &str, limit: Duration) -> Result<Message> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(message) = self.messages()?.into_iter().find(|m| m.contains(text)) {
                return Ok(message);
            }
            if Instant::now() > deadline {
                let attempts = self.attempts()?;
                bail!(
                    "the MX has not received \"{text}\" within {} s; its answers so far: {attempts:?}",
                    limit.as_secs()
                );
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Whether a message in which `text` stands is here.
    pub fn has(&self, text: &str) -> Result<bool> {
        Ok(self.messages()?.iter().any(|m| m.contains(text)))
    }

    /// Everything answered to RCPT and DATA, in order.
    pub fn attempts(&self) -> Result<Vec<Attempt>> {
        let path = self.folder.join("attempts");
        if !path.exists() {
            return Ok(Vec::new());
        }
        files::read_to_string(&path)?
            .lines()
            .map(|line| serde_json::from_str(line).context("reading the MX's attempts"))
            .collect()
    }

    /// From now on every message is answered with `text`, such as `451 4.3.0 later`, until what
    /// this returns is dropped. `stage` is `rcpt` or `data`.
    pub fn respond(&self, stage: &str, text: &str) -> Result<Responding> {
        let path = self.folder.join("respond");
        let order = serde_json::json!({ stage: text });
        files::write(&path, order.to_string(), 0o644)?;
        Ok(Responding(path))
    }
}

/// While this lives, the MX refuses.
pub struct Responding(PathBuf);

impl Drop for Responding {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

impl Message {
    /// Whether `text` stands in the message as it came.
    pub fn contains(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.raw).contains(text)
    }
}
