//! Which messages of the other mailbox were passed on: a line each, the folder, a tab, and the name
//! of the file in the copy.

use std::path::Path;

use anyhow::Result;

use crate::{
    ctl::import::maildir::{self, Passed},
    util::files,
};

/// Reads the list; an empty one if there is none yet.
///
/// # Errors
/// When it is there and cannot be read.
pub fn read(path: &Path) -> Result<Passed> {
    Ok(parse(&maildir::read(path)?.unwrap_or_default()))
}

fn parse(text: &str) -> Passed {
    let mut passed = Passed::new();
    for (folder, base) in text.lines().filter_map(|line| line.rsplit_once('\t')) {
        let bases = passed.entry(folder.to_owned()).or_default();
        bases.insert(base.to_owned());
    }
    passed
}

/// Writes it.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, passed: &Passed) -> Result<()> {
    files::write(path, text(passed), 0o600)
}

fn text(passed: &Passed) -> String {
    let lines = |(folder, bases): (&String, &std::collections::BTreeSet<String>)| {
        let line = |base: &String| format!("{folder}\t{base}\n");
        bases.iter().map(line).collect::<String>()
    };
    passed.iter().map(lines).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept() {
        let text = "INBOX\t1.a\nINBOX\t2.b\nMy Work\t1.a\n";
        let passed = parse(text);
        assert_eq!(passed["INBOX"].len(), 2);
        assert_eq!(super::text(&passed), text);
    }
}
