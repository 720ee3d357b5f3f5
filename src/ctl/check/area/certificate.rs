//! The certificate: for which names, until when, with which chain and key.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use crate::{
    ctl::{
        cert,
        check::{
            Context,
            finding::{Area, Finding},
        },
        words::date,
    },
    mail::{
        address::DomainName,
        certificate::{Origin, names},
        chain::{Chain, Key},
    },
};

const AREA: Area = Area::Certificate;
const DAY: i64 = 86_400;

/// What there is, and what it is for.
struct Found<'a> {
    certificate: &'a str,
    key: &'a str,
    origin: Origin,
    hostname: &'a DomainName,
    names: BTreeSet<String>,
    now: i64,
    /// How the authority that is to issue the next one has answered last; none where the answers want
    /// no authority.
    asked: Option<Asked>,
}

/// The last answer of the authority.
struct Asked {
    /// When, and why it was no certificate, if it was none.
    failed: Option<(i64, String)>,
}

pub(super) fn check(cx: &Context) -> Result<Vec<Finding>> {
    let (target, paths) = (&cx.server.target, &cx.server.paths);
    let answers = match &cx.answers {
        Ok(answers) => answers,
        Err(error) => bail!("{error}"),
    };
    let text = |path| -> Result<String> {
        let bytes = target.read(path)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let certificate = text(&paths.tls_cert)?;
    let domains: Vec<DomainName> = answers.domains.iter().map(|d| d.name.clone()).collect();
    let report = cert::report(&cx.server)?;
    let asked = report.directory.is_some().then(|| Asked {
        failed: report.last.and_then(|last| Some((last.at, last.error?))),
    });
    Ok(judge(&Found {
        asked,
        origin: Origin::read(&text(&paths.tls_mark)?, certificate.as_bytes()),
        certificate: &certificate,
        key: &text(&paths.tls_key)?,
        hostname: &answers.hostname,
        names: names(&answers.hostname, &domains),
        now: cx.now,
    }))
}

fn judge(found: &Found<'_>) -> Vec<Finding> {
    let chain = match Chain::parse(found.certificate) {
        Ok(chain) => chain,
        Err(error) => {
            return vec![Finding::error(
                AREA,
                "chain",
                format!("The certificate cannot be read: {error}."),
                "Call 'ezmail-agent apply --kept': it makes one if there is none.",
            )];
        }
    };
    let made = matches!(found.origin, Origin::Made(_));
    let mut findings = vec![
        judge_names(found, &chain),
        judge_chain(found, made),
        judge_dates(found, &chain),
        judge_key(found, &chain),
    ];
    findings.extend(found.asked.as_ref().map(judge_asked));
    findings
}

fn judge_asked(asked: &Asked) -> Finding {
    match &asked.failed {
        None => Finding::ok(AREA, "authority", "The authority is asked when it is due."),
        Some((at, why)) => Finding::warning(
            AREA,
            "authority",
            format!("The authority was asked on {}, in vain: {why}.", date(*at)),
            "See 'mailctl cert status'; 'mailctl cert issue' asks it now.",
        ),
    }
}

fn judge_names(found: &Found<'_>, chain: &Chain) -> Finding {
    let covers = |name: &str| name.parse().is_ok_and(|name| chain.covers(&name));
    if !chain.covers(found.hostname) {
        return Finding::error(
            AREA,
            "names",
            format!(
                "It is for {}, not for {}: mail programs refuse it.",
                chain.names.join(", "),
                found.hostname
            ),
            "Get one for the server's name, or correct 'hostname' in the answers.",
        );
    }
    let missing: Vec<&str> = found.names.iter().map(String::as_str).collect();
    let missing: Vec<&str> = missing.into_iter().filter(|name| !covers(name)).collect();
    match missing.is_empty() {
        true => Finding::ok(
            AREA,
            "names",
            format!("It is for {}.", chain.names.join(", ")),
        ),
        // only a comfort: every client is told the server's own name
        false => Finding::ok(
            AREA,
            "names",
            format!(
                "It is for {}; mail programs must not be set to {}.",
                chain.names.join(", "),
                missing.join(", ")
            ),
        ),
    }
}

fn judge_chain(found: &Found<'_>, made: bool) -> Finding {
    if made {
        return Finding::warning(
            AREA,
            "chain",
            "It is self-signed: mail programs ask whether to trust it.",
            match found.asked {
                Some(_) => {
                    "An authority is asked for one as soon as the server's name leads here: see \
                     'mailctl cert status'."
                }
                None => "Give one in the answers: [tls].",
            },
        );
    }
    match found
        .certificate
        .matches("-----BEGIN CERTIFICATE-----")
        .count()
    {
        1 => Finding::warning(
            AREA,
            "chain",
            "It stands alone, without that of its issuer: many programs do not trust it.",
            "Put the authority's intermediate certificate behind it ('fullchain').",
        ),
        n => Finding::ok(AREA, "chain", format!("It is the first of a chain of {n}.")),
    }
}

fn judge_dates(found: &Found<'_>, chain: &Chain) -> Finding {
    let now = found.now;
    let renew = match found.asked {
        Some(_) => "See 'mailctl cert status' for why there is no new one yet.",
        None => "Give a new one in the answers: [tls].",
    };
    let end = date(chain.not_after);
    if now < chain.not_before {
        let reason = format!("It is not valid before {}.", date(chain.not_before));
        return Finding::error(AREA, "expiry", reason, "Is the clock right?");
    }
    match (chain.not_after - now).div_euclid(DAY) {
        ..0 => Finding::error(AREA, "expiry", format!("It has expired on {end}."), renew),
        0..7 => Finding::error(AREA, "expiry", format!("It expires on {end}."), renew),
        7..21 => Finding::warning(AREA, "expiry", format!("It expires on {end}."), renew),
        _ => Finding::ok(AREA, "expiry", format!("It is valid until {end}.")),
    }
}

fn judge_key(found: &Found<'_>, chain: &Chain) -> Finding {
    let reason = match Key::parse(found.key) {
        Ok(key) if chain.fits(&key) => return Finding::ok(AREA, "key", "The key is its own."),
        Ok(_) => "The key is another certificate's.".to_owned(),
        Err(error) => format!("The key cannot be used: {error}."),
    };
    Finding::error(AREA, "key", reason, "Give both in the answers: [tls].")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::check::finding::State;

    const CHAIN: &str = include_str!("../../../../tests/vectors/tls/p256.pem");
    const KEY: &str = include_str!("../../../../tests/vectors/tls/p256-pkcs8.key");
    const OTHER: &str = include_str!("../../../../tests/vectors/tls/p384-pkcs8.key");

    fn states(certificate: &str, key: &str, host: &str, now: i64) -> Vec<State> {
        let hostname: DomainName = host.parse().unwrap();
        let found = Found {
            certificate,
            key,
            origin: Origin::Elsewhere,
            hostname: &hostname,
            names: names(&hostname, &[]),
            now,
            asked: None,
        };
        judge(&found).into_iter().map(|f| f.state).collect()
    }

    #[test]
    fn each_fault_has_its_finding() {
        use State::{Error, Ok, Warning};
        let chain = Chain::parse(CHAIN).unwrap();
        let host = "mx1.example.net";
        let (begin, end) = (chain.not_before, chain.not_after);
        assert_eq!(states(CHAIN, KEY, host, begin), [Ok, Ok, Ok, Ok]);
        assert_eq!(
            states(CHAIN, KEY, "a.example.net", begin),
            [Error, Ok, Ok, Ok]
        );
        assert_eq!(states(CHAIN, OTHER, host, begin), [Ok, Ok, Ok, Error]);
        assert_eq!(states(CHAIN, "", host, begin), [Ok, Ok, Ok, Error]);
        let date = |now| states(CHAIN, KEY, host, now)[2];
        assert_eq!(date(begin - 1), Error);
        assert_eq!(date(end - 20 * DAY), Warning);
        assert_eq!(date(end - 2 * DAY), Error);
        assert_eq!(date(end + 1), Error);
        let end_of_first = CHAIN.find("-----END CERTIFICATE-----\n").unwrap() + 26;
        assert_eq!(states(&CHAIN[..end_of_first], KEY, host, begin)[1], Warning);
        assert_eq!(states("", KEY, host, begin), [Error]);
    }

    #[test]
    fn a_self_signed_one_is_named_as_such() {
        let hostname: DomainName = "mail.example.org".parse().unwrap();
        let names = names(&hostname, &["example.org".parse().unwrap()]);
        let made = crate::mail::certificate::self_signed(&hostname, &names, None).unwrap();
        let found = Found {
            certificate: &made.certificate,
            key: made.key.expose(),
            origin: Origin::Made(names.clone()),
            hostname: &hostname,
            names,
            now: 1_800_000_000,
            asked: Some(Asked {
                failed: Some((1_799_990_000, "the authority cannot be reached".to_owned())),
            }),
        };
        let reasons: Vec<String> = judge(&found).into_iter().map(|f| f.reason).collect();
        insta::assert_snapshot!(reasons.join("\n"), @r"
        It is for mail.example.org.
        It is self-signed: mail programs ask whether to trust it.
        It is valid until 2049-12-31.
        The key is its own.
        The authority was asked on 2027-01-15, in vain: the authority cannot be reached.
        ");
    }
}
