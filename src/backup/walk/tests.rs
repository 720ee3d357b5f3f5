use super::*;

fn server() -> (tempfile::TempDir, Target, Paths) {
    let folder = tempfile::tempdir().unwrap();
    let target = Target::new(folder.path()).unwrap();
    (folder, target, Paths::default())
}

fn write(at: PathBuf, text: &str) {
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    fs::write(at, text).unwrap();
}

fn listed(catalog: &Catalog) -> Vec<String> {
    let mut paths = Vec::new();
    let add = |item: Item| {
        paths.push(item.path.display().to_string());
        Ok(())
    };
    catalog.each(None, add).unwrap();
    paths
}

#[test]
fn places_that_are_mounted_elsewhere_are_looked_for_there() {
    let (folder, target, paths) = server();
    let at = |path: &str| place(&target, &paths, Path::new(path));
    assert_eq!(at("mail/a"), folder.path().join("var/vmail/a"));
    assert_eq!(at("queue"), folder.path().join("var/spool/smtpd"));
    let database = folder.path().join("var/lib/ezmail/mail.sqlite");
    assert_eq!(at("mail.sqlite"), database);
}

#[test]
fn what_needs_no_backup_is_left_out() {
    let out = |path: &str| is_left_out(Path::new(path));
    for path in [
        "mail/e/a/Maildir/tmp/1.x",
        "mail/e/a/Maildir/dovecot.index.cache",
        "mail/e/a/Maildir/dovecot-uidlist.lock",
        "mail/e/a/import",
        "mail/e/a/import/imap.example.com_a/Maildir/cur/1.x",
        "queue/incoming/1",
        "secrets/backup-passphrase",
        "secrets/backup-passphrase.before",
        "valkey/temp-1.rdb",
        "mail.sqlite-journal",
        "journal/x",
        "answers/.tmpa1b2c3",
    ] {
        assert!(out(path), "{path}");
    }
    for path in [
        "mail/e/a/Maildir/tmp",
        "mail/e/tmp/Maildir",
        "mail/e/import/Maildir/cur/1.x",
        "mail/e/a/Maildir/.import/cur/1.x",
        "mail/e/a/Maildir/cur/1.lock",
        "mail/e/a/Maildir/cur/.tmpx",
        "mail/e/a/Maildir/dovecot-uidlist",
        "queue/queue/1/a/message",
        "secrets/controller",
        "valkey/rspamd.rdb",
        "mail.sqlite",
    ] {
        assert!(!out(path), "{path}");
    }
}

#[test]
fn messages_are_in_maildirs() {
    let message = |path: &str| is_message(Path::new(path));
    assert!(message("mail/e/a/Maildir/new/1") && message("mail/e/a/Maildir/.Sent/cur/1"));
    assert!(!message("mail/e/cur/.dovecot.sieve") && !message("mail/e/a/Maildir/dovecot-uidlist"));
}

#[test]
fn what_changes_is_listed_again() {
    let (folder, target, paths) = server();
    let roots = roots(&[Module::Config, Module::Mail], &target, &paths);
    let mail = folder.path().join("var/vmail/e/a/Maildir");
    let state = folder.path().join("var/lib/ezmail");
    write(state.join("state.json"), "{}");
    write(mail.join("new/1"), "one");
    write(mail.join("cur/2"), "two");
    write(mail.join("tmp/3"), "three");
    let scratch = tempfile::tempdir().unwrap();
    let catalog = Catalog::create(&scratch.path().join("c")).unwrap();
    let walk = Walk::new(&roots, &catalog);
    walk.list().unwrap();
    insta::assert_snapshot!(listed(&catalog).join("\n"), @r"
    mail
    mail/e
    mail/e/a
    mail/e/a/Maildir
    mail/e/a/Maildir/cur
    mail/e/a/Maildir/cur/2
    mail/e/a/Maildir/new
    mail/e/a/Maildir/new/1
    mail/e/a/Maildir/tmp
    state.json
    ");
    assert!(!walk.refresh().unwrap());
    // read, filed, and expunged; a folder comes, a file of its own changes
    fs::rename(mail.join("new/1"), mail.join("cur/1:2,S")).unwrap();
    fs::remove_file(mail.join("cur/2")).unwrap();
    write(mail.join(".Sent/cur/4"), "four");
    write(state.join("answers/answers.toml"), "");
    files_write(&state.join("state.json"));
    assert!(walk.refresh().unwrap());
    assert!(!walk.refresh().unwrap());
    insta::assert_snapshot!(listed(&catalog).join("\n"), @r"
    answers
    answers/answers.toml
    mail
    mail/e
    mail/e/a
    mail/e/a/Maildir
    mail/e/a/Maildir/.Sent
    mail/e/a/Maildir/.Sent/cur
    mail/e/a/Maildir/.Sent/cur/4
    mail/e/a/Maildir/cur
    mail/e/a/Maildir/cur/1:2,S
    mail/e/a/Maildir/new
    mail/e/a/Maildir/tmp
    state.json
    ");
    fs::remove_dir_all(&mail).unwrap();
    assert!(walk.refresh().unwrap());
    assert_eq!(listed(&catalog).len(), 6);
}

fn files_write(path: &Path) {
    crate::util::files::write(path, "{ }", 0o600).unwrap();
}
