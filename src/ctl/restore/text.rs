//! What a restore tells people.

use super::{
    accounts::Difference,
    look::{Part, Seen},
};
use crate::{
    backup::module::Module,
    ctl::{output, words},
    util::size::size,
};

/// How many names are told before the rest is a number.
const NAMES: usize = 8;

/// What is inside, and what would change.
pub(super) fn seen(seen: &Seen) -> String {
    let whose = match seen.same_host {
        true => "on this server".to_owned(),
        false => format!(
            "on {}: ANOTHER SERVER, this is {}",
            seen.id.host, seen.this_host
        ),
    };
    let mut text = format!(
        "backup {}\n  in {}\n  made by ezmail {} {whose}\n  with all mail that came before {} UTC\n\n",
        seen.id,
        seen.place,
        seen.version,
        minute(seen.complete_until)
    );
    let head = [
        "MODULE",
        "FILES",
        "SIZE",
        "NEWEST",
        "NEW",
        "CHANGED",
        "ONLY HERE",
    ];
    let rows: Vec<_> = seen.modules.iter().map(row).collect();
    text += &output::table(head, &rows);
    let mut lines = Vec::new();
    if let Some(changes) = &seen.accounts {
        let parts = [
            ("domains", &changes.domains),
            ("users", &changes.users),
            ("aliases", &changes.aliases),
        ];
        for (what, difference) in parts {
            lines.extend(differences(what, difference));
        }
        if lines.is_empty() {
            lines.push("domains, users and aliases stay as they are".to_owned());
        }
    }
    if !seen.without_mail.is_empty() {
        let names = names(&seen.without_mail);
        lines.push(format!("users who have no mail here: {names}"));
    }
    if !seen.without_user.is_empty() {
        let names = names(&seen.without_user);
        lines.push(format!("mailboxes without a user here: {names}"));
    }
    let restored = |m| seen.modules.iter().any(|p| p.module == m && p.restored);
    if restored(Module::Config) && !restored(Module::Database) {
        lines.push(
            "the answers of the backup apply to the present users: who is only in later ones goes"
                .to_owned(),
        );
    }
    if !lines.is_empty() {
        let options = textwrap::Options::new(80)
            .word_splitter(textwrap::WordSplitter::NoHyphenation)
            .subsequent_indent("  ");
        let lines = lines.iter().map(|line| textwrap::fill(line, &options));
        text += &format!("\n{}\n", lines.collect::<Vec<_>>().join("\n"));
    }
    text
}

fn row(part: &Part) -> [String; 7] {
    let number = |n: u64| match part.restored {
        true => n.to_string(),
        false => "-".to_owned(),
    };
    [
        part.module.to_string(),
        part.files.to_string(),
        size(part.bytes),
        part.newest.map_or("-".to_owned(), minute),
        number(part.new),
        number(part.changed),
        number(part.only_here),
    ]
}

/// `2026-11-24 03:30`
pub(super) fn minute(seconds: i64) -> String {
    let time = words::time(seconds.saturating_mul(1_000_000));
    time.get(..16).unwrap_or(&time).to_owned()
}

fn differences(what: &str, difference: &Difference) -> Vec<String> {
    let line = |verb: &str, list: &[String]| {
        (!list.is_empty()).then(|| format!("{what} that {verb}: {}", names(list)))
    };
    let lines = [
        line("come", &difference.come),
        line("go", &difference.go),
        line("change", &difference.change),
    ];
    lines.into_iter().flatten().collect()
}

fn names(list: &[String]) -> String {
    let shown = list.iter().take(NAMES).cloned().collect::<Vec<_>>();
    match list.len().saturating_sub(NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What is asked before it is done.
pub(super) fn question(modules: &[Module]) -> String {
    let names: Vec<&str> = modules.iter().map(|m| m.name()).collect();
    format!(
        "Put this in place of what is there now ({})? That is kept beside it.",
        names.join(", ")
    )
}

/// What was done.
pub(super) fn restored(said: &[String], all: bool) -> String {
    let mut text = String::new();
    for line in said {
        text += &format!("{line}\n");
    }
    let what = if all { "the backup" } else { "what was chosen" };
    text + &format!(
        "restored: {what} is in place\nwhat was there before is kept: 'mailctl restore --undo' goes \
         back to it,\n'mailctl restore --drop-old' removes it\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::restore::accounts::Changes;

    #[test]
    fn what_would_change_is_seen_at_a_glance() {
        let part = |module, restored, files, bytes| Part {
            module,
            restored,
            files,
            bytes,
            newest: Some(1_795_491_000),
            new: 3,
            changed: 14,
            only_here: 5,
        };
        let list = |n: usize| (0..n).map(|n| format!("user{n}@example.org")).collect();
        let seen = Seen {
            id: "mail.example.org_20261124T033000Z".parse().unwrap(),
            place: "/mnt/usb".to_owned(),
            version: "0.1.0".to_owned(),
            complete_until: 1_795_491_007,
            this_host: "mx.example.net".to_owned(),
            same_host: false,
            modules: vec![
                part(Module::Database, true, 1, 98_304),
                part(Module::Mail, false, 123_456, 9_800_000_000),
            ],
            accounts: Some(Changes {
                users: Difference {
                    come: list(2),
                    go: Vec::new(),
                    change: list(11),
                },
                ..Changes::default()
            }),
            without_mail: list(1),
            without_user: Vec::new(),
        };
        insta::assert_snapshot!(super::seen(&seen), @r"
        backup mail.example.org_20261124T033000Z
          in /mnt/usb
          made by ezmail 0.1.0 on mail.example.org: ANOTHER SERVER, this is mx.example.net
          with all mail that came before 2026-11-24 03:30 UTC

        MODULE    FILES   SIZE     NEWEST            NEW  CHANGED  ONLY HERE
        database  1       98.3 kB  2026-11-24 03:30  3    14       5
        mail      123456  9.80 GB  2026-11-24 03:30  -    -        -

        users that come: user0@example.org, user1@example.org
        users that change: user0@example.org, user1@example.org, user2@example.org,
          user3@example.org, user4@example.org, user5@example.org, user6@example.org,
          user7@example.org and 3 more
        users who have no mail here: user0@example.org
        ");
    }
}
