//! `--forward`, `--disk`, `--credential` and sizes, from text.

use std::{net::Ipv4Addr, path::Path};

use super::config::{Credential, Disk, Forward};

/// The ports `--forward mail` opens, each at 10000 plus its own number.
pub const MAIL_PORTS: [u16; 7] = [22, 25, 443, 465, 587, 993, 4190];

/// What is added to a port by `--forward mail`.
pub const MAIL_OFFSET: u16 = 10_000;

/// Reads `mail`, `HOST:GUEST` or `ADDRESS:HOST:GUEST`.
///
/// # Errors
/// A sentence that says what is wrong and what to write instead.
pub fn forward(text: &str) -> Result<Vec<Forward>, String> {
    if text == "mail" {
        return Ok(MAIL_PORTS
            .iter()
            .map(|&guest| Forward {
                address: Ipv4Addr::LOCALHOST,
                host: guest + MAIL_OFFSET,
                guest,
            })
            .collect());
    }
    let parts: Vec<&str> = text.split(':').collect();
    let (address, host, guest) = match parts[..] {
        [host, guest] => (Ipv4Addr::LOCALHOST, host, guest),
        [address, host, guest] => (loopback(address)?, host, guest),
        _ => {
            return Err(format!(
                "'{text}' is not a forward: write HOST:GUEST such as 2222:22, \
                 ADDRESS:HOST:GUEST such as 127.0.0.2:2525:25, or mail"
            ));
        }
    };
    Ok(vec![Forward {
        address,
        host: port(host, "of the host")?,
        guest: port(guest, "of the guest")?,
    }])
}

fn loopback(text: &str) -> Result<Ipv4Addr, String> {
    let address: Ipv4Addr = text
        .parse()
        .map_err(|_| format!("'{text}' is not an IPv4 address: write one such as 127.0.0.1"))?;
    if !address.is_loopback() {
        return Err(format!(
            "{address} is not a loopback address, and ports are forwarded from loopback only: \
             use one of 127.0.0.0/8"
        ));
    }
    Ok(address)
}

fn port(text: &str, whose: &str) -> Result<u16, String> {
    match text.parse::<u16>() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(format!(
            "'{text}' is not a port {whose}: write a number from 1 to 65535"
        )),
    }
}

/// Reads `FILE` or `FILE:SIZE` (a size as [`size`] takes it).
///
/// # Errors
/// A sentence that says what is wrong and what to write instead.
pub fn disk(text: &str) -> Result<Disk, String> {
    let (path, bytes) = match text.rsplit_once(':') {
        None => (text, None),
        Some((path, bytes)) => (path, Some(size(bytes)?)),
    };
    if path.is_empty() {
        return Err(format!(
            "'{text}' names no file: write FILE or FILE:SIZE such as state.qcow2:8G"
        ));
    }
    Ok(Disk::new(Path::new(path), bytes))
}

/// Reads a size in bytes: a number with `M`, `G` or `T` after it (1024-based).
///
/// # Errors
/// A sentence that says what is wrong and what to write instead.
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is not a disk size: write a number and M, G or T, such as 8G");
    let unit = match text.chars().last().map(|c| c.to_ascii_uppercase()) {
        Some('M') => 1u64 << 20,
        Some('G') => 1 << 30,
        Some('T') => 1 << 40,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    match number.checked_mul(unit) {
        Some(0) | None => Err(wrong()),
        Some(bytes) => Ok(bytes),
    }
}

/// Where the content of a credential comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialSource {
    /// The text given on the command line.
    Text(Credential),
    /// A file to read: the credential's name, and the path.
    File(String, std::path::PathBuf),
}

/// Reads `NAME=VALUE` or `NAME=@FILE`.
///
/// # Errors
/// A sentence that says what is wrong; it never repeats the value, which may be secret.
pub fn credential(text: &str) -> Result<CredentialSource, String> {
    let Some((name, value)) = text.split_once('=') else {
        return Err("a credential is NAME=VALUE or NAME=@FILE; there is no '=' in it".to_owned());
    };
    credential_name(name)?;
    Ok(match value.strip_prefix('@') {
        Some("") => return Err(format!("credential {name}: no file name after '@'")),
        Some(path) => CredentialSource::File(name.to_owned(), path.into()),
        None => CredentialSource::Text(Credential::new(name, value)),
    })
}

/// Checks that systemd will take `name` for a credential: it becomes a file's name.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn credential_name(name: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_graphic() && !"/:=".contains(c);
    if name.is_empty() || name.len() > 255 || name == "." || name == ".." || !name.chars().all(good)
    {
        return Err(format!(
            "'{name}' is not a credential's name: use letters, digits, '.', '-' and '_', at most 255"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwards() {
        let one = |text| forward(text).unwrap()[0];
        assert_eq!(one("2222:22").address, Ipv4Addr::LOCALHOST);
        assert_eq!((one("2222:22").host, one("2222:22").guest), (2222, 22));
        assert_eq!(
            one("127.0.0.9:2525:25").address,
            Ipv4Addr::new(127, 0, 0, 9)
        );
        let ports: Vec<u16> = forward("mail").unwrap().iter().map(|f| f.host).collect();
        assert_eq!(ports, [10022, 10025, 10443, 10465, 10587, 10993, 14190]);
    }

    #[test]
    fn disks_and_sizes() {
        let plain = disk("state.img").unwrap();
        assert_eq!((plain.size, plain.format.name()), (None, "raw"));
        let made = disk("dir/a:b.qcow2:8G").unwrap();
        assert_eq!(made.path, Path::new("dir/a:b.qcow2"));
        assert_eq!((made.size, made.format.name()), (Some(8 << 30), "qcow2"));
        assert_eq!(size("512m"), Ok(512 << 20));
    }

    #[test]
    fn credentials() {
        assert_eq!(
            credential("a=b=c"),
            Ok(CredentialSource::Text(Credential::new("a", "b=c")))
        );
        assert_eq!(
            credential("a.b=@x"),
            Ok(CredentialSource::File("a.b".into(), "x".into()))
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let mut said = String::new();
        for text in [
            "25",
            "a:b:c:d",
            "0:25",
            "x:25",
            "2525:70000",
            "192.0.2.1:25:25",
            "::1:2:3",
        ] {
            said.push_str(&format!("{}\n", forward(text).unwrap_err()));
        }
        for text in [":8G", "", "a:8", "a:8X", "a:0G", "a:99999999T", "a:"] {
            said.push_str(&format!("{}\n", disk(text).unwrap_err()));
        }
        for text in ["secret", "=secret", "a/b=secret", "..=secret", "a=@"] {
            said.push_str(&format!("{}\n", credential(text).unwrap_err()));
        }
        insta::assert_snapshot!(said);
        assert!(!said.contains("secret"), "a value is never repeated");
    }
}
