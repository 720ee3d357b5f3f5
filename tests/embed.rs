//! `ezmail embed` and `ezmail checksum`, on small images that xorriso makes.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use ezmail::{
    answers::{container, example, reserved},
    util::hash,
};
use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

/// A folder with a blank image and two answers files that have nothing to complain about.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        desk.image("my.iso", reserved::LABEL, Some(reserved::SIZE));
        let good = fs::read_to_string(good_answers("small.toml")).unwrap();
        desk.write("answers.toml", &good);
        let relay = "[smarthost]\nhost = \"smtp.example.net\"\nusername = \"relay\"\n\
                     password_file = \"relay.password\"\n";
        desk.write("relay.toml", &(good + relay));
        desk.write("relay.password", "a secret of the relay\n");
        desk
    }

    /// Made with the options that matter of ours; mode 0644.
    fn image(&self, name: &str, label: &str, reserved: Option<usize>) {
        let tree = tempfile::tempdir().unwrap();
        fs::create_dir(tree.path().join("ezmail")).unwrap();
        fs::write(tree.path().join("version"), "1").unwrap();
        if let Some(size) = reserved {
            fs::write(tree.path().join(reserved::FILE), vec![0; size]).unwrap();
        }
        let output = Command::new("xorriso")
            .args(["-no_rc", "-report_about", "SORRY", "-as", "mkisofs"])
            .args(["-iso-level", "3", "-full-iso9660-filenames", "-joliet"])
            .args(["-rational-rock", "-partition_offset", "16"])
            .args(["-volid", label, "-output"])
            .arg(self.path(name))
            .arg(tree.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o644)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn mode(&self, name: &str) -> u32 {
        self.path(name).metadata().unwrap().permissions().mode() & 0o7777
    }

    fn ezmail(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_ezmail"))
            .args(words)
            .current_dir(self.0.path())
            .output()
            .unwrap()
    }

    /// Standard output of what has to succeed without a word of complaint.
    fn good(&self, words: &[&str]) -> String {
        let output = self.ezmail(words);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {output:?}");
        assert_eq!(text(&output.stderr), "");
        text(&output.stdout)
    }

    /// Standard error of what has to be refused, without changing any file.
    fn refused(&self, words: &[&str]) -> String {
        let before = self.all();
        let output = self.ezmail(words);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {output:?}");
        assert_eq!(text(&output.stdout), "");
        assert!(before == self.all(), "{words:?} changed something");
        text(&output.stderr)
    }

    /// Every file with its mode and checksum.
    fn all(&self) -> Vec<(PathBuf, u32, String)> {
        let mut all: Vec<_> = walkdir::WalkDir::new(self.0.path())
            .into_iter()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| {
                let mode = entry.metadata().unwrap().permissions().mode();
                let sum = hash::sha256_file(entry.path()).unwrap();
                (entry.into_path(), mode, sum)
            })
            .collect();
        all.sort();
        all
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn good_answers(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/answers/good")
        .join(name)
}

/// Where the reserved file is in an image.
fn place(image: &Path) -> std::ops::Range<usize> {
    let extent = reserved::find(File::open(image).unwrap()).unwrap();
    extent.offset as usize..(extent.offset + extent.length) as usize
}

#[test]
fn in_place_and_out_again() {
    let desk = Desk::new();
    let blank = desk.bytes("my.iso");
    insta::assert_snapshot!(desk.good(&["embed", "--show", "my.iso"]), @"my.iso: no answers");
    insta::assert_snapshot!(desk.good(&["embed", "relay.toml", "my.iso"]), @r"
    ezmail: my.iso holds relay.toml and 1 file for mail.example.org
    ezmail: it has secrets in it now: its mode was 0644 and is 0600, readable for its owner alone
    ");
    assert_eq!(desk.mode("my.iso"), 0o600);
    let full = desk.bytes("my.iso");
    let place = place(&desk.path("my.iso"));
    assert!(full[..place.start] == blank[..place.start]);
    assert!(full[place.end..] == blank[place.end..]);
    assert!(full[place.clone()].starts_with(b"ezmail answers\r\n"));

    insta::assert_snapshot!(desk.good(&["embed", "--show", "my.iso"]), @r"
    my.iso: answers for mail.example.org
      domains  example.org
      users    alice@example.org
               bob@example.org
      files    relay.toml (848 bytes)
               relay.password (22 bytes)
      check    good
    ");
    insta::assert_snapshot!(desk.good(&["embed", "--show", "my.iso", "--json"]), @r#"
    {
      "image": "my.iso",
      "answers": {
        "name": "relay.toml",
        "hostname": "mail.example.org",
        "domains": [
          "example.org"
        ],
        "users": [
          "alice@example.org",
          "bob@example.org"
        ],
        "files": [
          {
            "name": "relay.toml",
            "size": 848
          },
          {
            "name": "relay.password",
            "size": 22
          }
        ],
        "check": {
          "errors": 0,
          "file": "relay.toml",
          "findings": [],
          "ok": true,
          "warnings": 0
        }
      }
    }
    "#);
    // the same once more is no loss, and gives the same bytes
    insta::assert_snapshot!(desk.good(&["embed", "relay.toml", "my.iso"]), @"ezmail: my.iso holds relay.toml and 1 file for mail.example.org");
    assert!(desk.bytes("my.iso") == full);

    insta::assert_snapshot!(desk.good(&["embed", "--clear", "my.iso"]), @"ezmail: my.iso is blank again");
    assert!(desk.bytes("my.iso") == blank);
    insta::assert_snapshot!(desk.good(&["embed", "--clear", "my.iso"]), @"ezmail: my.iso has no answers; nothing was changed");
}

#[test]
fn a_copy_leaves_the_image_alone() {
    let desk = Desk::new();
    let before = desk.bytes("my.iso");
    let words = ["embed", "answers.toml", "my.iso", "-o", "copy.iso"];
    insta::assert_snapshot!(desk.good(&words), @"ezmail: copy.iso holds answers.toml for mail.example.org");
    assert!(desk.bytes("my.iso") == before);
    assert_eq!((desk.mode("my.iso"), desk.mode("copy.iso")), (0o644, 0o600));
    insta::assert_snapshot!(desk.refused(&words), @"ezmail: copy.iso is there already; add --replace to write over it");
    desk.good(&[&words[..], &["--replace"]].concat());

    let to = |out: &str| desk.refused(&["embed", "answers.toml", "my.iso", "-o", out]);
    insta::assert_snapshot!(to("my.iso"), @"ezmail: my.iso is the image itself; to write to it in place, leave out -o");
    insta::assert_snapshot!(to("/dev/null"), @"ezmail: /dev/null is there and is no file; write a file first and copy it there then, with dd or cp");
    insta::assert_snapshot!(to("none/x.iso"), @"ezmail: none/x.iso cannot be written: there is no folder none");
    // from an image with answers, a copy with others
    let from_copy = ["embed", "relay.toml", "copy.iso", "-o", "third.iso"];
    insta::assert_snapshot!(desk.refused(&from_copy), @"ezmail: copy.iso holds other answers already (answers.toml for mail.example.org); add --replace to write over them");
    desk.good(&[&from_copy[..], &["--replace"]].concat());
}

#[test]
fn other_answers_are_written_over_only_when_asked() {
    let desk = Desk::new();
    desk.good(&["embed", "answers.toml", "my.iso"]);
    let words = ["embed", "relay.toml", "my.iso"];
    insta::assert_snapshot!(desk.refused(&words), @"ezmail: my.iso holds other answers already (answers.toml for mail.example.org); add --replace to write over them");
    desk.good(&[&words[..], &["--replace"]].concat());
    assert!(
        desk.good(&["embed", "--show", "my.iso"])
            .contains("relay.toml")
    );
}

#[test]
fn what_is_not_whole_is_told_and_written_anew() {
    let desk = Desk::new();
    let place = place(&desk.path("my.iso"));
    let damage = |at: usize, new: &[u8]| {
        let mut bytes = desk.bytes("my.iso");
        bytes[place.start + at..][..new.len()].copy_from_slice(new);
        fs::write(desk.path("my.iso"), bytes).unwrap();
    };
    desk.good(&["embed", "answers.toml", "my.iso"]);
    damage(700, b"~");
    insta::assert_snapshot!(desk.refused(&["embed", "--show", "my.iso"]), @"ezmail: the answers in my.iso are damaged: the checksum does not match");
    insta::assert_snapshot!(desk.refused(&["embed", "answers.toml", "my.iso"]), @"ezmail: the answers in my.iso are damaged: the checksum does not match; add --replace to write over them");
    desk.good(&["embed", "answers.toml", "my.iso", "--replace"]);
    damage(0, container::UNFINISHED);
    insta::assert_snapshot!(desk.refused(&["embed", "--show", "my.iso"]), @"ezmail: the answers in my.iso are not whole: writing or clearing them was broken off");
    desk.good(&["embed", "--clear", "my.iso"]);
    assert!(desk.bytes("my.iso")[place].iter().all(|b| *b == 0));
}

#[test]
fn mistakes_in_the_answers_leave_everything_as_it_was() {
    let desk = Desk::new();
    desk.write("bad.toml", "hostname = \"mail\"\npasword = \"hunter2\"\n");
    let said = desk.refused(&["embed", "bad.toml", "my.iso"]);
    assert!(!said.contains("hunter2"));
    let start = "ezmail: the answers are not right, so nothing was changed:\n\n";
    let report = text(&desk.ezmail(&["answers", "check", "bad.toml"]).stdout);
    assert_eq!(said.strip_prefix(start), Some(report.as_str()));
    // a copy is not even begun
    desk.refused(&["embed", "bad.toml", "my.iso", "-o", "copy.iso"]);
    fs::remove_file(desk.path("relay.password")).unwrap();
    let said = desk.refused(&["embed", "relay.toml", "my.iso"]);
    assert!(said.contains("relay.password"), "{said}");
    insta::assert_snapshot!(desk.refused(&["embed", "absent.toml", "my.iso"]), @"ezmail: reading absent.toml: No such file or directory (os error 2)");
    insta::assert_snapshot!(desk.refused(&["embed", "my.iso", "answers.toml"]), @r"
    ezmail: the answers are not right, so nothing was changed:

    error: the file has 1048577 bytes; 1 MiB is the most
    --> my.iso:1:1
     = help: is this the answers file, or perhaps an image?

    my.iso: 1 error
    ");
}

#[test]
fn warnings_are_told_and_stop_nothing() {
    let desk = Desk::new();
    desk.write("warned.toml", &example::toml());
    let output = desk.ezmail(&["embed", "warned.toml", "my.iso"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = text(&desk.ezmail(&["answers", "check", "warned.toml"]).stdout);
    assert!(report.contains("warning: "));
    assert_eq!(text(&output.stderr), report + "\n");
}

#[test]
fn files_come_from_where_they_are_said_to_be() {
    let desk = Desk::new();
    fs::create_dir(desk.path("keys")).unwrap();
    fs::rename(
        desk.path("relay.password"),
        desk.path("keys/relay.password"),
    )
    .unwrap();
    let key = ["--key", "keys/relay.password"];
    desk.good(&[&["embed"][..], &key, &["relay.toml", "my.iso"]].concat());
    insta::assert_snapshot!(
        desk.refused(&[&["embed"][..], &key, &["answers.toml", "my.iso"]].concat()), @"ezmail: --key relay.password: answers.toml does not name a file relay.password; it names none");
}

#[test]
fn what_is_not_our_image_is_named() {
    let desk = Desk::new();
    let into = |image: &str| desk.refused(&["embed", "answers.toml", image]);
    desk.image("arch.iso", "ARCH_202401", Some(reserved::SIZE));
    insta::assert_snapshot!(into("arch.iso"), @"ezmail: arch.iso: this is the image 'ARCH_202401', and none of ezmail: those are called EZMAIL_BOOT");
    desk.image("old.iso", reserved::LABEL, None);
    insta::assert_snapshot!(into("old.iso"), @"ezmail: old.iso: the image has no room for answers: no file ezmail/answers; images that 'ezmail image' makes have it");
    desk.write("text.iso", "no image");
    insta::assert_snapshot!(into("text.iso"), @"ezmail: text.iso: this is no ISO 9660 image");
    insta::assert_snapshot!(into("absent.iso"), @"ezmail: reading absent.iso: No such file or directory (os error 2)");
    insta::assert_snapshot!(into("/dev/null"), @"ezmail: /dev/null is neither a file nor a disk");
    let bytes = desk.bytes("my.iso");
    fs::write(desk.path("short.iso"), &bytes[..bytes.len() / 2]).unwrap();
    assert!(into("short.iso").contains("short.iso: the image is cut short: it has "));
}

#[test]
fn too_much_is_refused_with_both_sizes() {
    let desk = Desk::new();
    let mut answers = text(&desk.bytes("answers.toml"));
    answers.push_str(&"# a long story\n".repeat(69_850));
    desk.write("long.toml", &answers);
    insta::assert_snapshot!(desk.refused(&["embed", "long.toml", "my.iso"]), @"ezmail: the answers and the files that they name need 1050168 bytes in the image, which has room for 1048576");
}

#[test]
fn two_at_once_do_not_write_over_each_other() {
    let desk = Desk::new();
    let file = File::open(desk.path("my.iso")).unwrap();
    flock(&file, FlockOperation::LockExclusive).unwrap();
    insta::assert_snapshot!(desk.refused(&["embed", "answers.toml", "my.iso"]), @"ezmail: another ezmail is writing to my.iso; try again when it is done");
}

#[test]
fn the_checksum_is_that_of_the_image_without_answers() {
    let desk = Desk::new();
    let sum = hash::sha256_file(&desk.path("my.iso")).unwrap();
    desk.write("my.iso.sha256", &format!("{sum}  my.iso\n"));
    let line = format!("{sum}  my.iso\n");
    assert_eq!(desk.good(&["checksum", "my.iso"]), line);
    desk.good(&["embed", "relay.toml", "my.iso"]);
    assert_ne!(hash::sha256_file(&desk.path("my.iso")).unwrap(), sum);
    assert_eq!(desk.good(&["checksum", "my.iso"]), line);
    assert_eq!(
        desk.good(&["checksum", "my.iso", "--check"]),
        "my.iso: OK\n"
    );

    desk.good(&[
        "embed",
        "answers.toml",
        "my.iso",
        "-o",
        "copy.iso",
        "--replace",
    ]);
    insta::assert_snapshot!(desk.refused(&["checksum", "copy.iso", "--check"]), @"ezmail: reading copy.iso.sha256: No such file or directory (os error 2); name the file with --check=FILE");
    let check = ["checksum", "copy.iso", "--check=my.iso.sha256"];
    assert_eq!(desk.good(&check), "copy.iso: OK\n");
    let mut bytes = desk.bytes("copy.iso");
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(desk.path("copy.iso"), bytes).unwrap();
    let said = desk.refused(&check);
    let (before, after) = said.split_once("its checksum is ").unwrap();
    insta::assert_snapshot!(before, @"ezmail: copy.iso is not the image of my.iso.sha256: without answers");
    assert!(after.contains(&format!("and {sum} was expected")), "{said}");
}

#[test]
fn nothing_that_is_printed_has_a_secret() {
    let desk = Desk::new();
    let rich = good_answers("rich.toml");
    let mut said = Vec::new();
    for words in [
        &["embed", rich.to_str().unwrap(), "my.iso"][..],
        &["embed", "--show", "my.iso"],
        &["embed", "--show", "my.iso", "--json"],
    ] {
        let output = desk.ezmail(words);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        said.extend(output.stdout);
        said.extend(output.stderr);
    }
    let said = text(&said);
    assert!(said.contains("example.org.rsa.pem") && said.contains("mx1.example.net"));
    for secret in ["argon2id", "stapler", "BEGIN", "relay-password", "MC4CA"] {
        assert!(!said.contains(secret), "{secret} in\n{said}");
    }
}

#[test]
fn command_lines_that_make_no_sense_are_refused() {
    let desk = Desk::new();
    for words in [
        &["embed"][..],
        &["embed", "answers.toml"],
        &["embed", "--show", "my.iso", "answers.toml"],
        &["embed", "--show", "my.iso", "--clear", "my.iso"],
        &["embed", "--clear", "my.iso", "--replace"],
        &["embed", "answers.toml", "my.iso", "--json"],
    ] {
        assert!(
            desk.refused(words).contains("Usage: ezmail embed"),
            "{words:?}"
        );
    }
}
