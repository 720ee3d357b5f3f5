//! `[network]`: where the server's addresses come from.

use std::{net::IpAddr, ops::Range};

use ipnet::IpNet;

use super::Context;
use crate::answers::{
    model::{Network, NetworkMode},
    node::{Node, Text},
    rules::Rule,
};

/// Reads `[network]`.
pub(super) fn check(root: &Node<'_>, cx: &mut Context<'_>) -> Network {
    let Some(node) = root.table("network") else {
        return Network::default();
    };
    let address = addresses(&node, cx);
    let mode = match node.text("mode").map(|m| m.text) {
        Some("auto") => NetworkMode::Auto,
        Some("static") => NetworkMode::Static,
        _ if node.has("address") => NetworkMode::Static,
        _ => NetworkMode::Auto,
    };
    let mut network = Network {
        mode,
        interface: node.text("interface").and_then(|v| interface(&v, cx)),
        mac: node.text("mac").and_then(|v| mac(&v, cx)),
        address,
        gateway: Vec::new(),
    };
    let nothing = !node.has("address") || node.array_is_empty("address");
    if mode == NetworkMode::Static && nothing {
        let span = match node.text("mode") {
            Some(mode) => mode.span,
            None => node.key_span("address"),
        };
        let help = "add `address = [\"192.0.2.10/24\"]`, or write `mode = \"auto\"`";
        let message = "static, but without an address, the server cannot be reached";
        cx.report
            .add(Rule::NetworkMode, node.path_of("mode"), span, message, help);
    }
    gateways(&node, &mut network, cx);
    if mode == NetworkMode::Static && !nothing && !node.has("gateway") {
        cx.report.add(
            Rule::NoGateway,
            node.path_of("gateway"),
            node.span.clone(),
            "there is no `gateway`: the server cannot reach the Internet",
            "add `gateway = [\"192.0.2.1\"]`",
        );
    }
    network
}

fn addresses(node: &Node<'_>, cx: &mut Context<'_>) -> Vec<IpNet> {
    let mut addresses: Vec<IpNet> = Vec::new();
    for value in node.texts("address") {
        let help = "write an address and its prefix length, such as `192.0.2.10/24` or \
                    `2001:db8::10/64`";
        let problem = match value.text.parse::<IpNet>() {
            Err(_) if value.text.parse::<IpAddr>().is_ok() => "the prefix length is missing",
            Err(_) => "this is not an IP address with prefix length",
            Ok(net) if addresses.iter().any(|a| a.addr() == net.addr()) => {
                "this address is there already"
            }
            Ok(net) => match unusable(&net) {
                Some(problem) => problem,
                None => {
                    addresses.push(net);
                    continue;
                }
            },
        };
        let message = format!("`{}`: {problem}", value.text);
        cx.about(Rule::NetworkAddress, &value, message, help);
    }
    addresses
}

/// Why no machine can have the address.
fn unusable(net: &IpNet) -> Option<&'static str> {
    let ip = net.addr();
    if ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || net.prefix_len() == 0 {
        return Some("no server can have this address");
    }
    match net {
        IpNet::V4(v4) if v4.prefix_len() < 31 && v4.addr() == v4.network() => {
            Some("this is the address of the network, not of a machine in it")
        }
        IpNet::V4(v4) if v4.prefix_len() < 31 && v4.addr() == v4.broadcast() => {
            Some("this is the broadcast address of the network")
        }
        // RFC 4291 section 2.6.1: the subnet-router anycast address
        IpNet::V6(v6) if v6.prefix_len() < 127 && v6.addr() == v6.network() => {
            Some("this is the address of the network, not of a machine in it")
        }
        _ => None,
    }
}

fn gateways(node: &Node<'_>, network: &mut Network, cx: &mut Context<'_>) {
    // addresses that were refused may be those that a gateway belongs to
    let complete = network.address.len() == node.texts("address").len();
    let mut seen: Vec<(IpAddr, Range<usize>)> = Vec::new();
    for value in node.texts("gateway") {
        let ip = match value.text.parse::<IpAddr>() {
            Ok(ip) if !(ip.is_unspecified() || ip.is_loopback() || ip.is_multicast()) => ip,
            _ => {
                let message = format!("`{}` is not the address of a router", value.text);
                let help = "write an address such as `192.0.2.1` or `fe80::1`, without prefix";
                cx.about(Rule::Gateway, &value, message, help);
                continue;
            }
        };
        if let Some((_, first)) = seen.iter().find(|(s, _)| s.is_ipv4() == ip.is_ipv4()) {
            let line = cx.report.line_of(first.start);
            let version = if ip.is_ipv4() { 4 } else { 6 };
            let message = format!("there is a gateway for IPv{version} already, in line {line}");
            cx.about(
                Rule::Gateway,
                &value,
                message,
                "keep one for each IP version",
            );
            continue;
        }
        seen.push((ip, value.span.clone()));
        if complete {
            reachable(ip, &value, network, cx);
        }
        network.gateway.push(ip);
    }
}

fn reachable(ip: IpAddr, value: &Text<'_>, network: &Network, cx: &mut Context<'_>) {
    if network.address.iter().any(|net| net.addr() == ip) {
        let message = format!("`{ip}` is the server's own address");
        cx.about(
            Rule::Gateway,
            value,
            message,
            "write the address of the router",
        );
        return;
    }
    let same = |net: &&IpNet| net.addr().is_ipv4() == ip.is_ipv4();
    let single = |net: IpNet| net.prefix_len() == net.max_prefix_len();
    let mut family = network.address.iter().filter(same).peekable();
    let on_link = family.peek().is_some() && family.all(|net| single(*net));
    if !network.reaches(ip) && !on_link {
        let message = format!("the gateway `{ip}` is in the network of none of the addresses");
        let help = "correct the gateway, or the prefix length of the address; an address of \
                    `/32` (`/128` for IPv6) takes any gateway";
        cx.about(Rule::Gateway, value, message, help);
    }
}

/// What the kernel takes (`dev_valid_name`): at most 15 bytes, no blank, `/` or `:`.
fn interface(value: &Text<'_>, cx: &mut Context<'_>) -> Option<String> {
    let name = value.text;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !(1..=15).contains(&name.len()) || name.starts_with('.') || !name.chars().all(plain) {
        let message = format!("`{name}` is not the name of an interface");
        let help = "write a name as `ip link` shows it, such as `enp1s0`, or use `mac`";
        cx.about(Rule::Interface, value, message, help);
        return None;
    }
    Some(name.to_owned())
}

fn mac(value: &Text<'_>, cx: &mut Context<'_>) -> Option<String> {
    let mac = value.text.to_ascii_lowercase().replace('-', ":");
    let octets: Vec<_> = mac.split(':').collect();
    let octet = |o: &&str| o.len() == 2 && o.bytes().all(|b| b.is_ascii_hexdigit());
    let first = octets.first().and_then(|o| u8::from_str_radix(o, 16).ok());
    let group = first.is_none_or(|o| o & 1 == 1);
    if octets.len() != 6 || !octets.iter().all(octet) || group || mac == "00:00:00:00:00:00" {
        let message = format!(
            "`{}` is not the hardware address of an interface",
            value.text
        );
        let help = "write six pairs of hexadecimal digits, such as `52:54:00:12:34:56`";
        cx.about(Rule::Mac, value, message, help);
        return None;
    }
    Some(mac)
}
