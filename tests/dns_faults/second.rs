//! A second name server, which has not what the first has.

use std::{net::IpAddr, path::Path, time::Duration};

use ezmail::util::files;

use crate::world::{World, namespace::Service};

/// What the second name server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Second {
    /// It is not needed.
    None,
    /// It does not run.
    Silent,
    /// It does not know the zone.
    Lame,
    /// It has another MX record.
    Old,
    /// It has all that the first has, under another serial number.
    Same,
}

/// Its address; the name ns2.com leads there.
pub const ADDRESS: &str = "198.18.1.55";

/// Starts it with the lines of the zone example.net.
pub fn start(world: &World, kind: Second, lines: &[String]) -> Option<Service> {
    if matches!(kind, Second::None | Second::Silent) {
        return None;
    }
    let folder = world.folder().join("second");
    files::create_dir_all(&folder).unwrap();
    let mut text = lines.join("\n") + "\n";
    if kind == Second::Old {
        text = text.replace("MX 10 mail.example.org.", "MX 10 mx.example.com.");
    }
    files::write(&folder.join("example.net"), text, 0o644).unwrap();
    files::write(
        &folder.join("empty"),
        "example.edu. 5 IN SOA a.b. c.d. 1 1 1 1 1\nexample.edu. 5 IN NS a.b.\n",
        0o644,
    )
    .unwrap();
    let zone = match kind {
        Second::Lame => ("example.edu.", "empty"),
        _ => ("example.net.", "example.net"),
    };
    let config = folder.join("knot.conf");
    files::write(&config, configuration(&folder, zone), 0o644).unwrap();
    let mut command = world.namespace().command("knotd").unwrap();
    command.arg("--config").arg(&config);
    let mut service = Service::start("second knotd", command, &folder.join("log")).unwrap();
    let address: IpAddr = ADDRESS.parse().unwrap();
    let limit = Duration::from_secs(30);
    let answers = || {
        let words = [zone.0, "SOA", "+retry=0", "+time=2"];
        let text = world.dig(address, &words);
        text.is_ok_and(|t| t.contains("ANSWER: 1;"))
    };
    service.wait_until(limit, answers).unwrap();
    Some(service)
}

fn configuration(folder: &Path, (zone, file): (&str, &str)) -> String {
    let folder = folder.display();
    format!(
        "server:\n  rundir: \"{folder}\"\n  listen: {ADDRESS}@53\n  udp-workers: 1\n  \
         tcp-workers: 1\n  background-workers: 1\ncontrol:\n  listen: \"{folder}/sock\"\n\
         log:\n  - target: stderr\n    any: info\ndatabase:\n  storage: \"{folder}\"\n\
         zone:\n  - domain: {zone}\n    file: \"{folder}/{file}\"\n"
    )
}
