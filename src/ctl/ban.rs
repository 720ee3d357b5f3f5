//! `mailctl ban`: who reaches no mail port, and for how long.

mod access;

use std::{net::IpAddr, process::ExitCode};

use anyhow::{Result, bail};
use clap::{ArgGroup, Subcommand};
use ipnet::IpNet;

use super::{
    accounts::{self, Done},
    ask, output,
    server::{Server, now},
    words,
};
use crate::guard::{self, Ban, Overview};

pub use access::overview;

/// The longest ban that can be given by hand.
const LONGEST: i64 = 366 * 86_400;

/// Who is kept out of the mail ports
#[derive(Debug, Subcommand)]
pub enum BanCommand {
    /// List who is banned, since and until when, and why
    ///
    /// Addresses are banned by themselves for guessing passwords: for 15 minutes,
    /// and four times as long each time they do not leave off, up to a week.
    #[command(after_help = "\
Examples:
  mailctl ban list          who is banned
  mailctl ban list --json   the same for a script, with logins that are guessed")]
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Ban an address or a network from the mail ports
    ///
    /// Its open connections to them are cut off as well. Everything else stays
    /// open to it, such as SSH. An address of IPv6 stands for its /64.
    #[command(after_help = "\
Examples:
  mailctl ban add 192.0.2.7
  mailctl ban add 198.51.100.0/24 --for 1w --reason 'nothing but spam'
  mailctl ban add 2001:db8::7 --for 2h")]
    Add {
        /// The address, or the network such as 192.0.2.0/24
        #[arg(value_name = "ADDRESS", value_parser = guard::parse)]
        network: IpNet,
        /// How long: 90s, 30m, 12h, 2d or 1w
        #[arg(long = "for", value_name = "TIME", default_value = "1d", value_parser = length)]
        seconds: i64,
        /// Why, for those who look at the list
        #[arg(long, value_name = "TEXT", default_value = "by hand")]
        reason: String,
        /// Even if you are logged in from there, and do not ask
        #[arg(long)]
        yes: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Let an address or a network in again, or all
    ///
    /// What was counted of it is forgotten as well. Of a network, every address
    /// in it is let in again.
    #[command(group(ArgGroup::new("which").required(true)), after_help = "\
Examples:
  mailctl ban remove 192.0.2.7
  mailctl ban remove --all")]
    Remove {
        /// The address or network, as 'ban list' has it
        #[arg(value_name = "ADDRESS", value_parser = guard::parse, group = "which")]
        network: Option<IpNet>,
        /// Everybody
        #[arg(long, group = "which")]
        all: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

fn length(text: &str) -> Result<i64, String> {
    match words::parse_duration(text)? {
        seconds if seconds > LONGEST => Err("a ban lasts 366 days at most".to_owned()),
        seconds => Ok(seconds),
    }
}

/// Runs `mailctl ban`.
///
/// # Errors
/// When the guard does not answer, or what is asked for is refused.
pub fn run(command: BanCommand, server: &Server) -> Result<ExitCode> {
    match command {
        BanCommand::List { json } => {
            let overview = overview(server)?;
            match json {
                true => output::json(&overview)?,
                false => output::text(&listed(&overview))?,
            }
        }
        BanCommand::Add {
            network,
            seconds,
            reason,
            yes,
            json,
        } => {
            let reason = reason.trim();
            if reason.is_empty() || reason.chars().count() > 200 {
                bail!("the reason has to be a text of at most 200 characters");
            }
            let here = access::administrators(server)?;
            let here: Vec<String> = here
                .iter()
                .filter(|address| network.contains(&IpNet::from(address.to_canonical())))
                .map(IpAddr::to_string)
                .collect();
            if !here.is_empty() {
                let question = format!(
                    "An administrator is logged in from there: {}. SSH stays open, mail does not. \
                     Ban {}?",
                    here.join(", "),
                    guard::shown(&network)
                );
                ask::sure(&question, yes)?;
            }
            let ban = access::add(server, network, seconds, reason)?;
            let (name, until) = (guard::shown(&ban.network), accounts::time(ban.until));
            Done::new(format!("{name} is banned until {until} UTC")).tell(json)?;
        }
        BanCommand::Remove { network, json, .. } => {
            let ended = access::remove(server, network.as_ref())?;
            if let Some(network) = network
                && ended.is_empty()
            {
                let current = overview(server)?.bans;
                bail!("{}", not_there(&network, &current));
            }
            let names: Vec<String> = ended.iter().map(|b| guard::shown(&b.network)).collect();
            let done = match names.len() {
                0 => "nobody was banned".to_owned(),
                n @ 1..=3 => format!("let in again: {n} ({})", names.join(", ")),
                n => format!("let in again: {n}"),
            };
            Done::new(done).tell(json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn listed(overview: &Overview) -> String {
    let rows: Vec<[String; 5]> = overview
        .bans
        .iter()
        .map(|ban| {
            [
                guard::shown(&ban.network),
                accounts::time(ban.since),
                accounts::time(ban.until),
                ban.count.to_string(),
                ban.reason.clone(),
            ]
        })
        .collect();
    let head = ["NETWORK", "SINCE (UTC)", "UNTIL (UTC)", "TIMES", "REASON"];
    let mut text = match rows.is_empty() {
        true => "Nobody is banned.\n".to_owned(),
        false => output::table(head, &rows),
    };
    for guessed in &overview.guessed {
        text += &format!(
            "\nThe password of {} is guessed from {} networks.\n",
            guessed.login, guessed.networks
        );
    }
    text
}

fn not_there(network: &IpNet, current: &[Ban]) -> String {
    let name = guard::shown(network);
    let wider = current.iter().find(|ban| ban.network.contains(network));
    match wider {
        Some(ban) => format!(
            "{name} is banned with its network {0}: 'mailctl ban remove {0}' lets that in again",
            guard::shown(&ban.network)
        ),
        None => format!("{name} is not banned: 'mailctl ban list' shows who is"),
    }
}

/// The bans in a line, for `mailctl status`; none where nobody is banned or guessed.
pub fn summary(overview: &Overview) -> Option<String> {
    let now = now().unwrap_or(0);
    let mut parts = Vec::new();
    if let Some(last) = overview.bans.first() {
        let age = words::duration(now - last.since);
        let (count, name) = (overview.bans.len(), guard::shown(&last.network));
        parts.push(format!("{count} now, the last {age} ago: {name}"));
    }
    if !overview.guessed.is_empty() {
        let logins = overview.guessed.iter().map(|g| g.login.as_str());
        parts.push(format!(
            "GUESSED: {}",
            logins.collect::<Vec<_>>().join(", ")
        ));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Guessed;

    fn overview() -> Overview {
        let ban = |network: &str, count, reason: &str| Ban {
            network: guard::parse(network).unwrap(),
            reason: reason.to_owned(),
            since: 1_795_546_555,
            until: 1_795_546_555 + 900,
            count,
            by_hand: false,
        };
        Overview {
            bans: vec![
                ban("192.0.2.7", 1, "10 wrong passwords, the last over imap"),
                ban("198.51.100.0/24", 3, "nothing but spam"),
                ban("2001:db8::7", 1, "by hand"),
            ],
            guessed: vec![Guessed {
                login: "alice@example.org".to_owned(),
                networks: 12,
                last: 0,
            }],
            spared: 2,
        }
    }

    #[test]
    fn the_list_is_a_table() {
        insta::assert_snapshot!(listed(&overview()), @r"
        NETWORK          SINCE (UTC)       UNTIL (UTC)       TIMES  REASON
        192.0.2.7        2026-11-24 18:55  2026-11-24 19:10  1      10 wrong passwords, the last over imap
        198.51.100.0/24  2026-11-24 18:55  2026-11-24 19:10  3      nothing but spam
        2001:db8::/64    2026-11-24 18:55  2026-11-24 19:10  1      by hand

        The password of alice@example.org is guessed from 12 networks.
        ");
        assert_eq!(listed(&Overview::default()), "Nobody is banned.\n");
    }

    #[test]
    fn who_is_not_banned_is_told_so() {
        let told = ["192.0.2.8", "198.51.100.9"].map(|text| {
            let network = guard::parse(text).unwrap();
            not_there(&network, &overview().bans)
        });
        insta::assert_snapshot!(told.join("\n"), @r"
        192.0.2.8 is not banned: 'mailctl ban list' shows who is
        198.51.100.9 is banned with its network 198.51.100.0/24: 'mailctl ban remove 198.51.100.0/24' lets that in again
        ");
    }

    #[test]
    fn the_summary_is_one_line() {
        assert_eq!(summary(&Overview::default()), None);
        let mut overview = overview();
        overview.bans[0].since = now().unwrap() - 7200;
        insta::assert_snapshot!(summary(&overview).unwrap(), @"3 now, the last 2h ago: 192.0.2.7; GUESSED: alice@example.org");
    }
}
