//! `standin.toml`: which version of a package the stand-in base builds, and from where.
//!
//! The Arch pins stand in the PKGBUILD. These are appended to a copy of it as ordinary
//! assignments, which bash reads last: the PKGBUILD's functions run unchanged.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;

use crate::util::hash;

/// The content of a `standin.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pins {
    /// The version to build.
    pub pkgver: String,
    /// Why it is not the Arch pin: a sentence for the manifest.
    pub reason: String,
    /// In place of the PKGBUILD's `depends`.
    pub depends: Option<Vec<String>>,
    /// In place of the PKGBUILD's `makedepends`.
    pub makedepends: Option<Vec<String>>,
    /// In place of the PKGBUILD's `checkdepends`.
    pub checkdepends: Option<Vec<String>>,
    /// Further bash variables.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// All sources, in order.
    #[serde(default)]
    pub source: Vec<Source>,
}

/// One source of a package.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Source {
    /// The original tarball of a Debian source package.
    Debian {
        /// Name of the source package.
        debian: String,
        /// The file's name in the archive and in `$srcdir`.
        file: String,
        /// Its SHA-256.
        sha256: String,
    },
    /// A file inside a crate.
    Crate {
        /// Name of the crate.
        #[serde(rename = "crate")]
        name: String,
        /// Its exact version.
        version: String,
        /// Path inside the crate; the last part is the name in `$srcdir`.
        file: String,
        /// The file's SHA-256.
        sha256: String,
    },
    /// A file beside the PKGBUILD.
    Local {
        /// Its name.
        local: String,
    },
}

impl Source {
    /// The name in `$srcdir`.
    pub fn file_name(&self) -> &str {
        match self {
            Self::Debian { file, .. } | Self::Crate { file, .. } => {
                file.rsplit('/').next().unwrap_or(file)
            }
            Self::Local { local } => local,
        }
    }
}

impl Pins {
    /// Reads the text of a `standin.toml`.
    ///
    /// # Errors
    /// When it is not TOML, a key is unknown, or a checksum is no SHA-256.
    pub fn parse(text: &str) -> Result<Self> {
        let pins: Self =
            toml::from_str(text).map_err(|e| anyhow!("{}", e.to_string().trim_end()))?;
        for source in &pins.source {
            if let Source::Debian { sha256, .. } | Source::Crate { sha256, .. } = source
                && !(sha256.len() == 64 && sha256.chars().all(|c| c.is_ascii_hexdigit()))
            {
                bail!(
                    "the sha256 of '{}' is '{sha256}', not 64 hexadecimal digits",
                    source.file_name()
                );
            }
        }
        if let Some(name) = pins.set.keys().find(|n| !is_variable(n)) {
            bail!("[set] '{name}' is not the name of a bash variable");
        }
        Ok(pins)
    }

    /// The lines to append to a PKGBUILD whose folder is `folder`.
    ///
    /// # Errors
    /// When a local source is not there.
    pub fn lines(&self, folder: &Path) -> Result<String> {
        let mut text = String::from("\n# stand-in pins: standin.toml\nunset -f pkgver\n");
        let _ = writeln!(text, "pkgver={}", quoted(&self.pkgver));
        for (name, value) in &self.set {
            let _ = writeln!(text, "{name}={}", quoted(value));
        }
        for (name, values) in [
            ("depends", &self.depends),
            ("makedepends", &self.makedepends),
            ("checkdepends", &self.checkdepends),
        ] {
            if let Some(values) = values {
                let _ = writeln!(text, "{name}=({})", list(values.iter()));
            }
        }
        let mut sums = Vec::new();
        for source in &self.source {
            sums.push(match source {
                Source::Debian { sha256, .. } | Source::Crate { sha256, .. } => sha256.clone(),
                Source::Local { local } => hash::sha256_file(&folder.join(local))
                    .with_context(|| format!("the local source '{local}' of standin.toml"))?,
            });
        }
        let names = self.source.iter().map(Source::file_name);
        let _ = writeln!(text, "source=({})", list(names));
        text.push_str("unset md5sums sha1sums sha512sums b2sums noextract validpgpkeys\n");
        let _ = writeln!(text, "sha256sums=({})", list(sums.iter()));
        Ok(text)
    }
}

fn is_variable(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn list<S: AsRef<str>>(values: impl Iterator<Item = S>) -> String {
    values
        .map(|v| quoted(v.as_ref()))
        .collect::<Vec<_>>()
        .join(" ")
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"
pkgver = "7.6.0p1"
reason = "what trixie has"
makedepends = ["libressl-static"]
[set]
_dir = "it's-7.6.0p1"
[[source]]
debian = "opensmtpd"
file = "opensmtpd_7.6.0p1.orig.tar.gz"
sha256 = "b27c806982a6653a2637f810ae7a45372b9a7ff99350ee1003746503ff0e4a97"
[[source]]
crate = "libtls-sys"
version = "1.2.0"
file = "sub/libressl-3.1.0.tar.gz"
sha256 = "f91aad0c8fb9cbc67c910ad6dcffb401a819b4fd122007ea7f978638db044cf6"
[[source]]
local = "argon2.patch"
"#;

    #[test]
    fn pins_become_assignments() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("argon2.patch"), "patch").unwrap();
        let pins = Pins::parse(SAMPLE).unwrap();
        insta::assert_snapshot!(pins.lines(dir.path()).unwrap());
    }

    #[test]
    fn bad_pins_are_refused() {
        let error = |text: &str| format!("{:#}", Pins::parse(text).unwrap_err());
        insta::assert_snapshot!(error("pkgver = \"1\"\nreson = \"x\"\n"));
        insta::assert_snapshot!(error(&SAMPLE.replace("b27c", "zzzz")));
        insta::assert_snapshot!(error(&SAMPLE.replace("_dir", "\"a b\"")));
    }
}
