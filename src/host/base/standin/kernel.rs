//! Debian's kernel as Arch's package `linux`.
//!
//! Arch's paths are what mkarchiso copies: `/boot/vmlinuz-linux` and `/boot/initramfs-linux.img`.

use super::{dpkg::Package, index::Index};

/// Arch's name of the package.
pub const NAME: &str = "linux";
/// Where mkarchiso looks for the kernel.
const IMAGE: &str = "boot/vmlinuz-linux";
/// Where the composition leaves its initramfs, and mkarchiso looks for it.
const INITRAMFS: &str = "boot/initramfs-linux.img";

/// The kernel of a composition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// Its Debian package.
    pub package: String,
    /// What `uname -r` says.
    pub release: String,
}

impl Kernel {
    /// The kernel among `packages`, if there is one.
    pub fn find(packages: &[Package], index: &Index) -> Option<Self> {
        packages.iter().find_map(|package| {
            let release = package.name.strip_prefix("linux-image-")?;
            index.get(&format!("boot/vmlinuz-{release}"))?;
            Some(Self {
                package: package.name.clone(),
                release: release.into(),
            })
        })
    }

    /// Where a path of the composition goes in the package `linux`; none if it is not part of it.
    pub fn place(&self, path: &str) -> Option<String> {
        let modules = format!("usr/lib/modules/{}", self.release);
        if path == INITRAMFS || path == modules || path.starts_with(&(modules + "/")) {
            return Some(path.to_owned());
        }
        let image = path.strip_prefix("boot/vmlinuz-")?;
        (image == self.release).then(|| IMAGE.to_owned())
    }

    /// The file that tells Arch's tools whose modules these are.
    pub fn pkgbase(&self) -> (String, String) {
        (
            format!("usr/lib/modules/{}/pkgbase", self.release),
            format!("{NAME}\n"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_archs() {
        let kernel = Kernel {
            package: "linux-image-6.12-amd64".into(),
            release: "6.12-amd64".into(),
        };
        let place = |p: &str| kernel.place(p);
        assert_eq!(
            place("boot/vmlinuz-6.12-amd64").as_deref(),
            Some("boot/vmlinuz-linux")
        );
        assert_eq!(
            place("boot/initramfs-linux.img").as_deref(),
            Some("boot/initramfs-linux.img")
        );
        assert_eq!(
            place("usr/lib/modules/6.12-amd64/modules.dep").as_deref(),
            Some("usr/lib/modules/6.12-amd64/modules.dep")
        );
        assert_eq!(place("boot/config-6.12-amd64"), None);
        assert_eq!(place("usr/lib/modules/6.12-amd64x/a"), None);
        assert_eq!(place("etc/passwd"), None);
    }
}
