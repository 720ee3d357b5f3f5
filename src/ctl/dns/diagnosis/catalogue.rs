//! Every mistake that is known by name: what is said of it, and what to do.

mod mail;

use super::Severity::{self, Error, Warning};

/// A kind of mistake.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// Its name, which stays the same in all versions.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub text: &'static str,
    /// What to do about it.
    pub fix: &'static str,
}

const fn fault(
    id: &'static str,
    severity: Severity,
    text: &'static str,
    fix: &'static str,
) -> Fault {
    Fault {
        id,
        severity,
        text,
        fix,
    }
}

/// Of zones, their servers, any record, and the server's own.
const GENERAL: &[Fault] = &[
    // zones and servers
    fault(
        "domain-missing",
        Error,
        "The domain does not exist in the DNS.",
        "See whether the name is spelt right, registered and paid for; then publish the records of 'mailctl dns show'.",
    ),
    fault(
        "zone-unknown",
        Error,
        "It could not be found out which zone and name servers the name has: nothing of it was compared.",
        "See whether the name servers that the registrar has are right and run, and try again.",
    ),
    fault(
        "dnssec-bogus",
        Error,
        "The domain's name servers answer, but the resolver refuses the answers: the DNSSEC signatures do not fit. Most others refuse them too.",
        "Compare the DS record at the registrar with the zone's key, or remove the DS record until they fit.",
    ),
    fault(
        "resolver-fails",
        Warning,
        "The domain's name servers answer, but the resolver cannot tell.",
        "Try again later, or with another resolver: --resolver.",
    ),
    fault(
        "server-silent",
        Error,
        "A name server of the zone does not answer.",
        "Start it again, or take it out of the NS records at the registrar and in the zone.",
    ),
    fault(
        "server-address-silent",
        Warning,
        "A name server of the zone answers, but not at each of its addresses.",
        "See whether it listens there and nothing is in the way, or remove that address of its name.",
    ),
    fault(
        "server-lame",
        Error,
        "A name server that the zone is delegated to does not know it.",
        "Set the zone up there, or take the server out of the NS records at the registrar and in the zone.",
    ),
    fault(
        "server-without-address",
        Error,
        "A name server of the zone has no address.",
        "Correct its name in the NS records: a dot may be missing at its end.",
    ),
    fault(
        "delegation-differs",
        Warning,
        "The zone and the one above name different name servers.",
        "Give the registrar the same name servers as the NS records of the zone have.",
    ),
    fault(
        "servers-differ",
        Error,
        "The name servers do not agree: some show something else.",
        "Wait until the change has reached all of them; if it does not, see why the zone is not transferred.",
    ),
    fault(
        "serials-differ",
        Warning,
        "The name servers have different versions of the zone.",
        "Wait a few minutes; if it stays so, see why the zone is not transferred.",
    ),
    fault(
        "resolver-old",
        Warning,
        "The name servers show the right record, but the resolver still has another.",
        "Wait: it is forgotten when its TTL has passed.",
    ),
    fault(
        "ttl-long",
        Warning,
        "The record may be kept for more than a day: a mistake in it, or a move, takes that long to be seen.",
        "Set a TTL of 3600.",
    ),
    // mistakes of any record
    fault(
        "doubled-name",
        Error,
        "The record stands under a name that has the domain twice: the form adds the domain itself.",
        "Enter only the part before the domain as the name.",
    ),
    fault(
        "missing-dot",
        Error,
        "The host that the record names has the zone behind it once more: the dot at its end is missing.",
        "End the name with a dot.",
    ),
    fault(
        "txt-quotes-inside",
        Error,
        "There are quotes in the value itself: the form adds quotes of its own.",
        "Enter the value without quotes.",
    ),
    fault(
        "txt-escaped-semicolon",
        Error,
        "There are backslashes in the value itself, before its semicolons.",
        "Enter the value without backslashes.",
    ),
    fault(
        "txt-spaces",
        Error,
        "The value is right but for spaces: some were lost or added, as happens where a long value is split.",
        "Enter the value once more, all on one line; split it only where 'mailctl dns show' does, with nothing between the parts.",
    ),
    fault(
        "txt-in-several-records",
        Error,
        "The value is spread over several records: its parts belong into one, as strings.",
        "Remove them, and enter one record with the whole value.",
    ),
    // the server
    fault(
        "address-missing",
        Error,
        "The server's name has no such address.",
        "Publish the record.",
    ),
    fault(
        "address-elsewhere",
        Error,
        "The server's name leads to another machine.",
        "Change the record; it may be that of an earlier server.",
    ),
    fault(
        "address-extra",
        Error,
        "The server's name leads to another machine as well: every other connection goes there.",
        "Remove the address that is not this server's.",
    ),
    fault(
        "aaaa-stale",
        Error,
        "The server's name has an IPv6 address, but the server has none: who has IPv6 does not reach it.",
        "Remove the AAAA record, or give the server that address.",
    ),
    fault(
        "host-is-alias",
        Error,
        "The server's name is an alias (CNAME). The host in an MX record must not be one (RFC 2181).",
        "Replace the CNAME record by A and AAAA records.",
    ),
    fault(
        "ptr-missing",
        Error,
        "The address has no name. Many servers take no mail from such an address.",
        "Set the reverse name where you got the address: most providers have a field for it.",
    ),
    fault(
        "ptr-unknown",
        Warning,
        "It is not known whether the address has the right name: neither its name servers nor the resolver tell.",
        "Try again later, or with another resolver: --resolver.",
    ),
    fault(
        "ptr-generic",
        Error,
        "The address has the provider's own name. Many servers take no mail from such an address.",
        "Set the reverse name where you got the address: most providers have a field for it.",
    ),
    fault(
        "ptr-unconfirmed",
        Error,
        "The address has a name that does not lead back to it. Many servers take no mail from such an address.",
        "Set the reverse name where you got the address to the server's name.",
    ),
    fault(
        "ptr-other-name",
        Error,
        "The address has another name than the server.",
        "Set the reverse name where you got the address to the server's name.",
    ),
    fault(
        "ptr-several",
        Warning,
        "The address has several names: others see now this one, now that.",
        "Leave only the server's name.",
    ),
    fault(
        "caa-forbids",
        Error,
        "A CAA record forbids the authority to issue the server's certificate.",
        "Add the CAA record at the server's name.",
    ),
    fault(
        "caa-other-account",
        Error,
        "The CAA record allows another account only.",
        "Correct the account's address in the CAA record.",
    ),
    fault(
        "tlsa-stale",
        Error,
        "No TLSA record fits the certificate: who checks them sends no mail here.",
        "Change the record, or remove it.",
    ),
    fault(
        "tlsa-without-dnssec",
        Warning,
        "There is a TLSA record, but DNSSEC does not sign it: nobody heeds it.",
        "Have the zone signed, or remove the record.",
    ),
];

/// All of them.
pub fn faults() -> impl Iterator<Item = &'static Fault> {
    GENERAL.iter().chain(mail::FAULTS)
}

/// The fault of that name.
pub fn fault_of(id: &str) -> Option<&'static Fault> {
    faults().find(|f| f.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_there_once() {
        let mut ids: Vec<&str> = faults().map(|f| f.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), faults().count());
    }
}
