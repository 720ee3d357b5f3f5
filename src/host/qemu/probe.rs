//! Runs a script inside an unmodified image, without a login.
//!
//! Three systemd credentials bring it there (systemd-debug-generator(8), systemd 256 or later):
//! a unit, a drop-in that makes multi-user.target want it, and the script. The unit writes to
//! the second serial port, between two marks.

use std::{path::Path, time::Duration};

use anyhow::Context;
use regex::Regex;

use super::{Config, Credential, Machine, WaitError};

const UNIT: &str = "ezmail-probe.service";
const SCRIPT: &str = "ezmail-probe.script";
const BEGIN: &str = "--- the probe begins ---";
const END: &str = "--- the probe ended with";

/// The serial port the probe writes to.
const PORT: usize = 1;

/// A script to run once the guest is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    script: String,
}

/// What a script did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeResult {
    /// Its exit status.
    pub status: i32,
    /// What it wrote, to standard output and standard error together.
    pub output: String,
}

impl Probe {
    /// `script` is for `/bin/sh`, as root; it runs once at each boot of the guest, after
    /// multi-user.target and the consoles' units, whatever units have failed. As it is itself
    /// still starting, `systemctl is-system-running` says "starting"; ask `systemctl --failed`.
    pub fn new(script: &str) -> Self {
        Self {
            script: script.to_owned(),
        }
    }

    /// Adds this probe to `config`: its credentials, and the file `channel` as what the second
    /// serial port writes to, before any other channel.
    pub fn attach(&self, config: &mut Config, channel: &Path) {
        config.credentials.extend(self.credentials());
        config.channels.insert(PORT - 1, channel.to_path_buf());
    }

    /// The unit, the drop-in and the script.
    pub fn credentials(&self) -> Vec<Credential> {
        // $$ is a dollar sign, %d the folder of the unit's credentials (systemd.service(5));
        // the terminal is left as it is, but for its line ends
        let unit = format!(
            r#"[Unit]
Description=Probe of a test
After=multi-user.target getty.target

[Service]
Type=oneshot
LoadCredential={SCRIPT}
StandardInput=null
StandardOutput=file:/dev/ttyS{PORT}
StandardError=inherit
ExecStart=/bin/sh -c 'echo; echo "{BEGIN}"; /bin/sh "$$1"; s=$$?; echo; echo "{END} $$s"' probe %d/{SCRIPT}
"#
        );
        vec![
            Credential::new(format!("systemd.extra-unit.{UNIT}"), unit),
            Credential::new(
                "systemd.unit-dropin.multi-user.target",
                format!("[Unit]\nWants={UNIT}\n"),
            ),
            Credential::new(SCRIPT, self.script.as_str()),
        ]
    }

    /// Waits until the script has ended, and returns what it did; after a reboot of the guest,
    /// the next call waits for its next run.
    ///
    /// # Errors
    /// When `limit` passes, the run ends, or the guest fails first.
    pub fn wait(&self, machine: &mut Machine, limit: Duration) -> Result<ProbeResult, WaitError> {
        let pattern = pattern().context("building the probe's pattern")?;
        let found = machine.wait_on(PORT, &pattern, limit)?;
        let mut groups = found.groups.into_iter().flatten();
        let output = groups.next().unwrap_or_default();
        let status = groups.next().unwrap_or_default();
        Ok(ProbeResult {
            status: status.parse().context("the exit status of the probe")?,
            output,
        })
    }
}

/// The output, and the exit status behind it; the empty line between them is ours.
fn pattern() -> Result<Regex, regex::Error> {
    let (begin, end) = (regex::escape(BEGIN), regex::escape(END));
    Regex::new(&format!(r"(?s){begin}\n(.*?)\n{end} (\d+)\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn unit() -> String {
        String::from_utf8(Probe::new("true").credentials()[0].value.clone()).unwrap()
    }

    #[test]
    fn the_units() {
        let shown: String = Probe::new("systemctl --failed\n")
            .credentials()
            .iter()
            .map(|c| format!("# {}\n{}\n", c.name, String::from_utf8_lossy(&c.value)))
            .collect();
        insta::assert_snapshot!(shown);
    }

    /// The unit's own command line, with systemd's two substitutions made here.
    fn run(script: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(SCRIPT), script).unwrap();
        let line = unit()
            .lines()
            .find_map(|l| l.strip_prefix("ExecStart=").map(str::to_owned))
            .unwrap()
            .replace("$$", "$")
            .replace("%d", &dir.path().display().to_string());
        let output = Command::new("sh").args(["-c", &line]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn output_and_status_are_found_again() {
        let result = |script: &str| {
            let text = run(script);
            let found = pattern().unwrap().captures(&text).unwrap();
            (found[1].to_owned(), found[2].to_owned())
        };
        assert_eq!(result("echo one; exit 3"), ("one\n".into(), "3".into()));
        assert_eq!(result("printf 'no end'"), ("no end".into(), "0".into()));
        assert_eq!(result("true"), (String::new(), "0".into()));
        assert_eq!(result("kill -9 $$"), (String::new(), "137".into()));
    }
}
