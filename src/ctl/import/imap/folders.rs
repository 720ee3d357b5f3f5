//! Which folders the other server has, and which of them are wanted.

/// A folder there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct There {
    /// Its name, with `/` between folders.
    pub name: String,
    /// How many messages it has.
    pub messages: u64,
}

/// Views of other folders at Gmail: all that is in them is elsewhere.
pub const VIEWS: [&str; 3] = ["[Gmail]/All Mail", "[Gmail]/Starred", "[Gmail]/Important"];
/// Such views by what servers say about them (RFC 6154), whatever their language.
pub const VIEW_USES: [&str; 3] = ["\\All", "\\Flagged", "\\Important"];

/// Reads what `doveadm mailbox status messages` prints.
pub fn parse(text: &str) -> Vec<There> {
    let line = |line: &str| {
        let (name, messages) = line.rsplit_once(" messages=")?;
        Some(There {
            name: name.to_owned(),
            messages: messages.trim().parse().ok()?,
        })
    };
    text.lines().filter_map(line).collect()
}

/// What stands before every name there, as on servers that keep all folders below the inbox.
pub fn prefix(folders: &[There]) -> Option<&'static str> {
    let mut others = folders
        .iter()
        .filter(|f| !f.name.eq_ignore_ascii_case("INBOX"));
    let below = |f: &There| f.name.starts_with("INBOX/");
    (others.clone().next().is_some() && others.all(below)).then_some("INBOX")
}

/// The folders under the names that they have without the prefix.
pub fn stripped(folders: Vec<There>, prefix: Option<&str>) -> Vec<There> {
    let Some(prefix) = prefix else {
        return folders;
    };
    let start = format!("{prefix}/");
    let strip = |folder: There| There {
        name: folder
            .name
            .strip_prefix(&start)
            .unwrap_or(&folder.name)
            .to_owned(),
        ..folder
    };
    folders.into_iter().map(strip).collect()
}

/// Whether a name fits a mask, in which `*` is anything and `?` one character.
pub fn fits(mask: &str, name: &str) -> bool {
    fn fits(mask: &[char], name: &[char]) -> bool {
        match mask.split_first() {
            None => name.is_empty(),
            Some(('*', rest)) => (0..=name.len()).any(|n| fits(rest, &name[n..])),
            Some(('?', rest)) => !name.is_empty() && fits(rest, &name[1..]),
            Some((c, rest)) => name.first() == Some(c) && fits(rest, &name[1..]),
        }
    }
    let chars = |text: &str| text.chars().collect::<Vec<_>>();
    fits(&chars(mask), &chars(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dovecot_prints_is_read() {
        let text = "v1.2 messages=0\nINBOX/My Work messages=12\nINBOX messages=4\nodd\n";
        let folders = parse(text);
        let names: Vec<_> = folders
            .iter()
            .map(|f| (f.name.as_str(), f.messages))
            .collect();
        assert_eq!(names, [("v1.2", 0), ("INBOX/My Work", 12), ("INBOX", 4)]);
        assert_eq!(prefix(&folders), None);
        assert_eq!(prefix(&folders[1..]), Some("INBOX"));
        assert_eq!(prefix(&folders[2..]), None);
        let stripped = stripped(folders[1..].to_vec(), Some("INBOX"));
        assert_eq!(stripped[0].name, "My Work");
    }

    #[test]
    fn masks_have_wildcards() {
        assert!(fits("[Gmail]/*", "[Gmail]/Sent Mail"));
        assert!(fits("v?", "v1"));
        assert!(!fits("v?", "v12"));
        assert!(!fits("Spam", "Spam/old"));
        assert!(fits("*", ""));
    }
}
