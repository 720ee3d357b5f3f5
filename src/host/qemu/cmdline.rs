//! QEMU's command line for a [`Config`] (qemu-system-x86_64(1)).

use std::{ffi::OsString, path::Path};

use anyhow::{Context, Result};

use super::config::{BootFrom, Config, DiskFormat, Firmware, IsoAs, MachineType, Network};

/// The files of one run, which lie in a private folder.
#[derive(Debug, Clone)]
pub struct RunFiles {
    /// The control socket.
    pub qmp: std::path::PathBuf,
    /// The socket that takes what is typed on the first serial port.
    pub serial: std::path::PathBuf,
    /// The firmware and this run's variable store, for UEFI.
    pub ovmf: Option<super::firmware::Ovmf>,
    /// One file for each SMBIOS type 11 string: secrets must not stand on a command line.
    pub credentials: Vec<std::path::PathBuf>,
}

/// The emulated processor: all that QEMU can do but what costs more than it is worth. Five-level page tables
/// are a tenth of a boot. A kernel that is told of fast string instructions copies with them, which are
/// emulated byte by byte: another fifth. Guarding each access to user memory is a twentieth.
const EMULATED: &str = "max,la57=off,erms=off,fsrm=off,smap=off";

/// Everything after the program's name.
///
/// # Errors
/// When a path is not UTF-8.
pub fn arguments(config: &Config, kvm: bool, files: &RunFiles) -> Result<Vec<OsString>> {
    let mut line = Line::default();
    line.words("-nodefaults -no-user-config -display none -vga std");
    line.option(
        "-machine",
        match config.machine {
            MachineType::Q35 => "q35",
            MachineType::Pc => "pc",
        },
    );
    line.option("-accel", if kvm { "kvm" } else { "tcg" });
    line.option("-cpu", if kvm { "host" } else { EMULATED });
    line.option("-m", &format!("{}M", config.memory_mib));
    line.option("-smp", &config.cpus.to_string());
    // The machine stops where it is instead of vanishing: its last screen can be saved, and
    // QEMU going away by itself always means that something is wrong.
    line.option(
        "-action",
        if config.no_reboot {
            "shutdown=pause,reboot=shutdown"
        } else {
            "shutdown=pause,reboot=reset"
        },
    );
    if config.paused {
        line.words("-S");
    }
    line.option("-boot", "strict=on");
    line.words("-device virtio-rng-pci");
    ports(&mut line, config, files)?;
    drives(&mut line, config)?;
    network(&mut line, &config.network);
    if let (Firmware::Uefi, Some(ovmf)) = (config.firmware, &files.ovmf) {
        for (unit, file, access) in [(0, &ovmf.code, ",readonly=on"), (1, &ovmf.vars, "")] {
            let file = value(file)?;
            line.option(
                "-drive",
                &format!("if=pflash,format=raw,unit={unit}{access},file={file}"),
            );
        }
    }
    for file in &files.credentials {
        line.option("-smbios", &format!("type=11,path={}", value(file)?));
    }
    line.0.extend(config.extra_args.iter().cloned());
    Ok(line.0)
}

fn ports(line: &mut Line, config: &Config, files: &RunFiles) -> Result<()> {
    let qmp = value(&files.qmp)?;
    line.option(
        "-chardev",
        &format!("socket,id=qmp,path={qmp},server=on,wait=off"),
    );
    line.words("-mon chardev=qmp,mode=control");
    let serial = value(&files.serial)?;
    let log = value(&config.serial_log)?;
    line.option(
        "-chardev",
        &format!("socket,id=serial0,path={serial},server=on,wait=off,logfile={log}"),
    );
    line.words("-serial chardev:serial0");
    for (number, file) in (1..).zip(&config.channels) {
        line.option(
            "-chardev",
            &format!("file,id=serial{number},path={}", value(file)?),
        );
        line.option("-serial", &format!("chardev:serial{number}"));
    }
    Ok(())
}

fn drives(line: &mut Line, config: &Config) -> Result<()> {
    // the firmware tries drives in the order of bootindex; a -kernel in the extra words takes 0
    let (iso_index, disk_index) = match config.boot_from {
        BootFrom::Iso => (1, 2),
        BootFrom::Disk => (1 + config.disks.len(), 1),
    };
    for (number, disk) in config.disks.iter().enumerate() {
        let file = value(&disk.path)?;
        let format = disk.format.name();
        if disk.keep {
            // saved machine states want to know where discarded blocks are
            let discard = if disk.format == DiskFormat::Qcow2 {
                ",discard=unmap"
            } else {
                ""
            };
            line.option("-blockdev", &format!(
                "driver={format},node-name=disk{number}{discard},file.driver=file,file.filename={file}"
            ));
        } else {
            // QEMU writes to a file in TMPDIR or /var/tmp that has no name any more
            line.option("-drive", &format!(
                "if=none,id=disk{number},format={format},snapshot=on,file.driver=file,file.filename={file}"
            ));
        }
        line.option(
            "-device",
            &format!(
                "virtio-blk-pci,drive=disk{number},serial=disk{number},bootindex={}",
                disk_index + number
            ),
        );
    }
    for (number, volume) in config.volumes.iter().enumerate() {
        read_only(line, &format!("volume{number}"), volume)?;
        line.option(
            "-device",
            &format!("virtio-blk-pci,drive=volume{number},serial=volume{number}"),
        );
    }
    if let Some(iso) = &config.iso {
        read_only(line, "iso", iso)?;
        let device = match config.iso_as {
            IsoAs::Cdrom => "ide-cd,bus=ide.0",
            IsoAs::Disk => "virtio-blk-pci",
        };
        line.option(
            "-device",
            &format!("{device},drive=iso,bootindex={iso_index}"),
        );
    }
    Ok(())
}

fn read_only(line: &mut Line, node: &str, file: &Path) -> Result<()> {
    let file = value(file)?;
    line.option(
        "-blockdev",
        &format!("driver=raw,node-name={node},read-only=on,file.driver=file,file.filename={file}"),
    );
    Ok(())
}

fn network(line: &mut Line, network: &Network) {
    // without an option ROM the firmware does not try to boot from the network
    match network {
        Network::None => line.words("-nic none"),
        Network::User { forwards, restrict } => {
            let mut backend = format!(
                "user,id=net0,restrict={}",
                if *restrict { "on" } else { "off" }
            );
            for f in forwards {
                backend.push_str(&format!(
                    ",hostfwd=tcp:{}:{}-:{}",
                    f.address, f.host, f.guest
                ));
            }
            line.option("-netdev", &backend);
            line.words("-device virtio-net-pci,netdev=net0,romfile=");
        }
        Network::Tap { ifname, mac, .. } => {
            line.option(
                "-netdev",
                &format!("tap,id=net0,ifname={ifname},script=no,downscript=no"),
            );
            line.option(
                "-device",
                &format!("virtio-net-pci,netdev=net0,romfile=,mac={mac}"),
            );
        }
    }
}

#[derive(Default)]
struct Line(Vec<OsString>);

impl Line {
    fn words(&mut self, words: &str) {
        self.0.extend(words.split(' ').map(OsString::from));
    }

    fn option(&mut self, name: &str, value: &str) {
        self.0.extend([name.into(), value.into()]);
    }
}

/// A path as part of an option's value, where a comma is written twice.
fn value(path: &Path) -> Result<String> {
    let text = path
        .to_str()
        .with_context(|| format!("the path {} is not UTF-8, which QEMU needs", path.display()))?;
    Ok(text.replace(',', ",,"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::qemu::{Accel, Disk, firmware::Ovmf, parse};

    fn rendered(config: &Config, kvm: bool) -> String {
        let files = RunFiles {
            qmp: "/run/qmp".into(),
            serial: "/run/serial".into(),
            ovmf: (config.firmware == Firmware::Uefi).then(|| Ovmf {
                code: "/usr/share/OVMF/OVMF_CODE_4M.fd".into(),
                vars: "/run/vars.fd".into(),
            }),
            credentials: (0..config.credentials.len())
                .map(|n| format!("/run/credential{n}").into())
                .collect(),
        };
        let words: Vec<String> = arguments(config, kvm, &files)
            .unwrap()
            .iter()
            .map(|w| w.to_string_lossy().into_owned())
            .collect();
        // one option a line
        words.join(" ").replace(" -", "\n-")
    }

    fn config() -> Config {
        Config::new(Some(Path::new("my.iso")), Path::new("my.log"))
    }

    #[test]
    fn bios() {
        insta::assert_snapshot!(rendered(&config(), false));
    }

    #[test]
    fn uefi_with_kvm() {
        let mut config = config();
        config.firmware = Firmware::Uefi;
        insta::assert_snapshot!(rendered(&config, true));
    }

    #[test]
    fn every_option() {
        let mut config = config();
        config.iso = Some("odd, name.iso".into());
        config.iso_as = IsoAs::Disk;
        config.boot_from = BootFrom::Disk;
        config.disks = vec![
            Disk::new(Path::new("a.qcow2"), Some(1 << 30)),
            Disk::new(Path::new("b.img"), None),
            Disk {
                keep: false,
                ..Disk::new(Path::new("c, installed.qcow2"), None)
            },
        ];
        config.volumes = vec!["answers.img".into()];
        config.machine = MachineType::Pc;
        config.accel = Accel::Tcg;
        config.memory_mib = 2048;
        config.cpus = 2;
        config.network = Network::User {
            forwards: [parse::forward("2222:22"), parse::forward("127.0.0.2:25:25")]
                .into_iter()
                .flat_map(Result::unwrap)
                .collect(),
            restrict: false,
        };
        config.credentials = vec![super::super::Credential::new("a", "hunter2")];
        config.channels = vec!["probe.log".into()];
        config.no_reboot = true;
        config.paused = true;
        config.extra_args = vec!["-loadvm".into(), "booted".into()];
        let line = rendered(&config, false);
        assert!(!line.contains("hunter2"), "a secret on the command line");
        insta::assert_snapshot!(line);
    }

    #[test]
    fn a_tap_device() {
        let mut config = config();
        config.network = Network::Tap {
            ifname: "tap0".into(),
            mac: "52:54:00:00:00:01".into(),
            netns: None,
        };
        let line = rendered(&config, false);
        let network: Vec<&str> = line.lines().filter(|l| l.contains("net0")).collect();
        assert_eq!(
            network,
            [
                "-netdev tap,id=net0,ifname=tap0,script=no,downscript=no",
                "-device virtio-net-pci,netdev=net0,romfile=,mac=52:54:00:00:00:01",
            ]
        );
    }
}
