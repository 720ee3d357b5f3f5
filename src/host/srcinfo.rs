//! `.SRCINFO`: what a PKGBUILD says of itself, as `makepkg --printsrcinfo` prints it.
//!
//! Source: makepkg's `lib/libmakepkg/srcinfo.sh`; `key = value` lines, `pkgbase` first, then a
//! section for each `pkgname`. Keys of an architecture (`depends_x86_64`) count for x86_64.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use serde::Serialize;

/// One PKGBUILD.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SrcInfo {
    /// Name of the PKGBUILD.
    pub base: String,
    /// `[epoch:]pkgver-pkgrel`.
    pub version: String,
    /// One line of description.
    pub desc: String,
    /// Home page.
    pub url: String,
    /// SPDX expressions, all of which hold.
    pub license: Vec<String>,
    /// The packages it makes.
    pub names: Vec<String>,
    /// Run-time dependencies of all of them.
    pub depends: BTreeSet<String>,
    /// Build-time dependencies.
    pub makedepends: BTreeSet<String>,
    /// Dependencies of `check()`.
    pub checkdepends: BTreeSet<String>,
    /// Virtual names of all of them, without versions.
    pub provides: BTreeSet<String>,
    /// Its sources, as written.
    pub sources: Vec<String>,
    /// Its checksums in the order of the sources: SHA-256 or `SKIP`.
    pub sha256sums: Vec<String>,
}

impl SrcInfo {
    /// Reads the text of a `.SRCINFO`.
    ///
    /// # Errors
    /// When a line is no `key = value`, or name or version is missing.
    pub fn parse(text: &str) -> Result<Self> {
        let mut info = Self::default();
        let (mut pkgver, mut pkgrel, mut epoch) = (String::new(), String::new(), String::new());
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, value) = line.split_once('=').with_context(|| {
                format!(
                    ".SRCINFO line {}: '{line}' is not 'key = value'",
                    number + 1
                )
            })?;
            let (key, value) = (key.trim(), value.trim().to_owned());
            match key.strip_suffix("_x86_64").unwrap_or(key) {
                "pkgbase" => info.base = value,
                "pkgname" => info.names.push(value),
                "pkgver" => pkgver = value,
                "pkgrel" => pkgrel = value,
                "epoch" => epoch = value,
                "pkgdesc" if info.desc.is_empty() => info.desc = value,
                "url" if info.url.is_empty() => info.url = value,
                // a package's own ones, in its section, are not looked at
                "license" if info.names.is_empty() => info.license.push(value),
                "depends" => _ = info.depends.insert(value),
                "makedepends" => _ = info.makedepends.insert(value),
                "checkdepends" => _ = info.checkdepends.insert(value),
                "provides" => _ = info.provides.insert(bare(&value).to_owned()),
                "source" => info.sources.push(value),
                "sha256sums" => info.sha256sums.push(value),
                _ => {}
            }
        }
        if info.base.is_empty() || info.names.is_empty() || pkgver.is_empty() || pkgrel.is_empty() {
            bail!(".SRCINFO lacks one of pkgbase, pkgname, pkgver and pkgrel");
        }
        info.version = format!("{pkgver}-{pkgrel}");
        if !epoch.is_empty() {
            info.version = format!("{epoch}:{}", info.version);
        }
        Ok(info)
    }

    /// All that must be installed to build and check it.
    pub fn build_needs(&self) -> BTreeSet<String> {
        self.depends
            .iter()
            .chain(&self.makedepends)
            .chain(&self.checkdepends)
            .cloned()
            .collect()
    }

    /// Whether it makes or provides `name`.
    pub fn offers(&self, name: &str) -> bool {
        self.names.iter().any(|n| n == name) || self.provides.contains(name)
    }
}

/// A dependency without its version: `openssl>=3` is `openssl`.
pub fn bare(dependency: &str) -> &str {
    dependency
        .split(['<', '>', '=', ':'])
        .next()
        .unwrap_or(dependency)
}

/// The order in which to build: each after those of `all` that it needs.
///
/// # Errors
/// When some of them need each other in a circle; the error names them.
pub fn build_order(all: &[SrcInfo]) -> Result<Vec<usize>> {
    let mut order = Vec::new();
    while order.len() < all.len() {
        let ready = (0..all.len())
            .find(|&i| !order.contains(&i) && needs(all, i).iter().all(|n| order.contains(n)));
        match ready {
            Some(i) => order.push(i),
            None => {
                let circle: Vec<&str> = (0..all.len())
                    .filter(|i| !order.contains(i))
                    .map(|i| all[i].base.as_str())
                    .collect();
                bail!(
                    "these packages need each other to be built: {}",
                    circle.join(", ")
                );
            }
        }
    }
    Ok(order)
}

/// Which of `all` package `index` needs to be built.
pub fn needs(all: &[SrcInfo], index: usize) -> Vec<usize> {
    let wanted = all[index].build_needs();
    (0..all.len())
        .filter(|&i| i != index && wanted.iter().any(|w| all[i].offers(bare(w))))
        .collect()
}

/// The file that a source of a PKGBUILD is kept as: `NAME::URL`, or the URL's last part.
pub fn source_name(source: &str) -> &str {
    match source.split_once("::") {
        Some((name, _)) => name,
        None => source.rsplit('/').next().unwrap_or(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_the_name_of_its_file() {
        assert_eq!(source_name("a.patch"), "a.patch");
        assert_eq!(source_name("https://h/p/b-1.tar.gz"), "b-1.tar.gz");
        assert_eq!(source_name("c.tar.gz::https://h/v1"), "c.tar.gz");
    }

    fn made(base: &str, needs: &[&str]) -> SrcInfo {
        SrcInfo {
            base: base.into(),
            names: vec![base.into()],
            makedepends: needs.iter().map(|n| (*n).to_owned()).collect(),
            ..SrcInfo::default()
        }
    }

    #[test]
    fn a_srcinfo_is_read() {
        let text = "pkgbase = a\n\tpkgdesc = one\n\turl = https://a.example/\n\tlicense = MIT\n\tpkgver = 1.2\n\tpkgrel = 3\n\tepoch = 1\n\
                    \tmakedepends = cmake\n\tdepends_x86_64 = zlib>=1\n\tprovides = x=2\n\
                    \tsource = a.tar\n\tsha256sums = SKIP\n\npkgname = a\n\tlicense = ISC\n\n\
                    pkgname = b\n";
        let info = SrcInfo::parse(text).unwrap();
        assert_eq!(info.version, "1:1.2-3");
        assert_eq!(info.names, ["a", "b"]);
        assert_eq!(
            (&*info.url, &info.license[..]),
            ("https://a.example/", &["MIT".to_owned()][..])
        );
        assert!(info.depends.contains("zlib>=1") && info.offers("x") && info.offers("b"));
    }

    #[test]
    fn needed_ones_come_first() {
        let all = [
            made("table", &["smtpd"]),
            made("smtpd", &["tls>=3"]),
            made("tls", &["gcc"]),
        ];
        assert_eq!(build_order(&all).unwrap(), [2, 1, 0]);
    }

    #[test]
    fn a_circle_is_named() {
        let error =
            build_order(&[made("a", &["b"]), made("b", &["a"]), made("c", &[])]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "these packages need each other to be built: a, b"
        );
    }

    #[test]
    fn errors_name_the_line() {
        let error = SrcInfo::parse("pkgbase = a\nnonsense").unwrap_err();
        assert_eq!(
            error.to_string(),
            ".SRCINFO line 2: 'nonsense' is not 'key = value'"
        );
        let error = SrcInfo::parse("pkgbase = a\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            ".SRCINFO lacks one of pkgbase, pkgname, pkgver and pkgrel"
        );
    }
}
