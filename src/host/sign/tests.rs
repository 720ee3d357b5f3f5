//! Both kinds of keys, made here and thrown away.

use std::{fs, io::Write};

use tempfile::TempDir;

use super::*;
use crate::{answers::reserved, host::verify::command};

/// Signs the image that is there.
fn sign(iso: &Path, key: &Path) -> Result<PathBuf> {
    super::sign(iso, &checksum::canonical(iso)?, key)
}

#[test]
fn an_image_that_another_build_made_is_not_signed() {
    let world = World::new();
    let key = world.ssh_key("ssh");
    let made = checksum::canonical(&world.iso()).unwrap();
    // another image with a checksum file of its own
    let mut bytes = fs::read(world.iso()).unwrap();
    bytes[100] ^= 1;
    fs::write(world.iso(), bytes).unwrap();
    let sum = checksum::canonical(&world.iso()).unwrap();
    fs::write(world.sum(), format!("{sum}  x.iso\n")).unwrap();
    let error = world.error(super::sign(&world.iso(), &made, &key));
    insta::assert_snapshot!(error.replace(&made, "SUM"), @"DIR/x.iso is not the image that this build made, whose checksum is SUM: another build or program has replaced it meanwhile, and it is not signed; build it again, or into another folder with --out DIR");
    assert!(!world.place("x.iso.sha256.sig").exists());
    sign(&world.iso(), &key).unwrap();
}

/// An image with its checksum file, and keys.
struct World {
    dir: TempDir,
}

impl World {
    fn new() -> Self {
        let this = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let image = reserved::test_image(reserved::LABEL, Some(reserved::SIZE));
        fs::write(this.iso(), image).unwrap();
        let sum = checksum::canonical(&this.iso()).unwrap();
        fs::write(this.sum(), format!("{sum}  x.iso\n")).unwrap();
        this
    }

    fn place(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn iso(&self) -> PathBuf {
        self.place("x.iso")
    }

    fn sum(&self) -> PathBuf {
        self.place("x.iso.sha256")
    }

    /// An OpenSSH key; the public one is `NAME.pub`.
    fn ssh_key(&self, name: &str) -> PathBuf {
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", "ed25519", "-N", "", "-C", "me", "-f"]);
        command.arg(self.place(name));
        Task::new("making a key", command).run().unwrap();
        self.place(name)
    }

    /// A minisign key; the public one is `NAME.pub`.
    fn minisign_key(&self, name: &str) -> PathBuf {
        let (secret, public) = (self.place(name), self.place(&format!("{name}.pub")));
        let mut command = Command::new("minisign");
        command
            .args(["-G", "-W", "-s"])
            .arg(&secret)
            .arg("-p")
            .arg(public);
        Task::new("making a key", command).run().unwrap();
        secret
    }

    fn public(&self, name: &str) -> PathBuf {
        self.place(&format!("{name}.pub"))
    }

    /// An error's text without what is another each time.
    fn plain(&self, text: &str) -> String {
        let text = text.replace(&self.dir.path().display().to_string(), "DIR");
        let ids = regex::Regex::new(r"\b[0-9A-F]{16}\b").unwrap();
        let text = ids.replace_all(&text, "KEY-ID");
        let prints = regex::Regex::new(r"SHA256:[A-Za-z0-9+/]{43}").unwrap();
        let text = prints.replace_all(&text, "SHA256:PRINT");
        let times = regex::Regex::new(r"timestamp:\d+").unwrap();
        times.replace_all(&text, "timestamp:T").into_owned()
    }

    fn error<T: std::fmt::Debug>(&self, result: Result<T>) -> String {
        self.plain(&format!("{:#}", result.unwrap_err()))
    }

    fn said(&self, key: Option<&str>) -> String {
        let key = key.map(|name| self.place(name));
        let report = command::verify(&self.iso(), key.as_deref(), None).unwrap();
        let checks = report.checks.iter();
        let wanted = checks.filter(|c| ["signature", "checksum"].contains(&c.name));
        let lines: String = wanted
            .map(|c| format!("{:?} {}: {}\n", c.outcome, c.name, c.found.join("\n")))
            .collect();
        let sums = regex::Regex::new(r"[0-9a-f]{64}").unwrap();
        sums.replace_all(&self.plain(&lines), "SUM").into_owned()
    }
}

#[test]
fn both_kinds_of_keys_sign_and_verify() {
    let world = World::new();
    let (ssh, mini) = (world.ssh_key("ssh"), world.minisign_key("mini"));
    assert_eq!(
        sign(&world.iso(), &ssh).unwrap(),
        world.place("x.iso.sha256.sig")
    );
    assert_eq!(
        sign(&world.iso(), &mini).unwrap(),
        world.place("x.iso.sha256.minisig")
    );
    // once more, over what is there
    sign(&world.iso(), &ssh).unwrap();
    let verify = |key: &str| verify(&world.sum(), &world.place(key));
    let by = world.plain(&verify("ssh.pub").unwrap());
    insta::assert_snapshot!(by, @"ED25519 SHA256:PRINT");
    let by = world.plain(&verify("mini.pub").unwrap());
    insta::assert_snapshot!(by, @"minisign key KEY-ID (timestamp:T, file:x.iso.sha256, hashed)");
    // others' tools take them as well
    let mut command = Command::new("minisign");
    command
        .args(["-V", "-q", "-p"])
        .arg(world.public("mini"))
        .arg("-m")
        .arg(world.sum());
    Task::new("verifying", command).run().unwrap();

    // whom to trust, in a list
    let public = fs::read_to_string(world.public("ssh")).unwrap();
    let list = format!("# people\nme@example.org namespaces=\"ezmail\" {public}");
    fs::write(world.place("allowed"), list).unwrap();
    let by = world.plain(&verify("allowed").unwrap());
    insta::assert_snapshot!(by, @"me@example.org, ED25519 SHA256:PRINT");
    fs::write(
        world.place("allowed"),
        format!("me@x namespaces=\"git\" {public}"),
    )
    .unwrap();
    insta::assert_snapshot!(world.error(verify("allowed")), @r#"DIR/x.iso.sha256.sig is by ED25519 SHA256:PRINT, and DIR/allowed does not allow that: line 1: key is not permitted for use in signature namespace "ezmail""#);
    // the same key for two uses, and one line for two people
    let list = format!(
        "\ndev@x namespaces=\"git\" {public}\n# more\nother@x,rel@x namespaces=\"ezmail\" {public}"
    );
    fs::write(world.place("allowed"), list).unwrap();
    let by = world.plain(&verify("allowed").unwrap());
    insta::assert_snapshot!(by, @"other@x, ED25519 SHA256:PRINT");
    world.ssh_key("stranger");
    let stranger = fs::read_to_string(world.public("stranger")).unwrap();
    fs::write(world.place("allowed"), format!("me@x {stranger}")).unwrap();
    insta::assert_snapshot!(world.error(verify("allowed")), @"DIR/x.iso.sha256.sig is not by anybody in DIR/allowed: No principal matched");

    // minisign's key as people pass it on
    let text = fs::read_to_string(world.public("mini")).unwrap();
    fs::write(world.place("line"), text.lines().nth(1).unwrap()).unwrap();
    verify("line").unwrap();
}

#[test]
fn another_key_another_text_and_no_signature_are_refused() {
    let world = World::new();
    let (ssh, mini) = (world.ssh_key("ssh"), world.minisign_key("mini"));
    world.ssh_key("other");
    world.minisign_key("stranger");
    let verify = |key: &str| world.error(verify(&world.sum(), &world.place(key)));
    insta::assert_snapshot!(verify("ssh.pub"), @"there is no signature DIR/x.iso.sha256.sig");
    insta::assert_snapshot!(verify("mini.pub"), @"there is no signature DIR/x.iso.sha256.minisig");
    sign(&world.iso(), &ssh).unwrap();
    sign(&world.iso(), &mini).unwrap();
    insta::assert_snapshot!(verify("other.pub"), @"DIR/x.iso.sha256.sig is not by the key in DIR/other.pub: it is by ED25519 SHA256:PRINT");
    insta::assert_snapshot!(verify("stranger.pub"), @"DIR/x.iso.sha256.minisig is not by the key KEY-ID in DIR/stranger.pub: it is by the key KEY-ID");
    insta::assert_snapshot!(verify("ssh"), @"DIR/ssh is a private key; to verify, give the public one, DIR/ssh.pub");
    insta::assert_snapshot!(verify("mini"), @"DIR/mini is a secret key; to verify, give the public one, by default minisign.pub");

    let text = fs::read_to_string(world.sum()).unwrap();
    fs::write(world.sum(), text.replace("x.iso", "y.iso")).unwrap();
    insta::assert_snapshot!(verify("ssh.pub"), @"DIR/x.iso.sha256.sig is no signature of DIR/x.iso.sha256: Signature verification failed: incorrect signature");
    insta::assert_snapshot!(verify("mini.pub"), @"DIR/x.iso.sha256.minisig is no signature of DIR/x.iso.sha256 by the key KEY-ID: one of the two was changed");
    let error = world.error(signatures(&world.sum()));
    insta::assert_snapshot!(error, @"DIR/x.iso.sha256.sig is no signature of DIR/x.iso.sha256: Signature verification failed: incorrect signature");
    fs::write(world.sum(), text).unwrap();

    // one byte of each signature, in the middle of its Base64
    for (ending, key) in [("sig", "ssh.pub"), ("minisig", "mini.pub")] {
        let path = world.place(&format!("x.iso.sha256.{ending}"));
        let mut bytes = fs::read(&path).unwrap();
        let at = match ending {
            "sig" => bytes.len() - 70,
            _ => 100,
        };
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        fs::write(&path, bytes).unwrap();
        let error = verify(key);
        assert!(error.contains("is no signature"), "{error}");
    }
    fs::write(world.place("x.iso.sha256.minisig"), "nothing\n").unwrap();
    insta::assert_snapshot!(verify("mini.pub"), @"DIR/x.iso.sha256.minisig is no signature of minisign");
}

#[test]
fn what_cannot_sign_is_refused() {
    let world = World::new();
    let key = world.ssh_key("ssh");
    world.minisign_key("mini");
    let sign = |name: &str| world.error(sign(&world.iso(), &world.place(name)));
    insta::assert_snapshot!(sign("absent"), @"reading DIR/absent: No such file or directory (os error 2)");
    insta::assert_snapshot!(sign("mini.pub"), @"DIR/mini.pub is minisign's public key; the secret one signs, by default ~/.minisign/minisign.key");
    insta::assert_snapshot!(sign("x.iso.sha256"), @"DIR/x.iso.sha256 is no key for this: it is of an unknown kind; an OpenSSH key (ssh-keygen -t ed25519) or one of minisign (minisign -G) is");
    let public = fs::read_to_string(world.public("ssh")).unwrap();
    fs::write(world.place("allowed"), format!("me {public}")).unwrap();
    insta::assert_snapshot!(sign("allowed"), @"DIR/allowed lists allowed signers; one key is needed to sign");
    fs::write(
        world.place("pgp"),
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n",
    )
    .unwrap();
    insta::assert_snapshot!(sign("pgp"), @"DIR/pgp is no key for this: it is of OpenPGP; an OpenSSH key (ssh-keygen -t ed25519) or one of minisign (minisign -G) is");
    fs::write(world.place("cut"), &fs::read(&key).unwrap()[..200]).unwrap();
    assert!(sign("cut").starts_with("signing with DIR/cut failed: exit status: 255"));
    fs::write(world.sum(), format!("{}  x.iso\n", "0".repeat(64))).unwrap();
    let error = sign("ssh");
    assert!(
        error.contains("x.iso is not the image of DIR/x.iso.sha256"),
        "{error}"
    );
    assert!(!world.place("x.iso.sha256.sig").exists());
}

/// A key that only an agent has, in a file the public half.
#[test]
fn a_key_in_an_agent_signs() {
    let world = World::new();
    let key = world.ssh_key("ssh");
    let script = "eval \"$(ssh-agent -s)\" >/dev/null && trap 'kill $SSH_AGENT_PID' EXIT && \
                  ssh-add -q \"$1\" && rm \"$1\" && ssh-keygen -Y sign -n ezmail -f \"$1.pub\" <\"$2\"";
    let mut command = Command::new("sh");
    command
        .args(["-c", script, "sh"])
        .arg(&key)
        .arg(world.sum());
    let signature = Task::new("signing by an agent", command).bytes().unwrap();
    fs::write(world.place("x.iso.sha256.sig"), signature).unwrap();
    verify(&world.sum(), &world.public("ssh")).unwrap();
    // without the agent
    let error = world.error(sign(&world.iso(), &world.public("ssh")));
    assert!(
        error.starts_with("signing with DIR/ssh.pub failed"),
        "{error}"
    );
}

/// What `ezmail verify` says of signature and checksum.
#[test]
fn the_command_says_what_was_checked() {
    let world = World::new();
    insta::assert_snapshot!("none", world.said(None));
    let key = world.ssh_key("ssh");
    world.ssh_key("other");
    insta::assert_snapshot!("missing", world.said(Some("ssh.pub")));
    sign(&world.iso(), &key).unwrap();
    insta::assert_snapshot!("open", world.said(None));
    insta::assert_snapshot!("good", world.said(Some("ssh.pub")));
    insta::assert_snapshot!("other", world.said(Some("other.pub")));
    // answers make no difference, and any other byte does
    let extent = reserved::find(fs::File::open(world.iso()).unwrap()).unwrap();
    let mut file = fs::File::options().write(true).open(world.iso()).unwrap();
    let mut write = |at: u64| {
        use std::io::{Seek, SeekFrom};
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(b"x").unwrap();
    };
    write(extent.offset + 5000);
    insta::assert_snapshot!("answers", world.said(Some("ssh.pub")));
    write(100);
    insta::assert_snapshot!("changed", world.said(Some("ssh.pub")));
    fs::remove_file(world.sum()).unwrap();
    insta::assert_snapshot!("no_checksum", world.said(Some("ssh.pub")));
}

/// gpg with a home of its own; pacman takes what gpgv does.
#[test]
fn the_repository_is_signed_for_pacman() {
    let world = World::new();
    let db = world.place("ezmail.db.tar.zst");
    fs::write(&db, "database").unwrap();
    let home = world.place("gpg");
    fs::create_dir(&home).unwrap();
    let gpg = || {
        let mut command = Command::new("gpg");
        command.arg("--homedir").arg(&home).arg("--quiet");
        command
    };
    let run = |command: &mut Command, words: &[&str]| {
        command.args(words);
        let command = std::mem::replace(command, Command::new("true"));
        Task::new("using gpg", command).run().unwrap();
    };
    let error = world.error(sign_repo_by(gpg(), &db, "repo@example.org"));
    let first = error.lines().next().unwrap();
    insta::assert_snapshot!(first, @"signing DIR/ezmail.db.tar.zst with gpg's key repo@example.org failed: exit status: 2");
    assert!(!world.place("ezmail.db.tar.zst.sig").exists());
    let error = |id: &str| has_secret_by(gpg(), id).unwrap_err().to_string();
    insta::assert_snapshot!(error("repo@example.org"), @"--sign-repo 'repo@example.org': gpg has no such secret key; 'gpg --list-secret-keys' lists those that it has");
    let make = [
        "--batch",
        "--passphrase",
        "",
        "--quick-generate-key",
        "repo@example.org",
    ];
    run(&mut gpg(), &make);
    has_secret_by(gpg(), "repo@example.org").unwrap();
    assert!(has_secret_by(gpg(), "").is_err());
    let signature = sign_repo_by(gpg(), &db, "repo@example.org").unwrap();
    assert_eq!(signature, world.place("ezmail.db.tar.zst.sig"));
    // binary, as pacman wants it
    assert!(fs::read(&signature).unwrap()[0] & 0x80 != 0);
    run(gpg().arg("--verify").arg(&signature).arg(&db), &[]);
    run(
        Command::new("gpgconf").arg("--homedir").arg(&home),
        &["--kill", "all"],
    );
}
