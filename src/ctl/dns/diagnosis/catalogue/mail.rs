//! Mistakes in the records of mail domains.

use super::{
    Fault,
    Severity::{Error, Warning},
    fault,
};

/// All of them.
pub(super) const FAULTS: &[Fault] = &[
    // who takes the mail
    fault(
        "cname-at-domain",
        Error,
        "The domain is an alias (CNAME): no other record can stand beside it, so its MX and TXT records are another's.",
        "Replace the CNAME record by A and AAAA records; some providers call that ALIAS.",
    ),
    fault(
        "mx-missing",
        Error,
        "The domain has no MX record.",
        "Publish the record.",
    ),
    fault(
        "mx-null",
        Error,
        "The MX record says that the domain takes no mail (RFC 7505).",
        "Replace it by the right one.",
    ),
    fault(
        "mx-is-address",
        Error,
        "The MX record has an IP address in place of a name.",
        "Put the server's name in it.",
    ),
    fault(
        "mx-is-alias",
        Error,
        "The MX record leads to an alias (CNAME), which is forbidden (RFC 2181).",
        "Put the server's own name in it.",
    ),
    fault(
        "mx-other-name",
        Warning,
        "The MX record has another name of this server: its certificate may not have that name.",
        "Put the server's own name in it.",
    ),
    fault(
        "mx-wrong-host",
        Error,
        "The domain's mail goes to another server.",
        "Put the server's name in the MX record.",
    ),
    fault(
        "mx-foreign",
        Error,
        "Part of the domain's mail goes to another server, which may not know it.",
        "Remove the MX records of others.",
    ),
    fault(
        "mx-preference",
        Warning,
        "The MX record has another priority.",
        "Change it, or leave it: alone, the priority makes no difference.",
    ),
    // who sends it
    fault(
        "spf-missing",
        Error,
        "There is no SPF record: others cannot tell this server from a forger.",
        "Publish the record.",
    ),
    fault(
        "spf-two-records",
        Error,
        "There are several SPF records: all are void then (RFC 7208).",
        "Make one of them, with what each of them allows.",
    ),
    fault(
        "spf-split",
        Error,
        "The SPF record is spread over several records.",
        "Remove them, and enter one record with the whole value.",
    ),
    fault(
        "spf-lacks-server",
        Error,
        "The SPF record does not allow this server.",
        "Add 'mx' behind 'v=spf1'; for the server's own name add 'a'.",
    ),
    fault(
        "spf-allows-all",
        Error,
        "The SPF record allows everybody to send as this domain.",
        "End it with '-all'.",
    ),
    fault(
        "spf-neutral",
        Warning,
        "The SPF record ends with '?all', which says nothing.",
        "End it with '-all'.",
    ),
    fault(
        "spf-no-end",
        Warning,
        "The SPF record does not say what of all the others: it has no 'all'.",
        "End it with '-all'.",
    ),
    fault(
        "spf-after-all",
        Error,
        "What stands behind 'all' in the SPF record is ignored.",
        "Put 'all' at the end.",
    ),
    fault(
        "spf-too-many-lookups",
        Error,
        "The SPF record needs more than 10 look-ups: it is void then (RFC 7208).",
        "Remove what is not used, or put addresses in place of 'include', 'a' and 'mx'.",
    ),
    fault(
        "spf-syntax",
        Error,
        "There is a word in the SPF record that is none: it is void then.",
        "Correct the word.",
    ),
    // DKIM
    fault(
        "dkim-missing",
        Error,
        "The key that signs has no record: no signature can be verified.",
        "Publish the record.",
    ),
    fault(
        "dkim-not-yet",
        Warning,
        "The key that signs next, or did before, has no record.",
        "Publish the record: the next key signs only when all name servers show it.",
    ),
    fault(
        "dkim-wrong-name",
        Error,
        "The key's record stands under a wrong name.",
        "The name is SELECTOR._domainkey before the domain, with both dots.",
    ),
    fault(
        "dkim-two-records",
        Error,
        "There are several records of a key under one name: verifiers take any of them, or none.",
        "Leave only the right one.",
    ),
    fault(
        "dkim-truncated",
        Error,
        "The key is cut off: the form takes no more characters, or the rest was not copied.",
        "Enter the whole value; where a form takes 255 characters only, as several strings of one record.",
    ),
    fault(
        "dkim-revoked",
        Error,
        "The record says that the key is revoked: its 'p=' is empty.",
        "Publish the record with the key.",
    ),
    fault(
        "dkim-other-selector",
        Error,
        "The record has the key of another selector or domain.",
        "Publish each key under its own name.",
    ),
    fault(
        "dkim-old-key",
        Error,
        "The record still has an earlier key.",
        "Replace it by the right one.",
    ),
    fault(
        "dkim-wrong-key",
        Error,
        "The record has a key that this server does not have: that of an earlier server, perhaps.",
        "Replace it by the right one.",
    ),
    fault(
        "dkim-testing",
        Warning,
        "The record says that the key is only tested ('t=y'): some ignore the signature.",
        "Remove 't=y'.",
    ),
    fault(
        "dkim-hash",
        Error,
        "The record's 'h=' forbids SHA-256, which this server signs with.",
        "Remove 'h='.",
    ),
    fault(
        "dkim-algorithm",
        Error,
        "The record says another algorithm ('k=') than the key has.",
        "Publish the record as it is shown.",
    ),
    fault(
        "dkim-syntax",
        Error,
        "The record is no DKIM record: it has to begin with 'v=DKIM1;', its parts are divided by semicolons.",
        "Publish the record as it is shown.",
    ),
    fault(
        "dkim-differs",
        Error,
        "The record's 's=' says that the key is not for mail.",
        "Remove 's='.",
    ),
    fault(
        "dkim-wildcard",
        Warning,
        "Every name below '_domainkey' has a record: a wildcard answers for keys that do not exist.",
        "Remove the wildcard record ('*').",
    ),
    // DMARC
    fault(
        "dmarc-missing",
        Error,
        "There is no DMARC record: large providers want one.",
        "Publish the record.",
    ),
    fault(
        "dmarc-wrong-name",
        Error,
        "The DMARC record stands under a wrong name.",
        "The name is _dmarc before the domain.",
    ),
    fault(
        "dmarc-two-records",
        Error,
        "There are several DMARC records: all are void then (RFC 7489).",
        "Leave only one.",
    ),
    fault(
        "dmarc-version-not-first",
        Error,
        "The DMARC record does not begin with 'v=DMARC1': it is void then.",
        "Put 'v=DMARC1;' first.",
    ),
    fault(
        "dmarc-syntax",
        Error,
        "The DMARC record is not made right: NAME=VALUE, divided by semicolons.",
        "Publish the record as it is shown.",
    ),
    fault(
        "dmarc-no-policy",
        Error,
        "The DMARC record has no policy ('p=') that exists: none, quarantine or reject.",
        "Publish the record as it is shown.",
    ),
    fault(
        "dmarc-other-policy",
        Warning,
        "The DMARC record has another policy than the answers of this server.",
        "Change the record, or 'dmarc' of the domain in the answers.",
    ),
    fault(
        "dmarc-no-reports",
        Warning,
        "The DMARC record names nobody who gets reports ('rua=mailto:…').",
        "Add it, to see who sends in your name.",
    ),
    // the rest
    fault(
        "mta-sts-without-policy",
        Error,
        "There is an MTA-STS record, but this server has no policy: others may hold back mail.",
        "Remove the record.",
    ),
    fault(
        "mta-sts-differs",
        Warning,
        "The MTA-STS record is not that of this server's policy: others keep an older one, or none.",
        "Publish the record as it is shown.",
    ),
    fault(
        "tlsrpt-differs",
        Warning,
        "The record for reports about TLS is another one, or not made right.",
        "Publish the record as it is shown, or leave it if somebody else reads the reports.",
    ),
    fault(
        "srv-differs",
        Warning,
        "The record sends mail programs elsewhere, or to a service that is not offered.",
        "Publish the record as it is shown.",
    ),
    fault(
        "record-missing",
        Warning,
        "The record is not there.",
        "Publish the record.",
    ),
    fault(
        "record-differs",
        Warning,
        "The record is another one.",
        "Publish the record as it is shown.",
    ),
];
