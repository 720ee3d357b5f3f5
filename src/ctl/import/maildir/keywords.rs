//! Keywords: flags that have a name of their own, such as `$Label1`.
//!
//! A Maildir has them as letters from `a` to `z` in the names of messages; the file
//! `dovecot-keywords` of a folder says what each stands for.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;

use super::lock::Locked;

/// The file of a folder.
const FILE: &str = "dovecot-keywords";

/// What each letter stands for.
pub type Keywords = BTreeMap<char, String>;

fn parse(text: &str) -> Keywords {
    let line = |line: &str| {
        let (number, name) = line.split_once(' ')?;
        let letter = (b'a'..=b'z').nth(number.parse().ok()?)?;
        Some((char::from(letter), name.to_owned()))
    };
    text.lines().filter_map(line).collect()
}

fn text(keywords: &Keywords) -> String {
    let line = |(letter, name): (&char, &String)| {
        let number = u32::from(*letter) - u32::from('a');
        format!("{number} {name}\n")
    };
    keywords.iter().map(line).collect()
}

/// Those of a folder; none if there is no such file.
///
/// # Errors
/// When it is there and cannot be read.
pub fn read(folder: &Path) -> Result<Keywords> {
    let text = super::lock::read(&folder.join(FILE))?;
    Ok(parse(&text.unwrap_or_default()))
}

/// Gives each of `names` a letter in a folder, and returns all letters by name. What has no room is
/// not in it: there are 26.
///
/// # Errors
/// When the file cannot be read or written, or dovecot holds it for too long.
pub fn add(
    folder: &Path,
    owner: Option<(u32, u32)>,
    names: &[String],
) -> Result<BTreeMap<String, char>> {
    let by_name = |all: &Keywords| -> BTreeMap<String, char> {
        all.iter()
            .map(|(letter, name)| (name.clone(), *letter))
            .collect()
    };
    let before = by_name(&read(folder)?);
    if names.iter().all(|name| before.contains_key(name)) {
        return Ok(before);
    }
    let locked = Locked::new(&folder.join(FILE), owner)?;
    let mut all = read(folder)?;
    for name in names {
        let known = all.values().any(|known| known == name);
        let free = ('a'..='z').find(|letter| !all.contains_key(letter));
        if let (false, Some(free)) = (known, free) {
            all.insert(free, name.clone());
        }
    }
    locked.replace(&text(&all))?;
    Ok(by_name(&all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_are_taken_stay() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        std::fs::write(&file, "0 $Label1\n2 Work\n99 odd\n").unwrap();
        let names = ["Work".to_owned(), "New".to_owned()];
        let letters = add(folder.path(), None, &names).unwrap();
        assert_eq!(letters["Work"], 'c');
        assert_eq!(letters["New"], 'b');
        let written = std::fs::read_to_string(&file).unwrap();
        assert_eq!(written, "0 $Label1\n1 New\n2 Work\n");
        let many: Vec<String> = (0..30).map(|n| format!("k{n}")).collect();
        assert_eq!(add(folder.path(), None, &many).unwrap().len(), 26);
    }
}
