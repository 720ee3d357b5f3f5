//! What is in an image, without secrets.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use serde::Serialize;

use super::image::Image;
use crate::answers::{Answers, Report, container::Content};

/// An image, and what it holds.
#[derive(Debug, Serialize)]
pub struct Shown {
    image: PathBuf,
    /// `None` if it is blank.
    answers: Option<Inside>,
}

#[derive(Debug, Serialize)]
struct Inside {
    /// The name of the answers file.
    name: String,
    hostname: Option<String>,
    domains: Vec<String>,
    users: Vec<String>,
    /// The answers file and those that it names.
    files: Vec<NamedSize>,
    /// What the check says, as `ezmail answers check --json` has it.
    check: serde_json::Value,
    #[serde(skip)]
    report: Report,
}

#[derive(Debug, Serialize)]
struct NamedSize {
    name: String,
    size: usize,
}

/// Looks into an image.
///
/// # Errors
/// When it is not ours, or what is in it is not whole.
pub fn show(path: &Path) -> Result<Shown> {
    let answers = match Image::open(path, false)?.content()? {
        Ok(content) => content.map(|c| inside(&c)),
        Err(damage) => bail!("the answers in {} {damage}", path.display()),
    };
    Ok(Shown {
        image: path.to_owned(),
        answers,
    })
}

fn inside(content: &Content) -> Inside {
    let (answers, report) = content.check();
    let list =
        |get: &dyn Fn(&Answers) -> Vec<String>| answers.as_ref().map(get).unwrap_or_default();
    let first = std::iter::once((&content.name, &content.bytes));
    Inside {
        name: content.name.clone(),
        hostname: answers.as_ref().map(|a| a.hostname.to_string()),
        domains: list(&|a| a.domains.iter().map(|d| d.name.to_string()).collect()),
        users: list(&|a| a.users.iter().map(|u| u.address.to_string()).collect()),
        files: first
            .chain(&content.files)
            .map(|(name, bytes)| NamedSize {
                name: name.clone(),
                size: bytes.len(),
            })
            .collect(),
        check: report.to_json(),
        report,
    }
}

impl Shown {
    /// Whether the appliance would take what is there; blank is good as well.
    pub fn is_good(&self) -> bool {
        self.answers.as_ref().is_none_or(|a| a.hostname.is_some())
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let image = self.image.display();
        let Some(inside) = &self.answers else {
            return write!(f, "{image}: no answers");
        };
        match &inside.hostname {
            Some(host) => writeln!(f, "{image}: answers for {host}")?,
            None => writeln!(f, "{image}: answers that this ezmail does not take")?,
        }
        let lines = |f: &mut fmt::Formatter<'_>, title: &str, items: &[String]| {
            items.iter().enumerate().try_for_each(|(n, item)| {
                let title = if n == 0 { title } else { "" };
                writeln!(f, "  {title:<8} {item}")
            })
        };
        lines(f, "domains", &inside.domains)?;
        lines(f, "users", &inside.users)?;
        let files: Vec<_> = inside
            .files
            .iter()
            .map(|file| format!("{} ({} bytes)", file.name, file.size))
            .collect();
        lines(f, "files", &files)?;
        match inside.report.findings() {
            [] => write!(f, "  check    good"),
            _ => write!(f, "\n{}", inside.report),
        }
    }
}
