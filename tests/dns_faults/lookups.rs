//! The DNS client in that world. The test calls itself once more, inside the namespace.

use std::{env, net::IpAddr, time::Duration};

use ezmail::{
    dns::{Client, Listing, RecordType, Status},
    util::run::Task,
};

use crate::world::{
    World,
    addresses::{Family, MX_NAME, appliance, authority, mx, resolver},
};

/// Set for the call inside.
const INSIDE: &str = "EZMAIL_INSIDE_THE_WORLD";
/// More than a packet holds.
const LONG: usize = 2550;

#[test]
fn lookups_find_what_is_there() {
    if env::var_os(INSIDE).is_some() {
        return inside();
    }
    let world = World::new("dns-lookups").unwrap();
    let text = ezmail::dns::txt(&"x".repeat(LONG));
    world
        .publish(&format!(
            "long.example.net. TXT {text}\n\
             alias.example.net. CNAME _dmarc.example.com.\n\
             10.0.18.198.list.example.net. A 127.0.0.2\n\
             10.0.18.198.refuses.example.net. A 127.255.255.254\n"
        ))
        .unwrap();
    let program = env::current_exe().unwrap();
    let mut command = world
        .namespace()
        .command(program.to_str().unwrap())
        .unwrap();
    command.args([
        "--exact",
        "lookups::lookups_find_what_is_there",
        "--nocapture",
    ]);
    command.env(INSIDE, "1");
    let said = Task::new("asking inside", command).output().unwrap();
    assert!(said.contains("1 passed"), "{said}");
}

fn inside() {
    let at = |address: IpAddr| (address, 53).into();
    let server = at(resolver(Family::V4));
    let client = Client::new(server, Duration::from_secs(5)).unwrap();
    let status = |name: &str| client.query(name, RecordType::A).unwrap().status;
    assert_eq!(status("mail.example.org"), Status::NoError);
    assert_eq!(status("nobody.example.org"), Status::NxDomain);
    assert_eq!(status("www.bogus.com"), Status::ServFail);
    let bogus = client
        .query_unchecked("www.bogus.com", RecordType::A)
        .unwrap();
    assert_eq!(bogus.status, Status::NoError);
    assert!(
        client
            .query("example.org", RecordType::MX)
            .unwrap()
            .authentic
    );

    // over TCP
    let long = client.query("long.example.net", RecordType::TXT).unwrap();
    assert_eq!(long.texts()[0].len(), LONG);
    let direct = client.ask(
        at(authority(Family::V6)),
        "long.example.net",
        RecordType::TXT,
    );
    let direct = direct.unwrap();
    assert!(direct.authoritative);
    assert_eq!(direct.texts(), long.texts());
    // nobody is there
    client
        .ask(at(mx(Family::V4)), "example.net", RecordType::SOA)
        .unwrap_err();

    for name in ["_dmarc.example.com", "alias.example.net"] {
        let shown = client.published_txt(name).unwrap();
        let addresses: Vec<IpAddr> = shown.iter().map(|p| p.address.unwrap().ip()).collect();
        assert_eq!(addresses, [authority(Family::V4), authority(Family::V6)]);
        for one in shown {
            assert_eq!(one.server, "ns.com");
            assert_eq!(one.texts.unwrap(), ["v=DMARC1; p=none"]);
        }
    }
    let shown = client.published_txt("nobody.example.com").unwrap();
    assert!(shown.iter().all(|p| p.texts == Ok(Vec::new())), "{shown:?}");

    assert_eq!(client.ptr(mx(Family::V6)).unwrap(), [MX_NAME]);
    assert_eq!(client.ptr("198.18.3.3".parse().unwrap()).unwrap(), [""; 0]);
    let here = appliance(Family::V4);
    let listed = |zone: &str| client.listed(zone, here).unwrap();
    assert_eq!(
        listed("list.example.net"),
        Listing::Listed(vec![[127, 0, 0, 2].into()])
    );
    assert_eq!(listed("example.net"), Listing::NotListed);
    assert!(matches!(
        listed("refuses.example.net"),
        Listing::NoAnswer(_)
    ));
}
