//! `/etc/hostname`, `/etc/hosts`, and the kernel's name.

use std::net::IpAddr;

use super::Input;
use crate::{
    agent::change::{Change, File},
    answers::Answers,
};

pub(super) fn plan(input: &Input<'_>) -> Vec<Change> {
    let name = input.answers.hostname.as_str();
    vec![
        Change::File(File::open("/etc/hostname", format!("{name}\n"))),
        Change::File(File::open("/etc/hosts", hosts(input.answers))),
        Change::Hostname(name.to_owned()),
    ]
}

/// The server knows its own name without asking anybody.
fn hosts(answers: &Answers) -> String {
    let name = answers.hostname.as_str();
    let short = name.split('.').next().unwrap_or(name);
    let mut text = "127.0.0.1 localhost\n::1 localhost\n".to_owned();
    let addresses: Vec<IpAddr> = answers.network.address.iter().map(|a| a.addr()).collect();
    if addresses.is_empty() {
        // hostname(1) of Debian and others take this for an address that may change
        text += &format!("127.0.1.1 {name} {short}\n");
    }
    for address in addresses {
        text += &format!("{address} {name} {short}\n");
    }
    text
}
