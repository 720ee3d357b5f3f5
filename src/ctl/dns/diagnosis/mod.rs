//! What is wrong with what the DNS shows: a pure function of what should be and what was seen.

pub mod catalogue;
mod dkim;
mod dmarc;
mod host;
mod mx;
pub mod spf;
#[cfg(test)]
mod tests;
mod text;
mod zones;

use std::{collections::BTreeSet, fmt};

use serde::Serialize;

use super::seen::{Observed, holds};
use crate::{
    dns::{Data, RecordType, Status},
    mail::records::{Facts, Need, Purpose, Record},
};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Mail is lost, refused or taken for spam.
    Error,
    /// It works, but not as it should.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which mistake it is, one of [`catalogue::faults`].
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The record's name, the zone or the name server.
    pub name: String,
    /// The record's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// What is there, as in a zone file.
    pub found: Vec<String>,
    /// What should be.
    pub expected: Vec<String>,
    /// What is wrong.
    pub text: String,
    /// What to do.
    pub fix: String,
}

/// Compares everything; the worst comes first.
pub fn diagnose(facts: &Facts, records: &[Record], observed: &Observed) -> Vec<Finding> {
    let mut seeing = Seeing {
        facts,
        records,
        observed,
        findings: Vec::new(),
    };
    seeing.zones();
    let missing = seeing.missing_domains();
    for set in sets(records) {
        let gone = |d: &String| missing.contains(d);
        // of reverse names the resolver tells, if nobody else does
        let dark = set[0].purpose != Purpose::Reverse && seeing.is_dark(&set[0].owner);
        if set[0].domain.as_ref().is_some_and(gone) || dark {
            continue;
        }
        seeing.agreement(&set);
        seeing.set(&set);
    }
    seeing.host();
    for (domain, _) in &facts.domains {
        if !missing.contains(domain.as_str()) && !seeing.is_dark(domain.as_str()) {
            seeing.strays(domain.as_str());
        }
    }
    let mut findings = seeing.findings;
    findings.sort_by_key(|f| f.severity);
    let mut told = BTreeSet::new();
    findings.retain(|f| told.insert((f.id, f.name.clone(), f.kind.clone())));
    findings
}

/// The names of those records about which nothing was compared, since no server of their zone says
/// anything. A domain that does not exist is known, and [`diagnose`] names it.
pub fn unseen(facts: &Facts, records: &[Record], observed: &Observed) -> BTreeSet<String> {
    let seeing = Seeing {
        facts,
        records,
        observed,
        findings: Vec::new(),
    };
    let compared = records.iter().filter(|r| r.purpose != Purpose::Reverse);
    let dark = compared.filter(|r| seeing.is_dark(&r.owner));
    dark.map(|r| r.owner.clone()).collect()
}

/// The records by name and type, in the order of the list.
fn sets(records: &[Record]) -> Vec<Vec<&Record>> {
    let mut sets: Vec<Vec<&Record>> = Vec::new();
    for record in records {
        let same = |set: &&mut Vec<&Record>| {
            set[0].owner == record.owner && set[0].data.kind() == record.data.kind()
        };
        match sets.iter_mut().find(same) {
            Some(set) => set.push(record),
            None => sets.push(vec![record]),
        }
    }
    sets
}

/// All that is known, and what was found so far.
struct Seeing<'a> {
    facts: &'a Facts,
    records: &'a [Record],
    observed: &'a Observed,
    findings: Vec<Finding>,
}

impl Seeing<'_> {
    /// Adds a finding about a name.
    fn add(
        &mut self,
        id: &'static str,
        name: &str,
        kind: RecordType,
        found: Vec<String>,
        expected: Vec<String>,
    ) {
        // a test sees to it that every name is in the catalogue
        let Some(fault) = catalogue::fault_of(id) else {
            return;
        };
        self.findings.push(Finding {
            id,
            severity: fault.severity,
            name: name.to_owned(),
            kind: kind.to_string(),
            found,
            expected,
            text: fault.text.to_owned(),
            fix: fault.fix.to_owned(),
        });
    }

    /// Adds a finding about a record that should be.
    fn about(&mut self, id: &'static str, record: &Record, found: Vec<String>) {
        let expected = vec![record.data.to_string()];
        self.add(id, &record.owner, record.data.kind(), found, expected);
    }

    /// What is there under the name of a record, as in a zone file.
    fn there(&self, record: &Record) -> Vec<String> {
        let all = self.observed.data(&record.owner, record.data.kind());
        all.into_iter().map(Data::to_string).collect()
    }

    /// Compares what there is with the records of one name and type.
    fn set(&mut self, set: &[&Record]) {
        let record = set[0];
        let found = self.observed.data(&record.owner, record.data.kind());
        if found.is_empty() && self.doubled(record) {
            return;
        }
        match &record.purpose {
            Purpose::Address => self.addresses(set),
            Purpose::Reverse => self.reverse(record),
            Purpose::Mx => self.mx(record),
            Purpose::Spf => self.spf(record),
            Purpose::Dkim { stage, .. } => self.dkim(record, *stage),
            Purpose::Dmarc => self.dmarc(record),
            Purpose::Caa => self.caa(record),
            Purpose::Tlsa => self.tlsa(record),
            Purpose::Srv => self.other(record, "srv-differs"),
            Purpose::TlsRpt => self.other(record, "tlsrpt-differs"),
            // one of its two is a name
            Purpose::MtaSts if record.data.kind() == RecordType::TXT => {
                self.other(record, "mta-sts-differs");
            }
            Purpose::MtaSts | Purpose::Autoconfig => self.other(record, "record-differs"),
        }
    }

    /// Whether the record stands under its name with the zone behind it once more.
    fn doubled(&mut self, record: &Record) -> bool {
        let Some(zone) = self.observed.zone_of(&record.owner) else {
            return false;
        };
        let twice = format!("{}.{}", record.owner, zone.apex);
        let found = self.observed.data(&twice, record.data.kind());
        let ours = match record.data.joined() {
            // the beginning says what it is: v=spf1, v=DKIM1, v=DMARC1
            Some(text) => {
                let head = text.split([';', ' ']).next().unwrap_or_default().to_owned();
                let mut texts = found.iter().filter_map(|d| d.joined());
                texts.any(|t| t.trim_start_matches('"').starts_with(&head))
            }
            None => found.contains(&&record.data),
        };
        if ours {
            let found = found.iter().map(|d| format!("{twice}. {d}")).collect();
            let expected = vec![format!("{}. {}", record.owner, record.data)];
            self.add(
                "doubled-name",
                &record.owner,
                record.data.kind(),
                found,
                expected,
            );
        }
        ours
    }

    /// A record that is simply there or not.
    fn other(&mut self, record: &Record, differs: &'static str) {
        let found = self.observed.data(&record.owner, record.data.kind());
        if found.is_empty() {
            if record.need != Need::Optional {
                self.about("record-missing", record, Vec::new());
            }
            return;
        }
        let found: Vec<&Data> = match record.purpose {
            // the name may have other TXT records
            Purpose::TlsRpt | Purpose::MtaSts => {
                let text = record.data.joined().unwrap_or_default();
                let head = text.split(';').next().unwrap_or_default().to_owned();
                let ours = |d: &&Data| d.joined().is_some_and(|t| t.starts_with(&head));
                match found.iter().copied().filter(ours).collect::<Vec<_>>() {
                    ours if ours.is_empty() => found,
                    ours => ours,
                }
            }
            _ => found,
        };
        let same = |d: &&Data| match (d.joined(), record.data.joined()) {
            (Some(a), Some(b)) => a == b,
            _ => **d == record.data,
        };
        if !(found.len() == 1 && same(&found[0])) {
            let found = found.iter().map(|d| d.to_string()).collect();
            self.about(differs, record, found);
        }
    }

    /// Domains of which the DNS knows nothing at all.
    fn missing_domains(&mut self) -> BTreeSet<String> {
        let mut missing = BTreeSet::new();
        for (domain, _) in &self.facts.domains {
            let name = domain.as_str();
            let Some(seen) = self.observed.at(name, RecordType::MX) else {
                continue;
            };
            let all = || {
                seen.good()
                    .map(|(_, a)| a)
                    .chain(seen.resolver.iter().flatten())
            };
            let gone = all().next().is_some() && all().all(|a| a.status == Status::NxDomain);
            if gone {
                self.add(
                    "domain-missing",
                    name,
                    RecordType::MX,
                    Vec::new(),
                    Vec::new(),
                );
                missing.insert(name.to_owned());
            }
        }
        missing
    }

    /// Whether no server of the name's zone says anything that could be compared.
    fn is_dark(&self, name: &str) -> bool {
        let mut unknown = self.observed.unknown.keys();
        if unknown.any(|base| holds(base, name)) {
            return true;
        }
        let Some(zone) = self.observed.zone_of(name) else {
            return true;
        };
        let soa = self.observed.at(&zone.apex, RecordType::SOA);
        soa.is_some_and(|seen| seen.good().next().is_none())
    }

    /// Records that should not be there.
    fn strays(&mut self, domain: &str) {
        let name = format!("_mta-sts.{domain}");
        let sts = |text: &String| text.starts_with("v=STSv1");
        let found: Vec<String> = self.observed.texts(&name).into_iter().filter(sts).collect();
        if !found.is_empty() && self.facts.offers.policy(domain).is_none() {
            self.add(
                "mta-sts-without-policy",
                &name,
                RecordType::TXT,
                found,
                Vec::new(),
            );
        }
        let nobody = format!("{}._domainkey.{domain}", super::observe::NOBODY);
        let key = |text: &String| {
            let tags = text::tags(text).unwrap_or_default();
            text.starts_with("v=DKIM1") || text::tag(&tags, "p").is_some()
        };
        // a wildcard at the domain may answer for everything, with what is no key
        let mut found = self.observed.texts(&nobody);
        found.retain(key);
        if !found.is_empty() {
            let name = format!("*._domainkey.{domain}");
            self.add("dkim-wildcard", &name, RecordType::TXT, found, Vec::new());
        }
    }
}
