//! What the server reaches the world by.

use super::FILE;
use crate::answers::schema::{Key, Kind};

const PORT: Kind = Kind::Integer { min: 1, max: 65535 };

pub const NETWORK: &[Key] = &[
    Key::new("smarthost", Kind::Table, "a relay for outgoing mail")
        .default("mail goes to the recipient's server directly")
        .doc(
            "A server that takes all outgoing mail, for networks that block port 25. The \
             connection is always encrypted and the certificate verified.",
        ),
    Key::new("smarthost.host", Kind::String, "a domain name")
        .required()
        .example("\"smtp.example.net\"")
        .doc("Its name, which its certificate has to carry."),
    Key::new("smarthost.port", PORT, "a port")
        .default("465 for `implicit`, 587 for `starttls`")
        .example("587")
        .doc("The TCP port."),
    Key::new("smarthost.tls", Kind::Choice(&["starttls", "implicit"]), "a word")
        .default("`\"implicit\"` on port 465, else `\"starttls\"`")
        .example("\"starttls\"")
        .doc("How TLS begins: at once (`implicit`) or by command (`starttls`, required)."),
    Key::new("smarthost.username", Kind::String, "a user name")
        .default("no login")
        .example("\"relay-user\"")
        .doc("The name to log in with."),
    Key::new("smarthost.password", Kind::String, "a password")
        .secret()
        .example("\"…\"")
        .doc("The password that goes with `username`. Either this or `password_file`."),
    Key::new("smarthost.password_file", Kind::String, "a file name")
        .pattern(FILE)
        .example("\"smarthost.password\"")
        .doc("The name of a file beside the answers that holds the password in its first line."),
    Key::new("dns", Kind::Table, "name resolution")
        .doc("The server resolves and validates (DNSSEC) itself; this changes how."),
    Key::new("dns.forwarders", Kind::Strings, "IP addresses")
        .default("none: the server asks the authoritative servers")
        .example("[\"192.0.2.53\", \"2001:db8::53\"]")
        .doc(
            "Resolvers to ask instead, where the network allows no others. Block lists refuse \
             queries that come through public resolvers.",
        ),
    Key::new("dns.trust_anchors", Kind::Strings, "DS or DNSKEY records")
        .default("the Internet's root keys")
        .example("[\". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\"]")
        .doc(
            "Keys to validate with instead of the Internet's, for a private root or a test. DS \
             with SHA-256 or SHA-384; DNSKEY of a key-signing key.",
        ),
    Key::new("network", Kind::Table, "the network interface")
        .default("DHCP and router advertisements on every interface")
        .doc("Needed only where the network does not configure its machines itself."),
    Key::new("network.mode", Kind::Choice(&["auto", "static"]), "a word")
        .default("`\"static\"` if there is an `address`, else `\"auto\"`")
        .example("\"static\"")
        .doc(
            "`auto`: DHCP and router advertisements, and what is listed here in addition. \
             `static`: what is listed here and nothing else.",
        ),
    Key::new("network.interface", Kind::String, "an interface name")
        .default("the first wired interface")
        .example("\"enp1s0\"")
        .doc("The interface by name. Either this or `mac`."),
    Key::new("network.mac", Kind::String, "a hardware address")
        .example("\"52:54:00:12:34:56\"")
        .doc("The interface by its hardware address."),
    Key::new("network.address", Kind::Strings, "IP addresses with prefix length")
        .default("none")
        .example("[\"192.0.2.10/24\", \"2001:db8::10/64\"]")
        .doc("The server's addresses, IPv4 and IPv6."),
    Key::new("network.gateway", Kind::Strings, "IP addresses")
        .default("none")
        .example("[\"192.0.2.1\", \"fe80::1\"]")
        .doc(
            "The routers, at most one for IPv4 and one for IPv6. Each lies in the network of an \
             `address`, or is link-local (`fe80::…`), or the `address` is a single one (`/32`, \
             `/128`): then the router is taken to be on the link.",
        ),
];
