//! Root's authorized keys, the host key, and what sshd allows.

use std::{fs, process::Command};

use anyhow::{Context, Result};
use zeroize::Zeroizing;

use super::Input;
use crate::{
    agent::change::{Change, Entry, File},
    util::run::Task,
};

const UNITS: &[&str] = &["sshd.service"];

pub(super) fn plan(input: &Input<'_>) -> Result<Vec<Change>> {
    let key = input.paths.ssh_host_key.clone();
    let public = key.with_extension("pub");
    let mut changes = Vec::new();
    let (private_bytes, public_bytes) =
        match (input.target.read(&key)?, input.target.read(&public)?) {
            (Some(private), Some(public)) => (Zeroizing::new(private), public),
            _ => generate("ezmail")?,
        };
    let mut private = File::secret(key.clone(), Vec::new()).restarts(UNITS);
    private.content = private_bytes;
    changes.push(Change::File(private));
    changes.push(Change::File(File::open(public, public_bytes)));

    let settings = format!(
        "# Written by ezmail-agent: changes are lost.\n\
         HostKey {}\n\
         PermitRootLogin prohibit-password\n\
         AuthenticationMethods publickey\n\
         PasswordAuthentication no\n\
         KbdInteractiveAuthentication no\n\
         AllowUsers root\n\
         MaxAuthTries 3\n\
         LoginGraceTime 30\n\
         X11Forwarding no\n\
         AllowAgentForwarding no\n\
         UseDNS no\n",
        key.display()
    );
    let settings = File::open("/etc/ssh/sshd_config.d/10-ezmail.conf", settings);
    changes.push(Change::File(settings.restarts(UNITS)));

    changes.push(Change::Folder(Entry::of_root("/root/.ssh", 0o700)));
    let keys = &input.answers.ssh.authorized_keys;
    let lines: String = keys.iter().map(|key| format!("{key}\n")).collect();
    let mut keys = File::open("/root/.ssh/authorized_keys", lines);
    keys.entry.mode = 0o600;
    changes.push(Change::File(keys));
    Ok(changes)
}

/// An Ed25519 key, private and public, as ssh-keygen makes it.
pub(super) fn generate(comment: &str) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>)> {
    let folder = tempfile::tempdir().context("creating a folder for an SSH key")?;
    let path = folder.path().join("key");
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"])
        .arg(&path);
    Task::new("making an SSH key", command).run()?;
    let read = |path| fs::read(path).context("reading the new SSH key");
    Ok((
        Zeroizing::new(read(&path)?),
        read(&path.with_extension("pub"))?,
    ))
}
