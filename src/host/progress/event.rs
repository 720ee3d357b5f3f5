//! The events of `--json`: an object a line on standard output, each with its kind as `event`.
//!
//! `started`, `progress` (at most once a second), `done` and `failed` are of one step; `cached` is
//! a step whose result was there already; `planned` is one that `--dry-run` would do; `note` is a
//! line for people; `finished` or `error` is the last of all.

use std::path::Path;

use serde::Serialize;

/// What happened.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[allow(missing_docs)] // the names say it, and docs/building.md
pub enum Event<'a> {
    Started {
        stage: &'a str,
        what: &'a str,
        log: Option<&'a Path>,
    },
    Progress {
        stage: &'a str,
        what: &'a str,
        seconds: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        percent: Option<u8>,
        #[serde(skip_serializing_if = "Option::is_none")]
        bytes: Option<u64>,
    },
    Done {
        stage: &'a str,
        what: &'a str,
        result: &'a str,
        seconds: f64,
    },
    Failed {
        stage: &'a str,
        what: &'a str,
        seconds: f64,
    },
    Cached {
        stage: &'a str,
        what: &'a str,
    },
    Planned {
        stage: &'a str,
        what: &'a str,
    },
    Note {
        stage: &'a str,
        what: &'a str,
    },
    Finished {
        seconds: f64,
        result: serde_json::Value,
    },
    Error {
        message: &'a str,
        hint: Option<&'a str>,
    },
}

impl Event<'_> {
    /// One line of JSON.
    pub fn line(&self) -> String {
        // strings and numbers always serialise
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line() {
        let started = Event::Started {
            stage: "package",
            what: "building a\nb",
            log: Some(Path::new("/l/a.log")),
        };
        insta::assert_snapshot!(started.line(), @r#"{"event":"started","stage":"package","what":"building a\nb","log":"/l/a.log"}"#);
        let progress = Event::Progress {
            stage: "image",
            what: "x",
            seconds: 1.5,
            percent: None,
            bytes: Some(3),
        };
        insta::assert_snapshot!(progress.line(), @r#"{"event":"progress","stage":"image","what":"x","seconds":1.5,"bytes":3}"#);
    }
}
