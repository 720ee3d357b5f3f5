//! The state volume in its place: checked, mounted, grown, with its folders where the daemons
//! expect them.
//!
//! Mounts are made by systemd (systemd-mount(1)): the agent's own unit has a mount name space of its
//! own, and what is mounted has to be unmounted in order at shutdown, after those who use it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::{State, create, format, journal};
use crate::{
    agent::{block::Device, console::complain, discover::cmdline, paths::Paths, target::Target},
    util::{files, run::Task, size::size},
};

/// Nothing on the volume is a device, gives rights, or is run.
const OPTIONS: &str = "nodev,nosuid,noexec";
/// Free space at the end of the device from which on the file system is grown, in bytes.
const GROW_FROM: u64 = 1 << 20;

/// Folders of the state that stand elsewhere in the image: name on the volume, and where.
pub fn binds(paths: &Paths) -> [(&'static str, PathBuf); 5] {
    [
        ("mail", paths.mail.clone()),
        ("queue", paths.spool.clone()),
        ("rspamd", paths.rspamd.clone()),
        ("valkey", paths.valkey.clone()),
        ("journal", paths.journal.clone()),
    ]
}

/// Puts the volume on `device` in place; what is there already in this boot is left alone.
///
/// # Errors
/// When it is damaged, cannot be mounted, or a newer version wrote it. Trouble with the journal,
/// with growing or with tidying up is told, and no reason to keep mail away.
pub fn open(device: &Device, paths: &Paths) -> Result<State> {
    let mut state = State {
        device: device.path.clone(),
        done: Vec::new(),
        new: false,
    };
    let mounted = mount_points()?;
    let fresh = !mounted.contains(&paths.state);
    if fresh {
        if device.ro {
            bail!(
                "the state volume {} cannot be written to: attach it so that it can be, and restart",
                device.path.display()
            );
        }
        state.done.extend(check(&device.path)?);
        let done = mount(
            &["--type=ext4", "--fsck=no"],
            OPTIONS,
            &device.path,
            &paths.state,
        );
        done.context("mounting the state volume")?;
        state.done.push(format!(
            "{} mounted at {}",
            device.path.display(),
            paths.state.display()
        ));
    }
    // before anything of it is used or changed
    format::check_in(&Target::new(Path::new("/"))?, paths)?;
    if fresh {
        let grown = grow(device);
        state.tell("its file system does not grow", grown);
        let tidied = tidy(&paths.state).map(|()| None);
        state.tell("remains of earlier writes stay", tidied);
    }
    for (name, place) in binds(paths) {
        let folder = paths.state.join(name);
        files::create_dir_all(&folder)?;
        files::create_dir_all(&place)?;
        if mounted.contains(&place) {
            continue;
        }
        if place == paths.journal {
            let adopted = journal::adopt(&folder).map(|()| None);
            state.tell("the last boots' journal is by itself", adopted);
        }
        let options = format!("bind,{OPTIONS}");
        mount(&["--type=none", "--fsck=no"], &options, &folder, &place)
            .with_context(|| format!("putting {} in its place", folder.display()))?;
    }
    let flushed = journal::flush().map(|()| None);
    state.tell("the journal stays in memory", flushed);
    Ok(state)
}

impl State {
    /// Notes what was done; or, loudly, that it was not.
    fn tell(&mut self, without: &str, result: Result<Option<String>>) {
        match result {
            Ok(done) => self.done.extend(done),
            Err(error) => {
                let said = format!("{without}: {error:#}");
                complain(&said);
                self.done.push(said);
            }
        }
    }
}

/// e2fsck(8): what can be repaired without a question is repaired.
fn check(device: &Path) -> Result<Option<String>> {
    let line = files::read_to_string(Path::new("/proc/cmdline"))?;
    let all = cmdline::value(&line, "fsck.repair").as_deref() == Some("yes");
    let mut command = Command::new("e2fsck");
    command.arg(if all { "-y" } else { "-p" }).arg(device);
    let what = format!("checking the state volume {}", device.display());
    // 1: errors were corrected
    let status = Task::new(what, command).status(&[0, 1]).with_context(|| {
        format!(
            "the state volume {} is damaged, and nothing was changed. Make a copy of the device; \
             then have it repaired: by 'e2fsck -f -y' in a rescue system, or, by BIOS, by one boot with \
             fsck.repair=yes on the kernel command line",
            device.display()
        )
    })?;
    Ok((status == 1).then(|| "errors of the file system were corrected".to_owned()))
}

/// Has systemd mount `what`, and waits for it.
fn mount(kind: &[&str], options: &str, what: &Path, place: &Path) -> Result<()> {
    let mut command = Command::new("systemd-mount");
    command.args(["--quiet", "--collect", "--options", options]);
    command.args(kind).args([what, place]);
    Task::new(format!("mounting {}", place.display()), command).run()
}

/// Where something is mounted, by proc_pid_mountinfo(5).
fn mount_points() -> Result<Vec<PathBuf>> {
    let text = files::read_to_string(Path::new("/proc/self/mountinfo"))?;
    let points = text.lines().filter_map(|l| l.split(' ').nth(4));
    Ok(points.map(PathBuf::from).collect())
}

/// Lets the file system take all of a device that has become larger.
fn grow(device: &Device) -> Result<Option<String>> {
    let mut command = Command::new("dumpe2fs");
    command.arg("-h").arg(&device.path);
    let header = Task::new("reading the size of the state volume", command).output()?;
    let present = file_system_size(&header)?;
    if device.size < present + GROW_FROM {
        return Ok(None);
    }
    // of its creation; nobody but that may take the device for a half-made one
    create::unmark(device)?;
    let mut command = Command::new("resize2fs");
    command.arg(&device.path);
    Task::new("growing the state volume", command).run()?;
    // what `create` leaves free is nothing to talk about
    let told = device.size > present + 2 * GROW_FROM;
    Ok(told.then(|| format!("grown from {} to {}", size(present), size(device.size))))
}

/// The bytes of a file system, from what `dumpe2fs -h` prints.
fn file_system_size(header: &str) -> Result<u64> {
    let number = |key: &str| {
        let line = header.lines().find_map(|l| l.strip_prefix(key));
        line.and_then(|l| l.trim().parse::<u64>().ok())
            .with_context(|| format!("dumpe2fs does not say the '{key}' of the state volume"))
    };
    Ok(number("Block count:")? * number("Block size:")?)
}

/// Removes what a cut of power left of files that were being written: [`files::AtomicFile`] names
/// them so. What the daemons keep there is theirs.
fn tidy(state: &Path) -> Result<()> {
    let others = [
        "mail", "queue", "rspamd", "valkey", "journal", "filter",  // the daemons'
        "restore", // as it was, or is going to be, elsewhere
    ];
    let ours = |entry: &walkdir::DirEntry| {
        entry.depth() != 1 || !others.contains(&&*entry.file_name().to_string_lossy())
    };
    for entry in walkdir::WalkDir::new(state).into_iter().filter_entry(ours) {
        let entry = entry.context("looking for remains on the state volume")?;
        let remains = entry.file_name().to_string_lossy().starts_with(".tmp");
        if remains && entry.file_type().is_file() {
            fs::remove_file(entry.path())
                .with_context(|| format!("removing {}", entry.path().display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_file_system_is_read() {
        let header = "dumpe2fs 1.47\nFilesystem volume name:   ezmail-state\n\
                      Block count:              76544\nReserved block count: 765\nBlock size:               4096\n";
        assert_eq!(file_system_size(header).unwrap(), 76544 * 4096);
        let error = file_system_size("Block count: x\n").unwrap_err();
        assert!(error.to_string().contains("'Block count:'"), "{error}");
    }

    #[test]
    fn remains_of_writes_go_and_the_rest_stays() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["tls/.tmpAbc", "tls/key.pem", "mail/a/.tmpX", ".tmpfolder/x"] {
            files::write_with_parents(&folder.path().join(path), "x", 0o600).unwrap();
        }
        tidy(folder.path()).unwrap();
        let there = |path: &str| folder.path().join(path).exists();
        assert!(!there("tls/.tmpAbc"));
        assert!(there("tls/key.pem") && there("mail/a/.tmpX") && there(".tmpfolder/x"));
    }
}
