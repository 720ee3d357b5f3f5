//! The schema as data: one table ([`keys::KEYS`]) that the shape check, the suggestions, the
//! masking of secrets, `docs/answers.md` and `docs/answers.schema.json` are made from.

mod keys;

pub use keys::{KEYS, PAIRS};

/// The TOML type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `[name]`
    Table,
    /// `[[name]]`
    Tables,
    /// `"text"`
    String,
    /// `["text", "text"]`
    Strings,
    /// A whole number, both bounds included.
    Integer {
        /// The smallest allowed.
        min: i64,
        /// The largest allowed.
        max: i64,
    },
    /// `true` or `false`
    Boolean,
    /// A string out of these.
    Choice(&'static [&'static str]),
}

impl Kind {
    /// The type in words, with article.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Table => "a table (`[…]`)",
            Self::Tables => "an array of tables (`[[…]]`)",
            Self::String | Self::Choice(_) => "a string (`\"…\"`)",
            Self::Strings => "an array of strings (`[\"…\"]`)",
            Self::Integer { .. } => "a whole number",
            Self::Boolean => "true or false",
        }
    }
}

/// One key of the schema.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its names from the top, joined by dots: `user.address`.
    pub path: &'static str,
    /// Its TOML type.
    pub kind: Kind,
    /// What the value is, in the reader's words, with article: `a mail address`.
    pub format: &'static str,
    /// Whether its table is wrong without it.
    pub required: bool,
    /// Whether its value must never be shown.
    pub secret: bool,
    /// What holds when it is not there; empty when that is plain.
    pub default: &'static str,
    /// What it means, in Markdown.
    pub doc: &'static str,
    /// A value as TOML; empty for tables.
    pub example: &'static str,
    /// What a value (of an array: each) has to match, a regular expression for editors; empty
    /// where there is none that helps. The check proper knows more.
    pub pattern: &'static str,
}

/// Two keys of a table that say the same thing in two ways: never both.
#[derive(Debug, Clone, Copy)]
pub struct Pair {
    /// The path of their table.
    pub table: &'static str,
    /// Their names.
    pub names: [&'static str; 2],
    /// Whether the table is wrong without either.
    pub needed: bool,
}

impl Key {
    const fn new(path: &'static str, kind: Kind, format: &'static str) -> Self {
        Self {
            path,
            kind,
            format,
            required: false,
            secret: false,
            default: "",
            doc: "",
            example: "",
            pattern: "",
        }
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    const fn default(mut self, words: &'static str) -> Self {
        self.default = words;
        self
    }

    const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }

    const fn example(mut self, toml: &'static str) -> Self {
        self.example = toml;
        self
    }

    const fn pattern(mut self, regex: &'static str) -> Self {
        self.pattern = regex;
        self
    }

    /// Whether it is a table, or an array of them.
    pub fn is_table(&self) -> bool {
        matches!(self.kind, Kind::Table | Kind::Tables)
    }

    /// The last part of the path.
    pub fn name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }

    /// The path of the table that it stands in; empty for the top.
    pub fn parent(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(parent, _)| parent)
    }

    /// The format, for a sentence.
    pub(super) fn doc_short(&self) -> &'static str {
        self.format
    }

    /// The key as it may stand in a file: `` `port = 587` `` or `` `[[domain]]` ``.
    pub fn example_line(&self) -> String {
        match self.kind {
            Kind::Table | Kind::Tables => header(self.path),
            _ => format!("`{} = {}`", self.name(), self.example),
        }
    }
}

/// The pairs of the table at `path`.
pub fn pairs(path: &str) -> impl Iterator<Item = &'static Pair> + use<'_> {
    PAIRS.iter().filter(move |p| p.table == path)
}

/// The path of `name` in the table `parent`.
pub fn join(parent: &str, name: &str) -> String {
    match parent {
        "" => name.to_owned(),
        parent => format!("{parent}.{name}"),
    }
}

/// The key at `path`.
pub fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|k| k.path == path)
}

/// The keys of the table at `path`, in the order of the schema.
pub fn children(path: &str) -> impl Iterator<Item = &'static Key> + use<'_> {
    KEYS.iter().filter(move |k| k.parent() == path)
}

/// The table's header in back quotes, `` `[[user]]` ``; the top has none.
pub fn header(path: &str) -> String {
    match find(path).map(|k| k.kind) {
        Some(Kind::Tables) => format!("`[[{path}]]`"),
        Some(_) => format!("`[{path}]`"),
        None => "the top of the file, before every `[table]`".to_owned(),
    }
}

/// Whether there is a key of this name anywhere.
pub(super) fn is_name(name: &str) -> bool {
    KEYS.iter().any(|k| k.name() == name)
}

/// Whether every key of this name may have its value shown.
pub(super) fn is_public_name(name: &str) -> bool {
    let mut keys = KEYS.iter().filter(|k| k.name() == name).peekable();
    keys.peek().is_some() && keys.all(|k| !k.secret)
}

/// The key in the table at `place` whose name is most like `name`, if one is like it at all.
pub(super) fn nearest(place: &str, name: &str) -> Option<&'static str> {
    let folded = name.to_ascii_lowercase().replace('-', "_");
    children(place)
        .map(|k| {
            (
                strsim::normalized_damerau_levenshtein(&folded, k.name()),
                k.name(),
            )
        })
        .filter(|(likeness, _)| *likeness >= 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// A key of exactly this name in another table.
pub(super) fn elsewhere(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|k| k.name() == name)
}

/// `"a"`, `"b"` or `"c"`.
pub(super) fn or_list(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|w| format!("`\"{w}\"`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        for (n, key) in KEYS.iter().enumerate() {
            assert!(!key.doc.is_empty(), "{} has no text", key.path);
            assert!(
                KEYS[..n].iter().all(|k| k.path != key.path),
                "{} twice",
                key.path
            );
            assert_eq!(key.example.is_empty(), key.is_table(), "{}", key.path);
            if !key.is_table() {
                let line = format!("{} = {}", key.name(), key.example);
                toml::Table::from_str(&line).unwrap_or_else(|e| panic!("{}: {e}", key.path));
            }
            let parent = key.parent();
            assert!(
                parent.is_empty() || KEYS[..n].iter().any(|k| k.path == parent),
                "{} stands before its table",
                key.path
            );
        }
        for pair in PAIRS {
            for name in pair.names {
                let key = find(&join(pair.table, name));
                assert!(key.is_some_and(|k| !k.required), "{pair:?}");
            }
        }
    }

    #[test]
    fn the_nearest_name_is_found() {
        assert_eq!(nearest("", "Hostname"), Some("hostname"));
        assert_eq!(nearest("", "users"), Some("user"));
        assert_eq!(nearest("user", "pasword_hash"), Some("password_hash"));
        assert_eq!(nearest("ssh", "authorized-keys"), Some("authorized_keys"));
        assert_eq!(nearest("user", "colour"), None);
    }

    use std::str::FromStr;
}
