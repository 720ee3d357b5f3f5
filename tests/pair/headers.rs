//! What is odd about a header: folding, lengths, encodings, repetitions.

use crate::odd::{Odd, odd};

const BODY: &str = "The header is what matters.\n";

/// All of them.
pub fn all() -> Vec<Odd> {
    let references: String = (0..60)
        .map(|n| format!("\n\t<part-{n}.of-a-long-thread@lists.example.com>"))
        .collect();
    let many: String = (0..200).map(|n| format!("X-Number-{n}: {n}\n")).collect();
    let hops: String = (0..12)
        .map(|n| {
            format!(
                "Received: from h{n}.example.com (h{n}.example.com [198.18.200.{n}])\n\
                 \tby h{0}.example.com with ESMTPS id {n}abc;\n\
                 \tThu, 1 Jan 2026 00:00:{n:02} +0000\n",
                n + 1
            )
        })
        .collect();
    let hundred: String = (0..100)
        .map(|n| format!(",\n  \"Number {n}\" <number{n}@example.com>"))
        .collect();
    let crowd = |n: usize| format!("carol+copy{n}@second.org");
    vec![
        odd(
            "folded",
            "X-Folded: a\n  b\n\t\tc\n \t d\nSubject: folded\n in\n\tmany   ways\n",
            BODY,
        ),
        odd("folded-long", &format!("References:{references}\n"), BODY),
        odd(
            "folded-at-once",
            "X-At-Once:\n nothing on the first line\nSubject:\n neither here\n",
            BODY,
        ),
        odd(
            "folded-addresses",
            "From: \"Alice\"\n\t<alice@example.org>\nTo: Carol\n <carol@second.org>,\n  \
             \"Dave, who is\n folded\" <dave@second.org>\nCc: a@example.com,b@example.com,\n c@example.com\n",
            BODY,
        ),
        odd(
            "998-header",
            &format!("X-Long: {}\n", "y".repeat(990)),
            BODY,
        ),
        odd(
            "998-header-folded",
            &format!(
                "X-Long: {}\n {}\n\t{}\n",
                "y".repeat(990),
                "z".repeat(997),
                "w".repeat(997)
            ),
            BODY,
        ),
        odd(
            "long-subject",
            &format!("Subject: {}\n", "word ".repeat(150) + "end"),
            BODY,
        ),
        odd(
            "empty-fields",
            "X-Empty:\nX-Blank: \nX-Blanks:  \t \nSubject:\n",
            BODY,
        ),
        odd(
            "tight",
            "X-Tight:value\nSubject:no blank\nX-Wide:    many\nX-Tab:\ttab\n",
            BODY,
        ),
        odd(
            "blanks-at-the-end",
            "X-Trail: value  \nX-Tab: value\t\nSubject: ends with blanks  \n",
            BODY,
        ),
        odd(
            "case",
            "sUBJECT: odd case\nmime-version: 1.0\nCONTENT-TYPE: TEXT/PLAIN\n",
            BODY,
        ),
        odd(
            "colons",
            "X-Colons: a: b:: c:\nSubject: Re: Fwd: AW: :\n",
            BODY,
        ),
        odd(
            "punctuation-in-names",
            "X-!#$%&'*+-^_`{|}~: fine\nx.y: z\n1: one\n",
            BODY,
        ),
        odd("many-fields", &many, BODY),
        odd("hops", &hops, BODY),
        odd(
            "encoded-subject",
            "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe_aus?= =?UTF-8?B?5pel5pys?=\n \
             =?iso-8859-1?q?_na=EFv_=3F=3D?= and =?us-ascii?Q?plain?=\n",
            BODY,
        ),
        odd(
            "encoded-badly",
            "Subject: =?utf-8?Q?broken =C3?= =?utf-8?B?!!!?= =?nonsense?X?a?= =?utf-8?Q??=\n",
            BODY,
        ),
        odd(
            "encoded-names",
            "From: =?utf-8?Q?Al=C3=AFce?= <alice@example.org>\n\
             To: =?utf-8?B?Q2Fyw7ZsLCBELg==?= <carol@second.org>\n\
             Reply-To: \"=?not encoded?=\" <alice@example.org>\n",
            BODY,
        ),
        odd(
            "utf-8-subject",
            "Subject: Grüße, unkodiert\nX-Name: Šárka 日本\n",
            BODY,
        ),
        odd(
            "comments",
            "Date: Thu, 1 Jan 2026 00:00:00 +0000 (a (nested) comment)\n\
             To: (the) carol@second.org (Carol \\) too)\nComments: one\n",
            BODY,
        ),
        odd(
            "quoted",
            "To: \"Carol, the \\\"great\\\"; <x>\" <carol@second.org>, \"o dd\"@example.com\n",
            BODY,
        ),
        odd(
            "groups",
            "To: undisclosed-recipients:;\nCc: A group: a@example.com, b@example.com;\n",
            BODY,
        ),
        odd(
            "repeated",
            "Comments: 1\nKeywords: a\nComments: 2\nX-Same: 1\nX-Same: 2\nX-Same: 1\n",
            BODY,
        ),
        odd(
            "resent",
            "Resent-Date: Thu, 1 Jan 2026 00:00:00 +0000\nResent-From: alice@example.org\n\
             Resent-To: carol@second.org\nResent-Message-ID: <again@example.org>\n",
            BODY,
        ),
        odd(
            "list",
            "List-Id: Odd things <odd.example.org>\nList-Post: NO\nPrecedence: bulk\n\
             List-Unsubscribe: <mailto:alice@example.org?subject=leave>\nAuto-Submitted: auto-generated\n",
            BODY,
        ),
        odd("old", "Date: Thu, 01 Jan 1970 00:00:00 GMT\n", BODY),
        odd(
            "sender",
            "Sender: al@example.net\nReply-To: alice@example.org, bob@example.net\n",
            BODY,
        ),
        odd(
            "priorities",
            "X-Priority: 1 (Highest)\nImportance: high\nExpires: never\n",
            BODY,
        ),
        odd(
            "many-named",
            &format!("To: carol@second.org{hundred}\n"),
            BODY,
        ),
        odd("many-recipients", "", BODY).to((0..20).map(crowd)),
    ]
}
