//! `ezmail doctor`: the host's tools, found or missing, and how to install them here.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde::Serialize;

use crate::util::{files, run::find_program};

/// A kind of host, by its package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Host {
    /// Debian, Ubuntu and what follows them.
    Apt,
    /// Arch Linux and what follows it.
    Pacman,
}

/// A program or file that building takes.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// Program name, or absolute paths (with `*`) of which one must exist, joined by `|`.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// The package on Debian and Ubuntu.
    pub apt: &'static str,
    /// The package on Arch.
    pub pacman: &'static str,
}

const fn tool(
    name: &'static str,
    purpose: &'static str,
    apt: &'static str,
    pacman: &'static str,
) -> Tool {
    Tool {
        name,
        purpose,
        apt,
        pacman,
    }
}

/// The command that installs the package of a program on that host; none for a program that building
/// does not take.
pub fn install_command(host: Host, program: &str) -> Option<String> {
    let tool = TOOLS.iter().find(|tool| tool.name == program)?;
    let packages: Vec<&str> = host.package(tool).split(' ').collect();
    Some(format!("sudo {}", host.install_command(&packages)))
}

/// Every host tool: `ci/setup` installs what this list names.
pub const TOOLS: &[Tool] = &[
    tool("cargo", "builds our own programs", "cargo", "rust"),
    tool(
        "cc",
        "links them, and builds what their crates have in C",
        "gcc libc6-dev",
        "gcc",
    ),
    tool(
        "/usr/lib/llvm-*/lib/libclang*.so*|/usr/lib/libclang.so*|/usr/lib/x86_64-linux-gnu/libclang*.so*",
        "reads the C headers of their crates",
        "libclang-dev",
        "clang",
    ),
    tool(
        "script",
        "gives the tests a terminal",
        "bsdutils",
        "util-linux",
    ),
    tool("git", "tells the time of the last commit", "git", "git"),
    tool("bash", "reads the profile", "bash", "bash"),
    tool(
        "curl",
        "asks whether an Arch mirror answers",
        "curl ca-certificates",
        "curl",
    ),
    tool(
        "pacman",
        "installs packages into a root",
        "pacman-package-manager",
        "pacman",
    ),
    tool("makepkg", "builds packages", "makepkg", "pacman"),
    tool(
        "gpg",
        "checks the signatures of Arch's packages",
        "gnupg",
        "gnupg",
    ),
    tool(
        "/usr/share/pacman/keyrings/archlinux.gpg|/usr/share/keyrings/archlinux.gpg",
        "the keys of Arch's packagers",
        "archlinux-keyring",
        "archlinux-keyring",
    ),
    tool(
        "mmdebstrap",
        "composes the stand-in base",
        "mmdebstrap",
        "mmdebstrap",
    ),
    tool(
        "/usr/share/keyrings/debian-archive-keyring.gpg|/usr/share/keyrings/debian-archive-keyring.pgp",
        "Debian's keys, for the stand-in",
        "debian-archive-keyring",
        "debian-archive-keyring",
    ),
    tool("apt-get", "fetches the stand-in's sources", "apt", "apt"),
    tool(
        "unshare",
        "gives builds namespaces of their own",
        "util-linux",
        "util-linux",
    ),
    tool(
        "setpriv",
        "ends a guest with the program that started it",
        "util-linux",
        "util-linux",
    ),
    tool(
        "newuidmap",
        "lets an ordinary user have them",
        "uidmap",
        "shadow",
    ),
    tool(
        "mksquashfs",
        "compresses the root file system",
        "squashfs-tools",
        "squashfs-tools",
    ),
    tool(
        "unsquashfs",
        "reads it back in the tests",
        "squashfs-tools",
        "squashfs-tools",
    ),
    tool("xorriso", "writes the ISO", "xorriso", "libisoburn"),
    tool(
        "mkfs.fat",
        "makes the EFI file system",
        "dosfstools",
        "dosfstools",
    ),
    tool("mcopy", "fills it", "mtools", "mtools"),
    tool(
        "syslinux",
        "has 'ezmail disk' boot by BIOS",
        "syslinux",
        "syslinux",
    ),
    tool(
        "/usr/lib/syslinux/mbr/gptmbr.bin|/usr/lib/syslinux/bios/gptmbr.bin",
        "is where that begins",
        "syslinux-common",
        "syslinux",
    ),
    tool(
        "bsdtar",
        "reads packages in the tests",
        "libarchive-tools",
        "libarchive",
    ),
    tool("zstd", "reads packages in the tests", "zstd", "zstd"),
    tool(
        "qemu-system-x86_64",
        "boots the image",
        "qemu-system-x86",
        "qemu-base",
    ),
    tool("qemu-img", "makes disks for it", "qemu-utils", "qemu-img"),
    tool(
        "/usr/share/OVMF/OVMF_CODE_4M.fd|/usr/share/OVMF/OVMF_CODE.fd|/usr/share/edk2/x64/OVMF_CODE.4m.fd",
        "UEFI firmware for it",
        "ovmf",
        "edk2-ovmf",
    ),
    tool("ip", "makes the tests' networks", "iproute2", "iproute2"),
    tool(
        "openssl",
        "reads back keys in the tests",
        "openssl",
        "openssl",
    ),
    tool(
        "ssh-keygen",
        "signs images and verifies them",
        "openssh-client",
        "openssh",
    ),
    tool(
        "minisign",
        "does the same with its own keys",
        "minisign",
        "minisign",
    ),
    tool(
        "sshd",
        "keeps backups in the tests",
        "openssh-server",
        "openssh",
    ),
    tool(
        "/usr/lib/python3*/ensurepip",
        "installs the S3 service of the tests",
        "python3-venv",
        "python",
    ),
    tool(
        "knotd",
        "serves the test world's signed zones",
        "knot",
        "knot",
    ),
    tool("kdig", "asks it", "knot-dnsutils", "knot"),
    tool(
        "unbound",
        "validates in the test world",
        "unbound",
        "unbound",
    ),
    tool(
        "dnsmasq",
        "gives addresses to a machine that fetches its answers",
        "dnsmasq-base",
        "dnsmasq",
    ),
    tool(
        "/usr/lib/python3/dist-packages/aiosmtpd|/usr/lib/python3*/site-packages/aiosmtpd",
        "is the test world's MX",
        "python3-aiosmtpd",
        "python-aiosmtpd",
    ),
    tool(
        "/usr/lib/python3/dist-packages/dkim|/usr/lib/python3*/site-packages/dkim",
        "verifies DKIM signatures in the tests",
        "python3-dkim",
        "python-dkimpy",
    ),
    tool(
        "/usr/bin/testssl|/usr/bin/testssl.sh",
        "judges the appliance's TLS in the tests",
        "testssl.sh",
        "testssl.sh",
    ),
    tool(
        "shellcheck",
        "checks the shell scripts",
        "shellcheck",
        "shellcheck",
    ),
];

/// One line of the report.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// As in [`Tool`].
    pub name: &'static str,
    /// As in [`Tool`].
    pub purpose: &'static str,
    /// Where it is; none if it is missing.
    pub path: Option<PathBuf>,
    /// The package to install on this host.
    pub package: &'static str,
}

impl Host {
    /// The kind of this host.
    ///
    /// # Errors
    /// When it has neither apt nor pacman as its package manager.
    pub fn detect() -> Result<Self> {
        let text = files::read_to_string(Path::new("/etc/os-release"))?;
        Self::from_os_release(&text)
    }

    /// The kind of the host that an os-release(5) describes.
    ///
    /// # Errors
    /// When it is neither of Debian's nor of Arch's family.
    pub fn from_os_release(text: &str) -> Result<Self> {
        let words: Vec<&str> = text
            .lines()
            .filter_map(|l| l.strip_prefix("ID=").or_else(|| l.strip_prefix("ID_LIKE=")))
            .flat_map(|v| v.trim_matches('"').split_whitespace())
            .collect();
        if words.iter().any(|w| matches!(*w, "debian" | "ubuntu")) {
            Ok(Self::Apt)
        } else if words.iter().any(|w| matches!(*w, "arch" | "archlinux")) {
            Ok(Self::Pacman)
        } else {
            bail!(
                "this host ({}) is neither Debian, Ubuntu nor Arch: install the tools by hand; \
                 'ezmail doctor --json' lists them",
                words.join(" ")
            )
        }
    }

    fn package(self, tool: &Tool) -> &'static str {
        match self {
            Self::Apt => tool.apt,
            Self::Pacman => tool.pacman,
        }
    }

    /// The command that installs `packages` here.
    pub fn install_command(self, packages: &[&str]) -> String {
        let packages = packages.join(" ");
        match self {
            Self::Apt => format!("apt-get install --no-install-recommends {packages}"),
            Self::Pacman => format!("pacman -S --needed {packages}"),
        }
    }
}

/// Looks for every tool.
pub fn examine(host: Host) -> Vec<Finding> {
    TOOLS
        .iter()
        .map(|tool| Finding {
            name: tool
                .name
                .split('|')
                .next()
                .and_then(|n| n.rsplit('/').next())
                .unwrap_or(tool.name),
            purpose: tool.purpose,
            path: locate(tool.name),
            package: host.package(tool),
        })
        .collect()
}

fn locate(name: &str) -> Option<PathBuf> {
    if name.starts_with('/') {
        let mut paths = name.split('|').filter_map(|p| glob::glob(p).ok());
        return paths.find_map(|mut found| found.find_map(Result::ok));
    }
    find_program(name)
}

/// The report as a person reads it, and whether everything is there.
pub fn report(host: Host, findings: &[Finding]) -> (String, bool) {
    let mut text = String::new();
    for finding in findings {
        let place = match &finding.path {
            Some(path) => path.display().to_string(),
            None => format!("MISSING: it {}", finding.purpose),
        };
        text.push_str(&format!("  {:<28} {place}\n", finding.name));
    }
    let mut missing: Vec<&str> = findings
        .iter()
        .filter(|f| f.path.is_none())
        .map(|f| f.package)
        .collect();
    missing.sort_unstable();
    missing.dedup();
    if missing.is_empty() {
        text.push_str("all tools are here\n");
        return (text, true);
    }
    text.push_str(&format!(
        "install what is missing:\n  {}\n",
        host.install_command(&missing)
    ));
    (text, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_apart() {
        let host = |text: &str| Host::from_os_release(text);
        assert_eq!(host("ID=debian\n").unwrap(), Host::Apt);
        assert_eq!(
            host("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n").unwrap(),
            Host::Apt
        );
        assert_eq!(host("ID=arch\n").unwrap(), Host::Pacman);
        let error = host("ID=fedora\n").unwrap_err().to_string();
        assert!(
            error.starts_with("this host (fedora) is neither"),
            "{error}"
        );
    }

    #[test]
    fn the_report_ends_with_one_command() {
        let finding = |name, path: Option<&str>, package| Finding {
            name,
            purpose: "is needed",
            path: path.map(PathBuf::from),
            package,
        };
        let findings = [
            finding("xorriso", None, "libisoburn"),
            finding("git", Some("/usr/bin/git"), "git"),
            finding("osirrox", None, "libisoburn"),
        ];
        let (text, complete) = report(Host::Pacman, &findings);
        assert!(!complete);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn setup_installs_every_tool() {
        let setup = include_str!("../../ci/setup");
        for tool in TOOLS {
            for package in tool.apt.split(' ').chain(tool.pacman.split(' ')) {
                let named =
                    setup.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.+".contains(c)));
                assert!(
                    named.clone().any(|w| w == package),
                    "ci/setup does not name {package}"
                );
            }
        }
    }
}
