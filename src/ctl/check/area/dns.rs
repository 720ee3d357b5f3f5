//! The records in the DNS: `mailctl dns check` in short.

use anyhow::Result;

use crate::{
    ctl::{
        check::{
            Context,
            finding::{Area, Finding},
        },
        dns::{
            check,
            diagnosis::{self, Severity},
        },
    },
    dns::RESOLVER,
};

const AREA: Area = Area::Dns;

pub(super) fn check(cx: &Context) -> Result<Vec<Finding>> {
    let report = check::report(&cx.server, RESOLVER)?;
    if report.findings.is_empty() {
        let text = format!("All {} records are as they should be.", report.records);
        return Ok(vec![Finding::ok(AREA, "", text)]);
    }
    Ok(report.findings.iter().map(judge).collect())
}

/// The name of the fault with the name and type of the record say which finding it is.
fn judge(found: &diagnosis::Finding) -> Finding {
    let id = format!("{}.{}.{}", found.id, found.name, found.kind);
    let reason = format!("{} {}: {}", found.name, found.kind, found.text);
    let todo = format!("{} 'mailctl dns check' shows the values.", found.fix);
    match found.severity {
        Severity::Error => Finding::error(AREA, &id, reason, todo),
        Severity::Warning => Finding::warning(AREA, &id, reason, todo),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::{check::finding::State, dns::diagnosis::catalogue::fault_of};

    #[test]
    fn a_fault_names_record_and_remedy() {
        let fault = fault_of("dkim-truncated").unwrap();
        let found = judge(&diagnosis::Finding {
            id: fault.id,
            severity: fault.severity,
            name: "r._domainkey.example.org".into(),
            kind: "TXT".into(),
            found: Vec::new(),
            expected: Vec::new(),
            text: fault.text.into(),
            fix: fault.fix.into(),
        });
        assert_eq!(found.id, "dns.dkim-truncated.r._domainkey.example.org.TXT");
        assert_eq!(found.state, State::Error);
        assert!(found.reason.starts_with("r._domainkey.example.org TXT: "));
    }
}
