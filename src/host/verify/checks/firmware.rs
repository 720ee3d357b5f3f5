//! What each firmware starts.

use std::collections::BTreeMap;

use crate::host::verify::{
    bytes, formats,
    look::{BOOT_X64, ISOHDPFX, ISOLINUX, Look, SYSLINUX},
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
    if let Err(fault) = code(look) {
        faults.add(fault);
    }
    let library = format!("{SYSLINUX}/ldlinux.c32");
    let there = look.iso.get(&library).is_some_and(|f| f.size > 0);
    faults.unless(there, || format!("there is no {library}"));
    faults.or(|| match &look.mbr {
        Ok(_) => format!("{ISOLINUX} as a CD, and from a disk by the MBR"),
        Err(_) => format!("{ISOLINUX} as a CD"),
    })
}

/// How many bytes of code isohybrid puts into the MBR.
const CODE: u64 = 432;

/// The code in the MBR: that of syslinux which lies on the ISO too, where mkarchiso's order puts it.
fn code(look: &Look) -> Result<(), String> {
    let has_code = look.mbr.as_ref().is_ok_and(|mbr| mbr.isolinux.is_some());
    let Some(file) = look.iso.get(ISOHDPFX).filter(|_| has_code) else {
        return Ok(());
    };
    let (wanted, there) = (
        file.begin(look.bytes, CODE)?,
        bytes::read(look.bytes, 0, CODE)?,
    );
    match wanted == there {
        true => Ok(()),
        false => Err(format!("the code in the MBR is another than {ISOHDPFX}")),
    }
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

/// The files of the EFI system partition, which the ISO has as well. Not compared are shells in its
/// root: under the name of the one for IA-32, mkarchiso puts another there than on the ISO.
pub fn copies(look: &Look) -> Verdict {
    let fat = look.fat.as_ref().map_err(Clone::clone)?;
    let mut faults = Faults::default();
    // capitals make no difference in FAT
    let files = look.iso.files.iter();
    let iso: BTreeMap<String, &File> = files
        .map(|(path, file)| (path.to_ascii_lowercase(), file))
        .collect();
    for (path, file) in &fat.tree.files {
        let name = path.to_ascii_lowercase();
        if is_shell(&name) {
            continue;
        }
        match iso.get(&name) {
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

/// Whether a path in small letters is that of a UEFI shell in the root.
fn is_shell(path: &str) -> bool {
    path.starts_with("shell") && path.ends_with(".efi") && !path.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_are_in_the_root() {
        for path in ["shellia32.efi", "shellx64.efi"] {
            assert!(is_shell(path), "{path}");
        }
        for path in ["efi/shellx64.efi", "shellx64.cfg", "efi/boot/bootx64.efi"] {
            assert!(!is_shell(path), "{path}");
        }
    }
}
