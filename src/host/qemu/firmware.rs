//! Where the host keeps UEFI firmware for QEMU.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::process::install_hint;

/// The code and the empty variable store of one build of OVMF, without Secure Boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ovmf {
    /// The firmware, mapped read-only.
    pub code: PathBuf,
    /// The variable store to copy for each run.
    pub vars: PathBuf,
}

/// Where distributions put it, the newest layout first: Debian and Ubuntu, Arch, Fedora.
const PLACES: [(&str, &str); 6] = [
    (
        "usr/share/OVMF/OVMF_CODE_4M.fd",
        "usr/share/OVMF/OVMF_VARS_4M.fd",
    ),
    ("usr/share/OVMF/OVMF_CODE.fd", "usr/share/OVMF/OVMF_VARS.fd"),
    (
        "usr/share/edk2/x64/OVMF_CODE.4m.fd",
        "usr/share/edk2/x64/OVMF_VARS.4m.fd",
    ),
    (
        "usr/share/edk2/x64/OVMF_CODE.fd",
        "usr/share/edk2/x64/OVMF_VARS.fd",
    ),
    (
        "usr/share/edk2-ovmf/x64/OVMF_CODE.fd",
        "usr/share/edk2-ovmf/x64/OVMF_VARS.fd",
    ),
    (
        "usr/share/edk2/ovmf/OVMF_CODE.fd",
        "usr/share/edk2/ovmf/OVMF_VARS.fd",
    ),
];

/// Finds OVMF below `root` (`/` on a real host).
///
/// # Errors
/// When no pair of files is there; the message has the command that installs one.
pub fn find_ovmf(root: &Path) -> Result<Ovmf> {
    for (code, vars) in PLACES {
        let found = Ovmf {
            code: root.join(code),
            vars: root.join(vars),
        };
        if found.code.is_file() && found.vars.is_file() {
            return Ok(found);
        }
    }
    bail!(
        "no UEFI firmware for QEMU (OVMF) was found; install it with: {}",
        install_hint("ovmf", "edk2-ovmf")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_pair_counts() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        };
        put("usr/share/OVMF/OVMF_CODE_4M.fd");
        let error = find_ovmf(dir.path()).unwrap_err().to_string();
        assert!(error.starts_with("no UEFI firmware for QEMU (OVMF) was found; install it with: "));
        put("usr/share/edk2/x64/OVMF_CODE.4m.fd");
        put("usr/share/edk2/x64/OVMF_VARS.4m.fd");
        let found = find_ovmf(dir.path()).unwrap();
        assert_eq!(
            found.code,
            dir.path().join("usr/share/edk2/x64/OVMF_CODE.4m.fd")
        );
    }
}
