//! The system that is booted: kernel, initramfs, root file system, and what describes them.

use zeroize::Zeroizing;

use crate::{
    answers::{container::Content, reserved},
    host::verify::{
        formats::{self, KERNEL_HEAD},
        look::Look,
        report::{Faults, Verdict, count},
        tree::File,
    },
    util::size::size as sized,
};

/// The kernels on the ISO; that the EFI system partition's are the same is another check.
pub fn kernel(look: &Look) -> Verdict {
    each(look, "vmlinuz", |file| {
        let head = file.begin(look.bytes, KERNEL_HEAD)?;
        let version = formats::kernel(&head, file.size)?;
        Ok(format!("Linux {version}, {}", sized(file.size)))
    })
}

/// The initramfs images on the ISO.
pub fn initramfs(look: &Look) -> Verdict {
    each(look, "initramfs", |file| {
        let packed = formats::initramfs(&file.begin(look.bytes, 16)?)?;
        Ok(format!("{packed}, {}", sized(file.size)))
    })
}

fn each(look: &Look, begin: &str, check: impl Fn(&File) -> Verdict) -> Verdict {
    let mut faults = Faults::default();
    let mut told = Vec::new();
    for (path, file) in look.boot_files(begin) {
        match check(file) {
            Ok(found) => told.push(found),
            Err(e) => faults.add(format!("{path}: {e}")),
        }
    }
    let folder = look.install_dir().unwrap_or("INSTALL_DIR");
    faults.unless(look.boot_files(begin).next().is_some(), || {
        format!("{folder}/boot has no {begin}*")
    });
    faults.or(|| told.join("; "))
}

/// The root file system's own description of itself.
pub fn root(look: &Look) -> Verdict {
    let path = format!("{}/x86_64/airootfs.sfs", look.install_dir()?);
    let file = look.iso.get(&path).ok_or_else(|| missing(&path))?;
    let head = file.begin(look.bytes, 96)?;
    let found = formats::squashfs(&head, file.size).map_err(|e| format!("{path}: {e}"))?;
    Ok(format!("{found}, {}", sized(file.size)))
}

/// The root file system, byte by byte.
pub fn root_checksum(look: &Look) -> Verdict {
    let folder = format!("{}/x86_64", look.install_dir()?);
    let [image, sum] = ["airootfs.sfs", "airootfs.sha512"].map(|n| format!("{folder}/{n}"));
    let [image_file, sum_file] = [&image, &sum].map(|path| look.iso.get(path));
    let sum_file = sum_file.ok_or_else(|| missing(&sum))?;
    let text = sum_file.begin(look.bytes, 1024)?;
    let text = String::from_utf8_lossy(&text);
    let expected = text.lines().find_map(|line| {
        let (hex, name) = line.split_once(' ')?;
        let name = name.trim_start_matches([' ', '*']);
        (name == "airootfs.sfs" && hex.len() == 128).then(|| hex.to_ascii_lowercase())
    });
    let expected = expected.ok_or_else(|| format!("{sum} has no line for airootfs.sfs"))?;
    let found = image_file
        .ok_or_else(|| missing(&image))?
        .sha512(look.bytes)?;
    match found == expected {
        true => Ok(format!("as {sum} has it")),
        false => Err(format!(
            "{image} is not what {sum} is of; copy or fetch the image again"
        )),
    }
}

/// The version and the list of packages.
pub fn description(look: &Look) -> Verdict {
    let folder = look.install_dir()?;
    let mut faults = Faults::default();
    let mut text = |name: &str| {
        let path = format!("{folder}/{name}");
        let file = look.iso.get(&path).ok_or_else(|| missing(&path));
        let bytes = file.and_then(|file| file.read(look.bytes));
        let text = bytes.map(|b| String::from_utf8_lossy(&b).trim().to_owned());
        match text {
            Ok(text) if text.is_empty() => faults.add(format!("{path} is empty")),
            Ok(text) => return text,
            Err(e) => faults.add(e),
        }
        String::new()
    };
    let (version, packages) = (text("version"), text("pkglist.x86_64.txt"));
    let odd = packages.lines().find(|l| l.split_whitespace().count() != 2);
    if let Some(odd) = odd {
        faults.add(format!("{folder}/pkglist.x86_64.txt has the line '{odd}'"));
    }
    let packages = count(packages.lines().count() as u64, "package");
    faults.or(|| format!("version {version}, {packages}"))
}

/// The place that is reserved for answers, and what is in it.
pub fn answers(look: &Look) -> Verdict {
    let file = reserved::FILE;
    let Some(place) = look.iso.get(file) else {
        return Ok("no place for them".to_owned());
    };
    if place.extents.len() != 1 || place.size != reserved::SIZE as u64 {
        return Err(format!(
            "{file} is not one piece of {} bytes",
            reserved::SIZE
        ));
    }
    let bytes = Zeroizing::new(place.read(look.bytes)?);
    match Content::unpack(&bytes) {
        Ok(None) => Ok(format!(
            "none in it; {} reserved for them",
            sized(place.size)
        )),
        Ok(Some(content)) => Ok(match content.files.len() {
            0 => format!("{} is in it", content.name),
            1 => format!("{} and 1 file are in it", content.name),
            n => format!("{} and {n} files are in it", content.name),
        }),
        Err(damage) => Err(format!("the answers in it {damage}")),
    }
}

fn missing(path: &str) -> String {
    format!("there is no {path}")
}
