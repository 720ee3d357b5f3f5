//! Whether block lists have this machine's addresses.

use std::{net::IpAddr, thread, time::Duration};

use anyhow::{Result, bail};

use super::ptr;
use crate::{
    ctl::check::{
        Context,
        finding::{Area, Finding},
    },
    dns::{Client, Listing, RESOLVER},
};

const AREA: Area = Area::Dnsbl;
const LIMIT: Duration = Duration::from_secs(8);

/// Lists that many servers ask and that answer a resolver of one's own: the zone, and where to ask
/// to be removed.
const LISTS: [(&str, &str); 4] = [
    ("zen.spamhaus.org", "https://check.spamhaus.org/"),
    ("bl.spamcop.net", "https://www.spamcop.net/bl.shtml"),
    ("psbl.surriel.com", "https://psbl.org/"),
    ("bl.mailspike.net", "https://mailspike.org/"),
];

pub(super) fn check(cx: &Context) -> Result<Vec<Finding>> {
    let hostname = match &cx.answers {
        Ok(answers) => answers.hostname.as_str(),
        Err(error) => bail!("{error}"),
    };
    let client = Client::new(RESOLVER, LIMIT)?;
    let addresses = ptr::public(&client, hostname)?;
    let addresses = &addresses;
    let findings = thread::scope(|scope| {
        let one = |(zone, removal)| scope.spawn(move || look(zone, removal, addresses));
        let joined = LISTS.map(one).into_iter().map(|thread| thread.join().ok());
        joined.flatten().collect::<Result<Vec<Finding>>>()
    })?;
    Ok(findings)
}

fn look(zone: &str, removal: &str, addresses: &[IpAddr]) -> Result<Finding> {
    let client = Client::new(RESOLVER, LIMIT)?;
    // RFC 5782 section 5: a list that works has this address
    let test = ask(&client, zone, "127.0.0.2".parse()?);
    let mut found = Vec::new();
    if matches!(test, Listing::Listed(_)) {
        for address in addresses {
            found.push((*address, ask(&client, zone, *address)));
        }
    }
    Ok(judge(zone, removal, &test, &found))
}

/// That the resolver does not tell is no listing either.
fn ask(client: &Client, zone: &str, address: IpAddr) -> Listing {
    let answer = client.listed(zone, address);
    answer.unwrap_or_else(|error| Listing::NoAnswer(format!("{error:#}")))
}

fn judge(zone: &str, removal: &str, test: &Listing, found: &[(IpAddr, Listing)]) -> Finding {
    match test {
        Listing::Listed(_) => {}
        Listing::NotListed => {
            let text = "It does not list its test entry, so it is not what it was.";
            return Finding::unknown(AREA, zone, text);
        }
        Listing::NoAnswer(why) => {
            return Finding::unknown(AREA, zone, format!("It does not tell: {why}."));
        }
    }
    let (addresses, listed): (Vec<IpAddr>, Vec<String>) = found
        .iter()
        .filter_map(|(address, listing)| match listing {
            Listing::Listed(codes) => {
                let codes: Vec<String> = codes.iter().map(ToString::to_string).collect();
                Some((*address, format!("{address} ({})", codes.join(", "))))
            }
            _ => None,
        })
        .unzip();
    if !listed.is_empty() {
        return Finding::error(
            AREA,
            zone,
            format!("It lists {}.", listed.join(" and ")),
            format!("Find out why, end that, and ask to be removed: {removal}"),
        )
        .about(addresses);
    }
    let silent = found.iter().find_map(|(address, listing)| match listing {
        Listing::NoAnswer(why) => Some(format!("It does not tell about {address}: {why}.")),
        _ => None,
    });
    match silent {
        Some(text) => Finding::unknown(AREA, zone, text),
        None if found.is_empty() => Finding::unknown(AREA, zone, "There is no public address."),
        None => Finding::ok(AREA, zone, "No address is listed."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::check::finding::State;

    #[test]
    fn no_answer_is_no_listing() {
        let listed = || Listing::Listed(vec!["127.0.0.2".parse().unwrap()]);
        let refused = || Listing::NoAnswer("127.255.255.254".to_owned());
        let address: IpAddr = "203.0.113.5".parse().unwrap();
        let state = |test: Listing, found: Option<Listing>| {
            let found: Vec<_> = found.into_iter().map(|f| (address, f)).collect();
            judge("list.example", "x", &test, &found).state
        };
        assert_eq!(state(listed(), Some(Listing::NotListed)), State::Ok);
        assert_eq!(state(listed(), Some(listed())), State::Error);
        assert_eq!(state(listed(), Some(refused())), State::Unknown);
        assert_eq!(state(refused(), None), State::Unknown);
        assert_eq!(state(Listing::NotListed, None), State::Unknown);
        assert_eq!(state(listed(), None), State::Unknown);
        let found = judge("list.example", "x", &listed(), &[(address, listed())]);
        assert_eq!(found.about, ["203.0.113.5"]);
    }
}
