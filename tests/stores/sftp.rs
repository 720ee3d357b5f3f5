//! SFTP, with a real sshd.

use std::{
    fs,
    io::{Read, Write},
    os::unix::fs::PermissionsExt,
};

use ezmail::backup::store::{Access, Store, open};

use crate::{
    listed, noise, put, sshd::Sshd, told, whole_or_not_at_all, written_listed_read_and_removed,
};

const LARGE: usize = (21 << 20) + 7;

#[test]
fn files_are_written_listed_read_and_removed() {
    let sshd = Sshd::start();
    let location = sshd.location(&sshd.path("made/for/us")).parse().unwrap();
    let store = open(&location, &sshd.access()).unwrap();
    assert_eq!(store.name(), location.to_string());
    written_listed_read_and_removed(store.as_ref(), LARGE);
    put(store.as_ref(), "a", b"text");
    let mode = fs::metadata(sshd.path("made/for/us/a"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    fs::write(sshd.path("made/for/us/.hidden"), "").unwrap();
    fs::create_dir(sshd.path("made/for/us/folder")).unwrap();
    assert_eq!(listed(store.as_ref()), [("a".to_owned(), 4)]);
}

#[test]
fn a_file_appears_whole_or_not_at_all() {
    let sshd = Sshd::start();
    let store = sshd.store("b", &sshd.access());
    whole_or_not_at_all(&store, 3 << 20);
    std::mem::forget(store.create("c").unwrap());
    fs::write(sshd.path("b/.other"), "").unwrap();
    assert_eq!(store.tidy("d").unwrap(), [""; 0]);
    let gone = store.tidy("c").unwrap().concat();
    assert!(
        gone.starts_with(".c.") && gone.ends_with(".unfinished"),
        "{gone}"
    );
    let mut left: Vec<_> = fs::read_dir(sshd.path("b"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, [".other", "a", "b"]);
}

/// SFTP can synchronise no folder. With a file that was renamed, ext4, XFS and btrfs write its name.
#[test]
fn a_file_and_its_name_are_on_the_disk_at_the_end() {
    let said = tempfile::NamedTempFile::new().unwrap();
    let program = ["/usr/lib/openssh/sftp-server", "/usr/lib/ssh/sftp-server"];
    let program = program.iter().find(|p| fs::exists(p).unwrap()).unwrap();
    let at = said.path().display();
    let lines = format!("ForceCommand {program} -e -l VERBOSE 2>>{at}");
    let sshd = Sshd::start_with(&lines, None);
    put(&sshd.store("b", &sshd.access()), "a", b"text");
    let said = fs::read_to_string(said.path()).unwrap();
    let done = said.lines().filter_map(|l| {
        ["fsync", "posix-rename"]
            .into_iter()
            .find(|w| l.starts_with(w))
    });
    let done: Vec<&str> = done.collect();
    assert_eq!(done, ["fsync", "posix-rename", "fsync"], "{said}");
}

#[test]
fn the_first_host_key_is_remembered_and_another_refused() {
    let sshd = Sshd::start();
    let store = sshd.store("b", &sshd.access());
    put(&store, "a", b"");
    let known = fs::read_to_string(sshd.path("ssh/known_hosts")).unwrap();
    assert!(
        known.contains(sshd.public("host").split(' ').nth(1).unwrap()),
        "{known}"
    );
    sshd.change_host_key();
    let error = told(sshd.store("b", &sshd.access()).list());
    assert!(
        error.contains("shows another host key than before"),
        "{error}"
    );
    let pinned = Access {
        host_key: Some(sshd.public("host")),
        ..sshd.access()
    };
    assert_eq!(sshd.store("b", &pinned).list().unwrap().len(), 1);
    let pinned = Access {
        host_key: Some(sshd.public("other")),
        ..sshd.access()
    };
    let error = told(sshd.store("b", &pinned).list());
    let first = error.lines().next().unwrap();
    insta::assert_snapshot!(sshd.plain(first), @"sftp://USER@127.0.0.1:PORT/FOLDER/b: 127.0.0.1 shows another host key than the one that was given for it. Someone may stand in between; if it was set up anew, give its new key in the answers (backup.host_key)");
}

#[test]
fn another_key_is_refused() {
    let sshd = Sshd::start();
    let access = Access {
        ssh_key: Some(sshd.path("other")),
        ..sshd.access()
    };
    let error = told(sshd.store("b", &access).list());
    insta::assert_snapshot!(sshd.plain(&error), @r"
    sftp://USER@127.0.0.1:PORT/FOLDER/b: 127.0.0.1 does not let USER in with our key: add the line that `mailctl backup ssh-key` prints to the file authorized_keys of USER there
      | USER@127.0.0.1: Permission denied (publickey).
    ");
    let access = Access {
        ssh_key: Some(sshd.path("none")),
        ..sshd.access()
    };
    let error = told(sshd.store("b", &access).list());
    insta::assert_snapshot!(sshd.plain(&error), @"sftp://USER@127.0.0.1:PORT/FOLDER/b: there is no SSH key /FOLDER/none to log in with");
}

#[test]
fn a_server_that_is_not_there_or_cut_off_is_told() {
    let mut sshd = Sshd::start();
    let access = sshd.access();
    let store = sshd.store("b", &access);
    put(&store, "large", &noise(1, LARGE));
    let mut download = store.open("large").unwrap();
    download.read_exact(&mut [0; 1000]).unwrap();
    let mut upload = store.create("other").unwrap();
    upload.write_all(&noise(2, 1 << 20)).unwrap();
    assert!(sshd.cut() > 0, "nobody talked");
    let error = download.read_to_end(&mut Vec::new()).unwrap_err();
    let first = error.to_string();
    assert!(
        first.contains("large: the connection to the server was lost"),
        "{first}"
    );
    let mut error = None;
    for _ in 0..1000 {
        if let Err(e) = upload.write_all(&[0; 1 << 16]) {
            error = Some(e.to_string());
            break;
        }
    }
    let error = error.expect("a write should have failed");
    assert!(
        error.contains("other: the connection to the server was lost"),
        "{error}"
    );
    let error = told(upload.commit());
    insta::assert_snapshot!(sshd.plain(&error), @"sftp://USER@127.0.0.1:PORT/FOLDER/b/other: something of it could not be written");
    // the same store connects again
    assert_eq!(store.tidy("").unwrap().len(), 1);
    assert_eq!(listed(&store), [("large".to_owned(), LARGE as u64)]);
    let location = sshd.location(&sshd.path("b")).parse().unwrap();
    drop(store);
    sshd.stop();
    let error = told(open(&location, &access).unwrap().list());
    assert!(error.contains("no SSH server answers at port"), "{error}");
}

#[test]
fn a_folder_that_may_not_be_written_is_told() {
    let sshd = Sshd::start();
    fs::write(sshd.path("file"), "").unwrap();
    let error = told(sshd.store("file", &sshd.access()).create("a"));
    insta::assert_snapshot!(sshd.plain(&error), @"sftp://USER@127.0.0.1:PORT/FOLDER/file: /FOLDER/file is a file there, no folder");
    let location = sshd.location("/proc/none".as_ref()).parse().unwrap();
    let error = told(open(&location, &sshd.access()).unwrap().create("a"));
    insta::assert_snapshot!(sshd.plain(&error), @"creating the folder /proc/none for sftp://USER@127.0.0.1:PORT/proc/none: there is no such file or folder");
}

#[test]
fn a_server_that_takes_no_more_leaves_no_file() {
    let sshd = Sshd::start_with("", Some(4096));
    let store = sshd.store("b", &sshd.access());
    let mut upload = store.create("a").unwrap();
    let written = upload.write_all(&noise(1, 16 << 20)).map_err(Into::into);
    let error = told(written.and_then(|()| upload.commit()));
    insta::assert_snapshot!(sshd.plain(&error), @"writing sftp://USER@127.0.0.1:PORT/FOLDER/b/a: the server refuses it (Failure); a full disk or quota there is the usual reason");
    assert_eq!(listed(&store), []);
    assert_eq!(fs::read_dir(sshd.path("b")).unwrap().count(), 0);
}

#[test]
fn a_path_below_the_home_folder() {
    let sshd = Sshd::start_with("ForceCommand internal-sftp -d /", None);
    let folder = sshd.path("home/b");
    // the folder that one is in after logging in stands for the home folder
    let location =
        sshd.location(&std::path::Path::new("/~").join(folder.strip_prefix("/").unwrap()));
    let store = open(&location.parse().unwrap(), &sshd.access()).unwrap();
    put(store.as_ref(), "a", b"text");
    assert_eq!(fs::read(folder.join("a")).unwrap(), b"text");
}
