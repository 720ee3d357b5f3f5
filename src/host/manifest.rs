//! The manifest beside an ISO: what is in it, from where, and where it differs from Arch's pins.

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::{
    image::{Image, Request},
    pins::Source,
    project::VERSION,
    repo::Record,
    rootfs::Installed,
};

/// The number of the format; fields that are only added do not change it.
const FORMAT: u32 = 1;

/// The JSON document, format 1.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// The number of the format.
    pub format: u32,
    /// `ezmail`.
    pub name: String,
    /// The image's version.
    pub version: String,
    /// `arch` or `standin`.
    pub base: String,
    /// The time that the image says it is from, seconds since 1970.
    pub source_date_epoch: u64,
    /// The image itself.
    pub iso: Iso,
    /// Every installed package.
    pub packages: Vec<Record>,
    /// Our packages, with what they were built from.
    pub built: Vec<BuiltPackage>,
    /// Where the base builds another version than the Arch pin.
    pub drift: Vec<Drift>,
}

/// The image that a manifest is about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Iso {
    /// Its file's name.
    pub file: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256, with the reserved extent blank.
    pub sha256: String,
}

/// One PKGBUILD of ours. `names` and what follows it came later: a manifest of before has none.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct BuiltPackage {
    /// Name of the PKGBUILD.
    pub name: String,
    /// `[epoch:]pkgver-pkgrel`.
    pub version: String,
    /// Hash of all that went into it.
    pub input_hash: String,
    /// What it was built from.
    pub sources: Vec<BuiltSource>,
    /// The packages it makes.
    #[serde(default)]
    pub names: Vec<String>,
    /// Home page of the upstream project.
    #[serde(default)]
    pub url: String,
    /// SPDX expressions, all of which hold.
    #[serde(default)]
    pub license: Vec<String>,
    /// What had to be installed to build it, as written.
    #[serde(default)]
    pub makedepends: Vec<String>,
}

/// One source of a PKGBUILD.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct BuiltSource {
    /// As the PKGBUILD names it.
    pub source: String,
    /// Its SHA-256, or `SKIP`.
    pub sha256: String,
    /// The package that the stand-in took the file out of, as a purl.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

/// A package whose version is not that of the Arch pin.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Drift {
    /// Its name.
    pub package: String,
    /// The version pinned for Arch.
    pub arch: String,
    /// The version that was built.
    pub built: String,
    /// Why.
    pub reason: String,
}

impl Manifest {
    /// Describes `image` as made from `request`.
    pub fn new(request: &Request, image: &Image, installed: Installed) -> Self {
        let built = request.built.iter().map(|b| {
            let info = &b.prepared.info;
            let pins = b.prepared.pins.iter().flat_map(|p| &p.source);
            let sources = info.sources.iter().zip(&info.sha256sums);
            BuiltPackage {
                name: b.prepared.name.clone(),
                version: info.version.clone(),
                input_hash: b.key.clone(),
                sources: sources
                    .map(|(s, h)| BuiltSource {
                        source: s.clone(),
                        sha256: h.clone(),
                        origin: pins.clone().find(|p| p.file_name() == s).and_then(origin),
                    })
                    .collect(),
                names: info.names.clone(),
                url: info.url.clone(),
                license: info.license.clone(),
                makedepends: info.makedepends.iter().cloned().collect(),
            }
        });
        let drift = request.built.iter().filter_map(|b| {
            let one = &b.prepared;
            let reason = one.pins.as_ref().map(|p| p.reason.clone())?;
            (one.arch.version != one.info.version).then(|| Drift {
                package: one.name.clone(),
                arch: one.arch.version.clone(),
                built: one.info.version.clone(),
                reason,
            })
        });
        Self {
            format: FORMAT,
            name: "ezmail".into(),
            version: VERSION.into(),
            base: request.base.name().into(),
            source_date_epoch: request.project.epoch,
            iso: Iso {
                file: request.def.file_name(),
                size: image.size,
                sha256: image.sha256.clone(),
            },
            packages: installed.records,
            built: built.collect(),
            drift: drift.collect(),
        }
    }

    /// Reads the text of a manifest.
    ///
    /// # Errors
    /// When it is none, or of a format that this ezmail does not know.
    pub fn parse(text: &str) -> Result<Self> {
        let manifest: Self = serde_json::from_str(text).context(
            "this is no manifest of an image; 'ezmail image' writes it beside the ISO, as \
             NAME.manifest.json",
        )?;
        if manifest.format != FORMAT {
            bail!(
                "the manifest has format {}, and this ezmail knows {FORMAT}; take the ezmail \
                 that built the image",
                manifest.format
            );
        }
        Ok(manifest)
    }
}

/// The package that a pinned source lies in, as a purl. Debian's revision is not pinned: the file's
/// checksum says what it is.
fn origin(source: &Source) -> Option<String> {
    match source {
        Source::Debian { debian, .. } => Some(format!("pkg:deb/debian/{debian}?arch=source")),
        Source::Crate { name, version, .. } => Some(format!("pkg:cargo/{name}@{version}")),
        Source::Local { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_manifest_is_refused() {
        let error = |text: &str| format!("{:#}", Manifest::parse(text).unwrap_err());
        let not_json = error("x");
        assert!(
            not_json.starts_with(
                "this is no manifest of an image; 'ezmail image' writes it beside the ISO, as \
                 NAME.manifest.json: expected value"
            ),
            "{not_json}"
        );
        assert_eq!(
            error(
                r#"{"format": 2, "name": "ezmail", "version": "9", "base": "arch", "packages": [],
                "source_date_epoch": 1, "iso": {"file": "x", "size": 1, "sha256": "0"},
                "built": [], "drift": []}"#
            ),
            "the manifest has format 2, and this ezmail knows 1; take the ezmail that built the image"
        );
    }

    #[test]
    fn where_a_pinned_source_is_from() {
        let from_crate = Source::Crate {
            name: "libtls-sys".into(),
            version: "1.2.0".into(),
            file: "a/x.tar.gz".into(),
            sha256: "00".into(),
        };
        assert_eq!(
            origin(&from_crate).as_deref(),
            Some("pkg:cargo/libtls-sys@1.2.0")
        );
        let local = Source::Local { local: "a".into() };
        assert_eq!(origin(&local), None);
    }
}
