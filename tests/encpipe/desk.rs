//! A folder of its own to run `encpipe` in.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::PathBuf,
    process::{Command, Stdio},
};

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_encpipe");

/// The passphrase of upstream's vectors, which every desk has in its file `pass`.
pub const PASS: &str = "correct horse battery staple";

/// A file that upstream's encpipe made, or the plaintext of one.
pub fn vector(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/encpipe/");
    fs::read(format!("{folder}{name}")).unwrap()
}

/// A temporary folder; commands run in it, so that messages name files without a path.
pub struct Desk(tempfile::TempDir);

/// How a command ended.
pub struct Run {
    pub status: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Desk {
    pub fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        desk.write("pass", format!("{PASS}\n").as_bytes());
        desk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Every name in the folder, dotted ones too, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Runs encpipe with nothing to read.
    pub fn run(&self, args: &[&str]) -> Run {
        self.run_with(args, b"")
    }

    /// Runs encpipe with `input` on standard input.
    pub fn run_with(&self, args: &[&str], input: &[u8]) -> Run {
        let mut command = Command::new(PROGRAM);
        command.args(args);
        self.finish(command, input)
    }

    /// Runs a shell script.
    pub fn shell(&self, script: &str) -> Run {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        self.finish(command, b"")
    }

    fn finish(&self, mut command: Command, input: &[u8]) -> Run {
        let mut child = command
            .current_dir(self.0.path())
            .env_remove("COLUMNS")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || match stdin.write_all(&input) {
            // It need not read all before it refuses.
            Err(e) if e.kind() != ErrorKind::BrokenPipe => panic!("{e}"),
            _ => {}
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Run {
            status: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    /// Panics with the message unless the status is 0.
    pub fn succeeds(self) -> Self {
        assert_eq!(self.status, Some(0), "{}", self.stderr);
        self
    }

    /// The message; panics unless the status is 1, upstream's only other one.
    #[allow(
        dead_code,
        reason = "not every test file that shares this expects errors"
    )]
    pub fn fails(self) -> String {
        assert_eq!(self.status, Some(1), "{}", self.stderr);
        self.stderr
    }
}
