//! Answers embedded in the image are found where the machine has the image: in a CD drive, and on
//! a disk, whose first partition has the same label.

use std::{fs, path::Path, time::Duration};

use ezmail::{
    answers::load::Loaded,
    host::{
        embed::put::{Put, put},
        qemu::{Config, IsoAs, Machine},
    },
    mail::password,
    util::files,
};
use regex::Regex;

use crate::{
    BOOT,
    world::appliance::{ALICE, iso},
};

/// The file that the answers name: `tests/answers/good` has it.
const KEY: &str = "example.org.rsa.pem";

/// Embeds answers with a key file into a copy of the image, and boots it with no other source.
/// The answers name no state volume and no network: only that they are found is looked at.
fn boots(iso_as: IsoAs, name: &str, device: &str) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        files::remove_dir_all(&folder).unwrap();
    }
    files::create_dir_all(&folder).unwrap();
    let good = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/answers/good");
    fs::copy(good.join(KEY), folder.join(KEY)).unwrap();
    let text = format!(
        "hostname = \"mail.example.org\"\n\
         [[domain]]\nname = \"example.org\"\n\
         [[domain.dkim]]\nselector = \"given\"\nkey_file = \"{KEY}\"\n\
         [[user]]\naddress = \"{}\"\npassword_hash = \"{}\"\n",
        ALICE.0,
        password::hash(ALICE.1).unwrap()
    );
    let answers = folder.join("answers.toml");
    files::write(&answers, text, 0o600).unwrap();
    let image = folder.join("my.iso");
    put(&Put {
        content: &Loaded::read(&answers, &[]).unwrap().content,
        image: &iso().unwrap(),
        out: Some(&image),
        replace: false,
    })
    .unwrap();

    let mut config = Config::new(Some(&image), &folder.join("serial.log"));
    config.iso_as = iso_as;
    let mut machine = Machine::start(&config).unwrap();
    let mut wait = |pattern: &str, limit: Duration| {
        let pattern = Regex::new(pattern).unwrap();
        machine.wait_for(&pattern, limit).unwrap();
    };
    let source = format!("ezmail: answers: answers.toml embedded in the image ({device})");
    wait(&regex::escape(&source), BOOT);
    // the next line but one: they are right, and the key is there
    wait(r"ezmail: dkim ", Duration::from_secs(120));
    machine.kill().unwrap();
    files::remove_dir_all(&folder).unwrap();
}

#[test]
fn on_a_cd() {
    boots(IsoAs::Cdrom, "embedded-cd", "/dev/sr0");
}

#[test]
fn on_a_disk() {
    boots(IsoAs::Disk, "embedded-disk", "/dev/vda");
}
