//! The image as a disk: its size, its volume, its partitions, its boot catalog.

use crate::{
    host::verify::{
        bytes::Window,
        gpt::Gpt,
        look::{ISOLINUX, Look},
        mbr::{self, Mbr, PROTECTIVE, SECTOR},
        report::{Faults, Verdict, count},
        tree,
    },
    iso9660::{
        BLOCK, Volume,
        el_torito::{BIOS, UEFI},
    },
    util::size::size as sized,
};

/// Whether all is there that the volume and the partitions say: an image that is cut short fails
/// here, and nothing else is looked at then.
///
/// # Errors
/// How much there is, and how much there should be.
pub fn size(look: &Look) -> Verdict {
    let has = look.bytes.length();
    let needs = needs(look.volume_size, &look.mbr, &look.gpt);
    if has < needs {
        return Err(cut_short(has, needs));
    }
    Ok(match has > needs {
        true => format!("{needs} bytes of {has} are the image"),
        false => format!("{has} bytes, as it says itself"),
    })
}

/// How many bytes an image has by what it says itself: its volume, its partitions and the second copy
/// of its GPT, which is the last of it. On a disk, all that is of the image.
pub fn needs(volume: u64, mbr: &Result<Mbr, String>, gpt: &Result<Option<Gpt>, String>) -> u64 {
    let in_mbr = mbr.iter().flat_map(|mbr| &mbr.partitions);
    let in_mbr = in_mbr.map(|p| p.end()).max().unwrap_or(0);
    let in_gpt = gpt.iter().flatten().map(|gpt| gpt.other.saturating_add(1));
    let ends = in_mbr.max(in_gpt.max().unwrap_or(0));
    volume.max(ends.saturating_mul(SECTOR))
}

/// What an image is told to be of which the end is missing.
pub fn cut_short(has: u64, needs: u64) -> String {
    format!("the image is cut short: it has {has} of {needs} bytes; copy or fetch it again")
}

/// The volume, and the one that begins with the first partition: on a disk it may be mounted by
/// either.
pub fn volume(look: &Look) -> Verdict {
    let mut faults = Faults::default();
    faults.unless(!look.label.is_empty(), || "it has no label".to_owned());
    let date = look.uuid.as_deref();
    faults.unless(date.is_some(), || {
        "its modification date is none, so the system would not find its medium".to_owned()
    });
    let mut second = "";
    if let Some((start, length)) = first_partition(look) {
        let window = Window::new(look.bytes, start, length);
        let name = "partition 1";
        match Volume::open(window).map_err(|e| e.to_string()) {
            Err(e) => faults.add(format!("{name}: {e}")),
            Ok(mut volume) => {
                faults.unless(volume.uuid() == look.uuid, || {
                    format!("{name} has another modification date")
                });
                faults.unless(volume.id() == look.label, || {
                    format!("{name} has another label")
                });
                match tree::of_volume(&mut volume, start) {
                    Ok(tree) if tree == look.iso => second = ", the same in partition 1",
                    Ok(_) => faults.add(format!("{name} has other files")),
                    Err(e) => faults.add(format!("{name}: {e}")),
                }
            }
        }
    }
    faults.or(|| {
        let (label, files) = (&look.label, count(look.iso.files.len() as u64, "file"));
        format!("{label} of {}, {files}{second}", date.unwrap_or_default())
    })
}

/// Where the partition of the volume begins and how long it is, in bytes, by MBR or GPT; none if
/// there is no such partition, or it begins where the image does.
fn first_partition(look: &Look) -> Option<(u64, u64)> {
    let mbr = look.mbr.as_ref().ok()?;
    let (start, sectors) = match mbr.first(PROTECTIVE) {
        None => {
            let first = mbr.partitions.iter().find(|p| p.kind != mbr::EFI)?;
            (first.start, first.sectors)
        }
        Some(_) => {
            let gpt = look.gpt.as_ref().ok()?.as_ref()?;
            let first = gpt.partitions.iter().find(|p| !p.efi)?;
            (first.start, first.end.saturating_sub(first.start))
        }
    };
    (start > 0).then_some((start.saturating_mul(SECTOR), sectors.saturating_mul(SECTOR)))
}

/// MBR and GPT: signatures and checksums, and that every partition has its place.
pub fn partitions(look: &Look) -> Verdict {
    let mut faults = Faults::default();
    let sectors = look.bytes.length() / SECTOR;
    let mut known = Vec::new();
    match &look.mbr {
        Err(e) => faults.add(e),
        Ok(mbr) => {
            known.push("MBR");
            for p in mbr.partitions.iter().filter(|p| p.end() > sectors) {
                faults.add(format!("partition {} lies beyond the end", p.number));
            }
            for (n, a) in mbr.partitions.iter().enumerate() {
                for b in &mbr.partitions[n + 1..] {
                    faults.unless(a.end() <= b.start || b.end() <= a.start, || {
                        format!("partitions {} and {} overlap", a.number, b.number)
                    });
                }
            }
            if look.bios {
                faults.unless(mbr.partitions.iter().any(|p| p.active), || {
                    "no partition is active, so some BIOSes would not boot it".to_owned()
                });
            }
        }
    }
    let protective = look.mbr.iter().any(|mbr| mbr.first(PROTECTIVE).is_some());
    match &look.gpt {
        Err(e) => faults.add(e),
        Ok(None) => faults.unless(!protective, || {
            "the MBR stands for a GPT, and there is none".to_owned()
        }),
        Ok(Some(gpt)) => {
            known.push(match protective {
                true => "GPT",
                false => "GPT beside it (not valid on purpose, for old BIOSes)",
            });
            for p in &gpt.partitions {
                faults.unless(p.start < p.end && p.end <= sectors, || {
                    "a partition of the GPT lies beyond the end".to_owned()
                });
            }
            if look.uefi {
                let mut efi = gpt.partitions.iter().filter(|p| p.efi);
                let place = look.efi.map(|p| p.start / SECTOR);
                faults.unless(efi.any(|p| Some(p.start) == place), || {
                    "the GPT has no EFI system partition where that is".to_owned()
                });
            }
        }
    }
    if look.uefi {
        let in_mbr = look.mbr.iter().any(|mbr| mbr.first(mbr::EFI).is_some());
        let known = in_mbr || protective || look.mbr.is_err();
        faults.unless(known, || "the MBR has no EFI system partition".to_owned());
    }
    faults.or(|| {
        let efi = look.efi.map_or(String::new(), |p| {
            format!("; EFI system partition of {}", sized(p.length))
        });
        format!("{}{efi}", known.join(", "))
    })
}

/// El Torito's catalog, by which firmware boots the image as a CD.
pub fn catalog(look: &Look) -> Verdict {
    let entries = look.catalog.as_ref().map_err(Clone::clone)?;
    let mut faults = Faults::default();
    let mut told = Vec::new();
    for (wanted, platform, name, place) in [
        (
            look.bios,
            BIOS,
            "BIOS",
            look.iso.get(ISOLINUX).and_then(tree::block),
        ),
        (look.uefi, UEFI, "UEFI", look.efi.map(|p| p.start / BLOCK)),
    ] {
        if !wanted {
            continue;
        }
        let Some(entry) = entries.iter().find(|e| e.platform == platform) else {
            faults.add(format!("there is no entry for {name}"));
            continue;
        };
        faults.unless(entry.bootable && entry.emulation == 0, || {
            format!("the entry for {name} is not to be booted, or by emulation")
        });
        faults.unless(place == Some(u64::from(entry.block)), || match platform {
            BIOS => format!("the entry for BIOS is not of {ISOLINUX}"),
            _ => "the entry for UEFI is not of the EFI system partition".to_owned(),
        });
        faults.unless(platform != BIOS || entry.sectors == 4, || {
            format!("the BIOS is told to load {} sectors, not 4", entry.sectors)
        });
        faults.unless(
            platform != BIOS || [0, 0x7c0].contains(&entry.segment),
            || {
                format!(
                    "the BIOS is told to load it to segment {:#x}, not to the usual one",
                    entry.segment
                )
            },
        );
        told.push(name);
    }
    faults.unless(look.bios || look.uefi, || "nothing boots it".to_owned());
    faults.or(|| format!("entries for {}", told.join(" and ")))
}
