//! The bills of materials of the built image, judged by public validators.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use ezmail::host::{
    manifest::Manifest,
    sbom::{self, Format},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::built;

const BOTH: [(Format, &str); 2] = [(Format::Spdx, "spdx"), (Format::Cyclonedx, "cyclonedx")];

fn manifest_path() -> PathBuf {
    built::iso().with_extension("manifest.json")
}

fn manifest() -> Manifest {
    Manifest::parse(&fs::read_to_string(manifest_path()).unwrap()).unwrap()
}

fn document(format: Format) -> Value {
    of(&manifest(), format)
}

fn of(manifest: &Manifest, format: Format) -> Value {
    serde_json::from_str(&sbom::render(manifest, format).unwrap()).unwrap()
}

/// What the validators say of a document.
fn judge(name: &str, document: &Value) -> Result<String, String> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.json");
    fs::write(&path, document.to_string()).unwrap();
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = project.join("target/checkers/bin/python");
    assert!(python.exists(), "{}: ci/setup makes it", python.display());
    let output = Command::new(python)
        .arg("-I")
        .arg(project.join("tests/image/sbom.py"))
        .arg(name)
        .arg(path)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors, "", "the validators themselves failed");
    match output.status.code() {
        Some(0) => Ok(said),
        Some(1) => Err(said),
        _ => panic!("{}: {said}", output.status),
    }
}

#[test]
fn public_validators_take_both() {
    for (format, name) in BOTH {
        assert_eq!(judge(name, &document(format)).unwrap(), "valid: 1\n");
    }
}

/// The manifest of the unit tests has what no image of this base need have: licences on no list,
/// sources in git, packages of Arch.
#[test]
fn they_take_those_of_other_images() {
    let text = include_str!("../../src/host/sbom/testdata/manifest.json");
    let mut manifest = Manifest::parse(text).unwrap();
    for base in ["standin", "arch"] {
        manifest.base = base.into();
        for (format, name) in BOTH {
            assert_eq!(judge(name, &of(&manifest, format)).unwrap(), "valid: 1\n");
        }
    }
}

#[test]
fn they_refuse_what_is_broken() {
    type Break = fn(&mut Value);
    let spdx: [(&str, Break); 6] = [
        ("SPDXRef-None", |d| {
            d["relationships"][1]["relatedSpdxElement"] = json!("SPDXRef-None");
        }),
        ("checksum", |d| {
            d["packages"][1]["checksums"][0]["checksumValue"] = json!("00");
        }),
        ("licen", |d| {
            d["packages"][1]["licenseDeclared"] = json!("No-Such-Licence-1.0");
        }),
        ("namespace", |d| d["documentNamespace"] = json!("none")),
        ("yesterday", |d| {
            d["creationInfo"]["created"] = json!("yesterday");
        }),
        ("purl", |d| {
            let reference = &mut d["packages"][1]["externalRefs"][0];
            reference["referenceLocator"] = json!("pkg:alpm");
        }),
    ];
    let cyclonedx: [(&str, Break); 5] = [
        ("serialNumber|urn:uuid", |d| {
            d["serialNumber"] = json!("urn:uuid:none");
        }),
        ("not known in this BOM", |d| {
            d["dependencies"][0]["dependsOn"][0] = json!("none");
        }),
        ("00", |d| {
            d["components"][0]["hashes"][0]["content"] = json!("00");
        }),
        ("unheard", |d| d["components"][0]["unheard"] = json!(1)),
        ("is there twice", |d| {
            let mut again = d["components"][0].clone();
            again["description"] = json!("another");
            d["components"].as_array_mut().unwrap().push(again);
        }),
    ];
    for (format, name, breaks) in [
        (Format::Spdx, "spdx", &spdx[..]),
        (Format::Cyclonedx, "cyclonedx", &cyclonedx[..]),
    ] {
        let good = document(format);
        for (word, change) in breaks {
            let mut broken = good.clone();
            change(&mut broken);
            let Err(said) = judge(name, &broken) else {
                panic!("a document with a wrong {word} was taken");
            };
            let pattern = regex::Regex::new(&format!("(?i){word}")).unwrap();
            assert!(pattern.is_match(&said), "{word}: {said}");
        }
    }
}

#[test]
fn every_package_of_the_image_is_in_both() {
    let local = built::unpacked().root.join("var/lib/pacman/local");
    let mut installed = BTreeSet::new();
    let records = manifest().packages;
    for entry in fs::read_dir(local).unwrap() {
        let path = entry.unwrap().path().join("desc");
        if !path.is_file() {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        let values = |field: &str| -> Vec<&str> {
            let mut lines = text.lines().skip_while(|l| *l != format!("%{field}%"));
            lines.next();
            lines.take_while(|l| !l.is_empty()).collect()
        };
        let (name, version) = (values("NAME")[0], values("VERSION")[0]);
        let record = records.iter().find(|r| r.name == name).unwrap();
        // what pacman noted when it installed them, not the repository
        assert_eq!(record.depends, values("DEPENDS"), "{name}");
        assert_eq!(record.arch, values("ARCH")[0], "{name}");
        installed.insert(format!("{name} {version}"));
    }
    assert!(installed.len() > 50, "{}", installed.len());
    let listed = |all: &Value, version: &str, is_package: fn(&Value) -> bool| -> BTreeSet<String> {
        let all = all.as_array().unwrap().iter().filter(|v| is_package(v));
        all.map(|v| {
            format!(
                "{} {}",
                v["name"].as_str().unwrap(),
                v[version].as_str().unwrap()
            )
        })
        .collect()
    };
    let spdx = document(Format::Spdx);
    let in_spdx = listed(&spdx["packages"], "versionInfo", |v| {
        v["primaryPackagePurpose"] == "INSTALL"
    });
    assert_eq!(in_spdx, installed);
    let in_cyclonedx = listed(&document(Format::Cyclonedx)["components"], "version", |v| {
        let properties = v["properties"].as_array().unwrap();
        properties.iter().any(|p| p["name"] == "ezmail:file")
    });
    assert_eq!(in_cyclonedx, installed);
    let related = |from: &str, how: &str, to: &str| {
        let all = spdx["relationships"].as_array().unwrap();
        all.contains(&json!({
            "spdxElementId": format!("SPDXRef-Package-{from}"),
            "relationshipType": how,
            "relatedSpdxElement": format!("SPDXRef-Package-{to}"),
        }))
    };
    assert!(related("opensmtpd", "DEPENDS_ON", "libevent"));
    assert!(related("opensmtpd", "STATIC_LINK", "libressl-static"));
}

#[test]
fn the_command_writes_the_same() {
    let folder = TempDir::new().unwrap();
    for (format, name) in BOTH {
        let wanted = sbom::render(&manifest(), format).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ezmail"));
        command.arg("sbom").arg(manifest_path());
        command.args(["--format", name]);
        assert!(built::run(&mut command) == wanted, "{name}");
        let path = folder.path().join(name);
        assert_eq!(built::run(command.arg("-o").arg(&path)), "");
        assert!(fs::read_to_string(path).unwrap() == wanted, "{name}");
    }
    let nothing = folder.path().join("nothing.json");
    fs::write(&nothing, "{}").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_ezmail"))
        .arg("sbom")
        .arg(&nothing)
        .args(["--format", "spdx"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("nothing.json gives no bill of materials: this is no manifest of an image"),
        "{said}"
    );
}
