//! The administrator's way in.

use crate::{
    Setting, together,
    world::{
        Knock,
        addresses::{FAMILIES, Family, appliance, client},
        appliance::admin_key,
    },
};

/// What `ssh` prints, on both outputs, with further options and a command; client 94 calls.
fn ssh(setting: &Setting, family: Family, words: &str) -> String {
    let key = admin_key(&setting.world).unwrap();
    let script = format!(
        "timeout 120 ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o LogLevel=ERROR \
         -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes -i {} -b {} {words} 2>&1 || true",
        key.display(),
        client(94, family)
    );
    setting
        .world
        .namespace()
        .shell("logging in by SSH", &script)
        .unwrap()
}

#[test]
fn the_administrator_gets_in_by_key_and_may_do_everything() {
    let (setting, _guard) = together();
    for family in FAMILIES {
        let address = appliance(family);
        let words = format!("root@{address} 'id -u && nft list set inet ezmail proving'");
        let said = ssh(setting, family, &words);
        assert!(said.starts_with("0\n"), "{said}");
        assert!(said.contains("inet_service"), "{said}");
    }
}

#[test]
fn nobody_gets_in_otherwise() {
    let (setting, _guard) = together();
    let address = appliance(Family::V4);
    for words in [
        format!("-o PubkeyAuthentication=no root@{address} true"),
        format!("vmail@{address} true"),
    ] {
        let said = ssh(setting, Family::V4, &words);
        // the only method that is offered
        assert!(said.contains("Permission denied (publickey)."), "{said}");
    }
}

#[test]
fn who_calls_too_often_has_to_wait() {
    let (setting, _guard) = together();
    for family in FAMILIES {
        let (often, other) = (client(95, family), client(93, family));
        let knock = |source, times| {
            let knocks = setting
                .world
                .knock(Some(source), appliance(family), 22, times);
            knocks.unwrap()
        };
        let knocks = knock(often, 14);
        assert_eq!(knocks[..8], [Knock::Open; 8], "{family:?}");
        assert!(knocks.contains(&Knock::Silent), "{family:?}: {knocks:?}");
        assert_eq!(knock(other, 1), [Knock::Open], "{family:?}");
    }
}
