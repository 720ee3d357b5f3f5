//! Many connections at once from one address.

use crate::{
    ARRIVAL, PATIENCE, eventually, together,
    world::{
        Knock,
        addresses::{FAMILIES, Family, appliance, client},
        appliance::ALICE,
        client::Crowd,
        message::Mail,
    },
};

const PEER: &str = "peer@example.com";

#[test]
fn two_hundred_slow_connections_leave_room_for_others() {
    let (setting, _guard) = together();
    for (family, number) in [(Family::V4, 87), (Family::V6, 88)] {
        for port in [25, 993] {
            let slow = setting.world.client(number, family);
            let crowd = slow.crowd(port, 200, 89).unwrap();
            let Crowd { taken, refused, .. } = crowd;
            // IMAP's limit goes by the memory, of which the kernel has a share
            let limit = if port == 25 { 50 } else { 64 };
            assert!((40..=limit).contains(&taken), "{crowd:?}");
            assert_eq!((taken + refused, crowd.silent), (200, 0), "{crowd:?}");
            let greeting = crowd.greeting.as_deref().unwrap_or("220");
            assert!(greeting.starts_with("220"), "{crowd:?}");
        }
        // when they are gone, there is nothing against the address
        eventually("a connection", ARRIVAL, || {
            let source = Some(client(number, family));
            let knock = setting.world.knock(source, appliance(family), 25, 1);
            (knock.unwrap() == [Knock::Open]).then_some(())
        });
    }
}

#[test]
fn a_sender_without_a_name_is_marked_at_most() {
    let (setting, _guard) = together();
    // beyond those that have PTR records; the name it greets with leads nowhere either
    for family in FAMILIES {
        let name = format!("nameless-{family:?}");
        let mail = Mail::new(PEER, ALICE.0, &name);
        let mail = setting.world.sign(mail).unwrap();
        let sender = setting.world.client(110, family);
        sender.deliver_patiently(&mail, PATIENCE).unwrap();
        let reader = setting.reader();
        eventually("the mail of a nameless server", ARRIVAL, || {
            let folders = ["INBOX", "Junk"].map(|folder| reader.fetch(ALICE, folder).unwrap());
            let id = mail.id.as_str();
            let is_it = |raw: &[u8]| String::from_utf8_lossy(raw).contains(id);
            folders
                .iter()
                .flatten()
                .any(|m| is_it(&m.raw))
                .then_some(())
        });
    }
}
