//! `[backup]` and `[restore]`: where backups go and come from.

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{Context, ssh};
use crate::{
    answers::{
        location::{Location, Scheme},
        model::{Backup, Keep, Restore, Schedule, Source},
        node::{Node, Text},
        rules::Rule,
    },
    backup::passphrase,
    encpipe::PASSFILE_LIMIT,
    mail::password,
    util::secret::Secret,
};

/// Fewest characters of a passphrase. The key comes from it without a salt, and whoever has a
/// backup may guess as long as he likes.
const MIN_PASSPHRASE: usize = 20;
const PLACES: &str = "write `sftp://USER@HOST/FOLDER` or `s3://ACCESS_KEY@HOST/BUCKET/FOLDER`";

/// Reads `[backup]`.
pub(super) fn backup(root: &Node<'_>, cx: &mut Context<'_>) -> Option<Backup> {
    let node = root.table("backup")?;
    let target = node.text("target");
    let target = target.and_then(|value| location(Rule::BackupTarget, &value, value.text, cx));
    let schedule = match node.text("schedule") {
        Some(value) => schedule(&value, cx),
        None => Some(Schedule::default()),
    };
    let keep = keep(&node, cx);
    let (passphrase, passphrase_file) = cx.inline_or_file(&node, "passphrase");
    let passphrase = passphrase.and_then(|(value, text)| passphrase_of(&value, &text, cx));
    let (ssh_key, ssh_key_file) = cx.inline_or_file(&node, "ssh_key");
    let ssh_key = ssh_key.and_then(|(value, text)| private_key(&value, text, cx));
    let host_key = node.text("host_key");
    let host_key = host_key.and_then(|value| host_key_of(&value, cx));
    let (secret_key, secret_key_file) = cx.inline_or_file(&node, "secret_key");
    let secret_key = secret_key.and_then(|(value, text)| secret_of(&value, &text, cx));
    if let Some(target) = &target {
        right_keys(&node, target.scheme, cx);
    }
    Some(Backup {
        target: target?,
        schedule: schedule?,
        keep: keep?,
        passphrase_file,
        passphrase,
        ssh_key_file,
        ssh_key,
        host_key,
        secret_key_file,
        secret_key,
    })
}

/// Reads `[restore]`.
pub(super) fn restore(root: &Node<'_>, cx: &mut Context<'_>) -> Option<Restore> {
    let node = root.table("restore")?;
    let missing = match root.table("backup") {
        None if root.has("backup") => None,
        None => Some((
            "there is no `[backup]`, whose passphrase opens the backup",
            "add `[backup]` with a `target`, and the `passphrase` that the backup was made with",
        )),
        Some(backup) if backup.has("passphrase") || backup.has("passphrase_file") => None,
        Some(_) => Some((
            "`[backup]` has no passphrase, which opens the backup",
            "add the `passphrase` that the backup was made with, or a `passphrase_file`",
        )),
    };
    if let Some((missing, help)) = missing {
        cx.report.add(
            Rule::RestoreBackup,
            "restore",
            root.key_span("restore"),
            missing,
            help,
        );
    }
    let value = node.text("source")?;
    let source = match value.text.contains("://") {
        true => Source::Location(location(Rule::RestoreSource, &value, value.text, cx)?),
        false => Source::File(cx.file_name(&value)?.to_owned()),
    };
    Some(Restore { source })
}

fn location(rule: Rule, value: &Text<'_>, text: &str, cx: &mut Context<'_>) -> Option<Location> {
    let location = text.parse();
    location
        .map_err(|e| {
            let message = format!("this is not an address for backups: {e}");
            cx.about(rule, value, message, PLACES);
        })
        .ok()
}

fn schedule(value: &Text<'_>, cx: &mut Context<'_>) -> Option<Schedule> {
    let schedule = value.text.parse();
    schedule
        .map_err(|_| {
            let message = format!("`{}` does not say how often", value.text);
            let help = "write `\"hourly\"`, `\"daily\"`, `\"weekly\"`, `\"never\"`, or an hour \
                        such as `\"03:30\"`";
            cx.about(Rule::BackupSchedule, value, message, help);
        })
        .ok()
}

fn keep(backup: &Node<'_>, cx: &mut Context<'_>) -> Option<Keep> {
    let default = Keep::default();
    let Some(node) = backup.table("keep") else {
        return Some(default);
    };
    let count = |name: &str, default: u16| match node.integer(name) {
        None => Some(default),
        Some(n) => u16::try_from(n).ok(),
    };
    let keep = Keep {
        daily: count("daily", default.daily)?,
        weekly: count("weekly", default.weekly)?,
        monthly: count("monthly", default.monthly)?,
    };
    if (keep.daily, keep.weekly, keep.monthly) == (0, 0, 0) {
        cx.report.add(
            Rule::BackupKeep,
            node.path.clone(),
            backup.key_span("keep"),
            "nothing is kept: every backup would be deleted again",
            "keep at least one, such as `keep.daily = 7`",
        );
        return None;
    }
    Some(keep)
}

fn first_line(text: &Secret) -> &str {
    text.expose().lines().next().unwrap_or("").trim()
}

fn passphrase_of(value: &Text<'_>, text: &Secret, cx: &mut Context<'_>) -> Option<Secret> {
    let normal = passphrase::written(text.expose());
    let line = normal.expose();
    let length = line.chars().count();
    let problem = match password::check_strength(line, &[]) {
        _ if length < MIN_PASSPHRASE => {
            format!("the passphrase has {length} characters; at least {MIN_PASSPHRASE} are needed")
        }
        _ if line.len() > PASSFILE_LIMIT => format!(
            "the passphrase has {} bytes; `encpipe` reads no more than {PASSFILE_LIMIT} from a file",
            line.len()
        ),
        Err(e) => e.to_string().replace("the password", "the passphrase"),
        Ok(()) => return Some(normal),
    };
    let help = "make one with `encpipe -G`, and keep a copy where the server is not; or leave it \
                out: the server then makes one";
    cx.about(Rule::BackupPassphrase, value, problem, help);
    None
}

/// The other machine's own key.
fn host_key_of(value: &Text<'_>, cx: &mut Context<'_>) -> Option<String> {
    match ssh::parse(value.text) {
        Ok((_, line)) => Some(line),
        Err(message) => {
            let behind = value.text.trim().split_once(' ');
            let named = behind.is_some_and(|(_, rest)| ssh::parse(rest).is_ok());
            let message = match named {
                true => "there is something before the type of the key".to_owned(),
                false => message,
            };
            let help = "write what `ssh-keyscan -t ed25519 HOST` prints behind the name, such as \
                        `ssh-ed25519 AAAA…`";
            cx.about(Rule::BackupHostKey, value, message, help);
            None
        }
    }
}

fn secret_of(value: &Text<'_>, text: &Secret, cx: &mut Context<'_>) -> Option<Secret> {
    let line = first_line(text);
    if line.is_empty() || line.len() > 255 || !line.chars().all(|c| c.is_ascii_graphic()) {
        let message = "a secret key has 1 to 255 letters, digits and signs, and no blank";
        let help = "copy it again from the store's settings";
        cx.about(Rule::BackupKey, value, message, help);
        return None;
    }
    Some(Secret::new(line))
}

fn private_key(value: &Text<'_>, text: Secret, cx: &mut Context<'_>) -> Option<Secret> {
    if let Err(message) = openssh(text.expose()) {
        let help = "make one with `ssh-keygen -t ed25519 -N ''`, or leave it out: the server \
                    then makes one itself";
        cx.about(Rule::BackupKey, value, message, help);
        return None;
    }
    Some(text)
}

/// Whether it is a key in OpenSSH's own form (its PROTOCOL.key) without a passphrase.
fn openssh(text: &str) -> Result<(), &'static str> {
    const MAGIC: &[u8] = b"openssh-key-v1\0";
    let body = text
        .trim()
        .strip_prefix("-----BEGIN OPENSSH PRIVATE KEY-----")
        .and_then(|rest| rest.strip_suffix("-----END OPENSSH PRIVATE KEY-----"))
        .ok_or("this is not an SSH private key (`-----BEGIN OPENSSH PRIVATE KEY-----` …)")?;
    let base64: Zeroizing<String> = Zeroizing::new(body.split_ascii_whitespace().collect());
    let bytes = STANDARD.decode(base64.as_bytes()).map(Zeroizing::new);
    let bytes = bytes.map_err(|_| "the SSH key is damaged: it is not base64")?;
    let rest = bytes.strip_prefix(MAGIC).ok_or("the SSH key is damaged")?;
    // string ciphername, string kdfname, string kdfoptions, uint32 number of keys
    match rest.strip_prefix(b"\0\0\0\x04none\0\0\0\x04none\0\0\0\0") {
        Some([0, 0, 0, 1, ..]) => Ok(()),
        Some(_) => Err("the SSH key is damaged"),
        None => Err("the SSH key is encrypted with a passphrase, which nobody types at night"),
    }
}

/// Each scheme has its own kind of key.
fn right_keys(node: &Node<'_>, scheme: Scheme, cx: &mut Context<'_>) {
    const SECRET: [&str; 2] = ["secret_key", "secret_key_file"];
    let (own, other, other_scheme): (_, &[&str], _) = match scheme {
        Scheme::Sftp => (None, &SECRET, "`s3://`"),
        Scheme::S3 => (
            Some(SECRET),
            &["ssh_key", "ssh_key_file", "host_key"],
            "`sftp://`",
        ),
    };
    for name in other.iter().filter(|name| node.has(name)) {
        cx.report.add(
            Rule::BackupLogin,
            node.path_of(name),
            node.key_span(name),
            format!("`{name}` is for targets that begin with {other_scheme}"),
            "remove it, or correct the `target`",
        );
    }
    if let Some([a, b]) = own
        && !node.has(a)
        && !node.has(b)
    {
        cx.report.add(
            Rule::BackupLogin,
            node.path.clone(),
            node.span.clone(),
            format!("`backup` has neither `{a}` nor `{b}`, which its `target` needs"),
            "add one of the two",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(head: &[u8]) -> String {
        let base64 = STANDARD.encode([b"openssh-key-v1\0", head, &[7; 40]].concat());
        format!(
            "-----BEGIN OPENSSH PRIVATE KEY-----\n{base64}\n-----END OPENSSH PRIVATE KEY-----\n"
        )
    }

    #[test]
    fn a_passphrase_from_paper_is_taken_with_its_blanks() {
        let answers = |passphrase: &str| {
            let target = "target = \"sftp://me@backup.example.net/srv\"";
            let text = format!(
                "{}\n[backup]\n{target}\npassphrase = \"{passphrase}\"\n",
                crate::answers::example::toml()
            );
            crate::answers::parse(&text, "a").unwrap().backup.unwrap()
        };
        let made = passphrase::generate().unwrap();
        let groups: Vec<_> = made.expose().as_bytes().chunks(4).collect();
        let typed = String::from_utf8(groups.join(&b' ')).unwrap();
        assert_eq!(answers(&typed).passphrase, Some(made));
        let words = "wood stapler rain bridge";
        assert_eq!(answers(words).passphrase, Some(Secret::new(words)));
    }

    #[test]
    fn an_ssh_key_is_told_from_an_encrypted_one() {
        let plain = b"\0\0\0\x04none\0\0\0\x04none\0\0\0\0\0\0\0\x01";
        assert_eq!(openssh(&key(plain)), Ok(()));
        let encrypted = b"\0\0\0\x0aaes256-ctr\0\0\0\x06bcrypt";
        for (text, want) in [
            (key(encrypted), "encrypted"),
            (key(plain).replace('a', "!"), "not"),
            ("ssh-ed25519 AAAA".to_owned(), "not an SSH private key"),
            (key(plain).replace("b3BlbnNz", "AAAAAAAA"), "damaged"),
        ] {
            assert!(openssh(&text).unwrap_err().contains(want), "{want}");
        }
    }
}
