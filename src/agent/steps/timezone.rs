//! `/etc/localtime` (localtime(5)).

use std::path::Path;

use anyhow::{Result, bail};

use super::Input;
use crate::agent::{change::Change, link::Link};

const FOLDER: &str = "/usr/share/zoneinfo";
/// They read the file once, when they start; their log lines and `Received` headers have the time.
const UNITS: &[&str] = &["smtpd.service", "dovecot.service", "rspamd.service"];

pub(super) fn plan(input: &Input<'_>) -> Result<Vec<Change>> {
    let zone = &input.answers.timezone;
    let file = Path::new(FOLDER).join(zone);
    let known = match input.target.read(&file)? {
        // tzfile(5)
        Some(bytes) => bytes.starts_with(b"TZif"),
        // what a C library takes where there is no file at all
        None => zone == "UTC",
    };
    if !known {
        bail!(
            "this image does not know the time zone {zone}: there is no {}; name another one of \
             the same place",
            file.display()
        );
    }
    Ok(vec![Change::Link(Link {
        path: "/etc/localtime".into(),
        // relative, so that it is right from outside as well
        to: Path::new("..").join(file.strip_prefix("/").unwrap_or(&file)),
        units: UNITS,
    })])
}
