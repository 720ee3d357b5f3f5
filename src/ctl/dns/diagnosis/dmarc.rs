//! DMARC records (RFC 7489 section 6.3).

use super::{
    Seeing,
    text::{mangled, squeezed, tag, tags},
};
use crate::{dns::RecordType, mail::records::Record};

const POLICIES: [&str; 3] = ["none", "quarantine", "reject"];

impl Seeing<'_> {
    pub(super) fn dmarc(&mut self, record: &Record) {
        let found = self.observed.texts(&record.owner);
        let Some(wanted) = record.data.joined() else {
            return;
        };
        let valid: Vec<&String> = found.iter().filter(|t| t.starts_with("v=DMARC1")).collect();
        if valid.len() == 1 && *valid[0] == wanted {
            return;
        }
        let id = match &valid[..] {
            [] if found.is_empty() => {
                if self.dmarc_elsewhere(record) {
                    return;
                }
                Some("dmarc-missing")
            }
            [] => Some(mangled(record, &found).unwrap_or_else(|| invalid(&found))),
            [one] => match mangled(record, std::slice::from_ref(*one)) {
                // tags may have spaces round them
                Some("txt-spaces") if tags(one) == tags(&wanted) => None,
                Some(id) => Some(id),
                None => mistake(&wanted, one),
            },
            _ => Some("dmarc-two-records"),
        };
        if let Some(id) = id {
            let there = self.there(record);
            self.about(id, record, there);
        }
    }

    /// Whether the record stands where people put it by mistake.
    fn dmarc_elsewhere(&mut self, record: &Record) -> bool {
        let host = self.facts.hostname.as_str();
        let domain = record.domain.as_deref().unwrap_or(host);
        let own = |name: &&str| self.facts.domains.iter().any(|(d, _)| d.as_str() == *name);
        let mut places = vec![format!("dmarc.{domain}"), domain.to_owned()];
        if Some(host).filter(own).is_none() {
            places.push(format!("_dmarc.{host}"));
        }
        let here = |place: &String| {
            let mut texts = self.observed.texts(place).into_iter();
            texts.any(|text| text.trim_start_matches('"').starts_with("v=DMARC1"))
        };
        let Some(place) = places.into_iter().find(here) else {
            return false;
        };
        let expected = vec![format!("{}.", record.owner)];
        let found = vec![format!("{place}.")];
        self.add(
            "dmarc-wrong-name",
            &record.owner,
            RecordType::TXT,
            found,
            expected,
        );
        true
    }
}

/// What is wrong with records of which none begins as it should.
fn invalid(found: &[String]) -> &'static str {
    let later = |t: &String| squeezed(t).to_ascii_lowercase().contains("v=dmarc1");
    match found.iter().any(later) {
        true => "dmarc-version-not-first",
        false => match found
            .iter()
            .any(|t| t.contains("p=") || t.contains("DMARC"))
        {
            true => "dmarc-syntax",
            false => "dmarc-missing",
        },
    }
}

/// What is wrong with a record that is not the wanted one; nothing, if it only says more.
fn mistake(wanted: &str, found: &str) -> Option<&'static str> {
    let (Some(there), Some(ours)) = (tags(found), tags(wanted)) else {
        return Some("dmarc-syntax");
    };
    if there
        .iter()
        .any(|(name, value)| name != "rua" && name != "ruf" && value.contains('='))
    {
        return Some("dmarc-syntax");
    }
    match tag(&there, "p").map(str::to_ascii_lowercase) {
        Some(policy) if !POLICIES.contains(&policy.as_str()) => return Some("dmarc-no-policy"),
        None => return Some("dmarc-no-policy"),
        Some(policy) if Some(policy.as_str()) != tag(&ours, "p") => {
            return Some("dmarc-other-policy");
        }
        Some(_) => {}
    }
    let reports = tag(&there, "rua").unwrap_or_default();
    (!reports.starts_with("mailto:")).then_some("dmarc-no-reports")
}
