//! What boot loaders are told: how the system finds its medium, and which files are booted.

use crate::host::verify::{
    config::{self, Entry, Named, grub, syslinux, systemd_boot},
    look::{GRUB, LOADER, Look, SYSLINUX},
    report::{Faults, Verdict, count},
    tree::Tree,
};

/// Parameters by which a system that is booted over the network finds its root file system.
const NETWORK: &[&str] = &["archiso_http_srv", "archiso_nbd_srv", "archiso_nfs_srv"];
/// Parameters by which an image is found that is a file on another disk.
const LOOPBACK: &str = "img_loop";

/// A configuration as one loader reads it.
struct Menu<'a> {
    /// Whose it is, before its path, such as `EFI: `.
    prefix: &'static str,
    path: &'a str,
    text: String,
    /// The files of the volume that the loader reads.
    tree: &'a Tree,
    kind: Kind,
}

#[derive(PartialEq)]
enum Kind {
    Syslinux,
    Loader,
    LoaderEntry,
    Grub,
    GrubEnvironment,
}

impl Menu<'_> {
    fn name(&self) -> String {
        format!("{}{}", self.prefix, self.path)
    }

    fn entries(&self) -> Vec<Entry> {
        match self.kind {
            Kind::Syslinux => syslinux::parse(&self.text).entries,
            Kind::LoaderEntry => vec![systemd_boot::entry(self.path, &self.text)],
            Kind::Grub => grub::parse(&self.text),
            Kind::Loader | Kind::GrubEnvironment => Vec::new(),
        }
    }

    /// Where a file that it names is on its volume, unless it is fetched from elsewhere.
    fn path(&self, named: &Named) -> Option<String> {
        match self.kind {
            Kind::Syslinux => {
                let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
                syslinux::path(folder, &named.path)
            }
            _ => Some(named.path.replace('\\', "/")),
        }
    }
}

/// All configuration, of the ISO and of the EFI system partition; what cannot be read is a fault.
fn menus<'a>(look: &'a Look, faults: &mut Faults) -> Vec<Menu<'a>> {
    let mut menus = Vec::new();
    let mut read = |prefix, tree: &'a Tree, folder, ending, kind: fn(&str) -> Kind| {
        for (path, file) in tree.in_folder(folder, ending) {
            match file.read(look.bytes) {
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

/// That the system finds its medium: every entry and GRUB's environment say what the volume has.
pub fn medium(look: &Look) -> Verdict {
    let mut faults = Faults::default();
    let uuid = look.uuid.clone().unwrap_or_default();
    let file = format!("boot/{uuid}.uuid");
    faults.unless(look.iso.get(&file).is_some(), || {
        let others = look.iso.in_folder("boot", ".uuid");
        match others.map(|(path, _)| path).next() {
            Some(other) => format!("there is {other} in place of {file}"),
            None => format!("there is no {file}"),
        }
    });
    let install = match look.install_dir() {
        Ok(install) => install,
        Err(e) => {
            faults.add(e);
            ""
        }
    };
    let right = Right {
        uuid: &uuid,
        file: format!("/{file}"),
        install,
        label: &look.label,
    };
    let mut live = 0;
    for menu in menus(look, &mut faults) {
        let name = menu.name();
        if menu.kind == Kind::GrubEnvironment {
            right.environment(&name, &menu.text, &mut faults);
        }
        for entry in menu.entries().iter().filter(|e| e.is_live()) {
            live += 1;
            right.entry(&name, entry, &mut faults);
        }
    }
    faults.unless(live > 0, || "no entry boots the system".to_owned());
    faults.or(|| {
        let entries = match live {
            1 => "1 entry looks".to_owned(),
            n => format!("{n} entries look"),
        };
        format!("{entries} for {uuid} with the folder {install}, as the image has them")
    })
}

/// What entries have to say.
struct Right<'a> {
    uuid: &'a str,
    file: String,
    install: &'a str,
    label: &'a str,
}

impl Right<'_> {
    fn entry(&self, name: &str, entry: &Entry, faults: &mut Faults) {
        let mut same = |parameter: &str, right: &str| {
            let mut count = 0;
            for value in entry.values(parameter) {
                count += 1;
                faults.unless(value == right, || {
                    format!("{name} says {parameter}={value}, and {right} is right")
                });
            }
            count > 0
        };
        let uuid = same("archisosearchuuid", self.uuid);
        let label = same("archisolabel", self.label);
        let base = same("archisobasedir", self.install);
        same("archisosearchfilename", &self.file);
        let mut device = false;
        for value in entry.values("archisodevice") {
            device = true;
            let path = "/dev/disk/by-label/";
            if let Some(label) = value.strip_prefix(path) {
                faults.unless(label == self.label, || {
                    let right = self.label;
                    format!("{name} says archisodevice={path}{label}, and {right} is right")
                });
            }
        }
        let elsewhere = NETWORK.iter().chain([&LOOPBACK]);
        let elsewhere = elsewhere.map(|n| entry.values(n).count()).sum::<usize>() > 0;
        faults.unless(uuid || label || device || elsewhere, || {
            format!("{name} has no archisosearchuuid=")
        });
        // archiso's own default
        faults.unless(base || self.install == "arch", || {
            format!("{name} has no archisobasedir=")
        });
    }

    fn environment(&self, name: &str, text: &str, faults: &mut Faults) {
        faults.unless(text.len() == 1024, || {
            format!("{name} has {} bytes, not 1024", text.len())
        });
        for (key, right) in [
            ("ARCHISO_LABEL", self.label),
            ("INSTALL_DIR", self.install),
            ("ARCHISO_SEARCH_FILENAME", &self.file),
        ] {
            let lines = text.lines().filter_map(|l| l.split_once('='));
            for (_, value) in lines.filter(|(k, _)| *k == key) {
                faults.unless(value == right, || {
                    format!("{name} says {key}={value}, and {right} is right")
                });
            }
        }
    }
}

/// That every file that an entry names is on the volume that its loader reads.
pub fn entries(look: &Look) -> Verdict {
    let mut faults = Faults::default();
    let menus = menus(look, &mut faults);
    let (mut named, mut syslinux_menus, mut loader_entries) = (0, 0, Vec::new());
    for menu in &menus {
        let name = menu.name();
        let mut files: Vec<Named> = menu.entries().into_iter().flat_map(|e| e.files).collect();
        if menu.kind == Kind::Syslinux {
            syslinux_menus += 1;
            files.extend(syslinux::parse(&menu.text).files);
        }
        if menu.kind == Kind::LoaderEntry && !menu.prefix.is_empty() {
            loader_entries.push(menu.path);
        }
        for file in files {
            let Some(path) = menu.path(&file) else {
                continue;
            };
            named += 1;
            faults.unless(menu.tree.get(&path).is_some(), || {
                format!("{name}: {} {} is not there", file.word, file.path)
            });
        }
        defaults(menu, &menus, &mut faults);
    }
    faults.unless(!look.bios || syslinux_menus > 0, || {
        format!("there is no {SYSLINUX}/*.cfg")
    });
    let systemd_boot = look.uefi && look.iso.has_folder(LOADER) && look.fat.is_ok();
    faults.unless(!systemd_boot || !loader_entries.is_empty(), || {
        "the EFI system partition has no loader/entries/*.conf".to_owned()
    });
    faults.or(|| format!("{} named, and there", count(named, "file")))
}

/// That what is booted by itself is an entry.
fn defaults(menu: &Menu, menus: &[Menu], faults: &mut Faults) {
    let name = menu.name();
    match menu.kind {
        Kind::Syslinux => {
            let config = syslinux::parse(&menu.text);
            let Some(default) = config.default else {
                return;
            };
            // an entry may be in a file that includes this one
            let all = menus.iter().filter(|m| m.kind == Kind::Syslinux);
            let known = all.flat_map(Menu::entries).any(|e| e.name == default);
            let file = syslinux::path(SYSLINUX, &default);
            let file = file.is_some_and(|path| menu.tree.get(&path).is_some());
            faults.unless(known || file, || {
                format!("{name}: default {default} is no label")
            });
        }
        Kind::Loader => {
            let Some(pattern) = systemd_boot::default(&menu.text) else {
                return;
            };
            let all = menus.iter().filter(|m| m.kind == Kind::LoaderEntry);
            let mut same = all.filter(|m| m.prefix == menu.prefix);
            let matches = |path: &str| {
                let entry = path.rsplit('/').next().unwrap_or_default();
                // the name may be given without .conf
                [entry, entry.trim_end_matches(".conf")]
                    .iter()
                    .any(|name| glob::Pattern::new(pattern).is_ok_and(|p| p.matches(name)))
            };
            faults.unless(
                pattern.starts_with('@') || same.any(|m| matches(m.path)),
                || format!("{name}: default {pattern} is no entry"),
            );
        }
        _ => {}
    }
}

/// That nothing of the profile was left to be filled in.
pub fn placeholders(look: &Look) -> Verdict {
    let mut faults = Faults::default();
    let menus = menus(look, &mut faults);
    for menu in &menus {
        for placeholder in config::placeholders(&menu.text) {
            faults.add(format!("{} still has {placeholder}", menu.name()));
        }
    }
    faults.or(|| format!("none left in {}", count(menus.len() as u64, "file")))
}
