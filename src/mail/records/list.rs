//! The list of records.

use std::net::IpAddr;

use super::{Facts, Need, Purpose, Record, TTL};
use crate::{
    answers::model::Dmarc,
    dns::{Data, reverse_name},
    mail::{address::DomainName, database::keys::Stage},
};

/// Services that mail programs look for (RFC 6186, RFC 8314, RFC 5804), with their port; those
/// with none are not offered.
const SERVICES: [(&str, Option<u16>); 7] = [
    ("_imaps", Some(993)),
    ("_submissions", Some(465)),
    ("_submission", Some(587)),
    ("_sieve", Some(4190)),
    ("_imap", None),
    ("_pop3", None),
    ("_pop3s", None),
];

/// Every record that the server should have: its own, and then each domain's. Those whose content
/// is not known (addresses that come from the network) are not among them.
pub fn records(facts: &Facts) -> Vec<Record> {
    let mut list = List {
        host: facts.hostname.as_str(),
        domain: None,
        records: Vec::new(),
    };
    list.server(facts);
    for (domain, policy) in &facts.domains {
        list.domain = Some(domain.to_string());
        list.mail(facts, domain, *policy);
        list.programs(facts, domain);
    }
    list.records
}

struct List<'a> {
    host: &'a str,
    domain: Option<String>,
    records: Vec<Record>,
}

impl List<'_> {
    fn add(&mut self, owner: &str, data: Data, purpose: Purpose, need: Need, why: &str) {
        self.records.push(Record {
            owner: owner.to_owned(),
            ttl: TTL,
            data,
            why: why.to_owned(),
            need,
            purpose,
            domain: self.domain.clone(),
        });
    }

    fn server(&mut self, facts: &Facts) {
        let host = self.host;
        for address in facts.public() {
            let data = match address {
                IpAddr::V4(a) => Data::A(a),
                IpAddr::V6(a) => Data::Aaaa(a),
            };
            let why = "Where the server is.";
            self.add(host, data, Purpose::Address, Need::Required, why);
        }
        for address in facts.public() {
            self.add(
                &reverse_name(address),
                Data::Ptr(host.to_owned()),
                Purpose::Reverse,
                Need::Required,
                &format!("The name of {address}: whoever gave you the address sets it."),
            );
        }
        // receivers look up the name that HELO gives (RFC 7208 section 2.3)
        self.add(
            host,
            Data::text("v=spf1 a -all"),
            Purpose::Spf,
            Need::Recommended,
            "The server itself sends under its name.",
        );
        if let Some(issuer) = &facts.issuer {
            let value = match &facts.account {
                Some(account) => format!("{issuer}; accounturi={account}"),
                None => issuer.clone(),
            };
            let data = Data::Caa {
                flags: 0,
                tag: "issue".to_owned(),
                value,
            };
            let why = "Nobody else issues certificates for this name.";
            self.add(host, data, Purpose::Caa, Need::Optional, why);
        }
        if let Some(key) = facts.certificate.as_ref().and_then(|h| hex::decode(h).ok()) {
            let data = Data::Tlsa {
                usage: 3,
                selector: 1,
                matching: 1,
                data: key,
            };
            let why = "The certificate's key. Publish it only where DNSSEC signs this name: \
                       nobody trusts it otherwise.";
            let owner = format!("_25._tcp.{host}");
            self.add(&owner, data, Purpose::Tlsa, Need::Optional, why);
        }
    }

    fn mail(&mut self, facts: &Facts, domain: &DomainName, policy: Dmarc) {
        let mx = Data::Mx {
            preference: 10,
            exchange: self.host.to_owned(),
        };
        let name = domain.as_str();
        let why = "Who takes the domain's mail.";
        self.add(name, mx, Purpose::Mx, Need::Required, why);
        // a record for the same name was listed already
        if domain != &facts.hostname {
            let (spf, why) = match &facts.smarthost {
                None => ("v=spf1 mx -all", "Who sends the domain's mail.".to_owned()),
                Some(relay) => (
                    "v=spf1 mx ~all",
                    format!(
                        "Mail leaves through {relay}: its operator says what SPF has to include, \
                         here between mx and ~all."
                    ),
                ),
            };
            self.add(name, Data::text(spf), Purpose::Spf, Need::Required, &why);
        }
        self.add(
            &format!("_dmarc.{domain}"),
            Data::text(&format!(
                "v=DMARC1; p={policy}; rua=mailto:postmaster@{domain}"
            )),
            Purpose::Dmarc,
            Need::Required,
            "What others do with mail that only claims to be from the domain.",
        );
        for key in facts.keys.iter().filter(|k| &k.domain == domain) {
            let (need, why) = match key.stage {
                Stage::Next => (
                    Need::Recommended,
                    "The key that signs next: not yet in use.",
                ),
                Stage::Active => (Need::Required, "A key that signs the domain's mail."),
                Stage::Old => (
                    Need::Recommended,
                    "A key that has signed: mail under way still needs it.",
                ),
            };
            self.add(
                &format!("{}._domainkey.{domain}", key.selector),
                Data::text(&key.info.record()),
                Purpose::Dkim {
                    selector: key.selector.clone(),
                    stage: key.stage,
                },
                need,
                why,
            );
        }
        self.add(
            &format!("_smtp._tls.{domain}"),
            Data::text(&format!("v=TLSRPTv1; rua=mailto:postmaster@{domain}")),
            Purpose::TlsRpt,
            Need::Optional,
            "Where others report that TLS to this server failed.",
        );
        if let Some(id) = facts.offers.policy(domain.as_str()) {
            let text = Data::text(&format!("v=STSv1; id={id}"));
            let why = "Others shall send only over TLS with a valid certificate.";
            let owner = format!("_mta-sts.{domain}");
            self.add(&owner, text, Purpose::MtaSts, Need::Recommended, why);
            let alias = Data::Cname(self.host.to_owned());
            let owner = format!("mta-sts.{domain}");
            let why = "Where they find that policy.";
            self.add(&owner, alias, Purpose::MtaSts, Need::Recommended, why);
        }
    }

    fn programs(&mut self, facts: &Facts, domain: &DomainName) {
        if facts.offers.autoconfig.contains(domain) {
            for name in ["autoconfig", "autodiscover"] {
                let alias = Data::Cname(self.host.to_owned());
                let owner = format!("{name}.{domain}");
                let why = "Where mail programs look for their settings.";
                self.add(&owner, alias, Purpose::Autoconfig, Need::Recommended, why);
            }
        }
        for (service, port) in SERVICES {
            let (data, why) = match port {
                Some(port) => (
                    Data::Srv {
                        priority: 0,
                        weight: 1,
                        port,
                        target: self.host.to_owned(),
                    },
                    "Mail programs find the service by it.",
                ),
                None => (
                    Data::Srv {
                        priority: 0,
                        weight: 0,
                        port: 0,
                        target: ".".to_owned(),
                    },
                    "This is not offered.",
                ),
            };
            let owner = format!("{service}._tcp.{domain}");
            self.add(&owner, data, Purpose::Srv, Need::Optional, why);
        }
    }
}
