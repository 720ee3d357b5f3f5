//! Throw-away OpenPGP keys: masters, packagers certified by them, and strangers.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// A GnuPG home of its own; its agent is ended with it.
pub struct Keys {
    home: TempDir,
}

impl Keys {
    pub fn new() -> Self {
        // the agent's socket lies in it, and there is little room in a socket's address
        let home = tempfile::Builder::new().prefix("ezt").tempdir_in("/tmp");
        Self {
            home: home.unwrap(),
        }
    }

    /// Makes a key; returns its fingerprint.
    pub fn generate(&self, name: &str) -> String {
        let id = format!("{name} <{}@example.org>", name.replace(' ', "-"));
        self.gpg(&["--quick-gen-key", &id, "ed25519", "sign,cert", "never"]);
        let text = self.gpg(&["--with-colons", "--list-keys", &format!("={id}")]);
        let line = text.lines().find(|l| l.starts_with("fpr:")).unwrap();
        line.split(':').nth(9).unwrap().to_owned()
    }

    /// Lets each of `masters` vouch for `key`.
    pub fn certify(&self, key: &str, masters: &[String]) {
        for master in masters {
            self.gpg(&["--local-user", master, "--quick-sign-key", key]);
        }
    }

    /// Lets a key end at `when`, as gpg's `--quick-set-expire` takes it.
    pub fn expire(&self, key: &str, when: &str) {
        self.gpg(&["--quick-set-expire", key, when]);
    }

    /// The public keys with all certifications.
    pub fn export(&self, keys: &[&String]) -> Vec<u8> {
        let mut words = vec!["--export"];
        words.extend(keys.iter().map(|k| k.as_str()));
        self.run(&words).stdout
    }

    /// Writes `FILE.sig`.
    pub fn sign(&self, file: &Path, key: &str) -> PathBuf {
        let mut signature = file.as_os_str().to_owned();
        signature.push(".sig");
        let text = signature.to_str().unwrap().to_owned();
        self.gpg(&[
            "--yes",
            "--local-user",
            key,
            "--output",
            &text,
            "--detach-sign",
            file.to_str().unwrap(),
        ]);
        signature.into()
    }

    fn gpg(&self, words: &[&str]) -> String {
        String::from_utf8(self.run(words).stdout).unwrap()
    }

    fn run(&self, words: &[&str]) -> std::process::Output {
        let output = Command::new("gpg")
            .arg("--homedir")
            .arg(self.home.path())
            .args(["--batch", "--quiet", "--pinentry-mode", "loopback"])
            .args(["--passphrase", ""])
            .args(words)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gpg {words:?}: {said}");
        output
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        let ended = Command::new("gpgconf")
            .arg("--homedir")
            .arg(self.home.path())
            .args(["--kill", "all"])
            .status();
        assert!(ended.unwrap().success(), "gpg-agent was not ended");
    }
}
