//! What boot loaders are told: how the system finds its medium, and which files are booted.

use super::menus::{Kind, Loader, Menu, menus};
use crate::{
    host::verify::{
        look::{LOADER, Look, SYSLINUX},
        report::{Faults, Verdict, count},
    },
    loader::{self, Entry, Named, syslinux, systemd_boot},
};

/// Parameters by which a system that is booted over the network finds its root file system.
const NETWORK: &[&str] = &["archiso_http_srv", "archiso_nbd_srv", "archiso_nfs_srv"];
/// Parameters by which an image is found that is a file on another disk.
const LOOPBACK: &str = "img_loop";

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
    let (mut live, mut from_medium) = (0, Vec::new());
    for menu in menus(look, &mut faults) {
        let name = menu.name();
        if menu.kind == Kind::GrubEnvironment {
            right.environment(&name, &menu.text, &mut faults);
        }
        for entry in menu.entries().iter().filter(|e| menu.boots(e, look)) {
            live += 1;
            right.entry(&name, entry, &mut faults);
            if !is_elsewhere(entry) {
                from_medium.extend(menu.loader());
            }
        }
    }
    for (loader, wanted, what) in [
        (Loader::Bios, look.bios, "syslinux"),
        // what is wrong with the partition is told elsewhere
        (
            Loader::Uefi,
            look.uefi && look.fat.is_ok(),
            "systemd-boot on the EFI system partition, and none of GRUB,",
        ),
    ] {
        faults.unless(!wanted || from_medium.contains(&loader), || {
            format!("no entry of {what} boots the system")
        });
    }
    faults.or(|| {
        let entries = match live {
            1 => "1 entry looks".to_owned(),
            n => format!("{n} entries look"),
        };
        format!("{entries} for {uuid} with the folder {install}, as the image has them")
    })
}

/// Whether an entry's system is not on the medium that it is booted from.
fn is_elsewhere(entry: &Entry) -> bool {
    let mut names = NETWORK.iter().chain([&LOOPBACK]);
    names.any(|name| entry.values(name).next().is_some())
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
        faults.unless(uuid || label || device || is_elsewhere(entry), || {
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

/// That every file that an entry names is on the volume that its loader reads, and that an entry which
/// boots the system names a kernel and an initramfs of the image.
pub fn entries(look: &Look) -> Verdict {
    let mut faults = Faults::default();
    let menus = menus(look, &mut faults);
    let (mut named, mut syslinux_menus, mut loader_entries) = (0, 0, Vec::new());
    for menu in &menus {
        let name = menu.name();
        let entries = menu.entries();
        for entry in entries.iter().filter(|e| menu.boots(e, look)) {
            for wrong in menu.kernel_of(entry, look) {
                faults.add(wrong);
            }
        }
        let mut files: Vec<Named> = entries.into_iter().flat_map(|e| e.files).collect();
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
            faults.unless(menu.has(&path), || {
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
        for placeholder in loader::placeholders(&menu.text) {
            faults.add(format!("{} still has {placeholder}", menu.name()));
        }
    }
    faults.or(|| format!("none left in {}", count(menus.len() as u64, "file")))
}
