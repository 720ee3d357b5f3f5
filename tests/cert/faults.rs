//! What an authority may do wrong: the certificate in place goes on, and it is said what is the matter.

use super::Setting;

const DAY: i64 = 86_400;

pub(super) fn too_often(setting: &mut Setting<'_>) {
    let serial = setting.all_ports_have_one();
    let until = setting.run("date -u -d '+3 days' '+%F %T'");
    let words = format!(
        "too many certificates already issued, retry after {} UTC: see",
        until.trim()
    );
    setting.acme.limit(Some(&words)).unwrap();
    let said = setting.long("! mailctl cert issue --force 2>&1");
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("the authority was asked too often: too many"),
        "{said}"
    );
    assert!(said.contains("the certificate in place goes on"), "{said}");
    let status = setting.status();
    let now: i64 = setting.run("date +%s").trim().parse().unwrap();
    let pause = status["not_before"].as_i64().unwrap() - now;
    assert!((2 * DAY..=3 * DAY).contains(&pause), "{status:#}");
    setting.acme.limit(None).unwrap();
    assert_eq!(setting.all_ports_have_one(), serial);
}

/// The authority's own certificate is signed by nobody that the answers name.
pub(super) fn a_stranger(setting: &mut Setting<'_>) {
    setting.acme.open_as_a_stranger().unwrap();
    let said = setting.long("! mailctl cert issue --force 2>&1");
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("the authority's own certificate is not trusted"),
        "{said}"
    );
    setting.acme.open().unwrap();
    setting.all_ports_have_one();
}

/// The certificate is due, and for a week of the clock nobody answers: it is asked for less and less
/// often, it is said, and mail goes on.
pub(super) fn a_week_without(setting: &mut Setting<'_>) {
    let serial = setting.all_ports_have_one();
    setting.acme.close();
    // the administrator has set the clock: nothing puts it right meanwhile
    setting.run("systemctl stop systemd-timesyncd ezmail-cert.timer");
    let renewal = setting.status()["renewal"].as_i64().unwrap();
    // acme.sh tries for a minute or two each time; the signatures in the DNS end before the week does
    for day in [0, 3, 7] {
        let clock = renewal + 60 + day * DAY;
        setting.run(&format!("date -s @{clock} >/dev/null"));
        let said = setting.renew();
        assert!(said.contains("the authority cannot be reached"), "{said}");
        let again = setting.renew();
        assert!(
            again.contains("the authority is left in peace until"),
            "{again}"
        );
    }
    let status = setting.status();
    assert_eq!(status["failures"], 3, "{status:#}");
    let pause = status["not_before"].as_i64().unwrap() - status["last"]["at"].as_i64().unwrap();
    assert_eq!(pause, DAY / 24, "{status:#}");
    assert_eq!(setting.all_ports_have_one(), serial);
    let said = setting.run("mailctl check certificate || true");
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("in vain: the authority cannot be reached"),
        "{said}"
    );
    let units = setting.run("systemctl --failed --plain --no-legend");
    assert_eq!(units, "");
    setting.acme.open().unwrap();
}
