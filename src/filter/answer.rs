//! What a filter tells smtpd: `smtpd-filters(7)` and smtpd's `lka_filter.c`.

use super::protocol::Id;

/// The longest data-line that can be given back to smtpd.
///
/// smtpd takes lines of up to 65,534 bytes from the network, but its lookup process reads a
/// filter's answers through a buffer of 65,536 (`IOBUF_MAX` in iobuf.c). An answer that does not
/// fit, with its prefix of 50 bytes and its newline, is never read, and every message waits
/// behind it for ever.
pub(super) const MAX_LINE: usize = 65_536 - 51;

/// The address of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReplyTo {
    pub(super) session: Id,
    token: Id,
    /// Protocol versions before 0.5 have the token first.
    token_first: bool,
}

/// What we ask smtpd for, once it has sent `config|ready`.
pub(super) fn registration(smtp_in: bool) -> String {
    let mut text = String::new();
    if smtp_in {
        for event in [
            "link-connect",
            "link-disconnect",
            "link-identify",
            "link-tls",
            "link-auth",
            "tx-begin",
            "tx-mail",
            "tx-rcpt",
            "tx-reset",
            "tx-rollback",
        ] {
            text.push_str(&format!("register|report|smtp-in|{event}\n"));
        }
        for phase in ["auth", "data-line", "commit"] {
            text.push_str(&format!("register|filter|smtp-in|{phase}\n"));
        }
    }
    text.push_str("register|ready\n");
    text
}

impl ReplyTo {
    /// `token_first` for protocol versions before 0.5.
    pub(super) fn new(session: Id, token: Id, token_first: bool) -> Self {
        Self {
            session,
            token,
            token_first,
        }
    }

    fn prefix(self, kind: &str) -> String {
        let (first, second) = if self.token_first {
            (self.token, self.session)
        } else {
            (self.session, self.token)
        };
        format!("{kind}|{first}|{second}|")
    }

    /// Appends one line of the message to `out`.
    pub(super) fn data_line(self, out: &mut Vec<u8>, line: &[u8]) {
        out.extend_from_slice(self.prefix("filter-dataline").as_bytes());
        out.extend_from_slice(line);
        out.push(b'\n');
    }

    /// The answer that lets smtpd go on.
    pub(super) fn proceed(self) -> String {
        self.prefix("filter-result") + "proceed\n"
    }

    /// The answer that lets smtpd go on with another parameter than the client gave.
    pub(super) fn rewrite(self, parameter: &str) -> String {
        self.prefix("filter-result") + "rewrite|" + parameter + "\n"
    }

    /// The answer that refuses with an SMTP reply such as `451 4.7.1 Try again later`.
    pub(super) fn reject(self, reply: &str) -> String {
        self.prefix("filter-result") + "reject|" + reply + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(token_first: bool) -> ReplyTo {
        let (session, token) = (0x7641_df97_71b4_ed00, 0x1ef1_c203_cc57_6e5d);
        ReplyTo::new(Id(session), Id(token), token_first)
    }

    #[test]
    fn answers() {
        let mut out = Vec::new();
        to(false).data_line(&mut out, b"..a|\xff");
        assert_eq!(
            out,
            b"filter-dataline|7641df9771b4ed00|1ef1c203cc576e5d|..a|\xff\n"
        );
        assert_eq!(
            to(false).reject("451 4.7.1 Try again later"),
            "filter-result|7641df9771b4ed00|1ef1c203cc576e5d|reject|451 4.7.1 Try again later\n"
        );
    }

    #[test]
    fn the_longest_line_fits_smtpds_buffer() {
        let mut out = Vec::new();
        to(false).data_line(&mut out, &vec![b'x'; MAX_LINE]);
        assert_eq!(out.len(), 65_536);
    }

    #[test]
    fn the_oldest_versions_have_the_token_first() {
        assert_eq!(
            to(true).proceed(),
            "filter-result|1ef1c203cc576e5d|7641df9771b4ed00|proceed\n"
        );
    }
}
