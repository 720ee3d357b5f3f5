//! Which mirror to compose from: the one the host itself uses, where the host is a Debian.

use std::process::Command;

use anyhow::Result;

use crate::util::run::{Task, find_program};

/// The release the stand-in is composed from.
pub const SUITE: &str = "trixie";

/// What `apt-get indextargets` is asked to print for each index.
const FORMAT: &str = "$(ORIGIN)|$(LABEL)|$(CODENAME)|$(SITE)|$(COMPONENT)";

/// Lines of a sources.list for the host's own mirror; empty where the host has no Debian one, so
/// that mmdebstrap takes its default.
///
/// # Errors
/// When apt is there but does not answer.
pub fn of_host() -> Result<Vec<String>> {
    if find_program("apt-get").is_none() {
        return Ok(Vec::new());
    }
    let mut command = Command::new("apt-get");
    command.args(["indextargets", "--format", FORMAT]);
    Ok(parse(
        &Task::new("asking apt for its mirrors", command).output()?,
    ))
}

/// From what apt printed; updates and security fixes only where the host has them too.
fn parse(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let mut fields = line.split('|');
        let mut field = || fields.next().unwrap_or_default();
        let (origin, label, codename, site, component) =
            (field(), field(), field(), field(), field());
        if origin != "Debian" || component != "main" || site.is_empty() {
            continue;
        }
        let pocket = match (label, codename.split_once('-')) {
            ("Debian-Security", _) => format!("{SUITE}-security"),
            ("Debian", Some((_, "updates"))) => format!("{SUITE}-updates"),
            ("Debian", None) => SUITE.to_owned(),
            _ => continue,
        };
        let line = format!("deb {site} {pocket} main");
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    // no release, no use of its fixes
    if !lines.iter().any(|l| l.ends_with(&format!(" {SUITE} main"))) {
        lines.clear();
    }
    lines.sort();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_mirrors_are_taken_for_the_release() {
        let lines = parse(
            "Debian|Debian|bookworm|http://m.example/debian|main\n\
             Debian|Debian|bookworm-updates|http://m.example/debian|main\n\
             Debian|Debian-Security|bookworm-security|http://m.example/sec|main\n\
             Debian|Debian Backports|bookworm-backports|http://m.example/debian|main\n\
             Debian|Debian|bookworm|http://m.example/debian|contrib\n\
             Node|Node|nodistro|https://n.example|main\n",
        );
        assert_eq!(
            lines,
            [
                "deb http://m.example/debian trixie main",
                "deb http://m.example/debian trixie-updates main",
                "deb http://m.example/sec trixie-security main",
            ]
        );
    }

    #[test]
    fn another_distributions_mirror_is_not() {
        assert!(parse("Ubuntu|Ubuntu|noble|http://u.example/ubuntu|main\n").is_empty());
        assert!(parse("Debian|Debian-Security|x-security|http://m.example/s|main\n").is_empty());
    }
}
