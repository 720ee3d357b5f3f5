//! Configuration of syslinux (its documentation, doc/syslinux.txt and doc/menu.txt).

use super::{Entry, Named};

/// A configuration file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Its labels.
    pub entries: Vec<Entry>,
    /// What it names beside them: other configuration, menus, pictures.
    pub files: Vec<Named>,
    /// The label that is booted unless another is chosen.
    pub default: Option<String>,
}

/// Words with a file each, of a label or of the whole menu.
const ONE_FILE: &[&str] = &[
    "linux", "kernel", "com32", "boot", "bss", "fdimage", "config", "include", "ui", "display",
    "font", "kbdmap",
];

/// Reads a configuration. Words that name no file are passed over.
pub fn parse(text: &str) -> Config {
    let mut config = Config::default();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        let word = word.to_ascii_lowercase();
        let first = rest.split_whitespace().next().unwrap_or_default();
        match word.as_str() {
            "label" => config.entries.push(Entry {
                name: first.to_owned(),
                ..Entry::default()
            }),
            "default" => config.default = Some(first.to_owned()),
            "append" => append(&mut config, rest),
            "initrd" => names(&mut config, "initrd", rest),
            "menu" => menu(&mut config, rest),
            // what is told of an entry, which may begin with any word
            "text" if first.eq_ignore_ascii_case("help") => {
                lines.find(|line| line.eq_ignore_ascii_case("endtext"));
            }
            word if ONE_FILE.contains(&word) && !first.is_empty() => {
                add(&mut config, Named::new(word, first));
            }
            _ => {}
        }
    }
    config
}

/// A kernel's command line, of which `initrd=` is read by syslinux.
fn append(config: &mut Config, rest: &str) {
    let words: Vec<String> = rest.split_whitespace().map(str::to_owned).collect();
    for word in &words {
        if let Some(list) = word.strip_prefix("initrd=") {
            names(config, "initrd", list);
        }
    }
    if let Some(entry) = config.entries.last_mut() {
        entry.options = words;
    }
}

/// A list with commas.
fn names(config: &mut Config, word: &str, list: &str) {
    for name in list.split(',').map(str::trim).filter(|n| !n.is_empty()) {
        add(config, Named::new(word, name));
    }
}

/// `MENU INCLUDE file` and `MENU BACKGROUND picture`, which may be a colour too.
fn menu(config: &mut Config, rest: &str) {
    let mut words = rest.split_whitespace();
    let word = words.next().unwrap_or_default().to_ascii_lowercase();
    let file = words.next().filter(|name| !name.starts_with('#'));
    if let ("include" | "background", Some(file)) = (word.as_str(), file) {
        config.files.push(Named::new(&word, file));
    }
}

fn add(config: &mut Config, named: Named) {
    match config.entries.last_mut() {
        // these are of the menu, wherever they stand
        _ if matches!(
            named.word.as_str(),
            "include" | "ui" | "display" | "font" | "kbdmap"
        ) =>
        {
            config.files.push(named);
        }
        Some(entry) => entry.files.push(named),
        None => config.files.push(named),
    }
}

/// The path on the medium of what a configuration in `folder` names; none for what is fetched
/// from elsewhere.
pub fn path(folder: &str, name: &str) -> Option<String> {
    if name.contains("://") {
        return None;
    }
    // from the root of where it was booted from (PXE)
    let name = name.strip_prefix("::").unwrap_or(name);
    Some(match name.strip_prefix('/') {
        Some(absolute) => absolute.to_owned(),
        None => format!("{folder}/{name}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
SERIAL 0 115200
UI vesamenu.c32
MENU BACKGROUND splash.png
MENU COLOR title 1;36;44 #9033ccff
menu background #ff000000
DEFAULT arch
INCLUDE tail.cfg
LABEL arch
TEXT HELP
Boots it.
INITRD is what
Linux begins with
ENDTEXT
MENU LABEL Arch
LINUX /arch/boot/x86_64/vmlinuz-linux
INITRD /arch/boot/intel-ucode.img,/arch/boot/x86_64/initramfs-linux.img
APPEND archisobasedir=arch archisosearchuuid=U quiet
  label old
kernel vmlinuz
append initrd=a.img,b.img root=x
LABEL net
LINUX http://boot.example.net/vmlinuz
LABEL off
COM32 poweroff.c32
";

    #[test]
    fn labels_and_the_menu_are_read() {
        let config = parse(TEXT);
        let told = |files: &[Named]| {
            let words = files.iter().map(|f| format!("{} {}", f.word, f.path));
            words.collect::<Vec<_>>().join(", ")
        };
        let mut text = format!("{}\ndefault {:?}\n", told(&config.files), config.default);
        for entry in &config.entries {
            let name = &entry.name;
            text += &format!("{name}: {}; {:?}\n", told(&entry.files), entry.options);
        }
        insta::assert_snapshot!(text, @r#"
        ui vesamenu.c32, background splash.png, include tail.cfg
        default Some("arch")
        arch: linux /arch/boot/x86_64/vmlinuz-linux, initrd /arch/boot/intel-ucode.img, initrd /arch/boot/x86_64/initramfs-linux.img; ["archisobasedir=arch", "archisosearchuuid=U", "quiet"]
        old: kernel vmlinuz, initrd a.img, initrd b.img; ["initrd=a.img,b.img", "root=x"]
        net: linux http://boot.example.net/vmlinuz; []
        off: com32 poweroff.c32; []
        "#);
    }

    #[test]
    fn names_are_of_the_folder_or_of_the_root() {
        let path = |name| path("boot/syslinux", name);
        assert_eq!(path("poweroff.c32").unwrap(), "boot/syslinux/poweroff.c32");
        assert_eq!(path("/arch/x").unwrap(), "arch/x");
        assert_eq!(path("::/arch/x").unwrap(), "arch/x");
        assert_eq!(path("http://x/y"), None);
    }
}
