//! A machine that takes backups: OpenSSH's server with SFTP and nothing else, in the world.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};
use ezmail::util::{files, run::Task};

use super::{
    World,
    addresses::{Family, gateway},
    namespace::{Service, program},
};

/// Where it listens; 22 may be somebody else's.
const PORT: u16 = 2222;

/// The running server.
pub struct Sshd {
    service: Service,
    folder: PathBuf,
}

impl Sshd {
    /// Starts it at the gateway's address. It lets in who has [`Sshd::key`].
    pub fn start(world: &World) -> Result<Self> {
        let folder = world.folder().join("sshd");
        files::create_dir_all(&folder.join("store"))?;
        let path = |name: &str| folder.join(name).display().to_string();
        for name in ["host", "key"] {
            let mut command = Command::new(program("ssh-keygen")?);
            command.args([
                "-q",
                "-t",
                "ed25519",
                "-N",
                "",
                "-C",
                name,
                "-f",
                &path(name),
            ]);
            Task::new("making an SSH key", command).run()?;
        }
        let address = gateway(Family::V4);
        let config = format!(
            "ListenAddress {address}:{PORT}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
             StrictModes no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nSubsystem sftp internal-sftp\n\
             ForceCommand internal-sftp\n",
            path("host"),
            path("key.pub"),
        );
        files::write(&folder.join("config"), config, 0o600)?;
        // where sshd locks itself up
        files::create_dir_all(Path::new("/run/sshd"))?;
        let mut command = world.namespace().command("/usr/sbin/sshd")?;
        command.args(["-D", "-e", "-f", &path("config")]);
        let service = Service::start("sshd", command, &folder.join("log"))?;
        let mut sshd = Self { service, folder };
        let open = || world.is_open(address, PORT).unwrap_or(false);
        sshd.service.wait_until(Duration::from_secs(30), open)?;
        Ok(sshd)
    }

    /// The private key that is let in, OpenSSH's form.
    pub fn key(&self) -> Result<String> {
        files::read_to_string(&self.folder.join("key"))
    }

    /// The folder of backups, here.
    pub fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    /// The folder of backups, as answers name it.
    pub fn location(&self) -> String {
        let store = self.store();
        let address = gateway(Family::V4);
        format!("sftp://root@{address}:{PORT}{}", store.display())
    }

    /// The names in the folder of backups.
    pub fn names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.store()).context("listing the store")? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }
}
