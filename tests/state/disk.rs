//! Disks of the machines under test.

use std::{
    cell::Cell,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use ezmail::{
    host::qemu::Disk as Attached,
    util::{files, run::Task},
};

/// 1 GiB, of which the host stores what is written.
const SIZE: u64 = 1 << 30;

/// A disk in a file: raw, unless its name ends with `.qcow2`.
pub struct Disk {
    pub path: PathBuf,
    boots: Cell<u32>,
}

impl Disk {
    /// A blank one.
    pub fn blank(folder: &Path) -> Self {
        Self::sized(folder, SIZE)
    }

    /// A blank one of that size.
    pub fn sized(folder: &Path, size: u64) -> Self {
        let path = folder.join("state.img");
        fs::File::create(&path).unwrap().set_len(size).unwrap();
        Self::of(path)
    }

    /// The one in that file.
    pub fn of(path: PathBuf) -> Self {
        Self {
            path,
            boots: Cell::new(0),
        }
    }

    /// A state volume with these files on it, made without a boot.
    pub fn with_state(folder: &Path, contents: &[(&str, &[u8])]) -> Self {
        let disk = Self::blank(folder);
        let tree = folder.join("tree");
        files::create_dir_all(&tree).unwrap();
        for (name, bytes) in contents {
            files::write_with_parents(&tree.join(name), bytes, 0o600).unwrap();
        }
        let mut command = Command::new("mke2fs");
        command.args(["-q", "-F", "-t", "ext4", "-L", "ezmail-state", "-d"]);
        command.args([&tree, &disk.path]);
        Task::new("making a state volume", command).run().unwrap();
        disk
    }

    /// Makes it larger.
    pub fn grow(&self, by: u64) {
        let file = fs::OpenOptions::new().write(true).open(&self.path).unwrap();
        let size = file.metadata().unwrap().len();
        file.set_len(size + by).unwrap();
    }

    /// As a machine has it.
    pub fn attached(&self) -> Attached {
        Attached::new(&self.path, None)
    }

    /// The serial log of the next boot: each has its own.
    pub fn next_log(&self, folder: &Path) -> PathBuf {
        self.boots.set(self.boots.get() + 1);
        folder.join(format!("serial-{}.log", self.boots.get()))
    }

    /// A file on the volume, read without mounting it; `None` if there is none.
    pub fn read(&self, path: &str) -> Option<String> {
        let mut command = Command::new("debugfs");
        command.args(["-R", &format!("cat {path}")]).arg(&self.path);
        let text = Task::new("reading a file of the state", command)
            .output()
            .unwrap();
        (!text.is_empty()).then_some(text)
    }
}
