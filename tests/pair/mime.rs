//! What is odd about parts and encodings.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::odd::{Odd, odd};

fn typed(kind: &str) -> String {
    format!("MIME-Version: 1.0\nContent-Type: {kind}\n")
}

fn encoded(kind: &str, encoding: &str) -> String {
    format!("{}Content-Transfer-Encoding: {encoding}\n", typed(kind))
}

/// Parts between boundaries, the last one closed.
fn parts(boundary: &str, parts: &[&str]) -> String {
    let mut text = String::new();
    for part in parts {
        text.push_str(&format!("--{boundary}\n{part}\n"));
    }
    text + &format!("--{boundary}--\n")
}

/// Base64 in lines of so many letters.
fn base64(bytes: &[u8], width: usize) -> String {
    let all = STANDARD.encode(bytes);
    let lines = all.as_bytes().chunks(width);
    lines.map(|l| String::from_utf8_lossy(l) + "\n").collect()
}

/// A message as another one has it inside.
fn inner(depth: usize) -> String {
    let head = format!("From: peer@example.com\nSubject: inside {depth}\nX-Depth: {depth}\n");
    match depth {
        0 => format!("{head}\n.\nthe innermost  \n"),
        _ => format!(
            "{head}MIME-Version: 1.0\nContent-Type: message/rfc822\n\n{}",
            inner(depth - 1)
        ),
    }
}

/// Parts in parts, so deep.
fn nested(depth: usize) -> String {
    let boundary = format!("level-{depth}");
    let inside = match depth {
        0 => "Content-Type: text/plain\n\nthe innermost part\n".to_owned(),
        _ => format!(
            "Content-Type: multipart/mixed; boundary=level-{}\n\n{}",
            depth - 1,
            nested(depth - 1)
        ),
    };
    parts(&boundary, &["\nbeside it\n", &inside])
}

/// All of them.
pub fn all() -> Vec<Odd> {
    let mut all = encodings();
    all.extend(structures());
    all.extend(kinds());
    all
}

fn encodings() -> Vec<Odd> {
    let bytes: Vec<u8> = (0..=255).cycle().take(4000).collect();
    vec![
        odd(
            "base64",
            &encoded("application/octet-stream", "base64"),
            base64(&bytes, 76),
        ),
        odd(
            "base64-996",
            &encoded("application/octet-stream", "base64"),
            base64(&bytes, 996),
        ),
        odd(
            "base64-of-4",
            &encoded("image/png", "base64"),
            base64(&bytes[..300], 4),
        ),
        odd(
            "base64-of-nothing",
            &encoded("application/octet-stream", "base64"),
            "\n",
        ),
        odd(
            "base64-damaged",
            &encoded("text/plain", "base64"),
            "QUJD*REVG\n====\n R0hJ \nnot base64 at all!\n.\n",
        ),
        odd(
            "quoted-printable",
            &encoded("text/plain; charset=utf-8", "quoted-printable"),
            "a soft =\nbreak, =3D, =C3=A4, a blank at the end=20\n=2E\n=46rom here\n=\n",
        ),
        odd(
            "quoted-printable-damaged",
            &encoded("text/plain; charset=utf-8", "quoted-printable"),
            "=ZZ = =A\nraw blanks at the end   \nlower =c3=a4 =\n\n==\n",
        ),
        odd(
            "binary-declared",
            &encoded("text/plain", "binary"),
            "no more than text\n",
        ),
        odd(
            "unknown-encoding",
            &encoded("text/plain", "x-rot13"),
            "Uryyb\n",
        ),
        odd(
            "unknown-type",
            &typed("x-thing/x-other; a; b=; =c"),
            "what is it?\n",
        ),
        odd("broken-type", &typed(";;;"), "nothing\n"),
    ]
}

fn structures() -> Vec<Odd> {
    let mixed = |boundary: &str| typed(&format!("multipart/mixed; boundary={boundary}"));
    let page =
        "Content-Type: text/html; charset=utf-8\n\n<p>Dear Carol,<br><img src=\"cid:dot@x\">\n";
    let dot = "Content-Type: image/gif\nContent-ID: <dot@x>\nContent-Transfer-Encoding: base64\n\n\
               R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs=\n";
    let related = format!(
        "Content-Type: multipart/related; boundary=r\n\n{}",
        parts("r", &[page, dot])
    );
    let alternative = format!(
        "Content-Type: multipart/alternative; boundary=a\n\n{}",
        parts(
            "a",
            &["Content-Type: text/plain\n\nDear Carol,\n", &related]
        )
    );
    let attachment = "Content-Type: application/pdf;\n name*0*=utf-8''B%C3%BC;\n name*1=cher.pdf\n\
                      Content-Disposition: attachment; filename=\"../../odd name.pdf\"\n\
                      Content-Transfer-Encoding: base64\n\nJVBERi0xLjQK\n";
    let strange = "=_(')+,-./:=? 0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQR";
    vec![
        odd(
            "usual",
            &mixed("m"),
            parts("m", &[&alternative, attachment]),
        ),
        odd("nested", &mixed("level-12"), nested(12)),
        odd(
            "empty-parts",
            &mixed("e"),
            parts("e", &["", "\n", "Content-Type: text/plain\n", "\n\n"]),
        ),
        odd("no-parts", &mixed("never"), "there is no boundary here\n"),
        odd(
            "never-closed",
            &mixed("open"),
            "--open\n\nthe first\n--open\n\nthe last\n",
        ),
        odd("closed-at-once", &mixed("shut"), "--shut--\n"),
        odd(
            "closed-twice",
            &mixed("twice"),
            "--twice\n\na\n--twice--\n--twice\n\nb\n--twice--\n",
        ),
        odd(
            "before-and-after",
            &mixed("p"),
            format!(
                "before the parts\n.\n\n{}after them\n\n\n",
                parts("p", &["\na part\n"])
            ),
        ),
        odd(
            "alike-boundaries",
            &mixed("b"),
            "--b\nContent-Type: multipart/mixed; boundary=bb\n\n--bb\n\ninside\n--bb-\n--bbb\n--bb--\n--b--\n",
        ),
        odd(
            "strange-boundary",
            &mixed(&format!("\"{strange}\"")),
            parts(strange, &["\npart\n"]),
        ),
        odd(
            "blanks-behind-boundaries",
            &mixed("w"),
            "--w  \t\n\na part\n--w-- \t \n",
        ),
        odd(
            "no-boundary",
            &typed("multipart/mixed"),
            "--\n\nwhich one?\n----\n",
        ),
    ]
}

fn kinds() -> Vec<Odd> {
    let signature = format!(
        "Content-Type: application/pkcs7-signature; name=smime.p7s\n\
         Content-Transfer-Encoding: base64\n\
         Content-Disposition: attachment; filename=smime.p7s\n\n{}",
        base64(
            b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80 and so on",
            64
        )
    );
    let report = "Content-Type: message/delivery-status\n\nReporting-MTA: dns; h.example.com\n\n\
                  Final-Recipient: rfc822; x@example.com\nAction: failed\nStatus: 5.1.1\n";
    vec![
        odd(
            "smime-signed",
            &typed(
                "multipart/signed; protocol=\"application/pkcs7-signature\";\n\
                 \tmicalg=sha-256; boundary=\"----s\"",
            ),
            parts(
                "----s",
                &[
                    "Content-Type: text/plain\n\nsigned, with blanks  \n\n",
                    &signature,
                ],
            ),
        ),
        odd(
            "smime-enveloped",
            &encoded(
                "application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m",
                "base64",
            ),
            base64(&[0x30; 700], 64),
        ),
        odd(
            "pgp-encrypted",
            &typed("multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=g"),
            parts(
                "g",
                &[
                    "Content-Type: application/pgp-encrypted\n\nVersion: 1\n",
                    "Content-Type: application/octet-stream\n\n-----BEGIN PGP MESSAGE-----\n\nhF4D\n\
                     =x\n-----END PGP MESSAGE-----\n",
                ],
            ),
        ),
        odd("message-attached", &typed("multipart/mixed; boundary=f"), {
            let forwarded = format!("Content-Type: message/rfc822\n\n{}", inner(0));
            parts("f", &["\nsee below\n", &forwarded])
        }),
        odd("message-in-message", &typed("message/rfc822"), inner(6)),
        odd(
            "report",
            &typed("multipart/report; report-type=delivery-status; boundary=d"),
            parts("d", &["\nIt did not work.\n", report]),
        ),
        odd(
            "partial",
            &typed("message/partial; id=\"abc@example.org\"; number=2; total=3"),
            "the middle of something larger\n",
        ),
        odd(
            "external",
            &typed("message/external-body; access-type=local-file; name=\"/nowhere\""),
            "Content-Type: text/plain\n\n",
        ),
        odd(
            "invitation",
            &typed("text/calendar; method=REQUEST; charset=utf-8"),
            "BEGIN:VCALENDAR\nMETHOD:REQUEST\nVERSION:2.0\nBEGIN:VEVENT\nUID:1\nSUMMARY:a line that\n  \
             is folded\nEND:VEVENT\nEND:VCALENDAR\n",
        ),
        odd(
            "html",
            &typed("text/html"),
            "<!doctype html><p>never closed <b>bold\n<!-- > -->&amp;&#x41;\n</html>\n<p>after\n",
        ),
    ]
}
