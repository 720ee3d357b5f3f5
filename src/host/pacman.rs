//! Running pacman on a root file system that is not the host's.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use url::Url;

use super::makepkg;
use crate::util::{files, hash, run::Task, sandbox::Sandbox};

/// Which signatures a repository must carry (`SigLevel` of pacman.conf(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum SigLevel {
    /// Every package signed by a trusted key: the official mirrors.
    Required,
    /// None: packages of this very build on this very host, reached by path.
    Local,
}

impl SigLevel {
    fn as_str(self) -> &'static str {
        match self {
            Self::Required => "Required DatabaseOptional",
            // the database was just written, and has the checksum of each package; somebody may sign them
            // for others, with a key that is not in this keyring
            Self::Local => "Never",
        }
    }
}

/// One `[section]` of pacman.conf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    /// The repository's name.
    pub name: String,
    /// `Server` lines, in order; `$repo` and `$arch` are pacman's.
    pub servers: Vec<String>,
    /// Which signatures are asked for.
    pub sig_level: SigLevel,
}

impl Section {
    /// A repository of this very host: the database and packages in `folder`, an absolute path.
    ///
    /// # Errors
    /// When the path is not absolute.
    pub fn local(name: &str, folder: &Path) -> Result<Self> {
        Ok(Self {
            name: name.into(),
            servers: vec![file_url(folder)?],
            sig_level: SigLevel::Local,
        })
    }

    /// The folders of its servers that are on this machine.
    fn folders(&self) -> impl Iterator<Item = String> + '_ {
        let here = self.servers.iter().filter(|s| s.starts_with("file://"));
        here.filter_map(|server| {
            let server = server
                .replace("$repo", &self.name)
                .replace("$arch", "x86_64");
            let path = Url::parse(&server).ok()?.to_file_path().ok()?;
            path.into_os_string().into_string().ok()
        })
    }
}

/// A `Server` line for a folder: pacman puts names in the place of `$repo` and `$arch`, and curl decodes
/// `%` and ends the path at `#` and `?`.
fn file_url(folder: &Path) -> Result<String> {
    let Ok(url) = Url::from_file_path(folder) else {
        bail!("{} is no absolute path", folder.display());
    };
    Ok(url.as_str().replace('$', "%24"))
}

/// pacman with its repositories, for any root.
#[derive(Debug, Clone)]
pub struct Pacman {
    /// Repositories; the first that has a package wins.
    pub sections: Vec<Section>,
    /// Where downloaded packages are kept.
    pub cache_dir: PathBuf,
    /// The keyring that signatures are checked against; none where no repository asks for them.
    pub gpg_dir: Option<PathBuf>,
}

/// Text of a pacman.conf with just these repositories.
pub fn conf(sections: &[Section]) -> String {
    let mut text = String::from(
        "[options]\nArchitecture = x86_64\nSigLevel = Required DatabaseOptional\n\
         LocalFileSigLevel = Optional\nParallelDownloads = 5\n",
    );
    for section in sections {
        let _ = write!(
            text,
            "\n[{}]\nSigLevel = {}\n",
            section.name,
            section.sig_level.as_str()
        );
        for server in &section.servers {
            let _ = writeln!(text, "Server = {server}");
        }
    }
    text
}

impl Pacman {
    /// Text of a pacman.conf for a program that starts pacman by itself: what is an option of pacman's
    /// here is in it.
    pub fn conf_for_others(&self) -> String {
        let mut options = String::from("[options]\n");
        if let Some(gpg_dir) = &self.gpg_dir {
            let _ = writeln!(options, "GPGDir = {}", gpg_dir.display());
        }
        // words of it are folders of their own (pacman.conf(5)): such a one stays the host's
        let folder = self.cache_dir.display().to_string();
        if !folder.contains(char::is_whitespace) {
            let _ = writeln!(options, "CacheDir = {folder}");
        }
        conf(&self.sections).replacen("[options]\n", &options, 1)
    }

    /// Installs `packages` with all they depend on into `root`, refreshing the databases first.
    /// Scriptlets and hooks run inside `root`.
    ///
    /// # Errors
    /// When a package is not to be had, a signature is missing or wrong, files conflict; the
    /// error carries what pacman said.
    pub fn install(&self, root: &Path, packages: &[String], log: &Path) -> Result<()> {
        self.run_in(
            // what is kept does not depend on the time of one build
            &Sandbox::beside(root)
                .network(self.needs_network())
                .env("SOURCE_DATE_EPOCH", makepkg::PACKAGE_EPOCH.to_string()),
            root,
            root,
            |words| {
                words.extend(["-Sy", "--needed", "--"].map(str::to_owned));
                words.extend(packages.iter().cloned());
            },
        )?
        .log(log)
        .run()
    }

    /// Fetches the databases of the repositories into `root`, and nothing else.
    ///
    /// # Errors
    /// When one is not to be had.
    pub fn refresh(&self, root: &Path, log: &Path) -> Result<()> {
        let sandbox = Sandbox::host().network(self.needs_network());
        self.run_in(&sandbox, root, root, |words| words.push("-Sy".into()))?
            .log(log)
            .run()
    }

    fn needs_network(&self) -> bool {
        self.sections
            .iter()
            .any(|s| s.sig_level == SigLevel::Required)
    }

    /// The pacman command line for `root`, run in `sandbox`; `words` adds the operation.
    /// `written` is where what is written to `root` ends up: the upper folder of an overlay, or
    /// `root` itself.
    ///
    /// # Errors
    /// When the configuration or the database folder cannot be written.
    pub fn run_in(
        &self,
        sandbox: &Sandbox,
        written: &Path,
        root: &Path,
        words: impl FnOnce(&mut Vec<String>),
    ) -> Result<Task> {
        let db = root.join("var/lib/pacman");
        files::create_dir_all(&written.join("var/lib/pacman"))?;
        files::create_dir_all(&self.cache_dir)?;
        // builds that share the folder may have other repositories
        let text = conf(&self.sections);
        let name = format!("pacman-{}.conf", &hash::sha256(&text)[..16]);
        let config = self.cache_dir.join(name);
        files::write(&config, text, 0o644)?;
        let mut all: Vec<String> = [
            ("--root", root),
            ("--dbpath", &db),
            ("--cachedir", &self.cache_dir),
            ("--config", &config),
            ("--hookdir", &root.join("etc/pacman.d/hooks")),
            ("--logfile", Path::new("/dev/null")),
        ]
        .iter()
        .flat_map(|(option, path)| [(*option).to_owned(), path.display().to_string()])
        .collect();
        if let Some(gpg_dir) = &self.gpg_dir {
            all.extend(["--gpgdir".to_owned(), gpg_dir.display().to_string()]);
        }
        // pacman downloads to the first cache folder, and takes from any: nothing is copied from a
        // folder that is on this machine
        for folder in self.sections.iter().flat_map(Section::folders) {
            all.extend(["--cachedir".to_owned(), folder]);
        }
        all.extend(["--noconfirm", "--noprogressbar", "--color=never"].map(str::to_owned));
        words(&mut all);
        Ok(Task::new(
            format!("installing packages into {}", root.display()),
            sandbox.command("pacman", all),
        ))
    }
}

/// The packages installed in `root` as `(name, version)`, sorted by name: what `pacman -Q` says.
///
/// # Errors
/// When pacman cannot read the database.
pub fn query(root: &Path) -> Result<Vec<(String, String)>> {
    let sh = xshell::Shell::new().context("opening the working folder")?;
    let db = root.join("var/lib/pacman");
    let command = xshell::cmd!(sh, "pacman --root {root} --dbpath {db} --color=never -Q");
    let text = Task::new("listing the installed packages", command).output()?;
    Ok(parse_query(&text))
}

/// What `pacman -Q` prints, and a `pkglist.x86_64.txt` of archiso has: `NAME VERSION` a line.
pub fn parse_query(text: &str) -> Vec<(String, String)> {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, version)| (name.to_owned(), version.trim().to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn ours_stands_first_and_official_ones_ask_for_signatures() {
        let sections = [
            Section {
                name: "ezmail".into(),
                servers: vec!["file:///out/repo".into()],
                sig_level: SigLevel::Local,
            },
            Section {
                name: "core".into(),
                servers: vec!["https://mirror.example/$repo/os/$arch".into()],
                sig_level: SigLevel::Required,
            },
        ];
        insta::assert_snapshot!(conf(&sections));
        let pacman = Pacman {
            sections: sections.to_vec(),
            cache_dir: "/cache/pacman/arch".into(),
            gpg_dir: Some("/cache/gnupg".into()),
        };
        insta::assert_snapshot!("for_others", pacman.conf_for_others());
    }

    #[test]
    fn builds_that_share_downloads_have_their_own_repositories() {
        let dir = tempfile::tempdir().unwrap();
        let cache_dir = dir.path().join("cache");
        for folder in ["one", "two", "one"] {
            let section = Section {
                name: "ezmail".into(),
                servers: vec![format!("file:///{folder}/repo")],
                sig_level: SigLevel::Local,
            };
            let pacman = Pacman {
                sections: vec![section],
                cache_dir: cache_dir.clone(),
                gpg_dir: None,
            };
            let root = dir.path().join("root");
            let task = pacman.run_in(&Sandbox::host(), &root, &root, |_| ());
            drop(task.unwrap());
        }
        let files = fs::read_dir(&cache_dir).unwrap();
        let mut texts: Vec<String> = files
            .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
            .collect();
        texts.sort();
        assert_eq!(texts.len(), 2);
        assert!(texts[0].contains("/one/repo") && texts[1].contains("/two/repo"));
    }

    #[test]
    fn folders_are_those_of_local_servers() {
        let section = Section {
            name: "extra".into(),
            servers: vec![
                "https://mirror.example/$repo/os/$arch".into(),
                "file:///srv/mirror/$repo/os/$arch".into(),
            ],
            sig_level: SigLevel::Required,
        };
        let folders: Vec<_> = section.folders().collect();
        assert_eq!(folders, ["/srv/mirror/extra/os/x86_64"]);
        let odd = "/srv/my mirror/a%20b#c?d/$repo\n/ü";
        let section = Section::local("ezmail", Path::new(odd)).unwrap();
        assert_eq!(
            section.servers,
            ["file:///srv/my%20mirror/a%2520b%23c%3Fd/%24repo%0A/%C3%BC"]
        );
        assert_eq!(section.folders().collect::<Vec<_>>(), [odd]);
        assert!(Section::local("ezmail", Path::new("out/repo")).is_err());
    }

    #[test]
    fn query_is_parsed() {
        assert_eq!(
            parse_query("base 3-2\nzstd 1.5.7-1\n"),
            [
                ("base".into(), "3-2".into()),
                ("zstd".into(), "1.5.7-1".into())
            ]
        );
    }
}
