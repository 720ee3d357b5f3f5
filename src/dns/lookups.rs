//! Questions that are asked often.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Result;
use hickory_proto::rr::RecordType;
use serde::Serialize;

use super::{
    answer::{Answer, NoAnswer, Status},
    client::{Client, Question},
    record::Data,
    zone::NameServer,
};

/// CNAME records that are followed.
const MAX_CHAIN: usize = 8;

/// What one authoritative server shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The server's name.
    pub server: String,
    /// The address that was asked; none if no address of the server is known.
    pub address: Option<SocketAddr>,
    /// Each TXT record with its strings joined, or why there is no answer.
    pub texts: Result<Vec<String>, NoAnswer>,
}

/// What a block list says of an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Listing {
    /// It is listed, with these codes.
    Listed(Vec<Ipv4Addr>),
    /// It is not.
    NotListed,
    /// The list does not tell: it refuses the resolver (127.255.255.x), does not answer, or
    /// answers what no list says.
    NoAnswer(String),
}

impl Client {
    /// The TXT records of `name` at every authoritative server; a CNAME record that all
    /// of them have is followed to the servers of the zone it leads to. One without a known address,
    /// or that is silent on the way, is among them. A server that cannot be reached from here over one IP
    /// version is asked over the other alone.
    ///
    /// # Errors
    /// When the resolver does not tell which servers those are.
    pub fn published_txt(&self, name: &str) -> Result<Vec<Published>> {
        let mut name = name.to_owned();
        let mut shown = Vec::new();
        for _ in 0..MAX_CHAIN {
            let zone = self.authorities(&name)?;
            let addresses = zone.addresses();
            let ask = |(_, at): &(_, SocketAddr)| Question::direct(*at, &name, RecordType::TXT);
            let questions: Vec<Question> = addresses.iter().map(ask).collect();
            let answers = self.ask_all(&questions);
            let reached = |server: &str| {
                let mut all = addresses.iter().zip(&answers);
                all.any(|((s, _), a)| s.name == server && *a != Err(NoAnswer::Unreachable))
            };
            let target = next_name(&answers);
            shown.extend(nowhere(&zone.servers));
            for ((server, address), answer) in addresses.iter().zip(&answers) {
                if *answer == Err(NoAnswer::Unreachable) && reached(&server.name) {
                    continue;
                }
                // those that lead on are asked for what is there
                if target.is_some() && answer.is_ok() {
                    continue;
                }
                shown.push(Published {
                    server: server.name.clone(),
                    address: Some(*address),
                    texts: match answer {
                        Ok(a) if matches!(a.status, Status::NoError | Status::NxDomain) => {
                            Ok(a.texts())
                        }
                        Ok(a) => Err(NoAnswer::Broken(format!("it answers {}", a.status))),
                        Err(why) => Err(why.clone()),
                    },
                });
            }
            match target {
                Some(target) => name = target,
                None => return Ok(shown),
            }
        }
        anyhow::bail!("a chain of more than {MAX_CHAIN} CNAME records ends at {name}");
    }

    /// The names of an address.
    ///
    /// # Errors
    /// When the resolver does not answer, or cannot tell.
    pub fn ptr(&self, address: IpAddr) -> Result<Vec<String>> {
        let name = reverse_name(address);
        let answer = self.query(&name, RecordType::PTR)?;
        if !matches!(answer.status, Status::NoError | Status::NxDomain) {
            anyhow::bail!("the resolver answers {} for {name} PTR", answer.status);
        }
        let names = answer.of(RecordType::PTR).filter_map(|data| match data {
            Data::Ptr(name) => Some(name.clone()),
            _ => None,
        });
        Ok(names.collect())
    }

    /// Whether the block list `zone` lists an address (RFC 5782).
    ///
    /// # Errors
    /// When the resolver does not answer.
    pub fn listed(&self, zone: &str, address: IpAddr) -> Result<Listing> {
        let answer = self.query(&blocklist_name(zone, address), RecordType::A)?;
        Ok(match &answer.status {
            Status::NoError | Status::NxDomain => {
                let codes = answer.of(RecordType::A).filter_map(|data| match data {
                    Data::A(code) => Some(*code),
                    _ => None,
                });
                listing(codes.collect())
            }
            other => Listing::NoAnswer(format!("the resolver answers {other}")),
        })
    }
}

/// Where all servers that answer lead with the same CNAME record, unless all have the texts as well.
fn next_name(answers: &[Result<Answer, NoAnswer>]) -> Option<String> {
    let target = |answer: &Answer| {
        answer.records.iter().find_map(|record| match &record.data {
            Data::Cname(target) => Some(target.to_ascii_lowercase()),
            _ => None,
        })
    };
    let mut heard = answers.iter().flatten();
    let first = target(heard.next()?)?;
    let texts = |answer: &Answer| answer.of(RecordType::TXT).next().is_some();
    let same = heard.all(|answer| target(answer).as_ref() == Some(&first));
    (same && !answers.iter().flatten().all(texts)).then_some(first)
}

/// The servers that cannot be asked, as silent ones.
fn nowhere(servers: &[NameServer]) -> Vec<Published> {
    let lost = servers.iter().filter(|server| server.addresses.is_empty());
    let silent = |server: &NameServer| Published {
        server: server.name.clone(),
        address: None,
        texts: Err(NoAnswer::Broken("it has no known address".to_owned())),
    };
    lost.map(silent).collect()
}

/// What the codes of a block list mean.
fn listing(codes: Vec<Ipv4Addr>) -> Listing {
    let strange = |code: &&Ipv4Addr| {
        let [first, second, third, _] = code.octets();
        first != 127 || (second, third) == (255, 255)
    };
    match codes.iter().find(strange) {
        Some(code) => Listing::NoAnswer(format!("the list answers {code}")),
        None if codes.is_empty() => Listing::NotListed,
        None => Listing::Listed(codes),
    }
}

/// The name under which a block list has an address: it backwards, below the list's zone.
pub fn blocklist_name(zone: &str, address: IpAddr) -> String {
    format!("{}.{zone}", backwards(address))
}

/// The name of an address's PTR record.
pub fn reverse_name(address: IpAddr) -> String {
    let zone = match address {
        IpAddr::V4(_) => "in-addr.arpa",
        IpAddr::V6(_) => "ip6.arpa",
    };
    format!("{}.{zone}", backwards(address))
}

fn backwards(address: IpAddr) -> String {
    let parts: Vec<String> = match address {
        IpAddr::V4(a) => a.octets().iter().rev().map(u8::to_string).collect(),
        IpAddr::V6(a) => {
            let nibbles = |o: &u8| [o & 15, o >> 4].map(|n| format!("{n:x}"));
            a.octets().iter().rev().flat_map(nibbles).collect()
        }
    };
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::record::Record;

    #[test]
    fn addresses_are_turned_round() {
        let v4 = "192.0.2.1".parse().unwrap();
        assert_eq!(reverse_name(v4), "1.2.0.192.in-addr.arpa");
        assert_eq!(blocklist_name("zen.example", v4), "1.2.0.192.zen.example");
        let v6 = reverse_name("2001:db8::a1".parse().unwrap());
        assert!(v6.starts_with("1.a.0.0.0."), "{v6}");
        assert!(v6.ends_with(".0.8.b.d.0.1.0.0.2.ip6.arpa"), "{v6}");
    }

    fn answer(records: &[Data]) -> Result<Answer, NoAnswer> {
        let record = |data: &Data| Record {
            owner: "s.example.org".to_owned(),
            ttl: 1,
            data: data.clone(),
        };
        Ok(Answer {
            status: Status::NoError,
            authoritative: true,
            authentic: false,
            records: records.iter().map(record).collect(),
            authority: Vec::new(),
            additional: Vec::new(),
        })
    }

    #[test]
    fn a_cname_is_followed_when_all_have_it() {
        let to = |name: &str| Data::Cname(name.to_owned());
        let (a, b) = (answer(&[to("a.net")]), answer(&[to("b.net")]));
        let silent = || Err(NoAnswer::Timeout);
        let next = |answers: &[_]| next_name(answers);
        assert_eq!(
            next(&[a.clone(), silent(), answer(&[to("A.net")])]).unwrap(),
            "a.net"
        );
        assert_eq!(next(&[a.clone(), b]), None);
        assert_eq!(next(&[a.clone(), answer(&[])]), None);
        assert_eq!(next(&[answer(&[]), a]), None);
        assert_eq!(next(&[silent()]), None);
    }

    #[test]
    fn a_server_without_an_address_is_silent() {
        let server = |name: &str, addresses: Vec<IpAddr>| NameServer {
            name: name.to_owned(),
            addresses,
            in_zone: true,
            in_parent: true,
        };
        let there = server("a", vec!["192.0.2.1".parse().unwrap()]);
        let silent = nowhere(&[there, server("b", Vec::new())]);
        assert_eq!(silent.len(), 1);
        assert_eq!((silent[0].server.as_str(), silent[0].address), ("b", None));
        assert!(silent[0].texts.is_err());
    }

    #[test]
    fn only_codes_of_lists_list() {
        let of = |codes: &[&str]| listing(codes.iter().map(|c| c.parse().unwrap()).collect());
        assert_eq!(of(&[]), Listing::NotListed);
        assert!(matches!(of(&["127.0.0.4", "127.0.0.11"]), Listing::Listed(c) if c.len() == 2));
        for refused in ["127.255.255.254", "127.255.255.252", "192.0.2.7"] {
            assert!(matches!(of(&[refused]), Listing::NoAnswer(_)), "{refused}");
        }
    }
}
