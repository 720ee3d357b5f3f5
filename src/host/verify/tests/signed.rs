//! Images by their signature and checksum, on disks and under other names.

use std::process::Command;

use super::*;
use crate::{
    answers::container::Content,
    host::{
        embed::checksum,
        sign,
        verify::command::{verify, verify_as},
    },
    util::{hash, run::Task},
};

/// An image, signed by `key`, with its checksum file.
struct World {
    dir: TempDir,
    image: PathBuf,
}

impl World {
    fn new(modes: &[&str]) -> Self {
        let (dir, image) = made(modes, |_| ());
        let this = Self { dir, image };
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-N", "", "-C", "me", "-f"]);
        command.arg(this.place("key"));
        Task::new("making a key", command).run().unwrap();
        let sum = checksum::canonical(&this.image).unwrap();
        fs::write(this.sum(), format!("{sum}  mini.iso\n")).unwrap();
        let sum = checksum::canonical(&this.image).unwrap();
        sign::sign(&this.image, &sum, &this.place("key")).unwrap();
        this
    }

    fn place(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn sum(&self) -> PathBuf {
        self.place("mini.iso.sha256")
    }

    fn key(&self) -> PathBuf {
        self.place("key.pub")
    }

    /// What is said of these checks, and how many there are.
    fn said(&self, report: &Report, names: &[&str]) -> String {
        let checks = report.checks.iter().filter(|c| names.contains(&c.name));
        let lines: String = checks
            .map(|c| format!("{:?} {}: {}\n", c.outcome, c.name, c.found.join("\n")))
            .collect();
        let text = lines.replace(&self.dir.path().display().to_string(), "DIR");
        let sums = regex::Regex::new(r"[0-9a-f]{64}").unwrap();
        let text = sums.replace_all(&text, "SUM");
        let prints = regex::Regex::new(r"SHA256:[A-Za-z0-9+/]{43}").unwrap();
        prints.replace_all(&text, "SHA256:PRINT").into_owned()
    }
}

const FIRST: &[&str] = &["signature", "checksum", "image"];

/// A file in place of a disk, with more behind the image, as disks have.
#[test]
fn on_a_disk_the_image_is_compared_byte_by_byte() {
    for modes in [BOTH, &BOTH[..1], &BOTH[1..]] {
        let world = World::new(modes);
        let disk = world.place("sdx");
        let image = fs::read(&world.image).unwrap();
        let mut bytes = [&image[..], &[0x5a; 1 << 20]].concat();
        // of the system that was on it
        let last = bytes.len() - 512;
        bytes[last..last + 8].copy_from_slice(b"EFI PART");
        let at = image.windows(4).position(|w| w == b"hsqs").unwrap() + 8000;
        let (sum, key) = (world.sum(), world.key());
        let verify = |bytes: &[u8]| {
            fs::write(&disk, bytes).unwrap();
            verify_as(&disk, true, Some(&key), Some(&sum)).unwrap()
        };
        let report = verify(&bytes);
        assert!(report.passed(), "{report:#?}");
        insta::allow_duplicates! {
            insta::assert_snapshot!(world.said(&report, FIRST), @r"
        Passed signature: by ED25519 SHA256:PRINT, a key in DIR/key.pub
        Passed checksum: SHA-256, as DIR/mini.iso.sha256 has it, signed as mini.iso
        SUM
        ");
        }
        bytes[at] ^= 1;
        let report = verify(&bytes);
        assert!(!report.passed());
        insta::allow_duplicates! {
            insta::assert_snapshot!(world.said(&report, FIRST), @r"
        Passed signature: by ED25519 SHA256:PRINT, a key in DIR/key.pub
        Failed checksum: without answers it is another than DIR/mini.iso.sha256 has; copy or fetch the image again
        it is SUM
        not   SUM
        NotChecked image: nothing else of it is looked at, as it is not what that key has signed
        ");
        }
        // answers make no difference there either
        bytes[at] ^= 1;
        let place = reserved::find(fs::File::open(&world.image).unwrap()).unwrap();
        bytes[place.offset as usize + 5000] ^= 1;
        let report = verify(&bytes);
        assert!(world.said(&report, FIRST).contains("Passed checksum"));
    }
}

#[test]
fn a_disk_without_a_checksum_file_is_not_compared() {
    let world = World::new(BOTH);
    let report = verify_as(&world.image, true, None, None).unwrap();
    assert!(report.passed(), "{report:#?}");
    insta::assert_snapshot!(world.said(&report, &["checksum"]), @"NotChecked checksum: a disk has no checksum file beside it; --checksum FILE names the image's");
    let disk = world.place("sdx");
    fs::copy(&world.image, &disk).unwrap();
    let report = verify_as(&disk, true, Some(&world.key()), None).unwrap();
    assert!(!report.passed());
    insta::assert_snapshot!(world.said(&report, FIRST), @r"
    Failed signature: there is no DIR/sdx.sha256, of which a signature would be
    Failed checksum: reading DIR/sdx.sha256: No such file or directory (os error 2); --checksum FILE names the checksum file
    NotChecked image: nothing else of it is looked at, as it is not what that key has signed
    ");
}

/// An older image with its own signature, put in the place of a newer one.
#[test]
fn another_signed_image_does_not_pass_under_this_name() {
    let world = World::new(BOTH);
    for ending in ["", ".sha256", ".sha256.sig"] {
        let [from, to] = ["mini.iso", "new.iso"].map(|n| world.place(&format!("{n}{ending}")));
        fs::copy(from, to).unwrap();
    }
    let (new, key) = (world.place("new.iso"), world.key());
    let report = verify(&new, Some(&key), None).unwrap();
    assert!(!report.passed());
    insta::assert_snapshot!(world.said(&report, FIRST), @r"
    Passed signature: by ED25519 SHA256:PRINT, a key in DIR/key.pub
    Failed checksum: DIR/new.iso.sha256 is of mini.iso, not of new.iso; if that is the same under another name, --checksum DIR/new.iso.sha256 says so
    NotChecked image: nothing else of it is looked at, as it is not what that key has signed
    ");
    let report = verify(&new, Some(&key), Some(&world.sum())).unwrap();
    assert!(report.passed(), "{report:#?}");
    insta::assert_snapshot!(world.said(&report, FIRST), @r"
    Passed signature: by ED25519 SHA256:PRINT, a key in DIR/key.pub
    Passed checksum: SHA-256, as DIR/mini.iso.sha256 has it, signed as mini.iso
    SUM
    ");
    let report = verify(&new, None, Some(&world.sum())).unwrap();
    insta::assert_snapshot!(world.said(&report, &["checksum"]), @r"
    Passed checksum: SHA-256, as DIR/mini.iso.sha256 has it for mini.iso
    SUM
    ");
}

#[test]
fn nothing_is_made_of_what_was_not_signed() {
    let world = World::new(BOTH);
    let mut bytes = fs::read(&world.image).unwrap();
    bytes[100] ^= 1;
    fs::write(&world.image, bytes).unwrap();
    let report = verify(&world.image, Some(&world.key()), None).unwrap();
    let names: Vec<_> = report.checks.iter().map(|c| c.name).collect();
    assert_eq!(names, FIRST);
    // without a key everything is told
    let report = verify(&world.image, None, None).unwrap();
    assert!(report.checks.len() > 10, "{report:#?}");
    assert!(!report.passed());
}

#[test]
fn no_signature_is_of_answers() {
    let world = World::new(BOTH);
    let content = Content {
        name: "answers.toml".into(),
        bytes: b"x = 1\n".to_vec().into(),
        files: Default::default(),
    };
    let verify = |key: Option<&Path>| {
        let report = verify(&world.image, key, None).unwrap();
        assert!(report.passed(), "{report:#?}");
        (report.answers, world.said(&report, &["answers"]))
    };
    let key = world.key();
    let blank = verify(Some(&key));
    assert_eq!(
        blank,
        (
            false,
            "Passed answers: none in it; 1.0 MB reserved for them\n".into()
        )
    );
    let place = reserved::find(fs::File::open(&world.image).unwrap()).unwrap();
    let mut bytes = fs::read(&world.image).unwrap();
    let packed = content.pack(reserved::SIZE).unwrap();
    let at = place.offset as usize;
    bytes[at..at + packed.len()].copy_from_slice(&packed);
    fs::write(&world.image, bytes).unwrap();
    let (there, said) = verify(Some(&key));
    assert!(there);
    insta::assert_snapshot!(said, @r"
    NotChecked answers: answers.toml is in it
    no signature covers them: whoever had the image may have put them in, and 'ezmail embed --show' tells what they are
    ");
    assert_eq!(
        verify(None),
        (true, "Passed answers: answers.toml is in it\n".into())
    );
}

/// Of mkarchiso's engine, or of somebody else.
#[test]
fn an_image_without_a_place_for_answers_is_signed_and_verified() {
    let (dir, image) = made(BOTH, |iso| {
        fs::remove_file(iso.join("ezmail/answers")).unwrap();
    });
    let sum = hash::sha256_file(&image).unwrap();
    let file = dir.path().join("mini.iso.sha256");
    fs::write(&file, format!("{sum}  mini.iso\n")).unwrap();
    let key = dir.path().join("key");
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key);
    Task::new("making a key", command).run().unwrap();
    sign::sign(&image, &checksum::canonical(&image).unwrap(), &key).unwrap();
    let public = dir.path().join("key.pub");
    let report = verify(&image, Some(&public), None).unwrap();
    assert!(report.passed(), "{report:#?}");
}
