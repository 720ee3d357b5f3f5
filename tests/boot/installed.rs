//! `ezmail boot` with a disk in place of an ISO, and with both.

use super::*;

const INSTALLED: Step = Step::Print(COM1, "the disk is ready\r\n");

/// The sector that the guest writes.
fn written(disk: &Path) -> Vec<u8> {
    let bytes = fs::read(disk).unwrap();
    bytes[mini_iso::WRITTEN * 512..][..512].to_vec()
}

#[test]
fn a_disk_stays_as_it_is_unless_it_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let disk = mini_iso::make_disk(dir.path(), &[Step::Write, INSTALLED, Step::PowerOff]);
    let before = fs::read(&disk).unwrap();
    let (status, output, last) = run(&disk, "");
    assert_eq!(status, 0, "{last}");
    assert_eq!(output.stdout, b"the disk is ready\n");
    assert!(last.ends_with("disk.serial.log"), "{last}");
    assert_eq!(fs::read(&disk).unwrap(), before);
    let (status, _, last) = run(&disk, "--keep");
    assert_eq!(status, 0, "{last}");
    assert_eq!(written(&disk), before[..512]);

    // known by its content, whatever it is called
    let qcow2 = dir.path().join("server, the second.img");
    let mut command = Command::new("qemu-img");
    command.args(["convert", "-f", "raw", "-O", "qcow2"]);
    let made = command.arg(&disk).arg(&qcow2).status().unwrap();
    assert!(made.success());
    let before = fs::read(&qcow2).unwrap();
    let (status, output, last) = run(&qcow2, "");
    assert_eq!(status, 0, "{last}");
    assert_eq!(output.stdout, b"the disk is ready\n");
    assert_eq!(fs::read(&qcow2).unwrap(), before);
}

#[test]
fn what_is_written_lasts_through_a_reset() {
    let dir = tempfile::tempdir().unwrap();
    let disk = mini_iso::make_disk(dir.path(), &[Step::Write, INSTALLED, Step::Reset]);
    let before = fs::read(&disk).unwrap();
    let (status, output, last) = run(&disk, "--until (?s)ready.*ready");
    assert_eq!(status, 0, "{last}");
    assert!(output.stdout.starts_with(b"the disk is ready\n"));
    assert_eq!(fs::read(&disk).unwrap(), before);
}

#[test]
fn an_iso_and_a_disk_in_either_order() {
    let (dir, iso) = iso(&[READY, Step::PowerOff]);
    mini_iso::make_disk(dir.path(), &[INSTALLED, Step::PowerOff]);
    for (options, shown) in [
        ("--disk disk.raw", "the mini guest is ready\n"),
        ("--disk disk.raw --boot-from disk", "the disk is ready\n"),
        (
            "--disk blank.raw:1M --boot-from disk",
            "the mini guest is ready\n",
        ),
    ] {
        let (status, output, last) = run(&iso, options);
        assert_eq!(status, 0, "{options}: {last}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), shown, "{options}");
    }
}

#[test]
fn neither_an_iso_nor_a_disk() {
    let dir = tempfile::tempdir().unwrap();
    let blank = dir.path().join("blank.raw");
    fs::write(&blank, vec![0; 1 << 20]).unwrap();
    let (status, _, last) = run(&blank, "");
    assert_eq!(status, 1);
    assert!(
        last.contains("blank.raw is neither an ISO image nor a disk that a server is installed to"),
        "{last}"
    );
    let (_dir, iso) = iso(&[READY]);
    let (status, _, last) = run(&iso, "--keep");
    assert_eq!(status, 1);
    assert!(last.contains("--keep is for a disk, and "), "{last}");
}
