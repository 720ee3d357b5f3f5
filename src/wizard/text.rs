//! The answers as TOML, from what was typed.

use std::fmt::Write;

use zeroize::Zeroizing;

use super::{disks::Target, values::Values};
use crate::util::secret::Secret;

/// How a password is given.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// As it was typed: for the check alone.
    Plain,
    /// As hashes: the mailbox's, and root's at the console.
    Hashed {
        /// argon2id.
        mailbox: Secret,
        /// As crypt(5) has it; none: root cannot log in there.
        console: Option<Secret>,
    },
}

/// A DKIM key: its selector, and the key in PEM form.
#[derive(Debug, Clone)]
pub struct DkimKey {
    /// What stands before `._domainkey`.
    pub selector: String,
    /// The private key.
    pub pem: Secret,
}

/// What becomes of the private DKIM keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// They are written.
    Written,
    /// A comment stands in their place: for a screen.
    LeftOut,
}

/// The answers. Without control characters in what was typed there is one line for each.
pub fn toml(
    values: &Values,
    credentials: &Credentials,
    dkim: &[DkimKey],
    keys: Keys,
) -> Zeroizing<String> {
    // with room for all, so that no copy of a secret stays behind
    let mut text = Zeroizing::new(String::with_capacity(32 * 1024));
    // writing to a string cannot fail
    let mut add = |line: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{line}");
    };
    let domain = values.domain.trimmed();
    add(format_args!(
        "# An answers file of ezmail; every key: docs/answers.md"
    ));
    add(format_args!(
        "hostname = {}",
        quoted(values.hostname.trimmed())
    ));
    add(format_args!("\n[[domain]]\nname = {}", quoted(domain)));
    for key in dkim {
        match keys {
            Keys::Written => add(format_args!(
                "\n[[domain.dkim]]\nselector = {}\nkey = \"\"\"\n{}\"\"\"",
                quoted(&key.selector),
                key.pem.expose()
            )),
            Keys::LeftOut => add(format_args!(
                "# DKIM key {}: with the server, not shown",
                key.selector
            )),
        }
    }
    let address = format!("{}@{domain}", values.local.trimmed());
    add(format_args!("\n[[user]]\naddress = {}", quoted(&address)));
    let password = Zeroizing::new(quoted(values.password.text()));
    match credentials {
        Credentials::Plain => add(format_args!("password = {}", *password)),
        Credentials::Hashed { mailbox, .. } => {
            add(format_args!("password_hash = {}", quoted(mailbox.expose())));
        }
    }
    let key = values.ssh_key.trimmed();
    if !key.is_empty() {
        add(format_args!("\n[ssh]\nauthorized_keys = [{}]", quoted(key)));
    }
    match credentials {
        Credentials::Plain if values.console => {
            add(format_args!("\n[console]\npassword = {}", *password));
        }
        Credentials::Hashed {
            console: Some(hash),
            ..
        } => add(format_args!(
            "\n[console]\npassword_hash = {}",
            quoted(hash.expose())
        )),
        _ => {}
    }
    if let Some((device, wipe)) = values.install() {
        add(format_args!("\n[install]\ndevice = {}", quoted(device)));
        if wipe {
            add(format_args!("wipe = true"));
        }
    } else if values.chosen() == Some(&Target::Memory) {
        add(format_args!(
            "\n# No [install]: the server runs from memory."
        ));
    }
    text
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(2 * text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted += &format!("\\u{:04X}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wizard::{line::Line, tests::filled};

    #[test]
    fn what_was_typed_stays_what_it_is() {
        let odd = "a\"b\\c\u{1}d\u{7f}\u{e4}#";
        let text = format!("x = {}", quoted(odd));
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["x"].as_str(), Some(odd));
    }

    #[test]
    fn the_answers_with_and_without_what_is_secret() {
        let mut values = filled();
        let credentials = Credentials::Hashed {
            mailbox: Secret::new("$argon2id$..."),
            console: Some(Secret::new("$6$...")),
        };
        let dkim = [DkimKey {
            selector: "s".to_owned(),
            pem: Secret::new("-----BEGIN PRIVATE KEY-----\n"),
        }];
        insta::assert_snapshot!(toml(&values, &credentials, &dkim, Keys::Written).as_str(), @r#"
        # An answers file of ezmail; every key: docs/answers.md
        hostname = "mail.example.org"

        [[domain]]
        name = "example.org"

        [[domain.dkim]]
        selector = "s"
        key = """
        -----BEGIN PRIVATE KEY-----
        """

        [[user]]
        address = "alice@example.org"
        password_hash = "$argon2id$..."

        [console]
        password_hash = "$6$..."

        [install]
        device = "/dev/vda"
        "#);
        values.target = Some(values.targets.len() - 1);
        values.ssh_key = Line::of(300, "ssh-ed25519 AAAA alice@laptop");
        let credentials = Credentials::Hashed {
            mailbox: Secret::new("$argon2id$..."),
            console: None,
        };
        insta::assert_snapshot!(toml(&values, &credentials, &dkim, Keys::LeftOut).as_str(), @r#"
        # An answers file of ezmail; every key: docs/answers.md
        hostname = "mail.example.org"

        [[domain]]
        name = "example.org"
        # DKIM key s: with the server, not shown

        [[user]]
        address = "alice@example.org"
        password_hash = "$argon2id$..."

        [ssh]
        authorized_keys = ["ssh-ed25519 AAAA alice@laptop"]

        # No [install]: the server runs from memory.
        "#);
    }
}
