//! Whether a service that systemd has started answers already: most need a while after that.

use std::{
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::agent::{health::Part, paths::Paths};

/// How long a service may take, on a slow machine.
const LIMIT: Duration = Duration::from_secs(120);
/// How long one connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Where a service answers.
enum Place {
    Port(u16),
    Socket(std::path::PathBuf),
}

fn place(part: &Part, paths: &Paths) -> Option<Place> {
    Some(match part.unit {
        "kresd@1.service" => Place::Port(53),
        "smtpd.service" => Place::Port(25),
        "dovecot.service" => Place::Port(993),
        "nginx.service" => Place::Port(443),
        "rspamd.service" => Place::Socket(paths.rspamd_socket.clone()),
        "valkey.service" => Place::Socket("/run/valkey/valkey.sock".into()),
        // rules answer to nobody
        _ => return None,
    })
}

/// Waits until a part of the running server takes connections.
///
/// # Errors
/// When it does not within two minutes.
pub fn wait(part: &Part, paths: &Paths) -> Result<()> {
    match place(part, paths) {
        None => Ok(()),
        Some(place) => until(&place, LIMIT, part),
    }
}

fn until(place: &Place, limit: Duration, part: &Part) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !answers(place) {
        if Instant::now() >= deadline {
            bail!(
                "{} was started, and takes no connections after {} seconds: see 'journalctl -u {}'",
                part.unit,
                limit.as_secs(),
                part.unit
            );
        }
        thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

fn answers(place: &Place) -> bool {
    match place {
        Place::Port(port) => {
            let address = SocketAddr::from(([127, 0, 0, 1], *port));
            TcpStream::connect_timeout(&address, CONNECT).is_ok()
        }
        Place::Socket(path) => UnixStream::connect::<&Path>(path).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::agent::health::PARTS;

    #[test]
    fn a_socket_answers_when_somebody_listens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let place = Place::Socket(path.clone());
        let late = until(&place, Duration::from_millis(300), &PARTS[3]).unwrap_err();
        insta::assert_snapshot!(
            late,
            @"rspamd.service was started, and takes no connections after 0 seconds: see 'journalctl -u rspamd.service'"
        );
        let opens = thread::spawn(move || {
            thread::sleep(Duration::from_millis(300));
            UnixListener::bind(path).unwrap()
        });
        until(&place, Duration::from_secs(20), &PARTS[3]).unwrap();
        drop(opens.join().unwrap());
    }

    #[test]
    fn every_service_but_the_firewall_answers_somewhere() {
        let silent = PARTS
            .iter()
            .filter(|p| place(p, &Paths::default()).is_none());
        let silent: Vec<&str> = silent.map(|p| p.unit).collect();
        assert_eq!(silent, ["nftables.service"]);
    }
}
