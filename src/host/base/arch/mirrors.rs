//! Which mirrors there are, which one answers, and fetching from them with curl.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use super::{
    Config,
    database::{self, Database, Package},
};
use crate::util::{
    files::{self, AtomicFile},
    hash,
    run::Task,
};

/// Arch's own: the geographic balancer and the delivery network the project pays for.
const OFFICIAL: [&str; 2] = [
    "https://geo.mirror.pkgbuild.com/$repo/os/$arch",
    "https://fastly.mirror.pkgbuild.com/$repo/os/$arch",
];

/// How long `auto` waits in all, and for one mirror at most.
const ASKING: Limits = Limits {
    one: Duration::from_secs(5),
    all: Duration::from_secs(10),
};

/// How long a build waits for the first mirror that answers.
const FINDING: Limits = Limits {
    one: Duration::from_secs(30),
    all: Duration::from_secs(120),
};

/// How long one package may take.
const PACKAGE: Duration = Duration::from_secs(300);

/// How many failures a message tells of.
const TOLD: usize = 3;

#[derive(Debug, Clone, Copy)]
struct Limits {
    one: Duration,
    all: Duration,
}

/// What asking the mirrors came to; its text is one line about the base that follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// This `Server` line gave a database.
    Mirror(String),
    /// None did; each one asked, with the reason.
    Nobody(Vec<(String, String)>),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mirror(server) => write!(f, "base: arch ({server} answers)"),
            Self::Nobody(tried) => {
                write!(f, "base: standin, because no Arch mirror answers (")?;
                for (n, (server, why)) in tried.iter().take(TOLD).enumerate() {
                    let separator = if n == 0 { "" } else { "; " };
                    write!(f, "{separator}{server}: {why}")?;
                }
                match tried.len().saturating_sub(TOLD) {
                    0 => write!(f, ")"),
                    more => write!(f, "; and {more} more)"),
                }
            }
        }
    }
}

/// A mirror that answered, and what it has.
#[derive(Debug)]
pub(super) struct Found {
    /// Its `Server` line.
    pub server: String,
    /// All servers for pacman: this one, those not asked, those that failed.
    pub order: Vec<String>,
    /// Its `core`.
    pub core: Database,
}

/// The `Server` lines that `config` comes to.
pub(super) fn servers(config: &Config) -> Result<Vec<String>> {
    if let Some(date) = config.archive_date {
        let archive = config.archive.trim_end_matches('/');
        let server = format!("{archive}/repos/{date}/$repo/os/$arch");
        check(&server)?;
        return Ok(vec![server]);
    }
    if !config.mirrors.is_empty() {
        config.mirrors.iter().try_for_each(|server| check(server))?;
        return Ok(config.mirrors.clone());
    }
    if config.mirrorlist.exists() {
        let servers = parse_mirrorlist(&files::read_to_string(&config.mirrorlist)?);
        if !servers.is_empty() {
            return Ok(servers);
        }
    }
    Ok(OFFICIAL.map(str::to_owned).into())
}

fn check(server: &str) -> Result<()> {
    let scheme = ["https://", "http://"]
        .iter()
        .any(|scheme| server.starts_with(scheme));
    ensure!(
        scheme && server.contains("$repo") && !server.contains(char::is_whitespace),
        "the mirror '{}' cannot be used: it must be a URL that begins with https:// or \
         http:// and has $repo in it, as in {}",
        server.escape_debug(),
        OFFICIAL[0]
    );
    Ok(())
}

/// The `Server` lines in Arch's layout that are switched on. Distributions made from Arch keep
/// their own mirrors under the same name, in layouts of their own.
fn parse_mirrorlist(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("Server"))
        .filter_map(|rest| rest.trim_start().strip_prefix('='))
        .map(|server| server.trim().trim_end_matches('/').to_owned())
        .filter(|server| server.ends_with("/$repo/os/$arch") && check(server).is_ok())
        .collect()
}

/// Asks for `core` in turn, a few seconds in all.
pub(super) fn ask(servers: &[String]) -> Answer {
    match first(servers, ASKING) {
        Ok(found) => Answer::Mirror(found.server),
        Err(tried) => Answer::Nobody(tried),
    }
}

/// The first mirror that gives its `core`.
///
/// # Errors
/// When none does; the message has the reasons and the way out.
pub(super) fn find(servers: &[String]) -> Result<Found> {
    first(servers, FINDING).map_err(|tried| {
        let mut text = String::from("no Arch mirror answers:");
        for (server, why) in tried.iter().take(TOLD) {
            text.push_str(&format!("\n  {server}: {why}"));
        }
        if let Some(more @ 1..) = tried.len().checked_sub(TOLD) {
            text.push_str(&format!("\n  and {more} more"));
        }
        text.push_str(
            "\n  what to do: check the network and the mirrors in ezmail.toml, check that the \
             archive has the day asked for, or build with --base standin",
        );
        anyhow::Error::msg(text)
    })
}

fn first(servers: &[String], limits: Limits) -> Result<Found, Vec<(String, String)>> {
    let end = Instant::now() + limits.all;
    let mut tried = Vec::new();
    for (n, server) in servers.iter().enumerate() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        match core(server, limits.one.min(left)) {
            Ok(core) => {
                let mut order = servers[n..].to_vec();
                order.extend_from_slice(&servers[..n]);
                return Ok(Found {
                    server: server.clone(),
                    order,
                    core,
                });
            }
            Err(error) => tried.push((server.clone(), reason(&error))),
        }
    }
    Err(tried)
}

fn core(server: &str, limit: Duration) -> Result<Database> {
    let folder = tempfile::tempdir().context("creating a temporary folder")?;
    let path = folder.path().join("core.db");
    fetch(&format!("{}/core.db", expand(server, "core")), &path, limit)?;
    let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    database::read(&bytes)
}

/// A `Server` line for one repository of the architecture built for.
fn expand(server: &str, repository: &str) -> String {
    server
        .trim_end_matches('/')
        .replace("$repo", repository)
        .replace("$arch", "x86_64")
}

/// Fetches a package and its `.sig` into `folder` from the first server that has them, the
/// package as the database's sum says; a package that is there already is kept, a signature is
/// not, since nothing says whether it is the right one. Returns the package's path.
pub(super) fn package(
    servers: &[String],
    repository: &str,
    package: &Package,
    folder: &Path,
) -> Result<PathBuf> {
    let path = folder.join(&package.file_name);
    let signature = folder.join(format!("{}.sig", package.file_name));
    let kept = path.exists() && hash::sha256_file(&path)? == package.sha256;
    let mut reasons = String::new();
    for server in servers {
        let url = format!("{}/{}", expand(server, repository), package.file_name);
        let fetched = match kept {
            true => Ok(()),
            false => fetch(&url, &path, PACKAGE).and_then(|()| match_sum(&path, package)),
        }
        .and_then(|()| fetch(&format!("{url}.sig"), &signature, PACKAGE));
        match fetched {
            Ok(()) => return Ok(path),
            Err(error) => reasons.push_str(&format!("\n  {url}: {}", reason(&error))),
        }
    }
    bail!(
        "no mirror has {} with its signature:{reasons}\n  what to do: try again later, as a \
         mirror may be in the middle of an update; or take another mirror",
        package.file_name
    )
}

fn match_sum(path: &Path, package: &Package) -> Result<()> {
    let sum = hash::sha256_file(path)?;
    if sum == package.sha256 {
        return Ok(());
    }
    // not to be taken for a good one by the next run
    std::fs::remove_file(path).with_context(|| format!("removing {}", path.display()))?;
    bail!(
        "its SHA-256 is {sum}, but the database says {}",
        package.sha256
    )
}

/// Fetches `url` to `path`, whole or not at all.
fn fetch(url: &str, path: &Path, limit: Duration) -> Result<()> {
    let file = AtomicFile::create(path)?;
    let mut command = Command::new("curl");
    // first, as curl demands: no curlrc of the user's changes how certificates are checked
    command.arg("--disable");
    command.args(["--fail", "--silent", "--show-error", "--globoff"]);
    command.args(["--location", "--max-redirs", "5", "--proto", "=https,http"]);
    // from https never down to http
    let redirects = if url.starts_with("https:") {
        "=https"
    } else {
        "=https,http"
    };
    command.args(["--proto-redir", redirects]);
    command.args(["--max-filesize", "500000000"]);
    command.args([
        "--max-time",
        &format!("{:.1}", limit.as_secs_f64().max(0.1)),
    ]);
    command.arg("--output").arg(file.temp_path());
    command.args(["--url", url]);
    Task::new(format!("fetching {url}"), command).run()?;
    file.commit(0o644)
}

/// The one line of an error that a list can carry: curl's last word, or else the whole.
fn reason(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let said = text
        .lines()
        .filter_map(|l| l.trim().strip_prefix("| "))
        .next_back();
    said.unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            mirrorlist: "/nonexistent".into(),
            ..Config::default()
        }
    }

    #[test]
    fn configured_mirrors_win_over_the_hosts_and_those_over_archs() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config();
        assert_eq!(servers(&config).unwrap(), OFFICIAL);
        config.mirrorlist = dir.path().join("mirrorlist");
        let list = "## Worldwide\n#Server = https://off.example/$repo/os/$arch\n\
                    Server=https://one.example/$repo/os/$arch\n\
                    Server = https://other.example/stable/$repo/$arch\n\
                    Server = https://two.example/arch/$repo/os/$arch/\n";
        std::fs::write(&config.mirrorlist, list).unwrap();
        assert_eq!(
            servers(&config).unwrap(),
            [
                "https://one.example/$repo/os/$arch",
                "https://two.example/arch/$repo/os/$arch"
            ]
        );
        config.mirrors = vec!["http://mine.example/$repo".into()];
        assert_eq!(servers(&config).unwrap(), config.mirrors);
        config.archive_date = Some("2026/11/01".parse().unwrap());
        assert_eq!(
            servers(&config).unwrap(),
            ["https://archive.archlinux.org/repos/2026/11/01/$repo/os/$arch"]
        );
    }

    #[test]
    fn a_mirror_that_is_no_url_is_refused() {
        let text = |server: &str| {
            let config = Config {
                mirrors: vec![server.into()],
                ..config()
            };
            format!("{:#}", servers(&config).unwrap_err())
        };
        insta::assert_snapshot!(text("mirror.example"), @"the mirror 'mirror.example' cannot be used: it must be a URL that begins with https:// or http:// and has $repo in it, as in https://geo.mirror.pkgbuild.com/$repo/os/$arch");
        insta::assert_snapshot!(text("https://a.example/$repo\nSigLevel = Never"), @r"the mirror 'https://a.example/$repo\nSigLevel = Never' cannot be used: it must be a URL that begins with https:// or http:// and has $repo in it, as in https://geo.mirror.pkgbuild.com/$repo/os/$arch");
    }

    #[test]
    fn the_answer_is_one_line() {
        let tried = (1..6).map(|n| (format!("http://{n}/$repo"), "it is dead".into()));
        insta::assert_snapshot!(Answer::Nobody(tried.collect()), @"base: standin, because no Arch mirror answers (http://1/$repo: it is dead; http://2/$repo: it is dead; http://3/$repo: it is dead; and 2 more)");
        insta::assert_snapshot!(Answer::Mirror("http://1/$repo".into()), @"base: arch (http://1/$repo answers)");
    }
}
