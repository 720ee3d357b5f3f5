//! When an authority is asked for a certificate (ACME, RFC 8555), for which names, and what came
//! of it. Nothing here speaks to one: acme.sh does.

mod due;
mod history;
mod outcome;

pub use due::{Decision, Left, Situation, decide, renewal};
pub use history::{Attempt, History, Refused};
pub use outcome::{Failure, read};

use super::address::DomainName;

/// The names below every mail domain that the certificate is for, beside the server's own.
pub const PREFIXES: [&str; 4] = ["mail", "mta-sts", "autoconfig", "autodiscover"];

/// Most names that an authority takes in one certificate (Let's Encrypt's limit).
pub const MOST: usize = 100;

/// Let's Encrypt's directory, which is asked where the answers name none.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// The names that the certificate shall have, the server's own first and none twice.
pub fn wanted(hostname: &DomainName, domains: &[DomainName]) -> Vec<String> {
    let mut names = vec![hostname.to_string()];
    // what one domain needs most comes for all domains before what is a comfort
    for prefix in PREFIXES {
        for domain in domains {
            let name = format!("{prefix}.{domain}");
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_once() {
        let domain = |text: &str| text.parse::<DomainName>().unwrap();
        let names = wanted(
            &domain("mail.example.org"),
            &[domain("example.org"), domain("example.net")],
        );
        assert_eq!(
            names,
            [
                "mail.example.org",
                "mail.example.net",
                "mta-sts.example.org",
                "mta-sts.example.net",
                "autoconfig.example.org",
                "autoconfig.example.net",
                "autodiscover.example.org",
                "autodiscover.example.net",
            ]
        );
    }
}
