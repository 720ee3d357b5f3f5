//! The DNS records to publish: kept in a file and shown.

use std::net::IpAddr;

use super::Input;
use crate::{
    agent::change::{Change, File},
    mail::records::{PublishedKey, Zone},
};

pub(super) fn plan(input: &Input<'_>, keys: &[PublishedKey]) -> (String, Vec<Change>) {
    let answers = input.answers;
    let addresses: Vec<IpAddr> = answers.network.address.iter().map(|a| a.addr()).collect();
    let text = Zone {
        hostname: &answers.hostname,
        domains: answers.domains.iter().map(|d| (&d.name, d.dmarc)).collect(),
        addresses: &addresses,
        keys,
        smarthost: answers.smarthost.as_ref().map(|s| &s.host),
    }
    .text();
    let path = input.paths.records.clone();
    (text.clone(), vec![Change::File(File::open(path, text))])
}
