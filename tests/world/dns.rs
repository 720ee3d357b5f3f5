//! The servers of the DNS: knotd, authoritative for everything and signing it, and unbound, which
//! resolves from our root and validates.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use ezmail::util::{files, run::Task};

use super::{
    addresses::{FAMILIES, Family, authority, resolver},
    namespace::{Namespace, Service, program},
    zones::{BOGUS, ZONES, Zones, base, push, split},
};

/// The running servers.
pub struct Dns {
    folder: PathBuf,
    zones: Zones,
    anchor: String,
    // the resolver ends first
    _resolver: Service,
    _authority: Service,
}

impl Dns {
    /// Makes keys, signs everything and starts both servers; `dkim` is the outside's DKIM record.
    pub fn start(namespace: &Namespace, folder: &Path, dkim: &str) -> Result<Self> {
        for part in ["zones", "keys", "run"] {
            files::create_dir_all(&folder.join(part))?;
        }
        let mut zones = base(dkim)?;
        let config = folder.join("knot.conf");
        files::write(&config, knot_config(folder), 0o644)?;
        for (zone, parent) in ZONES {
            let ds = new_key(&config, zone)?;
            let ds = if zone == BOGUS { broken(&ds)? } else { ds };
            push(&mut zones, parent, &ds);
        }
        let anchor = new_key(&config, ".")?;
        for (zone, text) in &zones {
            files::write(&zone_file(folder, zone), text, 0o644)?;
        }
        let mut command = namespace.command("knotd")?;
        command.arg("--config").arg(&config);
        let mut authority = Service::start("knotd", command, &folder.join("knotd.log"))?;
        let limit = Duration::from_secs(60);
        authority.wait_until(limit, || {
            ZONES
                .iter()
                .all(|(zone, _)| query(namespace, super::addresses::authority(Family::V6), zone))
        })?;

        let config = folder.join("unbound.conf");
        files::write(&config, unbound_config(folder)?, 0o644)?;
        files::write(&folder.join("anchor"), format!("{anchor}\n"), 0o644)?;
        let mut command = namespace.command("unbound")?;
        command.arg("-d").arg("-c").arg(&config);
        let mut service = Service::start("unbound", command, &folder.join("unbound.log"))?;
        service.wait_until(limit, || {
            FAMILIES
                .iter()
                .all(|family| query(namespace, resolver(*family), "example.org."))
        })?;
        Ok(Self {
            folder: folder.to_owned(),
            zones,
            anchor,
            _resolver: service,
            _authority: authority,
        })
    }

    /// The DS record of the root's key.
    pub fn anchor(&self) -> &str {
        &self.anchor
    }

    /// The processes.
    pub fn pids(&self) -> [u32; 2] {
        [self._resolver.pid(), self._authority.pid()]
    }

    /// Puts zone lines into the DNS, beside what always stands there and instead of what was
    /// published before in the same zones.
    pub fn publish(&self, namespace: &Namespace, records: &str) -> Result<()> {
        for (zone, more) in split(records)? {
            let base = self.zones.get(zone).map(String::as_str).unwrap_or_default();
            files::write(
                &zone_file(&self.folder, zone),
                format!("{base}{more}"),
                0o644,
            )?;
            let mut command = namespace.command("knotc")?;
            command.arg("--config").arg(self.folder.join("knot.conf"));
            command.args(["--blocking", "zone-reload", zone]);
            Task::new(format!("publishing {zone}"), command).run()?;
        }
        Ok(())
    }
}

/// Whether a server knows the SOA record of `zone`.
fn query(namespace: &Namespace, server: std::net::IpAddr, zone: &str) -> bool {
    dig(namespace, server, &[zone, "SOA", "+retry=0", "+time=2"])
        .is_ok_and(|text| text.contains("status: NOERROR") && text.contains("ANSWER: 1;"))
}

/// Asks `server` with kdig and returns what it prints.
pub fn dig(namespace: &Namespace, server: std::net::IpAddr, words: &[&str]) -> Result<String> {
    let mut command = namespace.command("kdig")?;
    command.arg(format!("@{server}")).args(words);
    Task::new("asking the DNS", command).output()
}

/// Creates the one key of a zone and returns its DS record (SHA-256).
fn new_key(config: &Path, zone: &str) -> Result<String> {
    let keymgr = |words: &[&str]| -> Result<String> {
        let mut command = Command::new(program("keymgr")?);
        command.arg("--config").arg(config).arg(zone).args(words);
        Task::new(format!("making the key of {zone}"), command).output()
    };
    keymgr(&[
        "generate",
        "ksk=yes",
        "zsk=yes",
        "algorithm=ecdsap256sha256",
    ])?;
    let text = keymgr(&["ds"])?;
    let line = text
        .lines()
        .find(|line| line.split_whitespace().nth(4) == Some("2"))
        .with_context(|| format!("keymgr prints no SHA-256 DS record of {zone}: {text}"))?;
    Ok(line.replacen(" DS ", " IN DS ", 1))
}

/// The same DS record with another digest.
fn broken(ds: &str) -> Result<String> {
    let Some((front, digest)) = ds.rsplit_once(' ') else {
        bail!("no DS record: {ds}");
    };
    let digest: String = digest.chars().rev().collect();
    Ok(format!("{front} {digest}"))
}

fn zone_file(folder: &Path, zone: &str) -> PathBuf {
    let name = match zone.trim_end_matches('.') {
        "" => "root",
        name => name,
    };
    folder.join("zones").join(name)
}

fn knot_config(folder: &Path) -> String {
    let listen: Vec<String> = FAMILIES
        .iter()
        .map(|family| format!("{}@53", authority(*family)))
        .collect();
    let run = folder.join("run");
    let mut text = format!(
        "server:
  rundir: \"{run}\"
  listen: [ {listen} ]
  udp-workers: 1
  tcp-workers: 2
  background-workers: 1
control:
  listen: \"{run}/knot.sock\"
log:
  - target: stderr
    any: info
database:
  storage: \"{keys}\"
policy:
  - id: world
    manual: on
    single-type-signing: on
    algorithm: ecdsap256sha256
template:
  - id: default
    zonefile-sync: -1
    zonefile-load: difference-no-serial
    journal-content: all
    dnssec-signing: on
    dnssec-policy: world
    serial-policy: unixtime
zone:
",
        run = run.display(),
        listen = listen.join(", "),
        keys = folder.join("keys").display(),
    );
    for zone in ZONES.iter().map(|(name, _)| *name).chain(["."]) {
        let file = zone_file(folder, zone);
        text.push_str(&format!(
            "  - domain: {zone}\n    file: \"{}\"\n",
            file.display()
        ));
    }
    text
}

fn unbound_config(folder: &Path) -> Result<String> {
    let mut hints = String::from(". 3600 IN NS ns.com.\n");
    let mut listen = String::new();
    for family in FAMILIES {
        let address = authority(family);
        hints.push_str(&format!(
            "ns.com. 3600 IN {} {address}\n",
            super::addresses::record_type(address)
        ));
        listen.push_str(&format!("  interface: {}\n", resolver(family)));
    }
    fs::write(folder.join("hints"), hints).context("writing the root hints")?;
    // whoever asks is answered; nothing is kept for long, so that what is published is soon seen
    Ok(format!(
        "server:
  directory: \"{folder}\"
  chroot: \"\"
  username: \"\"
  pidfile: \"\"
  use-syslog: no
  logfile: \"\"
  log-servfail: yes
  val-log-level: 2
  num-threads: 1
{listen}  access-control: 0.0.0.0/0 allow
  access-control: ::/0 allow
  root-hints: \"hints\"
  trust-anchor-file: \"anchor\"
  cache-max-ttl: 5
  cache-max-negative-ttl: 1
remote-control:
  control-enable: no
",
        folder = folder.display()
    ))
}
