//! Requests by curl(1). What is secret goes to it by its standard input: a process list is for
//! everybody.

use std::{
    fs::File,
    io::{Seek, Write},
    os::fd::AsRawFd,
    path::PathBuf,
    process::{Command, ExitStatus},
};

use anyhow::{Context, Result};
use rustix::fs::{MemfdFlags, memfd_create};
use url::Url;

use super::trouble::{Trouble, by_curl};
use crate::util::run::{Stream, Task};

/// What comes before the service's answer is known: status, ETag, length and curl's error message.
const REPORT: &str = "\\n%{http_code}\\t%header{etag}\\t%header{content-length}\\t%{errormsg}";

/// How curl is run.
#[derive(Debug)]
pub struct Curl {
    /// A PEM file of the authorities that are trusted instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The header `ETag`; empty without.
    pub etag: String,
    /// The header `Content-Length`.
    pub length: Option<u64>,
    /// The body; empty for HEAD.
    pub body: String,
}

impl Curl {
    /// Makes one request, with what is in `body`, from its beginning.
    ///
    /// # Errors
    /// When there was no answer. One that is an error is an answer.
    pub fn ask(&self, method: &str, url: &Url, body: Option<&File>) -> Result<Answer, Trouble> {
        let mut options = self.options(url);
        options.push(("write-out", REPORT.to_owned()));
        match method {
            "HEAD" => options.push(("output", "/dev/null".to_owned())),
            _ => options.push(("request", method.to_owned())),
        }
        if let Some(file) = body {
            let us = std::process::id();
            let path = format!("/proc/{us}/fd/{}", file.as_raw_fd());
            options.push(("upload-file", path));
        }
        let head = if method == "HEAD" { "head\n" } else { "" };
        let done = task(format!("{head}{}", config(&options)))
            .outcome()
            .map_err(|e| Trouble::ours(format!("{e:#}")))?;
        let text = String::from_utf8_lossy(&done.stdout);
        let (body, report) = text.rsplit_once('\n').unwrap_or(("", &text));
        let (answer, message) = report_of(report);
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr);
            let message = if message.is_empty() { &said } else { message };
            return Err(by_curl(done.status.code().unwrap_or(-1), message));
        }
        Ok(Answer {
            body: body.to_owned(),
            ..answer
        })
    }

    /// Begins to get what is at `url` from `offset` on; with another ETag, there is no answer.
    ///
    /// # Errors
    /// When curl cannot be started.
    pub fn get(&self, url: &Url, offset: u64, etag: &str) -> Result<Stream> {
        let mut options = self.options(url);
        options.push(("write-out", format!("%{{stderr}}{REPORT}")));
        if offset > 0 {
            // unlike a range, this is an error where the service does not go by it
            options.push(("continue-at", offset.to_string()));
        }
        if !etag.is_empty() {
            options.push(("header", format!("If-Match: {etag}")));
        }
        task(format!("fail\n{}", config(&options))).stream()
    }

    /// The options of all requests.
    fn options(&self, url: &Url) -> Vec<(&'static str, String)> {
        let mut options = vec![
            ("url", url.to_string()),
            ("proto", "=https".to_owned()),
            ("connect-timeout", "20".to_owned()),
            // less than one byte a second for a minute is the end
            ("speed-limit", "1".to_owned()),
            ("speed-time", "60".to_owned()),
        ];
        if let Some(file) = &self.ca_file {
            options.push(("cacert", file.display().to_string()));
        }
        options
    }
}

/// How a download ended that [`Curl::get`] began: the status, and what went wrong.
///
/// # Errors
/// The trouble.
pub fn ended(exit: ExitStatus, said: &str) -> Result<(), (Option<u16>, Trouble)> {
    if exit.success() {
        return Ok(());
    }
    let report = said.rsplit_once('\n').map_or(said, |(_, report)| report);
    let (answer, message) = report_of(report);
    let status = (answer.status != 0).then_some(answer.status);
    Err((status, by_curl(exit.code().unwrap_or(-1), message)))
}

/// Something in memory to send.
///
/// # Errors
/// When the system has none.
pub fn memory() -> Result<File> {
    let fd = memfd_create("ezmail-part", MemfdFlags::CLOEXEC);
    Ok(File::from(
        fd.context("getting memory for a part of an upload")?,
    ))
}

/// `text` to send.
///
/// # Errors
/// When the system has no memory.
pub fn sending(text: &str) -> Result<File> {
    let mut file = memory()?;
    let what = "keeping a request in memory";
    file.write_all(text.as_bytes()).context(what)?;
    file.rewind().context(what)?;
    Ok(file)
}

fn task(config: String) -> Task {
    let mut command = Command::new("curl");
    command.args(["-q", "--config", "-"]);
    Task::new("talking to the store", command).input(config)
}

fn config(options: &[(&str, String)]) -> String {
    let mut text = "globoff\nhttp1.1\nsilent\n".to_owned();
    for (name, value) in options {
        // what curl itself is to read as `\n` and `\t` is written so
        let value = match *name {
            "write-out" => value.clone(),
            _ => value.replace('\\', r"\\"),
        };
        text += &format!("{name} = \"{}\"\n", value.replace('"', "\\\""));
    }
    text
}

/// What [`REPORT`] gave, and curl's error message.
fn report_of(line: &str) -> (Answer, &str) {
    let mut fields = line.splitn(4, '\t');
    let mut next = || fields.next().unwrap_or_default().trim();
    let answer = Answer {
        status: next().parse().unwrap_or(0),
        etag: next().to_owned(),
        length: next().parse().ok(),
        body: String::new(),
    };
    (answer, next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_stay_what_they_are() {
        let curl = Curl {
            ca_file: Some("/a \"b\\c".into()),
        };
        let url = "https://s3.example.org/b/k?X-Amz-Signature=0"
            .parse()
            .unwrap();
        let mut options = curl.options(&url);
        options.push(("write-out", REPORT.to_owned()));
        insta::assert_snapshot!(config(&options), @r#"
        globoff
        http1.1
        silent
        url = "https://s3.example.org/b/k?X-Amz-Signature=0"
        proto = "=https"
        connect-timeout = "20"
        speed-limit = "1"
        speed-time = "60"
        cacert = "/a \"b\\c"
        write-out = "\n%{http_code}\t%header{etag}\t%header{content-length}\t%{errormsg}"
        "#);
    }

    #[test]
    fn a_report_is_read() {
        let (answer, message) = report_of("206\t\"abc\"\t17\t");
        assert_eq!((answer.status, answer.etag.as_str()), (206, "\"abc\""));
        assert_eq!((answer.length, message), (Some(17), ""));
        let (answer, message) = report_of("000\t\t\tno route");
        assert_eq!(
            (answer.status, answer.length, message),
            (0, None, "no route")
        );
    }
}
