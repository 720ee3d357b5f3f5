//! SPDX 2.3 as JSON. Section numbers are those of the specification.

use std::collections::BTreeMap;

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

const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const IMAGE: &str = "SPDXRef-Image";
const NOASSERTION: &str = "NOASSERTION";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    id: &'static str,
    name: String,
    document_namespace: String,
    creation_info: CreationInfo,
    packages: Vec<Element>,
    relationships: Vec<Relationship>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    has_extracted_licensing_infos: Vec<Extracted>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CreationInfo {
    created: String,
    creators: Vec<String>,
    license_list_version: String,
}

/// A package (section 7): the image, an installed package, a source.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Element {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_info: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    package_file_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    supplier: Option<String>,
    download_location: String,
    files_analyzed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checksums: Vec<Checksum>,
    #[serde(skip_serializing_if = "Option::is_none")]
    homepage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_info: Option<String>,
    license_concluded: &'static str,
    license_declared: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    license_comments: Option<String>,
    copyright_text: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    primary_package_purpose: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_refs: Vec<ExternalRef>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Checksum {
    algorithm: &'static str,
    checksum_value: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalRef {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Relationship {
    spdx_element_id: String,
    relationship_type: &'static str,
    related_spdx_element: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Extracted {
    license_id: String,
    name: String,
    extracted_text: String,
}

/// The document of an image; `number` is its namespace (section 6.5).
pub(super) fn document(inventory: &Inventory, number: &str) -> Document {
    let manifest = inventory.manifest;
    let mut elements = vec![image(manifest)];
    let mut relationships = vec![related(DOCUMENT, "DESCRIBES", IMAGE)];
    for package in &inventory.packages {
        let id = id("Package", &package.record.name);
        elements.push(installed(manifest, package, &id));
        relationships.push(related(IMAGE, "CONTAINS", &id));
        for name in &package.depends {
            relationships.push(related(&id, "DEPENDS_ON", &self::id("Package", name)));
        }
        if let Some(built) = package.built {
            generated_from(&mut relationships, &id, built);
        }
    }
    for linked in &inventory.linked {
        let built = linked.built;
        let id = id("Package", &built.name);
        elements.push(Element {
            version_info: Some(built.version.clone()),
            supplier: Some("Organization: ezmail".into()),
            homepage: homepage(&built.url).map(str::to_owned),
            source_info: source_info(manifest, &built.name, true),
            primary_package_purpose: Some("LIBRARY"),
            external_refs: vec![purl(&linked.purl)],
            ..element(&id, &built.name).licensed(&linked.license)
        });
        for user in &linked.users {
            let user = self::id("Package", user);
            // by Arch's convention a package of that name has nothing but static libraries
            relationships.push(match built.name.ends_with("-static") {
                true => related(&user, "STATIC_LINK", &id),
                false => related(&id, "BUILD_DEPENDENCY_OF", &user),
            });
        }
        generated_from(&mut relationships, &id, built);
    }
    for built in &manifest.built {
        let sources = built.sources.iter().enumerate();
        elements.extend(sources.map(|(n, s)| source(built, n, s)));
    }
    Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: DOCUMENT,
        name: manifest.iso.file.clone(),
        document_namespace: number.to_owned(),
        creation_info: CreationInfo {
            created: inventory.created.clone(),
            creators: vec![format!("Tool: ezmail-{VERSION}")],
            license_list_version: list_version(),
        },
        packages: elements,
        relationships,
        has_extracted_licensing_infos: extracted(inventory),
    }
}

/// `3.27`: the version of the licence list without its last part, as section 6.7 has it.
fn list_version() -> String {
    let mut parts = ::spdx::identifiers::VERSION.split('.');
    [parts.next(), parts.next()]
        .map(Option::unwrap_or_default)
        .join(".")
}

fn image(manifest: &Manifest) -> Element {
    Element {
        version_info: Some(manifest.version.clone()),
        package_file_name: Some(manifest.iso.file.clone()),
        checksums: checksums(sha256(&manifest.iso.sha256)),
        // none: how an operating system is spelled differs between states of the schema
        license_declared: NOASSERTION.into(),
        summary: Some(format!(
            "A mail server on a bootable ISO image, on the base '{}'",
            manifest.base
        )),
        ..element(IMAGE, &manifest.name)
    }
}

fn installed(manifest: &Manifest, package: &Package, id: &str) -> Element {
    let record = package.record;
    let ours = record.repository == repo::NAME;
    Element {
        version_info: Some(record.version.clone()),
        package_file_name: Some(record.file.clone()),
        supplier: Some(supplier(manifest, &record.packager, ours)),
        checksums: checksums(sha256(&record.sha256)),
        homepage: homepage(&record.url).map(str::to_owned),
        source_info: source_info(manifest, &record.name, ours),
        summary: (!record.desc.is_empty()).then(|| record.desc.clone()),
        // most are libraries or programs or both: nobody says which
        primary_package_purpose: Some("INSTALL"),
        external_refs: vec![purl(&package.purl)],
        ..element(id, &record.name).licensed(&package.license)
    }
}

fn source(built: &BuiltPackage, number: usize, source: &BuiltSource) -> Element {
    let place = Place::of(source);
    let local = place.location.is_none() && source.origin.is_none();
    Element {
        download_location: place.location.unwrap_or_else(|| NOASSERTION.into()),
        checksums: checksums(checksum(source)),
        source_info: local.then(|| format!("ezmail's own, of packages/{}", built.name)),
        license_declared: NOASSERTION.into(),
        primary_package_purpose: Some("SOURCE"),
        external_refs: source.origin.iter().map(|o| purl(o)).collect(),
        ..element(&source_id(built, number), &place.name)
    }
}

fn element(id: &str, name: &str) -> Element {
    Element {
        id: id.into(),
        name: name.into(),
        download_location: NOASSERTION.into(),
        license_concluded: NOASSERTION,
        copyright_text: NOASSERTION,
        ..Element::default()
    }
}

impl Element {
    fn licensed(mut self, license: &Declared) -> Self {
        self.license_declared = match license {
            Declared::Expression { text, .. } => text.clone(),
            Declared::Unsaid(_) => NOASSERTION.into(),
            Declared::Nothing => "NONE".into(),
        };
        if let Declared::Unsaid(Some(words)) = license {
            self.license_comments = Some(format!("The package says: {words}"));
        }
        self
    }
}

/// Sections 7.5: `Person: Name (address)` or `Organization: Name`.
fn supplier(manifest: &Manifest, packager: &str, ours: bool) -> String {
    if let Some((name, address)) = packager.trim().split_once('<') {
        let address = address.trim_end_matches('>');
        return format!("Person: {} ({address})", name.trim());
    }
    // brackets would be an address
    match packager.split('(').next().unwrap_or_default().trim() {
        "" if ours => "Organization: ezmail".into(),
        "" if manifest.base == "arch" => "Organization: Arch Linux".into(),
        "" => NOASSERTION.into(),
        name => format!("Organization: {name}"),
    }
}

fn source_info(manifest: &Manifest, name: &str, ours: bool) -> Option<String> {
    if !ours {
        let composed = manifest.base != "arch";
        return composed.then(|| "composed by ezmail from packages of Debian".to_owned());
    }
    let drift = manifest.drift.iter().find(|d| d.package == name);
    Some(match drift {
        Some(drift) => format!("built by ezmail. {}", remark(drift)),
        None => "built by ezmail".to_owned(),
    })
}

fn generated_from(relationships: &mut Vec<Relationship>, id: &str, built: &BuiltPackage) {
    for number in 0..built.sources.len() {
        relationships.push(related(id, "GENERATED_FROM", &source_id(built, number)));
    }
}

/// By number, as what follows a package's name could be a part of another one's.
fn source_id(built: &BuiltPackage, number: usize) -> String {
    format!("{}-{}", id("Source", &built.name), number + 1)
}

/// Letters, digits, `.` and `-` are allowed (section 7.2); all else becomes its code point after an
/// `X`. Names of packages are in lower case, so no two become one.
fn id(kind: &str, name: &str) -> String {
    let mut text = format!("SPDXRef-{kind}-");
    for c in name.chars() {
        match c.is_ascii_alphanumeric() || c == '.' || c == '-' {
            true => text.push(c),
            false => text.push_str(&format!("X{:X}.", u32::from(c))),
        }
    }
    text
}

fn related(from: &str, how: &'static str, to: &str) -> Relationship {
    Relationship {
        spdx_element_id: from.into(),
        relationship_type: how,
        related_spdx_element: to.into(),
    }
}

fn checksums(sha256: Option<&str>) -> Vec<Checksum> {
    let one = |value: &str| Checksum {
        algorithm: "SHA256",
        checksum_value: value.into(),
    };
    sha256.map(one).into_iter().collect()
}

fn purl(purl: &str) -> ExternalRef {
    ExternalRef {
        reference_category: "PACKAGE-MANAGER",
        reference_type: "purl",
        reference_locator: purl.into(),
    }
}

/// Every licence that is on no list (section 10).
fn extracted(inventory: &Inventory) -> Vec<Extracted> {
    let licenses = inventory
        .packages
        .iter()
        .map(|p| &p.license)
        .chain(inventory.linked.iter().map(|l| &l.license));
    let mut all = BTreeMap::new();
    for license in licenses {
        if let Declared::Expression { refs, .. } = license {
            all.extend(refs.iter().map(|(id, name)| (id.clone(), name.clone())));
        }
    }
    let entry = |(id, name): (String, String)| Extracted {
        license_id: id,
        extracted_text: format!(
            "The packages call this licence '{name}'; its text is in their files in the image."
        ),
        name,
    };
    all.into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_stay_apart() {
        assert_eq!(
            id("Package", "libstdc++6"),
            "SPDXRef-Package-libstdcX2B.X2B.6"
        );
        assert_eq!(id("Source", "a_b"), "SPDXRef-Source-aX5F.b");
    }

    #[test]
    fn who_supplies() {
        let mut manifest = super::super::tests::manifest();
        let mut who = |base: &str, packager: &str, ours| {
            manifest.base = base.into();
            supplier(&manifest, packager, ours)
        };
        assert_eq!(
            who("arch", "A B <a@b.example>", false),
            "Person: A B (a@b.example)"
        );
        assert_eq!(who("arch", "", false), "Organization: Arch Linux");
        assert_eq!(
            who("standin", "ezmail (from Debian)", false),
            "Organization: ezmail"
        );
        assert_eq!(who("standin", "", true), "Organization: ezmail");
        assert_eq!(who("standin", "", false), "NOASSERTION");
    }
}
