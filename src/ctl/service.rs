//! `mailctl service`: the services that make up the mail server, by names in words.

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};
use clap::Subcommand;
use serde::Serialize;

use super::{answering, ask, output, server::Server};
use crate::{
    agent::{
        health::{self, Health, PARTS, Part},
        held,
    },
    util::run::Task,
};

/// A name for each of [`PARTS`], and whether holding it needs a second thought.
const NAMES: [(&str, &str); 7] = [
    ("firewall", "nftables.service"),
    ("resolver", "kresd@1.service"),
    ("smtp", "smtpd.service"),
    ("spam", "rspamd.service"),
    ("memory", "valkey.service"),
    ("imap", "dovecot.service"),
    ("web", "nginx.service"),
];

/// The services of the mail server
#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// List the services, what they do and how they are
    #[command(after_help = "\
Examples:
  mailctl service list          names, and how the services are
  mailctl service list --json   the same for a script")]
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Let a service run again that was disabled
    #[command(after_help = "\
Example:
  mailctl service enable smtp   takes mail again")]
    Enable {
        /// Its name, of 'service list'
        #[arg(value_parser = part)]
        name: &'static Part,
    },
    /// Stop a service and hold it, after a reboot too
    ///
    /// 'mailctl service enable' ends that. No mail is lost: without 'smtp',
    /// senders try again for some days; without any other, mail waits.
    #[command(after_help = "\
Examples:
  mailctl service disable smtp        no mail comes in or goes out; asks first
  mailctl service disable imap --yes  does not ask, for scripts")]
    Disable {
        /// Its name, of 'service list'
        #[arg(value_parser = part)]
        name: &'static Part,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// End a service and start it again
    #[command(after_help = "\
Examples:
  mailctl service restart spam   rspamd, with its configuration read again
  mailctl service restart        all of them, one after the other")]
    Restart {
        /// Its name, of 'service list' [default: all that are not held]
        #[arg(value_parser = part)]
        name: Option<&'static Part>,
    },
}

#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    unit: &'static str,
    purpose: &'static str,
    state: &'static str,
    held: bool,
}

/// Runs a command about services.
///
/// # Errors
/// When systemd does not do as told, or the list of what is held cannot be written.
pub fn run(command: ServiceCommand, server: &Server) -> Result<ExitCode> {
    if !server.is_live() {
        bail!("services are those of a running server: leave out --root");
    }
    match command {
        ServiceCommand::List { json } => list(json, server)?,
        ServiceCommand::Enable { name } => enable(name, server)?,
        ServiceCommand::Disable { name, yes } => disable(name, yes, server)?,
        ServiceCommand::Restart { name } => restart(name, server)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(json: bool, server: &Server) -> Result<()> {
    let held = held::read(&server.target, &server.paths)?;
    let services = health::services()?;
    let row = |(part, service): (&'static Part, &health::Service)| Row {
        name: name_of(part),
        unit: part.unit,
        purpose: part.purpose,
        state: service.state.health().word(),
        held: held.contains(part.unit),
    };
    let rows: Vec<Row> = PARTS.iter().zip(&services).map(row).collect();
    match json {
        true => output::json(&rows),
        false => output::text(&table(&rows)),
    }
}

fn table(rows: &[Row]) -> String {
    let cells = |row: &Row| {
        let state = match (row.held, row.state) {
            (true, "held") => "held by the administrator".to_owned(),
            (true, state) => format!("{state}, and to be held"),
            (false, state) => state.to_owned(),
        };
        [
            row.name.to_owned(),
            row.unit.trim_end_matches(".service").to_owned(),
            row.purpose.to_owned(),
            state,
        ]
    };
    let cells: Vec<_> = rows.iter().map(cells).collect();
    output::table(["NAME", "UNIT", "PURPOSE", "STATE"], &cells)
}

fn enable(part: &'static Part, server: &Server) -> Result<()> {
    let mut held = held::read(&server.target, &server.paths)?;
    let was_held = held.remove(part.unit);
    if was_held {
        held::unmask(part.unit)?;
    }
    order("start", part)?;
    // last: what could not be started stays in the list, and on the screen
    if was_held {
        held::write(&server.target, &server.paths, &held)?;
    }
    answering::wait(part, &server.paths)?;
    output::text(&format!("{} runs\n", name_of(part)))
}

fn disable(part: &'static Part, yes: bool, server: &Server) -> Result<()> {
    let name = name_of(part);
    if name == "firewall" {
        bail!("the firewall is not stopped: {}", part.without);
    }
    ask::sure(&format!("Stop {name}? Then {}.", part.without), yes)?;
    let mut held = held::read(&server.target, &server.paths)?;
    held.insert(part.unit);
    // the list first: whatever happens next, a reboot does as was said
    held::write(&server.target, &server.paths, &held)?;
    // stopped while its name may still be an alias of another unit's
    order("stop", part)?;
    held::mask(&held)?;
    output::text(&format!(
        "{name} is held, after a reboot too: {}\nend that with: mailctl service enable {name}\n",
        part.without
    ))
}

fn restart(part: Option<&'static Part>, server: &Server) -> Result<()> {
    let held = held::read(&server.target, &server.paths)?;
    let parts: Vec<&'static Part> = match part {
        Some(part) if held.contains(part.unit) => {
            let name = name_of(part);
            bail!("{name} is held: 'mailctl service enable {name}' starts it")
        }
        Some(part) => vec![part],
        None => PARTS.iter().filter(|p| !held.contains(p.unit)).collect(),
    };
    for part in parts {
        // without its rules for a moment, ports would be open
        let verb = match name_of(part) {
            "firewall" => "reload-or-restart",
            _ => "restart",
        };
        order(verb, part)?;
        answering::wait(part, &server.paths)?;
        output::text(&format!("{} runs again\n", name_of(part)))?;
    }
    Ok(())
}

/// Gives systemd an order and looks whether it was carried out.
fn order(verb: &str, part: &'static Part) -> Result<()> {
    let mut command = Command::new("systemctl");
    command.args([verb, part.unit]);
    Task::new(format!("telling systemd to {verb} {}", part.unit), command).run()?;
    let state = health::ask(&[part.unit])?.remove(0);
    let wanted = match verb {
        "stop" => !matches!(state.health(), Health::Runs | Health::Starts),
        _ => matches!(state.health(), Health::Runs | Health::Starts),
    };
    if !wanted {
        bail!(
            "{} is {} ({}) after that: see 'journalctl -u {}'",
            part.unit,
            state.active,
            state.sub,
            part.unit
        );
    }
    Ok(())
}

/// The name of a part in words.
pub fn name_of(part: &Part) -> &'static str {
    let found = NAMES.iter().find(|(_, unit)| *unit == part.unit);
    found.map_or(part.unit, |(name, _)| name)
}

/// A part by its name, or by its unit's.
fn part(text: &str) -> Result<&'static Part, String> {
    let found = PARTS.iter().find(|p| {
        let unit = p.unit.trim_end_matches(".service");
        [name_of(p), p.unit, unit].contains(&text)
    });
    found.ok_or_else(|| "see 'mailctl service list'".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_a_name_in_words() {
        for p in &PARTS {
            assert_ne!(name_of(p), p.unit);
            assert_eq!(part(name_of(p)).unwrap(), p);
            assert_eq!(part(p.unit).unwrap(), p);
        }
        assert_eq!(part("kresd@1").unwrap().unit, "kresd@1.service");
        assert!(part("sshd").unwrap_err().contains("service list"));
    }

    #[test]
    fn what_is_held_is_said() {
        let row = |part: &'static Part, held| Row {
            name: name_of(part),
            unit: part.unit,
            purpose: part.purpose,
            state: if held { Health::Held.word() } else { "runs" },
            held,
        };
        let rows: Vec<_> = PARTS
            .iter()
            .map(|p| row(p, p.unit == "smtpd.service"))
            .collect();
        insta::assert_snapshot!(table(&rows), @r"
        NAME      UNIT      PURPOSE                  STATE
        firewall  nftables  firewall                 runs
        resolver  kresd@1   DNS resolver             runs
        smtp      smtpd     receives and sends mail  held by the administrator
        spam      rspamd    judges and signs it      runs
        memory    valkey    rspamd's memory          runs
        imap      dovecot   stores it, IMAP          runs
        web       nginx     set-up of mail programs  runs
        ");
    }
}
