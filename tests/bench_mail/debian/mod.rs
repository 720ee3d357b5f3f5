//! A mail server of Debian's packages: composed by mmdebstrap, set up by `setup.sh`, on a disk that
//! QEMU boots with the kernel beside it.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use ezmail::{
    host::base::standin::sources,
    util::{files, hash::Key, run::Task},
};

use crate::{
    server::DISK,
    world::{
        addresses::{DOMAINS, FAMILIES, Family, HOSTNAME, appliance, gateway, prefix, resolver},
        appliance::ALICE,
    },
};

/// Beside what Debian has of itself. The kernel is the stand-in's.
const PACKAGES: [&str; 16] = [
    "linux-image-amd64",
    "initramfs-tools",
    "systemd-sysv",
    "udev",
    "kmod",
    "iproute2",
    "procps",
    "postfix",
    "rspamd",
    "redis-server",
    "dovecot-core",
    "dovecot-imapd",
    "dovecot-lmtpd",
    "dovecot-sieve",
    "ssl-cert",
    "ca-certificates",
];
const SETUP: &str = include_str!("setup.sh");

/// The disk as it is before its first boot, its kernel and its initramfs.
pub struct Image(PathBuf);

impl Image {
    /// Makes it where there is none of these inputs: some minutes, with Debian's mirror. To have
    /// today's packages, delete the folder `bench-debian` below cargo's folder for tests.
    ///
    /// # Errors
    /// When mmdebstrap or the set-up fails; the error names the log.
    pub fn make() -> Result<Self> {
        let environment = environment();
        let mut key = Key::new("bench-debian", 1);
        key.add("setup", SETUP).add("environment", &environment);
        key.add("packages", PACKAGES.join(" "))
            .add("suite", sources::SUITE)
            .add("disk", DISK.to_le_bytes());
        let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-debian");
        let folder = all.join(key.finish());
        if !folder.exists() {
            files::remove_dir_all(&all)?;
            let work = all.join("work");
            files::create_dir_all(&work)?;
            compose(&work, &environment)?;
            disk(&work)?;
            std::fs::rename(&work, &folder).context("keeping Debian's disk")?;
        }
        Ok(Self(folder))
    }

    /// A copy of the disk for one machine.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn copy_disk(&self, to: &Path) -> Result<()> {
        let mut command = Command::new("cp");
        command.args(["--sparse=always", "--reflink=auto"]);
        command.arg(self.0.join("disk.img")).arg(to);
        Task::new("copying Debian's disk", command).run()
    }

    /// QEMU's words to boot from it.
    pub fn kernel(&self) -> [OsString; 6] {
        [
            "-kernel".into(),
            self.0.join("vmlinuz").into(),
            "-initrd".into(),
            self.0.join("initrd.img").into(),
            "-append".into(),
            "root=/dev/vda rw console=ttyS0 systemd.show_status=1".into(),
        ]
    }
}

/// What `setup.sh` has to know.
fn environment() -> String {
    let mut text = format!(
        "hostname='{HOSTNAME}'\ndomain='{}'\nuser='{}'\npassword='{}'\n",
        DOMAINS[0], ALICE.0, ALICE.1
    );
    for family in FAMILIES {
        let number = if family == Family::V4 { 4 } else { 6 };
        text.push_str(&format!(
            "address{number}='{}/{}'\ngateway{number}='{}'\nresolver{number}='{}'\n",
            appliance(family),
            prefix(family),
            gateway(family),
            resolver(family)
        ));
    }
    text
}

/// Installs and sets up everything in `work/tree`.
fn compose(work: &Path, environment: &str) -> Result<()> {
    files::write(&work.join("setup.env"), environment, 0o644)?;
    files::write(&work.join("setup.sh"), SETUP, 0o755)?;
    let mut command = Command::new("mmdebstrap");
    command
        .current_dir(work)
        // an initramfs is made by setup.sh, once
        .env("INITRD", "No")
        .env("LC_ALL", "C.UTF-8")
        .args(["--variant=apt", "--format=directory", "--mode=root"])
        .arg("--architectures=amd64")
        .arg("--aptopt=APT::Install-Recommends \"false\"")
        .args(["man", "locale", "doc"].map(|p| format!("--dpkgopt=path-exclude=/usr/share/{p}/*")))
        .arg(format!("--include={}", PACKAGES.join(",")))
        .arg("--customize-hook=upload setup.env /root/setup.env")
        .arg("--customize-hook=upload setup.sh /root/setup.sh")
        .arg("--customize-hook=chroot \"$1\" sh /root/setup.sh")
        .args([sources::SUITE, "tree"])
        .args(sources::of_host()?);
    Task::new("composing Debian's mail server", command)
        .log(&work.join("mmdebstrap.log"))
        .run()
}

/// Makes the disk of the tree, and leaves only what a boot needs.
fn disk(work: &Path) -> Result<()> {
    let tree = work.join("tree");
    for name in ["vmlinuz", "initrd.img"] {
        std::fs::copy(tree.join("boot").join(name), work.join(name))
            .with_context(|| format!("copying Debian's {name}"))?;
    }
    let mut command = Command::new("mke2fs");
    command.args(["-q", "-F", "-t", "ext4", "-L", "debian", "-d"]);
    command.arg(&tree).arg(work.join("disk.img"));
    command.arg(format!("{}M", DISK >> 20));
    Task::new("making Debian's disk", command).run()?;
    files::remove_dir_all(&tree)
}
