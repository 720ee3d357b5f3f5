//! What the web server shows beside the pages of the templates: the profile for Apple's devices,
//! signed, and the policy for TLS.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, anyhow};
use pem_rfc7468::LineEnding;
use x509_parser::pem::{Pem, parse_x509_pem};
use zeroize::Zeroizing;

use super::{Input, tls::Pair};
use crate::{
    agent::change::{Change, File},
    mail::{mobileconfig, mta_sts},
    util::{files, run::Task},
};

/// How a certificate ends.
const END: &str = "-----END CERTIFICATE-----\n";

/// The folder that nginx serves.
const FOLDER: &str = "/srv/ezmail";

pub(super) fn plan(input: &Input<'_>, pair: &Pair) -> Result<Vec<Change>> {
    let hostname = &input.answers.hostname;
    let folder = Path::new(FOLDER);
    let policy = mta_sts::policy(hostname);
    let policy = File::open(folder.join(".well-known/mta-sts.txt"), policy);
    let mut changes = vec![Change::File(policy)];
    // whether a certificate from elsewhere is one is for the daemons' checkers to say
    if parse_x509_pem(pair.certificate.as_bytes()).is_ok() {
        let path = folder.join("ezmail.mobileconfig");
        let profile = mobileconfig::profile(hostname);
        let present = input.target.read(&path)?;
        let signed = match present.filter(|signed| is_of(signed, &profile, &pair.certificate)) {
            Some(signed) => signed,
            None => sign(&profile, pair)?,
        };
        changes.push(Change::File(File::open(path, signed)));
    }
    Ok(changes)
}

/// Whether it is `profile`, signed with that certificate: a signature is another one each time, and
/// what is as it should be is left alone.
fn is_of(signed: &[u8], profile: &str, certificate: &str) -> bool {
    let has = |part: &[u8]| signed.windows(part.len()).any(|window| window == part);
    let leaf = parse_x509_pem(certificate.as_bytes());
    leaf.is_ok_and(|(_, pem)| has(&pem.contents)) && has(profile.as_bytes())
}

/// A CMS message (RFC 5652), DER, with all certificates of the chain.
fn sign(profile: &str, pair: &Pair) -> Result<Vec<u8>> {
    let folder = tempfile::tempdir().context("creating a folder to sign in")?;
    let mut chain = String::new();
    for block in Pem::iter_from_buffer(pair.certificate.as_bytes()) {
        // however its lines ended
        let der = block.context("reading the certificate")?.contents;
        let pem = pem_rfc7468::encode_string("CERTIFICATE", LineEnding::LF, &der);
        chain += &pem.map_err(|e| anyhow!("writing the certificate: {e}"))?;
    }
    let end = chain.find(END).map_or(chain.len(), |at| at + END.len());
    let (leaf, others) = chain.split_at(end);
    // for root alone, and in memory on the server
    let signer = folder.path().join("signer.pem");
    let text = Zeroizing::new(format!("{}\n{leaf}\n", pair.key.expose()));
    files::write(&signer, text.as_bytes(), 0o600)?;
    let mut command = Command::new("openssl");
    command.args(["cms", "-sign", "-binary", "-nodetach", "-outform", "DER"]);
    command.arg("-signer").arg(&signer);
    if !others.trim().is_empty() {
        let file = folder.path().join("others.pem");
        files::write(&file, others, 0o600)?;
        command.arg("-certfile").arg(file);
    }
    Task::new("signing the profile for Apple's devices", command)
        .input(profile)
        .bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{mail::certificate, util::secret::Secret};

    fn pair(name: &str) -> Pair {
        let host = name.parse().unwrap();
        let made = certificate::self_signed(&host, &[name.to_owned()].into(), None).unwrap();
        Pair {
            certificate: made.certificate,
            key: made.key,
        }
    }

    #[test]
    fn a_signature_is_made_once_for_a_profile_and_a_certificate() {
        let profile = mobileconfig::profile(&"mail.example.org".parse().unwrap());
        let [one, two] = ["mail.example.org", "mx.example.org"].map(pair);
        let signed = sign(&profile, &one).unwrap();
        assert!(is_of(&signed, &profile, &one.certificate));
        assert!(!is_of(&signed, &profile, &two.certificate));
        assert!(!is_of(&signed, "another", &one.certificate));
        assert!(!is_of(b"", &profile, &one.certificate));

        // lines may end as they like
        for odd in [
            one.certificate.replace('\n', "\r\n"),
            one.certificate.trim().to_owned(),
        ] {
            let odd = Pair {
                certificate: odd,
                key: one.key.clone(),
            };
            let signed = sign(&profile, &odd).unwrap();
            assert!(is_of(&signed, &profile, &one.certificate));
        }

        // as a device does, but for the authority
        let mut command = Command::new("openssl");
        command.args(["cms", "-verify", "-inform", "DER", "-noverify"]);
        let text = Task::new("verifying the profile", command)
            .input(signed)
            .output()
            .unwrap();
        assert_eq!(text.replace('\r', ""), profile);
    }

    #[test]
    fn what_cannot_sign_is_an_error_without_the_key() {
        let broken = Pair {
            key: Secret::new("no key"),
            ..pair("mail.example.org")
        };
        let error = format!("{:#}", sign("x", &broken).unwrap_err());
        assert!(error.contains("signing the profile"), "{error}");
        assert!(!error.contains("no key"), "{error}");
    }
}
