//! Every byte arrives as sent, at rspamd and back at smtpd, and memory does not grow.

use super::{MESSAGE, World, smtpd, verdict};

/// What rspamd must get: without dot-stuffing, with CRLF.
fn on_the_wire(lines: &[&[u8]]) -> Vec<u8> {
    let mut wire = Vec::new();
    for line in lines {
        wire.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        wire.extend_from_slice(b"\r\n");
    }
    wire
}

#[test]
fn every_shape_of_message_comes_back_as_it_was() {
    let mut world = World::new(&[]);
    world.json(&verdict("no action", ""));
    let all: Vec<u8> = (1..=255).filter(|b| *b != b'\n').collect();
    let longest = vec![b'x'; 65_485];
    let dots_long = [b"..".as_slice(), &longest[2..]].concat();
    let received: &[u8] = b"Received: by mx";
    let shapes: Vec<Vec<&[u8]>> = vec![
        MESSAGE.to_vec(),
        vec![received, b"", &all, b"\x80\xff", b"caf\xe9"],
        vec![received, b"", &longest, &dots_long],
        vec![received],
        vec![received, b""],
        vec![received, b"", b"", b""],
        vec![received, b"", b"..", b"...", b".x", b". ", b".\r"],
        vec![
            received,
            b"X: a",
            b"\tfolded",
            b"  twice",
            b"",
            b"body | with | bars",
        ],
        vec![received, b"Bad\xff\xfename: \xff", b"", b"x"],
        vec![received, b"not a header", b"x: y"],
        vec![received, b"", b"a\rb", b" trailing \t "],
        vec![b"", b"no header"],
    ];
    for lines in shapes {
        let outcome = world.smtpd.message(&smtpd::OUTSIDE, &lines);
        assert_eq!(outcome.result, "proceed");
        assert!(
            outcome.lines == lines,
            "changed: {:?}",
            lines[lines.len() - 1]
        );
        assert!(world.rspamd.request().body == on_the_wire(&lines));
    }
}

#[test]
fn a_line_that_smtpd_could_not_take_back_is_refused_for_good() {
    let mut world = World::new(&[]);
    for length in [65_486, 1_000_000] {
        let long = vec![b'x'; length];
        let outcome = world
            .smtpd
            .message(&smtpd::OUTSIDE, &[b"a: b", b"", &long, b"after"]);
        assert_eq!(
            outcome.result,
            "reject|554 5.6.0 Message has a line that is too long"
        );
        assert!(outcome.lines.is_empty());
        super::still_works(&mut world);
    }
}

#[test]
fn a_header_that_smtpd_would_choke_on_is_refused_for_good() {
    let mut world = World::new(&[]);
    world.json(&verdict("no action", ""));
    let line = [b"To: ".as_slice(), &b"a,".repeat(30_000)].concat();
    let with = |count: usize| {
        let mut lines = vec![line.as_slice(); count];
        lines.extend([b"".as_slice(), b"text"]);
        lines
    };
    let outcome = world.smtpd.message(&smtpd::OUTSIDE, &with(4));
    assert_eq!(outcome.result, "proceed");
    let outcome = world.smtpd.message(&smtpd::OUTSIDE, &with(5));
    assert_eq!(
        outcome.result,
        "reject|552 5.3.4 Message has a header that is too large"
    );
    assert!(outcome.lines.is_empty());
    super::still_works(&mut world);
    // a body is no header
    let long = vec![b'x'; 60_000];
    let mut lines = vec![b"a: b".as_slice(), b""];
    lines.resize(10, &long);
    assert_eq!(
        world.smtpd.message(&smtpd::OUTSIDE, &lines).result,
        "proceed"
    );
}

#[test]
fn a_message_over_the_limit_is_refused_for_good() {
    let mut world = World::new(&["--max-size", "100"]);
    world.json(&verdict("no action", ""));
    let fits = [b'x'; 100 - 2 - 6];
    let outcome = world.smtpd.message(&smtpd::OUTSIDE, &[b"a: b", &fits]);
    assert_eq!(outcome.result, "proceed");
    let outcome = world
        .smtpd
        .message(&smtpd::OUTSIDE, &[b"a: b", &fits, b"", b"more"]);
    assert_eq!(outcome.result, "reject|552 5.3.4 Message is too large");
    assert!(outcome.lines.is_empty());
}

#[test]
fn memory_does_not_grow_with_the_message() {
    let mut world = World::new(&["--max-size", "100000000"]);
    // the verdict changes the header, so that all of the way back is walked
    world.json(&verdict(
        "add header",
        r#","milter":{"remove_headers":{"X-A":-1}}"#,
    ));
    let line = [b'x'; 998];
    let lines = 60 * 1024 * 1024 / 1000;
    let session = world.smtpd.open(&smtpd::OUTSIDE);
    world.smtpd.data_line(&session, b"Received: by mx");
    world.smtpd.data_line(&session, b"");
    for _ in 0..lines {
        world.smtpd.data_line(&session, &line);
    }
    world.smtpd.data_line(&session, b".");
    let outcome = world.smtpd.finish(&session);
    assert_eq!(outcome.result, "proceed");
    assert_eq!(outcome.lines.len(), lines + 5);
    assert_eq!(world.rspamd.request().body.len(), 17 + 2 + lines * 1000);
    assert!(peak(&world) < 32 * 1024, "{} kB at most", peak(&world));
}

#[test]
fn memory_does_not_grow_with_a_header_that_is_refused() {
    let mut world = World::new(&[]);
    world.json(&verdict("add header", ""));
    let field = [b"X-Field: ".as_slice(), &[b'x'; 900]].concat();
    let count = 30 * 1024 * 1024 / 900;
    let session = world.smtpd.open(&smtpd::OUTSIDE);
    for _ in 0..count {
        world.smtpd.data_line(&session, &field);
    }
    world.smtpd.data_line(&session, b".");
    let outcome = world.smtpd.finish(&session);
    assert_eq!(
        outcome.result,
        "reject|552 5.3.4 Message has a header that is too large"
    );
    assert!(outcome.lines.is_empty());
    assert!(peak(&world) < 32 * 1024, "{} kB at most", peak(&world));
}

/// The most memory the filter ever used, in kB.
fn peak(world: &World) -> u64 {
    let status = std::fs::read_to_string(world.smtpd.proc("status")).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
