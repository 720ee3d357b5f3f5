//! CycloneDX 1.6 as JSON. Names are those of its schema, `bom-1.6.schema.json`.

use serde::Serialize;

use super::{
    homepage,
    inventory::{Inventory, Package, Place, checksum},
    license::Declared,
    remark, sha256,
};
use crate::host::{
    manifest::{BuiltPackage, BuiltSource, Manifest},
    project::VERSION,
    repo,
};

const IMAGE: &str = "image";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    #[serde(rename = "$schema")]
    schema: &'static str,
    bom_format: &'static str,
    spec_version: &'static str,
    serial_number: String,
    version: u32,
    metadata: Metadata,
    components: Vec<Component>,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Serialize)]
struct Metadata {
    timestamp: String,
    tools: Tools,
    component: Component,
}

#[derive(Debug, Serialize)]
struct Tools {
    components: [Component; 1],
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Component {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref", skip_serializing_if = "Option::is_none")]
    bom_ref: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    publisher: Option<String>,
    name: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<License>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pedigree: Option<Pedigree>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_references: Vec<Reference>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<Property>,
}

#[derive(Debug, Serialize)]
struct Hash {
    alg: &'static str,
    content: String,
}

/// An expression is written as one even if it is a single identifier: the schema has a list of those
/// of its day, and a newer one would not be in it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum License {
    Expression(String),
    License { name: String },
}

#[derive(Debug, Serialize)]
struct Pedigree {
    notes: String,
}

#[derive(Debug, Serialize)]
struct Reference {
    #[serde(rename = "type")]
    kind: &'static str,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash>,
}

#[derive(Debug, Serialize)]
struct Property {
    name: &'static str,
    value: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    #[serde(rename = "ref")]
    bom_ref: String,
    depends_on: Vec<String>,
}

/// The document of an image; `number` is its serial number.
pub(super) fn document(inventory: &Inventory, number: &str) -> Document {
    let manifest = inventory.manifest;
    let mut components = Vec::new();
    let mut dependencies = vec![Dependency {
        bom_ref: IMAGE.into(),
        depends_on: inventory.packages.iter().map(|p| p.purl.clone()).collect(),
    }];
    for package in &inventory.packages {
        let name = package.record.name.as_str();
        let others = inventory.packages.iter();
        let mut needs: Vec<String> = others
            .filter(|p| package.depends.contains(&p.record.name.as_str()))
            .map(|p| p.purl.clone())
            .collect();
        let linked = inventory.linked.iter().filter(|l| l.users.contains(&name));
        needs.extend(linked.map(|l| l.purl.clone()));
        components.push(installed(manifest, package));
        dependencies.push(Dependency {
            bom_ref: package.purl.clone(),
            depends_on: needs,
        });
    }
    for linked in &inventory.linked {
        let built = linked.built;
        components.push(Component {
            publisher: Some("ezmail".into()),
            licenses: licenses(&linked.license),
            pedigree: Some(pedigree(manifest, &built.name, true)),
            external_references: references(&built.url, Some(built)),
            properties: vec![property("ezmail:linked-into", &linked.users.join(" "))],
            ..component("library", &linked.purl, &built.name, &built.version)
        });
        dependencies.push(Dependency {
            bom_ref: linked.purl.clone(),
            depends_on: Vec::new(),
        });
    }
    Document {
        schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: number.to_owned(),
        version: 1,
        metadata: Metadata {
            timestamp: inventory.created.clone(),
            tools: Tools {
                components: [Component {
                    kind: "application",
                    name: "ezmail".into(),
                    version: VERSION.into(),
                    ..Component::default()
                }],
            },
            component: image(manifest),
        },
        components,
        dependencies,
    }
}

fn image(manifest: &Manifest) -> Component {
    Component {
        description: Some("A mail server on a bootable ISO image".into()),
        hashes: hashes(sha256(&manifest.iso.sha256)),
        properties: vec![
            property("ezmail:base", &manifest.base),
            property("ezmail:file", &manifest.iso.file),
        ],
        ..component("operating-system", IMAGE, &manifest.name, &manifest.version)
    }
}

/// The type is `library`, as the schema recommends where it is not known.
fn installed(manifest: &Manifest, package: &Package) -> Component {
    let record = package.record;
    let ours = record.repository == repo::NAME;
    let told = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Component {
        publisher: told(&record.packager),
        description: told(&record.desc),
        hashes: hashes(sha256(&record.sha256)),
        licenses: licenses(&package.license),
        pedigree: (ours || manifest.base != "arch").then(|| pedigree(manifest, &record.name, ours)),
        external_references: references(&record.url, package.built),
        properties: vec![
            property("ezmail:repository", &record.repository),
            property("ezmail:file", &record.file),
        ],
        ..component("library", &package.purl, &record.name, &record.version)
    }
}

/// A component whose reference is its purl.
fn component(kind: &'static str, id: &str, name: &str, version: &str) -> Component {
    Component {
        kind,
        bom_ref: Some(id.into()),
        name: name.into(),
        version: version.into(),
        purl: id.starts_with("pkg:").then(|| id.to_owned()),
        ..Component::default()
    }
}

fn licenses(license: &Declared) -> Vec<License> {
    match license {
        Declared::Expression { text, .. } => vec![License::Expression(text.clone())],
        Declared::Unsaid(Some(words)) => vec![License::License {
            name: words.clone(),
        }],
        Declared::Unsaid(None) | Declared::Nothing => Vec::new(),
    }
}

fn pedigree(manifest: &Manifest, name: &str, ours: bool) -> Pedigree {
    let drift = manifest.drift.iter().find(|d| d.package == name);
    Pedigree {
        notes: match (ours, drift) {
            (false, _) => "Composed by ezmail from packages of Debian.".into(),
            (true, None) => "Built by ezmail.".into(),
            (true, Some(drift)) => format!("Built by ezmail. {}", remark(drift)),
        },
    }
}

/// The home page, and what the package was built from.
fn references(url: &str, built: Option<&BuiltPackage>) -> Vec<Reference> {
    let website = homepage(url).map(|url| Reference {
        kind: "website",
        url: url.into(),
        comment: None,
        hashes: Vec::new(),
    });
    let sources = built
        .into_iter()
        .flat_map(|b| b.sources.iter().map(|s| source(b, s)));
    website.into_iter().chain(sources).collect()
}

fn source(built: &BuiltPackage, source: &BuiltSource) -> Reference {
    let place = Place::of(source);
    let (kind, url, comment) = match (place.location, &source.origin) {
        (Some(url), _) if url.starts_with("git+") => ("vcs", url, None),
        (Some(url), _) => ("source-distribution", url, None),
        (None, Some(origin)) => {
            let comment = format!("the file {} of it", place.name);
            ("source-distribution", origin.clone(), Some(comment))
        }
        (None, None) => {
            let url = format!("packages/{}/{}", built.name, place.name);
            ("other", url, Some("in ezmail's own sources".into()))
        }
    };
    Reference {
        kind,
        url,
        comment,
        hashes: hashes(checksum(source)),
    }
}

fn hashes(sha256: Option<&str>) -> Vec<Hash> {
    let one = |content: &str| Hash {
        alg: "SHA-256",
        content: content.into(),
    };
    sha256.map(one).into_iter().collect()
}

fn property(name: &'static str, value: &str) -> Property {
    Property {
        name,
        value: value.into(),
    }
}
