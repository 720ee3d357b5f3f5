//! Where a message's header ends, what its fields are called, and how a new field is written.
//!
//! The rules are those that smtpd itself reads messages by after us (rfc5322.c), so that both
//! see the same fields.

use thiserror::Error;

use super::answer::MAX_LINE;

/// The longest line a new field may have before it is folded (RFC 5322, 2.1.1).
const FOLD_AT: usize = 78;

/// What one line is, in the header part of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// The first line of a field, and its name as written.
    Field(&'a [u8]),
    /// A line that goes on with the field above.
    Continuation,
    /// Not of the header: the empty line, or the first line of a body that lacks it.
    Body,
}

/// Tells header lines from the body, line by line.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Scanner {
    in_field: bool,
    in_body: bool,
}

impl Scanner {
    /// Classifies the next line, given without dot-stuffing and newline. Once a line was of the
    /// body, all that follow are.
    pub(super) fn next<'a>(&mut self, line: &'a [u8]) -> Kind<'a> {
        if self.in_body {
            return Kind::Body;
        }
        let blank = matches!(line.first(), Some(b' ' | b'\t'));
        if blank && self.in_field {
            return Kind::Continuation;
        }
        match line.iter().position(|&b| b == b':') {
            Some(colon) if !blank => {
                self.in_field = true;
                Kind::Field(line[..colon].trim_ascii_end())
            }
            _ => {
                self.in_body = true;
                Kind::Body
            }
        }
    }

    /// Whether the header is over.
    pub(super) fn in_body(&self) -> bool {
        self.in_body
    }
}

/// The line as the sender meant it: smtpd drops one leading dot of every line that has one.
pub(super) fn unstuffed(line: &[u8]) -> &[u8] {
    line.strip_prefix(b".").unwrap_or(line)
}

/// Why a field from rspamd cannot stand in a message.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum BadField {
    /// The name has a character that no field name may have (RFC 5322, 2.2), or none at all.
    #[error("the header name '{}' is not one", .0.escape_debug())]
    Name(String),
    /// A line stays longer than smtpd can take, for want of a blank to fold at.
    #[error("the header {0} has a line that is too long")]
    TooLong(String),
}

/// A field to be put into a message, folded and safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    lines: Vec<String>,
}

impl Field {
    /// Builds `name: value`. Line breaks in `value` count as folding, whatever follows them, so
    /// that no value can begin another field or end the header; other control characters are
    /// dropped; lines over 78 characters are folded at blanks.
    pub(super) fn new(name: &str, value: &str) -> Result<Self, BadField> {
        let is_name = |b: u8| b.is_ascii_graphic() && b != b':';
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(BadField::Name(name.to_owned()));
        }
        let mut lines = Vec::new();
        for part in value.split(['\r', '\n']) {
            let part: String = part
                .chars()
                .filter(|c| *c == '\t' || !c.is_control())
                .collect();
            // a line of blanks alone would be taken for the end of the header by some readers
            if part.trim().is_empty() && !(lines.is_empty() && value.trim().is_empty()) {
                continue;
            }
            let line = if lines.is_empty() {
                format!("{name}: {}", part.trim())
            } else if part.starts_with([' ', '\t']) {
                part.trim_end().to_owned()
            } else {
                format!("\t{}", part.trim_end())
            };
            fold(&line, &mut lines);
        }
        if lines.iter().any(|l| l.len() > MAX_LINE) {
            return Err(BadField::TooLong(name.to_owned()));
        }
        Ok(Self { lines })
    }

    /// The field's lines, without newlines; none needs dot-stuffing.
    pub(super) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.lines.iter().map(|l| l.as_bytes())
    }
}

/// Breaks `line` before blanks, so that unfolding gives back the very same text.
fn fold(line: &str, out: &mut Vec<String>) {
    let mut rest = line;
    while rest.len() > FOLD_AT {
        // never inside the leading blanks or right after the name: that would leave an empty line
        let start = rest.find(|c| c != ' ' && c != '\t').unwrap_or(0);
        let start = match rest[start..].find([' ', '\t']) {
            Some(first) if out.is_empty() && rest[..start + first].ends_with(':') => {
                start + first + 1
            }
            _ => start,
        };
        let is_break = |&(at, c): &(usize, char)| {
            at > start && (c == ' ' || c == '\t') && !rest[at..].trim().is_empty()
        };
        let before = rest
            .char_indices()
            .take_while(|(at, _)| *at <= FOLD_AT)
            .filter(is_break)
            .last();
        let Some((at, _)) = before.or_else(|| rest.char_indices().find(is_break)) else {
            break;
        };
        out.push(rest[..at].to_owned());
        rest = &rest[at..];
    }
    out.push(rest.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str, value: &str) -> String {
        match Field::new(name, value) {
            Ok(field) => field.lines.join("\n"),
            Err(error) => format!("refused: {error}"),
        }
    }

    #[test]
    fn the_scanner_reads_as_smtpd_does() {
        let mut scanner = Scanner::default();
        assert_eq!(scanner.next(b"Received: a"), Kind::Field(b"Received"));
        assert_eq!(scanner.next(b"\tby b"), Kind::Continuation);
        assert_eq!(scanner.next(b"Subject : x"), Kind::Field(b"Subject"));
        assert_eq!(scanner.next(b""), Kind::Body);
        assert_eq!(scanner.next(b"To: no header"), Kind::Body);
        assert_eq!(Scanner::default().next(b" a: b"), Kind::Body);
        assert_eq!(Scanner::default().next(b"no colon"), Kind::Body);
    }

    #[test]
    fn a_value_cannot_begin_another_field() {
        insta::assert_snapshot!(shown("X-A", "one\r\nBcc: two\n\n\rbody\0\u{7}"), @r"
        X-A: one
        	Bcc: two
        	body
        ");
        insta::assert_snapshot!(shown("X-A", ""), @"X-A: ");
    }

    #[test]
    fn names_are_checked() {
        insta::assert_snapshot!(shown("X A", "x"), @"refused: the header name 'X A' is not one");
        insta::assert_snapshot!(shown("X:\nA", "x"), @r"refused: the header name 'X:\nA' is not one");
        insta::assert_snapshot!(shown("", "x"), @"refused: the header name '' is not one");
    }

    #[test]
    fn long_lines_are_folded_at_blanks_and_unfold_to_the_same() {
        let value = "alpha ".repeat(40) + "omega";
        let field = Field::new("X-Long", &value).unwrap();
        assert!(field.lines.len() > 3);
        assert!(field.lines.iter().all(|l| l.len() <= FOLD_AT));
        assert_eq!(field.lines.concat(), format!("X-Long: {value}"));

        let word = "x".repeat(200);
        let field = Field::new("X-Word", &format!("{word} {word}")).unwrap();
        assert_eq!(field.lines, [format!("X-Word: {word}"), format!(" {word}")]);
        let error = Field::new("X-Word", &"é".repeat(MAX_LINE / 2)).unwrap_err();
        assert_eq!(error, BadField::TooLong("X-Word".to_owned()));
    }

    #[test]
    fn folding_that_is_there_is_kept() {
        let value = "v=1; a=rsa-sha256;\r\n\td=example.org; s=a;\r\n\tb=abc";
        insta::assert_snapshot!(shown("DKIM-Signature", value), @r"
        DKIM-Signature: v=1; a=rsa-sha256;
        	d=example.org; s=a;
        	b=abc
        ");
    }
}
