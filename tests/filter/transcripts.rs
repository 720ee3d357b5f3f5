//! The protocol, line by line.

use super::{
    SIGNED, World,
    rspamd::Rspamd,
    smtpd::{Smtpd, USER},
    verdict,
};

#[test]
fn the_handshake() {
    let dir = tempfile::tempdir().unwrap();
    let mut smtpd = Smtpd::spawn(&dir.path().join("none"), dir.path(), &[]);
    smtpd.send(b"config|smtpd-version|7.6.0\nconfig|subsystem|smtp-in\nconfig|ready\n");
    let mut text = String::new();
    while !text.ends_with("register|ready\n") {
        text += &String::from_utf8(smtpd.raw_line()).unwrap();
        text.push('\n');
    }
    insta::assert_snapshot!(text, @r"
    register|report|smtp-in|link-connect
    register|report|smtp-in|link-disconnect
    register|report|smtp-in|link-identify
    register|report|smtp-in|link-tls
    register|report|smtp-in|link-auth
    register|report|smtp-in|tx-begin
    register|report|smtp-in|tx-mail
    register|report|smtp-in|tx-rcpt
    register|report|smtp-in|tx-reset
    register|report|smtp-in|tx-rollback
    register|filter|smtp-in|auth
    register|filter|smtp-in|data-line
    register|filter|smtp-in|commit
    register|ready
    ");
}

#[test]
fn without_a_listener_nothing_is_registered() {
    let dir = tempfile::tempdir().unwrap();
    let mut smtpd = Smtpd::spawn(&dir.path().join("none"), dir.path(), &[]);
    smtpd.send(b"config|subsystem|smtp-out\nconfig|ready\n");
    assert_eq!(smtpd.raw_line(), b"register|ready");
    let log = smtpd.log_line();
    assert_eq!(log, "no listener in smtpd.conf uses this filter");
}

#[test]
fn a_message_and_its_log() {
    let mut world = World::new(&[]);
    world.json(&verdict("no action", SIGNED));
    let session = world.smtpd.open(&USER);
    for line in [
        &b"Received: by mx"[..],
        b"Date: d",
        b"Message-ID: <m>",
        b"",
        b"..dot",
        b".",
    ] {
        world.smtpd.data_line(&session, line);
    }
    let mut text = String::new();
    while !text.ends_with("|.\n") {
        text += &String::from_utf8(world.smtpd.raw_line()).unwrap();
        text.push('\n');
    }
    world.smtpd.send_query("commit", &session);
    text += &String::from_utf8(world.smtpd.raw_line()).unwrap();
    text.push('\n');
    let log = world.smtpd.log_line();
    let (before, after) = log.split_once(" ms=").unwrap();
    text += &format!("{before} ms=N {}", after.split_once(' ').unwrap().1);
    insta::assert_snapshot!(text, @r#"
    filter-dataline|7641df9700000001|1ef1c203cc576e5d|Received: by mx
    filter-dataline|7641df9700000001|1ef1c203cc576e5d|DKIM-Signature: v=1; a=rsa-sha256;
    filter-dataline|7641df9700000001|1ef1c203cc576e5d|	b=one
    filter-dataline|7641df9700000001|1ef1c203cc576e5d|DKIM-Signature: v=1; a=ed25519-sha256;
    filter-dataline|7641df9700000001|1ef1c203cc576e5d|	b=two
    filter-dataline|7641df9700000001|1ef1c203cc576e5d|Date: d
    filter-dataline|7641df9700000001|1ef1c203cc576e5d|Message-ID: <m>
    filter-dataline|7641df9700000001|1ef1c203cc576e5d|
    filter-dataline|7641df9700000001|1ef1c203cc576e5d|..dot
    filter-dataline|7641df9700000001|1ef1c203cc576e5d|.
    filter-result|7641df9700000001|1ef1c203cc576e5d|proceed
    7641df9700000001 message=00000001 size=51 action="no action" score=7.25/15.00 ms=N result="pass"
    "#);
}

#[test]
fn the_oldest_protocol_has_the_token_first() {
    let dir = tempfile::tempdir().unwrap();
    let rspamd = Rspamd::start(&dir.path().join("rspamd.sock"));
    let mut smtpd = Smtpd::start(rspamd.path(), dir.path(), &[]);
    smtpd.send(b"filter|0.4|1.0|smtp-in|commit|00000000000000aa|00000000000000bb|\n");
    let answer = String::from_utf8(smtpd.raw_line()).unwrap();
    assert!(
        answer.starts_with("filter-result|00000000000000bb|00000000000000aa|reject|451 "),
        "{answer}"
    );
}
