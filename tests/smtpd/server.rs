//! The smtpd of the image in a root of its own, relaying to a sink.

use std::{
    fs,
    io::Write,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use ezmail::util::{files, sandbox::Sandbox};

use crate::{client::PATIENCE, image_root::ROOT};

/// Gives back every line that it is given.
const FILTER: &str = r#"#!/usr/bin/perl
$| = 1;
while (<STDIN>) {
    chomp;
    if (/^config\|ready/) { print "register|filter|smtp-in|data-line\nregister|ready\n"; next }
    my @f = split /\|/, $_, 8;
    print "filter-dataline|$f[5]|$f[6]|$f[7]\n" if $f[0] eq "filter" && $f[4] eq "data-line";
}
"#;

/// What is there for all of a test.
pub struct Server {
    folder: tempfile::TempDir,
    child: Option<Child>,
    /// Where smtpd listens.
    pub port: u16,
    /// The same, with a filter.
    pub filtered: u16,
    /// Where it sends everything to.
    pub sink: u16,
}

impl Server {
    /// Starts smtpd with these lines more in its configuration.
    pub fn start(more: &str) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for part in ["root", "upper", "work"] {
            fs::create_dir(folder.path().join(part)).unwrap();
        }
        // held together, or one would be given twice
        let held = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [port, filtered, sink] = held.map(|l| l.local_addr().unwrap().port());
        let config = format!(
            "{more}\nfilter echo proc-exec \"/usr/lib/echo\"\n\
             listen on socket\n\
             listen on 127.0.0.1 port {port} hostname mx.example.org\n\
             listen on 127.0.0.1 port {filtered} hostname mx.example.org filter echo\n\
             action \"out\" relay host smtp://127.0.0.1:{sink}\n\
             match from any for any action \"out\"\n"
        );
        let upper = folder.path().join("upper");
        files::write_with_parents(&upper.join("etc/smtpd/smtpd.conf"), config, 0o644).unwrap();
        files::write_with_parents(&upper.join("usr/lib/echo"), FILTER, 0o755).unwrap();
        files::write_with_parents(&upper.join("etc/smtpd/mailname"), "mx.example.org\n", 0o644)
            .unwrap();
        let mut server = Self {
            folder,
            child: None,
            port,
            filtered,
            sink,
        };
        server.resume();
        server
    }

    /// Starts smtpd again.
    pub fn resume(&mut self) {
        let part = |name: &str| self.folder.path().join(name);
        // a line of the input is a command
        let script = "smtpd -F >/var/log/smtpd 2>&1 & while read -r line; do sh -c \"$line\" || echo $?; done";
        let mut child = Sandbox::chroot(&part("root"))
            .over(&ROOT, &part("upper"), &part("work"))
            .network(true)
            .command("sh", ["-c", script]);
        let child: &mut Command = &mut child;
        self.child = Some(
            child
                .stdin(Stdio::piped())
                .stdout(Stdio::inherit())
                .spawn()
                .unwrap(),
        );
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.filtered)).is_err() {
            let log = fs::read_to_string(self.path("var/log/smtpd")).unwrap_or_default();
            assert!(Instant::now() < deadline, "smtpd does not start: {log}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Kills smtpd, as a power failure would.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        // what unshare started goes with it
        child.kill().unwrap();
        child.wait().unwrap();
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            assert!(Instant::now() < deadline, "smtpd does not end");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs a line of shell beside smtpd; does not wait for it.
    pub fn shell(&mut self, line: &str) {
        let input = self.child.as_mut().unwrap().stdin.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
    }

    /// A path of the server, as the tests see it once it has been written there.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("upper").join(path)
    }

    /// The messages in the queue.
    pub fn queue(&self) -> Vec<PathBuf> {
        let folder = self.path("var/spool/smtpd/queue");
        // the image has an empty one, which is not ours before something is written there
        if !folder.exists() {
            return Vec::new();
        }
        let walk = walkdir::WalkDir::new(folder);
        walk.into_iter()
            .map(|entry| entry.unwrap().into_path())
            .filter(|path| path.file_name().is_some_and(|name| name == "message"))
            .collect()
    }

    /// The host's process id of one of smtpd's processes.
    pub fn process(&self, name: &str) -> u32 {
        let mut parents = vec![self.child.as_ref().unwrap().id()];
        while let Some(parent) = parents.pop() {
            let tasks = format!("/proc/{parent}/task/{parent}/children");
            for pid in fs::read_to_string(tasks).unwrap().split_whitespace() {
                let said = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
                if String::from_utf8_lossy(&said).starts_with(&format!("smtpd: {name}")) {
                    return pid.parse().unwrap();
                }
                parents.push(pid.parse().unwrap());
            }
        }
        panic!("smtpd has no process {name}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // it may have ended by itself
            drop(child.kill());
            drop(child.wait());
        }
    }
}
