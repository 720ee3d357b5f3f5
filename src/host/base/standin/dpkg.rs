//! dpkg's own records, read from text: the status file, file lists, diversions, ucf's registry.
//!
//! Formats: deb822(5), deb-control(5), dpkg-divert(1).

use anyhow::{Result, bail};

/// One installed package of `/var/lib/dpkg/status`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version, as Debian writes it.
    pub version: String,
    /// Debian's architecture, or `all`.
    pub architecture: String,
    /// Whether every installation has it.
    pub essential: bool,
    /// First line of the description.
    pub summary: String,
    /// Home page, empty if none is given.
    pub homepage: String,
    /// `Depends` and `Pre-Depends`: groups of alternatives, names only.
    pub depends: Vec<Vec<String>>,
    /// Virtual names.
    pub provides: Vec<String>,
}

/// A path of one package that another package moved out of its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diversion {
    /// Where everybody's file would be.
    pub from: String,
    /// Where it is instead.
    pub to: String,
    /// The package whose own file is at `from`; `:` where the administrator did it.
    pub by: String,
}

/// Reads a status file; packages that are not installed are passed over.
///
/// # Errors
/// When a paragraph has no package name, or an installed package no version.
pub fn parse_status(text: &str) -> Result<Vec<Package>> {
    let mut packages = Vec::new();
    for paragraph in text.split("\n\n") {
        let paragraph = paragraph.trim_matches('\n');
        if paragraph.is_empty() {
            continue;
        }
        let field = |name: &str| field(paragraph, name);
        let Some(name) = field("Package") else {
            let line = paragraph.lines().next().unwrap_or_default();
            bail!("dpkg's status file: the paragraph starting '{line}' has no Package field");
        };
        if !field("Status").is_some_and(|s| s.ends_with(" installed")) {
            continue;
        }
        let Some(version) = field("Version") else {
            bail!("dpkg's status file: {name} has no Version field");
        };
        let mut depends = relations(field("Pre-Depends").unwrap_or_default());
        depends.extend(relations(field("Depends").unwrap_or_default()));
        packages.push(Package {
            name: name.into(),
            version: version.into(),
            architecture: field("Architecture").unwrap_or("all").into(),
            essential: field("Essential") == Some("yes"),
            summary: field("Description").unwrap_or_default().into(),
            homepage: field("Homepage").unwrap_or_default().into(),
            depends,
            provides: relations(field("Provides").unwrap_or_default()).concat(),
        });
    }
    Ok(packages)
}

/// The first line of a field's value.
fn field<'a>(paragraph: &'a str, name: &str) -> Option<&'a str> {
    paragraph.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// `a (>= 1) | b:any, c` as names: the groups are joined by and, the names in one by or.
fn relations(text: &str) -> Vec<Vec<String>> {
    text.split(',')
        .map(|group| {
            group
                .split('|')
                .filter_map(|one| one.split_whitespace().next())
                .filter_map(|name| name.split(['(', ':', '[']).next())
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .filter(|group| !group.is_empty())
        .collect()
}

/// Reads a `NAME.list`: paths without the leading `/`, as in an archive, merged-usr names resolved.
pub fn parse_list(text: &str) -> Vec<String> {
    text.lines()
        .map(plain_path)
        .filter(|path| !path.is_empty())
        .collect()
}

/// The package a list file below `/var/lib/dpkg/info` belongs to: `libc6:amd64.list` is `libc6`'s.
pub fn list_owner(file_name: &str) -> Option<&str> {
    let stem = file_name.strip_suffix(".list")?;
    Some(stem.split(':').next().unwrap_or(stem))
}

/// Reads the diversions file: three lines each.
///
/// # Errors
/// When the number of lines is no multiple of three.
pub fn parse_diversions(text: &str) -> Result<Vec<Diversion>> {
    let lines: Vec<&str> = text.lines().collect();
    if !lines.len().is_multiple_of(3) {
        bail!(
            "dpkg's diversions file has {} lines, which is not three for each diversion",
            lines.len()
        );
    }
    Ok(lines
        .chunks(3)
        .map(|three| Diversion {
            from: plain_path(three[0]),
            to: plain_path(three[1]),
            by: three[2].into(),
        })
        .collect())
}

/// Reads ucf's registry: which package put a configuration file there by its script.
pub fn parse_ucf(text: &str) -> Vec<(String, String)> {
    text.lines()
        .filter_map(|line| {
            let (package, path) = line.split_once(char::is_whitespace)?;
            Some((plain_path(path.trim()), package.to_owned()))
        })
        .collect()
}

/// A path as it stands in an archive: no leading `/` or `./`, and where the file really is since
/// `/bin`, `/sbin` and `/lib*` are links into `/usr`.
pub fn plain_path(path: &str) -> String {
    let path = path.trim_start_matches("./").trim_matches('/');
    let path = if path == "." { "" } else { path };
    let (top, rest) = path.split_once('/').unwrap_or((path, ""));
    let merged = matches!(top, "bin" | "sbin" | "lib" | "lib32" | "lib64" | "libx32");
    if merged && !rest.is_empty() {
        format!("usr/{path}")
    } else {
        path.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "\
Package: bash
Essential: yes
Status: install ok installed
Architecture: amd64
Version: 5.2.37-2
Pre-Depends: libc6 (>= 2.38), libtinfo6
Depends: base-files (>= 2.1.12), debconf (>= 0.5) | debconf-2.0, perl:any
Provides: shell (= 1), sh-like
Conffiles:
 /etc/bash.bashrc 00
Description: GNU Bourne Again SHell
 Bash is an sh-compatible: shell
Homepage: http://example.org/

Package: gone
Status: deinstall ok config-files
Version: 1
";

    #[test]
    fn status_fields_are_read() {
        let packages = parse_status(STATUS).unwrap();
        assert_eq!(packages.len(), 1);
        let bash = &packages[0];
        assert!(bash.essential);
        assert_eq!(bash.version, "5.2.37-2");
        assert_eq!(bash.summary, "GNU Bourne Again SHell");
        assert_eq!(bash.homepage, "http://example.org/");
        assert_eq!(bash.provides, ["shell", "sh-like"]);
        let depends: Vec<String> = bash.depends.iter().map(|g| g.join("|")).collect();
        assert_eq!(
            depends,
            [
                "libc6",
                "libtinfo6",
                "base-files",
                "debconf|debconf-2.0",
                "perl"
            ]
        );
    }

    #[test]
    fn a_broken_status_file_is_refused() {
        let error = |t: &str| format!("{:#}", parse_status(t).unwrap_err());
        insta::assert_snapshot!(error("Version: 1\n"), @"dpkg's status file: the paragraph starting 'Version: 1' has no Package field");
        insta::assert_snapshot!(error("Package: a\nStatus: install ok installed\n"), @"dpkg's status file: a has no Version field");
    }

    #[test]
    fn lists_are_in_merged_usr_names() {
        assert_eq!(
            parse_list("/.\n/lib\n/lib/systemd\n/lib64/ld.so\n/etc/a\n/usr/lib/x\n"),
            [
                "lib",
                "usr/lib/systemd",
                "usr/lib64/ld.so",
                "etc/a",
                "usr/lib/x"
            ]
        );
        assert_eq!(list_owner("libc6:amd64.list"), Some("libc6"));
        assert_eq!(list_owner("acme.sh.list"), Some("acme.sh"));
        assert_eq!(list_owner("acme.sh.md5sums"), None);
    }

    #[test]
    fn diversions_come_in_threes() {
        let found = parse_diversions("/lib/a\n/lib/a.distrib\nbash\n").unwrap();
        assert_eq!(found[0].from, "usr/lib/a");
        assert_eq!(found[0].to, "usr/lib/a.distrib");
        assert_eq!(found[0].by, "bash");
        let error = parse_diversions("/a\n/b\n").unwrap_err();
        insta::assert_snapshot!(error.to_string(), @"dpkg's diversions file has 2 lines, which is not three for each diversion");
    }

    #[test]
    fn ucf_names_the_package() {
        assert_eq!(
            parse_ucf("openssh-server /etc/ssh/sshd_config\n"),
            [(
                "etc/ssh/sshd_config".to_owned(),
                "openssh-server".to_owned()
            )]
        );
    }
}
