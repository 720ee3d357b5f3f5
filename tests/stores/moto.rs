//! An S3 service on loopback, `s3.py`, with a certificate of its own.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::OnceLock,
    time::Duration,
};

use ezmail::{
    backup::store::{Access, S3},
    host::qemu::process::{bound_to_us, kill, spawn},
    util::secret::Secret,
};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tempfile::TempDir;

/// The access key that it knows.
pub const KEY: &str = "AKIATEST";
/// The secret that belongs to it.
pub const SECRET: &str = "hunter2-secret/+key";

/// The running service, which ends with this.
pub struct Moto {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Moto {
    /// One for all tests, each of which has a folder in it for itself.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Moto> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Starts it, with empty buckets.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2049, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(path("cert.pem"), certificate.pem()).unwrap();
        fs::write(path("key.pem"), key.serialize_pem()).unwrap();
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = project.join("target/moto/bin/python");
        assert!(python.exists(), "{}: ci/setup makes it", python.display());
        let mut command = bound_to_us(&python, None);
        command.arg("-I").arg(project.join("tests/stores/s3.py"));
        command.args([path("cert.pem"), path("key.pem")]);
        command.arg(KEY).env("SECRET_KEY", SECRET);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = spawn(command).unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let port = line
            .trim()
            .strip_prefix("listening ")
            .and_then(|port| port.parse().ok());
        // from here on it ends with us
        let mut moto = Self {
            child,
            port: 0,
            folder,
        };
        moto.port = port.expect("s3.py does not say its port");
        moto
    }

    /// What it takes to be let in.
    pub fn access(&self) -> Access {
        Access {
            secret_key: Some(Secret::new(SECRET)),
            ca_file: Some(self.ca_file()),
            ..Access::default()
        }
    }

    fn ca_file(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// Where `path` is.
    pub fn location(&self, path: &str) -> String {
        format!("s3://{KEY}@127.0.0.1:{}/{path}", self.port)
    }

    /// The store at `path`, reached by `access`; patient for a moment.
    pub fn store(&self, path: &str, access: &Access) -> S3 {
        let location = self.location(path).parse().unwrap();
        let store = S3::new(&location, access).unwrap();
        store.patience(3, Duration::from_millis(20))
    }

    /// Kills it.
    pub fn kill(&mut self) {
        kill(&mut self.child).unwrap();
    }

    /// An error text without what differs from run to run.
    pub fn plain(&self, text: &str) -> String {
        let text = text.replace(&self.port.to_string(), "PORT");
        // curl's own words differ from one version to the next
        regex::Regex::new(r" \((?:curl|[A-Z][a-z]+ )[^)]*\)")
            .unwrap()
            .replace_all(&text, " (...)")
            .into_owned()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        kill(&mut self.child).ok();
    }
}
