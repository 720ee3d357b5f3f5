//! What listens beyond loopback, by the kernel's own tables (proc_net(5)).

use std::{collections::BTreeSet, net::IpAddr, path::Path};

use anyhow::{Context, Result};

use super::files;

/// TCP's state LISTEN, and the one of a UDP socket that is connected to nobody.
const STATES: [(&str, &str); 4] = [("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")];

/// A port that is open to others: protocol, `tcp` or `udp`, and number.
pub type Port = (&'static str, u16);

/// The ports of this machine, or of this network namespace, that others reach now.
///
/// # Errors
/// When the kernel does not tell.
pub fn now() -> Result<BTreeSet<Port>> {
    let ephemeral = Path::new("/proc/sys/net/ipv4/ip_local_port_range");
    let ephemeral = range(&files::read_to_string(ephemeral)?);
    let ephemeral = ephemeral.context("the kernel's range of ports cannot be read")?;
    let mut found = BTreeSet::new();
    for (name, _) in STATES {
        let path = Path::new("/proc/net").join(name);
        // without IPv6 in the kernel there are no such tables
        if path.exists() {
            found.extend(open(name, &files::read_to_string(&path)?, ephemeral));
        }
    }
    Ok(found)
}

/// The ports in `text`, the table `name`, that others than this machine reach.
///
/// A UDP socket that asks a question is there as well while it waits, at a port from the range
/// that the kernel chooses from (`ephemeral`, its first and its last): those are left out.
fn open(name: &str, text: &str, ephemeral: (u16, u16)) -> BTreeSet<Port> {
    let Some((_, state)) = STATES.iter().find(|(table, _)| *table == name) else {
        return BTreeSet::new();
    };
    let protocol = if name.starts_with("tcp") {
        "tcp"
    } else {
        "udp"
    };
    let line = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let (local, _, found) = (words.next()?, words.next()?, words.next()?);
        if found != *state {
            return None;
        }
        let (address, port) = local.split_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let asks = protocol == "udp" && (ephemeral.0..=ephemeral.1).contains(&port);
        let open = !asks && !address_of(address)?.is_loopback();
        open.then_some((protocol, port))
    };
    text.lines().skip(1).filter_map(line).collect()
}

/// An address as the kernel prints it: words of 32 bits, each in the order of the machine.
fn address_of(hex: &str) -> Option<IpAddr> {
    let mut bytes = Vec::new();
    for word in hex.as_bytes().chunks(8) {
        let word = std::str::from_utf8(word).ok()?;
        bytes.extend(u32::from_str_radix(word, 16).ok()?.to_ne_bytes());
    }
    if let Ok(four) = <[u8; 4]>::try_from(bytes.as_slice()) {
        return Some(four.into());
    }
    let six = <[u8; 16]>::try_from(bytes.as_slice()).ok()?;
    Some(IpAddr::from(six).to_canonical())
}

/// The range in `/proc/sys/net/ipv4/ip_local_port_range`.
fn range(text: &str) -> Option<(u16, u16)> {
    let mut words = text.split_whitespace().map(str::parse);
    Some((words.next()?.ok()?, words.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_reach_is_found() {
        let tcp = "  sl  local_address rem_address   st tx_queue\n\
             0: 0100007F:0035 00000000:0000 0A 00000000:00000000\n\
             1: 00000000:0019 00000000:0000 0A 00000000:00000000\n\
             2: 0A00020F:0016 0202000A:D4C8 01 00000000:00000000\n";
        assert_eq!(open("tcp", tcp, (32768, 60999)), [("tcp", 25)].into());
        let udp6 = "  sl  local_address rem_address st\n\
             0: 00000000000000000000000001000000:0035 0:0 07 0\n\
             1: 00000000000000000000000000000000:0222 0:0 07 0\n\
             2: 00000000000000000000000000000000:C222 0:0 07 0\n";
        assert_eq!(open("udp6", udp6, (32768, 60999)), [("udp", 546)].into());
        assert_eq!(range("32768\t60999\n"), Some((32768, 60999)));
        assert_eq!(range(""), None);
    }
}
