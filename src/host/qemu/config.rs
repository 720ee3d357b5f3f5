//! What machine is wanted: plain data, no behaviour beyond sensible defaults.

use std::{
    ffi::OsString,
    fmt,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use regex::Regex;

/// A machine to start with [`super::Machine::start`].
#[derive(Debug, Clone)]
pub struct Config {
    /// The image to boot; without one, the first disk must be bootable.
    pub iso: Option<PathBuf>,
    /// What kind of drive the image is.
    pub iso_as: IsoAs,
    /// Which drive the firmware tries first; the others come after it.
    pub boot_from: BootFrom,
    /// Disks, in the order the guest numbers them (`/dev/vda`, `/dev/vdb`, ...).
    pub disks: Vec<Disk>,
    /// Raw images attached read-only after the disks, such as an answers volume.
    pub volumes: Vec<PathBuf>,
    /// BIOS or UEFI.
    pub firmware: Firmware,
    /// The chipset.
    pub machine: MachineType,
    /// KVM, TCG or whichever works.
    pub accel: Accel,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Number of virtual CPUs.
    pub cpus: u32,
    /// What the one network card is plugged into.
    pub network: Network,
    /// systemd credentials, handed over as SMBIOS type 11 strings (smbios-type-11(7)).
    pub credentials: Vec<Credential>,
    /// The file that receives what the guest writes to its first serial port.
    pub serial_log: PathBuf,
    /// Files that receive what the guest writes to its further serial ports: `ttyS1` to `ttyS3`.
    pub channels: Vec<PathBuf>,
    /// A reboot asked for by the guest ends the run instead of restarting the machine.
    pub no_reboot: bool,
    /// Start with the CPUs stopped; QMP `cont` starts them.
    pub paused: bool,
    /// Console text that means the guest has failed; [`Config::new`] fills in the usual ones.
    pub fail_on: Vec<Regex>,
    /// Words appended to QEMU's command line, for what this type does not cover.
    pub extra_args: Vec<OsString>,
}

impl Config {
    /// A BIOS machine with 1024 MiB and one CPU that boots `iso` and can reach nothing.
    pub fn new(iso: Option<&Path>, serial_log: &Path) -> Self {
        Self {
            iso: iso.map(Path::to_path_buf),
            iso_as: IsoAs::Cdrom,
            boot_from: BootFrom::Iso,
            disks: Vec::new(),
            volumes: Vec::new(),
            firmware: Firmware::Bios,
            machine: MachineType::Q35,
            accel: Accel::Auto,
            memory_mib: 1024,
            cpus: 1,
            network: Network::User {
                forwards: Vec::new(),
                restrict: true,
            },
            credentials: Vec::new(),
            serial_log: serial_log.to_path_buf(),
            channels: Vec::new(),
            no_reboot: false,
            paused: false,
            fail_on: guest_failures(),
            extra_args: Vec::new(),
        }
    }
}

/// Console texts after which a guest will not come up by itself.
pub fn guest_failures() -> Vec<Regex> {
    [
        r"Kernel panic - not syncing",
        // systemd: the emergency shell, and PID 1 that crashed
        r"You are in emergency mode",
        r"systemd\[1\]: Freezing execution",
        // dracut, then mkinitcpio: the initramfs has not found its root
        r"Entering emergency mode\.",
        r"You are now being dropped into an emergency shell",
        r"Falling back to interactive prompt",
        // syslinux, SeaBIOS, OVMF
        r"Could not find kernel image",
        r"No bootable (device|option)",
    ]
    .iter()
    .map(|p| Regex::new(p).expect("a constant pattern, covered by a test"))
    .collect()
}

/// How the image is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IsoAs {
    /// A SATA CD-ROM drive (IDE with `--machine pc`): what a VPS's "mount ISO" gives.
    Cdrom,
    /// A read-only virtio disk: the image written to the VPS's disk or a USB stick.
    Disk,
}

/// Which drive the firmware tries first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BootFrom {
    /// The ISO.
    Iso,
    /// The first disk; a blank one is passed over.
    Disk,
}

/// The chipset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MachineType {
    /// PCI Express and SATA.
    Q35,
    /// The older i440FX with IDE, which many VPS still are.
    Pc,
}

/// The firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// SeaBIOS.
    Bios,
    /// OVMF without Secure Boot, its variables a private copy for this run.
    Uefi,
}

/// How the guest's instructions run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Accel {
    /// KVM if a probe shows that it works, else TCG.
    Auto,
    /// KVM, or an error.
    Kvm,
    /// Emulation: works everywhere, about ten times slower.
    Tcg,
}

/// What the guest's network card is plugged into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// No network card.
    None,
    /// QEMU's user networking: DHCP, ports forwarded from the host's loopback.
    User {
        /// Ports forwarded to the guest.
        forwards: Vec<Forward>,
        /// The guest cannot open connections to the host or beyond it.
        restrict: bool,
    },
    /// A tap device that exists already.
    Tap {
        /// The device's name.
        ifname: String,
        /// The guest's hardware address, such as `52:54:00:00:00:01`.
        mac: String,
        /// The network namespace the device is in, as a path (`/run/netns/NAME`, `/proc/PID/ns/net`).
        netns: Option<PathBuf>,
    },
}

/// One TCP port of the host's loopback that leads to one of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// A loopback address of the host.
    pub address: Ipv4Addr,
    /// The port there.
    pub host: u16,
    /// The guest's port.
    pub guest: u16,
}

/// A disk, which the guest can write to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The image file.
    pub path: PathBuf,
    /// Its size in bytes if it has to be created; an existing file is used as it is.
    pub size: Option<u64>,
    /// Its format.
    pub format: DiskFormat,
    /// What the guest writes is kept. Otherwise it lasts as long as the machine, through reboots of
    /// the guest, and the file stays as it is.
    pub keep: bool,
}

impl Disk {
    /// A disk that is kept, whose format follows from the file's name: `.qcow2`, else raw.
    pub fn new(path: &Path, size: Option<u64>) -> Self {
        let format = match path.extension() {
            Some(e) if e.eq_ignore_ascii_case("qcow2") => DiskFormat::Qcow2,
            _ => DiskFormat::Raw,
        };
        Self {
            path: path.to_path_buf(),
            size,
            format,
            keep: true,
        }
    }
}

/// A disk image's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFormat {
    /// The bytes of the disk.
    Raw,
    /// QEMU's own: small while empty, and able to hold saved machine states.
    Qcow2,
}

impl DiskFormat {
    /// QEMU's name of the format.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }
}

/// A systemd credential: a name, and bytes that are never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its name, as `systemd-creds list` shows it.
    pub name: String,
    /// Its content.
    pub value: Vec<u8>,
}

impl Credential {
    /// A credential from a name and its content.
    pub fn new(name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Credential({}, {} bytes, not shown)",
            self.name,
            self.value.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_failures_are_recognised() {
        let lines = [
            "[    1.5] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
            "You are in emergency mode. After logging in, type \"journalctl -xb\" to view",
            "Generating \"/run/initramfs/rdsosreport.txt\"\nEntering emergency mode. Exit the shell to continue.",
            ":: You are now being dropped into an emergency shell.",
            "ERROR: Could not find kernel image: linux",
            "BdsDxe: No bootable option or device was found.",
        ];
        let patterns = guest_failures();
        for line in lines {
            assert!(patterns.iter().any(|p| p.is_match(line)), "{line}");
        }
        let good = "[  OK  ] Stopped target Emergency Mode.\nmail login: ";
        assert!(!patterns.iter().any(|p| p.is_match(good)));
    }

    #[test]
    fn a_credential_is_not_shown() {
        let text = format!("{:?}", Credential::new("answers", "hunter2"));
        assert_eq!(text, "Credential(answers, 7 bytes, not shown)");
    }
}
