//! Entries that name files which are all there, and still do not boot the system.

use super::*;

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{path:?}: {text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// What the checks say that fail after a change of the ISO's tree.
fn failures(modes: &[&str], change: impl Fn(&Path)) -> String {
    let (_dir, image) = made(modes, change);
    let report = check(&image).unwrap();
    let lines = report.failed().flat_map(|c| {
        let found = c.found.iter();
        found.map(|line| format!("{}: {line}\n", c.name))
    });
    lines.collect()
}

const ENTRY: &str = "loader/entries/x.conf";
const SYSLINUX: &str = "boot/syslinux/syslinux.cfg";
const LINUX: &str = "linux /arch/boot/x86_64/vmlinuz-linux\n";
const INITRD: &str = "initrd /arch/boot/x86_64/initramfs-linux.img\n";

#[test]
fn a_live_entry_names_kernel_and_initramfs_of_the_image() {
    let entry = |from: &str, to: &str| {
        let (from, to) = (from.to_owned(), to.to_owned());
        failures(BOTH, move |iso| edit(&iso.join(ENTRY), &from, &to))
    };
    insta::assert_snapshot!(entry(LINUX, ""), @r"
    entries: loader/entries/x.conf names no kernel of the image
    entries: EFI: loader/entries/x.conf names no kernel of the image
    ");
    insta::assert_snapshot!(entry(INITRD, ""), @r"
    entries: loader/entries/x.conf names no initramfs of the image
    entries: EFI: loader/entries/x.conf names no initramfs of the image
    ");
    // a file that is there, and no initramfs: such as microcode
    insta::assert_snapshot!(entry("initramfs-linux.img", "vmlinuz-linux"), @r"
    entries: loader/entries/x.conf names no initramfs of the image
    entries: EFI: loader/entries/x.conf names no initramfs of the image
    ");
    // two of them are more than enough
    let both = format!("initrd /arch/boot/x86_64/vmlinuz-linux\n{INITRD}");
    assert_eq!(entry(INITRD, &both), "");
    let kernel_alone = failures(BOTH, |iso| {
        fs::write(iso.join(ENTRY), LINUX).unwrap();
    });
    insta::assert_snapshot!(kernel_alone, @r"
    medium: loader/entries/x.conf has no archisosearchuuid=
    medium: EFI: loader/entries/x.conf has no archisosearchuuid=
    entries: loader/entries/x.conf names no initramfs of the image
    entries: EFI: loader/entries/x.conf names no initramfs of the image
    ");
    let syslinux = failures(BOTH, |iso| {
        edit(&iso.join(SYSLINUX), "INITRD", "#");
    });
    insta::assert_snapshot!(syslinux, @"entries: boot/syslinux/syslinux.cfg: 'x' names no initramfs of the image");
}

#[test]
fn every_loader_that_firmware_starts_boots_the_system() {
    let off = |iso: &Path| {
        fs::write(iso.join(SYSLINUX), "LABEL x\nCOM32 ldlinux.c32\n").unwrap();
    };
    insta::assert_snapshot!(failures(BOTH, off), @"medium: no entry of syslinux boots the system");
    let shell = |iso: &Path| fs::write(iso.join(ENTRY), "efi /EFI/BOOT/BOOTx64.EFI\n").unwrap();
    insta::assert_snapshot!(failures(BOTH, shell), @"medium: no entry of systemd-boot on the EFI system partition, and none of GRUB, boots the system");
    // neither is read by firmware: the copy for people, and what a GRUB from elsewhere boots
    let nothing = |iso: &Path| {
        fs::remove_dir_all(iso.join("loader")).unwrap();
        fs::create_dir(iso.join("loader")).unwrap();
        files::write(&iso.join("boot/grub/loopback.cfg"), LOOPBACK, 0o644).unwrap();
    };
    insta::assert_snapshot!(failures(&BOTH[1..], nothing), @"medium: no entry of systemd-boot on the EFI system partition, and none of GRUB, boots the system");
    let network = |iso: &Path| {
        let path = iso.join(SYSLINUX);
        edit(&path, "APPEND", "APPEND archiso_http_srv=x");
    };
    insta::assert_snapshot!(failures(BOTH, network), @"medium: no entry of syslinux boots the system");
}

const GRUB: &str = "menuentry 'x' {
    linux /arch/boot/x86_64/vmlinuz-linux archisobasedir=arch archisosearchuuid=UUID
    initrd /arch/boot/x86_64/initramfs-linux.img
}
if [ \"${grub_platform}\" == 'efi' -a -f '/boot/memtest86+/memtest.efi' ]; then
    menuentry 'memtest' {
        linux /boot/memtest86+/memtest.efi
    }
fi
menuentry 'shell' {
    chainloader ($root)/shellx64.efi
}
";

#[test]
fn grubs_entries_may_ask_whether_their_files_are_there() {
    let with = |from: &str, to: &str| {
        let text = GRUB.replace(from, to);
        failures(BOTH, move |iso| {
            let uuid = fs::read_dir(iso.join("boot")).unwrap().find_map(|e| {
                let name = e.unwrap().file_name().into_string().unwrap();
                name.strip_suffix(".uuid").map(str::to_owned)
            });
            let text = text.replace("UUID", &uuid.unwrap());
            files::write(&iso.join("boot/grub/grub.cfg"), text, 0o644).unwrap();
            // systemd-boot has none
            fs::write(iso.join(ENTRY), "efi /EFI/BOOT/BOOTx64.EFI\n").unwrap();
        })
    };
    assert_eq!(with("", ""), "");
    assert_eq!(
        with(
            "-f '/boot/memtest86+/memtest.efi'",
            "-f \"/boot/memtest86+/memtest.efi\""
        ),
        ""
    );
    insta::assert_snapshot!(with("-f '", "-d '"), @"entries: boot/grub/grub.cfg: linux /boot/memtest86+/memtest.efi is not there");
    insta::assert_snapshot!(with("initrd", "module"), @"entries: boot/grub/grub.cfg: 'x' names no initramfs of the image");
    // only GRUB knows which kernel that is
    assert_eq!(with("linux /arch", "linux ${x}/arch"), "");
}

#[test]
fn a_root_of_erofs_is_one_too() {
    let with = |blocks: u8| {
        failures(BOTH, move |iso| {
            let folder = iso.join("arch/x86_64");
            fs::remove_file(folder.join("airootfs.sfs")).unwrap();
            let mut image = vec![0; 8192];
            image[1024..1028].copy_from_slice(&[0xe2, 0xe1, 0xf5, 0xe0]);
            image[1024 + 12] = 12;
            image[1024 + 36] = blocks;
            fs::write(folder.join("airootfs.erofs"), image).unwrap();
            let sum = crate::util::hash::sha512_file(&folder.join("airootfs.erofs")).unwrap();
            fs::write(
                folder.join("airootfs.sha512"),
                format!("{sum}  airootfs.erofs\n"),
            )
            .unwrap();
        })
    };
    assert_eq!(with(2), "");
    insta::assert_snapshot!(with(3), @"root: arch/x86_64/airootfs.erofs: it is cut short: it has 8192 of 12288 bytes");
}

#[test]
fn a_native_image_has_a_place_for_answers() {
    let (dir, image) = made(BOTH, |iso| {
        fs::remove_file(iso.join("ezmail/answers")).unwrap();
    });
    // as mkarchiso's have none
    check_made(&image, false).unwrap();
    let error = format!("{:#}", check_made(&image, true).unwrap_err());
    let folder = dir.path().display().to_string();
    insta::assert_snapshot!(error.replace(&folder, "DIR"), @r"
    the image that was made is not right, so it was not put in place; to be looked at, it is DIR/mini.iso:
      answers: the image has no room for answers: no file ezmail/answers; images that 'ezmail image' makes have it
    ");
}
