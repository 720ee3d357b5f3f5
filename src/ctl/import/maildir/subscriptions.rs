//! Which folders a mail program shows: the file `subscriptions` of a Maildir.

use std::path::Path;

use anyhow::Result;

use super::{
    lock::{self, Locked},
    target::make_folder,
};

/// The file of a Maildir.
const FILE: &str = "subscriptions";
/// How the file begins since dovecot 2.2: the names then have tabs between their parts.
const HEAD: &str = "V\t2\n\n";

/// Adds a folder, whose name is as Maildir++ has it below the Maildir, such as `.Work.2026`; the
/// Maildir is made if it is not there yet.
///
/// # Errors
/// When the file cannot be read or written, or dovecot holds it for too long.
pub fn add(maildir: &Path, owner: Option<(u32, u32)>, place: &str) -> Result<()> {
    make_folder(maildir, owner)?;
    let path = maildir.join(FILE);
    let locked = Locked::new(&path, owner)?;
    let before = lock::read(&path)?.filter(|text| !text.is_empty());
    locked.replace(&with(before.as_deref().unwrap_or(HEAD), place))
}

fn with(before: &str, place: &str) -> String {
    let between = if before.starts_with("V\t2") {
        "\t"
    } else {
        "/"
    };
    let mut text = before.to_owned();
    let line = place.trim_start_matches('.').replace('.', between);
    if !text.lines().any(|known| known == line) {
        text += &format!("{line}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_added_once() {
        let text = with(HEAD, ".Work.2026");
        assert_eq!(text, "V\t2\n\nWork\t2026\n");
        assert_eq!(with(&text, ".Work.2026"), text);
        assert_eq!(with("Sent\n", ".Work.2026"), "Sent\nWork/2026\n");
    }
}
