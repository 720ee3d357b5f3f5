//! The certificate: that of the answers; else the one that mailctl has laid ready, of an authority
//! or by hand; else a self-signed one, made once. One from elsewhere is left alone.

use std::{fs, io, path::Path};

use anyhow::{Context, Result, ensure};

use super::Input;
use crate::{
    agent::change::{Change, File},
    answers::model::Certificate,
    mail::{
        address::DomainName,
        certificate::{self, Origin, SelfSigned},
        chain::{Chain, Key},
    },
    util::{hash, secret::Secret},
};

const UNITS: &[&str] = &["smtpd.service", "dovecot.service", "nginx.service"];

/// How many that were replaced are kept.
const OLD: usize = 3;

/// The certificate, PEM, with its key, and what there is to write.
pub(super) fn plan(input: &Input<'_>) -> Result<(Pair, Vec<Change>)> {
    let paths = input.paths;
    // says which certificate was put there by an apply, and for which names, or whence
    let mark = paths.tls_mark.clone();
    let made = input.target.read(&mark)?.unwrap_or_default();
    let made_text = String::from_utf8_lossy(&made);
    let (next, complaint) = match next(input) {
        Ok(next) => (next, None),
        // what is in place is good, and goes on
        Err(error) => (None, Some(format!("{error:#}"))),
    };
    let ready = next.is_some();
    let wanted = match (&input.answers.tls, next) {
        (Some(given), _) => from_answers(given)?,
        (None, Some(next)) => next,
        (None, None) => without_answers(input, &made_text)?,
    };
    let mut changes = old(input, &made_text, &wanted)?;
    let text = String::from_utf8(wanted.certificate.clone())
        .with_context(|| format!("{} is not PEM", paths.tls_cert.display()))?;
    // smtpd, dovecot and nginx read the key as root, before they give that up
    let key = File::secret(paths.tls_key.clone(), wanted.key.expose()).restarts(UNITS);
    let certificate = File::open(paths.tls_cert.clone(), wanted.certificate).restarts(UNITS);
    changes.extend([Change::File(key), Change::File(certificate)]);
    let marked = wanted.mark.map_or(made, String::into_bytes);
    if !marked.is_empty() {
        changes.push(Change::File(File::open(mark, marked)));
    }
    if ready {
        // last: after a cut of power, all of it is done once more
        changes.push(Change::Gone(paths.tls_next.clone()));
    }
    changes.extend(complaint.map(Change::Say));
    let pair = Pair {
        certificate: text,
        key: wanted.key,
    };
    Ok((pair, changes))
}

/// A certificate with its key, both PEM.
#[derive(Debug)]
pub(super) struct Pair {
    pub certificate: String,
    pub key: Secret,
}

/// A certificate with its key, and the mark if it is another one than before.
struct Wanted {
    certificate: Vec<u8>,
    key: Secret,
    mark: Option<String>,
}

fn from_answers(given: &Certificate) -> Result<Wanted> {
    let not_read = |what: &str, file: &Option<String>| {
        let file = file.as_deref().unwrap_or("its file");
        format!("the {what} of `[tls]` was not read from {file}")
    };
    let certificate = given.certificate.as_ref();
    let certificate =
        certificate.with_context(|| not_read("certificate", &given.certificate_file))?;
    let key = given
        .key
        .as_ref()
        .with_context(|| not_read("key", &given.key_file))?;
    Ok(Wanted {
        certificate: certificate.clone().into_bytes(),
        key: Key::parse(key.expose()).context("the key of `[tls]`")?.pem,
        mark: Origin::Answers.mark(certificate.as_bytes()),
    })
}

/// What lies ready; its certificate was written last, so that it is all there with it.
fn next(input: &Input<'_>) -> Result<Option<Wanted>> {
    let folder = &input.paths.tls_next;
    let read = |name: &str| input.target.read(&folder.join(name));
    let Some(certificate) = read("cert.pem")? else {
        return Ok(None);
    };
    let text = |bytes: Option<Vec<u8>>| String::from_utf8(bytes.unwrap_or_default());
    let what = || {
        format!(
            "the certificate in {} is not used; it may be removed",
            folder.display()
        )
    };
    let chain = Chain::parse(&String::from_utf8_lossy(&certificate)).with_context(what)?;
    let key = Key::parse(&text(read("key.pem")?)?).with_context(what)?;
    ensure!(chain.fits(&key), "{}: its key is another one's", what());
    Ok(Some(Wanted {
        certificate,
        key: key.pem,
        mark: Some(text(read("mark")?)?),
    }))
}

/// What is there, if it is as it should be or not ours to replace; else a self-signed one.
fn without_answers(input: &Input<'_>, mark: &str) -> Result<Wanted> {
    let paths = input.paths;
    let domains = input.answers.domains.iter().map(|d| d.name.clone());
    let domains: Vec<DomainName> = domains.collect();
    let hostname = &input.answers.hostname;
    let names = certificate::names(hostname, &domains);
    let key = match (input.target.read(&paths.tls_cert)?, read_key(input)?) {
        (Some(certificate), Some(key)) => match Origin::read(mark, &certificate) {
            Origin::Made(old) if !names.is_subset(&old) => Some(key),
            // its key goes with it: it is not ours to use for anything else
            Origin::Answers => None,
            Origin::Made(_) | Origin::Elsewhere | Origin::Authority => {
                return Ok(Wanted {
                    certificate,
                    key,
                    mark: None,
                });
            }
        },
        _ => None,
    };
    let SelfSigned { certificate, key } = certificate::self_signed(hostname, &names, key.as_ref())?;
    Ok(Wanted {
        mark: Origin::Made(names).mark(certificate.as_bytes()),
        certificate: certificate.into_bytes(),
        key,
    })
}

fn read_key(input: &Input<'_>) -> Result<Option<Secret>> {
    let bytes = input.target.read(&input.paths.tls_key)?;
    let text = bytes.map(String::from_utf8).transpose();
    let text = text.with_context(|| format!("{} is not PEM", input.paths.tls_key.display()))?;
    Ok(text.map(Secret::new))
}

/// Keeps the certificate that is replaced with its key, unless it was made here, and lets the oldest
/// of those go that are kept.
fn old(input: &Input<'_>, mark: &str, wanted: &Wanted) -> Result<Vec<Change>> {
    let paths = input.paths;
    let (Some(certificate), Some(key)) = (input.target.read(&paths.tls_cert)?, read_key(input)?)
    else {
        return Ok(Vec::new());
    };
    let made = matches!(Origin::read(mark, &certificate), Origin::Made(_));
    if made || certificate == wanted.certificate {
        return Ok(Vec::new());
    }
    let moment = jiff::Timestamp::from_second(input.now)?;
    // two in a second have names of their own
    let sum = &hash::sha256(&certificate)[..8];
    let name = format!("{}-{sum}", moment.strftime("%Y%m%dT%H%M%SZ"));
    let folder = paths.tls_old.join(name);
    let mut changes = vec![
        Change::File(File::secret(folder.join("key.pem"), key.expose())),
        Change::File(File::open(folder.join("cert.pem"), certificate)),
    ];
    let mut kept = names(&input.target.path(&paths.tls_old))?;
    kept.sort();
    let go = kept.len().saturating_sub(OLD - 1);
    let go = kept.into_iter().take(go);
    changes.extend(go.map(|name| Change::Gone(paths.tls_old.join(name))));
    Ok(changes)
}

/// The names in a folder, which need not be there.
fn names(folder: &Path) -> Result<Vec<String>> {
    let what = || format!("reading {}", folder.display());
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.with_context(what)?,
    };
    let name = |entry: io::Result<fs::DirEntry>| -> Result<String> {
        Ok(entry
            .with_context(what)?
            .file_name()
            .to_string_lossy()
            .into_owned())
    };
    entries.map(name).collect()
}
