//! Images of xorriso, whole and damaged.

use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
    process::Command,
};

use super::*;

/// An image with a small tree, made by xorriso with the options of ours.
fn image(names: &[(&str, usize)]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    for (name, size) in names {
        let path = tree.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![b'x'; *size]).unwrap();
    }
    let out: PathBuf = dir.path().join("x.iso");
    xorriso(&tree, &out);
    fs::read(out).unwrap()
}

fn xorriso(tree: &Path, out: &Path) {
    let output = Command::new("xorriso")
        .args(["-no_rc", "-report_about", "SORRY", "-as", "mkisofs"])
        .args(["-iso-level", "3", "-full-iso9660-filenames", "-joliet"])
        .args([
            "-rational-rock",
            "-volid",
            "TEST",
            "-partition_offset",
            "16",
        ])
        .arg("-output")
        .args([out, tree])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn open(bytes: &[u8]) -> Result<Volume<Cursor<&[u8]>>, Error> {
    Volume::open(Cursor::new(bytes))
}

#[test]
fn files_are_found_without_regard_to_case() {
    let bytes = image(&[("ezmail/answers", 5000), ("a/b/c.txt", 3), ("empty", 0)]);
    let mut volume = open(&bytes).unwrap();
    assert_eq!(volume.id(), "TEST");
    assert!(volume.size() <= bytes.len() as u64);
    assert_eq!(volume.length(), bytes.len() as u64);
    let entry = volume.find("/EZMAIL/Answers").unwrap();
    let [extent] = entry.extents[..] else {
        panic!("{entry:?}")
    };
    let (from, to) = (extent.offset as usize, extent.offset + extent.length);
    assert_eq!(extent.length, 5000);
    assert!(bytes[from..to as usize].iter().all(|b| *b == b'x'));
    assert_eq!(volume.find("a/b/c.txt").unwrap().size(), 3);
    assert_eq!(volume.find("empty").unwrap().size(), 0);
    assert!(volume.find("a/b").unwrap().directory);
    for absent in ["x", "a/x", "a/b/c.txt/d", "a/b/c"] {
        let error = volume.find(absent).unwrap_err().to_string();
        assert_eq!(error, format!("the image has no {absent}"));
    }
}

#[test]
fn names_of_rock_ridge_and_the_date_are_read() {
    let long = format!("d/{}-long.Name", "x".repeat(240));
    let bytes = image(&[
        ("boot/vmlinuz-linux", 5),
        ("boot/2026-11-29.uuid", 0),
        (&long, 1),
    ]);
    let mut volume = open(&bytes).unwrap();
    let mut names = Vec::new();
    for folder in ["boot", "d"] {
        let folder = volume.find(folder).unwrap();
        names.extend(volume.list(&folder).unwrap());
    }
    let shown: Vec<_> = names.iter().map(Entry::shown).collect();
    assert_eq!(shown, ["2026-11-29.uuid", "vmlinuz-linux", &long[2..]]);
    assert_eq!(names[1].name, "VMLINUZ_LINUX");
    let uuid = volume.uuid().unwrap();
    assert!(uuid.starts_with("20") && uuid.len() == 22, "{uuid}");
    volume.modified.replace_range(3..4, "x");
    assert_eq!(volume.uuid(), None);
}

/// A directory of many blocks, and the second set of descriptors that -partition_offset makes.
#[test]
fn large_directories_and_the_partition_are_read() {
    let names: Vec<String> = (0..500).map(|n| format!("d/file{n}")).collect();
    let names: Vec<_> = names.iter().map(|n| (n.as_str(), 10)).collect();
    let bytes = image(&names);
    let mut volume = open(&bytes).unwrap();
    let folder = volume.find("d").unwrap();
    assert_eq!(volume.list(&folder).unwrap().len(), 500);
    let partition = &bytes[16 * BLOCK as usize..];
    let extent = open(partition).unwrap().find("d/file77").unwrap().extents[0];
    let from = extent.offset as usize;
    assert_eq!(&partition[from..from + 10], b"xxxxxxxxxx");
}

#[test]
fn other_files_are_no_images() {
    for bytes in [vec![], vec![0; 100], vec![0; 1 << 20]] {
        assert!(matches!(open(&bytes), Err(Error::NotIso)));
    }
}

/// Every byte of the descriptor and of the directories set to other values: an error or another
/// tree, never a panic or a search without end.
#[test]
fn damage_ends_in_an_error() {
    let bytes = image(&[("ezmail/answers", 5000)]);
    let mut volume = open(&bytes).unwrap();
    let folder = volume.find("ezmail").unwrap().extents[0].offset as usize;
    let root = volume.root.extents[0].offset as usize;
    let places = (32768..32768 + 200)
        .chain(root..root + 300)
        .chain(folder..folder + 300);
    let (mut refused, mut tried) = (0, 0);
    for place in places {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bad = bytes.clone();
            bad[place] = value;
            tried += 1;
            let found = open(&bad).and_then(|mut v| v.find("ezmail/answers"));
            refused += usize::from(found.is_err());
        }
    }
    assert!(refused > 100, "{refused} of {tried}");
}

#[test]
fn what_lies_beyond_the_end_is_refused() {
    let bytes = image(&[("ezmail/answers", 5000)]);
    let folder = open(&bytes).unwrap().find("ezmail").unwrap();
    // the volume says that it is whole, but its directory is not there any more
    let short = &bytes[..folder.extents[0].offset as usize + 100];
    let error = open(short).unwrap().find("ezmail/answers").unwrap_err();
    assert_eq!(error.to_string(), "the image is damaged: it is cut short");
    // a volume of 20 blocks has no place for its files
    let mut small = bytes.clone();
    small[32768 + 80..32768 + 88].copy_from_slice(&[20, 0, 0, 0, 0, 0, 0, 20]);
    assert!(matches!(open(&small), Err(Error::Damaged(_))));
}

/// A file of several extents, as there are above 4 GiB: made of two records by hand.
#[test]
fn extents_of_one_file_belong_together() {
    let mut bytes = image(&[("d/a", 2048), ("d/b", 10)]);
    let folder = open(&bytes).unwrap().find("d").unwrap().extents[0].offset as usize;
    let place = |bytes: &[u8], name: &[u8]| {
        let block = &bytes[folder..folder + 2048];
        folder + block.windows(name.len()).position(|w| w == name).unwrap()
    };
    let (a, b) = (place(&bytes, b"A.;1"), place(&bytes, b"B.;1"));
    // the flags are eight bytes before the name
    bytes[a - 8] |= 0x80;
    let error = open(&bytes).unwrap().find("d/a").unwrap_err().to_string();
    assert_eq!(error, "the image is damaged: the end of 'A' is missing");
    bytes[b] = b'A';
    let file = open(&bytes).unwrap().find("d/a").unwrap();
    assert_eq!((file.extents.len(), file.size()), (2, 2058));
    bytes[b - 8] |= 0x80;
    assert!(open(&bytes).unwrap().find("d/a").is_err());
}
