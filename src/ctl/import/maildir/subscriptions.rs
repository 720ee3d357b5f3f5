//! Which folders a mail program shows: the file `subscriptions` of a Maildir.

use std::path::Path;

use anyhow::Result;

use super::lock::{self, Locked};

/// The file of a Maildir.
const FILE: &str = "subscriptions";
/// How the file begins since dovecot 2.2: the names then have tabs between their parts.
const HEAD: &str = "V\t2\n\n";

/// Adds folders, whose names are as Maildir++ has them below the Maildir, such as `.Work.2026`.
///
/// # Errors
/// When the file cannot be read or written, or dovecot holds it for too long.
pub fn add(maildir: &Path, owner: Option<(u32, u32)>, places: &[String]) -> Result<()> {
    if places.is_empty() {
        return Ok(());
    }
    let path = maildir.join(FILE);
    let locked = Locked::new(&path, owner)?;
    let before = lock::read(&path)?.filter(|text| !text.is_empty());
    locked.replace(&with(before.as_deref().unwrap_or(HEAD), places))
}

fn with(before: &str, places: &[String]) -> String {
    let between = if before.starts_with("V\t2") {
        "\t"
    } else {
        "/"
    };
    let mut text = before.to_owned();
    for place in places {
        let line = place.trim_start_matches('.').replace('.', between);
        if !line.is_empty() && !text.lines().any(|known| known == line) {
            text += &format!("{line}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_added_once() {
        let places = [".Work.2026".to_owned(), ".Sent".to_owned()];
        let text = with(HEAD, &places);
        assert_eq!(text, "V\t2\n\nWork\t2026\nSent\n");
        assert_eq!(with(&text, &places), text);
        assert_eq!(with("Sent\n", &places), "Sent\nWork/2026\n");
    }
}
