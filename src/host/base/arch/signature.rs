//! What gpg says of a signature, judged as pacman judges it.
//!
//! Source: `doc/DETAILS` of GnuPG, "General status codes". pacman takes a signature when it is
//! good and its key is fully valid (`alpm_pkg_check_pgp_signature`, `SigLevel = TrustedOnly`).

use std::fmt;

/// How a file's signatures come out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All good, each by a fully valid key; the fingerprints of the primary keys.
    Trusted(Vec<String>),
    /// Good, but nobody who is trusted vouches for this key.
    Unknown(String),
    /// Made for other bytes than these.
    Tampered,
    /// Anything else, as gpg's keyword for it.
    Unusable(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trusted(keys) => write!(f, "it is signed by {}", keys.join(", ")),
            Self::Unknown(key) => write!(
                f,
                "it is signed by the key {key}, for which the master keys of this host's keyring \
                 do not vouch"
            ),
            Self::Tampered => write!(f, "its signature was made for other bytes than these"),
            Self::Unusable(word) => write!(f, "its signature cannot be used ({word})"),
        }
    }
}

/// Reads the status lines of `gpg --verify` on a detached signature.
pub(super) fn judge(status: &str) -> Verdict {
    let (mut good, mut full) = (0, 0);
    let mut keys: Vec<String> = Vec::new();
    let mut unusable = None;
    for line in status.lines() {
        let Some(line) = line.strip_prefix("[GNUPG:] ") else {
            continue;
        };
        let mut words = line.split_whitespace();
        let keyword = words.next().unwrap_or_default();
        match keyword {
            "GOODSIG" => good += 1,
            // the last word is the primary key's fingerprint, the first may be a subkey's
            "VALIDSIG" => keys.extend(words.next_back().map(str::to_owned)),
            "TRUST_FULLY" | "TRUST_ULTIMATE" => full += 1,
            "BADSIG" => return Verdict::Tampered,
            "NO_PUBKEY" => return Verdict::Unknown(words.next().unwrap_or("?").to_owned()),
            "ERRSIG" | "EXPSIG" | "EXPKEYSIG" | "REVKEYSIG" | "NODATA" | "TRUST_NEVER" => {
                unusable.get_or_insert(keyword);
            }
            _ => {}
        }
    }
    match (unusable, keys.last()) {
        // a key that was never seen comes as ERRSIG, then NO_PUBKEY, so this is looked at late
        (Some(word), _) => Verdict::Unusable(word.to_owned()),
        (None, None) => Verdict::Unusable("none is there".to_owned()),
        (None, Some(_)) if good == keys.len() && full == keys.len() => Verdict::Trusted(keys),
        (None, Some(key)) => Verdict::Unknown(key.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FPR: &str = "1111111111111111111111111111111111111111";

    fn signature(good: &str, trust: &str) -> String {
        format!(
            "[GNUPG:] NEWSIG\n[GNUPG:] {good} 1111111111111111 A <a@example.org>\n\
             [GNUPG:] VALIDSIG 2222222222222222222222222222222222222222 2026-11-01 1793491200 0 \
             4 0 22 10 00 {FPR}\n[GNUPG:] {trust} 0 pgp\n"
        )
    }

    #[test]
    fn only_good_signatures_of_fully_valid_keys_are_trusted() {
        let good = signature("GOODSIG", "TRUST_FULLY");
        assert_eq!(judge(&good), Verdict::Trusted(vec![FPR.into()]));
        for (status, verdict) in [
            (
                signature("GOODSIG", "TRUST_MARGINAL"),
                Verdict::Unknown(FPR.into()),
            ),
            (
                signature("GOODSIG", "TRUST_UNDEFINED"),
                Verdict::Unknown(FPR.into()),
            ),
            (
                signature("EXPKEYSIG", "TRUST_FULLY"),
                Verdict::Unusable("EXPKEYSIG".into()),
            ),
            (
                signature("REVKEYSIG", "TRUST_FULLY"),
                Verdict::Unusable("REVKEYSIG".into()),
            ),
            (
                "[GNUPG:] ERRSIG 22 1 10 00 1 9\n[GNUPG:] NO_PUBKEY 22\n".into(),
                Verdict::Unknown("22".into()),
            ),
            (
                "[GNUPG:] BADSIG 1111111111111111 A\n".into(),
                Verdict::Tampered,
            ),
            (String::new(), Verdict::Unusable("none is there".into())),
        ] {
            assert_eq!(judge(&status), verdict, "{status}");
        }
    }

    #[test]
    fn one_good_signature_does_not_carry_another() {
        let two = signature("GOODSIG", "TRUST_FULLY") + &signature("GOODSIG", "TRUST_UNDEFINED");
        assert_eq!(judge(&two), Verdict::Unknown(FPR.into()));
    }

    #[test]
    fn a_users_name_is_no_status_line() {
        let name = "[GNUPG:] GOODSIG 1 [GNUPG:] TRUST_FULLY\n";
        assert_eq!(judge(name), Verdict::Unusable("none is there".into()));
    }
}
