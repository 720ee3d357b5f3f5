//! The world's authority for certificates: pebble, which looks up names at its own DNS test server, and a
//! door before it whose certificate an authority of our own has signed.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use ezmail::util::{files, run::Task};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::{
    addresses::{Family, appliance, authority_of_certificates},
    namespace::{Namespace, Service, beside},
};

/// The authority's name in the DNS.
pub const NAME: &str = "acme.example.com";
/// Where pebble and its DNS test server listen, on loopback.
const PEBBLE: &str = "127.0.0.1:14000";
const PEBBLE_MANAGEMENT: &str = "127.0.0.1:15000";
const NAMES: &str = "127.0.0.1:8053";
const NAMES_MANAGEMENT: &str = "127.0.0.1:8055";
/// How long its certificates are valid, in seconds.
pub const VALIDITY: i64 = 30 * 86_400;

/// The running authority.
pub struct Acme<'a> {
    namespace: &'a Namespace,
    folder: PathBuf,
    trust: String,
    front: Option<Service>,
    _pebble: Service,
    _names: Service,
}

impl<'a> Acme<'a> {
    /// Starts all of it; files and logs go to `folder`.
    pub fn start(namespace: &'a Namespace, folder: &Path) -> Result<Self> {
        files::create_dir_all(folder)?;
        let trust = door(folder, "door")?;
        // another one that nobody was told of
        door(folder, "stranger")?;
        let mood = folder.join("mood");
        files::write(&mood, "pass\n", 0o644)?;

        let mut command = namespace.command("pebble-challtestsrv")?;
        command.args(["-dns01", NAMES, "-management", NAMES_MANAGEMENT]);
        command.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]);
        for (option, family) in [("-defaultIPv4", Family::V4), ("-defaultIPv6", Family::V6)] {
            command.arg(option).arg(appliance(family).to_string());
        }
        let names = Service::start("pebble-challtestsrv", command, &folder.join("names.log"))?;

        let config = folder.join("pebble.json");
        let settings = serde_json::json!({ "pebble": {
            "listenAddress": PEBBLE,
            "managementListenAddress": PEBBLE_MANAGEMENT,
            "certificate": folder.join("door.pem"),
            "privateKey": folder.join("door.key"),
            "httpPort": 80,
            "tlsPort": 443,
            "certificateValidityPeriod": VALIDITY,
        }});
        files::write(&config, settings.to_string(), 0o644)?;
        let mut command = namespace.command("env")?;
        // looks at once, takes every nonce that it gave, and believes for a while what it has verified
        command.args([
            "PEBBLE_VA_NOSLEEP=1",
            "PEBBLE_WFE_NONCEREJECT=0",
            "PEBBLE_AUTHZREUSE=100",
        ]);
        command.arg(super::namespace::program("pebble")?);
        command
            .arg("-config")
            .arg(&config)
            .args(["-dnsserver", NAMES]);
        let mut pebble = Service::start("pebble", command, &folder.join("pebble.log"))?;
        let path = format!("https://{PEBBLE_MANAGEMENT}/roots/0");
        pebble.wait_until(Duration::from_secs(60), || {
            curl(namespace, &[&path]).is_ok()
        })?;
        let mut acme = Self {
            namespace,
            folder: folder.to_owned(),
            trust,
            front: None,
            _pebble: pebble,
            _names: names,
        };
        acme.open()?;
        Ok(acme)
    }

    /// What the answers say of it.
    pub fn answers(&self) -> String {
        format!(
            "\n[acme]\ndirectory = \"https://{NAME}/dir\"\nca = \"\"\"\n{}\"\"\"\n",
            self.trust
        )
    }

    /// The certificate by which those that it issues are verified, PEM, in a file.
    pub fn root(&self) -> Result<PathBuf> {
        let path = self.folder.join("root.pem");
        let url = format!("https://{PEBBLE_MANAGEMENT}/roots/0");
        files::write(&path, curl(self.namespace, &[&url])?, 0o644)?;
        Ok(path)
    }

    /// Takes connections, as it did before [`Self::close`].
    pub fn open(&mut self) -> Result<()> {
        self.open_as("door")
    }

    /// Takes connections, with a certificate that nobody has reason to trust.
    pub fn open_as_a_stranger(&mut self) -> Result<()> {
        self.open_as("stranger")
    }

    fn open_as(&mut self, who: &str) -> Result<()> {
        // the one before has to give the port back first
        self.front = None;
        let mut command = self.namespace.command("/usr/bin/python3")?;
        command.arg("-I").arg(beside("acme_front.py"));
        let address = authority_of_certificates(Family::V4).to_string();
        command.args([&address, "443"]);
        command.arg(self.folder.join(format!("{who}.pem")));
        command.arg(self.folder.join(format!("{who}.key")));
        command.arg(PEBBLE).arg(self.folder.join("mood"));
        let mut front = Service::start("acme_front.py", command, &self.folder.join("front.log"))?;
        let url = format!("https://{address}/dir");
        let namespace = self.namespace;
        front.wait_until(Duration::from_secs(60), || curl(namespace, &[&url]).is_ok())?;
        self.front = Some(front);
        Ok(())
    }

    /// Refuses connections.
    pub fn close(&mut self) {
        self.front = None;
    }

    /// Refuses new orders as asked for too often, in these words; or takes them again.
    pub fn limit(&self, words: Option<&str>) -> Result<()> {
        let mood = words.map_or("pass\n".to_owned(), |words| format!("limit {words}\n"));
        files::write(&self.folder.join("mood"), mood, 0o644)
    }

    /// Whether the authority finds the addresses of a name.
    pub fn finds(&self, name: &str, found: bool) -> Result<()> {
        let verb = if found {
            "clear-servfail"
        } else {
            "set-servfail"
        };
        let body = serde_json::json!({ "host": name }).to_string();
        let url = format!("http://{NAMES_MANAGEMENT}/{verb}");
        curl(self.namespace, &["--data", &body, &url]).map(drop)
    }

    /// The requests that came to the door since it was opened last.
    pub fn asked(&self) -> Result<Vec<String>> {
        let text = files::read_to_string(&self.folder.join("front.log"))?;
        Ok(text.lines().map(str::to_owned).collect())
    }
}

fn curl(namespace: &Namespace, words: &[&str]) -> Result<String> {
    let mut command = namespace.command("curl")?;
    command.args([
        "--silent",
        "--show-error",
        "--fail",
        "--insecure",
        "--max-time",
        "20",
    ]);
    command.args(words);
    Task::new("asking the authority", command).output()
}

/// A certificate for [`NAME`] and loopback with its key, in files, and the one it is signed by.
fn door(folder: &Path, who: &str) -> Result<String> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, format!("The {who}'s authority"));
    let authority = params.self_signed(&key)?.pem();
    let issuer = Issuer::new(params, key);

    let key = KeyPair::generate()?;
    let names = [NAME.to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names)?.signed_by(&key, &issuer)?;
    files::write(&folder.join(format!("{who}.pem")), certificate.pem(), 0o644)?;
    files::write(
        &folder.join(format!("{who}.key")),
        key.serialize_pem(),
        0o600,
    )?;
    Ok(authority)
}
