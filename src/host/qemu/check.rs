//! What can be known to be wrong with a [`Config`] before QEMU starts.

use std::{io::ErrorKind, net::TcpListener, path::Path};

use anyhow::{Context, Result, bail};

use super::{
    config::{Config, Forward, Network},
    image, parse,
};

/// The least a kernel and its initramfs can do anything with.
const LEAST_MEMORY_MIB: u64 = 64;

/// SMBIOS tables are at most 64 KiB (DSP0134, section 5.2.1); the rest is for the other ones.
const CREDENTIALS_LIMIT: usize = 60_000;

/// Refuses what cannot work.
///
/// # Errors
/// The first thing found wrong, with what to do instead.
pub fn check(config: &Config) -> Result<()> {
    if let Some(iso) = &config.iso {
        check_iso(iso)?;
    } else if config.disks.is_empty() {
        bail!("nothing to boot: give an image, or a --disk that is bootable");
    }
    let host_mib = host_memory_mib()?;
    if config.memory_mib < LEAST_MEMORY_MIB {
        bail!(
            "{} MiB of memory is too little to boot anything: at least {LEAST_MEMORY_MIB}, \
             and 1024 for a mail server",
            config.memory_mib
        );
    }
    if config.memory_mib > host_mib {
        bail!(
            "{} MiB of memory is more than this host has ({host_mib} MiB); the number is in MiB",
            config.memory_mib
        );
    }
    if !(1..=64).contains(&config.cpus) {
        bail!("{} CPUs: give a number from 1 to 64", config.cpus);
    }
    if config.channels.len() > 3 {
        bail!(
            "{} channels: a PC has four serial ports, and the first is the console",
            config.channels.len()
        );
    }
    let mut total = 0;
    for credential in &config.credentials {
        if let Err(wrong) = parse::credential_name(&credential.name) {
            bail!(wrong);
        }
        total += credential_string(&credential.name, &credential.value).len() + 1;
    }
    if total > CREDENTIALS_LIMIT {
        bail!(
            "the credentials take {total} bytes as SMBIOS strings, and {CREDENTIALS_LIMIT} fit: \
             put large files on the answers volume"
        );
    }
    if let Network::User { forwards, .. } = &config.network {
        check_ports(forwards)?;
    }
    Ok(())
}

/// The SMBIOS type 11 string that carries a credential (smbios-type-11(7)).
pub fn credential_string(name: &str, value: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    format!(
        "io.systemd.credential.binary:{name}={}",
        STANDARD.encode(value)
    )
}

fn check_iso(path: &Path) -> Result<()> {
    let head =
        image::head(path).with_context(|| format!("the ISO {} cannot be read", path.display()))?;
    if !image::is_iso(&head) {
        bail!(
            "{} is not an ISO image: no ISO 9660 volume begins in it; \
             a disk image is attached with --disk",
            path.display()
        );
    }
    Ok(())
}

fn host_memory_mib() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").context("reading /proc/meminfo")?;
    text.lines()
        .find_map(|l| l.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"))
        .and_then(|kib| kib.parse::<u64>().ok())
        .map(|kib| kib / 1024)
        .context("/proc/meminfo has no MemTotal")
}

/// Takes every port for a moment: QEMU's own message names neither the port nor the way out.
fn check_ports(forwards: &[Forward]) -> Result<()> {
    let mut held = Vec::new();
    for forward in forwards {
        let Forward {
            address,
            host,
            guest,
        } = *forward;
        match TcpListener::bind((address, host)) {
            Ok(listener) => held.push(listener),
            Err(e) if e.kind() == ErrorKind::AddrInUse => bail!(
                "port {host} on {address} is in use: choose another one for the guest's \
                 port {guest}, such as --forward {address}:{}:{guest}",
                host.checked_add(1).unwrap_or(20_000)
            ),
            Err(e) => {
                return Err(e).with_context(|| {
                    format!(
                        "port {host} on {address} cannot be forwarded to the guest's port {guest}"
                    )
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::qemu::{Credential, Disk};

    #[test]
    fn what_is_wrong_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let disk = dir.path().join("disk.img");
        std::fs::write(&disk, vec![0; 40_000]).unwrap();
        let mut good = Config::new(None, &dir.path().join("log"));
        good.disks.push(Disk::new(&disk, None));
        check(&good).unwrap();

        let mut said = String::new();
        let mut refused = |change: &dyn Fn(&mut Config)| {
            let mut config = good.clone();
            change(&mut config);
            said.push_str(&format!("{:#}\n", check(&config).unwrap_err()));
        };
        refused(&|c| c.disks.clear());
        refused(&|c| c.iso = Some(disk.clone()));
        refused(&|c| c.iso = Some("/dev/null".into()));
        refused(&|c| c.iso = Some(dir.path().join("none.iso")));
        refused(&|c| c.iso = Some(dir.path().to_path_buf()));
        refused(&|c| c.memory_mib = 1);
        refused(&|c| c.cpus = 0);
        refused(&|c| c.channels = vec![disk.clone(); 4]);
        refused(&|c| c.credentials = vec![Credential::new("a", vec![0; 50_000])]);
        refused(&|c| c.credentials = vec![Credential::new("a/b", "x")]);
        insta::assert_snapshot!(said.replace(&dir.path().display().to_string(), "DIR"));
    }

    #[test]
    fn more_memory_than_the_host_has() {
        let mut config = Config::new(None, Path::new("log"));
        config.disks.push(Disk::new(Path::new("disk"), None));
        config.memory_mib = 1 << 40;
        let error = check(&config).unwrap_err().to_string();
        assert!(error.starts_with("1099511627776 MiB of memory is more than this host has ("));
    }

    #[test]
    fn a_port_in_use_or_asked_for_twice() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = check_ports(&parse::forward(&format!("{port}:25")).unwrap()).unwrap_err();
        let wanted = format!(
            "port {port} on 127.0.0.1 is in use: choose another one for the guest's port 25"
        );
        assert!(error.to_string().starts_with(&wanted), "{error}");
        drop(listener);
        let forward = parse::forward(&format!("{port}:25")).unwrap()[0];
        check_ports(&[forward]).unwrap();
        check_ports(&[forward, forward]).unwrap_err();
    }

    #[test]
    fn a_credential_as_a_string() {
        assert_eq!(
            credential_string("ezmail.a", b"\0\xff"),
            "io.systemd.credential.binary:ezmail.a=AP8="
        );
    }
}
