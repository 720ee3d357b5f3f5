//! What stands in the DNS: a root, four domains below it, the mail domains, the reverse zones.

use std::{collections::BTreeMap, net::IpAddr};

use anyhow::{Context, Result, bail};

use super::{
    acme,
    addresses::{
        CLIENTS, FAMILIES, Family, HOSTNAME, MX_NAME, OUTSIDE, SENDER, appliance, authority,
        authority_of_certificates, client, client_name, mx, record_type, reverse_name,
        second_appliance, time_server,
    },
};

/// The reverse zone of 198.18.0.0/16.
const REVERSE_V4: &str = "18.198.in-addr.arpa.";
/// The reverse zone of 2001:2::/48.
const REVERSE_V6: &str = "0.0.0.0.2.0.0.0.1.0.0.2.ip6.arpa.";
/// The name of the one name server.
const SERVER: &str = "ns.com.";
/// A zone whose DS record fits no key: a validating resolver must refuse it.
pub const BOGUS: &str = "bogus.com.";
/// The name of the second appliance.
pub const SECOND_HOSTNAME: &str = "mail.second.org";
/// The domain whose DMARC policy is to reject; everything else of it is as with [`OUTSIDE`].
pub const STRICT: &str = "strict.example.com";
/// The time servers that systemd-timesyncd has from Arch and from Debian. As everything below
/// org. they are signed here, which the real ones are not.
const POOL: [&str; 8] = [
    "0.arch.pool.ntp.org",
    "1.arch.pool.ntp.org",
    "2.arch.pool.ntp.org",
    "3.arch.pool.ntp.org",
    "0.debian.pool.ntp.org",
    "1.debian.pool.ntp.org",
    "2.debian.pool.ntp.org",
    "3.debian.pool.ntp.org",
];
/// The clients that the block list [`BLOCK_LIST`] has an answer for: it lists the first, and says of
/// the second that it does not answer this resolver.
pub const LISTED: u8 = 66;
pub const UNANSWERED: u8 = 67;
/// A block list that the appliance asks.
pub const BLOCK_LIST: &str = "zen.spamhaus.org";
/// Where the outside's DKIM key stands below `_domainkey`.
pub const SELECTOR: &str = "world";
/// Seconds that records live: short, so that what is published is soon seen.
const TTL: u32 = 5;

/// Every zone but the root: its name, its parent. Parents come first.
pub const ZONES: [(&str, &str); 11] = [
    ("com.", "."),
    ("org.", "."),
    ("net.", "."),
    ("arpa.", "."),
    ("example.com.", "com."),
    (BOGUS, "com."),
    ("example.org.", "org."),
    ("second.org.", "org."),
    ("example.net.", "net."),
    (REVERSE_V4, "arpa."),
    (REVERSE_V6, "arpa."),
];

/// The records of every zone, by its name.
pub type Zones = BTreeMap<&'static str, String>;

/// All zones without their DS records; `dkim` is the content of the outside's DKIM record.
pub fn base(dkim: &str) -> Result<Zones> {
    let mut zones: Zones = ZONES
        .iter()
        .map(|(name, _)| *name)
        .chain(["."])
        .map(|name| (name, head(name)))
        .collect();
    for (name, parent) in ZONES {
        push(&mut zones, parent, &format!("{name} {TTL} IN NS {SERVER}"));
    }
    for family in FAMILIES {
        let address = authority(family);
        let glue = format!("{SERVER} {TTL} IN {} {address}", record_type(address));
        push(&mut zones, ".", &glue);
        host(&mut zones, SERVER, address)?;
        host(&mut zones, HOSTNAME, appliance(family))?;
        host(&mut zones, SECOND_HOSTNAME, second_appliance(family))?;
        host(&mut zones, MX_NAME, mx(family))?;
        let bogus = format!("{} {}", record_type(address), mx(family));
        add(&mut zones, &format!("www.{BOGUS}"), &bogus)?;
        for name in POOL {
            let address = time_server(family);
            add(
                &mut zones,
                name,
                &format!("{} {address}", record_type(address)),
            )?;
        }
        for number in 1..CLIENTS {
            host(&mut zones, &client_name(number), client(number, family))?;
        }
    }
    // over IPv4 alone, as many an authority is
    host(
        &mut zones,
        acme::NAME,
        authority_of_certificates(Family::V4),
    )?;
    for (number, answer) in [(LISTED, "127.0.0.2"), (UNANSWERED, "127.255.255.254")] {
        let listed = list_name(client(number, Family::V4), BLOCK_LIST);
        add(&mut zones, &listed, &format!("A {answer}"))?;
    }
    let senders = FAMILIES.map(|family| match client(SENDER, family) {
        IpAddr::V4(a) => format!("ip4:{a}"),
        IpAddr::V6(a) => format!("ip6:{a}"),
    });
    for (domain, policy) in [(OUTSIDE, "none"), (STRICT, "reject")] {
        let spf = format!("TXT \"v=spf1 {} -all\"", senders.join(" "));
        let dmarc = format!("TXT \"v=DMARC1; p={policy}\"");
        let key = format!("TXT {}", quoted(dkim));
        add(&mut zones, domain, &format!("MX 10 {MX_NAME}."))?;
        add(&mut zones, domain, &spf)?;
        add(&mut zones, &format!("_dmarc.{domain}"), &dmarc)?;
        add(&mut zones, &format!("{SELECTOR}._domainkey.{domain}"), &key)?;
    }
    Ok(zones)
}

/// What a block list is asked about an address (RFC 5782).
fn list_name(address: IpAddr, list: &str) -> String {
    let reverse = reverse_name(address);
    let digits = reverse.trim_end_matches('.');
    let digits = digits.trim_end_matches(".in-addr.arpa");
    format!("{}.{list}", digits.trim_end_matches(".ip6.arpa"))
}

/// SOA and NS of a zone.
fn head(zone: &str) -> String {
    // the last number is how long "there is no such name" may be kept
    format!(
        "{zone} {TTL} IN SOA {SERVER} hostmaster.example.com. 1 3600 600 86400 1\n\
         {zone} {TTL} IN NS {SERVER}\n"
    )
}

/// Adds a line to a zone.
pub fn push(zones: &mut Zones, zone: &'static str, line: &str) {
    let text = zones.entry(zone).or_default();
    text.push_str(line);
    text.push('\n');
}

fn add(zones: &mut Zones, owner: &str, data: &str) -> Result<()> {
    let owner = format!("{}.", owner.trim_end_matches('.'));
    push(zones, zone_of(&owner)?, &format!("{owner} {TTL} IN {data}"));
    Ok(())
}

/// A name, its address and the way back.
fn host(zones: &mut Zones, name: &str, address: IpAddr) -> Result<()> {
    add(zones, name, &format!("{} {address}", record_type(address)))?;
    let name = name.trim_end_matches('.');
    add(zones, &reverse_name(address), &format!("PTR {name}."))
}

/// The zone that `owner`, a full name with its dot, belongs to.
pub fn zone_of(owner: &str) -> Result<&'static str> {
    let owner = owner.to_ascii_lowercase();
    ZONES
        .iter()
        .map(|(name, _)| *name)
        .filter(|zone| owner == *zone || owner.ends_with(&format!(".{zone}")))
        .max_by_key(|zone| zone.len())
        .with_context(|| format!("{owner} lies in no zone of the test world"))
}

/// A TXT record's strings, none longer than 255 bytes (RFC 1035, section 3.3).
fn quoted(text: &str) -> String {
    let parts: Vec<String> = text
        .as_bytes()
        .chunks(255)
        .map(|c| format!("\"{}\"", String::from_utf8_lossy(c)))
        .collect();
    parts.join(" ")
}

/// Splits zone lines, as an appliance prints them, by the zones they belong to.
///
/// Owners are full names; records may go over several lines in parentheses; comments are left
/// out; a TTL is replaced by our own.
pub fn split(records: &str) -> Result<Zones> {
    let mut zones = Zones::new();
    let mut record = String::new();
    let mut depth = 0_i32;
    for (number, line) in records.lines().enumerate() {
        let (text, change) = without_comment(line);
        if depth == 0 && text.starts_with('$') {
            bail!("line {}: a directive, not a record: {line}", number + 1);
        }
        depth += change;
        record.push_str(&text);
        record.push(' ');
        if depth > 0 {
            continue;
        }
        let whole = std::mem::take(&mut record);
        let mut words = whole.split_whitespace();
        let Some(owner) = words.next() else { continue };
        if whole.starts_with(char::is_whitespace) || !owner.ends_with('.') {
            bail!("line {}: no full name in front: {line}", number + 1);
        }
        let rest: Vec<&str> = words
            .skip_while(|w| w.parse::<u32>().is_ok() || w.eq_ignore_ascii_case("IN"))
            .collect();
        add(&mut zones, owner, &rest.join(" "))?;
    }
    if depth != 0 {
        bail!("a parenthesis is never closed");
    }
    Ok(zones)
}

/// The line without its comment and parentheses, and how many more of them open than close.
fn without_comment(line: &str) -> (String, i32) {
    let (mut text, mut depth, mut inside) = (String::new(), 0, false);
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => {
                text.push(c);
                text.extend(characters.next());
                continue;
            }
            '"' => inside = !inside,
            ';' if !inside => break,
            '(' if !inside => depth += 1,
            ')' if !inside => depth -= 1,
            _ => {}
        }
        let parenthesis = !inside && (c == '(' || c == ')');
        text.push(if parenthesis { ' ' } else { c });
    }
    (text, depth)
}
