//! What boot loaders read: their entries, with the files that they name.

pub mod grub;
pub mod syslinux;
pub mod systemd_boot;

/// What an entry or a configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The word before it, in small letters, such as `initrd`.
    pub word: String,
    /// The path as it is written.
    pub path: String,
}

impl Named {
    fn new(word: &str, path: &str) -> Self {
        Self {
            word: word.to_ascii_lowercase(),
            path: path.to_owned(),
        }
    }
}

/// An entry of a menu.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// What it is called.
    pub name: String,
    /// The files that it names.
    pub files: Vec<Named>,
    /// The kernel's command line, in words.
    pub options: Vec<String>,
}

impl Entry {
    /// The values of a parameter of the kernel's command line, `name=value`.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let values = self.options.iter().filter_map(|o| o.split_once('='));
        values.filter(move |(n, _)| *n == name).map(|(_, v)| v)
    }

    /// Whether it boots a system of archiso's: one with an initramfs, or that is told where its medium
    /// is. Which kernel an entry has is for those to ask who know the image's.
    pub fn is_live(&self) -> bool {
        let initrd = self.files.iter().any(|f| f.word == "initrd");
        initrd || self.options.iter().any(|o| o.starts_with("archiso"))
    }
}

/// The placeholders of archiso's that are left in a text, `%[A-Z_]+%`.
pub fn placeholders(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(from) = rest.find('%') {
        let after = &rest[from + 1..];
        let length = after
            .bytes()
            .take_while(|b| b.is_ascii_uppercase() || *b == b'_')
            .count();
        rest = match after[length..].strip_prefix('%') {
            Some(behind) if length > 0 => {
                found.push(&rest[from..from + length + 2]);
                behind
            }
            _ => after,
        };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_told_from_percent_signs() {
        assert_eq!(
            placeholders("a=%INSTALL_DIR%/%ARCH% 50% %x% %% 100%%ARCHISO_UUID%"),
            ["%INSTALL_DIR%", "%ARCH%", "%ARCHISO_UUID%"]
        );
        assert!(placeholders("size=75% %NOT CLOSED").is_empty());
    }

    #[test]
    fn what_a_kernel_is_told_is_found_by_name() {
        let entry = Entry {
            options: ["quiet", "a=1", "b=x=y", "a=2"].map(str::to_owned).into(),
            ..Entry::default()
        };
        assert_eq!(entry.values("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(entry.values("b").collect::<Vec<_>>(), ["x=y"]);
        assert!(!entry.is_live());
    }
}
