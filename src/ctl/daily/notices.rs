//! What the console page shows of the last daily check: it is read when mail is what is broken.

use std::path::Path;

use anyhow::Result;

use crate::{
    agent::page::NOTICES,
    ctl::{
        check::finding::{Area, Finding, State},
        server::Server,
    },
    util::files,
};

/// Writes the errors among `findings` for the page, a line each.
///
/// # Errors
/// When the file cannot be written.
pub fn write(server: &Server, findings: &[Finding], undelivered: Option<&str>) -> Result<()> {
    let path = server.target.path(Path::new(NOTICES));
    files::write_with_parents(&path, lines(findings, undelivered), 0o644)
}

/// Without what the page knows by itself and more recently. `undelivered` says why the daily mail
/// could not be handed in.
fn lines(findings: &[Finding], undelivered: Option<&str>) -> String {
    let mut text = String::new();
    if let Some(why) = undelivered {
        let why = why.lines().next().unwrap_or_default();
        text += &format!("The daily mail could not be sent: {why}\n");
    }
    let by_page = [
        Area::Answers,
        Area::Units,
        Area::State,
        // `mailctl guide` tells it these
        Area::Port25,
        Area::Ptr,
        Area::Dns,
        Area::Certificate,
    ];
    let errors = findings
        .iter()
        .filter(|f| f.state == State::Error && !by_page.contains(&f.area));
    for finding in errors {
        let reason = finding.reason.lines().next().unwrap_or_default();
        text += &format!(
            "{}: {reason} ('mailctl check {}')\n",
            finding.area.title(),
            finding.area.name()
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_told_what_it_does_not_know() {
        let findings = [
            Finding::error(Area::Units, "smtpd", "failed", "restart"),
            Finding::error(Area::Port25, "ipv4", "It is blocked.", "ask"),
            Finding::error(Area::Queue, "", "It does not move.\nmore", "look"),
            Finding::warning(Area::Disk, "space", "little", "more"),
        ];
        insta::assert_snapshot!(lines(&findings, Some("smtpd said no\nmore")), @r"
        The daily mail could not be sent: smtpd said no
        Queue: It does not move. ('mailctl check queue')
        ");
    }
}
