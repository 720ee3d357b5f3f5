//! The backup that `[restore]` names: beside the answers, or elsewhere on the network.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::STEP;
use crate::{
    agent::{
        console::{complain, say},
        discover::net_up::Network,
        target::Target,
        wanted::Wanted,
    },
    answers::{
        location::{Host, Location, Scheme},
        model::{Backup, Source},
    },
    backup::{
        scratch::Scratch,
        settings,
        store::{self, Access, Folder, Store},
        switch::Layout,
    },
    util::files,
};

/// How long the network may take to come up, and a store to answer.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_secs(3);

/// Opens the store, and hands it to `read` with the backup that is meant, if one is named.
///
/// # Errors
/// When it cannot be reached, and those of `read`.
pub(super) fn with<T>(
    target: &Target,
    layout: &Layout,
    scratch: &Scratch,
    source: &Source,
    wanted: &Wanted,
    read: impl FnOnce(Box<dyn Store>, Option<String>) -> Result<T>,
) -> Result<T> {
    let location = match source {
        Source::File(name) => {
            return wanted.beside.with(|folder| {
                let (store, archive) = file(folder, name)?;
                read(store, archive)
            });
        }
        Source::Location(location) => location,
    };
    if !target.is_live() {
        let (store, archive) = remote(layout, scratch, location, wanted)?;
        return read(store, archive);
    }
    let cmdline = files::read_to_string(Path::new("/proc/cmdline"))?;
    let mut network = Network::up_for(&wanted.answers, &cmdline)?;
    let result = wait(&mut network, location)
        .and_then(|()| remote(layout, scratch, location, wanted))
        .and_then(|(store, archive)| {
            answering(store.as_ref())?;
            read(store, archive)
        });
    if let Err(error) = network.down() {
        // its files are written anew by the steps
        complain(format_args!("{error:#}"));
    }
    result
}

/// A file beside the answers, or a folder of backups there.
fn file(folder: &Path, name: &str) -> Result<(Box<dyn Store>, Option<String>)> {
    let path = folder.join(name);
    let data = fs::symlink_metadata(&path);
    let data = data.with_context(|| format!("looking for {name} beside the answers"))?;
    if data.is_dir() {
        return Ok((Box::new(Folder::new(&path)?), None));
    }
    if !data.is_file() {
        bail!("{name} beside the answers is neither a file nor a folder");
    }
    Ok((Box::new(Folder::new(folder)?), Some(name.to_owned())))
}

fn remote(
    layout: &Layout,
    scratch: &Scratch,
    location: &Location,
    wanted: &Wanted,
) -> Result<(Box<dyn Store>, Option<String>)> {
    let Some(backup) = &wanted.answers.backup else {
        bail!("the answers have no [backup], whose passphrase and keys open the backup");
    };
    let (folder, name) = store::split(location);
    let access = access(layout, scratch, location.scheme, backup)?;
    Ok((store::open(&folder, &access)?, name))
}

/// The keys of `[backup]`, as they are in the answers: the steps that put them in place come later.
fn access(layout: &Layout, scratch: &Scratch, scheme: Scheme, backup: &Backup) -> Result<Access> {
    let mut access = Access {
        known_hosts: settings::known_hosts_file(layout.state()),
        host_key: backup.host_key.clone(),
        secret_key: backup.secret_key.clone(),
        ..Access::default()
    };
    if scheme == Scheme::Sftp {
        let Some(key) = &backup.ssh_key else {
            bail!(
                "the answers have no `backup.ssh_key`: a new server has no key that the other \
                 machine knows. Put the private key of a user there into the answers"
            );
        };
        // gone with the end of the restore
        let file = scratch.work().join("ssh-key");
        files::write(&file, key.expose(), 0o600)?;
        access.ssh_key = Some(file);
    }
    Ok(access)
}

/// Waits until the network is there.
fn wait(network: &mut Network, location: &Location) -> Result<()> {
    let name = match &location.host {
        Host::Name(name) => Some(name.as_str()),
        Host::Ip(_) => None,
    };
    let deadline = Instant::now() + PATIENCE;
    let mut said = String::new();
    while let Some(missing) = network.missing(name)? {
        if Instant::now() >= deadline {
            bail!(
                "{location} cannot be reached: {missing} after {} s. Look at [network] in the \
                 answers, and at `dns.forwarders`: the server's own resolver does not run yet",
                PATIENCE.as_secs()
            );
        }
        if said != missing {
            say(format_args!("ezmail: {STEP:<13} {missing}; waiting"));
            said = missing;
        }
        thread::sleep(Duration::from_millis(500));
    }
    Ok(())
}

/// Waits until the store answers: a network that has just come up may lead nowhere for a moment.
fn answering(store: &dyn Store) -> Result<()> {
    let deadline = Instant::now() + PATIENCE / 2;
    let mut said = false;
    loop {
        match store.list() {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(error) => {
                if !said {
                    say(format_args!("ezmail: {STEP:<13} {error:#}; trying again"));
                    said = true;
                }
                thread::sleep(PAUSE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beside_the_answers_is_a_backup_or_a_folder_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let name = "mail.example.org_20261124T033000Z.tar.zst.encpipe";
        let refused = |name: &str| format!("{:#}", file(folder.path(), name).err().unwrap());
        insta::assert_snapshot!(refused(name), @"looking for mail.example.org_20261124T033000Z.tar.zst.encpipe beside the answers: No such file or directory (os error 2)");
        fs::write(folder.path().join(name), "").unwrap();
        assert!(file(folder.path(), name).unwrap().1.is_some());
        fs::create_dir(folder.path().join("all")).unwrap();
        assert!(file(folder.path(), "all").unwrap().1.is_none());
        std::os::unix::fs::symlink("/etc", folder.path().join("link")).unwrap();
        assert!(file(folder.path(), "link").is_err());
    }
}
