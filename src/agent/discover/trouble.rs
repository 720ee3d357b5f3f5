//! Why answers could not be fetched, in words, and whether it may pass by itself.

/// Why an attempt was in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// What kind it is: each is told once. curl's exit status, or 0 for a network that is not up.
    pub(super) kind: i32,
    pub(super) text: String,
    /// What to do; empty where the text says it.
    pub(super) remedy: &'static str,
    /// Whether it may pass by itself.
    pub(super) again: bool,
}

/// For a network that is not up yet, with what it lacks.
pub(super) fn waiting(text: String) -> Failure {
    Failure {
        kind: 0,
        text,
        remedy: "; is the network card connected? Without DHCP, give the addresses with ip= and \
                 nameserver= on the kernel command line (see systemd-network-generator)",
        again: true,
    }
}

/// The time of this machine's clock, for certificates that it finds too young or too old.
pub(super) fn now() -> String {
    jiff::Timestamp::now().strftime("%F %T UTC").to_string()
}

/// curl's CURLE_FILESIZE_EXCEEDED.
pub(super) const TOO_LARGE: i32 = 63;

/// What an exit status of curl means here; `message` is curl's, `http` the server's status.
pub(super) fn judge(kind: i32, http: &str, message: &str, now: &str) -> Failure {
    let message: String = message
        .trim()
        .trim_start_matches("curl: ")
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(300)
        .collect();
    let lasting = |text: String, remedy| Failure {
        kind,
        text,
        remedy,
        again: false,
    };
    let passing = |text: String, remedy| Failure {
        kind,
        text,
        remedy,
        again: true,
    };
    match kind {
        1 => lasting(
            format!("the server sends to a protocol that is not allowed ({message})"),
            "; https leads only to https, and http to both",
        ),
        6 => passing(
            format!("its name is not resolved ({message})"),
            "; is it spelt right, and does the name server answer?",
        ),
        7 => passing(
            format!("no connection to the server ({message})"),
            "; does it run there, and is the port right?",
        ),
        22 => {
            let text = format!("the server answers with HTTP status {http}");
            match http {
                "408" | "425" | "429" | "500" | "502" | "503" | "504" => {
                    passing(text, "; try again when it is well")
                }
                "401" | "403" => lasting(text, ": it does not give them to us"),
                _ => lasting(text, "; is the path right?"),
            }
        }
        28 => passing(
            format!("the server takes too long ({message})"),
            "; is it reached from this machine's network?",
        ),
        47 => lasting(
            "the server sends from place to place".to_owned(),
            "; give the URL where the answers are",
        ),
        // timesyncd sets the clock once the network is up
        60 if message.contains("not yet valid") || message.contains("expired") => passing(
            format!(
                "the server's certificate is not valid by this machine's clock, {now} ({message})"
            ),
            "; is the clock right?",
        ),
        60 => lasting(
            format!("the server's certificate is not trusted ({message})"),
            "; it has to be one of a public authority, or use http:// with ezmail.answers.sha256=",
        ),
        TOO_LARGE => lasting(
            "there are more than 1 MiB".to_owned(),
            ": is it an answers file?",
        ),
        _ => passing(format!("curl ended with status {kind} ({message})"), ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_words() {
        let cases = [
            (
                1,
                "000",
                "Protocol \"http\" not supported or disabled in libcurl",
            ),
            (6, "000", "Could not resolve host: example.org"),
            (7, "000", "Failed to connect to example.org port 443"),
            (22, "404", "The requested URL returned error: 404"),
            (22, "403", "The requested URL returned error: 403"),
            (22, "503", "The requested URL returned error: 503"),
            (28, "000", "Connection timed out after 10001 milliseconds"),
            (47, "302", "Maximum (5) redirects followed"),
            (
                60,
                "000",
                "SSL certificate problem: certificate is not yet valid",
            ),
            (
                60,
                "000",
                "SSL certificate problem: certificate has expired",
            ),
            (
                60,
                "000",
                "SSL certificate problem: self-signed certificate",
            ),
            (63, "200", "Maximum file size exceeded"),
            (56, "000", "curl: (56) odd\u{1b}[2J\n"),
        ];
        let lines = cases.map(|(kind, http, message)| {
            let failure = judge(kind, http, message, "2026-01-02 03:04:05 UTC");
            let again = if failure.again { "again" } else { "final" };
            format!("{again}: {}{}", failure.text, failure.remedy)
        });
        insta::assert_snapshot!(lines.join("\n"), @r#"
        final: the server sends to a protocol that is not allowed (Protocol "http" not supported or disabled in libcurl); https leads only to https, and http to both
        again: its name is not resolved (Could not resolve host: example.org); is it spelt right, and does the name server answer?
        again: no connection to the server (Failed to connect to example.org port 443); does it run there, and is the port right?
        final: the server answers with HTTP status 404; is the path right?
        final: the server answers with HTTP status 403: it does not give them to us
        again: the server answers with HTTP status 503; try again when it is well
        again: the server takes too long (Connection timed out after 10001 milliseconds); is it reached from this machine's network?
        final: the server sends from place to place; give the URL where the answers are
        again: the server's certificate is not valid by this machine's clock, 2026-01-02 03:04:05 UTC (SSL certificate problem: certificate is not yet valid); is the clock right?
        again: the server's certificate is not valid by this machine's clock, 2026-01-02 03:04:05 UTC (SSL certificate problem: certificate has expired); is the clock right?
        final: the server's certificate is not trusted (SSL certificate problem: self-signed certificate); it has to be one of a public authority, or use http:// with ezmail.answers.sha256=
        final: there are more than 1 MiB: is it an answers file?
        again: curl ended with status 56 ((56) odd [2J)
        "#);
    }
}
