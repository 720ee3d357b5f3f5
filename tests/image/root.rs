//! The image's root file system.

use std::{collections::BTreeMap, fs, process::Command};

use ezmail::host::{pacman, secrets};

use crate::built::{manifest, run, unpacked};

#[test]
fn no_secret_is_baked_in() {
    secrets::scan(&unpacked().root).unwrap();
}

/// What the state volume outlives the image with: numbers of owners.
#[test]
fn owners_have_the_numbers_of_our_sysusers_file() {
    let read = |name: &str| fs::read_to_string(unpacked().root.join("etc").join(name)).unwrap();
    let ids = |text: &str| -> BTreeMap<String, String> {
        text.lines()
            .map(|l| l.split(':').collect::<Vec<_>>())
            .map(|f| (f[0].to_owned(), f[2].to_owned()))
            .collect()
    };
    let (users, groups) = (ids(&read("passwd")), ids(&read("group")));
    let path = unpacked().root.join("usr/lib/sysusers.d/00-ezmail.conf");
    let mut checked = 0;
    for line in fs::read_to_string(path).unwrap().lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [kind @ ("u" | "g"), name, id, ..] = words[..] else {
            continue;
        };
        assert_eq!(
            groups.get(name).map(String::as_str),
            Some(id),
            "group {name}"
        );
        if kind == "u" {
            assert_eq!(users.get(name).map(String::as_str), Some(id), "user {name}");
        }
        checked += 1;
    }
    assert!(checked >= 12, "only {checked} lines");
}

#[test]
fn the_package_database_is_that_of_the_manifest() {
    let root = &unpacked().root;
    let installed = pacman::query(root).unwrap();
    let manifest = manifest();
    let listed: Vec<(String, String)> = manifest["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| {
            (
                p["name"].as_str().unwrap().to_owned(),
                p["version"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    assert_eq!(installed, listed);
    for package in manifest["packages"].as_array().unwrap() {
        assert_eq!(package["sha256"].as_str().unwrap().len(), 64, "{package}");
    }
    let db = root.join("var/lib/pacman");
    let check = run(Command::new("pacman")
        .arg("--root")
        .arg(root)
        .arg("--dbpath")
        .arg(&db)
        .args(["--color=never", "-Dk"]));
    assert!(check.contains("No database errors"), "{check}");
}

#[test]
fn ours_win_over_the_distributions() {
    let manifest = manifest();
    for name in ["opensmtpd", "rspamd", "knot-resolver", "encpipe", "ezmail"] {
        let package = manifest["packages"]
            .as_array()
            .unwrap()
            .iter()
            .find(|p| p["name"] == name);
        assert_eq!(package.unwrap()["repository"], "ezmail", "{name}");
    }
    assert!(
        !manifest["packages"]
            .as_array()
            .unwrap()
            .iter()
            .any(|p| p["name"] == "libressl-static"),
        "a build dependency is in the image"
    );
}

#[test]
fn the_image_names_its_base_and_no_build_host() {
    let root = &unpacked().root;
    let manifest = manifest();
    let base = manifest["base"].as_str().unwrap();
    let release = fs::read_to_string(root.join("usr/lib/os-release")).unwrap();
    assert!(
        release.contains(&format!("IMAGE_ID=ezmail-{base}\n")),
        "{release}"
    );
    let conf = fs::read_to_string(root.join("etc/pacman.conf")).unwrap();
    assert!(
        !conf.contains("Server") && !conf.contains("[ezmail]"),
        "{conf}"
    );
    assert_eq!(
        fs::read_to_string(root.join("etc/machine-id")).unwrap(),
        "uninitialized\n"
    );
    assert!(
        !root.join("etc/pacman.d/hooks").exists()
            || fs::read_dir(root.join("etc/pacman.d/hooks"))
                .unwrap()
                .count()
                == 0
    );
    if base == "standin" {
        let issue = fs::read_to_string(root.join("etc/issue")).unwrap();
        assert!(issue.contains("for trying and testing"), "{issue}");
    }
}

#[test]
fn drift_from_the_arch_pins_is_told() {
    let manifest = manifest();
    let drift = manifest["drift"].as_array().unwrap();
    if manifest["base"] == "standin" {
        let opensmtpd = drift.iter().find(|d| d["package"] == "opensmtpd").unwrap();
        assert_eq!(opensmtpd["arch"], "7.8.0p1-1");
        assert_eq!(opensmtpd["built"], "7.6.0p1-1");
        assert!(!opensmtpd["reason"].as_str().unwrap().is_empty());
    } else {
        assert!(drift.is_empty(), "{drift:?}");
    }
}
