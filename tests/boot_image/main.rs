//! The ISO boots, from BIOS and from UEFI, to the page of its consoles; inside, the programs are what
//! they should be and no unit failed.

#![allow(clippy::unwrap_used)]

#[path = "../image/built.rs"]
#[allow(dead_code)]
mod built;

use std::time::Duration;

use ezmail::host::qemu::{Config, Firmware, Machine, Probe};
use regex::Regex;

/// From power on to the page; TCG on a loaded machine takes minutes.
const BOOT: Duration = Duration::from_secs(600);

/// What runs inside; each line of output is `name: value`.
const SCRIPT: &str = r#"
value() { name=$1; shift; printf '%s: %s\n' "$name" "$("$@" 2>&1 | head -n 1)"; }
value kernel uname -r
value firmware sh -c 'test -d /sys/firmware/efi && echo uefi || echo bios'
value root findmnt -no FSTYPE /
value cmdline cat /proc/cmdline
value failed sh -c 'systemctl --failed --plain --no-legend --no-pager | cut -d" " -f1 | tr "\n" " "'
value smtpd sh -c 'smtpd -h 2>&1 | grep ^version'
value encrypt sh -c 'echo secret | smtpctl encrypt'
value rspamd rspamd --version
value kresd kresd --version
value dovecot dovecot --version
value valkey valkey-server --version
value encpipe encpipe --version
value filter /usr/lib/smtpd/opensmtpd/filter-ezmail --version
value mailctl mailctl --version
active() { systemctl is-active ezmail-wizard@tty1 ezmail-wizard@ttyS0 | tr '\n' ' '; }
for i in $(seq 60); do [ "$(active)" = 'active active ' ] && break; sleep 1; done
value consoles active
value logins sh -c 'ps -eo comm= | grep -c getty'
value confined sh -c 'grep -h "^CapBnd" /proc/$(systemctl show -P MainPID ezmail-wizard@tty1)/status'
value login sh -c 'command -v login'
value page sh -c 'ezmail-agent console | head -n 1'
value agent sh -c 'ezmail-agent status | head -n 1'
value sqlite sqlite3 --version
value nft nft --version
value acme sh -c 'acme.sh --version | tail -n 1'
value listening sh -c 'ss -Hltun | tr -s " " | cut -d" " -f5 | tr "\n" " "'
value passwords sh -c 'cut -d: -f2 /etc/shadow | grep -vc "^[*!]*$"'
"#;

fn boots(firmware: Firmware) {
    let dir = tempfile::tempdir().unwrap();
    let name = if firmware == Firmware::Bios {
        "bios"
    } else {
        "uefi"
    };
    let log = built::out().join(format!("boot-{name}.serial.log"));
    let mut config = Config::new(Some(&built::iso()), &log);
    config.firmware = firmware;
    config.memory_mib = 1024;
    config.cpus = 2;
    let probe = Probe::new(SCRIPT);
    probe.attach(&mut config, &dir.path().join("probe"));
    let mut machine = Machine::start(&config).unwrap();
    machine
        .wait_for(&Regex::new("ezmail: waiting for answers").unwrap(), BOOT)
        .unwrap_or_else(|e| {
            panic!(
                "no page on the console: {e}; the serial log: {}",
                log.display()
            )
        });
    let screenshot = built::out().join(format!("boot-{name}.png"));
    machine.screenshot(&screenshot).unwrap();
    assert!(
        screenshot.metadata().unwrap().len() > 500,
        "an empty screenshot"
    );
    let result = probe.wait(&mut machine, BOOT).unwrap();
    println!("{}", result.output);
    assert_eq!(result.status, 0, "{}", result.output);
    let value = |name: &str| {
        let start = format!("{name}: ");
        let line = result.output.lines().find_map(|l| l.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("no '{name}' in\n{}", result.output))
            .trim()
            .to_owned()
    };
    assert_eq!(value("firmware"), name);
    assert_eq!(value("root"), "overlay");
    assert_eq!(value("failed"), "", "failed units");
    assert!(value("cmdline").contains("copytoram=n"));
    let manifest = built::manifest();
    for (name, package) in [
        ("smtpd", "opensmtpd"),
        ("rspamd", "rspamd"),
        ("kresd", "knot-resolver"),
        ("encpipe", "encpipe"),
        ("filter", "ezmail"),
        ("mailctl", "ezmail"),
    ] {
        let packages = manifest["packages"].as_array().unwrap();
        let version = packages.iter().find(|p| p["name"] == package).unwrap()["version"].as_str();
        let version = version.unwrap().rsplit_once('-').unwrap().0;
        let number = version.split('p').next().unwrap();
        assert!(
            value(name).contains(number),
            "{name}: {} is not {number}",
            value(name)
        );
    }
    assert!(value("dovecot").starts_with("2.4."), "{}", value("dovecot"));
    assert!(
        value("encrypt").starts_with("$argon2id$v=19$"),
        "{}",
        value("encrypt")
    );
    assert!(value("valkey").contains("v="), "{}", value("valkey"));
    assert_eq!(
        value("listening"),
        "",
        "something listens before there are answers"
    );
    // nobody is asked for a login; the form has no power to give away
    assert_eq!(value("consoles"), "active active");
    assert_eq!(value("logins"), "0");
    // for the day when the answers set a password
    assert!(value("login").ends_with("/login"), "{}", value("login"));
    assert_eq!(value("confined"), "CapBnd:\t0000000000000000");
    let base = manifest["base"].as_str().unwrap();
    assert!(
        value("page").contains(&format!("({base} base)")),
        "{}",
        value("page")
    );
    assert_eq!(value("agent"), "waiting for answers");
    assert_eq!(value("passwords"), "0", "an account has a password");
    machine.shutdown(Duration::from_secs(180)).unwrap();
}

#[test]
fn from_bios() {
    boots(Firmware::Bios);
}

#[test]
fn from_uefi() {
    boots(Firmware::Uefi);
}
