//! OpenSSH's server on loopback, with SFTP and nothing else.

use std::{
    fs,
    io::Write,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use ezmail::{
    backup::store::{Access, Sftp},
    host::qemu::process::{bound_to_us, kill, spawn},
    util::run::{Task, find_program},
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A running server, which ends with this.
pub struct Sshd {
    child: Child,
    port: u16,
    user: String,
    folder: TempDir,
}

impl Sshd {
    /// Lets us in with the key that is in the folder.
    pub fn start() -> Self {
        Self::start_with("", None)
    }

    /// With more lines of sshd_config, and no file of more than so many blocks of 512 bytes.
    pub fn start_with(lines: &str, blocks: Option<u32>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["host", "key", "other"] {
            keygen(&path(name));
        }
        fs::copy(path("key.pub"), path("authorized_keys")).unwrap();
        if rustix::process::geteuid().is_root() {
            // where sshd locks itself up, as the service of some distributions creates it
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let at = folder.path().display();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\n\
             HostKey {at}/host\n\
             AuthorizedKeysFile {at}/authorized_keys\n\
             PidFile none\n\
             StrictModes no\n\
             PermitRootLogin prohibit-password\n\
             PasswordAuthentication no\n\
             KbdInteractiveAuthentication no\n\
             MaxStartups 100\n\
             {lines}\n\
             Subsystem sftp internal-sftp\n\
             ForceCommand internal-sftp\n"
        );
        fs::write(path("sshd_config"), config).unwrap();
        let program = find_program("sshd").expect("sshd: ci/setup installs it");
        let mut command = match blocks {
            None => bound_to_us(&program, None),
            Some(blocks) => {
                // a write that goes further is an error then, not the end
                let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
                let mut command = bound_to_us(Path::new("/bin/sh"), None);
                command.args(["-c", &script]).arg(&program);
                command
            }
        };
        command.arg("-D").arg("-f").arg(path("sshd_config"));
        command.arg("-E").arg(path("log"));
        let child = spawn(command).unwrap();
        let sshd = Self {
            child,
            port,
            user: Task::new("asking who we are", id())
                .output()
                .unwrap()
                .trim()
                .to_owned(),
            folder,
        };
        sshd.wait();
        sshd
    }

    fn wait(&self) {
        let started = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let late = started.elapsed() > Duration::from_secs(10);
            assert!(!late, "sshd does not listen: {}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What the server has written down.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// A file in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The location of `path` at this server.
    pub fn location(&self, path: &Path) -> String {
        format!(
            "sftp://{}@127.0.0.1:{}{}",
            self.user,
            self.port,
            path.display()
        )
    }

    /// What it takes to be let in.
    pub fn access(&self) -> Access {
        Access {
            ssh_key: Some(self.path("key")),
            known_hosts: self.path("ssh/known_hosts"),
            ..Access::default()
        }
    }

    /// The folder `name` at this server, reached by `access`.
    pub fn store(&self, name: &str, access: &Access) -> Sftp {
        let location = self.location(&self.path(name)).parse().unwrap();
        Sftp::new(&location, access).unwrap()
    }

    /// The key that `name` is the private half of.
    pub fn public(&self, name: &str) -> String {
        fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap()
    }

    /// Makes another key the one of the host.
    pub fn change_host_key(&self) -> String {
        let mut known = fs::File::create(self.path("ssh/known_hosts")).unwrap();
        writeln!(
            known,
            "[127.0.0.1]:{} {}",
            self.port,
            self.public("other").trim()
        )
        .unwrap();
        self.public("other")
    }

    /// Kills the processes that talk to clients; new connections are taken.
    pub fn cut(&self) -> usize {
        let talking = descendants(self.child.id());
        for pid in &talking {
            let pid = Pid::from_raw(*pid as i32).unwrap();
            // it may have ended with the one before
            kill_process(pid, Signal::KILL).ok();
        }
        talking.len()
    }

    /// Ends it; its folder stays.
    pub fn stop(&mut self) {
        self.cut();
        kill(&mut self.child).unwrap();
    }

    /// An error text without what differs from run to run.
    pub fn plain(&self, text: &str) -> String {
        text.replace(&self.path("").display().to_string(), "/FOLDER/")
            .replace(&format!("{}@", self.user), "USER@")
            .replace(&format!("let {} in", self.user), "let USER in")
            .replace(&format!("of {} there", self.user), "of USER there")
            .replace(&self.port.to_string(), "PORT")
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.cut();
        kill(&mut self.child).ok();
    }
}

fn id() -> Command {
    let mut command = Command::new("id");
    command.arg("-un");
    command
}

fn keygen(path: &Path) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]);
    command.arg(path).stdin(Stdio::null());
    Task::new("making a key", command).run().unwrap();
}

/// The processes that descend from this one, the nearest first.
fn descendants(of: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let pid = entry.unwrap().file_name().to_str()?.parse().ok()?;
            // one that has ended since has none
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let (_, rest) = stat.rsplit_once(") ")?;
            Some((pid, rest.split(' ').nth(1)?.parse().ok()?))
        })
        .collect();
    let mut found = Vec::new();
    let mut above = vec![of];
    while let Some(parent) = above.pop() {
        let children = parents
            .iter()
            .filter(|(_, p)| *p == parent)
            .map(|(pid, _)| *pid);
        let children: Vec<u32> = children.collect();
        found.extend(&children);
        above.extend(children);
    }
    found
}
