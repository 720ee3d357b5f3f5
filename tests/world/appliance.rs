//! The machine under test: its answers, its boot, and what can be asked of it from inside.

use std::{
    env,
    net::IpAddr,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use ezmail::{
    host::qemu::{Config, Firmware, Machine, Network, volume::answers_volume},
    mail::password,
    util::{files, run::Task},
};

use super::{
    World,
    addresses::{
        DOMAINS, FAMILIES, Family, HOSTNAME, appliance, gateway, prefix, resolver, second_appliance,
    },
    client::Login,
    namespace::program,
    shell::{Ran, Shell, attach},
    zones::SECOND_HOSTNAME,
};

/// The first user, who is also the postmaster; of the first domain.
pub const ALICE: Login<'static> = ("alice@example.org", "wood stapler under the rain");
/// A further address of hers.
pub const ALICE_ALIAS: &str = "al@example.net";
/// The second user, of the second domain.
pub const BOB: Login<'static> = ("bob@example.net", "seven quiet lamps by a river");
/// An address that leads to both.
pub const BOTH: &str = "info@example.org";

/// The mail domain of the second appliance.
pub const SECOND_DOMAIN: &str = "second.org";
/// The first user of the second appliance, who is also its postmaster.
pub const CAROL: Login<'static> = ("carol@second.org", "amber kites above the harbour");
/// Its second user.
pub const DAVE: Login<'static> = ("dave@second.org", "nine copper bells at midnight");

/// The ports where the world is served.
pub const PORTS: [u16; 4] = [25, 465, 587, 993];

/// From the kernel to the last port, emulated, on a machine with other things to do.
pub const BOOT: Duration = Duration::from_secs(900);

/// The authority that everybody has is not in this world.
const NO_AUTHORITY: &str = "\n[acme]\nenabled = false\n";

/// Where the agent keeps the records to publish, as zone lines.
const RECORDS: &str = "/var/lib/ezmail/dns-records.txt";

/// What kind of machine it is.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Memory in MiB.
    pub memory_mib: u64,
    pub firmware: Firmware,
    /// What its clock shows at power on, as in QEMU's `-rtc base=`; without it, the true time.
    pub clock: Option<&'static str>,
}

impl Default for Kind {
    fn default() -> Self {
        Self {
            memory_mib: 1024,
            firmware: Firmware::Bios,
            clock: None,
        }
    }
}

/// Which of a world's appliances one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The only one of most worlds.
    First,
    /// [`SECOND_HOSTNAME`], on a tap of its own.
    Second,
}

impl Place {
    /// Its address.
    pub fn address(self, family: Family) -> IpAddr {
        match self {
            Self::First => appliance(family),
            Self::Second => second_appliance(family),
        }
    }

    /// Its tap, and the hardware address of its network card.
    fn card(self) -> (&'static str, &'static str) {
        match self {
            Self::First => (super::TAPS[0], "52:54:00:00:00:10"),
            Self::Second => (super::TAPS[1], "52:54:00:00:00:11"),
        }
    }

    /// Where its answers, its serial log and its shell's socket lie.
    fn folder(self, world: &World) -> Result<PathBuf> {
        let folder = match self {
            Self::First => world.folder().to_owned(),
            Self::Second => world.folder().join("second"),
        };
        files::create_dir_all(&folder)?;
        Ok(folder)
    }
}

/// A running appliance.
pub struct Appliance {
    place: Place,
    machine: Mutex<Machine>,
    shell: Mutex<Shell>,
}

/// The image to test: `EZMAIL_ISO`, or the newest that `ci/iso` has made.
pub fn iso() -> Result<PathBuf> {
    if let Some(path) = env::var_os("EZMAIL_ISO") {
        return Ok(path.into());
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("out");
    let mut newest = None;
    for entry in walkdir::WalkDir::new(&folder).max_depth(1) {
        let entry = entry.context("no image to test: run ci/iso, or set EZMAIL_ISO")?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("ezmail-") && name.ends_with("-x86_64.iso") {
            newest = newest.max(Some((entry.metadata()?.modified()?, entry.into_path())));
        }
    }
    match newest {
        Some((_, path)) => Ok(path),
        None => bail!(
            "no image to test in {}: run ci/iso, or set EZMAIL_ISO",
            folder.display()
        ),
    }
}

/// The file of the administrator's private SSH key, which is made when it is first asked for.
pub fn admin_key(world: &World) -> Result<PathBuf> {
    let path = world.folder().join("admin");
    if !path.exists() {
        let mut command = Command::new(program("ssh-keygen")?);
        command.args(["-q", "-t", "ed25519", "-N", "", "-C", "admin", "-f"]);
        command.arg(&path);
        Task::new("making the administrator's SSH key", command).run()?;
    }
    Ok(path)
}

/// An answers file of one domain and one user, without a word about authorities.
pub fn one_domain(world: &World) -> Result<String> {
    Ok(format!(
        "hostname = \"{HOSTNAME}\"\n\n[[domain]]\nname = \"{}\"\n{}{}",
        DOMAINS[0],
        user(ALICE, "")?,
        surroundings(world, Place::First)?
    ))
}

/// An answers file that fits the world, in which no authority issues certificates.
pub fn answers(world: &World) -> Result<String> {
    let mut text = format!("hostname = \"{HOSTNAME}\"\npostmaster = \"{}\"\n", ALICE.0);
    for domain in DOMAINS {
        text.push_str(&format!("\n[[domain]]\nname = \"{domain}\"\n"));
    }
    text.push_str(&user(ALICE, &format!("aliases = [\"{ALICE_ALIAS}\"]\n"))?);
    text.push_str(&user(BOB, "")?);
    text.push_str(&format!(
        "\n[[alias]]\naddress = \"{BOTH}\"\nto = {}\n",
        list(&[ALICE.0.to_owned(), BOB.0.to_owned()])
    ));
    text.push_str(&surroundings(world, Place::First)?);
    text.push_str(NO_AUTHORITY);
    Ok(text)
}

/// An answers file for the second appliance.
pub fn second_answers(world: &World) -> Result<String> {
    Ok(format!(
        "hostname = \"{SECOND_HOSTNAME}\"\npostmaster = \"{}\"\n\n\
         [[domain]]\nname = \"{SECOND_DOMAIN}\"\n{}{}{}{NO_AUTHORITY}",
        CAROL.0,
        user(CAROL, "")?,
        user(DAVE, "")?,
        surroundings(world, Place::Second)?
    ))
}

fn list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|i| format!("\"{i}\"")).collect();
    format!("[{}]", items.join(", "))
}

fn user(login: Login<'_>, more: &str) -> Result<String> {
    let hash = password::hash(login.1)?;
    Ok(format!(
        "\n[[user]]\naddress = \"{}\"\npassword_hash = \"{hash}\"\n{more}",
        login.0
    ))
}

/// What an answers file has of the world: resolvers, the administrator, addresses.
fn surroundings(world: &World, place: Place) -> Result<String> {
    let key = files::read_to_string(&admin_key(world)?.with_extension("pub"))?;
    Ok(format!(
        "\n[dns]\nforwarders = {}\ntrust_anchors = {}\n\
         \n[ssh]\nauthorized_keys = {}\n\
         \n[network]\naddress = {}\ngateway = {}\n",
        list(&FAMILIES.map(|f| resolver(f).to_string())),
        list(&[world.trust_anchor().to_owned()]),
        list(&[key.trim().to_owned()]),
        list(&FAMILIES.map(|f| format!("{}/{}", place.address(f), prefix(f)))),
        list(&FAMILIES.map(|f| gateway(f).to_string())),
    ))
}

impl Appliance {
    /// Boots `iso` with `answers` on the world's first tap. Does not wait for anything.
    pub fn boot(world: &World, iso: &Path, answers: &str) -> Result<Self> {
        Self::boot_as(Kind::default(), world, iso, answers)
    }

    /// As [`Self::boot`], on a machine of that kind.
    pub fn boot_as(kind: Kind, world: &World, iso: &Path, answers: &str) -> Result<Self> {
        Self::boot_with(kind, world, iso, Some(answers), |_| {})
    }

    /// As [`Self::boot_as`], perhaps without answers, and with `adjust` to have the last word about
    /// the machine.
    pub fn boot_with(
        kind: Kind,
        world: &World,
        iso: &Path,
        answers: Option<&str>,
        adjust: impl FnOnce(&mut Config),
    ) -> Result<Self> {
        Self::boot_at(Place::First, kind, world, iso, answers, adjust)
    }

    /// As [`Self::boot_with`], in that place of the world.
    pub fn boot_at(
        place: Place,
        kind: Kind,
        world: &World,
        iso: &Path,
        answers: Option<&str>,
        adjust: impl FnOnce(&mut Config),
    ) -> Result<Self> {
        let folder = place.folder(world)?;
        let (tap, mac) = place.card();
        let mut config = Config::new(Some(iso), &folder.join("serial.log"));
        config.memory_mib = kind.memory_mib;
        config.firmware = kind.firmware;
        if let Some(answers) = answers {
            let file = folder.join("answers.toml");
            files::write(&file, answers, 0o600)?;
            let volume = folder.join("answers.img");
            if volume.exists() {
                std::fs::remove_file(&volume).context("removing the answers of an earlier boot")?;
            }
            answers_volume(&file, &[], &volume)?;
            config.volumes.push(volume);
        }
        if let Some(clock) = kind.clock {
            let base = format!("base={clock}");
            config.extra_args.extend(["-rtc".into(), base.into()]);
        }
        config.network = Network::Tap {
            ifname: tap.to_owned(),
            mac: mac.to_owned(),
            netns: Some(world.namespace().path().to_owned()),
        };
        let socket = folder.join("shell.sock");
        attach(&mut config, &socket);
        adjust(&mut config);
        let machine = Machine::start(&config)?;
        let shell = Shell::connect(&socket)?;
        Ok(Self {
            place,
            machine: Mutex::new(machine),
            shell: Mutex::new(shell),
        })
    }

    /// Pulls the plug.
    pub fn kill(self) -> Result<()> {
        let machine = self.machine.into_inner();
        machine.unwrap_or_else(PoisonError::into_inner).kill()
    }

    /// Presses the power button and waits until the machine is off.
    pub fn power_off(self) -> Result<()> {
        let machine = self.machine.into_inner();
        let machine = machine.unwrap_or_else(PoisonError::into_inner);
        machine.shutdown(Duration::from_secs(300))
    }

    /// Waits until every port of [`PORTS`] answers on both addresses, and the shell as well.
    pub fn wait_until_up(&self, world: &World) -> Result<()> {
        self.wait_for_ports(world)?;
        self.shell().wait(Duration::from_secs(120))
    }

    /// Waits until every port of [`PORTS`] answers on both addresses.
    pub fn wait_for_ports(&self, world: &World) -> Result<()> {
        let deadline = Instant::now() + BOOT;
        for family in FAMILIES {
            for port in PORTS {
                self.wait_for_port(world, self.place.address(family), port, deadline)?;
            }
        }
        Ok(())
    }

    /// Waits until a connection is taken; the end of the machine is an error.
    pub fn wait_for_port(
        &self,
        world: &World,
        address: IpAddr,
        port: u16,
        deadline: Instant,
    ) -> Result<()> {
        while !world.is_open(address, port)? {
            let mut machine = self.machine();
            let log = machine.port(0).path().display().to_string();
            if let Some(ending) = machine.poll()? {
                bail!("no port {port}: {ending}; the serial log: {log}");
            }
            if Instant::now() > deadline {
                let tail = machine.port(0).tail(30);
                bail!("port {port} of {address} does not answer\n{tail}\nthe serial log: {log}");
            }
            drop(machine);
            thread::sleep(Duration::from_secs(1));
        }
        Ok(())
    }

    /// The machine, for what only it can do.
    pub fn machine(&self) -> std::sync::MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the console has shown so far.
    pub fn console(&self) -> Result<String> {
        let mut machine = self.machine();
        machine.poll()?;
        Ok(machine.port(0).text().to_owned())
    }

    /// The shell inside.
    pub fn shell(&self) -> std::sync::MutexGuard<'_, Shell> {
        self.shell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a script inside, which must succeed, and returns what it printed.
    pub fn run(&self, script: &str) -> Result<String> {
        let Ran { status, output } = self.shell().run(script, Duration::from_secs(120))?;
        if status != 0 {
            bail!("in the guest, status {status}: {script}\n{output}");
        }
        Ok(output)
    }

    /// The DNS records that the agent wants published, as zone lines.
    pub fn records(&self) -> Result<String> {
        self.run(&format!("cat {RECORDS}"))
    }
}
