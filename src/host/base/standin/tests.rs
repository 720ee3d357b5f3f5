//! A tiny composition, made by hand, goes through the split and is installed by the host's pacman.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use super::{Kind, split, table::Table};
use crate::{
    host::{
        package,
        pacman::{Pacman, Section, query},
    },
    util::{run::Task, sandbox::Sandbox},
};

const STATUS: &str = "\
Package: base-files
Essential: yes
Status: install ok installed
Architecture: amd64
Version: 13.8
Description: folders

Package: tool
Status: install ok installed
Architecture: amd64
Version: 1:2.0+dfsg-1-3
Depends: libtool (>= 2), mta | exim, dpkg (>= 1)
Description: a tool
 with more to say

Package: libtool
Status: install ok installed
Architecture: all
Version: 5
Provides: exim
Depends: tool
Description: its library

Package: dpkg
Essential: yes
Status: install ok installed
Architecture: amd64
Version: 1.22
Description: Debian's own

Package: linux-image-6.1-amd64
Status: install ok installed
Architecture: amd64
Version: 6.1.2-1
Depends: linux-initramfs-tool, dpkg
Description: kernel

Package: systemd
Status: install ok installed
Architecture: amd64
Version: 257.1-1
Description: init

Package: dracut
Status: install ok installed
Architecture: all
Version: 1
Provides: linux-initramfs-tool
Description: not shipped
";

struct Tar(tar::Builder<Vec<u8>>);

impl Tar {
    fn header(kind: tar::EntryType, mode: u32) -> tar::Header {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(1000);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(0);
        header
    }

    fn folders(&mut self, paths: &[&str]) {
        for path in paths {
            let mut header = Self::header(tar::EntryType::Directory, 0o755);
            self.0
                .append_data(&mut header, format!("./{path}/"), std::io::empty())
                .unwrap();
        }
    }

    fn file(&mut self, path: &str, mode: u32, text: &str) {
        let mut header = Self::header(tar::EntryType::Regular, mode);
        header.set_size(text.len() as u64);
        self.0
            .append_data(&mut header, format!("./{path}"), text.as_bytes())
            .unwrap();
    }

    fn link(&mut self, kind: tar::EntryType, path: &str, target: &str) {
        let mut header = Self::header(kind, 0o777);
        self.0
            .append_link(&mut header, format!("./{path}"), target)
            .unwrap();
    }
}

/// A composition with one of everything that a split must get right.
fn composition() -> Vec<u8> {
    let mut tar = Tar(tar::Builder::new(Vec::new()));
    tar.folders(&[
        "boot",
        "dev",
        "etc",
        "etc/ssh",
        "usr",
        "usr/bin",
        "usr/lib",
        "usr/lib/modules",
        "usr/lib/modules/6.1-amd64",
        "usr/share",
        "usr/share/doc",
        "usr/share/doc/tool",
        "usr/src",
        "var",
        "var/lib",
        "var/lib/dpkg",
        "var/lib/dpkg/info",
        "var/log",
    ]);
    tar.file("dev/null", 0o644, "never shipped");
    tar.file("boot/vmlinuz-6.1-amd64", 0o644, "kernel");
    tar.file("boot/config-6.1-amd64", 0o644, "CONFIG");
    tar.file("boot/initramfs-linux.img", 0o644, "initramfs");
    tar.file("usr/lib/modules/6.1-amd64/modules.dep", 0o644, "");
    tar.link(
        tar::EntryType::Symlink,
        "etc/alternative",
        "../usr/bin/tool",
    );
    tar.link(tar::EntryType::Symlink, "etc/mtab", "../proc/self/mounts");
    tar.file("etc/passwd", 0o644, "root:x:0:0::/root:/bin/sh\n");
    tar.file("etc/tool.conf", 0o640, "a = 1\n");
    tar.file("etc/ssh/ssh_host_rsa_key", 0o600, "secret");
    tar.file("var/log/dpkg.log", 0o644, "log");
    tar.file("usr/bin/tool", 0o4755, "#!/bin/sh\n");
    tar.link(tar::EntryType::Link, "usr/bin/tool2", "./usr/bin/tool");
    tar.link(
        tar::EntryType::Symlink,
        "usr/lib/libtool.so",
        "libtool.so.5",
    );
    tar.file("usr/lib/libtool.so.5", 0o644, "library");
    tar.file("usr/bin/dpkg", 0o755, "#!/bin/sh\n");
    tar.file("usr/share/doc/tool/README", 0o644, "dropped");
    tar.file("usr/share/doc/tool/copyright", 0o644, "kept");
    tar.file("var/lib/dpkg/status", 0o644, STATUS);
    // a file capability, as mmdebstrap's tar carries it
    tar.0
        .append_pax_extensions([("SCHILY.xattr.user.test", b"value".as_slice())])
        .unwrap();
    tar.file("usr/bin/ping", 0o755, "#!/bin/sh\n");
    // a path that no short header holds
    let long = format!("usr/share/{}", "long".repeat(40));
    tar.file(&long, 0o644, "long");
    for (owner, paths) in [
        (
            "base-files",
            "/.\n/boot\n/dev\n/etc\n/usr\n/usr/bin\n/var\n/var/log\n",
        ),
        (
            "tool",
            "/.\n/etc\n/etc/tool.conf\n/bin/tool\n/usr/bin/tool2\n/usr/bin/ping\n/usr/share/doc/tool\n\
             /usr/share/doc/tool/README\n/usr/share/doc/tool/copyright\n",
        ),
        ("libtool:amd64", "/lib/libtool.so\n/lib/libtool.so.5\n"),
        ("dpkg", "/usr/bin/dpkg\n/usr/src\n"),
        (
            "linux-image-6.1-amd64",
            "/boot/vmlinuz-6.1-amd64\n/boot/config-6.1-amd64\n",
        ),
        ("dracut", "/.\n"),
        ("systemd", "/.\n"),
    ] {
        tar.file(&format!("var/lib/dpkg/info/{owner}.list"), 0o644, paths);
    }
    tar.0.into_inner().unwrap()
}

fn table() -> Table {
    let names = |pairs: &[(&str, &[&str])]| {
        pairs
            .iter()
            .map(|(name, of)| ((*name).into(), of.iter().map(|o| (*o).into()).collect()))
            .collect()
    };
    Table {
        names: names(&[
            ("linux", &[]),
            ("arch-tool", &["tool"]),
            ("libtool", &["exim"]),
        ]),
        drop: vec!["dpkg".into(), "dracut".into()],
        links: BTreeMap::from([(
            "arch-tool".into(),
            BTreeMap::from([
                ("usr/lib/tools/*2".into(), "../../bin/*2".into()),
                ("usr/lib/tool.conf".into(), "../../etc/tool.conf".into()),
            ]),
        )]),
    }
}

fn mirror(folder: &Path) -> super::Summary {
    let tar = folder.join("composition.tar");
    fs::write(&tar, composition()).unwrap();
    split(Kind::Image, &table(), &tar, &folder.join("mirror"), 2000).unwrap()
}

fn listing(folder: &Path) -> String {
    let mut paths: Vec<_> = fs::read_dir(folder.join("mirror/os/x86_64"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.to_string_lossy().ends_with(package::EXTENSION))
        .collect();
    paths.sort();
    let mut text = String::new();
    for path in paths {
        let contents = package::read(&path).unwrap();
        let info = contents.info;
        text.push_str(&format!(
            "{} {} {}\n  depends {:?} provides {:?} backup {:?}\n",
            info.name, info.version, info.arch, info.depends, info.provides, info.backup
        ));
        for file in contents.files {
            text.push_str(&format!("  {file}\n"));
        }
    }
    text
}

#[test]
fn every_path_has_its_package() {
    let dir = tempfile::tempdir().unwrap();
    let summary = mirror(dir.path());
    assert_eq!(summary.packages, 9);
    insta::assert_snapshot!(listing(dir.path()));
}

#[test]
fn the_same_composition_gives_the_same_bytes() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    mirror(a.path());
    mirror(b.path());
    let db = |d: &Path| fs::read(d.join("mirror/os/x86_64/standin.db")).unwrap();
    // the database holds every package's checksum
    assert_eq!(db(a.path()), db(b.path()));
}

#[test]
fn pacman_installs_it() {
    // pacman, curl, the shell and mount(8) each read something into one of these
    let dir = tempfile::Builder::new().prefix("a b%20$repo#?'-").tempdir();
    let dir = dir.unwrap();
    mirror(dir.path());
    let root = dir.path().join("root");
    let folder = dir.path().join("mirror/os/x86_64");
    let pacman = Pacman {
        sections: vec![Section::local("standin", &folder).unwrap()],
        cache_dir: dir.path().join("cache"),
        gpg_dir: None,
    };
    fs::create_dir(&root).unwrap();
    // the overlay lies there first
    fs::create_dir(root.join("etc")).unwrap();
    fs::write(root.join("etc/tool.conf"), "ours\n").unwrap();
    std::os::unix::fs::symlink("ours", root.join("etc/alternative")).unwrap();
    let wanted = ["base", "linux", "arch-tool"].map(str::to_owned);
    pacman
        .install(&root, &wanted, &dir.path().join("log"))
        .unwrap();
    let installed: BTreeSet<String> = query(&root).unwrap().into_iter().map(|p| p.0).collect();
    assert!(
        !installed.contains("dpkg") && installed.contains("libtool"),
        "{installed:?}"
    );
    let at = |path: &str| fs::symlink_metadata(root.join(path)).unwrap();
    assert_eq!(
        fs::read_to_string(root.join("etc/tool.conf")).unwrap(),
        "ours\n"
    );
    let link = fs::read_link(root.join("etc/alternative")).unwrap();
    assert_eq!(link, Path::new("ours"));
    assert_eq!(
        fs::read_to_string(root.join("boot/vmlinuz-linux")).unwrap(),
        "kernel"
    );
    assert_eq!(at("usr/bin/tool").permissions().mode() & 0o7777, 0o4755);
    assert_eq!(at("usr/bin/tool").ino(), at("usr/bin/tool2").ino());
    assert_eq!(
        fs::read_link(root.join("usr/lib/tools/tool2")).unwrap(),
        Path::new("../../bin/tool2")
    );
    let db = root.join("var/lib/pacman");
    for check in ["-Qk", "-Dk"] {
        let command = Sandbox::host().command(
            "pacman",
            [
                "--root",
                root.to_str().unwrap(),
                "--dbpath",
                db.to_str().unwrap(),
                check,
            ],
        );
        Task::new(format!("pacman {check}"), command).run().unwrap();
    }
}

#[test]
fn extended_attributes_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    mirror(dir.path());
    let path = dir.path().join(format!(
        "mirror/os/x86_64/tool-1:2.0+dfsg_1-3-x86_64{}",
        package::EXTENSION
    ));
    let decoder = zstd::Decoder::new(fs::File::open(path).unwrap()).unwrap();
    let mut archive = tar::Archive::new(decoder);
    let mut seen = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        if let Some(extensions) = entry.pax_extensions().unwrap() {
            for e in extensions.map(Result::unwrap) {
                let value = String::from_utf8_lossy(e.value_bytes()).into_owned();
                seen.push((name.clone(), e.key().unwrap().to_owned(), value));
            }
        }
    }
    assert_eq!(
        seen,
        [(
            "usr/bin/ping".into(),
            "SCHILY.xattr.user.test".into(),
            "value".into()
        )]
    );
}

#[test]
fn a_table_that_does_not_fit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let tar = dir.path().join("composition.tar");
    fs::write(&tar, composition()).unwrap();
    let error = |change: &dyn Fn(&mut Table)| {
        let mut table = table();
        change(&mut table);
        let error = split(Kind::Image, &table, &tar, &dir.path().join("mirror"), 0).unwrap_err();
        format!("{error:#}")
    };
    let link = |t: &mut Table, path: &str, target: &str| {
        let links = t.links.entry("arch-tool".into()).or_default();
        links.insert(path.into(), target.into());
    };
    insta::assert_snapshot!(
        error(&|t| { t.names.insert("x".into(), vec!["dpkg".into()]); }),
        @"the stand-in's table says x = 'dpkg', which is not in the composition (or is dropped)"
    );
    insta::assert_snapshot!(
        error(&|t| link(t, "usr/bin/tool", "tool2")),
        @"the stand-in's table links usr/bin/tool, but Debian has a file there"
    );
    insta::assert_snapshot!(
        error(&|t| link(t, "usr/bin/new", "nothing")),
        @"the stand-in's table links usr/bin/new to usr/bin/nothing, which is not in the composition"
    );
    insta::assert_snapshot!(
        error(&|t| link(t, "usr/bin/*.new", "*.nothing")),
        @"the stand-in's table links usr/bin/*.new to *.nothing, which matches nothing"
    );
    insta::assert_snapshot!(
        error(&|t| {
            let links = BTreeMap::from([("a".into(), "usr/bin/tool".into())]);
            t.links.insert("nobody".into(), links);
        }),
        @"the stand-in's table has links for 'nobody', which is no package"
    );
}
