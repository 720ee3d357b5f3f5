//! Builds that cannot end well: what is said, with the way out.

use std::{fs, os::unix::fs::symlink, process::Command};

use crate::desk::{Checkout, Desk, said};

/// Runs `command` in a mount namespace after `script`, whose words are `words`.
fn after(script: &str, words: &[&str], command: &Command) -> std::process::Output {
    let mut all = Command::new("unshare");
    all.args(["--mount", "--net", "sh", "-euc"])
        .arg(format!("{script}; shift {}; exec \"$@\"", words.len()))
        .arg("sh")
        .args(words)
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        all.env(name, value.unwrap());
    }
    all.output().unwrap()
}

#[test]
fn a_missing_tool_comes_with_its_package() {
    let desk = Desk::new();
    // every program but two
    let bin = desk.path().join("bin");
    fs::create_dir(&bin).unwrap();
    for folder in std::env::split_paths(&std::env::var_os("PATH").unwrap()) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let link = bin.join(entry.file_name());
            let absent = ["xorriso", "mkarchiso"]
                .iter()
                .any(|n| entry.file_name() == *n);
            if !absent && link.symlink_metadata().is_err() {
                symlink(entry.path(), link).unwrap();
            }
        }
    }
    let output = desk.command(&["build"]).env("PATH", &bin).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = said(&desk, &output);
    let end = text.find("ezmail: ").map(|at| text[at..].to_owned());
    insta::assert_snapshot!(end.unwrap());

    let mut command = desk.command(&["build", "--engine", "mkarchiso"]);
    let output = command.env("PATH", &bin).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = said(&desk, &output);
    assert!(
        text.contains("there is no mkarchiso on this host"),
        "{text}"
    );
    assert!(text.contains("'--engine native' needs none"), "{text}");
}

#[test]
fn a_disk_without_room_is_named() {
    let desk = Desk::new();
    // the cache moves to a small disk
    let output = after(
        "cp -a \"$1\" \"$1.kept\"; mount -t tmpfs -o size=220M small \"$1\"; cp -a \"$1.kept/.\" \"$1\"",
        &[desk.cache().to_str().unwrap()],
        &desk.command(&["build"]),
    );
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = said(&desk, &output);
    // curl, which pacman fetches by, has its own words for it, and so has what unpacks
    let words = [
        "No space left on device",
        "(Write failed)",
        "Failure writing output to destination",
    ];
    assert!(words.iter().any(|w| text.contains(w)), "{text}");
    assert!(text.contains("DESK/cache/logs/RUN/"), "{text}");
    let hint = text.lines().last().unwrap();
    insta::assert_snapshot!(hint);
}

#[test]
fn without_the_network_the_way_out_is_a_folder_of_sources() {
    let desk = Desk::new();
    for name in ["packages/opensmtpd", "sources"] {
        fs::remove_file(desk.cache().join(name)).unwrap();
    }
    let output = after("true", &[], &desk.command(&["build"]));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    // what the tools say of a network that is not there is theirs; which mirror it is, the host's
    let text = said(&desk, &output);
    let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with("  | ")).collect();
    let url = regex::Regex::new(r"https?://\S+").unwrap();
    let text = lines.join("\n");
    let at = text.find("ezmail: ").unwrap_or_else(|| panic!("{text}"));
    insta::assert_snapshot!(url.replace_all(&text[at..], "URL"));
}

#[test]
fn a_tool_that_fails_shows_its_last_lines_and_the_log() {
    let desk = Desk::new();
    let checkout = Checkout::new(&desk);
    checkout.change(
        "packages/opensmtpd/PKGBUILD",
        "build() {",
        "build() {\n  echo 'cc: error: no such option' >&2\n  return 3",
    );
    // the shared result of what is as it was is not for this one
    let package = desk.cache().join("packages/opensmtpd");
    fs::remove_file(package).unwrap();
    let mut command = desk.command(&["packages"]);
    let output = command.arg("--project").arg(checkout.path()).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    // makepkg's own lines before it are of its version and of the day
    let text = said(&desk, &output);
    let error = text.find("ezmail: ").unwrap_or_else(|| panic!("{text}"));
    let lines: Vec<&str> = text[error..].lines().collect();
    let begun = lines
        .iter()
        .position(|l| l.ends_with("Starting build()..."));
    let (head, tail) = (&lines[..2], &lines[begun.unwrap()..]);
    insta::assert_snapshot!([head, tail].concat().join("\n"));
}

#[test]
fn a_build_that_is_locked_refuses_what_is_not() {
    let desk = Desk::new();
    // a checkout of its own, whose lock it may write
    let checkout = Checkout::new(&desk);
    let build = |words: &[&str]| {
        let mut command = desk.command(&["packages"]);
        command.args(words).arg("--project").arg(checkout.path());
        command.output().unwrap()
    };
    let output = build(&["--locked"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&desk, &output).contains("there is no DESK/checkout/ezmail.lock"));
    assert!(build(&[]).status.success());
    assert!(build(&["--locked"]).status.success());

    let lock = checkout.path().join("ezmail.lock");
    let text = fs::read_to_string(&lock).unwrap();
    let at = text.find("name = \"bash\"").unwrap();
    let version = text[at..]
        .find("version = \"")
        .map(|n| at + n + 11)
        .unwrap();
    let mut changed = text.clone();
    changed.insert_str(version, "0.");
    fs::write(&lock, &changed).unwrap();
    let output = build(&["--locked"]);
    assert_eq!(output.status.code(), Some(1));
    let said_locked = said(&desk, &output);
    assert!(said_locked.contains("  bash 0."), "{said_locked}");
    assert!(
        said_locked.contains("a build without --locked takes"),
        "{said_locked}"
    );
    assert_eq!(fs::read_to_string(&lock).unwrap(), changed);
    // without it, the build tells of it and writes what it took
    let output = build(&[]);
    assert!(output.status.success());
    assert!(said(&desk, &output).contains("standin-build: bash 0."));
    assert_eq!(fs::read_to_string(&lock).unwrap(), text);
}

#[test]
fn a_wrong_configuration_is_refused_before_anything_is_made() {
    let desk = Desk::empty();
    let checkout = desk.path().join("checkout");
    fs::create_dir_all(checkout.join("packages")).unwrap();
    fs::create_dir_all(checkout.join("profile")).unwrap();
    fs::write(checkout.join("profile/profiledef.sh.tera"), "").unwrap();
    fs::write(
        checkout.join("ezmail.toml"),
        "[image]\nextra_package = []\n",
    )
    .unwrap();
    let mut command = desk.command(&["build"]);
    let output = command.arg("--project").arg(&checkout).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(said(&desk, &output));
    assert!(!desk.path().join("out").exists());
}
