//! Whether what was typed is right: by the rules of the answers file, and in their words.

use super::{
    disks::Target,
    text::{self, Credentials, Keys},
    values::{Field, Values},
};
use crate::answers::{self, Finding, Level, Rule};

/// What is to be said about a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Whether one can go on.
    pub level: Level,
    /// What is wrong.
    pub message: String,
    /// What to do instead.
    pub help: String,
}

impl Note {
    fn error(message: &str, help: &str) -> Self {
        Self {
            level: Level::Error,
            message: message.to_owned(),
            help: help.to_owned(),
        }
    }
}

/// What is to be said about one field, the most important thing; `None` if it is right.
pub fn note(values: &Values, field: Field) -> Option<Note> {
    match field {
        Field::Again => return again(values),
        Field::Target => return target(values),
        _ => {}
    }
    let toml = text::toml(values, &Credentials::Plain, &[], Keys::LeftOut);
    let (_, report) = answers::read(toml.as_bytes(), "the form", None);
    let mut findings: Vec<&Finding> = report.findings().iter().collect();
    findings.retain(|f| field_of(&f.path) == Some(field) && !is_of_the_form(f.rule));
    findings.sort_by_key(|f| f.level != Level::Error);
    findings.first().map(|f| Note {
        level: f.level,
        message: f.message.clone(),
        help: f.help.clone(),
    })
}

/// What the finished answers are warned of, each with what to do.
pub fn warnings(toml: &str) -> Vec<Note> {
    let (_, report) = answers::read(toml.as_bytes(), "the form", None);
    let warning = |f: &Finding| Note {
        level: f.level,
        message: f.message.clone(),
        help: f.help.clone(),
    };
    report.findings().iter().map(warning).collect()
}

/// What is said because of how the form asks, not because of what was typed.
fn is_of_the_form(rule: Rule) -> bool {
    matches!(
        rule,
        // it is hashed before anybody gets it
        Rule::PlainPassword
            // these choices say so themselves
            | Rule::NoSshKey | Rule::NoState
    )
}

/// Which field a key of the answers comes from.
fn field_of(path: &str) -> Option<Field> {
    Some(match path {
        "hostname" => Field::Hostname,
        "user[0].address" => Field::Local,
        "user[0]" | "user[0].password" | "console" | "console.password" => Field::Password,
        "install" | "install.device" => Field::Device,
        _ if path.starts_with("domain") => Field::Domain,
        _ if path.starts_with("ssh") => Field::SshKey,
        _ => return None,
    })
}

fn again(values: &Values) -> Option<Note> {
    (values.again.text() != values.password.text()).then(|| {
        Note::error(
            "the two passwords differ",
            "type the same one twice; Ctrl-U empties a field",
        )
    })
}

fn target(values: &Values) -> Option<Note> {
    match values.chosen() {
        None => Some(Note::error(
            "nothing is chosen yet",
            "choose a disk, or memory, with the arrow keys",
        )),
        Some(Target::Disk(disk)) if disk.holds.is_some() && !values.erase => Some(Note::error(
            &format!("{} is not blank", disk.path),
            "check 'erase it', or choose another place",
        )),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wizard::{line::Line, tests::filled};

    /// What is said about each field, a line each.
    fn said(values: &Values) -> String {
        use Field::*;
        let fields = [
            Hostname, Domain, Local, Password, Again, SshKey, Target, Device,
        ];
        let line = |field: Field| {
            let note = note(values, field)?;
            Some(format!(
                "{field:?}: {:?}: {} ({})",
                note.level, note.message, note.help
            ))
        };
        fields
            .into_iter()
            .filter_map(line)
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn nothing_is_said_about_what_is_right() {
        assert_eq!(said(&filled()), "");
    }

    #[test]
    fn an_empty_form_has_its_findings_at_their_fields() {
        let mut values = Values::new(vec![super::Target::Named, super::Target::Memory]);
        values.device = Line::new(10);
        insta::assert_snapshot!(said(&values), @r#"
        Hostname: Error: `` cannot be the server's name: the domain name is empty (write the full name that DNS has for the server, such as `mail.example.org`)
        Domain: Error: `` is not a usable mail domain: the domain name is empty (write the domain as it stands after the `@`, such as `example.org`)
        Local: Error: `@` is not a usable address: there is nothing before the `@` (write an address such as `alice@example.org`, with letters, digits, `.`, `_` and `-` before the `@`)
        Password: Error: the password has 0 characters; at least 10 are needed (choose a longer one: four or more words that do not belong together are good)
        Device: Error: `` is not the path of a disk (write a path under `/dev/`, such as `/dev/vda` or `/dev/disk/by-id/…`)
        "#);
        values.target = None;
        assert!(said(&values).ends_with(
            "Target: Error: nothing is chosen yet (choose a disk, or memory, with the arrow keys)"
        ));
    }

    #[test]
    fn each_field_is_held_to_the_rules_of_the_file() {
        let mut values = filled();
        let line = |text: &str| Line::of(300, text);
        values.hostname = line("mail.home.arpa");
        values.domain = line("exa mple.org");
        values.local = line("al ice");
        values.password = line("mail.home.arpa");
        values.again = line("x");
        values.ssh_key = line("ssh-ed25519 AAAA");
        values.target = Some(1);
        insta::assert_snapshot!(said(&values), @r#"
        Hostname: Warning: other mail servers cannot resolve names under `.home.arpa` (fine for trying; for real mail use a name in a registered domain)
        Domain: Error: `exa mple.org` is not a usable mail domain: ` ` cannot stand in a domain name: only letters, digits, `-` and `.` can (write the domain as it stands after the `@`, such as `example.org`)
        Local: Error: `al ice@exa mple.org` is not a usable address: ` ` cannot stand before the `@` (write an address such as `alice@example.org`, with letters, digits, `.`, `_` and `-` before the `@`)
        Password: Error: the password is easy to guess (choose a longer one: four or more words that do not belong together are good)
        Again: Error: the two passwords differ (type the same one twice; Ctrl-U empties a field)
        SshKey: Error: the key is damaged: it is cut off, or has parts that do not fit (write the line of a `.pub` file, such as `ssh-ed25519 AAAA… name`; `ssh-keygen -t ed25519` makes one)
        Target: Error: /dev/vdb is not blank (check 'erase it', or choose another place)
        "#);
        values.erase = true;
        assert_eq!(note(&values, Field::Target), None);
    }
}
