//! The servers that are compared: each a machine of its own at the appliance's place in the world,
//! with the same memory, CPUs, network card and disk.

use std::{fs::File, path::PathBuf};

use anyhow::{Context, Result, bail};
use ezmail::host::qemu::{Config, Disk, DiskFormat};

use crate::{
    debian,
    settings::Settings,
    stock,
    world::{
        World,
        appliance::{Appliance, Kind, answers, iso},
    },
};

/// The state volume, of which the host stores what is written; as large as Debian's disk.
pub const DISK: u64 = 4 << 30;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// The image.
    Ours,
    /// The image with an smtpd that has no `durable-queue.patch`.
    Stock,
    /// Debian's postfix, rspamd and dovecot.
    Debian,
}

impl Server {
    /// By its name in the settings.
    ///
    /// # Errors
    /// When none is called so.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "ours" => Ok(Self::Ours),
            "stock" => Ok(Self::Stock),
            "debian" => Ok(Self::Debian),
            _ => bail!("no server is called \"{name}\"; they are ours, stock, debian"),
        }
    }

    /// Its name, also that of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Stock => "stock",
            Self::Debian => "debian",
        }
    }

    /// The units that handle mail. The resolver is none of them: Debian asks one outside.
    pub fn units(self) -> &'static str {
        match self {
            Self::Ours | Self::Stock => {
                "smtpd.service rspamd.service dovecot.service valkey.service ezmail-guard.service"
            }
            Self::Debian => "postfix.service rspamd.service dovecot.service redis-server.service",
        }
    }
}

/// What has to be made before anything boots.
pub struct Prepared {
    /// A volume with the other smtpd on it.
    stock: Option<PathBuf>,
    debian: Option<debian::Image>,
}

/// Makes what the chosen servers need.
///
/// # Errors
/// When something cannot be built.
pub fn prepare(settings: &Settings, world: &World) -> Result<Prepared> {
    let wanted = |server| settings.servers.contains(&server);
    Ok(Prepared {
        stock: wanted(Server::Stock)
            .then(|| stock::volume(world.folder()))
            .transpose()?,
        debian: wanted(Server::Debian)
            .then(debian::Image::make)
            .transpose()?,
    })
}

impl Prepared {
    /// Boots a server, waits until its ports answer, and publishes its records.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn boot(&self, server: Server, settings: &Settings, world: &World) -> Result<Appliance> {
        let kind = Kind {
            memory_mib: settings.memory_mib,
            ..Kind::default()
        };
        let log = world.folder().join(format!("{}.serial.log", server.name()));
        let disk = world.folder().join(format!("{}.img", server.name()));
        let machine = |config: &mut Config| {
            config.cpus = settings.cpus;
            config.serial_log = log;
            config.disks.push(Disk {
                path: disk.clone(),
                size: None,
                format: DiskFormat::Raw,
                keep: true,
            });
        };
        let running = match server {
            Server::Debian => {
                let image = self.debian.as_ref().context("Debian was not prepared")?;
                image.copy_disk(&disk)?;
                Appliance::boot_with(kind, world, &disk, None, |config| {
                    machine(config);
                    config.iso = None;
                    config.extra_args.extend(image.kernel());
                })?
            }
            Server::Ours | Server::Stock => {
                let blank = File::create(&disk).and_then(|file| file.set_len(DISK));
                blank.with_context(|| format!("creating {}", disk.display()))?;
                // a key of the whole file stands before its tables
                let answers = format!(
                    "messages_per_hour = 1000000\n{}\n[state]\ndevice = \"/dev/vda\"\n",
                    answers(world)?
                );
                Appliance::boot_with(kind, world, &iso()?, Some(&answers), |config| {
                    machine(config);
                    if server == Server::Stock {
                        config.volumes.extend(self.stock.clone());
                    }
                })?
            }
        };
        running.wait_until_up(world)?;
        let records = match server {
            Server::Debian => running.run("cat /root/records")?,
            Server::Ours | Server::Stock => running.records()?,
        };
        if server == Server::Stock {
            stock::put_in_place(&running)?;
            running.wait_for_ports(world)?;
        }
        world.publish(&records)?;
        Ok(running)
    }
}
