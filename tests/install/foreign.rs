//! Disks that hold something, made by the tools of others.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use ezmail::util::{files, run::Task};

use crate::{SIZE, disk::Disk};

/// How a state volume is labelled.
const STATE: &str = "ezmail-state";

const MIB: u64 = 1 << 20;

/// A GPT with a FAT, labelled `OLDBOOT`, and an ext4, labelled `photos`, with a file.
pub fn somebodys(folder: &Path) -> Disk {
    let disk = Disk::sized(folder, SIZE);
    // in sectors: 64 MiB behind the first, 128 MiB behind that
    partition(
        &disk,
        "start=2048, size=131072, type=U\nstart=133120, size=262144, type=L\n",
    );
    let mut command = Command::new("mkfs.fat");
    command.args(["-F", "16", "-n", "OLDBOOT", "--offset", "2048"]);
    command.arg(&disk.path).arg("65536");
    Task::new("making somebody's FAT", command).run().unwrap();
    let tree = tree(folder, &[("holiday.jpg", &[0xff; 100_000])]);
    ext4(&disk, "photos", 65 * MIB, Some(128 * MIB), &tree);
    disk
}

/// A disk that is, whole, the state volume of another server; with these files on it.
pub fn state_volume(folder: &Path, contents: &[(&str, &[u8])]) -> Disk {
    let disk = Disk::sized(folder, SIZE);
    ext4(&disk, STATE, 0, None, &tree(folder, contents));
    disk
}

/// A disk with the state volume of another server in a partition, 1 MiB from its beginning.
pub fn state_partition(folder: &Path, contents: &[(&str, &[u8])]) -> Disk {
    let disk = Disk::sized(folder, SIZE);
    partition(&disk, "start=2048, size=1048576, type=L\n");
    let tree = tree(folder, contents);
    ext4(&disk, STATE, MIB, Some(512 * MIB), &tree);
    disk
}

/// A file of the ext4 that begins at `offset`, in bytes, and the label of that.
pub fn read(disk: &Disk, offset: u64, path: &str) -> (String, String) {
    // The machine that had it mounted was killed: its journal is replayed, as the next mount does. Of a
    // copy, since e2fsck finds the file system behind an offset only until it has done so.
    let copy = disk.path.with_extension("copy");
    let mut command = Command::new("dd");
    command.args(["bs=1M", "conv=sparse", "status=none"]);
    command.arg(format!("skip={}", offset / MIB));
    command.arg(format!("if={}", disk.path.display()));
    command.arg(format!("of={}", copy.display()));
    Task::new("copying a file system", command).run().unwrap();
    let mut command = Command::new("e2fsck");
    command.arg("-p").arg(&copy);
    let checked = Task::new("replaying a journal", command).outcome();
    let code = checked.unwrap().status.code();
    assert!(matches!(code, Some(0 | 1)), "e2fsck: {code:?}");
    let ask = |request: &str| {
        let mut command = Command::new("debugfs");
        command.args(["-R", request]);
        command.arg(&copy);
        Task::new("reading a file system", command)
            .output()
            .unwrap()
    };
    let superblock = ask("show_super_stats -h");
    let label = superblock
        .lines()
        .find_map(|line| line.strip_prefix("Filesystem volume name:"))
        .unwrap_or_default();
    let found = (ask(&format!("cat {path}")), label.trim().to_owned());
    files::remove_file(&copy).unwrap();
    found
}

/// Writes a GPT with these partitions (sfdisk(8)).
fn partition(disk: &Disk, lines: &str) {
    let mut command = Command::new("sfdisk");
    command.arg("--quiet").arg(&disk.path);
    Task::new("partitioning somebody's disk", command)
        .input(format!("label: gpt\n{lines}"))
        .run()
        .unwrap();
}

fn tree(folder: &Path, contents: &[(&str, &[u8])]) -> PathBuf {
    let tree = folder.join("tree");
    if tree.exists() {
        files::remove_dir_all(&tree).unwrap();
    }
    fs::create_dir(&tree).unwrap();
    for (name, bytes) in contents {
        files::write_with_parents(&tree.join(name), bytes, 0o600).unwrap();
    }
    tree
}

/// An ext4 from `offset` on, in bytes, as long as that or up to the disk's end.
fn ext4(disk: &Disk, label: &str, offset: u64, length: Option<u64>, tree: &Path) {
    let mut command = Command::new("mke2fs");
    command.args(["-q", "-F", "-t", "ext4", "-L", label, "-E"]);
    command.arg(format!("offset={offset}")).arg("-d").arg(tree);
    command.arg(&disk.path);
    command.args(length.map(|length| format!("{}k", length / 1024)));
    Task::new("making somebody's file system", command)
        .run()
        .unwrap();
}
