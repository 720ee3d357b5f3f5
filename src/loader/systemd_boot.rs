//! Configuration of systemd-boot (loader.conf(5), and the Boot Loader Specification, type 1).

use super::{Entry, Named};

/// The keys of an entry that name a file on the partition.
const FILES: &[&str] = &["linux", "initrd", "efi", "uki", "devicetree"];

/// Reads an entry, the file `name`.
pub fn entry(name: &str, text: &str) -> Entry {
    let mut entry = Entry {
        name: name.to_owned(),
        ..Entry::default()
    };
    for (key, value) in pairs(text) {
        if FILES.contains(&key) {
            entry.files.push(Named::new(key, value));
        } else if key == "options" {
            let words = value.split_whitespace().map(str::to_owned);
            entry.options.extend(words);
        }
    }
    entry
}

/// The pattern of the entries that loader.conf would boot, if it says so.
pub fn default(text: &str) -> Option<&str> {
    let mut values = pairs(text).filter(|(key, _)| *key == "default");
    values.next_back().map(|(_, value)| value)
}

fn pairs(text: &str) -> impl DoubleEndedIterator<Item = (&str, &str)> {
    let lines = text.lines().map(str::trim).filter(|l| !l.starts_with('#'));
    let pairs = lines.filter_map(|l| l.split_once(char::is_whitespace));
    pairs.map(|(key, value)| (key, value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_its_files_and_options() {
        let text = "# comment\ntitle\tezmail\nlinux  /arch/vmlinuz\ninitrd /a\ninitrd /b\n\
                    options x=1 y\noptions z\n#linux /not\narchitecture x64\n";
        let entry = entry("ezmail.conf", text);
        let files: Vec<_> = entry
            .files
            .iter()
            .map(|f| format!("{} {}", f.word, f.path))
            .collect();
        assert_eq!(files, ["linux /arch/vmlinuz", "initrd /a", "initrd /b"]);
        assert_eq!(entry.options, ["x=1", "y", "z"]);
    }

    #[test]
    fn the_last_default_counts() {
        assert_eq!(
            default("timeout 3\ndefault a.conf\ndefault b*\n"),
            Some("b*")
        );
        assert_eq!(default("timeout 3\n#default a\n"), None);
    }
}
