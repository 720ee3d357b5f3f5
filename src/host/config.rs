//! `ezmail.toml`: the few things about a build that a project decides.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::base::arch::ArchiveDate;
use crate::util::files;

/// Where distribution packages come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum BaseChoice {
    /// Arch Linux if a mirror answers, else the stand-in.
    #[default]
    Auto,
    /// Arch Linux's official mirrors, signatures required.
    Arch,
    /// A local mirror composed from Debian stable: for trying and testing.
    Standin,
}

/// The content of `ezmail.toml`; every key may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// As `--base`.
    pub base: BaseChoice,
    /// The Arch base.
    pub arch: ArchConfig,
    /// The ISO.
    pub image: ImageConfig,
}

/// `[arch]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ArchConfig {
    /// `Server` lines with pacman's `$repo` and `$arch`; empty: the host's mirrorlist, else
    /// Arch's own mirrors.
    pub mirrors: Vec<String>,
    /// A day of the Arch Linux Archive, `YYYY/MM/DD`, in place of the mirrors.
    pub archive_date: Option<String>,
}

/// `[image]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageConfig {
    /// zstd level of the squashfs, 1 to 22.
    pub compression_level: u8,
    /// Packages beside those of `profile/packages.x86_64`.
    pub extra_packages: Vec<String>,
}

impl Default for ImageConfig {
    fn default() -> Self {
        // the knee of size against time: docs/architecture.md
        Self {
            compression_level: 9,
            extra_packages: Vec::new(),
        }
    }
}

impl Config {
    /// Reads `path`; a file that is not there is an empty one.
    ///
    /// # Errors
    /// When it is not TOML, has an unknown key or a wrong value; with line and column.
    pub fn load(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = files::read_to_string(path)?;
        Self::parse(&text).with_context(|| format!("in {}", path.display()))
    }

    /// As [`Config::load`], from text.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text).map_err(|e| {
            let message = e.to_string();
            match nearest(&message) {
                Some(name) => anyhow!("{}\ndid you mean '{name}'?", message.trim_end()),
                None => anyhow!("{}", message.trim_end()),
            }
        })?;
        if let Some(day) = &config.arch.archive_date {
            day.parse::<ArchiveDate>().context("arch.archive_date")?;
        }
        let bad =
            |server: &&String| !server.contains("://") || server.contains(char::is_whitespace);
        if let Some(server) = config.arch.mirrors.iter().find(bad) {
            return Err(anyhow!(
                "arch.mirrors has '{server}': a mirror is an address such as \
                 'https://mirror.example/$repo/os/$arch'"
            ));
        }
        if let Some(name) = config.image.extra_packages.iter().find(|n| !is_package(n)) {
            return Err(anyhow!(
                "image.extra_packages has '{name}': the name of a package has letters, digits and @._+-, \
                 and begins with none of - and ."
            ));
        }
        let level = config.image.compression_level;
        if !(1..=22).contains(&level) {
            return Err(anyhow!(
                "image.compression_level = {level}: zstd has levels 1 to 22; 9 is a good one"
            ));
        }
        Ok(config)
    }
}

/// Whether a name is one of a package (PKGBUILD(5), pkgname), with its repository before it or not.
fn is_package(name: &str) -> bool {
    let name = name.split_once('/').map_or(name, |(_, name)| name);
    let known = |c: char| c.is_ascii_alphanumeric() || "@._+-".contains(c);
    !name.is_empty() && !name.starts_with(['-', '.']) && name.chars().all(known)
}

/// The known name that is most like the unknown one which the message of a parser is about.
fn nearest(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("unknown ")?;
    let names: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    let (unknown, known) = names.split_first()?;
    let alike = |name: &&str| strsim::jaro_winkler(unknown, name);
    let best = known
        .iter()
        .copied()
        .max_by(|a, b| alike(a).total_cmp(&alike(b)))?;
    (alike(&best) > 0.8).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        format!("{:#}", Config::parse(text).unwrap_err())
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(Config::parse("").unwrap(), Config::default());
    }

    #[test]
    fn errors_name_line_column_and_what_is_known() {
        insta::assert_snapshot!(error("base = \"debian\""));
        insta::assert_snapshot!(error("\n[image]\ncompresion_level = 3\n"));
        insta::assert_snapshot!(error("[image]\ncompression_level = 23\n"));
        insta::assert_snapshot!(error("[arch]\narchive-date = \"2026/11/01\"\n"));
        insta::assert_snapshot!(error("[arch]\narchive_date = \"2026/02/30\"\n"));
        insta::assert_snapshot!(error("[arch]\nmirrors = [\"mirror.example\"]\n"));
        insta::assert_snapshot!(error("[image]\nextra_packages = [\"nano\", \"-x\"]\n"));
    }
}
