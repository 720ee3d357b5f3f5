//! What rspamd says is what happens.

use super::{MESSAGE, SIGNED, World, rspamd::Behaviour, smtpd, verdict};

fn text(outcome: &smtpd::Outcome) -> String {
    let mut text: String = outcome
        .lines
        .iter()
        .map(|l| String::from_utf8_lossy(l).into_owned() + "\n")
        .collect();
    text += &format!("== {}", outcome.result);
    text
}

#[test]
fn refusals_come_back_empty() {
    let mut world = World::new(&[]);
    let mut refused = |json: &str| {
        world.json(json);
        text(&world.smtpd.message(&smtpd::OUTSIDE, &MESSAGE))
    };
    assert_eq!(
        refused(&verdict("reject", "")),
        "== reject|550 5.7.1 Message refused as spam"
    );
    let gtube = verdict("reject", "").replace(
        r#""messages":{}"#,
        r#""messages":{"smtp_message":"Gtube pattern"}"#,
    );
    assert_eq!(refused(&gtube), "== reject|550 5.7.1 Gtube pattern");
    assert_eq!(
        refused(&verdict("soft reject", "")),
        "== reject|451 4.7.1 Try again later"
    );
    assert_eq!(
        refused(&verdict("greylist", "")),
        "== reject|451 4.7.1 Try again later"
    );
}

#[test]
fn spam_is_marked_and_foreign_marks_are_not_believed() {
    let mut world = World::new(&[]);
    let lines: [&[u8]; 5] = [
        b"Received: by mx",
        b"X-Spam-Status: No, I promise",
        b" folded",
        b"Subject: s",
        b"",
    ];
    world.json(&verdict("add header", ""));
    insta::assert_snapshot!(text(&world.smtpd.message(&smtpd::OUTSIDE, &lines)), @r"
    Received: by mx
    X-Spam: Yes
    X-Spam-Score: 7.25 / 15.00
    X-Spam-Status: Yes, score=7.25 required=15.00
    Subject: s

    == proceed
    ");
    world.json(&verdict("no action", ""));
    insta::assert_snapshot!(text(&world.smtpd.message(&smtpd::OUTSIDE, &lines)), @r"
    Received: by mx
    Subject: s

    == proceed
    ");
}

#[test]
fn subjects_are_rewritten() {
    let mut world = World::new(&[]);
    let subject = r#","subject":"*** SPAM *** a subject that is so long that it has to be folded, because it goes on and on""#;
    world
        .rspamd
        .set(Behaviour::Chunked(verdict("rewrite subject", subject)));
    insta::assert_snapshot!(text(&world.smtpd.message(&smtpd::OUTSIDE, &MESSAGE)), @r"
    Received: from client.example.net	by mx.example.org
    From: a@example.org
    Subject: *** SPAM *** a subject that is so long that it has to be folded,
     because it goes on and on

    body
    ..with a dot
    == proceed
    ");
    let without: [&[u8]; 3] = [b"Received: by mx", b"", b"Subject: in the body"];
    insta::assert_snapshot!(text(&world.smtpd.message(&smtpd::OUTSIDE, &without)), @r"
    Received: by mx
    Subject: *** SPAM *** a subject that is so long that it has to be folded,
     because it goes on and on

    Subject: in the body
    == proceed
    ");
}

#[test]
fn headers_are_added_and_removed() {
    let mut world = World::new(&[]);
    let milter = r#","milter":{
        "add_headers":{
            "Authentication-Results":{"value":"mx.example.org;\r\n\tspf=pass\r\nBcc: injected\n\nbody","order":0},
            "ARC-Seal":[{"value":"i=1","order":1},{"value":"i=2","order":1}],
            "X-Last":"last"
        },
        "remove_headers":{"authentication-results":0,"x-two":2}
    }"#;
    world.json(&verdict("no action", milter));
    let lines: [&[u8]; 8] = [
        b"Received: by mx",
        b"Authentication-Results: mx.example.org; forged",
        b"\tspf=pass",
        b"X-Two: 1",
        b"X-Two: 2",
        b"X-Two: 3",
        b"",
        b"body",
    ];
    insta::assert_snapshot!(text(&world.smtpd.message(&smtpd::OUTSIDE, &lines)), @r"
    Authentication-Results: mx.example.org;
    	spf=pass
    	Bcc: injected
    	body
    Received: by mx
    ARC-Seal: i=1
    ARC-Seal: i=2
    X-Two: 1
    X-Two: 3
    X-Last: last

    body
    == proceed
    ");
}

#[test]
fn a_seal_is_put_below_received_and_kept_in_its_order() {
    let mut world = World::new(&[]);
    // as rspamd 3.12.1 writes it, in whatever order
    let milter = r#","milter":{"add_headers":{
        "ARC-Seal":{"value":"i=1; a=rsa-sha256;\n\tcv=none; b=two","order":1},
        "Authentication-Results":{"value":"mx.example.org;\n\tspf=pass","order":1},
        "ARC-Message-Signature":{"value":"i=1; a=rsa-sha256;\n\tb=one","order":1},
        "ARC-Authentication-Results":{"value":"i=1;\n\tmx.example.org;\n\tspf=pass","order":1}
    }}"#;
    world.json(&verdict("no action", milter));
    insta::assert_snapshot!(text(&world.smtpd.message(&smtpd::OUTSIDE, &MESSAGE)), @r"
    Received: from client.example.net	by mx.example.org
    ARC-Authentication-Results: i=1;
    	mx.example.org;
    	spf=pass
    ARC-Message-Signature: i=1; a=rsa-sha256;
    	b=one
    ARC-Seal: i=1; a=rsa-sha256;
    	cv=none; b=two
    Authentication-Results: mx.example.org;
    	spf=pass
    From: a@example.org
    Subject: an ordinary subject

    body
    ..with a dot
    == proceed
    ");
}

#[test]
fn a_users_message_is_completed_and_signed() {
    let mut world = World::new(&[]);
    world.json(&verdict("no action", SIGNED));
    let lines: [&[u8]; 4] = [b"Received: by mx", b"X-Spam: kept", b"", b"body"];
    let outcome = world.smtpd.message(&smtpd::USER, &lines);
    let seen = world.rspamd.request();
    insta::assert_snapshot!(seen.head.replace("\r\n", "\n"), @r"
    POST /checkv2 HTTP/1.1
    Host: localhost
    User-Agent: ezmail-filter
    Connection: close
    Content-Type: message/rfc822
    Content-Length: 141
    MTA-Name: mx.example.org
    IP: 2001:db8::7
    Hostname: client.example.net
    Helo: client.example.net
    TLS-Version: TLSv1.3
    TLS-Cipher: TLS_AES_256_GCM_SHA384
    User: a@example.org
    Queue-ID: 00000001
    From: <a@example.org>
    Rcpt: <b@example.net>
    ");
    let mut shown = text(&outcome);
    let body = String::from_utf8(seen.body).unwrap();
    for (name, placeholder) in [("Date: ", "DATE"), ("Message-ID: ", "<ID@mx.example.org>")] {
        let start = shown.find(name).unwrap() + name.len();
        let end = start + shown[start..].find('\n').unwrap();
        // what was signed is what is sent
        assert!(
            body.contains(&format!("{name}{}\r\n", &shown[start..end])),
            "{body}"
        );
        shown.replace_range(start..end, placeholder);
    }
    insta::assert_snapshot!(shown, @r"
    Received: by mx
    DKIM-Signature: v=1; a=rsa-sha256;
    	b=one
    DKIM-Signature: v=1; a=ed25519-sha256;
    	b=two
    X-Spam: kept
    Date: DATE
    Message-ID: <ID@mx.example.org>

    body
    == proceed
    ");
}

#[test]
fn a_users_message_never_leaves_unsigned() {
    let tempfail = "reject|451 4.7.5 Message cannot be signed now, try again later";
    let mut world = World::new(&[]);
    for signatures in ["", r#","dkim-signature":"v=1; a=rsa-sha256; b=one""#] {
        world.json(&verdict("no action", signatures));
        assert_eq!(world.smtpd.message(&smtpd::USER, &MESSAGE).result, tempfail);
    }
    // a signature that rspamd adds as a header counts as well
    let mixed = r#","dkim-signature":"v=1; b=one","milter":{"add_headers":{"DKIM-Signature":"v=1; b=two"}}"#;
    world.json(&verdict("no action", mixed));
    assert_eq!(
        world.smtpd.message(&smtpd::USER, &MESSAGE).result,
        "proceed"
    );
    // a failed login makes nobody a user
    let session = world.smtpd.open(&smtpd::OUTSIDE);
    world
        .smtpd
        .report("link-auth", &session, "|fail|a@example.org");
    world.json(&verdict("no action", ""));
    world.smtpd.data_line(&session, b"a: b");
    world.smtpd.data_line(&session, b".");
    assert_eq!(world.smtpd.finish(&session).result, "proceed");

    let mut world = World::new(&["--signatures", "0"]);
    world.json(&verdict("no action", ""));
    assert_eq!(
        world.smtpd.message(&smtpd::USER, &MESSAGE).result,
        "proceed"
    );
}

#[test]
fn a_local_program_is_one_of_us() {
    let mut world = World::new(&[]);
    world.json(&verdict("no action", ""));
    let local = smtpd::Sender {
        source: "unix:/run/smtpd.sock",
        user: None,
    };
    let outcome = world
        .smtpd
        .message(&local, &[b"Received: by mx", b"X-Spam: kept", b"", b"x"]);
    let head = world.rspamd.request().head;
    assert!(head.contains("\r\nIP: 127.0.0.1\r\n"), "{head}");
    assert!(!head.contains("\r\nUser: "), "{head}");
    let text = text(&outcome);
    assert!(text.contains("X-Spam: kept\nDate: "), "{text}");
}
