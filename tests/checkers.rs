//! The daemons' own checkers on every rendered file, inside the root file system of the image.
//!
//! An overlay holds the rendered files.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[allow(dead_code, reason = "shared by several tests")]
mod rendering;
#[path = "checkers/rspamd.rs"]
mod rspamd;

mod image_root;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use ezmail::{
    agent::paths::Paths,
    mail::{certificate, database},
    util::{files, run::Task, sandbox::Sandbox},
};

/// The image with the files for some answers laid over it.
struct Appliance {
    folder: tempfile::TempDir,
    files: Vec<PathBuf>,
}

impl Appliance {
    fn new(name: &str) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for part in ["root", "upper", "work"] {
            fs::create_dir(folder.path().join(part)).unwrap();
        }
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let upper = folder.path().join("upper");
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        for entry in walkdir::WalkDir::new(project.join("airootfs/etc/dovecot")) {
            let entry = entry.unwrap();
            if entry.file_type().is_file() {
                let path = entry.path().strip_prefix(project.join("airootfs")).unwrap();
                let content = fs::read(entry.path()).unwrap();
                files::write_with_parents(&upper.join(path), content, 0o644).unwrap();
            }
        }
        // the agent's own, without which rspamd looks up nothing
        files::write_with_parents(
            &upper.join("etc/resolv.conf"),
            "nameserver 127.0.0.1\n",
            0o644,
        )
        .unwrap();
        let rendered = rendering::render(name);
        for file in &rendered {
            files::write_with_parents(&Paths::below(&upper, &file.path), &file.content, 0o644)
                .unwrap();
        }

        let mut answers = rendering::answers(name);
        answers.hash_passwords(|_| Ok(None)).unwrap();
        let facts = rendering::facts(&answers);
        let names = [answers.hostname.to_string()].into();
        let tls = certificate::self_signed(&answers.hostname, &names, None).unwrap();
        let below = |path: &Path| Paths::below(&upper, path);
        files::write_with_parents(&below(&facts.paths.tls_cert), &tls.certificate, 0o644).unwrap();
        files::write_with_parents(&below(&facts.paths.tls_key), tls.key.expose(), 0o600).unwrap();
        let mut db = database::open(&below(&facts.paths.database)).unwrap();
        let desired = database::Desired::new(&answers).unwrap();
        database::sync(&mut db, &desired, 0).unwrap();
        Self {
            folder,
            files: rendered.into_iter().map(|file| file.path).collect(),
        }
    }

    /// Runs a shell script in the image; returns what it printed on both outputs.
    fn run(&self, script: &str) -> String {
        let part = |name: &str| self.folder.path().join(name);
        // what a failed one said belongs into the error
        let outer = "if sh -euc \"$0\" >/tmp/said 2>&1; then cat /tmp/said; \
                     else cat /tmp/said >&2; exit 1; fi";
        let command = Sandbox::chroot(&part("root"))
            .over(&image_root::ROOT, &part("upper"), &part("work"))
            .command("sh", ["-c", outer, script]);
        Task::new("a checker", command).output().unwrap()
    }
}

fn check(name: &str) {
    let appliance = Appliance::new(name);
    assert!(!appliance.files.is_empty());

    assert_eq!(appliance.run("/usr/bin/smtpd -n"), "configuration OK\n");

    // the table helper prepares every query against the real schema before it registers
    let table = "printf '%s\\n' 'config|smtpd-version|7.6.0' 'config|protocol|0.1' 'config|tablename|mail' 'config|ready' \
        | /usr/lib/smtpd/opensmtpd/table-sqlite /etc/smtpd/mail.conf";
    let said = appliance.run(table);
    for service in ["alias", "credentials", "domain", "mailaddrmap", "ready"] {
        assert!(said.contains(&format!("register|{service}\n")), "{said}");
    }

    // a warning is printed before the settings
    let said = appliance.run("doveconf -n");
    assert!(said.starts_with("# 2.4."), "{said}");
    assert_eq!(appliance.run("sievec /etc/dovecot/sieve"), "");
    appliance.run("test -s /etc/dovecot/sieve/junk.svbin -a -s /etc/dovecot/sieve/default.svbin -a -s /etc/dovecot/sieve/learn-ham.svbin -a -s /etc/dovecot/sieve/learn-spam.svbin");

    let said = appliance.run("mkdir -p /run/rspamd; rspamadm configtest");
    assert!(said.ends_with("syntax OK\n"), "{said}");
    for bad in ["error", "cannot", "warn"] {
        assert!(!said.to_lowercase().contains(bad), "{said}");
    }

    // no list comes from the Internet; the one of phishing is off
    let said = appliance.run(
        "rspamadm configdump rbl multimap mime_types mid phishing whitelist \
         | grep -v openphish_map | grep 'https\\?://' || :",
    );
    assert_eq!(said, "");

    assert_eq!(appliance.run("nft -c -f /etc/nftables.conf"), "");
    // loaded again, the rules are there once and what is in the sets is still there
    let said = appliance.run(
        "nft -f /etc/nftables.conf; nft list table inet ezmail >/tmp/once; \
         nft -f /etc/nftables.conf; nft list table inet ezmail | diff /tmp/once -; \
         nft add element inet ezmail banned4 '{ 192.0.2.7 timeout 1h }'; \
         nft add element inet ezmail proving '{ 80 timeout 1h }'; \
         nft -f /etc/nftables.conf; \
         nft list set inet ezmail banned4; nft list set inet ezmail proving",
    );
    assert!(said.contains("192.0.2.7 timeout 1h"), "{said}");
    assert!(said.contains("80 timeout 1h"), "{said}");

    // kresd and valkey have no checker: they start, answer and stop
    let said = appliance.run(
        "echo 'quit()' >/tmp/quit.lua; mkdir -p /tmp/kresd/control; cd /tmp/kresd; \
         timeout 60 kresd -n -c /etc/knot-resolver/kresd.conf -c /tmp/quit.lua </dev/null",
    );
    assert!(!said.contains("error"), "{said}");
    let said = appliance.run(
        "mkdir -p /run/valkey; cd /tmp; \
         valkey-server /etc/valkey/valkey.conf --supervised no --dir /tmp >/dev/null & \
         n=0; until valkey-cli -s /run/valkey/valkey.sock ping; do n=$((n + 1)); test $n -lt 100; sleep 0.2; done; \
         valkey-cli -s /run/valkey/valkey.sock shutdown nosave; wait",
    );
    assert!(said.contains("PONG"), "{said}");
}

#[test]
fn small() {
    check("small");
}

#[test]
fn rich() {
    check("rich");
}

#[test]
fn keys_of_the_other_form() {
    check("keys-of-the-other-form");
}
