//! Runs mmdebstrap: the one step of the stand-in that needs the network.

use std::{ffi::OsString, os::unix::process::CommandExt, path::Path, process::Command};

use anyhow::{Context, Result};

use super::{Kind, Request, sources, sysusers, table::Table};
use crate::util::{files, run::Task};

const DRACUT: &[(&str, &str)] = &[
    (
        "module-setup.sh",
        include_str!("dracut/90archiso-live/module-setup.sh"),
    ),
    (
        "cmdline.sh",
        include_str!("dracut/90archiso-live/cmdline.sh"),
    ),
    ("mount.sh", include_str!("dracut/90archiso-live/mount.sh")),
    (
        "live-root.sh",
        include_str!("dracut/90archiso-live/live-root.sh"),
    ),
];
const INITRAMFS: &str = include_str!("dracut/initramfs.sh");

/// The user that makepkg runs as in the build root.
const BUILD_USER: &str = "u build 1000 \"makepkg\" /home/build /bin/bash\n";

/// Documentation is not unpacked at all; what is generated later is left out when splitting.
const PATHS: &[&str] = &[
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
];

/// Everything that decides what the composition holds, with labels, for the cache key.
pub fn inputs() -> impl Iterator<Item = (&'static str, &'static str)> {
    DRACUT
        .iter()
        .copied()
        .chain([("initramfs", INITRAMFS), ("build user", BUILD_USER)])
}

/// Composes into the tar `out`.
///
/// # Errors
/// When mmdebstrap fails; the error says what to do if the mirror or its key is the reason.
pub fn compose(request: &Request<'_>, table: &Table, out: &Path) -> Result<()> {
    let seed = seed(request)?;
    let folder = request.work.join("compose");
    files::create_dir_all(&folder)?;
    let mut hooks = vec![];
    for (name, text) in [
        ("passwd", &seed.passwd),
        ("group", &seed.group),
        ("shadow", &seed.shadow),
        ("gshadow", &seed.gshadow),
    ] {
        let file = folder.join(name);
        files::write(&file, text, 0o644)?;
        hooks.push(hook(
            "essential",
            &["upload", &shell(&file)?, &format!("/etc/{name}.add")],
        ));
    }
    hooks.push(hook(
        "essential",
        &["for f in passwd group shadow gshadow; do \
           cat \"$1/etc/$f.add\" >> \"$1/etc/$f\" && rm \"$1/etc/$f.add\" || exit 1; done"],
    ));
    if request.kind == Kind::Image {
        hooks.extend(initramfs_hooks(&folder)?);
    } else {
        hooks.push(hook(
            "customize",
            &["chroot \"$1\" install -d -m 755 -o build -g build /home/build"],
        ));
    }
    let command = command(request, table, &sources::of_host()?, hooks, out);
    Task::new(
        format!("composing the stand-in's {}", request.kind.what()),
        command,
    )
    .log(request.log)
    .run()
    .map_err(|error| match advice(&format!("{error:#}")) {
        Some(advice) => error.context(advice),
        None => error,
    })
}

fn seed(request: &Request<'_>) -> Result<sysusers::Seed> {
    let file = super::sysusers_file(request.project);
    let mut text = files::read_to_string(&file)?;
    if request.kind == Kind::Build {
        text.push('\n');
        text.push_str(BUILD_USER);
    }
    let users = sysusers::parse(&text).with_context(|| format!("reading {}", file.display()))?;
    Ok(users.seed())
}

fn initramfs_hooks(folder: &Path) -> Result<Vec<OsString>> {
    let module = folder.join("90archiso-live");
    files::create_dir_all(&module)?;
    for (name, text) in DRACUT {
        files::write(&module.join(name), text, 0o755)?;
    }
    let script = folder.join("initramfs.sh");
    files::write(&script, INITRAMFS, 0o755)?;
    Ok(vec![
        hook(
            "customize",
            &["copy-in", &shell(&module)?, "/usr/lib/dracut/modules.d"],
        ),
        hook(
            "customize",
            &["upload", &shell(&script)?, "/root/initramfs.sh"],
        ),
        hook(
            "customize",
            &["chroot \"$1\" sh /root/initramfs.sh && rm \"$1/root/initramfs.sh\""],
        ),
    ])
}

/// `--essential-hook` runs before any package with users of its own is configured.
fn hook(when: &str, words: &[&str]) -> OsString {
    format!("--{when}-hook={}", words.join(" ")).into()
}

/// A path as a word of a hook, which mmdebstrap splits as a shell does.
fn shell(path: &Path) -> Result<String> {
    let text = path
        .to_str()
        .with_context(|| format!("the path {} is not UTF-8", path.display()))?;
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

fn command(
    request: &Request<'_>,
    table: &Table,
    sources: &[String],
    hooks: Vec<OsString>,
    out: &Path,
) -> Command {
    let mut include: Vec<&str> = table.debian_packages().into_iter().collect();
    include.extend(match request.kind {
        Kind::Image => ["linux-image-amd64", "dracut"].as_slice(),
        Kind::Build => ["systemd"].as_slice(),
    });
    let mut command = Command::new("mmdebstrap");
    let mode = if rustix::process::geteuid().is_root() {
        "root"
    } else {
        "unshare"
    };
    command
        // where its disk is full, it hangs up on all of its process group (kill(2) with -getpgrp())
        .process_group(0)
        // the kernel's own hook would make a second initramfs, of Debian's kind
        .env("INITRD", "No")
        .env("SOURCE_DATE_EPOCH", request.source_date_epoch.to_string())
        .env("LC_ALL", "C.UTF-8")
        .args(["--variant=apt", "--format=tar", "--architectures=amd64"])
        .arg(format!("--mode={mode}"))
        .arg("--aptopt=APT::Install-Recommends \"false\"")
        .args(PATHS.iter().map(|p| format!("--dpkgopt={p}")))
        .arg(format!("--include={}", include.join(",")))
        .args(hooks)
        .arg(sources::SUITE)
        .arg(out)
        .args(sources);
    command
}

/// What to do about a failure that has a known reason.
fn advice(error: &str) -> Option<&'static str> {
    let has = |words: &[&str]| words.iter().any(|w| error.contains(w));
    if has(&["NO_PUBKEY", "is not signed", "keyring", "Missing key"]) {
        return Some(
            "the key of Debian trixie is not on this host: install a current \
             'debian-archive-keyring' package (on Debian 12 after 'apt-get update'), then try again",
        );
    }
    if has(&[
        "Could not resolve",
        "Could not connect",
        "Connection failed",
        "Unable to connect",
        "Connection timed out",
        "404  Not Found",
        "Failed to fetch",
    ]) {
        return Some(
            "Debian's mirror could not be reached: check the network and the mirror that \
             apt is set up with ('apt-get update' shows it), then try again",
        );
    }
    if has(&["newuidmap", "subuid", "unshare"]) {
        return Some(
            "composing as an ordinary user needs 'uidmap' installed and a range for this user in \
             /etc/subuid and /etc/subgid; or run as root",
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_failures_come_with_a_way_out() {
        for (error, word) in [
            (
                "E: the following signatures couldn't be verified: NO_PUBKEY 78DBA3BC47EF2265",
                "keyring",
            ),
            ("Err:1 Could not resolve 'm.example'", "mirror"),
            ("E: failed to exec newuidmap", "uidmap"),
        ] {
            assert!(advice(error).unwrap().contains(word), "{error}");
        }
        assert_eq!(advice("dpkg: error processing package x"), None);
    }

    #[test]
    fn a_path_is_one_word_of_a_hook() {
        assert_eq!(shell(Path::new("/a b/it's")).unwrap(), r"'/a b/it'\''s'");
    }
}
