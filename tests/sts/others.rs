//! The other side: domains with policies and without, their mail and web servers, and who signs
//! certificates.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use ezmail::util::files;

use crate::world::{
    World,
    mx::Mx,
    namespace::{Namespace, Service},
};

/// Their web servers: one that can be trusted, one that cannot.
const WEB: [Ipv4Addr; 2] = [Ipv4Addr::new(198, 18, 2, 70), Ipv4Addr::new(198, 18, 2, 71)];
/// Their MXs: one with a certificate that fits, one without, one without TLS, one that hangs up.
const MX: [Ipv4Addr; 4] = [
    Ipv4Addr::new(198, 18, 2, 26),
    Ipv4Addr::new(198, 18, 2, 27),
    Ipv4Addr::new(198, 18, 2, 28),
    Ipv4Addr::new(198, 18, 2, 29),
];

/// Which MX a domain has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// One with a certificate that fits.
    Right,
    /// One with a certificate that nobody has signed.
    Wrong,
    /// One that offers no TLS.
    Plain,
    /// First the wrong, then the right.
    Both,
    /// The wrong one, twice.
    Twice,
    /// One that offers TLS and hangs up.
    Rude,
}

/// The domains, all below example.com: name, MX, mode of the policy, and whether its names are those
/// of the MX.
pub const DOMAINS: [(&str, Way, Option<&str>, bool); 11] = [
    ("good", Way::Right, Some("enforce"), true),
    ("wrong", Way::Wrong, Some("enforce"), true),
    ("plain", Way::Plain, Some("enforce"), true),
    ("both", Way::Both, Some("enforce"), true),
    ("twice", Way::Twice, Some("enforce"), true),
    ("unlisted", Way::Right, Some("enforce"), false),
    ("testing", Way::Wrong, Some("testing"), true),
    ("clear", Way::Plain, Some("testing"), true),
    ("rude", Way::Rude, Some("testing"), true),
    ("badweb", Way::Wrong, Some("enforce"), true),
    ("none", Way::Wrong, None, true),
];

/// All of it; it ends with this.
pub struct Others<'a> {
    world: &'a World,
    folder: PathBuf,
    /// In the order of [`MX`].
    pub mxs: [Mx; 4],
    /// The ids of policies, by domain.
    ids: Vec<(String, String)>,
    _web: [Service; 2],
}

impl<'a> Others<'a> {
    /// Starts the servers and publishes the records.
    pub fn start(world: &'a World) -> Result<Self> {
        let folder = world.folder().join("others");
        files::create_dir_all(&folder.join("web"))?;
        let namespace = world.namespace();
        make_authority(namespace, &folder)?;
        let hosts: Vec<String> = DOMAINS.iter().map(|(d, ..)| host("mta-sts", d)).collect();
        let names: Vec<String> = DOMAINS
            .iter()
            .flat_map(|(d, ..)| [host("mx", d), host("mx2", d)])
            .collect();
        let right = sign(namespace, &folder, "right", &names)?;
        let wrong = self_signed(namespace, &folder, "wrong", &names)?;
        let trusted = sign(namespace, &folder, "web", &hosts)?;
        let not = self_signed(namespace, &folder, "badweb", &hosts)?;
        let mx = |name: &str, address: Ipv4Addr, tls| {
            Mx::start_as(
                namespace,
                &folder.join(name),
                name,
                &[IpAddr::V4(address)],
                tls,
            )
        };
        let mxs = [
            mx("right.example.com", MX[0], Some(right))?,
            mx("wrong.example.com", MX[1], Some(wrong.clone()))?,
            mx("plain.example.com", MX[2], None)?,
            mx("rude.example.com", MX[3], Some(wrong))?,
        ];
        let web = [
            web(namespace, &folder, WEB[0], trusted)?,
            web(namespace, &folder, WEB[1], not)?,
        ];
        let mut others = Self {
            world,
            folder,
            mxs,
            ids: Vec::new(),
            _web: web,
        };
        for (domain, _, mode, listed) in DOMAINS {
            if let Some(mode) = mode {
                let mx = if listed {
                    host("*", domain)
                } else {
                    "mx.elsewhere.example".into()
                };
                others.policy(domain, "1", mode, &mx)?;
            }
        }
        others.publish()?;
        Ok(others)
    }

    /// The authority's certificate, PEM.
    pub fn root(&self) -> Result<String> {
        files::read_to_string(&self.folder.join("ca.pem"))
    }

    /// Gives a domain another policy; it is known once it is published.
    pub fn policy(&mut self, domain: &str, id: &str, mode: &str, mx: &str) -> Result<()> {
        let text = format!("version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: 604800\r\n");
        files::write(&self.file(domain), text, 0o644)?;
        self.ids.retain(|(known, _)| known != domain);
        self.ids.push((domain.to_owned(), id.to_owned()));
        Ok(())
    }

    /// Takes a domain's policy away, with its record.
    pub fn no_policy(&mut self, domain: &str) -> Result<()> {
        fs::remove_file(self.file(domain)).context("removing a policy")?;
        self.ids.retain(|(known, _)| known != domain);
        self.publish()
    }

    fn file(&self, domain: &str) -> PathBuf {
        let name = format!("{}.txt", host("mta-sts", domain));
        self.folder.join("web").join(name)
    }

    /// What was posted as a report.
    pub fn posted(&self) -> Option<Vec<u8>> {
        fs::read(self.folder.join("web/report")).ok()
    }

    /// Publishes all records.
    pub fn publish(&self) -> Result<()> {
        let mut lines = Vec::new();
        for (domain, way, ..) in DOMAINS {
            let name = format!("{domain}.example.com.");
            let mut mx = |number: u8, host: &str, address: Ipv4Addr| {
                lines.push(format!("{name} 5 IN MX {number} {host}.{name}"));
                lines.push(format!("{host}.{name} 5 IN A {address}"));
            };
            match way {
                Way::Right => mx(10, "mx", MX[0]),
                Way::Wrong => mx(10, "mx", MX[1]),
                Way::Plain => mx(10, "mx", MX[2]),
                Way::Rude => mx(10, "mx", MX[3]),
                Way::Twice => {
                    mx(10, "mx", MX[1]);
                    mx(20, "mx", MX[1]);
                }
                Way::Both => {
                    mx(10, "mx", MX[1]);
                    mx(20, "mx2", MX[0]);
                }
            }
            let web = WEB[usize::from(domain == "badweb")];
            lines.push(format!("mta-sts.{name} 5 IN A {web}"));
            let reports = match domain {
                "testing" => "https://mta-sts.good.example.com/report",
                _ => "mailto:tls@wrong.example.com",
            };
            lines.push(format!(
                "_smtp._tls.{name} 5 IN TXT \"v=TLSRPTv1; rua={reports}\""
            ));
        }
        for (domain, id) in &self.ids {
            lines.push(format!(
                "_mta-sts.{domain}.example.com. 5 IN TXT \"v=STSv1; id={id};\""
            ));
        }
        self.world.publish(&(lines.join("\n") + "\n"))
    }
}

fn host(label: &str, domain: &str) -> String {
    format!("{label}.{domain}.example.com")
}

fn web(
    namespace: &Namespace,
    folder: &Path,
    address: Ipv4Addr,
    tls: [PathBuf; 2],
) -> Result<Service> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sts/web.py");
    let mut command = namespace.command("/usr/bin/python3")?;
    command.arg("-I").arg(script).arg(folder.join("web"));
    command.arg(address.to_string()).args(tls);
    let log = folder.join(format!("web-{address}.log"));
    let mut service = Service::start("web.py", command, &log)?;
    service.wait_until(Duration::from_secs(60), || {
        fs::read_to_string(&log).is_ok_and(|text| text.starts_with("listening"))
    })?;
    Ok(service)
}

fn make_authority(namespace: &Namespace, folder: &Path) -> Result<()> {
    let script = format!(
        "cd '{}'
         openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 60 -subj /CN=Authority \
           -addext basicConstraints=critical,CA:TRUE -keyout ca.key -out ca.pem 2>/dev/null",
        folder.display()
    );
    namespace.shell("making an authority", &script).map(drop)
}

fn alternatives(names: &[String]) -> String {
    let all: Vec<String> = names.iter().map(|n| format!("DNS:{n}")).collect();
    all.join(",")
}

fn files_of(folder: &Path, name: &str) -> [PathBuf; 2] {
    [
        folder.join(format!("{name}.pem")),
        folder.join(format!("{name}.key")),
    ]
}

/// A certificate that the authority has signed, and its key.
fn sign(
    namespace: &Namespace,
    folder: &Path,
    name: &str,
    names: &[String],
) -> Result<[PathBuf; 2]> {
    let script = format!(
        "cd '{}'
         openssl req -new -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN={name} \
           -addext subjectAltName={} -keyout {name}.key -out {name}.csr 2>/dev/null
         openssl x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 \
           -copy_extensions copy -out {name}.pem 2>/dev/null",
        folder.display(),
        alternatives(names)
    );
    namespace.shell("signing a certificate", &script)?;
    Ok(files_of(folder, name))
}

/// A certificate that nobody else has signed, and its key.
fn self_signed(
    namespace: &Namespace,
    folder: &Path,
    name: &str,
    names: &[String],
) -> Result<[PathBuf; 2]> {
    let script = format!(
        "cd '{}'
         openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 30 -subj /CN={name} \
           -addext subjectAltName={} -keyout {name}.key -out {name}.pem 2>/dev/null",
        folder.display(),
        alternatives(names)
    );
    namespace.shell("making a certificate", &script)?;
    Ok(files_of(folder, name))
}
