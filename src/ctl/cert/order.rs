//! Asking the authority: a request, acme.sh in its own unit, and port 80 open meanwhile.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    answers::Answers,
    ctl::output,
    mail::{
        acme::{Failure, read},
        certificate,
        chain::{Chain, Key},
    },
    util::{files, run::Task, secret::Secret},
};

/// Runs acme.sh, as a user of its own.
const UNIT: &str = "ezmail-acme.service";

/// What goes to acme.sh, and what comes from it.
const REQUEST: &str = "/run/ezmail/acme/request.csr";
const SETTINGS: &str = "/run/ezmail/acme/request.env";
const AUTHORITY: &str = "/run/ezmail/acme/authority.pem";
const OUTPUT: &str = "/run/ezmail/acme/output";
const ISSUED: &str = "/run/ezmail/acme/issued/fullchain.pem";

/// How long port 80 stays open if nobody closes it: longer than the unit may take.
const OPEN: &str = "15m";

/// Orders a certificate for `names`: its chain, PEM. `Err` inside is what the authority has against
/// it.
///
/// # Errors
/// When it cannot be asked at all, or sends something else.
pub(super) fn order(
    directory: &str,
    answers: &Answers,
    names: &[String],
    key: &Secret,
) -> Result<Result<String, Failure>> {
    write_request(directory, answers, names, key)?;
    let port = Port80::open()?;
    let mut command = Command::new("systemctl");
    command.args(["start", UNIT]);
    let done = Task::new("asking the authority for a certificate", command).outcome()?;
    port.close();
    if !done.status.success() {
        // it has no way to fail but to begin with; what lies there is of another time
        let said = String::from_utf8_lossy(&done.stderr);
        bail!("{UNIT} did not start: {}", said.trim());
    }
    // from here on it is the authority's affair, which is noted and waited for
    if !Path::new(ISSUED).exists() {
        let output = fs::read(OUTPUT).with_context(|| format!("reading {OUTPUT}"))?;
        return Ok(Err(read(&String::from_utf8_lossy(&output))));
    }
    let chain = files::read_to_string(Path::new(ISSUED))?;
    Ok(match check(&chain, names, key) {
        Ok(()) => Ok(chain),
        Err(why) => Err(Failure::Other(format!(
            "what the authority has issued is not taken: {why:#}"
        ))),
    })
}

fn write_request(directory: &str, answers: &Answers, names: &[String], key: &Secret) -> Result<()> {
    // what was issued the last time is removed by the unit, whose it is
    if Path::new(OUTPUT).exists() {
        fs::remove_file(OUTPUT).with_context(|| format!("removing {OUTPUT} of the last time"))?;
    }
    files::write(Path::new(REQUEST), certificate::request(names, key)?, 0o644)?;
    let own = answers.acme.as_ref().and_then(|acme| acme.ca.as_ref());
    let mut trust = String::new();
    if let Some(pem) = own {
        files::write(Path::new(AUTHORITY), pem, 0o644)?;
        trust = format!("--ca-bundle {AUTHORITY}");
    }
    let settings = format!("DIRECTORY={directory}\nTRUST={trust}\n");
    files::write(Path::new(SETTINGS), settings, 0o644)
}

/// What is put in place has to be what was asked for.
fn check(pem: &str, names: &[String], key: &Secret) -> Result<()> {
    let chain = Chain::parse(pem)?;
    ensure!(
        chain.fits(&Key::parse(key.expose())?),
        "it is for another key than the one it was asked for with"
    );
    for name in names {
        ensure!(
            chain.covers(&name.parse()?),
            "it is for {}, without {name}",
            chain.names.join(", ")
        );
    }
    Ok(())
}

/// Port 80, open in the firewall for the authority to look at what acme.sh shows there.
struct Port80;

impl Port80 {
    fn open() -> Result<Self> {
        nft("add", &format!("{{ 80 timeout {OPEN} }}")).context("opening port 80")?;
        Ok(Self)
    }

    /// If that fails it closes by itself, and what was issued is worth more.
    fn close(self) {
        if let Err(error) = nft("delete", "{ 80 }") {
            let error = error.context(format!("port 80 closes in {OPEN}"));
            eprintln!("{}", output::complaint("mailctl", &error));
        }
    }
}

fn nft(verb: &str, element: &str) -> Result<()> {
    let mut command = Command::new("nft");
    command.args([verb, "element", "inet", "ezmail", "proving", element]);
    Task::new("telling the firewall", command).run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_asked_for_is_not_taken() {
        let pem = include_str!("../../../tests/vectors/tls/p256.pem");
        let key = Secret::new(include_str!("../../../tests/vectors/tls/p256-pkcs8.key"));
        let names = |all: &[&str]| all.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        check(pem, &names(&["mx1.example.net", "mail.example.org"]), &key).unwrap();
        let error = check(pem, &names(&["mx2.example.net"]), &key).unwrap_err();
        assert_eq!(
            error.to_string(),
            "it is for mx1.example.net, mail.example.org, without mx2.example.net"
        );
        let other = certificate::new_key().unwrap();
        let error = check(pem, &names(&["mx1.example.net"]), &other).unwrap_err();
        assert!(error.to_string().contains("another key"), "{error}");
    }
}
