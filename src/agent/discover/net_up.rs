//! The network for as long as answers are fetched: at that time it is down, since its files come
//! from the answers. A closed firewall stands first, and nothing of this stays.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::{
    cmdline,
    networkd::{State, automatic, resolv_conf},
};
use crate::{
    agent::steps::network,
    answers::Answers,
    util::{files, run::Task},
};

/// The network file that the agent makes of answers: with it, the network is the answers' own.
const FINAL: &str = "/etc/systemd/network/10-ezmail.network";
/// The one for the time of the fetch: before those of systemd-network-generator (70 and 71).
const TEMPORARY: &str = "/run/systemd/network/69-ezmail-answers.network";
/// What systemd-networkd tells about all interfaces together (sd_network of systemd).
const STATE: &str = "/run/systemd/netif/state";
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Answers to what this machine asks, and nothing else. The name is that of the table in
/// `nftables.conf`, whose rules take the place of these at once.
const CLOSED: &str = "\
table inet ezmail
delete table inet ezmail

table inet ezmail {
	chain input {
		type filter hook input priority filter; policy drop;
		iif lo accept
		ct state established,related accept
		ct state invalid drop
		icmp type { echo-request, destination-unreachable, time-exceeded, parameter-problem } accept
		icmpv6 type { echo-request, destination-unreachable, packet-too-big, time-exceeded, \
parameter-problem, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, \
mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept
		udp sport 67 udp dport 68 accept
		ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept
	}

	chain forward {
		type filter hook forward priority filter; policy drop;
	}
}
";

/// The network, while answers are fetched.
#[derive(Debug)]
pub struct Network {
    /// The name servers that were last written; `None` while nothing of ours is in the way.
    servers: Option<Vec<String>>,
    /// Whether it was brought up here, and goes down again.
    ours: bool,
    resolv_conf: Saved,
}

/// What a file was before.
#[derive(Debug, PartialEq, Eq)]
enum Saved {
    Missing,
    Link(PathBuf),
    File(Vec<u8>),
}

impl Network {
    /// Closes the firewall and starts systemd-networkd: with what `ip=` of the kernel command line
    /// says (systemd-network-generator(8) has made files of it), or else by DHCP and router
    /// advertisements on every wired interface.
    ///
    /// Where the agent has set up the network from answers before, nothing is touched.
    ///
    /// # Errors
    /// When the firewall cannot be loaded, or the network not be started.
    pub fn up(cmdline: &str) -> Result<Self> {
        let servers = cmdline::values(cmdline, "nameserver");
        let told = cmdline::value(cmdline, "ip").is_none();
        Self::with(told.then(|| automatic(&servers)))
    }

    /// As [`Network::up`], when the answers are known: with their network, and the name servers that
    /// they or the kernel command line name.
    ///
    /// # Errors
    /// As [`Network::up`].
    pub fn up_for(answers: &Answers, cmdline: &str) -> Result<Self> {
        let forwarders = answers.dns.forwarders.iter().map(ToString::to_string);
        let servers: Vec<String> = forwarders
            .chain(cmdline::values(cmdline, "nameserver"))
            .collect();
        Self::with(Some(network::file(&answers.network, Some(&servers))))
    }

    fn with(file: Option<String>) -> Result<Self> {
        let mut network = Self {
            servers: None,
            ours: !Path::new(FINAL).exists(),
            resolv_conf: Saved::Missing,
        };
        if !network.ours {
            return Ok(network);
        }
        let mut nft = Command::new("nft");
        nft.args(["-f", "-"]);
        Task::new("closing the firewall", nft).input(CLOSED).run()?;
        network.resolv_conf = Saved::of(Path::new(RESOLV_CONF))?;
        if let Some(text) = file {
            files::write_with_parents(Path::new(TEMPORARY), text, 0o644)?;
        }
        if let Err(error) = start() {
            // the first thing that went wrong is the cause, whatever comes of this
            return Err(match network.down() {
                Ok(()) => error,
                Err(more) => error.context(format!("also, afterwards: {more:#}")),
            });
        }
        Ok(network)
    }

    /// What is missing before a fetch can be tried; with an address and name servers, nothing.
    /// `domain` is the name that has to be resolved.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn missing(&mut self, domain: Option<&str>) -> Result<Option<String>> {
        if !self.ours {
            return Ok(None);
        }
        let text = match fs::read_to_string(STATE) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
            other => other.with_context(|| format!("reading {STATE}"))?,
        };
        let state = State::parse(&text);
        if let Some(missing) = state.missing(domain) {
            return Ok(Some(missing));
        }
        if self.servers.as_ref() != Some(&state.servers) {
            files::write(Path::new(RESOLV_CONF), resolv_conf(&state.servers), 0o644)?;
            self.servers = Some(state.servers);
        }
        Ok(None)
    }

    /// Takes the network down again; the firewall stays closed.
    ///
    /// # Errors
    /// When a file cannot be removed or written, or systemd-networkd not be told.
    pub fn down(self) -> Result<()> {
        if !self.ours {
            return Ok(());
        }
        match fs::remove_file(TEMPORARY) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            other => other.with_context(|| format!("removing {TEMPORARY}"))?,
        }
        if self.servers.is_some() {
            self.resolv_conf.restore(Path::new(RESOLV_CONF))?;
        }
        reload()
    }
}

/// Without its order: it would wait for network-pre.target, and that for the agent.
fn start() -> Result<()> {
    let mut systemctl = Command::new("systemctl");
    systemctl.args(["start", "--job-mode=ignore-dependencies"]);
    systemctl.arg("systemd-networkd.service");
    Task::new("starting the network to fetch the answers", systemctl).run()?;
    // it may have been running, without the file
    reload()
}

fn reload() -> Result<()> {
    let mut networkctl = Command::new("networkctl");
    networkctl.arg("reload");
    Task::new("telling systemd-networkd about its files", networkctl).run()
}

impl Saved {
    fn of(path: &Path) -> Result<Self> {
        let what = || format!("reading {}", path.display());
        match fs::symlink_metadata(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Self::Missing),
            Err(e) => Err(e).with_context(what),
            Ok(data) if data.is_symlink() => {
                Ok(Self::Link(fs::read_link(path).with_context(what)?))
            }
            Ok(data) if data.is_file() => Ok(Self::File(fs::read(path).with_context(what)?)),
            Ok(_) => bail!("{} is neither a file nor a link", path.display()),
        }
    }

    fn restore(&self, path: &Path) -> Result<()> {
        let what = || format!("restoring {}", path.display());
        match self {
            Self::File(bytes) => files::write(path, bytes, 0o644),
            Self::Missing => fs::remove_file(path).with_context(what),
            Self::Link(target) => {
                fs::remove_file(path).with_context(what)?;
                std::os::unix::fs::symlink(target, path).with_context(what)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("file"), "before").unwrap();
        std::os::unix::fs::symlink("nowhere", path("link")).unwrap();
        for name in ["file", "link", "missing"] {
            let saved = Saved::of(&path(name)).unwrap();
            files::write(&path(name), "ours", 0o644).unwrap();
            assert_ne!(Saved::of(&path(name)).unwrap(), saved);
            saved.restore(&path(name)).unwrap();
            assert_eq!(Saved::of(&path(name)).unwrap(), saved);
        }
    }

    #[test]
    fn the_closed_firewall_is_the_real_one_without_ports() {
        let real = include_str!("../../../airootfs/usr/share/ezmail/templates/etc/nftables.conf");
        for line in CLOSED.lines().filter(|l| l.ends_with(" accept")) {
            assert!(real.contains(line), "{line}");
        }
        assert!(!CLOSED.contains("tcp dport"));
    }
}
