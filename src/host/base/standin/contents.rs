//! What of a composition is shipped at all: no caches, no logs, no secrets, nothing of the host.

/// Folders that are shipped empty: what is in them belongs to a running or a building system.
const EMPTIED: &[&str] = &[
    "dev",
    "proc",
    "run",
    "sys",
    "tmp",
    "var/cache",
    "var/log",
    "var/tmp",
];

/// Folders and files that are not shipped.
const LEFT_OUT: &[&str] = &[
    // Debian's package management and its kernel naming
    "boot/config-",
    "boot/initrd.img-",
    "boot/System.map-",
    "boot/vmlinuz-",
    "etc/apt",
    "etc/debconf.conf",
    "etc/dpkg",
    "etc/kernel",
    "initrd.img",
    "initrd.img.",
    "var/lib/apt",
    "var/lib/dpkg",
    "var/lib/initramfs-tools",
    "var/lib/systemd/deb-systemd-helper-enabled",
    "var/lib/systemd/deb-systemd-helper-masked",
    "var/lib/systemd/deb-systemd-user-helper-enabled",
    "var/lib/ucf",
    "vmlinuz",
    "vmlinuz.",
    // init scripts, for which systemd would make units
    "etc/init.d",
    "etc/rc0.d",
    "etc/rc1.d",
    "etc/rc2.d",
    "etc/rc3.d",
    "etc/rc4.d",
    "etc/rc5.d",
    "etc/rc6.d",
    "etc/rcS.d",
    // secrets and what must differ from machine to machine
    "etc/machine-id",
    "var/lib/dbus/machine-id",
    "var/lib/systemd/credential.secret",
    "var/lib/systemd/random-seed",
    "etc/ssh/ssh_host_",
    "etc/dovecot/private/dovecot.",
    "etc/ssl/certs/ssl-cert-snakeoil.pem",
    "etc/ssl/private/ssl-cert-snakeoil.key",
    // the host's, or the overlay's
    "etc/fstab",
    "etc/hostname",
    "etc/hosts",
    "etc/localtime",
    "etc/resolv.conf",
    "etc/timezone",
    // copies that the tools keep of the files they change
    "etc/.pwd.lock",
    "etc/group-",
    "etc/gshadow-",
    "etc/passwd-",
    "etc/shadow-",
    "etc/subgid-",
    "etc/subuid-",
    // documentation; the copyright files stay
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
];

/// Names in the list above that end so stand for all that begin with them.
const PREFIXES: &[char] = &['-', '_', '.'];

/// Links that enable a unit; all others of `etc/systemd/system` are the overlay's to make.
/// These two are what Arch's systemd package enables.
const ENABLED: &[&str] = &[
    "etc/systemd/system/getty.target.wants/getty@tty1.service",
    "etc/systemd/system/multi-user.target.wants/remote-fs.target",
];

/// Whether the entry at `path` goes into a package.
pub fn is_shipped(path: &str, is_folder: bool) -> bool {
    if EMPTIED.iter().any(|f| is_below(path, f)) {
        // the folders below var are their packages' to make
        return is_folder && path.starts_with("var/");
    }
    if LEFT_OUT
        .iter()
        .any(|f| path == *f || is_below(path, f) || (f.ends_with(PREFIXES) && path.starts_with(f)))
    {
        return false;
    }
    if is_below(path, "usr/share/doc") {
        return is_folder || path.ends_with("/copyright");
    }
    if is_below(path, "etc/systemd/system") || is_below(path, "etc/systemd/user") {
        return ENABLED
            .iter()
            .any(|e| path == *e || (is_folder && is_below(e, path)));
    }
    !path.ends_with(".pyc") && !path.ends_with("/__pycache__")
}

/// Whether a link that is shipped nowhere else leads to the snakeoil certificate.
pub fn is_snakeoil_link(target: &str) -> bool {
    target.contains("ssl-cert-snakeoil")
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_caches_and_the_host_stay_out() {
        for path in [
            "etc/machine-id",
            "etc/ssh/ssh_host_ed25519_key",
            "etc/ssl/private/ssl-cert-snakeoil.key",
            "etc/dovecot/private/dovecot.key",
            "var/lib/systemd/random-seed",
            "var/lib/dpkg/status",
            "var/cache/ldconfig/aux-cache",
            "var/log/dpkg.log",
            "etc/resolv.conf",
            "etc/shadow-",
            "boot/vmlinuz-6.12",
            "vmlinuz",
            "dev/null",
            "usr/share/doc/bash/README",
            "usr/share/man/man1/ls.1.gz",
        ] {
            assert!(!is_shipped(path, false), "{path}");
        }
    }

    #[test]
    fn the_rest_is_shipped() {
        for path in [
            "etc/passwd",
            "etc/shadow",
            "etc/hosts.allow",
            "etc/ssh/sshd_config",
            "usr/share/doc/bash/copyright",
            "usr/lib/systemd/system/ssh.service",
            "etc/ssl/certs/ca-certificates.crt",
            "var/lib/valkey/x",
            "boot/initramfs-linux.img",
        ] {
            assert!(is_shipped(path, false), "{path}");
        }
        for folder in [
            "dev",
            "proc",
            "tmp",
            "var/log",
            "var/log/private",
            "var/cache/ldconfig",
        ] {
            assert!(is_shipped(folder, true), "{folder}");
        }
        assert!(!is_shipped("dev/pts", true));
    }

    #[test]
    fn units_are_enabled_as_on_arch() {
        assert!(is_shipped(
            "etc/systemd/system/getty.target.wants/getty@tty1.service",
            false
        ));
        assert!(is_shipped("etc/systemd/system/getty.target.wants", true));
        assert!(is_shipped("etc/systemd/system", true));
        assert!(!is_shipped(
            "etc/systemd/system/multi-user.target.wants/dovecot.service",
            false
        ));
        assert!(!is_shipped("etc/systemd/system/timers.target.wants", true));
        assert!(!is_shipped("etc/systemd/system/sshd.service", false));
    }
}
