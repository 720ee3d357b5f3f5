//! The addresses under which the world may reach this machine.

use std::{net::IpAddr, process::Command};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::util::run::Task;

/// An interface in the output of `ip -json address show`; those that the filter leaves out are
/// empty.
#[derive(Debug, Deserialize)]
struct Interface {
    #[serde(default)]
    addr_info: Vec<Info>,
}

/// One address of it.
#[derive(Debug, Deserialize)]
struct Info {
    local: Option<IpAddr>,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    temporary: bool,
    #[serde(default)]
    deprecated: bool,
    #[serde(default)]
    tentative: bool,
}

/// The global addresses of the interfaces that are up, IPv4 first.
///
/// # Errors
/// When ip(8) cannot be run or says something else.
pub fn global() -> Result<Vec<IpAddr>> {
    let mut command = Command::new("ip");
    command.args(["-json", "address", "show", "scope", "global", "up"]);
    parse(&Task::new("asking for this machine's addresses", command).output()?)
}

/// Those that `ip -json address show` tells about, without the ones that come and go by
/// themselves.
fn parse(json: &str) -> Result<Vec<IpAddr>> {
    let interfaces: Vec<Interface> =
        serde_json::from_str(json).context("reading what 'ip -json address show' says")?;
    let mut addresses: Vec<IpAddr> = interfaces
        .into_iter()
        .flat_map(|i| i.addr_info)
        .filter(|a| a.scope == "global" && !a.temporary && !a.deprecated && !a.tentative)
        .filter_map(|a| a.local)
        .collect();
    addresses.sort_by_key(IpAddr::is_ipv6);
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lasting_global_addresses_are_found() {
        let json = r#"[{},{"ifname":"ens3","flags":["UP"],"addr_info":[
            {"family":"inet6","local":"2001:db8::5","prefixlen":64,"scope":"global","dynamic":true},
            {"family":"inet6","local":"2001:db8::77","scope":"global","temporary":true},
            {"family":"inet6","local":"2001:db8::9","scope":"global","tentative":true},
            {"family":"inet6","local":"fe80::5","scope":"link"},
            {"family":"inet","local":"203.0.113.5","prefixlen":24,"scope":"global"}]}]"#;
        let shown: Vec<String> = parse(json).unwrap().iter().map(IpAddr::to_string).collect();
        assert_eq!(shown, ["203.0.113.5", "2001:db8::5"]);
        assert!(parse("[]").unwrap().is_empty());
        assert!(parse("").is_err());
    }
}
