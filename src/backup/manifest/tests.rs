use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use super::*;

fn item(path: &[u8], kind: Kind) -> Item {
    Item {
        path: OsStr::from_bytes(path).into(),
        mode: 0o600,
        uid: 308,
        gid: 308,
        kind,
    }
}

fn header() -> Header {
    Header {
        format: FORMAT,
        id: "mail.example.org_20261124T033000Z".parse().unwrap(),
        version: "0.1.0".to_owned(),
        schema: Some(4),
        modules: vec![Module::Config, Module::Mail],
        complete_until: 1_795_491_060,
        files: 1,
        bytes: 5,
        archives: vec![Needed {
            name: "mail.example.org_20261123T033000Z.tar.zst.encpipe".to_owned(),
            bytes: 7,
        }],
    }
}

fn items() -> [Item; 4] {
    let content = |archive: Option<&str>, entry: Option<&str>| {
        Kind::File(Content {
            mtime: 1,
            size: 5,
            sha256: [0xab; 32],
            archive: archive.map(str::to_owned),
            entry: entry.map(Into::into),
        })
    };
    let target = "sieve/main.sieve".into();
    [
        item(b"mail", Kind::Directory),
        item(b"mail/.dovecot.sieve", Kind::Symlink { target }),
        item(b"mail/a", content(None, None)),
        item(b"mail/\xff", content(Some("x"), Some("mail/b"))),
    ]
}

fn text() -> String {
    let mut out = Vec::new();
    write_header(&mut out, &header()).unwrap();
    for item in items() {
        write_item(&mut out, &item).unwrap();
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn what_is_written_is_read() {
    let text = text();
    insta::assert_snapshot!(text);
    let mut lines = Lines::new(text.as_bytes());
    assert_eq!(lines.header().unwrap(), header());
    for item in items() {
        assert_eq!(lines.item().unwrap(), Some(item));
    }
    assert_eq!(lines.item().unwrap(), None);
}

fn refused(change: impl Fn(&str) -> String) -> String {
    let text = change(&text());
    let mut lines = Lines::new(text.as_bytes());
    let mut read = || -> Result<()> {
        lines.header()?;
        while lines.item()?.is_some() {}
        Ok(())
    };
    format!("{:#}", read().unwrap_err())
}

#[test]
fn what_cannot_be_is_refused() {
    let newer = refused(|t| t.replacen("\"format\":1", "\"format\":2", 1));
    insta::assert_snapshot!(newer, @"the backup has format 2, and this version of ezmail (0.1.0) knows formats up to 1: it was made by a newer version; use that one to restore it");
    for (from, to) in [
        ("mail/a", "../a"),
        ("mail/a", "/a"),
        ("mail/b", "a/../../b"),
    ] {
        let error = refused(|t| t.replacen(from, to, 1));
        assert!(error.contains("leads elsewhere"), "{error}");
    }
    let error = refused(|t| t.replacen("\"0600\"", "\"10600\"", 1));
    assert!(error.starts_with("line 2 of the manifest: "), "{error}");
    let error = refused(|t| t[..t.len() - 1].to_owned());
    assert!(
        error.starts_with("line 5 of the manifest does not end"),
        "{error}"
    );
    assert_eq!(refused(|_| String::new()), "the manifest is empty");
}

#[test]
fn a_backup_of_very_many_archives_can_be_read() {
    let mut many = header();
    many.archives = vec![many.archives[0].clone(); 5000];
    let mut out = Vec::new();
    write_header(&mut out, &many).unwrap();
    assert_eq!(Lines::new(&out[..]).header().unwrap(), many);
}
