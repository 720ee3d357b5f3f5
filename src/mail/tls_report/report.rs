//! The report: what is said of a day, for one domain (RFC 8460 section 4.4).

use std::{collections::BTreeMap, net::IpAddr};

use jiff::civil::Date;
use serde::Serialize;

use super::Seen;

/// Who reports.
#[derive(Debug, Clone)]
pub struct Submitter {
    /// The name of this server.
    pub hostname: String,
    /// Where somebody reads what is written to it.
    pub contact: String,
}

/// A report as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    organization_name: String,
    date_range: Range,
    contact_info: String,
    /// Different for every report.
    pub report_id: String,
    policies: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Range {
    start_datetime: String,
    end_datetime: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Part {
    policy: Applied,
    summary: Summary,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failure_details: Vec<Detail>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Applied {
    policy_type: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    policy_string: Vec<String>,
    policy_domain: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mx_host: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Summary {
    total_successful_session_count: u64,
    total_failure_session_count: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Detail {
    result_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    receiving_mx_hostname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receiving_ip: Option<String>,
    failed_session_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason_code: Option<String>,
}

/// A policy that could not be fetched, or was none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// A result type of RFC 8460 section 4.3.
    pub result: String,
    /// What was wrong.
    pub reason: String,
    /// How often.
    pub count: u64,
}

/// How many connections of a report had TLS as they should, and how many not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Numbers {
    /// With it.
    pub good: u64,
    /// Without it.
    pub failed: u64,
}

impl Report {
    /// The sums over its policies.
    pub fn numbers(&self) -> Numbers {
        let mut all = Numbers::default();
        for part in &self.policies {
            all.good += part.summary.total_successful_session_count;
            all.failed += part.summary.total_failure_session_count;
        }
        all
    }
}

/// The report to `domain` about one day, which is one of UTC. `policy` is the text of its policy, if
/// it has one; what could not be fetched of it is `failures`.
pub fn report(
    from: &Submitter,
    day: Date,
    domain: &str,
    policy: Option<&str>,
    seen: &[Seen],
    failures: &[Failure],
) -> Report {
    let (sts, none): (Vec<&Seen>, Vec<&Seen>) = seen.iter().partition(|s| s.policy != "none");
    let mut policies = Vec::new();
    if !sts.is_empty() || !failures.is_empty() {
        let lines: Vec<String> = policy
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect();
        let mx = lines.iter().filter_map(|l| l.strip_prefix("mx:"));
        let mx_host = mx.map(|m| m.trim().to_owned()).collect();
        let applied = Applied {
            policy_type: "sts",
            policy_string: lines,
            policy_domain: domain.to_owned(),
            mx_host,
        };
        policies.push(part(applied, &sts, failures));
    }
    if !none.is_empty() {
        let applied = Applied {
            policy_type: "no-policy-found",
            policy_string: Vec::new(),
            policy_domain: domain.to_owned(),
            mx_host: Vec::new(),
        };
        policies.push(part(applied, &none, &[]));
    }
    Report {
        organization_name: from.hostname.clone(),
        date_range: Range {
            start_datetime: format!("{day}T00:00:00Z"),
            end_datetime: format!("{day}T23:59:59Z"),
        },
        contact_info: from.contact.clone(),
        report_id: format!("{day}_{domain}@{}", from.hostname),
        policies,
    }
}

/// Failures that are counted together.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    result: String,
    mx: Option<String>,
    address: Option<String>,
    reason: Option<String>,
}

fn part(policy: Applied, seen: &[&Seen], failures: &[Failure]) -> Part {
    let mut summary = Summary::default();
    let mut counted: BTreeMap<Kind, u64> = BTreeMap::new();
    for one in seen {
        if one.result == "success" {
            summary.total_successful_session_count += 1;
            continue;
        }
        summary.total_failure_session_count += 1;
        let kind = Kind {
            result: one.result.clone(),
            mx: Some(one.mx.clone()),
            // the schema has an address there, and nothing else
            address: one.address.clone().filter(|a| a.parse::<IpAddr>().is_ok()),
            reason: one.reason.clone(),
        };
        *counted.entry(kind).or_default() += 1;
    }
    for failure in failures {
        summary.total_failure_session_count += failure.count;
        let kind = Kind {
            result: failure.result.clone(),
            mx: None,
            address: None,
            reason: Some(failure.reason.clone()),
        };
        *counted.entry(kind).or_default() += failure.count;
    }
    let detail = |(kind, count): (Kind, u64)| Detail {
        result_type: kind.result,
        receiving_mx_hostname: kind.mx,
        receiving_ip: kind.address,
        failed_session_count: count,
        failure_reason_code: kind.reason,
    };
    Part {
        policy,
        summary,
        failure_details: counted.into_iter().map(detail).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(policy: &str, mx: &str, result: &str, reason: Option<&str>) -> Seen {
        Seen {
            domain: "example.com".into(),
            policy: policy.into(),
            mx: mx.into(),
            address: Some("192.0.2.25".into()),
            result: result.into(),
            reason: reason.map(Into::into),
        }
    }

    #[test]
    fn a_day_of_a_domain() {
        let from = Submitter {
            hostname: "mail.example.org".into(),
            contact: "postmaster@example.org".into(),
        };
        let expired = || {
            seen(
                "testing",
                "mx2.example.com",
                "certificate-expired",
                Some("it has"),
            )
        };
        let all = [
            seen("testing", "mx.example.com", "success", None),
            expired(),
            expired(),
            seen("none", "mx.example.com", "success", None),
            seen("none", "mx.example.com", "starttls-not-supported", None),
        ];
        let failures = [Failure {
            result: "sts-webpki-invalid".into(),
            reason: "its certificate is not trusted".into(),
            count: 3,
        }];
        let policy = "version: STSv1\r\nmode: testing\r\nmx: *.example.com\r\nmax_age: 86400\r\n";
        let day = jiff::civil::date(2026, 11, 28);
        let report = report(&from, day, "example.com", Some(policy), &all, &failures);
        insta::assert_snapshot!(serde_json::to_string_pretty(&report).unwrap());
        assert_eq!(report.numbers(), Numbers { good: 2, failed: 6 });
    }
}
