//! MTA-STS (RFC 8461): what this server's domains ask of those who send to them, and what others ask
//! of this server.

mod policy;
mod record;

pub use policy::{Mode, Policy, Wrong};
pub use record::record_id;

use super::address::DomainName;
use crate::util::hash;

/// How long others keep the policy, in seconds: two weeks, so that an attacker would have to be in the
/// way for longer.
const MAX_AGE: u32 = 14 * 86_400;

/// The policy file, the same for all domains of a server (RFC 8461 section 3.2).
///
/// It is to be enforced from the beginning: who can fetch it has verified the very certificate that
/// it asks for, so nobody learns of it before that certificate is good.
pub fn policy(hostname: &DomainName) -> String {
    format!("version: STSv1\r\nmode: enforce\r\nmx: {hostname}\r\nmax_age: {MAX_AGE}\r\n")
}

/// The id of a policy for the TXT record: another one for every other policy (section 3.1: letters
/// and digits, at most 32).
pub fn id(policy: &str) -> String {
    hash::sha256(policy)[..20].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_and_its_id() {
        let [one, two] =
            ["mail.example.org", "mx.example.org"].map(|h| policy(&h.parse().unwrap()));
        assert_eq!(
            one,
            "version: STSv1\r\nmode: enforce\r\nmx: mail.example.org\r\nmax_age: 1209600\r\n"
        );
        assert_ne!(id(&one), id(&two));
        assert_eq!(id(&one).len(), 20);
    }
}
