//! Where answers come from: one boot of the unmodified image for each source. What the agent says
//! on the console tells which it was.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};
use ezmail::{
    host::qemu::{Config, Credential, Machine, Network, volume::answers_volume},
    util::{files, hash::sha256_file, run::Task},
};
use regex::Regex;

use crate::world::{
    TAPS,
    addresses::{Family, gateway, setup},
    appliance::iso,
    namespace::{Namespace, Service},
    shell::{Shell, attach},
    web::Web,
};

const ANSWERS: &str = include_str!("../answers/good/minimal.toml");
/// From power on to what the agent says, emulated.
const BOOT: Duration = Duration::from_secs(600);
/// The name of the web server.
const SERVER: &str = "answers.example.com";

/// The files of a boot, which stay until the next boot of that name.
struct Boot(PathBuf);

impl Boot {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("source-{name}"));
        if folder.exists() {
            files::remove_dir_all(&folder).unwrap();
        }
        files::create_dir_all(&folder).unwrap();
        let boot = Self(folder);
        files::write(&boot.path("answers.toml"), ANSWERS, 0o600).unwrap();
        boot
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn config(&self) -> Config {
        Config::new(Some(&iso().unwrap()), &self.path("serial.log"))
    }

    /// A folder with such files.
    fn folder(&self, name: &str, entries: &[(&str, &str)]) -> PathBuf {
        let folder = self.path(name);
        for (name, text) in entries {
            files::write_with_parents(&folder.join(name), text, 0o600).unwrap();
        }
        folder
    }
}

fn run(what: &str, script: &str) {
    let mut command = Command::new("sh");
    command.args(["-euc", script]);
    Task::new(what, command).run().unwrap();
}

/// Makes the machine start the image's kernel by itself, with further words on its command line:
/// the boot loader would take them only from a keyboard.
fn with_words(config: &mut Config, boot: &Boot, words: &str) -> Result<()> {
    let iso = iso()?;
    let script = format!(
        "xorriso -osirrox on -indev {} -extract /boot/syslinux/syslinux.cfg {} \
         -extract /arch/boot/x86_64 {}",
        iso.display(),
        boot.path("syslinux.cfg").display(),
        boot.path("kernel").display()
    );
    run("extracting the kernel", &script);
    let text = files::read_to_string(&boot.path("syslinux.cfg"))?;
    let line = text.lines().find_map(|l| l.trim().strip_prefix("APPEND "));
    let line = line.context("syslinux.cfg has no APPEND")?;
    let words = format!("{line} {words}");
    let [kernel, initrd] =
        ["vmlinuz-linux", "initramfs-linux.img"].map(|f| boot.path("kernel").join(f));
    config.extra_args.extend([
        "-kernel".into(),
        kernel.into(),
        "-initrd".into(),
        initrd.into(),
        "-append".into(),
        words.into(),
    ]);
    Ok(())
}

/// Starts the machine and waits until the console has shown all of these, in this order.
fn shows(config: &Config, patterns: &[&str]) -> Machine {
    let mut machine = Machine::start(config).unwrap();
    for pattern in patterns {
        let pattern = Regex::new(pattern).unwrap();
        machine.wait_for(&pattern, BOOT).unwrap_or_else(|error| {
            let log = config.serial_log.display();
            panic!("no '{pattern}': {error}; the serial log: {log}")
        });
    }
    machine
}

#[test]
fn the_volume_ezmail() {
    let boot = Boot::new("ezmail");
    let mut config = boot.config();
    let volume = boot.path("volume.img");
    answers_volume(&boot.path("answers.toml"), &[], &volume).unwrap();
    config.volumes.push(volume);
    let found = r"ezmail: answers: answers\.toml on the volume EZMAIL \(/dev/vda\)";
    shows(&config, &[found, "hostname .*mail.example.org"]);
}

#[test]
fn a_volume_named_on_the_kernel_command_line() {
    let boot = Boot::new("label");
    let mut config = boot.config();
    let folder = boot.folder("data", &[("my/server.toml", ANSWERS)]);
    let volume = boot.path("volume.img");
    run(
        "making an ext4 volume",
        &format!(
            "truncate -s 4M {0} && mkfs.ext4 -q -L DATA -d {1} {0}",
            volume.display(),
            folder.display()
        ),
    );
    config.volumes.push(volume);
    with_words(&mut config, &boot, "ezmail.answers=DATA/my/server.toml").unwrap();
    let found = r"ezmail: answers: my/server\.toml on the volume DATA \(kernel command line\)";
    shows(&config, &[found]);
}

#[test]
fn user_data_on_a_cidata_volume() {
    let boot = Boot::new("cidata");
    let mut config = boot.config();
    let ours = boot.folder(
        "ours",
        &[
            ("user-data", &format!("#ezmail\n{ANSWERS}")),
            ("meta-data", "instance-id: one\n"),
        ],
    );
    let other = boot.folder("other", &[("user-data", "#cloud-config\n")]);
    let [iso, fat] = ["ours.iso", "other.img"].map(|name| boot.path(name));
    run(
        "making cidata volumes",
        &format!(
            "xorriso -as mkisofs -quiet -V cidata -J -R -o {} {}; truncate -s 2M {fat}; \
             mkfs.fat -n CIDATA {fat}; mcopy -i {fat} {}/user-data ::",
            iso.display(),
            ours.display(),
            other.display(),
            fat = fat.display(),
        ),
    );
    config.volumes.extend([fat, iso]);
    let patterns = [
        "ezmail: answers: the volume EZMAIL: not there",
        r"ezmail: answers: the volume CIDATA \(/dev/vda\) is not ours: its user-data begins with #cloud-config",
        r"ezmail: answers: user-data on the volume cidata \(/dev/vdb\)",
    ];
    shows(&config, &patterns);
}

#[test]
fn a_credential_by_smbios() {
    let boot = Boot::new("smbios");
    let mut config = boot.config();
    let credential = Credential::new("ezmail.answers", ANSWERS);
    config.credentials.push(credential);
    let patterns = [
        "ezmail: answers: user-data on a volume cidata: not there",
        r"ezmail: answers: the systemd credential ezmail\.answers\r?\n",
    ];
    shows(&config, &patterns);
}

#[test]
fn a_credential_by_fw_cfg() {
    let boot = Boot::new("fw-cfg");
    let mut config = boot.config();
    let file = boot.path("answers.toml").display().to_string();
    let name = "opt/io.systemd.credentials/ezmail.answers";
    let word = format!("name={name},file={file}");
    config.extra_args.extend(["-fw_cfg".into(), word.into()]);
    let found = r"ezmail: answers: the systemd credential ezmail\.answers\r?\n";
    shows(&config, &[found]);
}

/// A network with a router that knows the name [`SERVER`], for itself, and may give addresses.
struct Net {
    // in this order everything ends
    _router: Service,
    namespace: Namespace,
}

impl Net {
    fn new(boot: &Boot, dhcp: bool) -> Self {
        let namespace = Namespace::new().unwrap();
        namespace
            .shell("setting up the test network", &setup(&TAPS[..1]))
            .unwrap();
        let mut command = namespace.command("dnsmasq").unwrap();
        command.args("-k -C /dev/null -h -R -u root -i br0 -z --log-facility=-".split(' '));
        command.arg(format!("--pid-file={}", boot.path("pid").display()));
        command.arg(format!("--address=/{SERVER}/{}", gateway(Family::V4)));
        if dhcp {
            command.arg("--dhcp-range=198.18.0.50,198.18.0.60,255.255.255.0,1h");
            command.arg(format!(
                "--dhcp-leasefile={}",
                boot.path("leases").display()
            ));
        }
        let log = boot.path("dnsmasq.log");
        let mut router = Service::start("dnsmasq", command, &log).unwrap();
        let started = || fs::read_to_string(&log).is_ok_and(|text| text.contains("started"));
        router.wait_until(Duration::from_secs(30), started).unwrap();
        Self {
            _router: router,
            namespace,
        }
    }

    fn plug(&self, config: &mut Config) {
        config.network = Network::Tap {
            ifname: TAPS[0].to_owned(),
            mac: "52:54:00:00:00:10".to_owned(),
            netns: Some(self.namespace.path().to_owned()),
        };
    }

    fn web(&self, boot: &Boot, tls: Option<[PathBuf; 2]>) -> Web {
        let address = gateway(Family::V4);
        Web::start(Some(self.namespace.path()), &boot.0, address, tls).unwrap()
    }
}

#[test]
fn http_with_a_checksum_by_dhcp() {
    let boot = Boot::new("http");
    let net = Net::new(&boot, true);
    let server = net.web(&boot, None);
    let url = server.url(Some(SERVER), "answers.toml");
    let sum = sha256_file(&boot.path("answers.toml")).unwrap();
    let mut config = boot.config();
    net.plug(&mut config);
    let words = format!("ezmail.answers={url}?token=hunter2 ezmail.answers.sha256={sum}");
    with_words(&mut config, &boot, &words).unwrap();
    let socket = boot.path("shell.sock");
    attach(&mut config, &socket);
    let mut machine = Machine::start(&config).unwrap();
    let mut shell = Shell::connect(&socket).unwrap();
    for pattern in [
        format!("ezmail: answers: fetching {url} "),
        format!("ezmail: answers: {url} "),
        "ezmail: the mail services are starting".to_owned(),
    ] {
        let pattern = Regex::new(&pattern).unwrap();
        machine.wait_for(&pattern, BOOT).unwrap();
    }
    assert!(
        !machine
            .port(0)
            .text()
            .contains("ezmail: answers: .*hunter2")
    );
    assert_eq!(server.asked(), ["/answers.toml?token=hunter2"]);
    // nothing of the fetch is left: name server, network file, firewall
    shell.wait(BOOT).unwrap();
    let mut look = |script: &str| shell.run(script, Duration::from_secs(120)).unwrap().output;
    let resolver = look("grep -v '^#' /etc/resolv.conf");
    assert!(resolver.starts_with("nameserver 127.0.0.1\n"), "{resolver}");
    assert_eq!(look("ls /run/systemd/network"), "");
    let rules = look("nft list ruleset");
    assert!(rules.contains("tcp dport { 25, 465"), "{rules}");
    // and the network is up as the answers want it
    let network = look("networkctl --no-pager status; ip -4 -br address; systemctl --failed");
    assert!(network.contains("198.18.0."), "{network}");
    assert!(network.contains("10-ezmail.network"), "{network}");
}

#[test]
fn https_by_static_addresses_from_a_server_that_nobody_vouches_for() {
    let boot = Boot::new("https");
    let net = Net::new(&boot, false);
    let tls = ["cert.pem", "key.pem"].map(|name| boot.path(name));
    run(
        "making a certificate",
        &format!(
            "openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 30 \
             -subj /CN={SERVER} -addext subjectAltName=DNS:{SERVER} -out {} -keyout {}",
            tls[0].display(),
            tls[1].display()
        ),
    );
    let server = net.web(&boot, Some(tls));
    let mut config = boot.config();
    net.plug(&mut config);
    let address = IpAddr::V4(Ipv4Addr::new(198, 18, 0, 10));
    let router = gateway(Family::V4);
    let words = format!(
        "ip={address}::{router}:255.255.255.0:::none nameserver={router} ezmail.answers={}",
        server.url(Some(SERVER), "answers.toml")
    );
    with_words(&mut config, &boot, &words).unwrap();
    let patterns = [
        "ezmail: answers: fetching https://",
        "the server's certificate is not trusted",
    ];
    shows(&config, &patterns);
    assert!(server.asked().is_empty());
}
