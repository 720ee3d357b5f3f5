//! `docs/answers.md`, made from the schema.

use std::fmt::Write;

use super::schema::{self, KEYS, Key, Kind};

const HEAD: &str = "\
<!-- Made from src/answers/schema/keys.rs by `ezmail answers docs`; a test compares the two. -->

# The answers file

One TOML file (UTF-8, at most 1 MiB) says whose mail server an image becomes. `ezmail answers new`
prints an example to start from; `ezmail answers check FILE` reports everything that is wrong with
a file, each with line, column and remedy. The appliance checks with the same code at boot, and
starts no mail service on a file that has an error.

The smallest file that works:

```toml
hostname = \"mail.example.org\"

[[domain]]
name = \"example.org\"

[[user]]
address = \"alice@example.org\"
password_hash = \"…\"   # from `ezmail hash-password`
```

Capitals make no difference in domain names and in the server's own addresses. Unknown keys are
refused, so that a slip of the pen is not silently ignored. Secrets are never shown: not in error
messages, not in `--json`. Letters beyond ASCII may stand in domain names wherever one is asked for,
also after the `@` of an address; before the `@` they may not, because mail with such addresses
(SMTPUTF8) is not supported.

## Changed answers

Users, domains and aliases can be changed by the answers and, on the server, by `mailctl`. So that
neither undoes the other, the server remembers what the last answers said:

* Only what the answers say differently from the last ones is changed. A new quota or password in
  the answers goes to the server; a line that is as it was changes nothing, even if `mailctl` has
  changed since what it is about.
* What the last answers named and the new ones no longer name is removed from the server. Mail is
  kept: the mailbox's folder stays on the state volume. A domain goes with every user and alias
  in it, wherever they came from.
* Everything that was made or changed by other means stays as it is.

To have the answers' word again for something that `mailctl` has changed, say something else in the
answers, apply that, and then say it again.

All other settings have no other source than the answers: each apply brings them to what the
answers say, and what is no longer there goes back to its default. Only a certificate that somebody
installed on the server stays, as long as the answers give none.

## In an editor

`ezmail answers schema` prints a JSON Schema of this file ([answers.schema.json](answers.schema.json)),
with which an editor completes keys and marks slips while you type. With Even Better TOML (VS Code)
or taplo, put it beside the answers and name it in their first line:

```toml
#:schema ./answers.schema.json
```

It knows less than `ezmail answers check`, which has the last word.
";

/// The reference, as Markdown.
pub fn markdown() -> String {
    let mut text = HEAD.to_owned();
    text += "\n## Top of the file\n";
    keys(&mut text, "");
    for table in KEYS.iter().filter(|k| k.is_table()) {
        section(&mut text, table);
    }
    text
}

fn section(text: &mut String, table: &Key) {
    let header = schema::header(table.path);
    let _ = writeln!(text, "\n## {header}\n\n{}", table.doc);
    let mut notes = Vec::new();
    if table.required {
        notes.push("At least one is required.".to_owned());
    }
    if !table.default.is_empty() {
        notes.push(format!("Without it: {}.", table.default));
    }
    if !notes.is_empty() {
        let _ = writeln!(text, "{}", notes.join(" "));
    }
    keys(text, table.path);
}

fn keys(text: &mut String, table: &str) {
    for key in schema::children(table).filter(|k| !k.is_table()) {
        let _ = writeln!(text, "\n### `{}`\n\n{}\n", key.path, key.doc);
        let _ = writeln!(text, "* Type: {}", kind(key));
        let need = match (key.required, key.default) {
            (true, _) => "Required".to_owned(),
            (false, "") => "Optional".to_owned(),
            (false, default) => format!("Default: {default}"),
        };
        let _ = writeln!(text, "* {need}");
        let _ = writeln!(text, "\n```toml\n{} = {}\n```", key.name(), key.example);
    }
}

fn kind(key: &Key) -> String {
    match key.kind {
        Kind::String => format!("string, {}", key.format),
        Kind::Strings => format!("array of strings, {}", key.format),
        Kind::Integer { min, max } => format!("whole number, {min} to {max}"),
        Kind::Boolean => "boolean".to_owned(),
        Kind::Choice(words) => format!("string, {}", schema::or_list(words)),
        Kind::Table | Kind::Tables => key.format.to_owned(),
    }
}
