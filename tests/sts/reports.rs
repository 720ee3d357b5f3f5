//! The reports of a day: one by mail, one by HTTPS.

use std::io::Read;

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use serde_json::Value;

use super::{LIMIT, Setting};
use crate::world::message::headers;

pub(super) fn all(setting: &mut Setting<'_>) {
    let shown = setting.run("mailctl tlsrpt show");
    assert!(shown.contains("good.example.com"), "{shown}");
    let early = setting.run("! mailctl tlsrpt send --day $(date -u +%F) 2>&1");
    assert!(early.contains("is not over yet"), "{early}");
    // the administrator has set the clock: nothing puts it right meanwhile, and the timer waits
    let timer =
        setting.run("systemctl is-active ezmail-tlsrpt.timer; systemctl stop ezmail-tlsrpt.timer");
    assert_eq!(timer, "active\n");
    let seen =
        "journalctl --utc --no-pager -o short-iso -u smtpd -g 'tls-policy.*testing.example.com'";
    let today = setting.run(&format!("{seen} | grep -o '^....-..-..' | head -n 1"));
    setting.run(&format!(
        "systemctl stop systemd-timesyncd
         date -u -s \"$(date -u -d '{} +1 day' +%F) 12:00\" >/dev/null",
        today.trim()
    ));
    let said = setting.run(
        "since=$(date +%s); systemctl start ezmail-tlsrpt.service
         journalctl --sync; journalctl --no-pager -o cat -u ezmail-tlsrpt --since @$since",
    );
    assert!(
        said.contains("https://mta-sts.good.example.com/report"),
        "{said}"
    );
    assert!(!said.contains("NOT TAKEN"), "{said}");

    let posted = setting.others.posted().expect("a report is posted");
    let report = unpacked(&posted);
    assert_eq!(report["organization-name"], "mail.example.org");
    assert_eq!(report["contact-info"], "postmaster@example.org");
    let start = format!("{}T00:00:00Z", today.trim());
    assert_eq!(report["date-range"]["start-datetime"], start.as_str());
    let policy = &report["policies"][0];
    assert_eq!(policy["policy"]["policy-type"], "sts");
    assert_eq!(policy["policy"]["policy-domain"], "testing.example.com");
    assert_eq!(policy["policy"]["policy-string"][1], "mode: testing");
    assert_eq!(policy["summary"]["total-failure-session-count"], 1);
    let detail = &policy["failure-details"][0];
    assert_eq!(detail["result-type"], "certificate-not-trusted");
    assert_eq!(detail["receiving-mx-hostname"], "mx.testing.example.com");
    assert_eq!(detail["receiving-ip"], "198.18.2.27");

    // to a domain whose MX never had a good certificate, and whose policy is to be kept to
    for (domain, result) in [
        ("both", "certificate-not-trusted"),
        ("plain", "starttls-not-supported"),
        ("unlisted", "validation-failure"),
        ("badweb", "sts-webpki-invalid"),
    ] {
        let subject = format!("Report Domain: {domain}.example.com");
        let message = setting.others.mxs[1].wait_for(&subject, LIMIT).unwrap();
        assert_eq!(message.from, "postmaster+tls-reports@example.org");
        let header = |name: &str| headers(&message.raw, name).join("");
        assert_eq!(header("TLS-Report-Domain"), format!("{domain}.example.com"));
        assert!(header("Content-Type").contains("report-type=\"tlsrpt\""));
        let signatures = setting.world.verify_dkim_later(&message.raw, 2 * 86_400);
        let signatures = signatures.unwrap();
        assert_eq!(signatures.len(), 2, "{signatures:?}");
        assert!(signatures.iter().all(|s| s.pass), "{signatures:?}");
        let text = String::from_utf8_lossy(&message.raw).replace("\r\n", "\n");
        let part = text.split("application/tlsrpt+gzip").nth(1).unwrap();
        let body = part.split("\n\n").nth(1).unwrap();
        let body: String = body.lines().take_while(|l| !l.starts_with("--")).collect();
        let report = unpacked(&STANDARD.decode(body).unwrap());
        let found = report.to_string();
        assert!(
            found.contains(&format!("\"result-type\":\"{result}\"")),
            "{report:#}"
        );
    }
    // once
    let again = setting.run("mailctl tlsrpt send");
    assert!(again.contains("was reported already"), "{again}");
    assert_eq!(setting.run("systemctl --failed --plain --no-legend"), "");
}

fn unpacked(bytes: &[u8]) -> Value {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}
