//! systemd-networkd's files for the fetch: what it is told, what it tells, and `resolv.conf`.

/// systemd.network(5): every Ethernet port, and nothing that software made.
pub(super) fn automatic(servers: &[String]) -> String {
    let mut text = "# Written by ezmail-agent, for as long as it fetches the answers.\n\
                    [Match]\nType=ether\nKind=!*\n\n\
                    [Network]\nDHCP=yes\nIPv6AcceptRA=yes\nLLMNR=no\nMulticastDNS=no\n"
        .to_owned();
    for server in servers {
        text += &format!("DNS={server}\n");
    }
    // a name that the provider gives is not the server's
    text + "\n[DHCPv4]\nUseHostname=no\n\n[DHCPv6]\nUseHostname=no\n"
}

/// resolv.conf(5); the C library asks three servers at most.
pub(super) fn resolv_conf(servers: &[String]) -> String {
    let mut text = "# Written by ezmail-agent, for as long as it fetches the answers.\n".to_owned();
    for server in servers.iter().take(3) {
        text += &format!("nameserver {server}\n");
    }
    text
}

/// What its file about all interfaces together says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// `off`, `no-carrier`, `carrier`, `degraded`, `routable`, ... (networkctl(1)).
    operational: String,
    /// Addresses, as `resolv.conf` takes them.
    pub(super) servers: Vec<String>,
}

impl State {
    /// Lines of `KEY=value`; servers may have an interface, a port and a name, as
    /// `address%interface:port#name`. Those with a port are not for `resolv.conf`.
    pub(super) fn parse(text: &str) -> Self {
        let value = |key: &str| {
            let mut lines = text.lines().filter_map(|l| l.split_once('='));
            lines.find(|(k, _)| *k == key).map_or("", |(_, v)| v)
        };
        let address = |server: &str| {
            let server = server.split('#').next().unwrap_or_default();
            let bare = server.split('%').next().unwrap_or_default();
            bare.parse::<std::net::IpAddr>().ok()?;
            Some(server.to_owned())
        };
        Self {
            operational: value("OPER_STATE").to_owned(),
            servers: value("DNS")
                .split_whitespace()
                .filter_map(address)
                .collect(),
        }
    }

    /// What has still to come before `domain`, or an address, can be reached.
    pub(super) fn missing(&self, domain: Option<&str>) -> Option<String> {
        if self.operational != "routable" {
            return Some(match self.operational.as_str() {
                "" | "missing" | "off" | "no-carrier" => {
                    "no network interface has a link".to_owned()
                }
                state => format!("no network interface has an address yet ({state})"),
            });
        }
        match domain {
            Some(domain) if self.servers.is_empty() => {
                Some(format!("no name server is known yet, to resolve {domain}"))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As systemd-networkd 257 writes it.
    const ROUTABLE: &str = "\
# This is private data. Do not parse.
OPER_STATE=routable
CARRIER_STATE=carrier
ADDRESS_STATE=routable
IPV4_ADDRESS_STATE=routable
IPV6_ADDRESS_STATE=degraded
ONLINE_STATE=online
DNS=198.18.0.1 2001:db8::53#dns.example.org 192.0.2.1:5353 fe80::1%ens3
";

    #[test]
    fn networkd_tells_what_is_missing() {
        let state = State::parse(ROUTABLE);
        assert_eq!(
            state.servers,
            ["198.18.0.1", "2001:db8::53", "fe80::1%ens3"]
        );
        assert_eq!(state.missing(Some("example.org")), None);
        let missing = |text: &str, domain| State::parse(text).missing(domain).unwrap_or_default();
        let texts = [
            missing("", None),
            missing("OPER_STATE=no-carrier\nDNS=192.0.2.1\n", None),
            missing("OPER_STATE=degraded\n", None),
            missing("OPER_STATE=routable\n", None),
            missing("OPER_STATE=routable\n", Some("example.org")),
        ];
        insta::assert_snapshot!(texts.join("\n"), @r"
        no network interface has a link
        no network interface has a link
        no network interface has an address yet (degraded)

        no name server is known yet, to resolve example.org
        ");
    }

    #[test]
    fn the_files_of_the_fetch() {
        let servers = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "192.0.2.4"].map(str::to_owned);
        let both = automatic(&servers[..1]) + "\n" + &resolv_conf(&servers);
        insta::assert_snapshot!(both, @r"
        # Written by ezmail-agent, for as long as it fetches the answers.
        [Match]
        Type=ether
        Kind=!*

        [Network]
        DHCP=yes
        IPv6AcceptRA=yes
        LLMNR=no
        MulticastDNS=no
        DNS=192.0.2.1

        [DHCPv4]
        UseHostname=no

        [DHCPv6]
        UseHostname=no

        # Written by ezmail-agent, for as long as it fetches the answers.
        nameserver 192.0.2.1
        nameserver 192.0.2.2
        nameserver 2001:db8::1
        ");
    }
}
