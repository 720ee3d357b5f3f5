//! Answers as the user-data of a NoCloud volume, the drive that many hypervisors make from it.
//!
//! <https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html>

use std::{fs, io::Read, path::Path};

use anyhow::{Context, Result, bail};

use super::{Found, Source, note, volume};
use crate::agent::block::{self, Device};

/// Both are NoCloud's.
const LABELS: [&str; 2] = ["cidata", "CIDATA"];
/// The file that may hold the answers.
const FILE: &str = "user-data";
/// What a NoCloud volume has beside it, and is no key file.
const OTHERS: [&str; 3] = ["meta-data", "network-config", "vendor-data"];
/// How our user-data begins: to TOML, a comment.
const MARK: &str = "#ezmail";

/// The volume `cidata`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cidata;

impl Source for Cidata {
    fn name(&self) -> String {
        "user-data on a volume cidata".to_owned()
    }

    fn look(&self) -> Result<Option<Found>> {
        let mut found = Vec::new();
        for device in block::list()? {
            let label = device.label.as_deref().unwrap_or_default();
            if !LABELS.contains(&label) {
                continue;
            }
            match look_on(&device)? {
                Ok(answers) => found.push(answers),
                Err(why) => note(&format!(
                    "the volume {label} ({}) is not ours: {why}",
                    device.path.display()
                )),
            }
        }
        if found.len() > 1 {
            let sources: Vec<&str> = found.iter().map(|f| f.source.as_str()).collect();
            bail!(
                "several volumes have answers in their user-data: {}; detach all but one",
                sources.join(", ")
            );
        }
        Ok(found.pop())
    }
}

/// The answers, or why there are none.
fn look_on(device: &Device) -> Result<Result<Found, String>> {
    if !volume::is_known(device) {
        return Ok(Err("it has no file system that can be read".to_owned()));
    }
    let source = format!("{FILE} on the volume cidata ({})", device.path.display());
    let found = volume::mounted(device, |folder| read(folder, source))?;
    Ok(found.map(|found| found.on(device, Path::new(""))))
}

/// As [`look_on`], of a folder.
fn read(folder: &Path, source: String) -> Result<Result<Found, String>> {
    let file = folder.join(FILE);
    if !file.is_file() {
        return Ok(Err(format!("it has no {FILE}")));
    }
    // somebody else's volume is looked at no further
    if let Err(why) = is_ours(&first_line(&file)?) {
        return Ok(Err(why));
    }
    let mut found = Found::read(&file, source)?;
    found
        .files
        .retain(|name, _| !OTHERS.contains(&name.as_str()));
    Ok(Ok(found))
}

/// As much of a file as its first line may have to say whose it is.
fn first_line(file: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    let what = || format!("reading {FILE} on the volume cidata");
    fs::File::open(file)
        .and_then(|f| f.take(256).read_to_end(&mut bytes))
        .with_context(what)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether a user-data is for us; if not, what it is instead.
fn is_ours(text: &str) -> Result<(), String> {
    let first = text.lines().next().unwrap_or_default();
    let first = first.strip_prefix('\u{feff}').unwrap_or(first);
    if first.starts_with(MARK) {
        return Ok(());
    }
    // other formats begin with a word of this kind; what does not may be a secret
    let known = first.starts_with('#') && first.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    match known && first.len() <= 40 {
        true => Err(format!("its {FILE} begins with {first}, not with {MARK}")),
        false => Err(format!("its {FILE} does not begin with {MARK}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_tells() {
        let why = |text: &str| is_ours(text).err().unwrap_or_else(|| "ours".to_owned());
        for text in [
            "#ezmail",
            "#ezmail\nx = 1\n",
            "\u{feff}#ezmail answers\r\nx",
        ] {
            assert_eq!(why(text), "ours", "{text:?}");
        }
        let others = [
            "#cloud-config\npassword: x\n",
            "#!/bin/sh\n",
            "\n#ezmail\n",
            "password = \"secret\"\n",
            "",
            "#\u{1b}[2J",
        ];
        insta::assert_snapshot!(others.map(why).join("\n"), @r"
        its user-data begins with #cloud-config, not with #ezmail
        its user-data begins with #!/bin/sh, not with #ezmail
        its user-data does not begin with #ezmail
        its user-data does not begin with #ezmail
        its user-data does not begin with #ezmail
        its user-data does not begin with #ezmail
        ");
    }

    #[test]
    fn key_files_come_along_and_the_files_of_nocloud_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        let look = || read(dir.path(), "here".into()).unwrap();
        assert_eq!(look().err().unwrap(), "it has no user-data");
        write("user-data", "#cloud-config\n");
        assert!(look().is_err());
        write("user-data", "#ezmail\nhostname = \"mail.example.org\"\n");
        for name in ["meta-data", "network-config", "vendor-data", "dkim.pem"] {
            write(name, "x");
        }
        let found = look().unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(found.name, "user-data");
        assert!(found.bytes.starts_with(b"#ezmail\nhostname"));
        assert_eq!(found.files.keys().collect::<Vec<_>>(), ["dkim.pem"]);
    }
}
