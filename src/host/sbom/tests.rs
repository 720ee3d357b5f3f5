//! A small manifest, and both documents of it.

use std::path::Path;

use super::*;
use crate::host::manifest::Manifest;

/// One package of the base, one of ours with sources of every kind, one that is linked into it.
pub(super) fn manifest() -> Manifest {
    Manifest::parse(include_str!("testdata/manifest.json")).unwrap()
}

#[test]
fn spdx() {
    insta::assert_snapshot!(render(&manifest(), Format::Spdx).unwrap());
}

#[test]
fn cyclonedx() {
    insta::assert_snapshot!(render(&manifest(), Format::Cyclonedx).unwrap());
}

#[test]
fn arch_is_named_as_arch() {
    let mut manifest = manifest();
    manifest.base = "arch".into();
    for format in [Format::Spdx, Format::Cyclonedx] {
        let text = render(&manifest, format).unwrap();
        assert!(text.contains("\"pkg:alpm/arch/libevent@2.1.12-4?arch=x86_64\""));
        assert!(text.contains("\"pkg:alpm/ezmail/opensmtpd@7.6.0p1-1?arch=x86_64\""));
        assert!(!text.contains("omposed by ezmail"));
    }
}

#[test]
fn a_manifest_of_before_has_documents_too() {
    let mut manifest = manifest();
    for record in &mut manifest.packages {
        *record = crate::host::repo::Record {
            name: record.name.clone(),
            version: record.version.clone(),
            repository: record.repository.clone(),
            file: record.file.clone(),
            sha256: record.sha256.clone(),
            license: record.license.clone(),
            ..Default::default()
        };
    }
    for built in &mut manifest.built {
        built.names.clear();
        built.makedepends.clear();
    }
    for format in [Format::Spdx, Format::Cyclonedx] {
        let text = render(&manifest, format).unwrap();
        assert!(text.contains("\"pkg:alpm/ezmail-standin/libevent@2.1.12-4?arch=x86_64\""));
        assert!(!text.contains("DEPENDS_ON"));
    }
}

#[test]
fn the_number_is_that_of_the_content() {
    let first = manifest();
    let mut second = manifest();
    let spdx = number(&first, "spdx").unwrap();
    assert_eq!(spdx, number(&second, "spdx").unwrap());
    assert_ne!(spdx, number(&first, "cyclonedx").unwrap());
    second.iso.sha256 = "1".repeat(64);
    assert_ne!(spdx, number(&second, "spdx").unwrap());
}

#[test]
fn documents_lie_beside_the_image() {
    let iso = Path::new("out/ezmail-0.1.0-arch-x86_64.iso");
    let name = |format| file_name(iso, format).display().to_string();
    assert_eq!(name(Format::Spdx), "out/ezmail-0.1.0-arch-x86_64.spdx.json");
    assert_eq!(
        name(Format::Cyclonedx),
        "out/ezmail-0.1.0-arch-x86_64.cdx.json"
    );
}
