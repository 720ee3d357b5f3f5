//! Paints secrets over, so that the source lines in a report show none.
//!
//! What is shown is decided by a list of what may be shown: the values of keys that the schema
//! knows and does not call secret. A mistyped `pasword` is therefore hidden too.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::schema::{self, Kind};

/// The text with the value of every secret or unknown key replaced by `*`, byte for byte.
pub(super) fn document(text: &str, root: &DeTable<'_>) -> String {
    let mut secrets = Vec::new();
    collect(text, "", root, &mut secrets);
    paint(text, &secrets)
}

fn collect(text: &str, path: &str, table: &DeTable<'_>, secrets: &mut Vec<Range<usize>>) {
    for (key, value) in table {
        let path = schema::join(path, key.get_ref());
        match schema::find(&path) {
            Some(known) if !known.secret => known_value(text, &path, known.kind, value, secrets),
            _ => everything(value, secrets),
        }
    }
}

fn known_value(
    text: &str,
    path: &str,
    kind: Kind,
    value: &Spanned<DeValue<'_>>,
    secrets: &mut Vec<Range<usize>>,
) {
    match (value.get_ref(), kind) {
        (DeValue::Table(table), Kind::Table | Kind::Tables) => collect(text, path, table, secrets),
        (DeValue::Table(_), _) => everything(value, secrets),
        (DeValue::Array(items), _) => {
            for item in items.iter() {
                known_value(text, path, kind, item, secrets);
            }
        }
        (DeValue::String(s), _) if looks_secret(s) => secrets.push(value.span()),
        _ => {}
    }
}

/// Whole values, also those of dotted keys and of `[unknown.tables]`, whose own span is only
/// their name.
fn everything(value: &Spanned<DeValue<'_>>, secrets: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::Table(table) => table.values().for_each(|v| everything(v, secrets)),
        DeValue::Array(items) => items.iter().for_each(|v| everything(v, secrets)),
        _ => secrets.push(value.span()),
    }
}

/// A private key, hash or password that was put where it does not belong.
fn looks_secret(text: &str) -> bool {
    let hash = ["$argon2", "$6$", "$y$"].iter().any(|h| text.contains(h));
    hash || text.contains("PRIVATE KEY") || has_password(text)
}

/// `scheme://user:password@host`; rather too much than a password with an odd character.
fn has_password(text: &str) -> bool {
    let user = |rest: &'_ str| {
        rest.rsplit_once('@')
            .is_some_and(|(user, _)| user.contains(':'))
    };
    text.split_once("://").is_some_and(|(_, rest)| user(rest))
}

/// The same for a text that is not TOML, where only lines can be looked at: a line is shown when
/// every `key =` on it is known and not secret; lines without one follow the line above.
pub(super) fn lines(text: &str) -> String {
    let mut secrets = Vec::new();
    let mut hidden = false;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let end = start + line.len();
        if let Some(first) = line.find('=') {
            // below a secret's first line this may be base64 with its padding
            let inside = hidden && !schema::is_name(last_name(&line[..first]));
            let public = line
                .match_indices('=')
                .all(|(n, _)| schema::is_public_name(last_name(&line[..n])));
            hidden = !public || looks_secret(line);
            if hidden {
                secrets.push(if inside { start } else { start + first + 1 }..end);
            }
        } else if line.trim_start().starts_with('[') {
            hidden = false;
        } else if hidden || looks_secret(line) {
            hidden = true;
            secrets.push(start..end);
        }
        start = end;
    }
    paint(text, &secrets)
}

/// The name, without quotes and parents, of the key that ends `before`, the text before an `=`.
fn last_name(before: &str) -> &str {
    let key = before.trim_end().trim_end_matches(['"', '\'']);
    key.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-')
        .next()
        .unwrap_or(key)
}

fn paint(text: &str, secrets: &[Range<usize>]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for byte in secrets
        .iter()
        .filter_map(|s| bytes_of(&text[s.clone()], s.start))
        .flatten()
    {
        bytes[byte] = b'*';
    }
    // whole characters were replaced by as many stars as they had bytes
    String::from_utf8(bytes).unwrap_or_default()
}

/// The offsets of all bytes that are not part of a line's end.
fn bytes_of(part: &str, start: usize) -> Option<impl Iterator<Item = usize> + '_> {
    (!part.is_empty()).then(|| {
        part.bytes()
            .enumerate()
            .filter(|(_, b)| !matches!(b, b'\r' | b'\n'))
            .map(move |(n, _)| start + n)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        let document = DeTable::parse(text).unwrap();
        let masked = super::document(text, document.get_ref());
        assert_eq!(masked.len(), text.len());
        masked
    }

    #[test]
    fn known_values_stay_and_secrets_go() {
        insta::assert_snapshot!(masked(
            "hostname = \"mail.example.org\"\npasword = \"oops\"\n[[user]]\naddress = \"a@b.c\" # hi\n\
             password = \"pä55\"\n[smarthost]\nlogin = {a = 1, b = [\"x\"]}\nhost = {x = 'y'}\n\
             [backup]\ntarget = \"sftp://me:hunter/2@b.c/d\"\n[console]\npassword_hash = \"$6$ab$cd\"\n\
             [ssh]\nauthorized_keys = ['ssh-ed25519 A', '''\nOPENSSH PRIVATE KEY\nabc''']\n"
        ), @r#"
        hostname = "mail.example.org"
        pasword = ******
        [[user]]
        address = "a@b.c" # hi
        password = *******
        [smarthost]
        login = {a = *, b = [***]}
        host = {x = ***}
        [backup]
        target = **************************
        [console]
        password_hash = **********
        [ssh]
        authorized_keys = ['ssh-ed25519 A', ***
        *******************
        ******]
        "#);
    }

    #[test]
    fn without_toml_the_lines_decide() {
        insta::assert_snapshot!(super::lines(
            "hostname = mail.example.org\npassword = hunter2\n[[user]\nuser = { address = 'a', password = 'x' }\n\
             \"key\" = \"\"\"\n-----BEGIN\nabc==\ndef\nto = [\n'a'\n]\nhunter2 =\n= x\n"
        ), @r#"
        hostname = mail.example.org
        password =********
        [[user]
        user =**********************************
        "key" =****
        **********
        *****
        ***
        to = [
        'a'
        ]
        hunter2 =
        ***
        "#);
    }
}
