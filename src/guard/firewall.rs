//! The sets of the firewall that hold the bans.

use std::process::Command;

use anyhow::{Context, Result};
use ipnet::IpNet;

use crate::util::run::Task;

/// Makes the sets what `elements` say, each with the seconds that are left, all at once: nobody who
/// is banned comes through in between.
///
/// # Errors
/// When nft does not take them, such as while there are no rules.
pub(super) fn fill(elements: &[(IpNet, i64)]) -> Result<()> {
    let mut command = Command::new("nft");
    command.args(["-f", "-"]);
    Task::new("filling the firewall's sets", command)
        .input(script(elements))
        .run()
        .context("the bans are not in the firewall")
}

fn script(elements: &[(IpNet, i64)]) -> String {
    let mut text = String::new();
    for (set, v4) in [("banned4", true), ("banned6", false)] {
        text.push_str(&format!("flush set inet ezmail {set}\n"));
        let of_set = elements
            .iter()
            .filter(|(net, _)| matches!(net, IpNet::V4(_)) == v4);
        let of_set: Vec<String> = of_set
            .map(|(net, left)| format!("{net} timeout {left}s"))
            .collect();
        // in parts: a line of nft's has its limit
        for part in of_set.chunks(500) {
            let part = part.join(", ");
            text.push_str(&format!("add element inet ezmail {set} {{ {part} }}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_has_its_set() {
        let net = |text: &str| text.parse().unwrap();
        let elements = [
            (net("192.0.2.0/24"), 90),
            (net("2001:db8::/64"), 20),
            (net("198.51.100.1/32"), 1),
        ];
        insta::assert_snapshot!(script(&elements), @r"
        flush set inet ezmail banned4
        add element inet ezmail banned4 { 192.0.2.0/24 timeout 90s, 198.51.100.1/32 timeout 1s }
        flush set inet ezmail banned6
        add element inet ezmail banned6 { 2001:db8::/64 timeout 20s }
        ");
        insta::assert_snapshot!(script(&[]), @r"
        flush set inet ezmail banned4
        flush set inet ezmail banned6
        ");
    }
}
