//! Who has which address and name.
//!
//! All lies in the ranges for benchmarks (RFC 2544, RFC 5180): those for documentation are
//! answered by kresd itself (RFC 6303), and private ones are local to rspamd, which then skips
//! SPF and DMARC. The names are reserved ones (RFC 2606) below our own root.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which Internet protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

/// Both of them.
pub const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// The appliance's name.
pub const HOSTNAME: &str = "mail.example.org";
/// The appliance's mail domains.
pub const DOMAINS: [&str; 2] = ["example.org", "example.net"];
/// The domain of everybody else; its MX is ours, and its mail comes from [`SENDER`].
pub const OUTSIDE: &str = "example.com";
/// The name of the outside's MX.
pub const MX_NAME: &str = "mx.example.com";
/// The one client that example.com's SPF record names.
pub const SENDER: u8 = 1;
/// Clients `1..CLIENTS` have names and PTR records, the others have none.
pub const CLIENTS: u8 = 100;

fn pair(family: Family, v4: [u8; 2], v6: [u16; 2]) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::new(198, 18, v4[0], v4[1]).into(),
        Family::V6 => Ipv6Addr::new(0x2001, 2, 0, v6[0], 0, 0, 0, v6[1]).into(),
    }
}

/// The appliance.
pub fn appliance(family: Family) -> IpAddr {
    pair(family, [0, 10], [0, 0x10])
}

/// A second appliance, on a tap of its own.
pub fn second_appliance(family: Family) -> IpAddr {
    pair(family, [0, 11], [0, 0x11])
}

/// The appliance's router.
pub fn gateway(family: Family) -> IpAddr {
    pair(family, [0, 1], [0, 1])
}

/// The server that is authoritative for everything.
pub fn authority(family: Family) -> IpAddr {
    pair(family, [1, 53], [1, 0x53])
}

/// The validating resolver.
pub fn resolver(family: Family) -> IpAddr {
    pair(family, [1, 54], [1, 0x54])
}

/// The outside's MX.
pub fn mx(family: Family) -> IpAddr {
    pair(family, [2, 25], [2, 0x25])
}

/// Where all names of the NTP pool lead.
pub fn time_server(family: Family) -> IpAddr {
    pair(family, [2, 123], [2, 0x123])
}

/// Who issues certificates.
pub fn authority_of_certificates(family: Family) -> IpAddr {
    pair(family, [2, 80], [2, 0x80])
}

/// A client, below 128; each has a /24 and a /56 of its own: what is known of one, good or bad, is
/// known of no other.
pub fn client(number: u8, family: Family) -> IpAddr {
    pair(
        family,
        [128 + number, 5],
        [0x8000 | u16::from(number) << 8, 5],
    )
}

/// A client's name in the DNS.
pub fn client_name(number: u8) -> String {
    format!("c{number}.{OUTSIDE}")
}

/// Makes the devices: a bridge for the taps, everything else reached through it.
///
/// Whole ranges are local, so that a client exists as soon as somebody binds its address.
pub fn setup(taps: &[&str]) -> String {
    let mut script = String::from(
        "for f in all default; do
           echo 0 >/proc/sys/net/ipv6/conf/$f/accept_dad
           echo 0 >/proc/sys/net/ipv6/conf/$f/disable_ipv6
         done
         echo 1 >/proc/sys/net/ipv4/ip_nonlocal_bind
         echo 1 >/proc/sys/net/ipv6/ip_nonlocal_bind
         ip link set lo up
         ip link add br0 type bridge forward_delay 0 mcast_snooping 0
         ip link set br0 up
",
    );
    for family in FAMILIES {
        let (gateway, length) = (gateway(family), prefix(family));
        let nodad = if family == Family::V6 { "nodad" } else { "" };
        script.push_str(&format!(
            "ip address add {gateway}/{length} dev br0 {nodad}\n"
        ));
    }
    for tap in taps {
        script.push_str(&format!(
            "ip tuntap add dev {tap} mode tap\nip link set {tap} master br0 up\n"
        ));
    }
    // the servers, and the clients
    for range in ["198.18.1.0/24", "198.18.2.0/24", "198.18.128.0/17"] {
        script.push_str(&format!("ip route add local {range} dev lo\n"));
    }
    for range in ["2001:2:0:1::/64", "2001:2:0:2::/64", "2001:2:0:8000::/49"] {
        script.push_str(&format!("ip -6 route add local {range} dev lo\n"));
    }
    script
}

/// The prefix length of the appliance's network.
pub fn prefix(family: Family) -> u8 {
    match family {
        Family::V4 => 24,
        Family::V6 => 64,
    }
}

/// The name under which a PTR record stands, with its dot.
pub fn reverse_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(a) => {
            let [a, b, c, d] = a.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
        }
        IpAddr::V6(a) => {
            let nibbles: String = a
                .octets()
                .iter()
                .rev()
                .map(|o| format!("{:x}.{:x}.", o & 15, o >> 4))
                .collect();
            format!("{nibbles}ip6.arpa.")
        }
    }
}

/// A or AAAA.
pub fn record_type(address: IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => "A",
        IpAddr::V6(_) => "AAAA",
    }
}
