//! What to do about a failed build, where the reason is a known one.

use super::{
    cache::Cache,
    doctor::{self, Host},
};

/// What tools say of a full disk; the first is pacman's, of a file in a package, and the last is curl's, of a
/// file that it was fetching.
const SPACE: [&str; 6] = [
    "(Write failed)",
    "exceeds free space on media",
    "No space left on device",
    "os error 28",
    "not enough free disk space",
    "Failure writing output to destination",
];

/// What tools say when something could not be fetched.
const NETWORK: [&str; 12] = [
    "Could not resolve",
    "Temporary failure resolving",
    "Temporary failure in name resolution",
    "failed retrieving file",
    "Failed to connect",
    "Could not connect",
    "Connection refused",
    "Connection timed out",
    "Network is unreachable",
    "Operation timed out",
    "Timeout was reached",
    "failed to download",
];

/// What to do about `error`; none where nothing better than the error itself is known.
pub fn of(error: &anyhow::Error) -> Option<String> {
    let cache = Cache::default_root().map_or_else(|_| String::new(), |p| p.display().to_string());
    text(&format!("{error:#}"), Host::detect().ok(), &cache)
}

fn text(message: &str, host: Option<Host>, cache: &str) -> Option<String> {
    let has = |words: &[&str]| words.iter().any(|w| message.contains(w));
    if let Some(program) = between(message, "the program '", "' was not found") {
        let install = host.and_then(|host| doctor::install_command(host, program));
        return install.map(|command| format!("install it with '{command}'"));
    }
    if has(&SPACE) {
        return Some(format!(
            "no space is left; 'df -h' tells on which disk, and 'ezmail cache prune' frees what no build \
             has used for a month. To another disk, EZMAIL_CACHE=DIR takes the cache (now {cache}), --out DIR \
             the results, TMPDIR=DIR what is put together from Debian"
        ));
    }
    if has(&[
        "Cannot allocate memory",
        "memory exhausted",
        "Killed signal terminated program",
    ]) {
        return Some(
            "memory ran out; close other programs or add swap, and run it again: it goes on from here"
                .to_owned(),
        );
    }
    if has(&[
        "invalid or corrupted package (PGP signature)",
        "is unknown trust",
    ]) {
        return Some(
            "a signature is not trusted: bring the host's archlinux-keyring up to date, or try another \
             mirror under [arch] in ezmail.toml"
                .to_owned(),
        );
    }
    if has(&NETWORK) && !has(&["from disk :"]) {
        let what = url(message).map_or_else(
            || "what was asked for could not be fetched".to_owned(),
            |url| format!("{url} could not be fetched"),
        );
        // it is of no use for a mirror's packages
        let sources = match has(&["the source '", "fetching the sources"]) {
            true => {
                "; files that you have of the sources are taken from a folder with --source-dir DIR"
            }
            false => "",
        };
        return Some(format!(
            "{what}: check the network, and run it again{sources}"
        ));
    }
    if has(&["unshare failed", "unshare: "]) && has(&["Operation not permitted"]) {
        return Some(
            "this host or container lets nobody make namespaces: run the container with \
             --privileged, or build on a machine of its own"
                .to_owned(),
        );
    }
    None
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = text.split_once(before)?.1;
    Some(rest.split_once(after)?.0)
}

/// The first address in a text.
fn url(text: &str) -> Option<&str> {
    let start = ["https://", "http://", "ftp://"]
        .iter()
        .filter_map(|scheme| text.find(scheme))
        .min()?;
    let end = |c: char| c.is_whitespace() || "'\"()<>,;".contains(c);
    let url = text[start..].split(end).next()?;
    Some(url.trim_end_matches([':', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(message: &str) -> String {
        text(message, Some(Host::Apt), "/home/ann/.cache/ezmail").unwrap()
    }

    #[test]
    fn known_reasons_come_with_a_way_out() {
        insta::assert_snapshot!(
            "missing_tool",
            hint(
                "writing the ISO: the program 'xorriso' was not found; 'ezmail doctor' says how to install it"
            )
        );
        insta::assert_snapshot!(
            "no_space",
            hint(
                "compressing the root file system failed: exit status: 1\n  | Write failed because No space left on device"
            )
        );
        insta::assert_snapshot!(
            "no_network",
            hint(
                "package rspamd: fetching the sources failed: exit status: 1\n  | curl: (6) Could not resolve host: h\n  \
             | ==> ERROR: Failure while downloading https://h.example/rspamd-3.14.tar.gz"
            )
        );
        insta::assert_snapshot!(
            "no_memory",
            hint(
                "package rspamd: makepkg failed: exit status: 4\n  | c++: fatal error: Killed signal terminated program cc1plus"
            )
        );
        insta::assert_snapshot!(
            "no_trust",
            hint(
                "installing packages failed: exit status: 1\n  | error: failed to commit transaction (invalid or corrupted package (PGP signature))"
            )
        );
        insta::assert_snapshot!(
            "no_namespaces",
            hint(
                "makepkg failed: exit status: 1\n  | unshare: unshare failed: Operation not permitted"
            )
        );
        assert_eq!(text("something else", Some(Host::Apt), ""), None);
    }

    #[test]
    fn curls_words_for_a_full_disk_are_no_network() {
        assert_eq!(
            hint(
                "error: failed retrieving file 'a' from disk : Failure writing output to destination"
            ),
            hint("No space left on device")
        );
    }

    #[test]
    fn an_address_ends_where_it_ends() {
        assert_eq!(
            url("see 'https://a/b.tar.gz': no"),
            Some("https://a/b.tar.gz")
        );
        assert_eq!(url("no address"), None);
    }
}
