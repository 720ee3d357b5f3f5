//! Images of a few files, put together by the assembler's own steps, whole and damaged.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

use super::*;
use crate::{
    answers::reserved,
    host::{
        base::Base,
        image::{efi, tree::Tree, xorriso},
        profile::ProfileDef,
        rootfs,
    },
    util::files,
};

const EPOCH: u64 = 1_700_000_000;
const LOOPBACK: &str = "menuentry 'x' {\n linux /arch/boot/x86_64/vmlinuz-linux \
                        archisobasedir=arch img_loop=\"${iso_path}\"\n \
                        initrd /arch/boot/x86_64/initramfs-linux.img\n}\n";

/// An image that boots by these modes; `change` is done to the ISO's tree before it is written.
fn made(modes: &[&str], change: impl Fn(&Path)) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| dir.path().join(name);
    let put = |path: &str, bytes: &[u8]| {
        files::write_with_parents(&place(path), bytes, 0o644).unwrap();
    };
    put("root/boot/vmlinuz-linux", &kernel());
    put(
        "root/boot/initramfs-linux.img",
        &initramfs::tests::archive(&["init"]),
    );
    for name in ["isolinux.bin", "ldlinux.c32", "isohdpfx.bin"] {
        let size = if name == "isohdpfx.bin" { 432 } else { 5001 };
        put(
            &format!("root/usr/lib/syslinux/bios/{name}"),
            &vec![0x90; size],
        );
    }
    put(
        "root/usr/lib/systemd/boot/efi/systemd-bootx64.efi",
        &program(),
    );
    let kernel_line = "archisobasedir=%INSTALL_DIR% archisosearchuuid=%ARCHISO_UUID%";
    let [linux, initrd] = ["vmlinuz-linux", "initramfs-linux.img"]
        .map(|name| format!("/%INSTALL_DIR%/boot/%ARCH%/{name}"));
    put(
        "profile/syslinux/syslinux.cfg",
        format!("DEFAULT x\nLABEL x\nLINUX {linux}\nINITRD {initrd}\nAPPEND {kernel_line}\n")
            .as_bytes(),
    );
    put("profile/efiboot/loader/loader.conf", b"default x*\n");
    put(
        "profile/efiboot/loader/entries/x.conf",
        format!("linux {linux}\ninitrd {initrd}\noptions {kernel_line}\n").as_bytes(),
    );
    let def = ProfileDef {
        iso_name: "mini".into(),
        iso_label: reserved::LABEL.into(),
        iso_publisher: "p".into(),
        iso_application: "a".into(),
        install_dir: "arch".into(),
        bootmodes: modes.iter().map(|m| (*m).to_owned()).collect(),
        folder: place("profile"),
        ..ProfileDef::default()
    };
    let (root, iso) = (place("root"), place("iso"));
    let tree = Tree {
        def: &def,
        root: &root,
        iso: &iso,
        epoch: EPOCH,
    };
    let packages = [("linux".to_owned(), "6.12".to_owned())];
    tree.write(&packages, Base::Standin).unwrap();
    put("iso/arch/x86_64/airootfs.sfs", &squashfs());
    let sum = rootfs::sha512_line(&place("iso/arch/x86_64/airootfs.sfs")).unwrap();
    put("iso/arch/x86_64/airootfs.sha512", sum.as_bytes());
    change(&iso);
    let (log, out) = (place("log"), place("mini.iso"));
    let efi = efi::write(&def, &root, &iso, dir.path(), EPOCH, &log).unwrap();
    xorriso::write(&def, &iso, &efi, &out, EPOCH, &log).unwrap();
    (dir, out)
}

fn kernel() -> Vec<u8> {
    let mut kernel = vec![0; 8192];
    kernel[0x1f1] = 1;
    kernel[0x1fe..0x206].copy_from_slice(b"\x55\xaa..HdrS");
    kernel[0x207] = 2;
    kernel[0x206] = 15;
    kernel[0x20f] = 1;
    kernel[0x211] = 1;
    kernel[0x300..0x306].copy_from_slice(b"6.12.1");
    kernel
}

fn program() -> Vec<u8> {
    let mut program = vec![0; 1024];
    program[..2].copy_from_slice(b"MZ");
    program[0x3c] = 0x80;
    program[0x80..0x86].copy_from_slice(b"PE\0\0\x64\x86");
    program[0x98..0x9a].copy_from_slice(&[0x0b, 2]);
    program[0x98 + 68] = 10;
    program
}

fn squashfs() -> Vec<u8> {
    let mut image = vec![3; 9000];
    image[..96].fill(0);
    image[..5].copy_from_slice(b"hsqs\x01");
    image[12..16].copy_from_slice(&[0, 0, 16, 0]);
    image[20..24].copy_from_slice(&[6, 0, 20, 0]);
    image[28] = 4;
    image[40..42].copy_from_slice(&[0, 32]);
    image
}

mod booted;
mod crafted;
mod signed;

fn told(report: &Report) -> String {
    let mut text = report.boots.join(", ") + "\n";
    for check in &report.checks {
        let found = check.found.join("; ");
        text += &format!("{:?} {}: {found}\n", check.outcome, check.name);
    }
    text
}

const BOTH: &[&str] = &["bios.syslinux", "uefi.systemd-boot"];

#[test]
fn images_of_every_mode_pass() {
    let add = |iso: &Path| {
        files::write(&iso.join("boot/grub/loopback.cfg"), LOOPBACK, 0o644).unwrap();
    };
    for (name, modes, change) in [
        ("both", BOTH, (&|_: &Path| ()) as &dyn Fn(&Path)),
        ("bios", &BOTH[..1], &|_| ()),
        ("uefi", &BOTH[1..], &|_| ()),
        ("loopback", BOTH, &add),
    ] {
        let (_dir, image) = made(modes, change);
        let report = check_made(&image, true).unwrap();
        assert!(report.passed());
        // on a disk it would be known how much of it is the image
        let size = fs::metadata(&image).unwrap().len();
        assert_eq!(length(&image).unwrap(), size, "{name}");
        insta::assert_snapshot!(name, told(&report));
    }
}

#[test]
fn what_a_build_did_wrong_is_named() {
    let (dir, image) = made(BOTH, |iso| {
        let edit = |path: &str, from: &str, to: &str| {
            let text = fs::read_to_string(iso.join(path)).unwrap();
            assert!(text.contains(from), "{path}: {text}");
            fs::write(iso.join(path), text.replace(from, to)).unwrap();
        };
        let (syslinux, grubenv) = ("boot/syslinux/syslinux.cfg", "boot/grub/grubenv");
        edit(syslinux, "LABEL x", "LABEL y\nCOM32 poweroff.c32");
        edit(syslinux, "archisosearchuuid=2023", "archisosearchuuid=2022");
        edit(
            syslinux,
            "archisobasedir=arch",
            "archisobasedir=%INSTALL_DIR%",
        );
        edit("loader/entries/x.conf", "archisosearchuuid=", "uuid=");
        edit("loader/loader.conf", "x*", "y*");
        edit(grubenv, "=EZMAIL_BOOT", "=EZMAIL_BOOK");
        fs::remove_file(iso.join("arch/pkglist.x86_64.txt")).unwrap();
        fs::remove_file(iso.join("arch/boot/x86_64/initramfs-linux.img")).unwrap();
        fs::write(iso.join("ezmail/answers"), "short").unwrap();
    });
    let error = format!("{:#}", check_made(&image, true).unwrap_err());
    let folder = dir.path().display().to_string();
    insta::assert_snapshot!(error.replace(&folder, "DIR"));
}

#[test]
fn what_is_no_image_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.iso");
    let error = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = format!("{:#}", check(&path).unwrap_err());
        error.replace(&dir.path().display().to_string(), "DIR")
    };
    insta::assert_snapshot!(error(b""), @"DIR/x.iso: this is no ISO 9660 image");
    insta::assert_snapshot!(error(&vec![0; 1 << 20]), @"DIR/x.iso: this is no ISO 9660 image");
    fs::remove_file(&path).unwrap();
    let error = format!("{:#}", check(&path).unwrap_err());
    assert!(
        error.ends_with("x.iso: No such file or directory (os error 2)"),
        "{error}"
    );
}

#[test]
fn an_image_that_is_cut_short_fails_by_that_alone() {
    let (_dir, image) = made(BOTH, |_| ());
    let whole = fs::metadata(&image).unwrap().len();
    for length in [whole - 1, whole - 300_000, whole / 2, 100_000] {
        fs::File::options()
            .write(true)
            .open(&image)
            .unwrap()
            .set_len(length)
            .unwrap();
        let report = check(&image).unwrap();
        let wanted = format!(
            "\nFailed size: the image is cut short: it has {length} of {whole} bytes; copy or \
             fetch it again\n"
        );
        assert_eq!(told(&report), wanted);
    }
}

#[test]
fn code_and_catalog_for_the_bios_are_what_it_starts() {
    let (_dir, image) = made(BOTH, |_| ());
    let mut bytes = fs::read(&image).unwrap();
    // El Torito's boot record is the 18th block, and the segment stands in the catalog's first entry
    let record = 17 * 2048 + 71;
    let catalog = u32::from_le_bytes(bytes[record..record + 4].try_into().unwrap());
    bytes[100] ^= 1;
    bytes[catalog as usize * 2048 + 32 + 3] = 0xa0;
    fs::write(&image, bytes).unwrap();
    let report = check(&image).unwrap();
    insta::assert_snapshot!(told(&report));
}

/// Bytes of all that has a structure, set to other values: a report or an error, and never a
/// panic. What passes then has been changed where nothing is said, such as the unused half of a
/// sector.
#[test]
fn no_byte_is_trusted() {
    let (_dir, image) = made(BOTH, |_| ());
    let mut good = fs::read(&image).unwrap();
    let look = |bytes: &Vec<u8>| -> Option<bool> {
        let volume = Volume::open(Window::new(bytes, 0, bytes.length())).ok()?;
        let look = Look::new(bytes, volume).ok()?;
        checks::size(&look).ok()?;
        let checks = checks::all(&look);
        Some(checks.iter().all(|c| c.outcome == report::Outcome::Passed))
    };
    assert_eq!(look(&good), Some(true));
    let volume = Volume::open(Window::new(&good, 0, good.length())).unwrap();
    let efi = Look::new(&good, volume).unwrap().efi.unwrap().start as usize;
    // MBR and GPT, descriptors, tables and folders of the ISO, the same of the EFI partition
    let places = (0..700)
        .step_by(7)
        .chain((32_768..75_000).step_by(197))
        .chain((110_000..250_000).step_by(2003))
        .chain((efi..efi + 3000).step_by(31))
        .chain((efi..efi + 200_000).step_by(2003));
    let mut failed = 0;
    for (n, at) in places.enumerate() {
        let change = [0xff, 0x01, 0x80][n % 3];
        good[at] ^= change;
        failed += usize::from(look(&good) != Some(true));
        good[at] ^= change;
    }
    assert!(failed > 50, "{failed}");
}
