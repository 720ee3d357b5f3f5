//! The system that is booted: kernel, initramfs, root file system, and what describes them.

use zeroize::Zeroizing;

use crate::{
    answers::{container::Content, reserved},
    host::verify::{
        formats::{self, EROFS_HEAD, KERNEL_HEAD},
        initramfs,
        look::{EROFS, Look},
        report::{Faults, Verdict, count},
        tree::File,
    },
    util::size::size as sized,
};

/// Most kernels or initramfs images: each is read.
const MOST: usize = 64;

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
        let packed = initramfs::read(file, look.bytes)?;
        Ok(format!("{packed}, {}", sized(file.size)))
    })
}

fn each(look: &Look, begin: &str, check: impl Fn(&File) -> Verdict) -> Verdict {
    let mut faults = Faults::default();
    let mut told = Vec::new();
    faults.unless(look.boot_files(begin).nth(MOST).is_none(), || {
        format!("there are more than {MOST} {begin}*")
    });
    for (path, file) in look.boot_files(begin).take(MOST) {
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
    let (folder, name) = look.root()?;
    let path = format!("{folder}/x86_64/{name}");
    let file = look.iso.get(&path).ok_or_else(|| missing(&path))?;
    let head = file.begin(look.bytes, EROFS_HEAD)?;
    let found = match name {
        EROFS => formats::erofs(&head, file.size),
        _ => formats::squashfs(&head, file.size),
    };
    let found = found.map_err(|e| format!("{path}: {e}"))?;
    Ok(format!("{found}, {}", sized(file.size)))
}

/// The root file system, byte by byte.
pub fn root_checksum(look: &Look) -> Verdict {
    let (folder, root) = look.root()?;
    let [image, sum] = [root, "airootfs.sha512"].map(|n| format!("{folder}/x86_64/{n}"));
    let [image_file, sum_file] = [&image, &sum].map(|path| look.iso.get(path));
    let sum_file = sum_file.ok_or_else(|| missing(&sum))?;
    let text = sum_file.begin(look.bytes, 1024)?;
    let text = String::from_utf8_lossy(&text);
    let expected = text.lines().find_map(|line| {
        let (hex, name) = line.split_once(' ')?;
        let name = name.trim_start_matches([' ', '*']);
        (name == root && hex.len() == 128).then(|| hex.to_ascii_lowercase())
    });
    let expected = expected.ok_or_else(|| format!("{sum} has no line for {root}"))?;
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

/// Whether there are whole answers in it.
pub fn has_answers(look: &Look) -> bool {
    let place = look.iso.get(reserved::FILE);
    let place = place.filter(|file| file.size == reserved::SIZE as u64);
    let bytes = place.and_then(|file| file.read(look.bytes).ok());
    let bytes = bytes.map(Zeroizing::new);
    bytes.is_some_and(|bytes| matches!(Content::unpack(&bytes), Ok(Some(_))))
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
