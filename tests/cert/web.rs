//! What mail programs ask for, as they ask for it.

use std::process::Command;

use ezmail::util::{files, run::Task};

use super::{Setting, fetch};
use crate::world::addresses::{Family, HOSTNAME, appliance};

/// All of it; `domain` is whose users Outlook asks for.
pub(super) fn all(setting: &mut Setting<'_>, domain: &str) {
    thunderbird(setting);
    outlook(setting, domain);
    apple(setting);
    policy(setting);
    page(setting);
}

fn text(setting: &Setting<'_>, name: &str, path: &str, more: &[&str]) -> String {
    String::from_utf8(fetch(setting, name, path, more).unwrap()).unwrap()
}

/// Compares an answer with its schema.
fn assert_valid(setting: &Setting<'_>, name: &str, answer: &str) {
    let file = setting.world.folder().join(format!("{name}.xml"));
    files::write(&file, answer, 0o644).unwrap();
    let schema = format!("{}/tests/cert/{name}.rng", env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("xmllint");
    command.args(["--noout", "--relaxng", &schema]).arg(&file);
    Task::new(format!("comparing {name} with its schema"), command)
        .run()
        .unwrap();
}

/// Thunderbird asks autoconfig.DOMAIN first, and then the domain itself, which need not lead here.
fn thunderbird(setting: &Setting<'_>) {
    let path = "/mail/config-v1.1.xml?emailaddress=alice%40example.org";
    let answer = text(setting, "autoconfig.example.org", path, &[]);
    assert_valid(setting, "autoconfig", &answer);
    assert!(
        answer.contains(&format!("<hostname>{HOSTNAME}</hostname>")),
        "{answer}"
    );
    let path = "/.well-known/autoconfig/mail/config-v1.1.xml";
    assert_eq!(text(setting, HOSTNAME, path, &[]), answer);
    let kind = text(setting, HOSTNAME, path, &["--head"]).to_ascii_lowercase();
    assert!(kind.contains("content-type: application/xml"), "{kind}");
}

fn outlook(setting: &Setting<'_>, domain: &str) {
    let question = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Autodiscover \
        xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006\">\
        <Request><EMailAddress>somebody@{domain}</EMailAddress><AcceptableResponseSchema>\
        http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\
        </AcceptableResponseSchema></Request></Autodiscover>"
    );
    let more = ["--header", "Content-Type: text/xml", "--data", &question];
    let name = &format!("autodiscover.{domain}");
    let answer = text(setting, name, "/autodiscover/autodiscover.xml", &more);
    assert_valid(setting, "autodiscover", &answer);
    assert!(
        answer.contains(&format!("<Server>{HOSTNAME}</Server>")),
        "{answer}"
    );
    // in its own spelling
    assert_eq!(
        text(setting, name, "/Autodiscover/Autodiscover.xml", &more),
        answer
    );
}

fn apple(setting: &Setting<'_>) {
    let signed = fetch(setting, HOSTNAME, "/ezmail.mobileconfig", &[]).unwrap();
    let mut command = Command::new("openssl");
    command.args([
        "cms", "-verify", "-inform", "DER", "-purpose", "any", "-CAfile",
    ]);
    command.arg(setting.acme.root().unwrap());
    let profile = Task::new("verifying the profile", command)
        .input(signed)
        .output()
        .unwrap();
    let mut command = Command::new("/usr/bin/python3");
    command.args([
        "-c",
        "import plistlib, sys, json; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))",
    ]);
    let json = Task::new("reading the profile", command)
        .input(profile)
        .output()
        .unwrap();
    let profile: serde_json::Value = serde_json::from_str(&json).unwrap();
    let account = &profile["PayloadContent"][0];
    assert_eq!(account["PayloadType"], "com.apple.mail.managed");
    assert_eq!(account["IncomingMailServerHostName"], HOSTNAME);
    assert_eq!(account["IncomingMailServerPortNumber"], 993);
    assert_eq!(account["OutgoingMailServerUseSSL"], true);
    assert_ne!(profile["PayloadUUID"], account["PayloadUUID"]);
}

/// RFC 8461 section 3.3: by HTTPS, at this very place, as plain text.
fn policy(setting: &Setting<'_>) {
    let policy = text(
        setting,
        "mta-sts.example.org",
        "/.well-known/mta-sts.txt",
        &[],
    );
    let want = format!("version: STSv1\r\nmode: enforce\r\nmx: {HOSTNAME}\r\nmax_age: 1209600\r\n");
    assert_eq!(policy, want);
    let head = text(
        setting,
        "mta-sts.example.org",
        "/.well-known/mta-sts.txt",
        &["--head"],
    );
    assert!(
        head.to_ascii_lowercase()
            .contains("content-type: text/plain"),
        "{head}"
    );
}

fn page(setting: &Setting<'_>) {
    let page = text(setting, HOSTNAME, "/", &[]);
    for link in [
        "/ezmail.mobileconfig",
        "/mail/config-v1.1.xml",
        "/autodiscover/autodiscover.xml",
        "/style.css",
    ] {
        assert!(page.contains(&format!("\"{link}\"")), "{link}: {page}");
        fetch(setting, HOSTNAME, link, &[]).unwrap();
    }
    for wrong in ["/nothing", "/mail/", "/.well-known/", "/../etc/passwd"] {
        assert!(
            fetch(setting, HOSTNAME, wrong, &["--path-as-is"]).is_err(),
            "{wrong}"
        );
    }
    assert!(fetch(setting, HOSTNAME, "/", &["--data", "x=1"]).is_err());
    let head = text(setting, HOSTNAME, "/", &["--head"]).to_ascii_lowercase();
    assert!(
        head.contains("content-security-policy: default-src 'none'"),
        "{head}"
    );
    assert!(!head.contains("nginx/"), "{head}");
    // nobody is served without encryption
    assert!(!setting.world.is_open(appliance(Family::V6), 80).unwrap());
}
