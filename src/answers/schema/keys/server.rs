//! The server itself.

use super::ADDRESS;
use crate::answers::schema::{Key, Kind};

pub const SERVER: &[Key] = &[
    Key::new("hostname", Kind::String, "the full name of the server")
        .required()
        .example("\"mail.example.org\"")
        .doc(
            "The server's name in the DNS, which its MX records, its PTR records and its \
             certificate carry. It may lie in one of the mail domains or elsewhere. A private \
             name (`.local`, `.test`, `.lan`, …) works for trying, with a warning: other mail \
             servers refuse it.",
        ),
    Key::new("postmaster", Kind::String, "a mail address")
        .default("the first user")
        .pattern(ADDRESS)
        .example("\"alice@example.org\"")
        .doc(
            "Who reads what is sent to the role addresses of every domain (`abuse`, \
             `hostmaster`, `mailer-daemon`, `noc`, `postmaster`, `root`, `security`, \
             `webmaster`; RFC 2142) and what the server itself has to say. A user, an alias, \
             or an address elsewhere. An alias or user of that name takes a role address over.",
        ),
    Key::new("notify", Kind::String, "a mail address")
        .default("the postmaster")
        .pattern(ADDRESS)
        .example("\"me@example.net\"")
        .doc(
            "Where the server's own notices go: what failed, what changed, what is left to do. \
             Better an address elsewhere: one of the server's own gets no mail when mail is what \
             is broken.",
        ),
    Key::new("webhook", Kind::String, "an https address")
        .secret()
        .pattern(r"^https://")
        .example("\"https://chat.example.net/hooks/4f1c\"")
        .doc(
            "A web address that is told the same as `notify`, by a POST with JSON in it: `server`, \
             `text` for people, and the findings in `new` and `gone`. It is a way out when mail \
             is what is broken. Who knows the address can write there: keep it to yourself.",
        ),
    Key::new("timezone", Kind::String, "the name of a time zone")
        .default("`\"UTC\"`")
        .pattern(r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$")
        .example("\"Europe/Berlin\"")
        .doc(
            "The time zone of the server's own times, by its name in the IANA database: in the \
             `Received` headers of mail, in the hour of a backup. `mailctl` prints UTC.",
        ),
    Key::new(
        "messages_per_hour",
        Kind::Integer {
            min: 1,
            max: 1_000_000,
        },
        "a number of messages",
    )
    .default("100")
    .example("300")
    .doc(
        "How many messages a user may send in an hour, and five times as many in a day; a message \
         counts once, however many it is for. What is above is put off, not lost, and the \
         administrator is told: it may be somebody with a stolen password.",
    ),
];
