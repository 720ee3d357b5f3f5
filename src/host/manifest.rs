//! The manifest beside an ISO: what is in it, from where, and where it differs from Arch's pins.

use serde::Serialize;

use super::{
    image::{Image, Request},
    project::VERSION,
    repo::Record,
    rootfs::Installed,
};

/// The JSON document, format 1.
#[derive(Debug, Serialize)]
pub struct Manifest {
    format: u32,
    name: &'static str,
    version: &'static str,
    base: &'static str,
    source_date_epoch: u64,
    iso: Iso,
    /// Every installed package.
    packages: Vec<Record>,
    /// Our packages, with what they were built from.
    built: Vec<BuiltPackage>,
    /// Where the base builds another version than the Arch pin.
    drift: Vec<Drift>,
}

#[derive(Debug, Serialize)]
struct Iso {
    file: String,
    size: u64,
    sha256: String,
}

#[derive(Debug, Serialize)]
struct BuiltPackage {
    name: String,
    version: String,
    input_hash: String,
    sources: Vec<BuiltSource>,
}

#[derive(Debug, Serialize)]
struct BuiltSource {
    source: String,
    sha256: String,
}

#[derive(Debug, Serialize)]
struct Drift {
    package: String,
    arch: String,
    built: String,
    reason: String,
}

impl Manifest {
    /// Describes `image` as made from `request`.
    pub fn new(request: &Request, image: &Image, installed: Installed) -> Self {
        let built = request.built.iter().map(|b| {
            let info = &b.prepared.info;
            let sources = info.sources.iter().zip(&info.sha256sums);
            BuiltPackage {
                name: b.prepared.name.clone(),
                version: info.version.clone(),
                input_hash: b.key.clone(),
                sources: sources
                    .map(|(s, h)| BuiltSource {
                        source: s.clone(),
                        sha256: h.clone(),
                    })
                    .collect(),
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
            format: 1,
            name: "ezmail",
            version: VERSION,
            base: request.base.name(),
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
}
