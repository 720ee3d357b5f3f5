//! What a change brings about: by the plan, which follows the same keys as a build.

use std::fs;

use crate::desk::{Checkout, Desk, said};

/// The steps that a build would do now.
fn planned(desk: &Desk, checkout: &Checkout) -> Vec<String> {
    let mut command = desk.command(&["build", "--dry-run"]);
    let output = command
        .arg("--project")
        .arg(checkout.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    said(desk, &output)
        .lines()
        .filter_map(|line| line.split_once("would "))
        .map(|(_, step)| {
            step.rsplit_once(' ')
                .map_or(step, |(words, _)| words)
                .to_owned()
        })
        .collect()
}

/// Builds, and returns the checksum of the ISO.
fn built(desk: &Desk, checkout: &Checkout) -> String {
    let mut command = desk.command(&["build", "--quiet"]);
    let output = command
        .arg("--project")
        .arg(checkout.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    desk.iso()
}

#[test]
fn only_what_a_change_touches_is_made_again() {
    let desk = Desk::new();
    let checkout = Checkout::new(&desk);
    let first = built(&desk, &checkout);
    assert!(planned(&desk, &checkout).is_empty());

    // a template is in the image alone
    let template = "airootfs/usr/share/ezmail/templates/etc/rspamd/override.d/options.inc";
    checkout.change(template, "dns {", "# a comment\ndns {");
    assert_eq!(planned(&desk, &checkout), ["make"]);
    // in a root file system that is there already
    assert_ne!(built(&desk, &checkout), first);
    assert_eq!(fs::read_dir(desk.cache().join("root")).unwrap().count(), 1);
    checkout.change(template, "# a comment\n", "");
    assert_eq!(built(&desk, &checkout), first);

    // what is linked is built again, with what it is linked into and what is built beside that
    let with_smtpd = [
        "build opensmtpd",
        "build opensmtpd-table-sqlite",
        "build ezmail",
        "make",
    ];
    checkout.change("packages/libressl-static/PKGBUILD", "pkgrel=1", "pkgrel=2");
    let plan = planned(&desk, &checkout);
    assert_eq!(plan[0], "build libressl-static");
    assert_eq!(plan[1..], with_smtpd);
    checkout.change("packages/libressl-static/PKGBUILD", "pkgrel=2", "pkgrel=1");

    let patch = "packages/opensmtpd/strict-eol.patch";
    checkout.change(patch, "\n", " \n");
    assert_eq!(planned(&desk, &checkout), with_smtpd);
}
