//! A report as a message (RFC 8460 section 5.3).

use std::io::Write;

use anyhow::Result;
use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use jiff::{civil::Date, tz::TimeZone};

use super::{Report, Submitter};

/// The address that reports of a server of `domain` come from. smtpd sends what comes from it
/// whatever becomes of TLS (section 3), and the postmaster gets what comes back.
pub fn sender(domain: &str) -> String {
    format!("postmaster+tls-reports@{domain}")
}

/// The report, compressed as both ways of sending want it (section 5).
///
/// # Errors
/// None that is known: memory takes it.
pub fn gzip(report: &Report) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&serde_json::to_vec(report)?)?;
    Ok(encoder.finish()?)
}

/// The name of the file (section 5.1): who reports, by the domain of the contact, about whom, and the
/// first and the last second of the day.
///
/// # Errors
/// When the day is beyond all calendars.
pub fn name(from: &Submitter, domain: &str, day: Date) -> Result<String> {
    let contact = from.contact.rsplit('@').next().unwrap_or_default();
    let start = day.to_zoned(TimeZone::UTC)?.timestamp().as_second();
    Ok(format!(
        "{contact}!{domain}!{start}!{}!1.json.gz",
        start + 86_399
    ))
}

/// The message to `to` with the report about `domain`, its lines ended by LF. smtpd adds Date and
/// Message-ID.
///
/// # Errors
/// As [`gzip`].
pub fn message(
    from: (&Submitter, &str),
    to: &str,
    domain: &str,
    day: Date,
    report: &Report,
) -> Result<String> {
    let (submitter, sender) = from;
    let hostname = &submitter.hostname;
    let boundary = "_report_about_tls_";
    let numbers = report.numbers();
    let encoded = STANDARD.encode(gzip(report)?);
    let lines: Vec<&str> = (0..encoded.len())
        .step_by(76)
        .map(|at| &encoded[at..encoded.len().min(at + 76)])
        .collect();
    Ok(format!(
        "From: \"{hostname}\" <{sender}>\n\
         To: {to}\n\
         Subject: Report Domain: {domain}\n Submitter: {hostname}\n Report-ID: <{id}>\n\
         TLS-Report-Domain: {domain}\n\
         TLS-Report-Submitter: {hostname}\n\
         Auto-Submitted: auto-generated\n\
         MIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=\"tlsrpt\";\n boundary=\"{boundary}\"\n\n\
         --{boundary}\n\
         Content-Type: text/plain; charset=utf-8\n\n\
         {hostname} sent mail to {domain} on {day} (UTC).\n\
         Connections with TLS as it should be: {good}. Without: {failed}.\n\
         The report attached says more (RFC 8460).\n\n\
         --{boundary}\n\
         Content-Type: application/tlsrpt+gzip\n\
         Content-Transfer-Encoding: base64\n\
         Content-Disposition: attachment;\n filename=\"{file}\"\n\n\
         {encoded}\n\
         --{boundary}--\n",
        id = report.report_id,
        good = numbers.good,
        failed = numbers.failed,
        file = name(submitter, domain, day)?,
        encoded = lines.join("\n"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::tls_report::{Seen, report};
    use std::io::Read;

    #[test]
    fn a_message_with_a_report() {
        let from = Submitter {
            hostname: "mail.example.org".into(),
            contact: "postmaster@example.org".into(),
        };
        let seen = Seen {
            domain: "example.com".into(),
            policy: "none".into(),
            mx: "mx.example.com".into(),
            address: None,
            result: "success".into(),
            reason: None,
        };
        let day = jiff::civil::date(2026, 11, 28);
        let report = report(&from, day, "example.com", None, &[seen], &[]);
        let sender = "postmaster+tls-reports@example.org";
        let text = message(
            (&from, sender),
            "tls@example.com",
            "example.com",
            day,
            &report,
        )
        .unwrap();
        let (head, rest) = text.split_once("filename=").unwrap();
        insta::assert_snapshot!(head);
        let body = rest.split("\n\n").nth(1).unwrap();
        let encoded: String = body.lines().take_while(|l| !l.starts_with("--")).collect();
        let bytes = STANDARD.decode(encoded).unwrap();
        let mut json = String::new();
        flate2::read::GzDecoder::new(&bytes[..])
            .read_to_string(&mut json)
            .unwrap();
        assert_eq!(json, serde_json::to_string(&report).unwrap());
        assert!(
            rest.starts_with("\"example.org!example.com!1795824000!1795910399!1.json.gz\""),
            "{rest}"
        );
    }
}
