//! What is odd about a text: its lines, its ends, its octets.

use crate::odd::{Odd, odd};

const PLAIN: &str = "MIME-Version: 1.0\nContent-Type: text/plain; charset=us-ascii\n";
const EIGHT_BIT: &str = "MIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\n";

fn charset(name: &str) -> String {
    format!("{EIGHT_BIT}Content-Type: text/plain; charset={name}\n")
}

/// Every octet of that range in lines of sixteen.
fn octets(from: u8, to: u8) -> Vec<u8> {
    let all: Vec<u8> = (from..=to).filter(|b| !b"\r\n".contains(b)).collect();
    let mut text = all.chunks(16).collect::<Vec<_>>().join(&b'\n');
    text.push(b'\n');
    text
}

/// All of them.
pub fn all() -> Vec<Odd> {
    let line = |length: usize| "x".repeat(length) + "\n";
    let staircase: String = (0..130).map(line).collect();
    let around_buffers: String = [4094, 4095, 4096, 4097, 8191, 8192]
        .map(|length| "0123456789abcde\n".repeat(length / 16) + &line(length % 16))
        .concat();
    vec![
        odd("ends", PLAIN, "a body of one line\n"),
        odd("no-mime", "", "From the time before MIME.\n"),
        odd("nothing-but-header", PLAIN, "").all_header(),
        odd("empty-body", PLAIN, ""),
        odd("one-empty-line", PLAIN, "\n"),
        odd("fifty-empty-lines", PLAIN, "\n".repeat(50)),
        odd("empty-lines-at-the-end", PLAIN, "text\n\n\n\n\n"),
        odd("empty-lines-at-the-beginning", PLAIN, "\n\n\ntext\n"),
        odd("one-letter", PLAIN, "x\n"),
        odd("one-dot", PLAIN, ".\n"),
        odd(
            "dots",
            PLAIN,
            ".\n..\n...\n....\n.hidden\n..a\n. \n.\t\n \n.\n",
        ),
        odd("dot-first-and-last", PLAIN, ".first\ntext\n.\n"),
        odd("dots-alone", PLAIN, ".\n".repeat(300)),
        odd(
            "commands",
            PLAIN,
            "QUIT\nRSET\n.\nMAIL FROM:<x@example.com>\nRCPT TO:<bob@example.net>\nDATA\n.\nQUIT\n",
        ),
        odd(
            "mailbox-lines",
            PLAIN,
            "From alice Mon Jan  1 00:00:00 2024\n>From here\n>>From there\nFrom: x\nfrom y\n",
        ),
        odd(
            "header-in-body",
            PLAIN,
            "Bcc: dave@second.org\nTo: nobody\nReceived: from nowhere\nX-Spam: Yes\n\nmore\n",
        ),
        odd(
            "blanks-at-ends",
            PLAIN,
            "two  \n\t\n   \ntab\t\nboth \t \n \n",
        ),
        odd("blanks-at-starts", PLAIN, " one\n  two\n\ttab\n \t both\n"),
        odd(
            "blanks-first",
            PLAIN,
            " this would continue the header\n\tand this\n",
        ),
        odd("998", PLAIN, line(998).repeat(5)),
        odd(
            "998-with-dots",
            PLAIN,
            (".".to_owned() + &line(997)).repeat(5),
        ),
        odd("998-of-dots", PLAIN, (".".repeat(998) + "\n").repeat(3)),
        odd("998-of-blanks", PLAIN, " ".repeat(998) + "\nend\n"),
        // against the rules, but seen often
        odd("5000", PLAIN, line(5000).repeat(2)),
        odd("all-lengths", PLAIN, staircase),
        odd("around-buffers", PLAIN, around_buffers),
        odd("many-lines", PLAIN, "abc\n".repeat(30_000)),
        odd("controls", PLAIN, octets(1, 31)),
        odd(
            "utf-8",
            &charset("utf-8"),
            "Grüße, 日本語, 🦀, e\u{301}, \u{202e}abc\u{feff}\n",
        ),
        odd(
            "latin-1",
            &charset("iso-8859-1"),
            b"Gr\xfc\xdfe\nna\xefve\n",
        ),
        odd("every-octet", &charset("iso-8859-1"), octets(128, 255)),
        odd(
            "broken-utf-8",
            &charset("utf-8"),
            b"\xc3\n\xff\xfe\n\xed\xa0\x80 \xf8\x88\n",
        ),
        odd("8bit-undeclared", "", b"caf\xe9 \xe2\x82\xac\n"),
        odd("8bit-998", &charset("utf-8"), "é".repeat(499) + "\n"),
        odd(
            "iso-2022-jp",
            "MIME-Version: 1.0\nContent-Type: text/plain; charset=iso-2022-jp\n",
            b"\x1b$B$3$s$K$A$O\x1b(B\n",
        ),
        odd(
            "unknown-charset",
            &charset("klingon-3"),
            "nuqneH \u{f8d0}\n",
        ),
        odd("uuencode", PLAIN, "begin 644 cat.txt\n#0V%T\n`\nend\n"),
        odd(
            "signature-mark",
            "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8; format=flowed; delsp=yes\n",
            "flowed \ntext \n of a mail program\n\n-- \nAlice\n",
        ),
        odd(
            "inline-pgp",
            PLAIN,
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n- -----dashes\n- From me\n\
             -----BEGIN PGP SIGNATURE-----\n\niHUEARYKAB0WIQ==\n=aB3d\n-----END PGP SIGNATURE-----\n",
        ),
    ]
}
