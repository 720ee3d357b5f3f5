//! The configuration of boot loaders, read: what the checks of it are made of.

use crate::{
    host::verify::{
        look::{GRUB, LOADER, Look, SYSLINUX},
        report::Faults,
        tree::{self, Tree},
    },
    loader::{Entry, Named, grub, syslinux, systemd_boot},
};

/// Largest configuration that is read, and most of all together: archiso's have some thousand bytes.
const MAX_FILE: u64 = 1 << 20;
const MAX_ALL: u64 = 8 << 20;
/// Most lines of all together: each may be an entry, and each entry is looked for among all files.
const MAX_LINES: usize = 10_000;

/// A configuration as one loader reads it.
pub(super) struct Menu<'a> {
    /// Whose it is, before its path, such as `EFI: `.
    pub prefix: &'static str,
    pub path: &'a str,
    pub text: String,
    /// The files of the volume that the loader reads.
    pub tree: &'a Tree,
    pub kind: Kind,
}

#[derive(PartialEq)]
pub(super) enum Kind {
    Syslinux,
    Loader,
    LoaderEntry,
    Grub,
    GrubEnvironment,
}

impl Menu<'_> {
    /// What it is called in a report.
    pub fn name(&self) -> String {
        format!("{}{}", self.prefix, self.path)
    }

    pub fn entries(&self) -> Vec<Entry> {
        match self.kind {
            Kind::Syslinux => syslinux::parse(&self.text).entries,
            Kind::LoaderEntry => vec![systemd_boot::entry(self.path, &self.text)],
            Kind::Grub => grub::parse(&self.text),
            Kind::Loader | Kind::GrubEnvironment => Vec::new(),
        }
    }

    /// Where a file that it names is on its volume, unless it is fetched from elsewhere, or only GRUB
    /// knows.
    pub fn path(&self, named: &Named) -> Option<String> {
        match self.kind {
            Kind::Syslinux => {
                let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
                syslinux::path(folder, &named.path)
            }
            Kind::Grub => {
                let known = named.path.starts_with('/') && !named.path.contains('$');
                known.then(|| named.path.clone())
            }
            _ => Some(named.path.replace('\\', "/")),
        }
    }

    /// Whether that file is there; GRUB's may ask for itself whether it is.
    pub fn has(&self, path: &str) -> bool {
        let asks = |quote| self.text.contains(&format!("-f {quote}{path}{quote}"));
        self.tree.get(path).is_some() || self.kind == Kind::Grub && (asks('\'') || asks('"'))
    }

    /// Who reads it: the loader that a BIOS or UEFI firmware starts. None for the ISO's copy of what
    /// systemd-boot reads on the EFI system partition, and for what a GRUB from elsewhere reads.
    pub fn loader(&self) -> Option<Loader> {
        match self.kind {
            Kind::Syslinux => Some(Loader::Bios),
            Kind::LoaderEntry if !self.prefix.is_empty() => Some(Loader::Uefi),
            Kind::Grub if !self.path.ends_with("/loopback.cfg") => Some(Loader::Uefi),
            _ => None,
        }
    }

    /// Whether an entry boots the system of the image.
    pub fn boots(&self, entry: &Entry, look: &Look) -> bool {
        entry.is_live()
            || self
                .files(entry, KERNEL)
                .any(|file| file.is_of(look, "vmlinuz"))
    }

    /// What is wrong with the kernel and the initramfs of an entry that boots the system.
    pub fn kernel_of(&self, entry: &Entry, look: &Look) -> Vec<String> {
        let wanted = [
            (KERNEL, "vmlinuz", "kernel"),
            (INITRD, "initramfs", "initramfs"),
        ];
        let wrong = wanted.into_iter().filter(|(words, begin, _)| {
            // more than one initramfs, such as with microcode; what is not there is told elsewhere
            let there = |file: Booted| file.path.is_none_or(|p| self.tree.get(&p).is_some());
            self.files(entry, words).all(there)
                && !self.files(entry, words).any(|file| file.is_of(look, begin))
        });
        let name = match entry.name.as_str() {
            entry if entry.is_empty() || entry == self.path => self.name(),
            entry => format!("{}: '{entry}'", self.name()),
        };
        wrong
            .map(|(_, _, what)| format!("{name} names no {what} of the image"))
            .collect()
    }

    fn files<'e>(
        &'e self,
        entry: &'e Entry,
        words: &'e [&str],
    ) -> impl Iterator<Item = Booted> + 'e {
        let files = entry.files.iter();
        let files = files.filter(|f| words.contains(&f.word.as_str()));
        files.map(|f| Booted {
            path: self.path(f).map(|path| tree::plain(&path)),
            any_case: self.tree.any_case,
        })
    }
}

/// Words for a kernel, and for what it begins with.
const KERNEL: &[&str] = &["linux", "kernel"];
const INITRD: &[&str] = &["initrd"];

/// A loader that firmware starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loader {
    Bios,
    Uefi,
}

/// A file that is booted.
struct Booted {
    /// None if it cannot be known from the image.
    path: Option<String>,
    any_case: bool,
}

impl Booted {
    /// Whether it is one of the image's, by how its name begins; what cannot be known may be.
    fn is_of(&self, look: &Look, begin: &str) -> bool {
        let Some(path) = &self.path else {
            return true;
        };
        look.boot_files(begin).any(|(name, _)| match self.any_case {
            true => name.eq_ignore_ascii_case(path),
            false => name == path,
        })
    }
}

/// All configuration, of the ISO and of the EFI system partition; what cannot be read is a fault.
pub(super) fn menus<'a>(look: &'a Look, faults: &mut Faults) -> Vec<Menu<'a>> {
    let mut menus = Vec::new();
    let (mut all, mut lines) = (0, 0);
    let mut read = |prefix, tree: &'a Tree, folder, ending, kind: fn(&str) -> Kind| {
        for (path, file) in tree.in_folder(folder, ending) {
            all += file.size.min(MAX_FILE);
            let bytes = match file.size > MAX_FILE || all > MAX_ALL {
                true => Err("it is too large for what a boot loader reads".to_owned()),
                false => file.read(look.bytes),
            };
            let bytes = bytes.and_then(|bytes| {
                lines += bytes.iter().filter(|b| **b == b'\n').count();
                match lines > MAX_LINES {
                    true => Err(format!("with it there are more than {MAX_LINES} lines")),
                    false => Ok(bytes),
                }
            });
            match bytes {
                Err(e) => faults.add(format!("{prefix}{path}: {e}")),
                Ok(bytes) => menus.push(Menu {
                    prefix,
                    path,
                    text: String::from_utf8_lossy(&bytes).into_owned(),
                    tree,
                    kind: kind(path),
                }),
            }
        }
    };
    let loader = |path: &str| match path.contains("/entries/") {
        true => Kind::LoaderEntry,
        false => Kind::Loader,
    };
    read("", &look.iso, SYSLINUX, ".cfg", |_| Kind::Syslinux);
    read("", &look.iso, GRUB, ".cfg", |_| Kind::Grub);
    read("", &look.iso, GRUB, "/grubenv", |_| Kind::GrubEnvironment);
    read("", &look.iso, LOADER, ".conf", loader);
    if let Ok(fat) = &look.fat {
        read("EFI: ", &fat.tree, LOADER, ".conf", loader);
    }
    menus
}
