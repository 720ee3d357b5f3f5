//! Images that somebody made to exhaust who reads them, or to show one thing and have another.

use super::*;

/// The image with a directory's bytes changed, in all of its trees.
fn error(change: impl Fn(&mut Vec<u8>)) -> String {
    let (_dir, image) = made(&BOTH[..1], |iso| {
        for name in ["aa/first", "aa/other", "bb/x"] {
            files::write_with_parents(&iso.join(name), b"text", 0o644).unwrap();
        }
    });
    let mut bytes = fs::read(&image).unwrap();
    change(&mut bytes);
    let volume = Volume::open(Window::new(&bytes, 0, bytes.length())).unwrap();
    match Look::new(&bytes, volume) {
        Ok(_) => "nothing".to_owned(),
        Err(e) => e,
    }
}

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    let places: Vec<_> = bytes
        .windows(from.len())
        .enumerate()
        .filter(|(_, w)| *w == from)
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty(), "{}", from.escape_ascii());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
}

#[test]
fn names_are_names_and_there_once() {
    assert_eq!(error(|_| ()), "nothing");
    let twice = error(|bytes| replace(bytes, b"other", b"first"));
    insta::assert_snapshot!(twice, @"'aa/first' is there twice");
    // the long name is none with a slash, and then the short one is taken
    let slash = error(|bytes| replace(bytes, b"other", b"o/her"));
    insta::assert_snapshot!(slash, @"'o/her' in the folder 'aa/' is no name");
    let folders = error(|bytes| {
        // NM of the folder bb
        replace(bytes, b"NM\x07\x01\0bb", b"NM\x07\x01\0aa");
    });
    insta::assert_snapshot!(folders, @"'aa' is there twice");
}

#[test]
fn configuration_has_an_end() {
    let (_dir, image) = made(BOTH, |iso| {
        let text = fs::read_to_string(iso.join("boot/syslinux/syslinux.cfg")).unwrap();
        let long = text + &"#".repeat(1 << 20);
        fs::write(iso.join("boot/syslinux/syslinux.cfg"), long).unwrap();
        for n in 0..9 {
            let path = iso.join(format!("boot/grub/{n}.cfg"));
            files::write(&path, "#".repeat(1 << 20), 0o644).unwrap();
        }
    });
    let report = check(&image).unwrap();
    let medium = report.failed().find(|c| c.name == "medium").unwrap();
    insta::assert_snapshot!(medium.found.join("\n"), @r"
    boot/syslinux/syslinux.cfg: it is too large for what a boot loader reads
    boot/grub/7.cfg: it is too large for what a boot loader reads
    boot/grub/8.cfg: it is too large for what a boot loader reads
    boot/grub/grubenv: it is too large for what a boot loader reads
    loader/entries/x.conf: it is too large for what a boot loader reads
    and 5 more of the kind
    ");
    let (_dir, image) = made(BOTH, |iso| {
        files::write(&iso.join("boot/grub/x.cfg"), "\n".repeat(10_001), 0o644).unwrap();
    });
    let report = check(&image).unwrap();
    let found = report.failed().map(|c| c.found[0].clone());
    assert_eq!(
        found.collect::<Vec<_>>()[0],
        "boot/grub/x.cfg: with it there are more than 10000 lines"
    );
}
