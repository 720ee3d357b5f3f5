//! Reading a mirror's database: which packages it has, at which version, in which file.
//!
//! Format: as `host::repo` writes it (repo-add(8)). Arch's databases are not signed: what is
//! read here is a hint about names and sums, and trust comes from each package's signature.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
};

use anyhow::{Context, Result, bail, ensure};

/// No database is as large as this when unpacked (`extra` is some 60 MB).
const LARGEST: u64 = 1 << 30;

/// One package as a mirror offers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package {
    /// Its name.
    pub name: String,
    /// `[epoch:]pkgver-pkgrel`.
    pub version: String,
    /// The file's name, without a folder.
    pub file_name: String,
    /// SHA-256 of the file, lower-case hexadecimal.
    pub sha256: String,
}

/// The packages of one repository by name.
pub(super) type Database = BTreeMap<String, Package>;

/// Reads the bytes of `NAME.db`, compressed with gzip or zstd.
///
/// # Errors
/// When they are no such archive (a login page of a network, say) or a package's description
/// lacks a field or has one that cannot be used.
pub(super) fn read(bytes: &[u8]) -> Result<Database> {
    let plain: Box<dyn Read + '_> = match bytes {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(bytes)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::new(Cursor::new(bytes))?),
        _ => bail!(
            "not a package database: it is neither gzip nor zstd and begins with '{}'",
            beginning(bytes)
        ),
    };
    let mut archive = tar::Archive::new(plain.take(LARGEST));
    let mut database = Database::new();
    for entry in archive.entries().context("reading the database")? {
        let mut entry = entry.context("reading the database")?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !path.ends_with("/desc") {
            continue;
        }
        let mut text = String::new();
        entry
            .read_to_string(&mut text)
            .with_context(|| format!("reading {path} in the database"))?;
        let package = parse_desc(&text).with_context(|| format!("{path} in the database"))?;
        database.insert(package.name.clone(), package);
    }
    Ok(database)
}

fn beginning(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(24)]);
    text.lines()
        .next()
        .unwrap_or_default()
        .escape_debug()
        .to_string()
}

fn parse_desc(text: &str) -> Result<Package> {
    let mut fields = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix('%').and_then(|l| l.strip_suffix('%')) {
            fields.insert(name, lines.next().unwrap_or_default());
        }
    }
    let field = |name: &str| {
        fields
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
            .with_context(|| format!("no %{name}%"))
    };
    let package = Package {
        name: field("NAME")?.into(),
        version: field("VERSION")?.into(),
        file_name: field("FILENAME")?.into(),
        sha256: field("SHA256SUM")?.to_ascii_lowercase(),
    };
    // It becomes part of a path on this host.
    ensure!(
        !package.file_name.contains(['/', '\\', '\0']) && !package.file_name.starts_with('.'),
        "%FILENAME% '{}' is not a plain file name",
        package.file_name
    );
    ensure!(
        package.sha256.len() == 64 && package.sha256.bytes().all(|b| b.is_ascii_hexdigit()),
        "%SHA256SUM% '{}' is not 64 hexadecimal digits",
        package.sha256
    );
    Ok(package)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn desc(file: &str, sum: &str) -> String {
        format!(
            "%FILENAME%\n{file}\n\n%NAME%\na\n\n%VERSION%\n1:2-3\n\n%DEPENDS%\nb\nc\n\n%SHA256SUM%\n{sum}\n\n"
        )
    }

    #[test]
    fn fields_are_found_among_others() {
        let package = parse_desc(&desc("a-1:2-3-any.pkg.tar.zst", &SUM.to_uppercase())).unwrap();
        assert_eq!(package.name, "a");
        assert_eq!(package.version, "1:2-3");
        assert_eq!(package.file_name, "a-1:2-3-any.pkg.tar.zst");
        assert_eq!(package.sha256, SUM);
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        let text = |t: &str| format!("{:#}", parse_desc(t).unwrap_err());
        insta::assert_snapshot!(text(&desc("../../etc/passwd", SUM)), @"%FILENAME% '../../etc/passwd' is not a plain file name");
        insta::assert_snapshot!(text(&desc("a.pkg.tar.zst", "12")), @"%SHA256SUM% '12' is not 64 hexadecimal digits");
        insta::assert_snapshot!(text("%NAME%\na\n"), @"no %VERSION%");
    }

    #[test]
    fn a_login_page_is_no_database() {
        let error = read(b"<html>\n<body>Sign in").unwrap_err();
        insta::assert_snapshot!(format!("{error:#}"), @"not a package database: it is neither gzip nor zstd and begins with '<html>'");
    }
}
