//! What happens to values on their way through forms.

use crate::mail::records::Record;

/// A value without anything that does not print.
pub fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// What happened to a value, if it is one of the things that happen to any: `wanted` is what it
/// should be, `found` all that is there under the name.
pub fn mangled(record: &Record, found: &[String]) -> Option<&'static str> {
    let wanted = record.data.joined()?;
    let plain = squeezed(&wanted);
    let without = |text: &String, out: &[char]| squeezed(&text.replace(out, ""));
    let alike = |text: &String, out: &[char]| without(text, out) == plain.replace(out, "");
    for text in found {
        if *text == wanted {
            return None;
        }
        let quoted = text.contains(['"', '\u{201c}', '\u{201d}']);
        let begins = |t: &str| t.starts_with(plain.split(';').next().unwrap_or_default());
        let bare = squeezed(&text.replace(['"', '\u{201c}', '\u{201d}'], ""));
        if quoted && (bare == plain || text.starts_with('"') || begins(&bare)) {
            return Some("txt-quotes-inside");
        }
        if text.contains("\\;") {
            return Some("txt-escaped-semicolon");
        }
        if squeezed(text) == plain && alike(text, &[]) {
            return Some("txt-spaces");
        }
    }
    let all: String = found.concat();
    let parts = found.len() > 1 && found.iter().all(|part| !part.is_empty());
    let held = |part: &String| plain.contains(&squeezed(part));
    if parts && squeezed(&all).len() == plain.len() && found.iter().all(held) {
        return Some("txt-in-several-records");
    }
    None
}

/// `NAME=VALUE` divided by semicolons (RFC 6376 section 3.2, RFC 7489 section 6.4); nothing for a
/// text that is not made so.
pub fn tags(text: &str) -> Option<Vec<(String, String)>> {
    let parts = text.trim().trim_end_matches(';').split(';');
    let tag = |part: &str| {
        let (name, value) = part.split_once('=')?;
        let name = name.trim();
        let fits = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        fits.then(|| (name.to_owned(), value.trim().to_owned()))
    };
    parts.map(tag).collect()
}

/// The value of a tag.
pub fn tag<'a>(tags: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = tags.iter().find(|(n, _)| n == name);
    found.map(|(_, value)| value.as_str())
}
