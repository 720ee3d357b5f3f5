//! Names of folders: as people write them, and as dovecot keeps them on the disk.
//!
//! On the disk they are in the UTF-7 of IMAP (RFC 3501 section 5.1.3). Other servers may keep UTF-8.

use base64::{
    Engine,
    alphabet::IMAP_MUTF7,
    engine::{GeneralPurpose, general_purpose::NO_PAD},
};

const BASE64: GeneralPurpose = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);

/// The folder that every mailbox has.
pub const INBOX: &str = "INBOX";

/// A part of a name in IMAP's UTF-7.
pub fn encode(text: &str) -> String {
    let mut encoded = String::new();
    let mut wide: Vec<u8> = Vec::new();
    let flush = |wide: &mut Vec<u8>, encoded: &mut String| {
        if !wide.is_empty() {
            *encoded += &format!("&{}-", BASE64.encode(&wide));
            wide.clear();
        }
    };
    for c in text.chars() {
        if (' '..='~').contains(&c) {
            flush(&mut wide, &mut encoded);
            encoded.push(c);
            if c == '&' {
                encoded.push('-');
            }
        } else {
            let mut units = [0; 2];
            let units = c.encode_utf16(&mut units).iter();
            wide.extend(units.flat_map(|unit| unit.to_be_bytes()));
        }
    }
    flush(&mut wide, &mut encoded);
    encoded
}

/// What a text in IMAP's UTF-7 says; `None` if it is none.
pub fn decode(text: &str) -> Option<String> {
    let mut decoded = String::new();
    let mut rest = text;
    while let Some((plain, after)) = rest.split_once('&') {
        decoded += plain;
        let (coded, after) = after.split_once('-')?;
        rest = after;
        if coded.is_empty() {
            decoded.push('&');
            continue;
        }
        let bytes = BASE64.decode(coded).ok()?;
        let (pairs, left) = bytes.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
        if !left.is_empty() || units.is_empty() {
            return None;
        }
        decoded += &String::from_utf16(&units).ok()?;
    }
    decoded += rest;
    text.is_ascii().then_some(decoded)
}

/// A name on a disk as people write it: from UTF-7, or as it is where it is none.
pub fn shown(on_disk: &str) -> String {
    decode(on_disk).unwrap_or_else(|| on_disk.to_owned())
}

/// Folders that have a task here, and what they are called elsewhere.
const SPECIAL: [(&str, &[&str]); 5] = [
    (
        "Drafts",
        &[
            "draft",
            "entwürfe",
            "entwurf",
            "[gmail]/drafts",
            "[gmail]/entwürfe",
        ],
    ),
    (
        "Sent",
        &[
            "sent items",
            "sent messages",
            "sent mail",
            "sent-mail",
            "gesendet",
            "gesendete objekte",
            "gesendete elemente",
            "[gmail]/sent mail",
            "[gmail]/gesendet",
        ],
    ),
    ("Archive", &["archives", "archiv"]),
    (
        "Trash",
        &[
            "deleted items",
            "deleted messages",
            "deleted",
            "papierkorb",
            "gelöschte objekte",
            "gelöschte elemente",
            "[gmail]/trash",
            "[gmail]/papierkorb",
        ],
    ),
    (
        "Junk",
        &[
            "spam",
            "junk e-mail",
            "junk email",
            "bulk mail",
            "[gmail]/spam",
        ],
    ),
];

/// What a folder is called here: as `given` says, or as our own folder of the same task, or as it is.
/// All names as people write them, with `/` between folders.
pub fn here(name: &str, given: &[(String, String)]) -> String {
    if name.eq_ignore_ascii_case(INBOX) {
        return INBOX.to_owned();
    }
    if let Some((_, to)) = given.iter().find(|(from, _)| from == name) {
        return to.clone();
    }
    let lower = name.to_lowercase();
    let ours = |(own, others): &&(&str, &[&str])| {
        own.to_lowercase() == lower || others.contains(&lower.as_str())
    };
    SPECIAL
        .iter()
        .find(ours)
        .map_or_else(|| name.to_owned(), |(own, _)| (*own).to_owned())
}

/// The folder's place below a Maildir, as Maildir++ has it; `None` where a name cannot be kept.
pub fn place(name: &str) -> Option<String> {
    if name == INBOX {
        return Some(String::new());
    }
    let mut place = String::new();
    for part in name.split('/') {
        if part.is_empty() || part.chars().any(|c| c.is_control()) {
            return None;
        }
        // the dot separates folders on the disk: dovecot puts this in its place when it synchronises
        place += &format!(".{}", encode(&part.replace('.', "_")));
    }
    (place.len() <= 250).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first is RFC 3501's, the others are what dovecot 2.4 made.
    #[test]
    fn names_become_utf_7_and_come_back() {
        for (text, coded) in [
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("Übung", "&ANw-bung"),
            ("A & B", "A &- B"),
            ("📬x", "&2D3c7A-x"),
        ] {
            assert_eq!(encode(text), coded);
            assert_eq!(decode(coded).as_deref(), Some(text));
        }
        for wrong in ["A & B", "&ANw", "&A-", "Ü", "&2D0-"] {
            assert_eq!(decode(wrong), None, "{wrong}");
            assert_eq!(shown(wrong), wrong);
        }
    }

    #[test]
    fn folders_with_a_task_have_our_names() {
        let given = [("Gesendet".to_owned(), "Old/Sent".to_owned())];
        let here = |name| here(name, &given);
        assert_eq!(here("Gesendet"), "Old/Sent");
        assert_eq!(here("[Gmail]/Sent Mail"), "Sent");
        assert_eq!(here("ENTWÜRFE"), "Drafts");
        assert_eq!(here("junk"), "Junk");
        assert_eq!(here("inbox"), "INBOX");
        assert_eq!(here("Work/Sent Items"), "Work/Sent Items");
    }

    #[test]
    fn a_place_stays_within_the_mailbox() {
        assert_eq!(place("INBOX").as_deref(), Some(""));
        assert_eq!(place("Übung/v1.2").as_deref(), Some(".&ANw-bung.v1_2"));
        assert_eq!(place("../x").as_deref(), Some(".__.x"));
        for wrong in ["", "a//b", "/a", "a\nb", &"x".repeat(300)] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }
}
