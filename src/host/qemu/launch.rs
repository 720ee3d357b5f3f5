//! From a configuration to a QEMU that answers.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Child,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::{
    check::credential_string,
    cmdline::RunFiles,
    config::{Config, Firmware},
    firmware::{Ovmf, find_ovmf},
    process::{kill, wait_at_most},
    qmp::Qmp,
    volume::create_disk,
};
use crate::util::files;

/// How long QEMU may take from its start to opening its control socket.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Kills the process when dropped.
#[derive(Debug)]
pub(super) struct Running(pub(super) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // there is nobody to tell; the death signal of `bound_to_us` remains
        kill(&mut self.0).ok();
    }
}

/// Writes the private files of a run, and creates its disks.
pub(super) fn prepare(config: &Config, folder: &Path) -> Result<RunFiles> {
    let run_files = RunFiles {
        qmp: folder.join("qmp"),
        serial: folder.join("serial"),
        ovmf: match config.firmware {
            Firmware::Bios => None,
            Firmware::Uefi => Some(private_ovmf(folder)?),
        },
        credentials: (0..config.credentials.len())
            .map(|n| folder.join(format!("credential{n}")))
            .collect(),
    };
    // sun_path of unix(7) has room for 107 bytes
    if run_files.serial.as_os_str().len() > 107 {
        bail!(
            "{} is too long a path for a socket: set TMPDIR to a shorter one",
            run_files.serial.display()
        );
    }
    for (path, credential) in run_files.credentials.iter().zip(&config.credentials) {
        let text = credential_string(&credential.name, &credential.value);
        files::create_new(path, text, 0o600)?;
    }
    for disk in &config.disks {
        create_disk(disk)?;
    }
    Ok(run_files)
}

fn private_ovmf(folder: &Path) -> Result<Ovmf> {
    let Ovmf { code, vars } = find_ovmf(Path::new("/"))?;
    let private: PathBuf = folder.join("vars.fd");
    let bytes = fs::read(&vars).with_context(|| format!("reading {}", vars.display()))?;
    files::create_new(&private, bytes, 0o600)?;
    Ok(Ovmf {
        code,
        vars: private,
    })
}

/// Connects to the control socket; if QEMU ends instead, what it said is the error.
pub(super) fn connect(socket: &Path, child: &mut Child, errors: &File) -> Result<Qmp> {
    let deadline = Instant::now() + START_LIMIT;
    let failure = loop {
        match UnixStream::connect(socket) {
            // the socket is there before QEMU has read the rest of its command line
            Ok(stream) => match Qmp::new(stream) {
                Ok(qmp) => return Ok(qmp),
                Err(e) => break e,
            },
            Err(e) if Instant::now() >= deadline => {
                break anyhow::Error::new(e).context("connecting to QEMU's control socket");
            }
            Err(_) => {}
        }
        if child.try_wait().context("waiting for QEMU")?.is_some() {
            break anyhow::anyhow!("QEMU ended");
        }
        thread::sleep(Duration::from_millis(5));
    };
    match wait_at_most(child, Duration::from_secs(2))? {
        Some(status) => bail!("QEMU ended with {status}: {}", read_tail(errors)?.trim()),
        None => Err(failure),
    }
}

/// The last 2 KiB of what was written to `file`.
pub(super) fn read_tail(file: &File) -> Result<String> {
    let mut file = file.try_clone()?;
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(2048)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
