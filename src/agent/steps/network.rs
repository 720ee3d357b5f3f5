//! systemd-networkd's file for the interface, and `/etc/resolv.conf`.

use super::Input;
use crate::{
    agent::change::{Change, File},
    answers::model::{Network, NetworkMode},
};

const FILE: &str = "/etc/systemd/network/10-ezmail.network";

/// kresd answers every lookup of this machine and validates it: `trust-ad` lets programs see that.
const RESOLV_CONF: &str = "# Written by ezmail-agent: the validating resolver of this machine.
nameserver 127.0.0.1
nameserver ::1
options edns0 trust-ad
";

pub(super) fn plan(input: &Input<'_>) -> Vec<Change> {
    let network = File::open(FILE, file(&input.answers.network, None));
    vec![
        Change::File(network.restarts(&["systemd-networkd.service"])),
        Change::File(File::open("/etc/resolv.conf", RESOLV_CONF)),
    ]
}

/// systemd.network(5). With `servers`, it is for the time before this machine's own resolver runs:
/// names are asked for there, or at the servers that the network tells.
pub(crate) fn file(network: &Network, servers: Option<&[String]>) -> String {
    let mut text =
        "# Written by ezmail-agent from the answers: changes are lost.\n[Match]\n".to_owned();
    match (&network.interface, &network.mac) {
        (Some(name), _) => text += &format!("Name={name}\n"),
        (None, Some(mac)) => text += &format!("PermanentMACAddress={mac}\n"),
        // every Ethernet port, and nothing that software made
        (None, None) => text += "Type=ether\nKind=!*\n",
    }
    let auto = network.mode == NetworkMode::Auto;
    let on = if auto { "yes" } else { "no" };
    text += &format!("\n[Network]\nDHCP={on}\nIPv6AcceptRA={on}\nLLMNR=no\nMulticastDNS=no\n");
    for address in &network.address {
        text += &format!("Address={address}\n");
    }
    for server in servers.unwrap_or_default() {
        text += &format!("DNS={server}\n");
    }
    if auto {
        // the machine asks its own resolver; a name that the provider gives is not the server's
        let dns = if servers.is_none() { "UseDNS=no\n" } else { "" };
        for section in ["DHCPv4", "DHCPv6"] {
            text += &format!("\n[{section}]\n{dns}UseHostname=no\n");
        }
        if servers.is_none() {
            text += "\n[IPv6AcceptRA]\nUseDNS=no\n";
        }
    }
    for gateway in &network.gateway {
        text += &format!("\n[Route]\nGateway={gateway}\n");
        if !network.reaches(*gateway) {
            text += "GatewayOnLink=yes\n";
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_outside_the_network_is_on_the_link() {
        let network = Network {
            mode: NetworkMode::Static,
            interface: Some("ens3".into()),
            mac: None,
            address: vec!["203.0.113.10/32".parse().unwrap()],
            gateway: vec!["172.31.1.1".parse().unwrap(), "fe80::1".parse().unwrap()],
        };
        let text = file(&network, None);
        insta::assert_snapshot!(text, @r"
        # Written by ezmail-agent from the answers: changes are lost.
        [Match]
        Name=ens3

        [Network]
        DHCP=no
        IPv6AcceptRA=no
        LLMNR=no
        MulticastDNS=no
        Address=203.0.113.10/32

        [Route]
        Gateway=172.31.1.1
        GatewayOnLink=yes

        [Route]
        Gateway=fe80::1
        ");
    }

    #[test]
    fn before_its_own_resolver_runs_it_asks_others() {
        let text = file(&Network::default(), Some(&["192.0.2.53".to_owned()]));
        insta::assert_snapshot!(text, @r"
        # Written by ezmail-agent from the answers: changes are lost.
        [Match]
        Type=ether
        Kind=!*

        [Network]
        DHCP=yes
        IPv6AcceptRA=yes
        LLMNR=no
        MulticastDNS=no
        DNS=192.0.2.53

        [DHCPv4]
        UseHostname=no

        [DHCPv6]
        UseHostname=no
        ");
    }
}
