//! Whether an ordinary user may have the namespaces that a build takes, and what to run if not.

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use crate::util::run::{Task, find_program};

/// How many ids a root file system takes: up to `nobody`, 65534.
const NEEDED: u64 = 65_535;

/// Where ranges begin that nobody has yet (login.defs(5), `SUB_UID_MIN`).
const FIRST: u64 = 100_000;

/// What the host says of user namespaces.
#[derive(Debug, Clone, Default)]
struct Facts {
    user: String,
    uid: u32,
    /// `/etc/subuid` and `/etc/subgid` (subuid(5)): `USER:FIRST:COUNT` a line.
    subuid: String,
    subgid: String,
    /// Whether newuidmap(1) is there.
    newuidmap: bool,
    /// Kernel settings that forbid user namespaces, as sysctl(8) knows them: name and value.
    settings: Vec<(&'static str, String)>,
}

/// Kernel settings with the value that forbids what a build needs.
const SETTINGS: [(&str, &str, &str); 3] = [
    ("user.max_user_namespaces", "0", "65536"),
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
];

/// Checks that this user may make the namespaces of a build.
///
/// # Errors
/// When not: the message has the command that helps.
pub fn check() -> Result<()> {
    let facts = facts()?;
    match problems(&facts) {
        None => Ok(()),
        Some(text) => bail!("{text}"),
    }
}

fn facts() -> Result<Facts> {
    let sh = Shell::new().context("opening the working folder")?;
    let user = Task::new("asking for the name of this user", cmd!(sh, "id -un")).output()?;
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let setting = |(name, ..): &(&'static str, &str, &str)| {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        (*name, read(&path).trim().to_owned())
    };
    Ok(Facts {
        user: user.trim().to_owned(),
        uid: rustix::process::geteuid().as_raw(),
        subuid: read("/etc/subuid"),
        subgid: read("/etc/subgid"),
        newuidmap: find_program("newuidmap").is_some(),
        settings: SETTINGS.iter().map(setting).collect(),
    })
}

/// What is missing, with what to run; none where nothing is.
fn problems(facts: &Facts) -> Option<String> {
    let Facts { user, .. } = facts;
    let mut run = String::new();
    for (name, bad, good) in SETTINGS {
        if facts.settings.iter().any(|(n, v)| *n == name && v == bad) {
            let _ = write!(run, "\n  sudo sysctl -w {name}={good}");
        }
    }
    if !facts.newuidmap {
        run.push_str("\n  sudo apt-get install uidmap    (Arch: pacman -S shadow)");
    }
    let enough = |text: &str| range(text, user, facts.uid).is_some_and(|count| count >= NEEDED);
    let (first, last) = free_range(&facts.subuid, &facts.subgid);
    let options: String = [
        ("--add-subuids", enough(&facts.subuid)),
        ("--add-subgids", enough(&facts.subgid)),
    ]
    .iter()
    .filter(|(_, there)| !there)
    .map(|(option, _)| format!(" {option} {first}-{last}"))
    .collect();
    if !options.is_empty() {
        let _ = write!(run, "\n  sudo usermod{options} {user}");
    }
    (!run.is_empty()).then(|| {
        format!(
            "building as an ordinary user takes user namespaces with ids of {user}'s own, which this \
             host does not give yet; run{run}\nor build as root"
        )
    })
}

/// How many ids the first range of a user has, which is the one that `unshare --map-auto` takes.
fn range(text: &str, user: &str, uid: u32) -> Option<u64> {
    lines(text)
        .find(|(name, ..)| *name == user || *name == uid.to_string())
        .map(|(_, _, count)| count)
}

/// A range behind all that are given away.
fn free_range(subuid: &str, subgid: &str) -> (u64, u64) {
    let end = lines(subuid)
        .chain(lines(subgid))
        .map(|(_, first, count)| first.saturating_add(count))
        .max()
        .unwrap_or(0);
    let first = end.max(FIRST);
    (first, first + 65_535)
}

fn lines(text: &str) -> impl Iterator<Item = (&str, u64, u64)> {
    text.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let (name, first, count) = (fields.next()?, fields.next()?, fields.next()?);
        Some((name, first.parse().ok()?, count.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Facts {
        Facts {
            user: "ann".into(),
            uid: 1000,
            subuid: "ann:100000:65536\n".into(),
            subgid: "1000:100000:65536\n".into(),
            newuidmap: true,
            settings: vec![("user.max_user_namespaces", "96365".into())],
        }
    }

    #[test]
    fn a_user_with_ids_may_build() {
        assert_eq!(problems(&good()), None);
    }

    #[test]
    fn what_is_missing_is_said_with_what_to_run() {
        insta::assert_snapshot!(
            problems(&Facts {
                subuid: "bob:100000:65536\n".into(),
                subgid: String::new(),
                ..good()
            })
            .unwrap()
        );
        insta::assert_snapshot!(
            problems(&Facts {
                subgid: "ann:100000:1000\n".into(),
                newuidmap: false,
                settings: vec![
                    ("kernel.unprivileged_userns_clone", "0".into()),
                    ("kernel.apparmor_restrict_unprivileged_userns", "1".into()),
                ],
                ..good()
            })
            .unwrap()
        );
    }
}
