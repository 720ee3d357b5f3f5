//! The profile beside the ISO, by the rules of upstream's mkarchiso (v88): what it validates before it
//! builds, and that nothing is in it which it does not know.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::built::{out, run};

fn profile() -> PathBuf {
    out().join("profile")
}

/// All variables and functions that sourcing the profile's definition makes.
fn definition() -> BTreeMap<String, String> {
    // the array is declared by who sources it
    let script = "before=$(compgen -v); declare -A file_permissions=(); source ./profiledef.sh; \
        comm -13 <(sort <<<\"$before\") <(compgen -v | sort) | \
        while read -r name; do [[ $name == before || $name == BASH_* || $name == PIPESTATUS ]] || \
        declare -p \"$name\"; done; declare -F";
    let text = run(Command::new("bash")
        .args(["-euc", script])
        .current_dir(profile()));
    text.lines()
        .map(|line| {
            let declared = line.splitn(3, ' ').nth(2).unwrap();
            let (name, value) = declared.split_once('=').unwrap_or((declared, ""));
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

#[test]
fn the_definition_has_what_mkarchiso_knows_and_nothing_else() {
    let definition = definition();
    let known = [
        "arch",
        "airootfs_image_tool_options",
        "airootfs_image_type",
        "bootmodes",
        "buildmodes",
        "file_permissions",
        "install_dir",
        "iso_application",
        "iso_label",
        "iso_name",
        "iso_publisher",
        "iso_version",
        "pacman_conf",
    ];
    for name in definition.keys() {
        assert!(known.contains(&name.as_str()), "{name}");
    }
    let value = |name: &str| definition[name].trim_matches('"').to_owned();
    assert_eq!(value("airootfs_image_type"), "squashfs");
    assert!(definition["buildmodes"].contains("\"iso\""));
    for mode in ["bios.syslinux", "uefi.systemd-boot"] {
        assert!(definition["bootmodes"].contains(mode));
    }
    assert!(value("install_dir").len() <= 8);
    // ECMA-119, 8.4.8: d-characters, 32 of them
    assert!(value("iso_label").len() <= 32);
    let d = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    assert!(value("iso_label").chars().all(d));
}

/// mkarchiso warns of these, or stops.
#[test]
fn permissions_are_of_files_that_the_overlay_has() {
    let list = &definition()["file_permissions"];
    // bash prints a key in quotation marks where it has to
    let words = list.split(['[', ']']).map(|w| w.trim_matches('"'));
    let paths: Vec<&str> = words.filter(|w| w.starts_with('/')).collect();
    assert!(paths.len() > 1, "{list}");
    for path in paths {
        let inside = profile().join("airootfs").join(&path[1..]);
        // archiso's own profiles name /root, which the base makes
        assert!(inside.exists() || path == "/root", "{path}");
    }
}

#[test]
fn every_boot_mode_has_its_files_and_its_package() {
    let packages = fs::read_to_string(profile().join("packages.x86_64")).unwrap();
    let packages: Vec<&str> = packages
        .lines()
        .map(|l| l.split('#').next().unwrap().trim())
        .collect();
    for name in [
        "base",
        "linux",
        "mkinitcpio",
        "mkinitcpio-archiso",
        "syslinux",
    ] {
        assert!(packages.contains(&name), "{name}");
    }
    let has = |folder: &str, extension: &str| {
        let entries = fs::read_dir(profile().join(folder)).unwrap();
        let found = entries
            .filter(|e| {
                e.as_ref()
                    .unwrap()
                    .path()
                    .extension()
                    .is_some_and(|x| x == extension)
            })
            .count();
        assert!(found > 0, "{folder}/*.{extension}");
    };
    has("syslinux", "cfg");
    has("efiboot/loader/entries", "conf");
    has("grub", "cfg");
    assert!(profile().join("efiboot/loader/loader.conf").is_file());
    assert!(profile().join("grub/loopback.cfg").is_file());
    let mut known: Vec<String> = fs::read_dir(profile())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    known.sort();
    assert_eq!(
        known,
        [
            "airootfs",
            "efiboot",
            "grub",
            "packages.x86_64",
            "pacman.conf",
            "profiledef.sh",
            "syslinux"
        ]
    );
}

#[test]
fn placeholders_are_archisos() {
    let known = [
        "%ARCHISO_LABEL%",
        "%ARCHISO_UUID%",
        "%ARCHISO_SEARCH_FILENAME%",
        "%INSTALL_DIR%",
        "%ARCH%",
    ];
    let placeholder = regex::Regex::new("%[A-Z_]+%").unwrap();
    let mut seen = 0;
    for folder in ["syslinux", "efiboot", "grub"] {
        for entry in walkdir::WalkDir::new(profile().join(folder)) {
            let entry = entry.unwrap();
            if !entry.file_type().is_file() {
                continue;
            }
            let text = fs::read_to_string(entry.path()).unwrap();
            assert!(!text.contains("{{") && !text.contains("{%"), "{text}");
            for found in placeholder.find_iter(&text) {
                assert!(known.contains(&found.as_str()), "{}", found.as_str());
                // upstream fills this one in for GRUB alone
                let for_grub = found.as_str() == "%ARCHISO_SEARCH_FILENAME%";
                assert!(!for_grub || folder == "grub", "{}", entry.path().display());
                seen += 1;
            }
        }
    }
    assert!(seen > 4);
}

/// What mkarchiso asks of it: `pacman-conf --config`, our repository before the others.
#[test]
fn pacman_reads_its_configuration_and_ours_stands_first() {
    let conf = profile().join("pacman.conf");
    let list = run(Command::new("pacman-conf")
        .arg("--config")
        .arg(&conf)
        .arg("--repo-list"));
    assert_eq!(list.lines().next(), Some("ezmail"), "{list}");
    let server = run(Command::new("pacman-conf")
        .arg("--config")
        .arg(&conf)
        .args(["--repo", "ezmail", "Server"]));
    let folder = Path::new(server.trim().strip_prefix("file://").unwrap()).to_owned();
    assert!(folder.join("ezmail.db").exists(), "{server}");
}
