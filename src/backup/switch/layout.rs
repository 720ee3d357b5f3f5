//! Where the parts of the state lie on this server.

use std::path::{Path, PathBuf};

use crate::{
    agent::{paths::Paths, state::volume, target::Target},
    backup::module::Place,
};

/// The folder of restores on the state volume; itself in no backup.
pub const FOLDER: &str = "restore";

/// Where the state's files are: on a state volume all below one folder, without one each where the
/// daemons expect it.
///
/// Paths that go into a record are *of the state*: relative, as a backup has them.
#[derive(Debug, Clone)]
pub struct Layout {
    state: PathBuf,
    elsewhere: Vec<(&'static str, PathBuf)>,
}

impl Layout {
    /// That of a server.
    pub fn of(target: &Target, paths: &Paths) -> Self {
        let state = target.path(&paths.state);
        let elsewhere = volume::binds(paths)
            .into_iter()
            .filter(|(name, _)| !state.join(name).is_dir())
            .map(|(name, place)| (name, target.path(&place)))
            .collect();
        Self { state, elsewhere }
    }

    /// The folder of the state.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The folder of restores.
    pub fn folder(&self) -> PathBuf {
        self.state.join(FOLDER)
    }

    /// Where a new state is put together.
    pub fn staged(&self) -> PathBuf {
        self.path(&staged())
    }

    /// Where a path of the state is.
    pub fn path(&self, path: &Path) -> PathBuf {
        let bound = self.elsewhere.iter().find_map(|(name, place)| {
            let rest = path.strip_prefix(name).ok()?;
            Some(match rest.as_os_str().is_empty() {
                true => place.clone(),
                false => place.join(rest),
            })
        });
        bound.unwrap_or_else(|| self.state.join(path))
    }

    /// Where a place is.
    pub fn place(&self, place: Place) -> PathBuf {
        self.path(Path::new(place.path))
    }
}

/// The new state, as a path of the state.
pub fn staged() -> PathBuf {
    Path::new(FOLDER).join("new")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_bound_elsewhere_is_found_on_the_volume() {
        let root = tempfile::tempdir().unwrap();
        let target = Target::new(root.path()).unwrap();
        let paths = Paths::default();
        let of = |path: &str| {
            let path = Layout::of(&target, &paths).path(Path::new(path));
            path.strip_prefix(root.path()).unwrap().to_owned()
        };
        assert_eq!(of("mail/a"), Path::new("var/vmail/a"));
        assert_eq!(of("queue"), Path::new("var/spool/smtpd"));
        assert_eq!(of("tls/x"), Path::new("var/lib/ezmail/tls/x"));
        assert_eq!(of("mailbox"), Path::new("var/lib/ezmail/mailbox"));
        std::fs::create_dir_all(root.path().join("var/lib/ezmail/mail")).unwrap();
        assert_eq!(of("mail/a"), Path::new("var/lib/ezmail/mail/a"));
        assert_eq!(of("queue/a"), Path::new("var/spool/smtpd/a"));
    }
}
