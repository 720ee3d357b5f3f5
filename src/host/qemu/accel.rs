//! KVM where it really works, else TCG.
//!
//! That `/dev/kvm` exists and opens says little: inside another virtual machine a guest may
//! hang, or every instruction may take a microsecond because it is interpreted one by one. A
//! boot sector that exits at once still passes there, while a Linux kernel never gets anywhere.
//! So the probe goes into 64-bit mode, where kernels live, and does real work against a clock.

use std::{fs::OpenOptions, path::Path, process::Stdio, sync::OnceLock, time::Duration};

use anyhow::{Context, Result, bail};

use super::{
    config::Accel,
    process::{bound_to_us, find_qemu, kill, spawn, wait_at_most},
};
use crate::util::files;

/// A sound KVM needs about half a second, most of it QEMU's own start.
const PROBE_LIMIT: Duration = Duration::from_secs(5);

/// What QEMU exits with when the sector has written 0x2a to isa-debug-exit: twice that, plus one.
const PROBE_STATUS: i32 = 0x2a * 2 + 1;

/// How instructions will run, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Whether it is KVM.
    pub kvm: bool,
    /// One line that says so, with the reason.
    pub line: String,
}

/// Decides for what was asked; the probe runs at most once in a process.
///
/// # Errors
/// When KVM was asked for and does not work, or QEMU cannot be run at all.
pub fn choose(wanted: Accel) -> Result<Choice> {
    static PROBED: OnceLock<Result<Option<String>, String>> = OnceLock::new();
    if wanted == Accel::Tcg {
        return Ok(tcg("asked for"));
    }
    let probed = PROBED.get_or_init(|| why_not_kvm().map_err(|e| format!("{e:#}")));
    match (probed, wanted) {
        (Err(error), _) => bail!("probing KVM: {error}"),
        (Ok(None), _) => Ok(Choice {
            kvm: true,
            line: "KVM: the probe booted and worked at full speed".to_owned(),
        }),
        (Ok(Some(reason)), Accel::Kvm) => {
            bail!("KVM does not work here: {reason}; leave --accel away to run without it")
        }
        (Ok(Some(reason)), _) => Ok(tcg(reason)),
    }
}

fn tcg(reason: &str) -> Choice {
    Choice {
        kvm: false,
        line: format!("TCG: because {reason}"),
    }
}

/// Why KVM cannot be used, or `None` if it can.
fn why_not_kvm() -> Result<Option<String>> {
    let device = Path::new("/dev/kvm");
    if !device.exists() {
        return Ok(Some("there is no /dev/kvm".to_owned()));
    }
    if let Err(e) = OpenOptions::new().read(true).write(true).open(device) {
        return Ok(Some(format!("/dev/kvm cannot be opened: {e}")));
    }
    probe(&["-accel", "kvm", "-cpu", "host"], PROBE_LIMIT)
}

/// Boots the probe's sector with these options: `None` if it did its work in time, else what
/// happened.
fn probe(accel: &[&str], limit: Duration) -> Result<Option<String>> {
    let folder = tempfile::tempdir().context("creating a temporary folder")?;
    let disk = folder.path().join("probe.img");
    files::write(&disk, boot_sector(), 0o600)?;
    let errors = tempfile::tempfile().context("creating a temporary file")?;
    let mut command = bound_to_us(&find_qemu()?, None);
    command
        .args(accel)
        .args("-nodefaults -no-user-config -display none -machine pc -m 64".split(' '))
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-drive"])
        .arg(format!("file={},format=raw,if=ide", disk.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors.try_clone()?);
    let mut child = spawn(command).context("starting QEMU to probe KVM")?;
    match wait_at_most(&mut child, limit)? {
        None => {
            kill(&mut child)?;
            Ok(Some(format!(
                "a guest on /dev/kvm did not finish within {} s what takes it milliseconds",
                limit.as_secs()
            )))
        }
        Some(status) if status.code() == Some(PROBE_STATUS) => Ok(None),
        Some(status) => {
            let said = super::launch::read_tail(&errors)?;
            // a reason is one line, whatever QEMU said
            let said: Vec<&str> = said.trim().lines().map(str::trim).collect();
            Ok(Some(format!(
                "QEMU with it ended with {status}: {}",
                said.join("; ")
            )))
        }
    }
}

/// Enters long mode with one 2 MiB page, stores 50 million numbers, and leaves through
/// isa-debug-exit (Intel SDM volume 3, section 11.8.5).
fn boot_sector() -> Vec<u8> {
    #[rustfmt::skip]
    const CODE: &[&[u8]] = &[
        // 16 bits: three empty tables at 0x1000, 0x2000 and 0x3000
        &[0xfa],                                     // cli
        &[0x31, 0xc0],                               // xor ax, ax
        &[0x8e, 0xd8],                               // mov ds, ax
        &[0x8e, 0xc0],                               // mov es, ax
        &[0xbf, 0x00, 0x10],                         // mov di, 0x1000
        &[0xb9, 0x00, 0x18],                         // mov cx, 0x1800
        &[0xfc],                                     // cld
        &[0xf3, 0xab],                               // rep stosw
        // the first 2 MiB, mapped as they are
        &[0xc7, 0x06, 0x00, 0x10, 0x03, 0x20],       // mov word [0x1000], 0x2003
        &[0xc7, 0x06, 0x00, 0x20, 0x03, 0x30],       // mov word [0x2000], 0x3003
        &[0xc7, 0x06, 0x00, 0x30, 0x83, 0x00],       // mov word [0x3000], 0x0083
        &[0x0f, 0x01, 0x16, 0x85, 0x7c],             // lgdt [0x7c85]
        &[0x66, 0xb8, 0x20, 0x00, 0x00, 0x00],       // mov eax, 0x20 (PAE)
        &[0x0f, 0x22, 0xe0],                         // mov cr4, eax
        &[0x66, 0xb8, 0x00, 0x10, 0x00, 0x00],       // mov eax, 0x1000
        &[0x0f, 0x22, 0xd8],                         // mov cr3, eax
        &[0x66, 0xb9, 0x80, 0x00, 0x00, 0xc0],       // mov ecx, 0xc0000080 (EFER)
        &[0x0f, 0x32],                               // rdmsr
        &[0x66, 0x0d, 0x00, 0x01, 0x00, 0x00],       // or eax, 0x100 (LME)
        &[0x0f, 0x30],                               // wrmsr
        &[0x0f, 0x20, 0xc0],                         // mov eax, cr0
        &[0x66, 0x0d, 0x01, 0x00, 0x00, 0x80],       // or eax, 0x80000001 (PG, PE)
        &[0x0f, 0x22, 0xc0],                         // mov cr0, eax
        &[0xea, 0x5a, 0x7c, 0x08, 0x00],             // jmp 8:0x7c5a
        // 64 bits, at 0x7c5a
        &[0xb9, 0x80, 0xf0, 0xfa, 0x02],             // mov ecx, 50000000
        &[0x48, 0x89, 0x0c, 0x25, 0x00, 0x80, 0, 0], // 1: mov [0x8000], rcx
        &[0xff, 0xc9],                               // dec ecx
        &[0x75, 0xf4],                               // jnz 1b
        &[0x66, 0xba, 0xf4, 0x00],                   // mov dx, 0xf4
        &[0xb0, 0x2a],                               // mov al, 0x2a
        &[0xee],                                     // out dx, al
        &[0xf4],                                     // 2: hlt
        &[0xeb, 0xfd],                               // jmp 2b
        // the descriptor table at 0x7c75: nothing, and 64-bit code; then its limit and address
        &[0, 0, 0, 0, 0, 0, 0, 0],
        &[0, 0, 0, 0, 0, 0x9a, 0x20, 0],
        &[0x0f, 0x00, 0x75, 0x7c, 0x00, 0x00],
    ];
    let mut sector = CODE.concat();
    sector.resize(510, 0);
    sector.extend([0x55, 0xaa]);
    sector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sector_works_where_instructions_do() {
        // TCG is always sound: what passes here can only fail under KVM because of KVM
        let failure = probe(&["-accel", "tcg", "-cpu", "max"], Duration::from_secs(60)).unwrap();
        assert_eq!(failure, None);
    }

    #[test]
    fn a_guest_that_does_not_finish_is_found_out() {
        let stopped = ["-accel", "tcg", "-S"];
        let failure = probe(&stopped, Duration::from_secs(1)).unwrap().unwrap();
        insta::assert_snapshot!(failure, @"a guest on /dev/kvm did not finish within 1 s what takes it milliseconds");
    }

    #[test]
    fn a_qemu_that_ends_early_is_quoted() {
        let failure = probe(&["-accel", "none-such"], Duration::from_secs(60))
            .unwrap()
            .unwrap();
        assert!(
            failure.starts_with("QEMU with it ended with exit status: 1"),
            "{failure}"
        );
        assert!(failure.contains("none-such"), "{failure}");
    }

    #[test]
    fn tcg_can_be_asked_for() {
        let choice = choose(Accel::Tcg).unwrap();
        assert_eq!(
            (choice.kvm, choice.line.as_str()),
            (false, "TCG: because asked for")
        );
    }
}
