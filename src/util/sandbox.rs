//! Running a command in namespaces of its own, with another root file system, without the
//! network unless asked for.
//!
//! As root this is `unshare` with mount, PID, IPC, UTS and network namespaces; as an ordinary
//! user a user namespace comes first (`unshare --map-auto --map-root-user`, which needs a range
//! in `/etc/subuid`). Inside of such a namespace (see [`crate::host::worker`]) one is root already.
//! Everything mounted inside is gone when the command ends.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::Command,
};

/// By its path: the host's PATH may name folders that the root has not.
const ENV: &str = "/usr/bin/env";

/// A root file system to enter, and what is visible in it.
#[derive(Debug, Clone)]
pub struct Sandbox {
    root: Option<PathBuf>,
    enter: bool,
    lower: Option<Overlay>,
    binds: Vec<Bind>,
    network: bool,
    user: Option<(u32, u32)>,
    env: Vec<(OsString, OsString)>,
    workdir: Option<PathBuf>,
    copies: Vec<String>,
}

#[derive(Debug, Clone)]
struct Overlay {
    lower: PathBuf,
    upper: PathBuf,
    work: PathBuf,
}

#[derive(Debug, Clone)]
struct Bind {
    from: PathBuf,
    to: PathBuf,
    read_only: bool,
}

impl Sandbox {
    /// A sandbox that sees the host's own file system, for tools that only need to be root
    /// over files (pacman, mksquashfs).
    pub fn host() -> Self {
        Self {
            root: None,
            enter: false,
            lower: None,
            binds: Vec::new(),
            network: false,
            user: None,
            env: Vec::new(),
            workdir: None,
            copies: Vec::new(),
        }
    }

    /// A sandbox whose `/` is the folder `root`; `/proc`, `/dev`, `/run` and `/tmp` are fresh.
    pub fn chroot(root: &Path) -> Self {
        Self {
            root: Some(root.to_path_buf()),
            enter: true,
            ..Self::host()
        }
    }

    /// The host's file system with `root` made ready for programs that chroot into it by
    /// themselves, as pacman does for scriptlets and hooks: `/proc`, `/dev`, `/run` and `/tmp`
    /// below it are fresh.
    pub fn beside(root: &Path) -> Self {
        Self {
            root: Some(root.to_path_buf()),
            ..Self::host()
        }
    }

    /// Lays the root over the folder `lower`, which is never written: changes go to `upper`,
    /// and `work` is an empty folder on the same file system (overlayfs).
    #[must_use]
    pub fn over(mut self, lower: &Path, upper: &Path, work: &Path) -> Self {
        self.lower = Some(Overlay {
            lower: lower.into(),
            upper: upper.into(),
            work: work.into(),
        });
        self
    }

    /// Shows the host's folder or file `from` at `to` inside (which must exist there).
    #[must_use]
    pub fn bind(mut self, from: &Path, to: &str) -> Self {
        self.binds.push(Bind {
            from: from.into(),
            to: to.into(),
            read_only: false,
        });
        self
    }

    /// As [`Sandbox::bind`], but nothing can be written there.
    #[must_use]
    pub fn bind_read_only(mut self, from: &Path, to: &str) -> Self {
        self.binds.push(Bind {
            from: from.into(),
            to: to.into(),
            read_only: true,
        });
        self
    }

    /// Copies the host's file `path` to the same path inside, which is in memory or an overlay.
    #[must_use]
    pub fn copy_file(mut self, path: &str) -> Self {
        self.copies.push(path.into());
        self
    }

    /// Lets the command reach the host's network.
    #[must_use]
    pub fn network(mut self, allowed: bool) -> Self {
        self.network = allowed;
        self
    }

    /// Runs the command as this user and group id (of the chroot) without any capability.
    #[must_use]
    pub fn user(mut self, uid: u32, gid: u32) -> Self {
        self.user = Some((uid, gid));
        self
    }

    /// Sets a variable; a chroot starts from an empty environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// The folder (inside) to start in.
    #[must_use]
    pub fn workdir(mut self, folder: &str) -> Self {
        self.workdir = Some(folder.into());
        self
    }

    /// The command line that runs `program` with `args` in here.
    pub fn command<I, S>(&self, program: &str, args: I) -> Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let is_root = rustix::process::geteuid().is_root();
        self.command_as(is_root, is_root && !in_user_namespace(), program, args)
    }

    /// `of_host`: root of the host itself, not of a user namespace.
    fn command_as<I, S>(&self, is_root: bool, of_host: bool, program: &str, args: I) -> Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut command = Command::new("unshare");
        if !is_root {
            command.args(["--map-auto", "--map-root-user"]);
        }
        command.args([
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--ipc",
            "--uts",
        ]);
        if !self.network {
            command.arg("--net");
        }
        // The inner shell mounts what is visible and then becomes the command; its words come
        // as positional parameters, never pasted into the script.
        command.args(["--", "sh", "-c", &self.script(), "sandbox"]);
        command.arg(self.root.as_deref().unwrap_or(Path::new("/")));
        if let Some(Overlay { lower, upper, work }) = &self.lower {
            command.arg(overlay_options(of_host));
            command.arg(lower).arg(upper).arg(work);
        }
        for path in &self.copies {
            command.arg(path);
        }
        for bind in &self.binds {
            command.arg(&bind.from).arg(&bind.to);
        }
        if self.enter {
            command.args([ENV, "-i"]);
            command.arg("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
            command.args(["LC_ALL=C.UTF-8", "TERM=dumb", "HOME=/tmp"]);
        } else {
            command.arg("env");
        }
        for (name, value) in &self.env {
            let mut word = name.clone();
            word.push("=");
            word.push(value);
            command.arg(word);
        }
        command.arg(program).args(args);
        command
    }

    fn script(&self) -> String {
        let mut lines = vec!["set -e".to_owned(), "root=$1; shift".to_owned()];
        if self.root.is_some() {
            lines.push(match self.lower {
                Some(_) => {
                    "mount -t overlay -o \"$1,lowerdir=$2,upperdir=$3,workdir=$4\" overlay \"$root\"; \
                     shift 4"
                }
                // a mount point of its own, so that nothing leaks to or from the host
                None => "mount --bind \"$root\" \"$root\"",
            }
            .to_owned());
            lines.extend(
                [
                    "mkdir -p \"$root/proc\" \"$root/dev\" \"$root/sys\" \"$root/run\" \"$root/tmp\"",
                    "mount -t proc proc \"$root/proc\"",
                    "mount -t tmpfs -o mode=755,nosuid dev \"$root/dev\"",
                    "for d in null zero full random urandom tty; do : > \"$root/dev/$d\"; mount --bind \"/dev/$d\" \"$root/dev/$d\"; done",
                    "ln -s /proc/self/fd \"$root/dev/fd\"",
                    "ln -s fd/0 \"$root/dev/stdin\"; ln -s fd/1 \"$root/dev/stdout\"; ln -s fd/2 \"$root/dev/stderr\"",
                    "mkdir -m 1777 \"$root/dev/shm\"",
                    "mount -t tmpfs -o mode=755,nosuid,nodev run \"$root/run\"",
                    "mount -t tmpfs -o mode=1777,nosuid,nodev tmp \"$root/tmp\"",
                ]
                .map(str::to_owned),
            );
        } else {
            // pacman's and mksquashfs' helpers look at /proc
            lines.push("mount -t proc proc /proc".to_owned());
        }
        for _ in &self.copies {
            lines.push("rm -f \"$root$1\"; cp -L \"$1\" \"$root$1\"; shift".to_owned());
        }
        for bind in &self.binds {
            let prefix = if self.root.is_some() { "$root" } else { "" };
            lines.push(format!("mount --bind \"$1\" \"{prefix}$2\""));
            if bind.read_only {
                lines.push(format!("mount -o remount,bind,ro \"{prefix}$2\""));
            }
            lines.push("shift 2".to_owned());
        }
        if !self.network {
            // daemons' own tests talk to loopback
            lines.push("ip link set lo up 2>/dev/null || true".to_owned());
        }
        let mut enter = if self.enter { "exec chroot" } else { "exec" }.to_owned();
        if self.enter {
            if let Some((uid, gid)) = self.user {
                enter.push_str(&format!(" --userspec={uid}:{gid} --groups={gid}"));
            }
            enter.push_str(" \"$root\"");
            if let Some(folder) = &self.workdir {
                enter.push_str(&format!(" {ENV} --chdir='{}'", folder.display()));
            }
        } else if let Some((uid, gid)) = self.user {
            enter.push_str(&format!(
                " setpriv --reuid={uid} --regid={gid} --clear-groups --inh-caps=-all"
            ));
        }
        lines.push(format!("{enter} \"$@\""));
        lines.join("\n")
    }
}

/// The command that lays `lower`, which is never written, under the folder `at`: changes go to `upper`,
/// and `work` is an empty folder on the same file system (overlayfs). For a process in a mount namespace
/// of its own.
pub fn mount_overlay(lower: &Path, upper: &Path, work: &Path, at: &Path) -> Command {
    let mut options = OsString::from(overlay_options(!in_user_namespace()));
    for (name, path) in [("lowerdir", lower), ("upperdir", upper), ("workdir", work)] {
        options.push(format!(",{name}="));
        options.push(path);
    }
    let mut command = Command::new("mount");
    command.args(["-t", "overlay", "-o"]).arg(options);
    command.arg("overlay").arg(at);
    command
}

/// `of_host`: for root of the host itself.
fn overlay_options(of_host: bool) -> &'static str {
    match of_host {
        true => "noatime",
        // in a user namespace overlayfs keeps its marks in user.* attributes
        false => "noatime,userxattr",
    }
}

/// Whether the user ids of this process are not the host's own (user_namespaces(7)).
fn in_user_namespace() -> bool {
    // without /proc there is no sandbox either
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    is_mapped(&map)
}

fn is_mapped(uid_map: &str) -> bool {
    let words: Vec<&str> = uid_map.split_whitespace().collect();
    words != ["0", "0", "4294967295"]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::run::{Task, shown};

    #[test]
    fn an_ordinary_user_gets_a_user_namespace() {
        let command = Sandbox::host().command_as(false, false, "id", ["-u"]);
        assert!(shown(&command).starts_with("unshare --map-auto --map-root-user --mount"));
        let command = Sandbox::host().command_as(true, true, "id", ["-u"]);
        assert!(!shown(&command).contains("--map-root-user"));
    }

    #[test]
    fn a_user_namespace_is_recognised() {
        assert!(!is_mapped("         0          0 4294967295\n"));
        assert!(is_mapped(
            "         0       1000          1\n         1     100000      65536\n"
        ));
    }

    #[test]
    fn words_are_passed_not_pasted() {
        let odd = "a b'c\"d$e";
        let command = Sandbox::host().command("printf", ["%s", odd]);
        assert_eq!(Task::new("printing", command).output().unwrap(), odd);
    }

    #[test]
    fn an_overlay_keeps_the_lower_folder_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir(&path).unwrap();
            path
        };
        let (root, lower, upper, work) = (
            folder("root"),
            folder("lower"),
            folder("upper"),
            folder("work"),
        );
        std::fs::write(lower.join("old"), "old").unwrap();
        let script = "cat \"$0/old\"; echo new > \"$0/old\"; test -e \"$0/dev/null\"";
        let command = Sandbox::beside(&root)
            .over(&lower, &upper, &work)
            .command("sh", ["-c".as_ref(), script.as_ref(), root.as_os_str()]);
        assert_eq!(Task::new("a", command).output().unwrap(), "old");
        assert_eq!(std::fs::read_to_string(lower.join("old")).unwrap(), "old");
        assert_eq!(std::fs::read_to_string(upper.join("old")).unwrap(), "new\n");
        assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0);
    }

    #[test]
    fn the_network_is_away_unless_asked_for() {
        let links = "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '";
        let inside = Task::new("a", Sandbox::host().command("sh", ["-c", links]))
            .output()
            .unwrap();
        assert_eq!(inside, "lo\n");
    }
}
