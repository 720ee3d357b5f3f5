//! The mapping tables: which Arch name stands for which Debian packages.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Kind;

/// What the image holds, what is left out of either mirror, and the links at Arch's paths.
pub const IMAGE: &str = include_str!("image.toml");
/// What the build root holds, and what built packages need at run time.
pub const BUILD: &str = include_str!("build.toml");

/// Arch name to Debian names.
type Names = BTreeMap<String, Vec<String>>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageFile {
    drop: Drop,
    image: Names,
    links: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Drop {
    image: Vec<String>,
    build: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BuildFile {
    build: Names,
    runtime: Names,
}

/// The table of one composition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Arch name to the Debian packages it stands for; none makes an empty package.
    pub names: Names,
    /// Debian packages that are needed to compose, but are not in the mirror.
    pub drop: Vec<String>,
    /// Package to path to target: symbolic links added to a package; one `*` in the last
    /// component stands for the same on both sides.
    pub links: BTreeMap<String, BTreeMap<String, String>>,
}

impl Table {
    /// The table of `kind`, from the files that are part of this program.
    ///
    /// # Errors
    /// When one of the two files is not what it should be.
    pub fn of(kind: Kind) -> Result<Self> {
        Self::parse(kind, IMAGE, BUILD)
    }

    fn parse(kind: Kind, image: &str, build: &str) -> Result<Self> {
        let image: ImageFile = toml::from_str(image).context("reading standin/image.toml")?;
        let build: BuildFile = toml::from_str(build).context("reading standin/build.toml")?;
        let mut table = match kind {
            Kind::Image => Self {
                names: image.image,
                drop: image.drop.image,
                links: image.links,
            },
            Kind::Build => Self {
                names: build.build,
                drop: image.drop.build,
                links: BTreeMap::new(),
            },
        };
        if kind == Kind::Image {
            for (name, packages) in build.runtime {
                let known = table.names.entry(name).or_default();
                for package in packages {
                    if !known.contains(&package) {
                        known.push(package);
                    }
                }
            }
        }
        Ok(table)
    }

    /// Every Debian package named, sorted.
    pub fn debian_packages(&self) -> BTreeSet<&str> {
        self.names.values().flatten().map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: &str = "
drop = { image = ['apt'], build = [] }
[image]
base = ['systemd']
curl = ['curl']
[links]
";
    const BUILD: &str = "
[build]
base-devel = ['gcc', 'make']
[runtime]
curl = ['curl', 'libcurl4']
zlib = ['zlib1g']
";

    #[test]
    fn run_time_names_join_the_image() {
        let table = Table::parse(Kind::Image, IMAGE, BUILD).unwrap();
        assert_eq!(table.names["curl"], ["curl", "libcurl4"]);
        assert_eq!(table.names["zlib"], ["zlib1g"]);
        assert!(!table.names.contains_key("base-devel"));
        assert_eq!(table.drop, ["apt"]);
        let table = Table::parse(Kind::Build, IMAGE, BUILD).unwrap();
        assert_eq!(
            table.debian_packages().into_iter().collect::<Vec<_>>(),
            ["gcc", "make"]
        );
    }

    #[test]
    fn an_unknown_table_is_refused() {
        let error = Table::parse(Kind::Build, IMAGE, "[bild]\n").unwrap_err();
        assert!(
            format!("{error:#}").contains("unknown field `bild`"),
            "{error:#}"
        );
    }

    #[test]
    fn our_own_tables_are_valid() {
        let image = Table::of(Kind::Image).unwrap();
        for name in [
            "linux",
            "mkinitcpio",
            "mkinitcpio-archiso",
            "syslinux",
            "openssh",
        ] {
            assert!(image.names.contains_key(name), "{name}");
        }
        assert!(
            Table::of(Kind::Build)
                .unwrap()
                .names
                .contains_key("base-devel")
        );
    }
}
