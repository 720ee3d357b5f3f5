//! The command line of ssh(1).

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result};

use crate::{
    answers::location::{Host, Location},
    backup::store::Access,
};

/// Who logs in where, and how each knows the other.
#[derive(Debug)]
pub struct Destination {
    /// The machine.
    pub host: String,
    /// The account.
    pub user: String,
    /// The port, if not the usual one.
    pub port: Option<u16>,
    /// The file of our private key.
    pub key: PathBuf,
    /// The file of host keys that were seen before.
    pub known_hosts: PathBuf,
    /// The host's key, if it is known beforehand.
    pub host_key: Option<String>,
}

impl Destination {
    /// Takes it from where and how a store is reached.
    ///
    /// # Errors
    /// When there is no key to log in with.
    pub fn new(location: &Location, access: &Access) -> Result<Self> {
        Ok(Self {
            host: match &location.host {
                Host::Name(name) => name.to_string(),
                Host::Ip(ip) => ip.to_string(),
            },
            user: location.user.clone(),
            port: location.port,
            key: access
                .ssh_key
                .clone()
                .with_context(|| format!("there is no SSH key to log in to {location} with"))?,
            known_hosts: access.known_hosts.clone(),
            host_key: access.host_key.clone(),
        })
    }

    /// The command that speaks SFTP on its standard input and output.
    ///
    /// `pinned` is a file that vouches for [`Destination::host_key`].
    pub fn command(&self, pinned: Option<PathBuf>) -> Command {
        let strict = match pinned {
            Some(_) => "yes",
            None => "accept-new",
        };
        let known = pinned.as_ref().unwrap_or(&self.known_hosts);
        let mut command = Command::new("ssh");
        command
            .env("LC_ALL", "C")
            .args(["-F", "none", "-a", "-x", "-T"]);
        for option in [
            "BatchMode=yes",
            "ClearAllForwardings=yes",
            "ConnectTimeout=20",
            "ControlMaster=no",
            "ControlPath=none",
            "GlobalKnownHostsFile=/dev/null",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            // with its warnings, the first words of every error would be about a new host key
            "LogLevel=ERROR",
            "PreferredAuthentications=publickey",
            "ServerAliveCountMax=3",
            "ServerAliveInterval=15",
            "UpdateHostKeys=no",
        ] {
            command.args(["-o", option]);
        }
        command.args(["-o", &format!("StrictHostKeyChecking={strict}")]);
        let known = known.display().to_string().replace('%', "%%");
        command.args(["-o", &format!("UserKnownHostsFile=\"{known}\"")]);
        let key = self.key.display().to_string().replace('%', "%%");
        command.args(["-i", &key, "-l", &self.user]);
        if let Some(port) = self.port {
            command.args(["-p", &port.to_string()]);
        }
        command.args(["-s", "--", &self.host, "sftp"]);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::run::shown;

    #[test]
    fn ssh_asks_nobody_and_reads_no_configuration() {
        let location = "sftp://me@[2001:db8::1]:2222/srv/b".parse().unwrap();
        let mut access = Access {
            ssh_key: Some("/s/key".into()),
            known_hosts: "/s/50% known".into(),
            ..Access::default()
        };
        let to = Destination::new(&location, &access).unwrap();
        insta::assert_snapshot!(shown(&to.command(None)), @r#"ssh -F none -a -x -T -o BatchMode=yes -o ClearAllForwardings=yes -o ConnectTimeout=20 -o ControlMaster=no -o ControlPath=none -o GlobalKnownHostsFile=/dev/null -o IdentitiesOnly=yes -o IdentityAgent=none -o LogLevel=ERROR -o PreferredAuthentications=publickey -o ServerAliveCountMax=3 -o ServerAliveInterval=15 -o UpdateHostKeys=no -o StrictHostKeyChecking=accept-new -o 'UserKnownHostsFile="/s/50%% known"' -i /s/key -l me -p 2222 -s -- 2001:db8::1 sftp"#);
        access.host_key = Some("ssh-ed25519 AAAA".into());
        let to = Destination::new(&location, &access).unwrap();
        let text = shown(&to.command(Some("/t/pinned".into())));
        assert!(
            text.contains("StrictHostKeyChecking=yes -o 'UserKnownHostsFile=\"/t/pinned\"'"),
            "{text}"
        );
        access.ssh_key = None;
        let error = Destination::new(&location, &access).unwrap_err();
        insta::assert_snapshot!(error, @"there is no SSH key to log in to sftp://me@[2001:db8::1]:2222/srv/b with");
    }
}
