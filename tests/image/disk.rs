//! `ezmail disk` with the ISO that was built: the disk as other programs read it.

use std::{
    fs::{self, File},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::{Command, Output},
};

use crate::built::iso;

/// Answers with a `[state]`, for an image.
const WITH_STATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/answers/good/small.toml");
/// The same without, in the test's folder.
const ANSWERS: &str = "answers.toml";

/// A folder with [`ANSWERS`].
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let text = fs::read_to_string(WITH_STATE).unwrap();
    let (text, _) = text.split_once("[state]").unwrap();
    fs::write(folder.path().join(ANSWERS), text).unwrap();
    folder
}

fn ezmail(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ezmail"))
        .arg("disk")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn run(program: &str, arguments: &[&str], folder: &Path) -> String {
    let output = Command::new(program)
        .args(arguments)
        .env("MTOOLSRC", "/dev/null")
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_disk_is_one_for_every_tool_that_reads_disks() {
    let folder = folder();
    let here = folder.path();
    let iso = iso();
    let made = ezmail(&[ANSWERS, iso.to_str().unwrap(), "-o", "disk.raw"], here);
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
    let data = fs::metadata(here.join("disk.raw")).unwrap();
    assert_eq!(data.permissions().mode() & 0o777, 0o600);
    // what is not written takes no room
    assert!(data.blocks() * 512 < data.len() / 2);
    assert!(run("sfdisk", &["--verify", "disk.raw"], here).contains("No errors detected"));
    // the partition by itself, for fsck.fat
    let out = File::create(here.join("boot.img")).unwrap();
    let mut disk = File::open(here.join("disk.raw")).unwrap();
    std::io::Seek::seek(&mut disk, std::io::SeekFrom::Start(1 << 20)).unwrap();
    std::io::copy(&mut std::io::Read::take(disk, 1 << 30), &mut &out).unwrap();
    run("fsck.fat", &["-n", "boot.img"], here);
    let image = [
        "-n",
        "-i",
        "boot.img",
        "::/image-1/x86_64/airootfs.sfs",
        "root",
    ];
    run("mcopy", &image, here);
    run("unsquashfs", &["-s", "root"], here);
    let config = ["-i", "boot.img", "::/syslinux/syslinux.cfg", "-"];
    let config = run("mcopy", &config, here);
    assert!(
        config.contains("archisobasedir=image-1 archisosearchfilename=/ezmail-"),
        "{config}"
    );
    assert!(!config.contains("archisosearchuuid"), "{config}");
    // nobody's file is written over
    let again = ezmail(&[ANSWERS, iso.to_str().unwrap(), "-o", "disk.raw"], here);
    assert_eq!(again.status.code(), Some(1));
    insta::assert_snapshot!(String::from_utf8_lossy(&again.stderr), @"ezmail: disk.raw is there already; add --replace to write over it");
    let left: Vec<_> = fs::read_dir(here)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 4, "{left:?}");
}

#[test]
fn what_cannot_be_a_disk_is_refused() {
    let folder = folder();
    let here = folder.path();
    fs::write(here.join("other.iso"), [0; 64 * 1024]).unwrap();
    fs::write(here.join("bad.toml"), "hostname = \"x\"\n").unwrap();
    let iso = iso();
    let said = |arguments: &[&str]| {
        let output = ezmail(arguments, here);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let iso = iso.to_str().unwrap();
    insta::assert_snapshot!(said(&[ANSWERS, iso, "-o", "disk.vmdk"]), @"ezmail: disk.vmdk: it is not clear which format is wanted; end the name in .qcow2 or .raw");
    insta::assert_snapshot!(said(&[ANSWERS, "other.iso", "-o", "disk.raw"]), @r"
    ezmail: disk: unpacking the image
    ezmail: reading other.iso: this is no ISO 9660 image
    ");
    insta::assert_snapshot!(said(&[ANSWERS, iso, "-o", "disk.raw", "--size", "1G"]), @r"
    ezmail: disk: unpacking the image
    ezmail: disk.raw is too small to install to: it has 1.07 GB, 1.61 GB is the least
    ");
    let refused = said(&[WITH_STATE, iso, "-o", "disk.raw"]);
    insta::assert_snapshot!(refused.replace(env!("CARGO_MANIFEST_DIR"), "."), @"ezmail: the disk has its own state volume, and ./tests/answers/good/small.toml wants one on /dev/vda: remove `[state]` from the answers");
    assert!(said(&["bad.toml", iso, "-o", "disk.raw"]).contains("nothing was made"));
    let left: Vec<_> = fs::read_dir(here)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 3, "{left:?}");
}
