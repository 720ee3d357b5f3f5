//! A server in a folder, and `mailctl` for it.

use std::{
    io::Write,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
};

use crate::world::{World, good};

/// A server made from answers, without running services.
pub struct Server {
    pub world: World,
}

/// How a call ended: its exit status, and what it wrote.
pub struct Called {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Server {
    /// From `tests/answers/good/small.toml`: alice and bob of example.org.
    pub fn small() -> Self {
        let server = Self::bare();
        let done = server.world.apply(&good("small"));
        assert!(done.status.success(), "{}", done.text());
        server
    }

    /// A root on which nothing was applied yet.
    pub fn bare() -> Self {
        let world = World::new();
        let share = world.path("usr/share/ezmail");
        std::fs::create_dir_all(&share).unwrap();
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let templates = project.join("airootfs/usr/share/ezmail/templates");
        symlink(templates, share.join("templates")).unwrap();
        Self { world }
    }

    /// Calls `mailctl` with nobody at a terminal and nothing on its standard input.
    pub fn call(&self, arguments: &[&str]) -> Called {
        self.call_with(arguments, "")
    }

    /// Calls `mailctl` with `input` on its standard input.
    pub fn call_with(&self, arguments: &[&str], input: &str) -> Called {
        self.called(&[], arguments, input)
    }

    /// Calls `mailctl` with more variables in its environment.
    pub fn call_in(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Called {
        self.called(variables, arguments, "")
    }

    fn called(&self, variables: &[(&str, &str)], arguments: &[&str], input: &str) -> Called {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mailctl"))
            .arg("--root")
            .arg(self.world.path(""))
            .args(arguments)
            .env("COLUMNS", "80")
            .env_remove("SSH_CONNECTION")
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        // a command that reads nothing may have ended by now
        let _ = pipe.write_all(input.as_bytes());
        drop(pipe);
        let output = child.wait_with_output().unwrap();
        let root = self.world.path("").display().to_string();
        let text = |bytes| String::from_utf8(bytes).unwrap().replace(&root, "ROOT/");
        Called {
            status: output.status.code().unwrap(),
            stdout: text(output.stdout),
            // where a line of a complaint ends depends on the length of the root's path
            stderr: text(output.stderr).replace("\n  ", " "),
        }
    }

    /// Standard output of a call that succeeds and has nothing to complain about.
    pub fn good(&self, arguments: &[&str]) -> String {
        let called = self.call(arguments);
        assert_eq!(
            (called.status, called.stderr.as_str()),
            (0, ""),
            "{arguments:?}: {}",
            called.stdout
        );
        called.stdout
    }

    /// Standard error of a call that fails with `status` and prints nothing.
    pub fn bad(&self, status: i32, arguments: &[&str]) -> String {
        let called = self.call(arguments);
        assert_eq!(
            (called.status, called.stdout.as_str()),
            (status, ""),
            "{arguments:?}: {}",
            called.stderr
        );
        called.stderr
    }
}
