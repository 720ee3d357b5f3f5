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
messages, not in `--json`.
";

/// The reference, as Markdown.
pub fn markdown() -> String {
    let mut text = HEAD.to_owned();
    text += "\n## Top of the file\n";
    keys(&mut text, "");
    for table in KEYS.iter().filter(|k| is_table(k)) {
        section(&mut text, table);
    }
    text += "\n## Reserved\n\n";
    for name in schema::RESERVED {
        // writing to a string cannot fail
        let _ = writeln!(
            text,
            "* `{name}`: refused by this version, used by a later one."
        );
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
    for key in schema::children(table).filter(|k| !is_table(k)) {
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

fn is_table(key: &Key) -> bool {
    matches!(key.kind, Kind::Table | Kind::Tables)
}
