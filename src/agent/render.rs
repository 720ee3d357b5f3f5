//! Every configuration file of the mail services, rendered from its template.
//!
//! A template has the path of what it becomes, below the folder of the templates. What a file
//! needs besides its text (who may read it, which service reads it) is in one table here.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::context::{self, Facts};
use crate::{answers::Answers, util::files};

/// A file as it has to stand on the appliance.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Where it belongs, absolute.
    pub path: PathBuf,
    /// What it contains.
    pub content: Vec<u8>,
    /// Its permissions, such as `0o644`.
    pub mode: u32,
    /// The name of the user who owns it.
    pub owner: &'static str,
    /// The name of its group.
    pub group: &'static str,
    /// The units to restart when it changed.
    pub units: &'static [&'static str],
    /// Whether its content must not be shown.
    pub secret: bool,
}

impl std::fmt::Debug for Rendered {
    /// Without the content.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} ({:o} {}:{})",
            self.path.display(),
            self.mode,
            self.owner,
            self.group
        )
    }
}

/// What is known of a file before it is rendered.
struct Kind {
    path: &'static str,
    /// Its only reader; everybody may read what has none.
    reader: Option<&'static str>,
    units: &'static [&'static str],
    wanted: fn(&Answers) -> bool,
}

const SMTPD: &[&str] = &["smtpd.service"];
const DOVECOT: &[&str] = &["dovecot.service"];
const RSPAMD: &[&str] = &["rspamd.service"];
const NGINX: &[&str] = &["nginx.service"];

const fn open(path: &'static str, units: &'static [&'static str]) -> Kind {
    Kind {
        path,
        reader: None,
        units,
        wanted: |_| true,
    }
}

const FILES: &[Kind] = &[
    open("etc/nftables.conf", &["nftables.service"]),
    open("etc/knot-resolver/kresd.conf", &["kresd@1.service"]),
    open("etc/valkey/valkey.conf", &["valkey.service"]),
    open("etc/rspamd/local.d/classifier-bayes.conf", RSPAMD),
    open("etc/rspamd/local.d/rbl_group.conf", RSPAMD),
    open("etc/rspamd/local.d/redis.conf", RSPAMD),
    open("etc/rspamd/lua.local.d/ezmail.lua", RSPAMD),
    open("etc/rspamd/lua.local.d/ezmail_known.lua", RSPAMD),
    open("etc/rspamd/lua.local.d/ezmail_limits.lua", RSPAMD),
    open("etc/rspamd/override.d/actions.conf", RSPAMD),
    open("etc/rspamd/override.d/arc.conf", RSPAMD),
    open("etc/rspamd/override.d/asn.conf", RSPAMD),
    open("etc/rspamd/override.d/dkim_signing.conf", RSPAMD),
    open("etc/rspamd/override.d/dmarc.conf", RSPAMD),
    open("etc/rspamd/override.d/fuzzy_check.conf", RSPAMD),
    open("etc/rspamd/override.d/greylist.conf", RSPAMD),
    open("etc/rspamd/override.d/logging.inc", RSPAMD),
    open("etc/rspamd/override.d/mid.conf", RSPAMD),
    open("etc/rspamd/override.d/milter_headers.conf", RSPAMD),
    open("etc/rspamd/override.d/mime_types.conf", RSPAMD),
    open("etc/rspamd/override.d/multimap.conf", RSPAMD),
    open("etc/rspamd/override.d/neural.conf", RSPAMD),
    open("etc/rspamd/override.d/options.inc", RSPAMD),
    open("etc/rspamd/override.d/phishing.conf", RSPAMD),
    open("etc/rspamd/override.d/rbl.conf", RSPAMD),
    open("etc/rspamd/override.d/replies.conf", RSPAMD),
    open("etc/rspamd/override.d/rspamd_update.conf", RSPAMD),
    open("etc/rspamd/override.d/settings.conf", RSPAMD),
    open("etc/rspamd/override.d/url_redirector.conf", RSPAMD),
    open("etc/rspamd/override.d/whitelist.conf", RSPAMD),
    Kind {
        path: "etc/rspamd/override.d/worker-controller.inc",
        reader: Some("_rspamd"),
        units: RSPAMD,
        wanted: |_| true,
    },
    open("etc/rspamd/override.d/worker-fuzzy.inc", RSPAMD),
    open("etc/rspamd/override.d/worker-normal.inc", RSPAMD),
    open("etc/rspamd/override.d/worker-proxy.inc", RSPAMD),
    open("etc/dovecot/dovecot.conf", DOVECOT),
    Kind {
        path: "etc/dovecot/guard.conf",
        reader: Some("dovecot"),
        // both have the secret
        units: &["ezmail-guard.service", "dovecot.service"],
        wanted: |_| true,
    },
    open("etc/smtpd/mail.conf", SMTPD),
    open("etc/smtpd/mailname", SMTPD),
    Kind {
        path: "etc/smtpd/secrets",
        reader: Some("smtpd"),
        units: SMTPD,
        wanted: |answers| {
            answers
                .smarthost
                .as_ref()
                .is_some_and(|s| s.username.is_some())
        },
    },
    open("etc/smtpd/smtpd.conf", SMTPD),
    Kind {
        path: "etc/smtpd/srs.conf",
        // smtpd reads its configuration before it gives that up
        reader: Some("root"),
        units: SMTPD,
        wanted: |_| true,
    },
    open("etc/nginx/nginx.conf", NGINX),
    // nginx looks at these whenever they are asked for
    open("srv/ezmail/autodiscover/autodiscover.xml", &[]),
    open("srv/ezmail/index.html", &[]),
    open("srv/ezmail/mail/config-v1.1.xml", &[]),
    open("srv/ezmail/style.css", &[]),
];

/// Renders every file that the answers ask for, in the order in which their services start.
///
/// `templates` is the folder of the templates, in the image `/usr/share/ezmail/templates`.
///
/// # Errors
/// When a template is missing or uses a value that there is not, when a domain has no DKIM key,
/// or when a value cannot be written in the configuration that it belongs to.
pub fn render_all(templates: &Path, answers: &Answers, facts: &Facts) -> Result<Vec<Rendered>> {
    let context = context::context(answers, facts)?;
    let wanted = FILES.iter().filter(|kind| (kind.wanted)(answers));
    wanted
        .map(|kind| render(templates, kind, &context))
        .collect()
}

fn render(templates: &Path, kind: &Kind, context: &tera::Context) -> Result<Rendered> {
    let template = templates.join(kind.path);
    let mut tera = tera::Tera::default();
    let content = files::read_to_string(&template).and_then(|text| {
        tera.add_raw_template(kind.path, &text)
            .and_then(|()| tera.render(kind.path, context))
            .with_context(|| format!("rendering the template {}", template.display()))
    })?;
    Ok(Rendered {
        path: Path::new("/").join(kind.path),
        content: content.into_bytes(),
        mode: if kind.reader.is_some() { 0o640 } else { 0o644 },
        owner: "root",
        group: kind.reader.unwrap_or("root"),
        units: kind.units,
        secret: kind.reader.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_template_is_in_the_table_and_the_other_way_round() {
        let folder =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("airootfs/usr/share/ezmail/templates");
        let found: BTreeSet<_> = walkdir::WalkDir::new(&folder)
            .into_iter()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| entry.path().strip_prefix(&folder).unwrap().to_path_buf())
            .collect();
        let known: BTreeSet<_> = FILES.iter().map(|kind| PathBuf::from(kind.path)).collect();
        assert_eq!(found, known);
    }
}
