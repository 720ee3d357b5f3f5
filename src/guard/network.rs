//! The networks that are counted, banned and spared.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What failures are counted by, and what is banned: an address, in v6 the /64 that one host has to
/// itself.
pub(super) fn counted(address: IpAddr) -> IpNet {
    of(address, 32, 64)
}

/// What a good login spares: the /24 around the address, in v6 the /56 that a household has.
/// A phone or a household gets another address in it from time to time.
pub(super) fn spared(address: IpAddr) -> IpNet {
    of(address, 24, 56)
}

fn of(address: IpAddr, v4: u8, v6: u8) -> IpNet {
    match address.to_canonical() {
        IpAddr::V4(a) => Ipv4Net::new_assert(a, v4).trunc().into(),
        IpAddr::V6(a) => Ipv6Net::new_assert(a, v6).trunc().into(),
    }
}

/// `address`, or for an address of this machine that of loopback: what comes from there is its own.
pub(super) fn seen(address: IpAddr) -> IpAddr {
    // nothing is sent: only who has an address can bind it
    match UdpSocket::bind((address, 0)) {
        Ok(_) => Ipv4Addr::LOCALHOST.into(),
        Err(_) => address.to_canonical(),
    }
}

/// A network as people write it: a single address without its length.
pub fn shown(network: &IpNet) -> String {
    match network.prefix_len() == network.max_prefix_len() {
        true => network.addr().to_string(),
        false => network.to_string(),
    }
}

/// Reads what [`shown`] writes: an address, or a network whose host bits do not matter. A single
/// address of v6 stands for its /64, since its host may use any other in it.
///
/// # Errors
/// What is wrong with it, for people.
pub fn parse(text: &str) -> Result<IpNet, String> {
    let single = text.parse::<IpAddr>().map(counted);
    let network = single.or_else(|_| text.parse::<IpNet>().map(|n| n.trunc()));
    let network = network.map_err(|_| {
        format!("`{text}` is neither an address nor a network such as 192.0.2.0/24")
    })?;
    let least = match network {
        IpNet::V4(_) => 8,
        IpNet::V6(_) => 16,
    };
    if network.prefix_len() < least {
        return Err(format!(
            "{network} is a large part of the Internet: /{least} is the largest network to ban"
        ));
    }
    if network.addr().is_loopback() {
        return Err(format!("{network} is this machine itself"));
    }
    Ok(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_v6_is_its_network() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let text = |net: IpNet| net.to_string();
        assert_eq!(text(counted(ip("192.0.2.7"))), "192.0.2.7/32");
        assert_eq!(text(counted(ip("::ffff:192.0.2.7"))), "192.0.2.7/32");
        assert_eq!(text(counted(ip("2001:db8:1:2:3::4"))), "2001:db8:1:2::/64");
        assert_eq!(text(spared(ip("192.0.2.7"))), "192.0.2.0/24");
        assert_eq!(text(spared(ip("2001:db8:1:2:3::4"))), "2001:db8:1::/56");
    }

    #[test]
    fn an_address_of_our_own_is_loopback() {
        let ip = |text: &str| seen(text.parse().unwrap());
        assert!(ip("127.0.0.9").is_loopback());
        assert_eq!(ip("192.0.2.7").to_string(), "192.0.2.7");
        assert_eq!(ip("::ffff:192.0.2.7").to_string(), "192.0.2.7");
    }

    #[test]
    fn networks_are_read_and_shown() {
        let back = |text: &str| parse(text).map(|n| shown(&n));
        assert_eq!(back("192.0.2.7").unwrap(), "192.0.2.7");
        assert_eq!(back("192.0.2.7/24").unwrap(), "192.0.2.0/24");
        assert_eq!(back("2001:db8::1").unwrap(), "2001:db8::/64");
        let wrong = ["192.0.2", "0.0.0.0/0", "::/0", "127.0.0.1"].map(|t| back(t).unwrap_err());
        insta::assert_snapshot!(wrong.join("\n"), @r"
        `192.0.2` is neither an address nor a network such as 192.0.2.0/24
        0.0.0.0/0 is a large part of the Internet: /8 is the largest network to ban
        ::/0 is a large part of the Internet: /16 is the largest network to ban
        127.0.0.1/32 is this machine itself
        ");
    }
}
