//! What the answers and the state say about backups, for the commands that make and read them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use jiff::tz::TimeZone;

use super::{
    passphrase,
    report::FOLDER,
    schedule::{self, Schedule},
    store::Access,
};
use crate::{
    agent::{paths::Paths, target::Target},
    answers::{
        Answers,
        location::{Location, Scheme},
        model::Keep,
    },
    encpipe::Passphrase,
    util::{files, secret::Secret},
};

/// The private key for SFTP, for a state volume at `state`; its public half has `.pub` behind the
/// name.
pub fn ssh_key_file(state: &Path) -> PathBuf {
    state.join("secrets/backup-ssh-key")
}

/// The secret key for S3.
pub fn secret_key_file(state: &Path) -> PathBuf {
    state.join("secrets/backup-secret-key")
}

/// The host keys that were seen at first use.
pub fn known_hosts_file(state: &Path) -> PathBuf {
    state.join(FOLDER).join("known_hosts")
}

/// All that a backup is made by.
#[derive(Debug)]
pub struct Settings {
    /// The server's full name.
    pub host: String,
    /// Where backups go.
    pub target: Location,
    /// How many stay.
    pub keep: Keep,
    /// How often they are made.
    pub schedule: Schedule,
    /// The server's time zone, which days begin and end in.
    pub zone: TimeZone,
    /// What opens the store.
    pub access: Access,
    /// What they are encrypted with.
    pub passphrase: Passphrase,
    /// Tells whether it is the one that an earlier backup was made with: see [`passphrase::id`].
    pub passphrase_id: String,
}

impl Settings {
    /// Reads them, for the server whose files `target` has.
    ///
    /// # Errors
    /// When the answers have no `[backup]`, or a secret is not where the agent puts it.
    pub fn read(answers: &Answers, target: &Target, paths: &Paths) -> Result<Self> {
        let Some(backup) = &answers.backup else {
            bail!(
                "the answers have no [backup], which says where to: 'mailctl answers export' writes \
                 them, 'ezmail-agent apply --answers FILE' takes them with a [backup] in them"
            );
        };
        let state = target.path(&paths.state);
        let secret = passphrase::read(&state)?;
        let secret = secret.with_context(|| missing(&passphrase::file(&paths.state)))?;
        Ok(Self {
            host: answers.hostname.to_string(),
            target: backup.target.clone(),
            keep: backup.keep,
            schedule: backup.schedule,
            zone: schedule::zone(&answers.timezone)?,
            access: access(&state, backup.target.scheme, backup.host_key.clone())?,
            passphrase: Passphrase::new(secret.expose().as_bytes().to_vec())?,
            passphrase_id: passphrase::id(&secret),
        })
    }
}

/// What opens a store of this scheme: the keys that the agent has put in place.
///
/// # Errors
/// When one is not there or cannot be read.
pub fn access(state: &Path, scheme: Scheme, host_key: Option<String>) -> Result<Access> {
    let mut access = Access {
        ssh_key: None,
        known_hosts: known_hosts_file(state),
        host_key,
        secret_key: None,
        ca_file: None,
    };
    match scheme {
        Scheme::Sftp => {
            let key = ssh_key_file(state);
            if !key.try_exists().context("looking for the SSH key")? {
                bail!("{}", missing(&key));
            }
            access.ssh_key = Some(key);
        }
        Scheme::S3 => {
            let file = secret_key_file(state);
            if !file.try_exists().context("looking for the secret key")? {
                bail!("{}", missing(&file));
            }
            let text = zeroize::Zeroizing::new(files::read_to_string(&file)?);
            access.secret_key = Some(Secret::new(text.trim()));
        }
    }
    Ok(access)
}

fn missing(file: &Path) -> String {
    format!(
        "there is no {}: 'ezmail-agent apply --kept' puts it there",
        file.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_has_its_key() {
        let state = tempfile::tempdir().unwrap();
        let of = |scheme| access(state.path(), scheme, None);
        for scheme in [Scheme::Sftp, Scheme::S3] {
            let error = of(scheme).unwrap_err().to_string();
            assert!(
                error.ends_with("'ezmail-agent apply --kept' puts it there"),
                "{error}"
            );
        }
        let write = |path: &Path| files::write_with_parents(path, "key\n", 0o600).unwrap();
        write(&ssh_key_file(state.path()));
        write(&secret_key_file(state.path()));
        let sftp = of(Scheme::Sftp).unwrap();
        assert_eq!(sftp.ssh_key, Some(ssh_key_file(state.path())));
        assert!(sftp.secret_key.is_none());
        let s3 = of(Scheme::S3).unwrap();
        assert_eq!(s3.secret_key, Some(Secret::new("key")));
        assert!(s3.ssh_key.is_none());
    }
}
