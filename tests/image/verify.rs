//! The image verifier on the ISO that was built, and on copies of it with one thing broken each.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use ezmail::{
    host::verify::{
        bytes::{self, Bytes, Disk, Window, le16},
        check,
        command::verify_as,
        length,
        look::Look,
        report::Report,
        tree,
    },
    iso9660::Volume,
};

use crate::built::iso;

#[test]
fn the_iso_passes() {
    let report = check(&iso()).unwrap();
    assert!(report.passed(), "{report:#?}");
    // and as a file, on Arch's base
    assert_eq!(
        report.boots[..2],
        ["BIOS (syslinux)", "UEFI (systemd-boot)"]
    );
    let names: Vec<_> = report.checks.iter().map(|c| c.name).collect();
    insta::assert_snapshot!(names.join(" "), @"size volume partitions boot-catalog bios uefi efi-files medium entries placeholders kernel initramfs root root-checksum description answers");
}

/// A copy of the ISO in which one thing at a time is changed.
struct Copy {
    _dir: tempfile::TempDir,
    path: PathBuf,
    file: File,
    good: Disk,
}

impl Copy {
    fn new() -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let path = dir.path().join("x.iso");
        fs::copy(iso(), &path).unwrap();
        Self {
            _dir: dir,
            file: OpenOptions::new()
                .read(true)
                .write(true)
                .open(&path)
                .unwrap(),
            path,
            good: Disk::new(File::open(iso()).unwrap()).unwrap(),
        }
    }

    fn look(&self) -> Look<'_> {
        let window = Window::new(&self.good, 0, self.good.length());
        Look::new(&self.good, Volume::open(window).unwrap()).unwrap()
    }

    /// What the check says with other bytes in that place, as names and texts of what failed.
    fn with(&self, at: u64, bytes: &[u8]) -> String {
        let mut old = vec![0; bytes.len()];
        self.good.read_exact_at(&mut old, at).unwrap();
        assert_ne!(old, bytes, "nothing is changed at {at}");
        self.file.write_all_at(bytes, at).unwrap();
        let report = check(&self.path).unwrap();
        self.file.write_all_at(&old, at).unwrap();
        failed(&report)
    }

    /// The same with one byte turned over.
    fn flipped(&self, at: u64) -> String {
        let mut byte = [0];
        self.good.read_exact_at(&mut byte, at).unwrap();
        self.with(at, &[byte[0] ^ 0xff])
    }
}

fn failed(report: &Report) -> String {
    let lines = report.failed().flat_map(|c| {
        let found = c.found.iter();
        found.map(|line| format!("  {}: {line}\n", c.name))
    });
    lines.collect()
}

/// Where a file of the ISO, or of the EFI system partition, begins.
fn place(files: &tree::Tree, path: &str) -> u64 {
    files.get(path).unwrap_or_else(|| panic!("{path}")).extents[0].offset
}

/// Where `what` is in a file.
fn inside(look: &Look, files: &tree::Tree, path: &str, what: &[u8]) -> u64 {
    let bytes = files.get(path).unwrap().read(look.bytes).unwrap();
    let at = bytes.windows(what.len()).position(|w| w == what);
    place(files, path) + at.unwrap_or_else(|| panic!("{path} has no {what:?}")) as u64
}

fn folder(good: &Disk, path: &str, name: &[u8]) -> u64 {
    let mut volume = Volume::open(Window::new(good, 0, good.length())).unwrap();
    let extent = volume.find(path).unwrap().extents[0];
    let mut bytes = vec![0; extent.length as usize];
    good.read_exact_at(&mut bytes, extent.offset).unwrap();
    let at = bytes.windows(name.len()).position(|w| w == name).unwrap();
    extent.offset + at as u64
}

#[test]
fn one_thing_broken_is_named() {
    let copy = Copy::new();
    let look = copy.look();
    let (iso, fat) = (&look.iso, &look.fat.as_ref().unwrap().tree);
    let uuid = look.uuid.clone().unwrap();
    let efi = look.efi.unwrap();
    let [kernel, initramfs] =
        ["vmlinuz-linux", "initramfs-linux.img"].map(|name| format!("arch/boot/x86_64/{name}"));
    let (syslinux, entry) = ("boot/syslinux/syslinux.cfg", "loader/entries/ezmail.conf");
    let squashfs = place(iso, "arch/x86_64/airootfs.sfs");
    let isolinux = place(iso, "boot/syslinux/isolinux.bin");
    let catalog = place(iso, "boot/syslinux/boot.cat");
    let answers = place(iso, "ezmail/answers");
    let name = folder(&copy.good, "boot", format!("{uuid}.uuid").as_bytes());
    let paths = inside(&look, fat, entry, b"vmlinuz-linux");
    let syslinux_uuid = inside(&look, iso, syslinux, uuid.as_bytes());
    let packages = inside(&look, iso, "arch/pkglist.x86_64.txt", b" ");
    let boot = bytes::read(look.bytes, efi.start, 512).unwrap();
    let table = efi.start + u64::from(le16(&boot, 14)) * u64::from(le16(&boot, 11));
    let last = look.bytes.length() - 512;
    let cases = [
        ("label", copy.with(32_768 + 40, b"X")),
        ("volume's date", copy.with(32_768 + 813 + 17 + 3, b"9")),
        ("name of the uuid file", copy.with(name, b"1")),
        ("signature of the MBR", copy.flipped(511)),
        ("code of the MBR", copy.flipped(432)),
        ("EFI partition in the MBR", copy.flipped(446 + 16 + 4)),
        ("entries of the GPT", copy.flipped(1024 + 60)),
        ("header of the GPT", copy.flipped(512 + 20)),
        ("second copy of the GPT", copy.flipped(last + 60)),
        ("checksum of the catalog", copy.flipped(catalog + 28)),
        ("BIOS entry", copy.flipped(catalog + 32 + 8)),
        (
            "sectors of the BIOS entry",
            copy.with(catalog + 32 + 6, &[1]),
        ),
        ("UEFI entry", copy.flipped(catalog + 96 + 9)),
        ("boot info table", copy.flipped(isolinux + 12)),
        ("isolinux.bin", copy.flipped(isolinux + 9000)),
        ("FAT", copy.flipped(efi.start + 11)),
        ("table of the FAT", copy.flipped(table + 10)),
        (
            "EFI program",
            copy.flipped(place(fat, "EFI/BOOT/BOOTx64.EFI")),
        ),
        (
            "kernel of the FAT",
            copy.flipped(place(fat, &kernel) + 100_000),
        ),
        (
            "initramfs of the FAT",
            copy.flipped(place(fat, &initramfs) + 100_000),
        ),
        ("kernel", copy.flipped(place(iso, &kernel) + 0x202)),
        ("initramfs", copy.flipped(place(iso, &initramfs))),
        ("path in an entry of the FAT", copy.with(paths, b"w")),
        ("uuid of syslinux", copy.with(syslinux_uuid, b"1")),
        (
            "linux in the FAT's entry",
            copy.with(inside(&look, fat, entry, b"linux "), b"#"),
        ),
        (
            "initrd in the FAT's entry",
            copy.with(inside(&look, fat, entry, b"initrd"), b"#"),
        ),
        (
            "initrd of syslinux",
            copy.with(inside(&look, iso, syslinux, b"INITRD"), b"#"),
        ),
        (
            "first frame of the initramfs",
            copy.with(place(iso, &initramfs) + 4, &[8]),
        ),
        ("placeholder", copy.with(syslinux_uuid, b"%ARCHISO_UUID%")),
        ("superblock of the squashfs", copy.flipped(squashfs)),
        ("byte of the squashfs", copy.flipped(squashfs + 50_000_000)),
        ("list of packages", copy.with(packages, b"_")),
        ("answers", copy.with(answers + 3, b"x")),
    ];
    let mut text: String = cases.map(|(what, said)| format!("{what}\n{said}")).concat();
    let short = look.bytes.length() - 1_000_000;
    copy.file.set_len(short).unwrap();
    text += &format!("cut short\n{}", failed(&check(&copy.path).unwrap()));
    let version = regex::Regex::new(r"\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-00").unwrap();
    let text = version.replace_all(&text, "UUID");
    // what is left of it behind a placeholder
    let rest = regex::Regex::new(r"(%ARCHISO_UUID%)\d\d-\d\d-00").unwrap();
    let text = rest.replace_all(&text, "${1}REST");
    let sizes = regex::Regex::new(r"\b\d{7,}\b").unwrap();
    let text = sizes.replace_all(&text, "N");
    let package = regex::Regex::new(r"_[0-9][^' ]*-\d+'").unwrap();
    insta::assert_snapshot!(package.replace_all(&text, "_VERSION'"));
}

/// The copies are made of the ISO, which is not touched.
#[test]
fn a_copy_passes_too() {
    let copy = Copy::new();
    let report = check(Path::new(&copy.path)).unwrap();
    assert!(report.passed(), "{report:#?}");
    // as on a disk that is larger
    let size = copy.good.length();
    copy.file.set_len(size + 10_000_000).unwrap();
    copy.file
        .write_all_at(b"EFI PART", size + 9_999_488)
        .unwrap();
    assert_eq!(length(&copy.path).unwrap(), size);
    let mut name = iso().into_os_string();
    name.push(".sha256");
    let same = || {
        let report = verify_as(&copy.path, true, None, Some(Path::new(&name))).unwrap();
        failed(&report)
    };
    assert_eq!(same(), "");
    copy.file.write_all_at(b"x", 50_000).unwrap();
    assert!(same().contains("checksum: without answers it is another"));
}
