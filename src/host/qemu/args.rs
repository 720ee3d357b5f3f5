//! The command line of `ezmail boot`.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use regex::Regex;

use super::{
    config::{
        Accel, BootFrom, Config, Credential, Disk, Firmware, Forward, IsoAs, MachineType, Network,
        guest_failures,
    },
    image::Image,
    parse::{self, CredentialSource},
};

/// Run an image in QEMU.
///
/// The guest's serial console goes to standard output and to a file. KVM is used where a probe
/// shows that it works, TCG (slow emulation) elsewhere. The guest cannot reach the network
/// unless --network open is given.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Exit status:
  0    --until was shown, or without --until the guest powered off (or Ctrl-] ended --console)
  1    the command line or the host: something is missing, in use, not readable
  2    --timeout passed first
  3    the guest failed: a kernel panic, an emergency shell, --fail-on was shown, it powered off
       before --until was shown, or QEMU died
  130  Ctrl-C (first it presses the power button, a second time it pulls the plug); 143 SIGTERM

Signals: SIGUSR1 takes a screenshot, of the name --screenshot gives and a number.

Examples:
  Try an image, its mail ports at 10000 and up, its state on a disk:
    ezmail boot my.iso --answers answers.toml --disk state.qcow2:8G --forward mail
  In a script: does it come up within ten minutes?
    ezmail boot my.iso --answers answers.toml --quiet --until 'ezmail: mail is ready' \\
      --timeout 600 --screenshot out/screen.png
  The wizard on this terminal, booted by UEFI:
    ezmail boot my.iso --uefi --console
  Install to a disk (the answers have [install] with device = \"/dev/vda\"), and run from it:
    ezmail boot my.iso --answers answers.toml --disk server.qcow2:20G --boot-from disk
  Does the installed server come up? The disk stays as it is:
    ezmail boot server.qcow2 --forward mail --until 'ezmail: mail is ready'")]
pub struct BootArgs {
    /// The image to boot: an ISO, or a disk that a server is installed to, qcow2 or raw, which is
    /// then the first disk and to which nothing is written without --keep; may be left away if a
    /// --disk is bootable
    #[arg(value_name = "ISO|DISK")]
    pub image: Option<PathBuf>,

    /// Keep what the guest writes to the DISK that is booted in place of an ISO
    #[arg(long, requires = "image")]
    pub keep: bool,

    /// Attach the answers as a volume labelled EZMAIL: a file, or a folder with answers.toml in it
    #[arg(long, value_name = "FILE|DIR")]
    pub answers: Option<PathBuf>,

    /// Put this file too on the answers volume (repeatable)
    #[arg(long, value_name = "FILE", requires = "answers")]
    pub answers_file: Vec<PathBuf>,

    /// Attach a disk, .qcow2 or raw, and keep what is written to it; with a size such as 8G, create it
    /// if it does not exist (repeatable)
    #[arg(long, value_name = "FILE[:SIZE]", value_parser = parse::disk)]
    pub disk: Vec<Disk>,

    /// Forward a TCP port of the host's loopback to the guest: HOST:GUEST, ADDRESS:HOST:GUEST, or
    /// "mail" for ports 22, 25, 443, 465, 587, 993 and 4190 at 10000 more (repeatable)
    #[arg(long, value_name = "PORTS", value_parser = Forwards::parse)]
    pub forward: Vec<Forwards>,

    /// What the guest may reach
    #[arg(long, value_enum, default_value = "restricted")]
    pub network: Reach,

    /// Hand over a systemd credential; a secret as @FILE, the command line can be seen (repeatable)
    #[arg(long, value_name = "NAME=VALUE|NAME=@FILE", value_parser = parse::credential)]
    pub credential: Vec<CredentialSource>,

    /// Boot by UEFI instead of BIOS
    #[arg(long)]
    pub uefi: bool,

    /// Memory in MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    pub memory: u64,

    /// Number of virtual CPUs
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub cpus: u32,

    /// KVM, TCG, or KVM if it works
    #[arg(
        long,
        value_enum,
        default_value = "auto",
        env = "EZMAIL_ACCEL",
        hide_env_values = true
    )]
    pub accel: Accel,

    /// The chipset
    #[arg(long, value_enum, default_value = "q35")]
    pub machine: MachineType,

    /// Attach the image as a CD-ROM or as a read-only disk
    #[arg(long, value_enum, default_value = "cdrom")]
    pub iso_as: IsoAs,

    /// What to boot first; a blank disk is passed over
    #[arg(long, value_enum, default_value = "iso")]
    pub boot_from: BootFrom,

    /// End when the guest asks for a reboot, as if it had powered off
    #[arg(long)]
    pub no_reboot: bool,

    /// End with success as soon as the serial console shows this regular expression
    #[arg(long, value_name = "REGEX")]
    pub until: Option<Regex>,

    /// End with failure as soon as a line of the serial console shows this (repeatable)
    #[arg(long, value_name = "REGEX")]
    pub fail_on: Vec<Regex>,

    /// End after this many seconds; 600 if --until is given, else never
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,

    /// The file for the serial console's output; beside the image, with .serial.log, if not given
    #[arg(long, value_name = "FILE")]
    pub serial_log: Option<PathBuf>,

    /// Do not show the serial console on standard output
    #[arg(long, short, conflicts_with = "console")]
    pub quiet: bool,

    /// Use this terminal as the serial console; Ctrl-] ends the machine
    #[arg(long)]
    pub console: bool,

    /// Save the screen here as PNG at the end, however the run ends
    #[arg(long, value_name = "FILE.png")]
    pub screenshot: Option<PathBuf>,

    /// Save the screen after this many seconds instead of at the end
    #[arg(long, value_name = "SECONDS", requires = "screenshot")]
    pub screenshot_after: Option<u64>,
}

/// What the guest may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Reach {
    /// Nothing; forwarded ports work.
    Restricted,
    /// Whatever the host reaches.
    Open,
    /// There is no network card.
    None,
}

/// The ports one `--forward` stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwards(pub Vec<Forward>);

impl Forwards {
    fn parse(text: &str) -> Result<Self, String> {
        parse::forward(text).map(Self)
    }
}

impl BootArgs {
    /// The machine these arguments describe, but for the answers volume, which has to be made.
    ///
    /// # Errors
    /// When arguments contradict each other, or a credential's file cannot be read.
    pub fn config(&self) -> Result<Config> {
        let mut config = Config::new(None, &self.serial_log_path()?);
        config.iso_as = self.iso_as;
        config.boot_from = self.boot_from;
        config.disks = self.disk.clone();
        config.firmware = if self.uefi {
            Firmware::Uefi
        } else {
            Firmware::Bios
        };
        config.machine = self.machine;
        config.accel = self.accel;
        config.memory_mib = self.memory;
        config.cpus = self.cpus;
        config.network = self.network()?;
        config.no_reboot = self.no_reboot;
        config.fail_on = guest_failures();
        config.fail_on.extend(self.fail_on.iter().cloned());
        for source in &self.credential {
            config.credentials.push(match source {
                CredentialSource::Text(credential) => credential.clone(),
                CredentialSource::File(name, path) => {
                    let value = std::fs::read(path).map_err(|e| {
                        anyhow::anyhow!("credential {name}: reading {}: {e}", path.display())
                    })?;
                    Credential::new(name, value)
                }
            });
        }
        self.attach_image(&mut config)?;
        Ok(config)
    }

    fn attach_image(&self, config: &mut Config) -> Result<()> {
        let Some(path) = &self.image else {
            return Ok(());
        };
        match Image::open(path)? {
            Image::Iso(iso) if self.keep => bail!(
                "--keep is for a disk, and {} is an ISO, to which nothing is ever written; what is \
                 written to a --disk is kept without it",
                iso.display()
            ),
            Image::Iso(iso) => config.iso = Some(iso),
            Image::Disk(disk) => config.disks.insert(
                0,
                Disk {
                    keep: self.keep,
                    ..disk
                },
            ),
        }
        Ok(())
    }

    fn network(&self) -> Result<Network> {
        let forwards: Vec<Forward> = self.forward.iter().flat_map(|f| f.0.clone()).collect();
        Ok(match self.network {
            Reach::None if !forwards.is_empty() => {
                bail!("--forward needs a network card: leave --network none away")
            }
            Reach::None => Network::None,
            reach => Network::User {
                forwards,
                restrict: reach == Reach::Restricted,
            },
        })
    }

    fn serial_log_path(&self) -> Result<PathBuf> {
        let beside = |path: &Path| path.with_extension("serial.log");
        match (&self.serial_log, &self.image, self.disk.first()) {
            (Some(path), _, _) => Ok(path.clone()),
            (None, Some(image), _) => Ok(beside(image)),
            (None, None, Some(disk)) => Ok(beside(&disk.path)),
            (None, None, None) => {
                bail!("nothing to boot: give an image, or a --disk that is bootable")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, FromArgMatches};

    fn parse(line: &str) -> Result<BootArgs, clap::Error> {
        let command = BootArgs::augment_args(clap::Command::new("boot").term_width(100));
        BootArgs::from_arg_matches(&command.try_get_matches_from(line.split(' '))?)
    }

    /// A file that begins as an ISO does, or as a raw disk with a GPT.
    fn image(folder: &Path, name: &str, at: usize, mark: &[u8]) -> PathBuf {
        let path = folder.join(name);
        let mut bytes = vec![0; 40_000];
        bytes[at..at + mark.len()].copy_from_slice(mark);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn defaults() {
        let dir = tempfile::tempdir().unwrap();
        let iso = image(dir.path(), "my.iso", 32_769, b"CD001");
        let line = format!("boot {}", iso.display());
        let config = parse(&line).unwrap().config().unwrap();
        assert_eq!(config.serial_log, dir.path().join("my.serial.log"));
        assert_eq!((config.iso, config.disks), (Some(iso), vec![]));
        assert_eq!(config.memory_mib, 1024);
        assert_eq!(
            config.network,
            Network::User {
                forwards: vec![],
                restrict: true
            }
        );
    }

    #[test]
    fn options_reach_the_machine() {
        let args = parse(
            "boot --disk a.qcow2:1G --forward 2222:22 --forward mail --network open --fail-on oops \
             --credential a=b --uefi --memory 2048 --cpus 2 --accel tcg --boot-from disk",
        )
        .unwrap();
        let config = args.config().unwrap();
        assert_eq!(config.serial_log, Path::new("a.serial.log"));
        let Network::User { forwards, restrict } = config.network else {
            panic!()
        };
        assert_eq!((forwards.len(), restrict), (8, false));
        assert_eq!(config.fail_on.len(), guest_failures().len() + 1);
        assert_eq!(config.credentials, [Credential::new("a", "b")]);
        assert_eq!((config.firmware, config.cpus), (Firmware::Uefi, 2));
    }

    #[test]
    fn a_disk_in_place_of_an_iso_is_the_first_and_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let disk = image(dir.path(), "server", 512, b"EFI PART");
        let boot = |more: &str| {
            let line = format!("boot {} --disk b.qcow2:1G{more}", disk.display());
            parse(&line).unwrap().config().unwrap()
        };
        let config = boot("");
        assert_eq!(config.iso, None);
        assert_eq!(config.serial_log, dir.path().join("server.serial.log"));
        let shown: Vec<_> = config.disks.iter().map(|d| (&d.path, d.keep)).collect();
        assert_eq!(shown, [(&disk, false), (&"b.qcow2".into(), true)]);
        assert!(boot(" --keep").disks.iter().all(|disk| disk.keep));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let iso = image(dir.path(), "my.iso", 32_769, b"CD001");
        let blank = image(dir.path(), "blank", 0, b"");
        let mut said = String::new();
        for line in [
            "boot my.iso --forward 25",
            "boot my.iso --until (",
            "boot my.iso --answers-file key",
            "boot my.iso --quiet --console",
            "boot --keep --disk a.qcow2",
        ] {
            let error = parse(line).unwrap_err().to_string();
            // the usage that follows depends on the environment
            said.push_str(error.split("\n\n").next().unwrap());
            said.push('\n');
        }
        for line in [
            "boot",
            "boot my.iso --network none --forward 1:2",
            "boot my.iso --credential a=@none",
            "boot none.iso",
            &format!("boot {} --keep", iso.display()),
            &format!("boot {}", blank.display()),
        ] {
            said.push_str(&format!(
                "{:#}\n",
                parse(line).unwrap().config().unwrap_err()
            ));
        }
        insta::assert_snapshot!(said.replace(&dir.path().display().to_string(), "DIR"));
    }

    #[test]
    fn help() {
        let mut command = BootArgs::augment_args(clap::Command::new("boot").term_width(100));
        insta::assert_snapshot!(command.render_long_help());
    }
}
