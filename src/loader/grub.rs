//! Configuration of GRUB, as far as archiso's goes: `menuentry`, `linux`, `initrd`, `configfile`
//! (GRUB's manual, section 16). loopback.cfg is for a GRUB that boots the image as a file.

use super::{Entry, Named};

/// The entries of a configuration. Where a path with variables leads, only GRUB knows.
pub fn parse(text: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for line in text.lines().map(str::trim) {
        let mut words = line.split_whitespace();
        let word = words.next().unwrap_or_default();
        let files: Vec<&str> = match word {
            "menuentry" => {
                entries.push(Entry {
                    name: title(line),
                    ..Entry::default()
                });
                continue;
            }
            "linux" | "chainloader" | "configfile" => words.by_ref().take(1).collect(),
            "initrd" => words.by_ref().collect(),
            _ => continue,
        };
        if entries.is_empty() {
            entries.push(Entry::default());
        }
        if let Some(entry) = entries.last_mut() {
            let files = files.into_iter().map(unquoted);
            entry.files.extend(files.map(|path| Named::new(word, path)));
            if word == "linux" {
                entry.options = words.map(|w| w.replace('"', "")).collect();
            }
        }
    }
    entries
}

/// What stands first in quotes.
fn title(line: &str) -> String {
    let title = ['"', '\'']
        .into_iter()
        .filter_map(|quote| line.split(quote).nth(1))
        .next();
    title.unwrap_or_default().to_owned()
}

fn unquoted(word: &str) -> &str {
    word.trim_matches(['"', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_a_loopback_are_read() {
        let text = "\
search --no-floppy --set=archiso_img_dev --file \"${iso_path}\"
menuentry \"ezmail (x86_64)\" --class arch --id 'ezmail' {
    set gfxpayload=keep
    linux /arch/boot/x86_64/vmlinuz-linux archisobasedir=arch img_loop=\"${iso_path}\"
    initrd /arch/boot/intel-ucode.img /arch/boot/x86_64/initramfs-linux.img
}
menuentry 'Shell' {
    chainloader ($root)/shellx64.efi
    configfile \"/boot/grub/more.cfg\"
}
";
        let told: Vec<_> = parse(text)
            .iter()
            .map(|e| {
                let files: Vec<_> = e.files.iter().map(|f| f.path.as_str()).collect();
                format!("{}: {}; {}", e.name, files.join(" "), e.options.join(" "))
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        ezmail (x86_64): /arch/boot/x86_64/vmlinuz-linux /arch/boot/intel-ucode.img /arch/boot/x86_64/initramfs-linux.img; archisobasedir=arch img_loop=${iso_path}
        Shell: ($root)/shellx64.efi /boot/grub/more.cfg;
        ");
    }
}
