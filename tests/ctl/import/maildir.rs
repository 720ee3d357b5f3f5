//! `mailctl import maildir`.

use std::{
    fs,
    io::Write,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use tempfile::TempDir;

use crate::{accounts::changed_and_ends, server::Server};

const ALICE: &str = "alice@example.org";

fn put(root: &Path, path: &str, bytes: &[u8], seconds: u64) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = fs::File::create(&path).unwrap();
    file.write_all(bytes).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds))
        .unwrap();
}

fn text(subject: &str) -> Vec<u8> {
    format!("Subject: {subject}\n\nHello.\n").into_bytes()
}

/// A Maildir of another server, with compressed messages, flags, keywords and nested names.
fn old() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    put(root, "new/1.a", &text("unread"), 1_600_000_000);
    put(root, "cur/2.b:2,FSa", &text("flagged"), 1_600_000_001);
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
    xz.write_all(&text("as archmailbox kept it")).unwrap();
    put(
        root,
        "cur/3.c,S=40:2,RSZ",
        &xz.finish().unwrap(),
        1_600_000_002,
    );
    put(root, "cur/4.d:2,S", b"\0\x01\x02", 1_600_000_003);
    put(root, "tmp/5.e", &text("never delivered"), 1);
    put(root, "dovecot-keywords", b"0 $Label1\n", 1);
    put(root, ".Gesendet/cur/6.f:2,S", &text("sent"), 1_600_000_004);
    put(
        root,
        ".&ANw-bung.2019/cur/7.g:2,",
        &text("twice"),
        1_600_000_005,
    );
    put(
        root,
        ".&ANw-bung.2019/cur/8.h:2,T",
        &text("twice"),
        1_600_000_006,
    );
    folder
}

fn mailbox(server: &Server) -> PathBuf {
    server.world.path("var/vmail/example.org/alice/Maildir")
}

/// Every message: where it is, its flags, its time and its subject.
fn messages(server: &Server) -> String {
    let name = regex::Regex::new(r"\d+\.M\d+P\d+R[0-9a-f]{16}\.[^,]+,").unwrap();
    let root = mailbox(server);
    let mut lines = Vec::new();
    for entry in walkdir::WalkDir::new(&root) {
        let entry = entry.unwrap();
        let path = entry.path().strip_prefix(&root).unwrap().to_str().unwrap();
        let in_mail = ["cur/", "new/", "tmp/"]
            .iter()
            .any(|sub| path.contains(sub));
        if !entry.file_type().is_file() || !in_mail {
            continue;
        }
        let bytes = zstd::decode_all(fs::File::open(entry.path()).unwrap()).unwrap();
        let mail = String::from_utf8(bytes).unwrap();
        let data = entry.metadata().unwrap();
        assert_eq!(data.mode() & 0o7777, 0o600);
        if rustix::process::geteuid().is_root() {
            assert_eq!((data.uid(), data.gid()), (308, 308));
        }
        lines.push(format!(
            "{} {} {}",
            name.replace(path, "[name],"),
            data.mtime(),
            mail.lines().next().unwrap()
        ));
    }
    lines.sort();
    lines.join("\n")
}

/// An import with a message that is left out.
fn import(server: &Server, from: &Path, more: &[&str]) -> String {
    import_and_ends(server, 3, from, more)
}

fn import_and_ends(server: &Server, status: i32, from: &Path, more: &[&str]) -> String {
    let mut arguments = vec!["import", "maildir", ALICE, from.to_str().unwrap()];
    arguments.extend(more);
    changed_and_ends(server, status, &arguments).replace(from.to_str().unwrap(), "OLD")
}

#[test]
fn a_maildir_comes_once() {
    let (server, old) = (Server::small(), old());
    let dry = import(&server, old.path(), &["--dry-run"]);
    insta::assert_snapshot!("import-maildir-dry-run", dry);
    assert!(!mailbox(&server).exists());
    insta::assert_snapshot!("import-maildir", import(&server, old.path(), &[]));
    insta::assert_snapshot!("import-maildir-messages", messages(&server));
    let read = |path: &str| fs::read_to_string(mailbox(&server).join(path)).unwrap();
    assert_eq!(read("dovecot-keywords"), "0 $Label1\n");
    assert_eq!(read("subscriptions"), "V\t2\n\nSent\n&ANw-bung\t2019\n");
    assert_eq!(read(".Sent/maildirfolder"), "");
    let before = messages(&server);
    insta::assert_snapshot!("import-maildir-again", import(&server, old.path(), &[]));
    assert_eq!(messages(&server), before);
}

/// As after a restore: the old state has what came since, and what was moved and read since.
#[test]
fn only_what_is_missing_comes() {
    let (server, old) = (Server::small(), old());
    import(&server, old.path(), &[]);
    let before = messages(&server);
    // read here since: another name, the same message
    let new = mailbox(&server).join("new");
    let name = fs::read_dir(&new)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .file_name();
    let read = format!("{}:2,S", name.to_str().unwrap());
    fs::rename(new.join(&name), mailbox(&server).join("cur").join(read)).unwrap();
    put(old.path(), "new/9.i", &text("came later"), 1_700_000_000);
    let crlf = b"Subject: flagged\r\n\r\nHello.\r\n";
    put(old.path(), "cur/2.b:2,FSa", crlf, 1);
    let json = import(&server, old.path(), &["--folder", "INBOX", "--json"]);
    insta::assert_snapshot!("import-maildir-missing", json);
    let after = messages(&server);
    assert_eq!(after.lines().count(), before.lines().count() + 1);
    assert!(after.contains("1700000000 Subject: came later"), "{after}");
}

#[test]
fn folders_can_have_other_names() {
    let (server, old) = (Server::small(), old());
    let said = import_and_ends(
        &server,
        0,
        old.path(),
        &["--folder", "Gesendet", "--map", "Gesendet=Old/v1.0"],
    );
    insta::assert_snapshot!(said, @r#"
    NEW  HERE ALREADY  LEFT OUT  FOLDER
    1    0             0         Gesendet -> Old/v1.0

    1 message, 22 B, brought to alice@example.org
    "#);
    let place = mailbox(&server).join(".Old.v1_0/cur");
    assert_eq!(fs::read_dir(place).unwrap().count(), 1);
}

#[test]
fn keywords_get_letters_that_are_free() {
    let (server, old) = (Server::small(), old());
    put(&mailbox(&server), "dovecot-keywords", b"0 Work\n", 1);
    import(&server, old.path(), &["--folder", "INBOX"]);
    let read = |path: &str| fs::read_to_string(mailbox(&server).join(path)).unwrap();
    assert_eq!(read("dovecot-keywords"), "0 Work\n1 $Label1\n");
    assert!(
        messages(&server).contains(":2,FSb "),
        "{}",
        messages(&server)
    );
}

#[test]
fn what_is_wrong_is_said() {
    let (server, old) = (Server::small(), old());
    let root = old.path().to_str().unwrap();
    let bad = |arguments: &[&str]| {
        let said = server.bad(1, &[&["import", "maildir"], arguments].concat());
        said.replace(root, "OLD")
    };
    insta::assert_snapshot!(bad(&["nobody@example.org", root]), @"mailctl: there is no user nobody@example.org; 'mailctl user list' shows all");
    insta::assert_snapshot!(bad(&[ALICE, &format!("{root}/tmp")]), @"mailctl: OLD/tmp is no Maildir: there is neither 'cur' nor 'new' in it; the folder of one mailbox is needed, such as /old/var/vmail/example.org/alice/Maildir");
    insta::assert_snapshot!(bad(&[ALICE, "/nonexistent"]), @"mailctl: /nonexistent is not a folder");
    insta::assert_snapshot!(bad(&[ALICE, root, "--folder", "Sent"]), @"mailctl: there is no folder Sent; there are INBOX, Gesendet, Übung/2019; nothing was changed");
    let own = mailbox(&server);
    fs::create_dir_all(own.join("cur")).unwrap();
    insta::assert_snapshot!(bad(&[ALICE, own.to_str().unwrap()]), @"mailctl: ROOT/var/vmail/example.org/alice/Maildir is the mailbox of alice@example.org itself");
    // whoever owns a mailbox could have put a link there
    fs::create_dir(own.join("new")).unwrap();
    std::os::unix::fs::symlink("/", own.join("tmp")).unwrap();
    insta::assert_snapshot!(bad(&[ALICE, root]), @"mailctl: ROOT/var/vmail/example.org/alice/Maildir/tmp is no folder, or a link to one: move it away first");
    assert_eq!(fs::read_dir(own.join("cur")).unwrap().count(), 0);
    fs::remove_dir_all(own.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/tmp", own.parent().unwrap()).unwrap();
    insta::assert_snapshot!(bad(&[ALICE, root]), @"mailctl: ROOT/var/vmail/example.org/alice is no folder, or a link to one: move it away first");
}

#[test]
fn a_folder_is_seen_although_a_later_one_fails() {
    let (server, old) = (Server::small(), old());
    let root = old.path().to_str().unwrap();
    // the folder that comes last
    let last = mailbox(&server).join(".&ANw-bung.2019");
    fs::create_dir_all(last.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/", &last).unwrap();
    server.bad(1, &["import", "maildir", ALICE, root]);
    let read = || fs::read_to_string(mailbox(&server).join("subscriptions")).unwrap();
    assert_eq!(read(), "V\t2\n\nSent\n");
    fs::remove_file(last).unwrap();
    import(&server, old.path(), &[]);
    assert_eq!(read(), "V\t2\n\nSent\n&ANw-bung\t2019\n");
}

/// What a restore keeps of a mailbox is imported from where it is kept, over what was restored.
#[test]
fn the_mail_of_before_a_restore_is_taken_from_where_it_is_kept() {
    let (server, old) = (Server::small(), old());
    let state = server.world.path("var/lib/ezmail");
    let kept = state.join("restore/old-20261124T033000Z/mail/example.org/alice/Maildir");
    fs::create_dir_all(kept.parent().unwrap()).unwrap();
    fs::rename(old.path(), &kept).unwrap();
    fs::create_dir(old.path()).unwrap();
    if rustix::process::geteuid().is_root() {
        for entry in walkdir::WalkDir::new(state.join("restore")) {
            std::os::unix::fs::chown(entry.unwrap().path(), Some(308), Some(308)).unwrap();
        }
    }
    let said = import(&server, &kept, &["--folder", "INBOX"]);
    assert!(said.contains("3 messages, "), "{said}");
    let said = import(&server, &kept, &["--folder", "INBOX"]);
    assert!(said.contains("0 messages, "), "{said}");
}
