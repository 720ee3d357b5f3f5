//! Opens the store that a [`Location`] names.

use std::path::PathBuf;

use anyhow::Result;

use super::{S3, Sftp, Store};
use crate::{
    answers::location::{Location, Scheme},
    backup::name::Kind,
    util::secret::Secret,
};

/// What it takes to log in to a store elsewhere.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// SFTP: the file with our private key, without a passphrase.
    pub ssh_key: Option<PathBuf>,
    /// SFTP: the file in which host keys are remembered, on the state volume. It need not exist.
    pub known_hosts: PathBuf,
    /// SFTP: the server's own key, such as `ssh-ed25519 AAAA…`. With it no other is accepted;
    /// without, the first one that is seen is remembered.
    pub host_key: Option<String>,
    /// S3: the secret that belongs to the access key in the location.
    pub secret_key: Option<Secret>,
    /// S3: a PEM file of the authorities that are trusted instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// The store at `location`, which is a folder there.
///
/// Nothing is asked of the server yet: a store that does not answer is found at first use.
///
/// # Errors
/// When `access` lacks what the scheme needs.
pub fn open(location: &Location, access: &Access) -> Result<Box<dyn Store>> {
    match location.scheme {
        Scheme::Sftp => Ok(Box::new(Sftp::new(location, access)?)),
        Scheme::S3 => Ok(Box::new(S3::new(location, access)?)),
    }
}

/// The folder, and the name of the file in it, if `location` names a backup's file.
///
/// Without one, `location` is a folder itself.
pub fn split(location: &Location) -> (Location, Option<String>) {
    if let Some((folder, name)) = location.path.rsplit_once('/')
        && !folder.is_empty()
        && Kind::of(name).is_some()
    {
        let mut parent = location.clone();
        parent.path = folder.to_owned();
        return (parent, Some(name.to_owned()));
    }
    (location.clone(), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_of_one_file_is_split() {
        let name = "mail.example.org_20261124T033000Z.tar.zst.encpipe";
        for (text, want) in [
            ("sftp://me@example.org/srv/b", None),
            ("sftp://me@example.org/srv/b.tar.zst.encpipe", None),
            (
                "sftp://me@example.org/mail.example.org_20261124T033000Z.tar.zst.encpipe",
                None,
            ),
            (
                "s3://K@example.org/bucket/mail.example.org_20261124T033000Z.tar.zst.encpipe",
                Some("s3://K@example.org/bucket"),
            ),
            (
                "sftp://me@example.org:22/srv/b/mail.example.org_20261124T033000Z.tar.zst.encpipe",
                Some("sftp://me@example.org:22/srv/b"),
            ),
        ] {
            let (folder, file) = split(&text.parse().unwrap());
            assert_eq!(folder.to_string(), want.unwrap_or(text));
            assert_eq!(file.as_deref(), want.map(|_| name), "{text}");
        }
    }
}
