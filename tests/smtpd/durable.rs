//! What 250 means: by the system calls that smtpd makes, in their order.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    client::{Client, PATIENCE},
    server::Server,
};

/// strace on some of smtpd's processes.
struct Trace {
    strace: Child,
    log: PathBuf,
}

impl Trace {
    fn start(server: &Server, processes: &[&str], options: &[&str]) -> Self {
        let log = server.path("trace");
        drop(fs::remove_file(&log));
        let mut strace = Command::new("strace");
        strace.args(["-f", "-y", "-s", "200", "-o"]).arg(&log);
        strace.args(options);
        for name in processes {
            strace.arg("-p").arg(server.process(name).to_string());
        }
        let strace = strace.stderr(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + PATIENCE;
        let traced = |name: &&str| {
            let status = format!("/proc/{}/status", server.process(name));
            !fs::read_to_string(status)
                .unwrap()
                .contains("TracerPid:\t0\n")
        };
        while !processes.iter().all(traced) {
            assert!(Instant::now() < deadline, "strace does not attach");
            thread::sleep(Duration::from_millis(20));
        }
        Self { strace, log }
    }

    fn stop(mut self) -> String {
        // it lets go of what it traces
        let pid = rustix::process::Pid::from_child(&self.strace);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.strace.wait().unwrap();
        fs::read_to_string(&self.log).unwrap()
    }
}

fn deliver(port: u16) -> String {
    let mut client = Client::connect(port);
    client.begin();
    client.command("Subject: kept\r\n\r\nkept\r\n.")
}

/// The number of the first line from `from` on that holds all of `parts`.
fn position(lines: &[&str], from: usize, parts: &[&str]) -> usize {
    let found = lines[from..]
        .iter()
        .position(|line| parts.iter().all(|part| line.contains(part)));
    from + found.unwrap_or_else(|| panic!("no {parts:?} in\n{}", lines[from..].join("\n")))
}

fn on_disk_before_250(more: &str) {
    let server = Server::start(more);
    let calls = "trace=fsync,fdatasync,rename,write,writev,pwrite64,ftruncate";
    let trace = Trace::start(&server, &["queue", "dispatcher"], &["-e", calls]);
    let reply = deliver(server.port);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    let id = reply.split(' ').nth(2).unwrap().to_owned();
    let said = trace.stop();
    let lines: Vec<&str> = said.lines().collect();
    let bucket = format!("/queue/{}", &id[..2]);

    let accepted = position(&lines, 0, &[&format!("250 2.0.0 {id} Message accepted")]);
    let directory = format!("incoming/{id}");
    let message = position(
        &lines,
        0,
        &["fsync(", &format!("{directory}/message>"), "= 0"],
    );
    let envelope = position(&lines, 0, &["fsync(", &format!("{directory}/{id}"), "= 0"]);
    let names = position(
        &lines,
        message.max(envelope),
        &["fsync(", &format!("{directory}>"), "= 0"],
    );
    let moved = position(
        &lines,
        names,
        &["rename(", &format!("/{directory}\""), "= 0"],
    );
    // the first one in its bucket fails for want of that, and is moved again
    let moved = lines[moved..accepted]
        .iter()
        .rposition(|line| line.contains("rename("))
        .map_or(moved, |more| moved + more);
    let place = position(&lines, moved, &["fsync(", &format!("{bucket}>"), "= 0"]);
    let queue = position(&lines, moved, &["fsync(", "/queue>", "= 0"]);
    assert!(place < accepted && queue < accepted, "{said}");
    // nothing is written to them after they were synced
    for line in &lines[message.min(envelope)..] {
        let writes = line.contains("write") || line.contains("ftruncate(");
        assert!(!(writes && line.contains(&format!("{id}/"))), "{line}");
    }
    assert_eq!(server.queue().len(), 1);
}

#[test]
fn a_message_is_on_the_disk_before_250() {
    on_disk_before_250("");
}

#[test]
fn so_is_a_compressed_one() {
    on_disk_before_250("queue compression");
}

#[test]
fn so_is_an_encrypted_one() {
    on_disk_before_250("queue encryption \"0123456789abcdef0123456789abcdef\"");
}

#[test]
fn a_disk_that_fails_is_a_temporary_failure() {
    let server = Server::start("");
    // each of the syncs of a message in its turn: the last is after it was moved into the queue
    for nth in 1..=4 {
        let inject = format!("inject=fsync:error=EIO:when={nth}");
        let trace = Trace::start(&server, &["queue"], &["-e", "trace=fsync", "-e", &inject]);
        let reply = deliver(server.port);
        let said = trace.stop();
        assert!(said.contains("(INJECTED)"), "{nth}: {reply}\n{said}");
        assert!(reply.starts_with("421 "), "{nth}: {reply}\n{said}");
        // what was written is taken back after that was said
        let deadline = Instant::now() + PATIENCE;
        while incoming(&server) + server.queue().len() > 0 {
            assert!(Instant::now() < deadline, "{nth}: {:?}", server.queue());
            thread::sleep(Duration::from_millis(20));
        }
    }
    let reply = deliver(server.port);
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    assert_eq!(server.queue().len(), 1);
}

#[test]
fn a_full_disk_is_a_temporary_failure() {
    let server = Server::start("");
    let mut client = Client::connect(server.port);
    client.begin();
    // files only: it talks to clients with writev and to its like with sendmsg
    let inject = "inject=write:error=ENOSPC";
    let trace = Trace::start(
        &server,
        &["dispatcher"],
        &["-e", "trace=write", "-e", inject],
    );
    let reply = client.command("Subject: lost\r\n\r\nlost\r\n.");
    let said = trace.stop();
    assert!(said.contains("(INJECTED)"), "{said}");
    assert!(reply.starts_with("421 "), "{reply}");
    assert!(server.queue().is_empty());
}

/// How many messages are on their way into the queue.
fn incoming(server: &Server) -> usize {
    let folder = server.path("var/spool/smtpd/incoming");
    if folder.exists() {
        fs::read_dir(folder).unwrap().count()
    } else {
        0
    }
}
