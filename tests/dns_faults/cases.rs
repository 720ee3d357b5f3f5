//! The mistakes, one at a time.

use crate::{book::Book, second::Second};

/// A mistake.
pub struct Case {
    /// How it is to be named.
    pub id: &'static str,
    /// What was done.
    pub what: &'static str,
    /// Makes it.
    pub make: fn(&mut Book),
    /// A second name server, for those that need one.
    pub second: Second,
}

const fn case(id: &'static str, what: &'static str, make: fn(&mut Book)) -> Case {
    Case {
        id,
        what,
        make,
        second: Second::None,
    }
}

const HOST: &str = "mail.example.org.";
const ORG: &str = "example.org.";
const TEAM: &str = "team.example.net.";
const RSA: &str = "ezmail-rsa._domainkey.example.org.";
const ED: &str = "ezmail-ed25519._domainkey.example.org.";
const DMARC: &str = "_dmarc.example.org.";
const V4: &str = "10.0.18.198.in-addr.arpa.";

/// The text of a TXT record's data.
fn plain(data: &str) -> String {
    data.trim_matches('"').replace("\" \"", "")
}

fn strings(text: &str) -> String {
    ezmail::dns::txt(text)
}

/// The same records, but some under names of another zone, to which aliases lead.
pub fn with_aliases(right: &Book) -> Book {
    let mut book = right.clone();
    for (name, kind, target) in [
        (ED, "TXT", "key.example.com."),
        (DMARC, "TXT", "policy.example.com."),
        // RFC 2317
        (V4, "PTR", "10.0-15.example.com."),
    ] {
        book.rename(name, kind, target);
        book.add(&format!("{name} CNAME {target}"));
    }
    book
}

/// All of them.
pub const CASES: &[Case] = &[
    // names and forms
    case(
        "doubled-name",
        "DMARC at _dmarc.example.org.example.org",
        |b| {
            b.rename(DMARC, "TXT", "_dmarc.example.org.example.org.");
        },
    ),
    case(
        "doubled-name",
        "a DKIM key at …example.org.example.org",
        |b| {
            b.rename(
                ED,
                "TXT",
                "ezmail-ed25519._domainkey.example.org.example.org.",
            );
        },
    ),
    case("missing-dot", "an MX host without its dot", |b| {
        b.set(ORG, "MX", "10 mail.example.org.example.org.");
    }),
    case("missing-dot", "a reverse name without its dot", |b| {
        b.set(V4, "PTR", "mail.example.org.18.198.in-addr.arpa.");
    }),
    case("txt-quotes-inside", "quotes inside DMARC", |b| {
        let text = plain(&b.data(DMARC, "TXT"));
        b.set(DMARC, "TXT", &strings(&format!("\"{text}\"")));
    }),
    case("txt-quotes-inside", "quotes inside SPF", |b| {
        b.set(TEAM, "TXT", "\"\\\"v=spf1 mx -all\\\"\"");
    }),
    case(
        "txt-quotes-inside",
        "the quotes of the split inside a DKIM key",
        |b| {
            let text = b.data(RSA, "TXT");
            b.set(RSA, "TXT", &strings(&text));
        },
    ),
    case(
        "txt-escaped-semicolon",
        "backslashes before the semicolons of a DKIM key",
        |b| {
            let text = plain(&b.data(ED, "TXT")).replace(';', "\\;");
            b.set(ED, "TXT", &strings(&text));
        },
    ),
    case("txt-spaces", "a space at the split of a DKIM key", |b| {
        b.change(RSA, "TXT", "\" \"", " \" \"");
    }),
    case("txt-spaces", "the space at the split of SPF lost", |b| {
        b.set(ORG, "TXT", "\"v=spf1 mx\" \"-all\"");
    }),
    case(
        "txt-in-several-records",
        "a DKIM key's strings as two records",
        |b| {
            let text = plain(&b.data(RSA, "TXT"));
            let (one, two) = text.split_at(255);
            b.set(RSA, "TXT", &format!("\"{one}\""));
            b.add(&format!("{RSA} TXT \"{two}\""));
        },
    ),
    case("ttl-long", "a TTL of a week", |b| {
        let data = b.data(ORG, "MX");
        b.del(ORG, "MX");
        b.0.get_mut(ORG)
            .unwrap()
            .push(format!("{ORG} 604800 IN MX {data}"));
    }),
    // the server
    case("address-missing", "no AAAA record", |b| b.del(HOST, "AAAA")),
    case(
        "address-elsewhere",
        "the A record of an earlier server",
        |b| {
            b.set(HOST, "A", "198.18.0.99");
        },
    ),
    case("address-extra", "a second A record", |b| {
        b.add("mail.example.org. A 198.18.0.99")
    }),
    case("host-is-alias", "the server's name as CNAME", |b| {
        for kind in ["A", "AAAA", "TXT", "CAA"] {
            b.del(HOST, kind);
        }
        b.add("mail.example.org. CNAME c1.example.com.");
    }),
    case("ptr-missing", "no reverse name", |b| b.del(V4, "PTR")),
    case("ptr-generic", "the provider's reverse name", |b| {
        b.set(V4, "PTR", "static-198-18-0-10.example.com.");
    }),
    case(
        "ptr-unconfirmed",
        "a reverse name that does not lead back",
        |b| {
            b.set(V4, "PTR", "c7.example.com.");
        },
    ),
    case(
        "ptr-other-name",
        "the reverse name of another service here",
        |b| {
            b.set(V4, "PTR", "www.example.org.");
            b.add("www.example.org. A 198.18.0.10");
        },
    ),
    case("ptr-several", "two reverse names", |b| {
        b.add("10.0.18.198.in-addr.arpa. PTR www.example.com.");
    }),
    case("caa-forbids", "a CAA record for another authority", |b| {
        b.set(HOST, "CAA", "0 issue \"ca.example.net\"");
    }),
    case(
        "caa-forbids",
        "a CAA record at the domain that forbids all",
        |b| {
            b.del(HOST, "CAA");
            b.add("example.org. CAA 0 issue \";\"");
        },
    ),
    case("tlsa-stale", "the TLSA record of an earlier key", |b| {
        b.set(
            "_25._tcp.mail.example.org.",
            "TLSA",
            &format!("3 1 1 {}", "ab".repeat(32)),
        );
    }),
    // MX
    case("mx-missing", "no MX record", |b| b.del(ORG, "MX")),
    case("mx-null", "a null MX", |b| b.set(ORG, "MX", "0 .")),
    case("mx-is-address", "an address as MX host", |b| {
        b.set(ORG, "MX", "10 198.18.0.10.")
    }),
    case("mx-is-alias", "an alias as MX host", |b| {
        b.set(ORG, "MX", "10 smtp.example.org.");
        b.add("smtp.example.org. CNAME mail.example.org.");
    }),
    case(
        "mx-other-name",
        "another name of the server as MX host",
        |b| {
            b.set(ORG, "MX", "10 smtp.example.org.");
            b.add("smtp.example.org. A 198.18.0.10");
        },
    ),
    case(
        "mx-wrong-host",
        "the MX record of an earlier provider",
        |b| {
            b.set(ORG, "MX", "10 mx.example.com.");
        },
    ),
    case("mx-foreign", "a second MX of somebody else", |b| {
        b.add("example.org. MX 20 mx.example.com.");
    }),
    case("mx-preference", "another priority", |b| {
        b.set(ORG, "MX", "50 mail.example.org.")
    }),
    case("cname-at-domain", "a CNAME in place of MX and SPF", |b| {
        b.del(TEAM, "MX");
        b.del(TEAM, "TXT");
        b.add("team.example.net. CNAME example.com.");
    }),
    // SPF
    case("spf-missing", "no SPF record", |b| b.del(ORG, "TXT")),
    case("spf-two-records", "two SPF records", |b| {
        b.add("example.org. TXT \"v=spf1 ip4:192.0.2.1 ~all\"");
    }),
    case("spf-split", "SPF over two records", |b| {
        b.set(ORG, "TXT", "\"v=spf1 mx\"");
        b.add("example.org. TXT \"include:example.com -all\"");
    }),
    case("spf-lacks-server", "SPF without the server", |b| {
        b.set(ORG, "TXT", "\"v=spf1 ip4:192.0.2.1 -all\"");
    }),
    case("spf-allows-all", "+all", |b| {
        b.set(ORG, "TXT", "\"v=spf1 mx +all\"")
    }),
    case("spf-neutral", "?all", |b| {
        b.set(ORG, "TXT", "\"v=spf1 mx ?all\"")
    }),
    case("spf-no-end", "no all", |b| {
        b.set(ORG, "TXT", "\"v=spf1 mx\"")
    }),
    case("spf-after-all", "all before the rest", |b| {
        b.set(ORG, "TXT", "\"v=spf1 mx -all include:example.com\"");
    }),
    case(
        "spf-too-many-lookups",
        "more than ten look-ups, by includes",
        |b| {
            b.set(ORG, "TXT", "\"v=spf1 mx include:spf.example.com -all\"");
            let many: Vec<String> = (1..=10).map(|n| format!("a:c{n}.example.com")).collect();
            b.add(&format!(
                "spf.example.com. TXT \"v=spf1 {} -all\"",
                many.join(" ")
            ));
        },
    ),
    case("spf-syntax", "a word that is none", |b| {
        b.set(ORG, "TXT", "\"v=spf1 mx ipv4:198.18.0.10 -all\"");
    }),
    // DKIM
    case("dkim-missing", "no record of a key", |b| b.del(RSA, "TXT")),
    case("dkim-not-yet", "no record of the earlier key", |b| {
        b.del("ezmail-rsa-2025._domainkey.example.org.", "TXT");
    }),
    case(
        "dkim-wrong-name",
        "a key without _domainkey in its name",
        |b| {
            b.rename(ED, "TXT", "ezmail-ed25519.example.org.");
        },
    ),
    case("dkim-two-records", "two records of a key", |b| {
        b.add("ezmail-ed25519._domainkey.example.org. TXT \"v=DKIM1; k=ed25519; p=AAAA\"");
    }),
    case("dkim-truncated", "a key cut off at 255 characters", |b| {
        let text = plain(&b.data(RSA, "TXT"));
        b.set(RSA, "TXT", &format!("\"{}\"", &text[..255]));
    }),
    case("dkim-revoked", "a key with an empty p=", |b| {
        b.set(ED, "TXT", "\"v=DKIM1; k=ed25519; p=\"");
    }),
    case("dkim-other-selector", "the key of the other domain", |b| {
        let other = b.data("ezmail-rsa._domainkey.team.example.net.", "TXT");
        b.set(RSA, "TXT", &other);
    }),
    case("dkim-old-key", "the earlier key still there", |b| {
        let old = b.data("ezmail-rsa-2025._domainkey.example.org.", "TXT");
        b.set(RSA, "TXT", &old);
    }),
    case("dkim-wrong-key", "the key of an earlier server", |b| {
        b.set(
            ED,
            "TXT",
            "\"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"",
        );
    }),
    case("dkim-testing", "t=y", |b| {
        b.change(ED, "TXT", "v=DKIM1;", "v=DKIM1; t=y;")
    }),
    case("dkim-hash", "h=sha1", |b| {
        b.change(ED, "TXT", "v=DKIM1;", "v=DKIM1; h=sha1;")
    }),
    case("dkim-algorithm", "k=rsa of an Ed25519 key", |b| {
        b.change(ED, "TXT", "ed25519;", "rsa;")
    }),
    case("dkim-syntax", "v=DKIM1 not first", |b| {
        let text = plain(&b.data(ED, "TXT")).replace("v=DKIM1; ", "");
        b.set(ED, "TXT", &strings(&format!("{text}; v=DKIM1")));
    }),
    case("dkim-differs", "s=tlsrpt", |b| {
        b.change(ED, "TXT", "v=DKIM1;", "v=DKIM1; s=tlsrpt;")
    }),
    case("dkim-wildcard", "a wildcard below _domainkey", |b| {
        b.add("*._domainkey.example.org. TXT \"v=DKIM1; p=\"");
    }),
    // DMARC
    case("dmarc-missing", "no DMARC record", |b| b.del(DMARC, "TXT")),
    case("dmarc-wrong-name", "DMARC without the underscore", |b| {
        b.rename(DMARC, "TXT", "dmarc.example.org.");
    }),
    case("dmarc-wrong-name", "DMARC at the domain itself", |b| {
        b.rename(DMARC, "TXT", ORG);
    }),
    case("dmarc-two-records", "two DMARC records", |b| {
        b.add("_dmarc.example.org. TXT \"v=DMARC1; p=none\"");
    }),
    case("dmarc-version-not-first", "v=DMARC1 behind p=", |b| {
        b.set(
            DMARC,
            "TXT",
            "\"p=quarantine; v=DMARC1; rua=mailto:postmaster@example.org\"",
        );
    }),
    case("dmarc-syntax", "commas in place of semicolons", |b| {
        b.set(
            DMARC,
            "TXT",
            "\"v=DMARC1, p=quarantine, rua=mailto:postmaster@example.org\"",
        );
    }),
    case("dmarc-no-policy", "a policy that does not exist", |b| {
        b.set(
            DMARC,
            "TXT",
            "\"v=DMARC1; p=block; rua=mailto:postmaster@example.org\"",
        );
    }),
    case("dmarc-other-policy", "a weaker policy", |b| {
        b.change(DMARC, "TXT", "quarantine", "none")
    }),
    case("dmarc-no-reports", "no rua", |b| {
        b.set(DMARC, "TXT", "\"v=DMARC1; p=quarantine\"");
    }),
    // the rest
    case("mta-sts-differs", "the id of an earlier policy", |b| {
        b.set("_mta-sts.example.org.", "TXT", "\"v=STSv1; id=1\"");
    }),
    case("mta-sts-differs", "two MTA-STS records", |b| {
        b.add("_mta-sts.example.org. TXT \"v=STSv1; id=1\"");
    }),
    case("record-differs", "the settings of another server", |b| {
        b.set("autoconfig.example.org.", "CNAME", "mail.example.com.");
    }),
    case(
        "tlsrpt-differs",
        "reports about TLS to somebody else",
        |b| {
            b.set(
                "_smtp._tls.example.org.",
                "TXT",
                "\"v=TLSRPTv1; rua=mailto:a@example.com\"",
            );
        },
    ),
    case("srv-differs", "the SRV record of an earlier server", |b| {
        b.set(
            "_imaps._tcp.example.org.",
            "SRV",
            "0 1 993 imap.example.com.",
        );
    }),
    // zones and servers
    case(
        "domain-missing",
        "a domain of which there is nothing",
        |b| b.del_below(TEAM),
    ),
    case(
        "server-without-address",
        "a name server that does not exist",
        |b| {
            b.add("example.org. NS ns9.com.");
        },
    ),
    Case {
        second: Second::Silent,
        ..case("server-silent", "a name server that does not run", |b| {
            b.add("example.net. NS ns2.com.");
        })
    },
    Case {
        second: Second::Lame,
        ..case("server-lame", "a name server without the zone", |b| {
            b.add("example.net. NS ns2.com.");
        })
    },
    Case {
        second: Second::Old,
        ..case(
            "servers-differ",
            "a name server with an earlier MX record",
            |b| {
                b.add("example.net. NS ns2.com.");
            },
        )
    },
    Case {
        second: Second::Same,
        ..case(
            "serials-differ",
            "a name server with another serial number",
            |b| {
                b.add("example.net. NS ns2.com.");
            },
        )
    },
    // last: the resolver remembers for a minute what did not validate
    case("dnssec-bogus", "a DS record that does not fit", |b| {
        let data = b.data(ORG, "DS");
        let (front, digest) = data.rsplit_once(' ').unwrap();
        let digest: String = digest.chars().rev().collect();
        b.set(ORG, "DS", &format!("{front} {digest}"));
    }),
];
