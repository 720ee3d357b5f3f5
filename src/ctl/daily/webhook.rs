//! Tells a web server what has changed: a way out when mail is what is broken.

use std::process::Command;

use anyhow::{Result, bail};
use serde::Serialize;

use super::snapshot::Change;
use crate::{ctl::check::finding::Finding, util::run::Task};

/// What is posted.
#[derive(Debug, Serialize)]
struct Body<'a> {
    server: &'a str,
    /// For chat services, which show this.
    text: String,
    new: &'a [Finding],
    gone: &'a [Finding],
}

/// Posts `change` to `url` as JSON.
///
/// # Errors
/// When it cannot be reached or does not say 2xx. The address is not in the message: it may be the
/// only secret of the other side.
pub fn post(url: &str, server: &str, change: &Change) -> Result<()> {
    let mut command = Command::new("curl");
    // a process list is for everybody, so nothing of it is an argument
    command.args(["-q", "--config", "-"]);
    let done = Task::new("posting to the webhook", command)
        .input(config(url, &body(server, change)?))
        .outcome()?;
    let said = String::from_utf8_lossy(&done.stdout);
    if !done.status.success() || !is_taken(&said) {
        bail!("the webhook did not take it: {}", said.trim());
    }
    Ok(())
}

/// Whether the status that begins `said` is 2xx: to curl, a redirection is no failure.
fn is_taken(said: &str) -> bool {
    let status = said.split_whitespace().next().map(str::parse);
    matches!(status, Some(Ok(200..=299_u16)))
}

fn body(server: &str, change: &Change) -> Result<String> {
    let words = |list: &[Finding]| -> Vec<String> {
        let line = |f: &Finding| format!("{}: {}", f.id, f.reason);
        list.iter().map(line).collect()
    };
    let mut text = vec![format!("{server}: what has changed")];
    text.extend(words(&change.new));
    let gone = words(&change.gone);
    text.extend(gone.into_iter().map(|line| format!("well again: {line}")));
    let body = Body {
        server,
        text: text.join("\n"),
        new: &change.new,
        gone: &change.gone,
    };
    Ok(serde_json::to_string(&body)?)
}

/// curl's configuration file.
fn config(url: &str, body: &str) -> String {
    // the answers have https alone; on loopback there is nobody to listen in
    let proto = match url.starts_with("http://127.0.0.1:") {
        true => "=http",
        false => "=https",
    };
    let mut text = "fail\ngloboff\nsilent\n".to_owned();
    for (name, value) in [
        ("url", url),
        ("data-raw", body),
        ("header", "Content-Type: application/json"),
        ("proto", proto),
        ("connect-timeout", "10"),
        ("max-time", "30"),
        ("noproxy", "*"),
        ("output", "/dev/null"),
        ("write-out", "%{http_code} %{errormsg}"),
    ] {
        let value = value.replace('\\', r"\\").replace('"', "\\\"");
        text += &format!("{name} = \"{value}\"\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::check::finding::Area;

    #[test]
    fn the_body_is_one_line_of_json() {
        let change = Change {
            new: vec![Finding::warning(Area::Disk, "space", "a\n\"b\"", "c")],
            gone: vec![Finding::ok(Area::Clock, "", "d")],
        };
        let body = body("mail.example.org", &change).unwrap();
        insta::assert_snapshot!(body);
        let config = config("https://example.org/x?token=\"1\"", &body);
        assert_eq!(config.lines().count(), 12);
        for (said, taken) in [
            ("200 ", true),
            ("204", true),
            ("302 ", false),
            ("000 Could not resolve host", false),
            ("", false),
        ] {
            assert_eq!(is_taken(said), taken, "{said}");
        }
        assert!(
            config.contains(r#"url = "https://example.org/x?token=\"1\"""#),
            "{config}"
        );
    }
}
