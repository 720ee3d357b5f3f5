//! What each firmware starts.

use crate::host::verify::{
    formats,
    look::{BOOT_X64, ISOLINUX, Look, SYSLINUX},
    report::{Faults, Verdict, count},
    tree::{self, File},
};

/// How much of an EFI program has its headers.
const PE_HEAD: u64 = 0x1000;

/// isolinux.bin with its table, what it loads, and the code in the MBR that finds it.
pub fn bios(look: &Look) -> Verdict {
    let mut faults = Faults::default();
    match look.iso.get(ISOLINUX) {
        None => faults.add(format!("there is no {ISOLINUX}")),
        Some(file) => {
            let block = tree::block(file).unwrap_or_default();
            let table = file
                .read(look.bytes)
                .and_then(|f| formats::boot_info(&f, block));
            if let Err(e) = table {
                faults.add(format!("{ISOLINUX}: {e}"));
            }
            // an MBR without its signature is told elsewhere
            if let Ok(mbr) = &look.mbr {
                faults.unless(mbr.isolinux == Some(block * 4), || match mbr.isolinux {
                    None => "the MBR has no code, so it would not boot from a disk".to_owned(),
                    Some(_) => format!("the code in the MBR does not point at {ISOLINUX}"),
                });
            }
        }
    }
    let library = format!("{SYSLINUX}/ldlinux.c32");
    let there = look.iso.get(&library).is_some_and(|f| f.size > 0);
    faults.unless(there, || format!("there is no {library}"));
    faults.or(|| match &look.mbr {
        Ok(_) => format!("{ISOLINUX} as a CD, and from a disk by the MBR"),
        Err(_) => format!("{ISOLINUX} as a CD"),
    })
}

/// The EFI system partition, and the program that firmware starts from it.
pub fn uefi(look: &Look) -> Verdict {
    let fat = look
        .fat
        .as_ref()
        .map_err(|e| format!("the EFI system partition: {e}"))?;
    let mut faults = Faults::default();
    match fat.tree.get(BOOT_X64) {
        None => faults.add(format!("the EFI system partition has no {BOOT_X64}")),
        Some(file) => {
            let head = file.begin(look.bytes, PE_HEAD);
            if let Err(e) = head.and_then(|head| formats::efi_program(&head)) {
                faults.add(format!("{BOOT_X64}: {e}"));
            }
        }
    }
    faults.or(|| {
        let (bits, files) = (fat.bits, count(fat.tree.files.len() as u64, "file"));
        format!("{BOOT_X64} of a sound FAT{bits} with {files}")
    })
}

/// The files of the EFI system partition, which the ISO has as well.
pub fn copies(look: &Look) -> Verdict {
    let fat = look.fat.as_ref().map_err(Clone::clone)?;
    let mut faults = Faults::default();
    for (path, file) in &fat.tree.files {
        match other(look, path) {
            None => faults.add(format!("{path} is in the EFI system partition alone")),
            Some(other) => match tree::same(look.bytes, file, other) {
                Ok(true) => {}
                Ok(false) => faults.add(format!(
                    "{path} in the EFI system partition is another than the ISO's"
                )),
                Err(e) => faults.add(format!("{path}: {e}")),
            },
        }
    }
    faults.or(|| "the same as the ISO's".to_owned())
}

/// The ISO's file by the name that FAT has, in which capitals make no difference.
fn other<'a>(look: &'a Look, path: &str) -> Option<&'a File> {
    let mut files = look.iso.files.iter();
    let found = files.find(|(name, _)| name.eq_ignore_ascii_case(path));
    found.map(|(_, file)| file)
}
