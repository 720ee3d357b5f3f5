//! The answers file: the TOML that makes an image somebody's mail server.
//!
//! Text goes through three stages, each of which reports all that it finds:
//!
//! 1. [`toml`]: is it TOML? (`parse`, here)
//! 2. `shape`: are the keys those of the [`schema`], and of the right types?
//! 3. `check`: do the values make sense, alone and together?
//!
//! Out come [`Answers`], or a [`Report`] whose every finding has a place, a reason and a remedy.
//! `ezmail answers check` on the host and the agent at boot are the same call.

mod check;
pub mod command;
pub mod container;
pub mod docs;
pub mod example;
mod export;
mod hashing;
pub mod json_schema;
pub mod load;
pub mod location;
mod mask;
pub mod model;
mod node;
mod quota;
mod report;
pub mod reserved;
mod rules;
pub(crate) mod schedule;
pub mod schema;
mod shape;
mod sheet;

use toml::de::DeTable;

pub use check::Files;
pub use hashing::Account;
pub use model::Answers;
pub use report::{Finding, Report};
pub use rules::{Level, Rule};

use node::Node;

/// Largest answers file, in bytes.
pub const MAX_SIZE: usize = 1 << 20;
/// Largest file beside the answers, in bytes: a 4096 bit key has about 3300.
pub const MAX_FILE: usize = 64 * 1024;
/// The most files beside the answers that are taken along.
pub const MAX_FILES: usize = 200;

/// The answers of a text, without reading the files that it names: their keys stay `None`.
///
/// `name` is what the report calls the text. Warnings are dropped; [`read`] keeps them.
///
/// # Errors
/// When there is an error in the text; the report also has the warnings.
pub fn parse(text: &str, name: &str) -> Result<Answers, Report> {
    let (answers, report) = read(text.as_bytes(), name, None);
    answers.ok_or(report)
}

/// The answers of a file's bytes, if they have no error, and everything that was found.
///
/// UTF-8, with or without byte order mark, lines ended by LF or CRLF. `files` gives the content
/// of the key files that the answers name; without it they are not looked for.
pub fn read(bytes: &[u8], name: &str, files: Option<Files<'_>>) -> (Option<Answers>, Report) {
    if bytes.len() > MAX_SIZE {
        let mut report = Report::new(name, String::new());
        let message = format!("the file has {} bytes; 1 MiB is the most", bytes.len());
        let help = "is this the answers file, or perhaps an image?";
        report.add(Rule::TooLarge, "", 0..0, message, help);
        return (None, report);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) => return (None, not_utf8(bytes, e.valid_up_to(), name)),
    };
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return (None, syntax(text, name, &errors));
    }
    let root = Node::root(document.get_ref());
    let mut report = Report::new(name, mask::document(text, document.get_ref()));
    shape::check(&root, "", &mut report);
    let answers = check::check(&root, files, &mut report);
    (answers, report.sorted())
}

/// `valid` is the number of bytes before the first wrong one.
fn not_utf8(bytes: &[u8], valid: usize, name: &str) -> Report {
    let before = String::from_utf8_lossy(&bytes[..valid]);
    let mut report = Report::new(name, mask::lines(&before));
    let byte = bytes[valid];
    let message = format!("the file is not UTF-8: byte {valid} is 0x{byte:02x}");
    let help = "save it as UTF-8";
    report.add(Rule::NotUtf8, "", valid..valid, message, help);
    report
}

/// Only what the TOML parser says: what it could not read cannot be checked further.
fn syntax(text: &str, name: &str, errors: &[toml::de::Error]) -> Report {
    let mut report = Report::new(name, mask::lines(text));
    for error in errors {
        let message = format!("this is not TOML: {}", error.message());
        let help = "see toml.io for how TOML is written; the rest is checked once this is right";
        let span = error.span().unwrap_or(0..0);
        report.add(Rule::Syntax, "", span, message, help);
    }
    report.sorted()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bom_and_crlf_are_taken() {
        let plain = example::toml();
        let windows = format!("\u{feff}{}", plain.replace('\n', "\r\n"));
        assert_eq!(parse(&windows, "w").unwrap(), parse(&plain, "p").unwrap());
    }

    #[test]
    fn deep_and_odd_documents_end_in_a_report() {
        for text in [
            "a = ".to_owned() + &"[".repeat(100_000),
            "[".repeat(1 << 19),
            "\0".into(),
        ] {
            assert!(parse(&text, "x").is_err());
        }
    }

    #[test]
    fn without_files_the_keys_stay_open() {
        let key = "[[domain.dkim]]\nselector = \"a\"\nkey_file = \"a.pem\"\n";
        let text = example::toml() + "[[domain]]\nname = \"b.org\"\n" + key;
        let answers = parse(&text, "x").unwrap();
        assert_eq!(answers.domains[1].dkim[0].key, None);
    }
}
