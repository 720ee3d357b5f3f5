//! Passwords and their argon2id hashes, as smtpd and dovecot check them.
//!
//! The hash is a PHC string, `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`. Both daemons read the
//! cost from the hash itself, so a hash that somebody else made decides how long a login keeps
//! the server busy: [`check_phc`] keeps it within bounds.

use anyhow::{Result, anyhow};
use argon2::{
    Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version,
    password_hash::phc::PasswordHash,
};
use thiserror::Error;

/// Memory of a new hash in KiB: OWASP's first choice for argon2id (19 MiB, t=2, p=1).
///
/// RFC 9106 section 4 offers 64 MiB as its smaller choice; a login must also fit a machine with
/// 512 MiB, several at a time.
pub const MEMORY_KIB: u32 = 19 * 1024;
/// Passes of a new hash.
pub const PASSES: u32 = 2;
/// Lanes of a new hash.
pub const LANES: u32 = 1;

/// Most memory, in KiB, that a given hash may ask for (256 MiB).
pub const MAX_MEMORY_KIB: u32 = 256 * 1024;
/// Most passes that a given hash may ask for.
pub const MAX_PASSES: u32 = 10;
/// Most lanes that a given hash may ask for.
pub const MAX_LANES: u32 = 4;
/// Fewest bytes of salt (RFC 9106 section 3.1).
pub const MIN_SALT: usize = 8;
/// Fewest bytes of hash; what libsodium and we make has 32.
pub const MIN_HASH: usize = 16;
/// Memory in KiB below which a hash is called weak: the least in OWASP's list.
pub const WEAK_MEMORY_KIB: u32 = 7 * 1024;

/// Fewest characters of a password.
pub const MIN_PASSWORD: usize = 10;
/// Most bytes of a password: smtpd reads a line of base64, IMAP clients quote it.
pub const MAX_PASSWORD: usize = 256;

/// Why a string is no hash that the server takes.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PhcError {
    /// Another scheme, such as bcrypt, or plain text.
    #[error("this is not an argon2id hash: it has to begin with `$argon2id$v=19$`")]
    NotArgon2id,
    /// Damaged: cut off, or not base64.
    #[error(
        "the hash is damaged: `$argon2id$v=19$m=…,t=…,p=…$salt$hash` was expected, \
         salt and hash in base64 without `=`"
    )]
    Malformed,
    /// More memory than [`MAX_MEMORY_KIB`], or less than argon2 allows.
    #[error(
        "the hash asks for {0} KiB of memory (m); 8 for each lane to {MAX_MEMORY_KIB} are allowed"
    )]
    Memory(u32),
    /// No pass, or more than [`MAX_PASSES`].
    #[error("the hash asks for {0} passes (t); 1 to {MAX_PASSES} are allowed")]
    Passes(u32),
    /// No lane, or more than [`MAX_LANES`].
    #[error("the hash asks for {0} lanes (p); 1 to {MAX_LANES} are allowed")]
    Lanes(u32),
    /// Fewer bytes of salt than [`MIN_SALT`].
    #[error("the salt of the hash has {0} bytes; at least {MIN_SALT} are needed")]
    Salt(usize),
    /// Fewer bytes of hash than [`MIN_HASH`].
    #[error("the hash has {0} bytes; at least {MIN_HASH} are needed")]
    Hash(usize),
}

/// What a hash costs, as its PHC string says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Cost {
    /// Whether guessing is cheaper than with any of the parameters that OWASP lists.
    pub fn is_weak(&self) -> bool {
        self.memory_kib < WEAK_MEMORY_KIB
    }
}

/// Why a plain password is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum WeakPassword {
    /// Fewer characters than [`MIN_PASSWORD`].
    #[error("the password has {0} characters; at least {MIN_PASSWORD} are needed")]
    TooShort(usize),
    /// More bytes than [`MAX_PASSWORD`].
    #[error("the password has {0} bytes; at most {MAX_PASSWORD} are possible")]
    TooLong(usize),
    /// A control character, which no client can send.
    #[error("the password has a control character (a tab or a line break?) in it")]
    Control,
    /// A common word, a pattern, or the user's own name.
    #[error("the password is easy to guess{}", .0.as_ref().map(|w| format!(": {w}")).unwrap_or_default())]
    Guessable(Option<String>),
}

/// Checks a hash that somebody gives us; returns what it costs.
///
/// # Errors
/// When it is not argon2id version 19 in PHC form, damaged, or outside the bounds above.
pub fn check_phc(phc: &str) -> Result<Cost, PhcError> {
    let fields = phc
        .strip_prefix("$argon2id$v=19$")
        .ok_or(PhcError::NotArgon2id)?;
    let mut fields = fields.split('$');
    let (Some(cost), Some(salt), Some(hash), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(PhcError::Malformed);
    };
    let cost = parse_cost(cost).ok_or(PhcError::Malformed)?;
    let salt = decoded_len(salt).ok_or(PhcError::Malformed)?;
    let hash = decoded_len(hash).ok_or(PhcError::Malformed)?;
    if !(1..=MAX_LANES).contains(&cost.lanes) {
        return Err(PhcError::Lanes(cost.lanes));
    }
    if !(8 * cost.lanes..=MAX_MEMORY_KIB).contains(&cost.memory_kib) {
        return Err(PhcError::Memory(cost.memory_kib));
    }
    if !(1..=MAX_PASSES).contains(&cost.passes) {
        return Err(PhcError::Passes(cost.passes));
    }
    if salt < MIN_SALT {
        return Err(PhcError::Salt(salt));
    }
    if hash < MIN_HASH {
        return Err(PhcError::Hash(hash));
    }
    // the crate that verifies has limits of its own (64 bytes of salt and hash)
    PasswordHash::new(phc).map_err(|_| PhcError::Malformed)?;
    Ok(cost)
}

/// `m=19456,t=2,p=1`, in that order, as libsodium and libargon2 require it.
fn parse_cost(text: &str) -> Option<Cost> {
    let (memory, rest) = text.strip_prefix("m=")?.split_once(",t=")?;
    let (passes, lanes) = rest.split_once(",p=")?;
    let number = |s: &str| {
        let canonical = s == "0" || !s.starts_with('0');
        (canonical && s.bytes().all(|b| b.is_ascii_digit()))
            .then(|| s.parse::<u32>().ok())
            .flatten()
    };
    Some(Cost {
        memory_kib: number(memory)?,
        passes: number(passes)?,
        lanes: number(lanes)?,
    })
}

fn decoded_len(base64: &str) -> Option<usize> {
    use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
    STANDARD_NO_PAD.decode(base64).ok().map(|bytes| bytes.len())
}

/// Refuses a password that falls to guessing; `own` are words that a guesser tries first, such
/// as the user's name and domain.
///
/// # Errors
/// When the password is too short or long, has control characters, or fewer than 10⁸ guesses
/// find it (zxcvbn's score 2: what a rate-limited online attack may try). No message contains
/// the password.
pub fn check_strength(password: &str, own: &[&str]) -> Result<(), WeakPassword> {
    let length = password.chars().count();
    if length < MIN_PASSWORD {
        return Err(WeakPassword::TooShort(length));
    }
    if password.len() > MAX_PASSWORD {
        return Err(WeakPassword::TooLong(password.len()));
    }
    if password.chars().any(char::is_control) {
        return Err(WeakPassword::Control);
    }
    let entropy = zxcvbn::zxcvbn(password, own);
    if entropy.score() <= zxcvbn::Score::Two {
        let why = entropy
            .feedback()
            .and_then(|f| f.warning())
            .map(|w| w.to_string().trim_end_matches('.').to_owned());
        return Err(WeakPassword::Guessable(why));
    }
    Ok(())
}

/// The argon2id hash of `password` with a fresh random salt, as a PHC string.
///
/// # Errors
/// When the system gives no random numbers or no memory.
pub fn hash(password: &str) -> Result<String> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)
        .map_err(|e| anyhow!("setting argon2's parameters: {e}"))?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|e| anyhow!("hashing a password with argon2id: {e}"))
}

/// Whether `password` is the one that `phc` was made from. Compares in constant time.
///
/// # Errors
/// When `phc` does not pass [`check_phc`].
pub fn verify(password: &str, phc: &str) -> Result<bool, PhcError> {
    check_phc(phc)?;
    let parsed = PasswordHash::new(phc).map_err(|_| PhcError::Malformed)?;
    Ok(Argon2::default()
        .verify_password(password.as_bytes(), &parsed)
        .is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: &str = "c29tZXNhbHRzb21lc2FsdA";
    const HASH: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn phc(cost: &str) -> String {
        format!("$argon2id$v=19${cost}${SALT}${HASH}")
    }

    #[test]
    fn a_hash_verifies_its_password_only() {
        let hash = hash("wood stapler under rain").unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert!(hash.len() < 128, "libsodium's crypto_pwhash_STRBYTES");
        assert_eq!(verify("wood stapler under rain", &hash), Ok(true));
        assert_eq!(verify("wood stapler under rain ", &hash), Ok(false));
        assert_ne!(hash, super::hash("wood stapler under rain").unwrap());
    }

    /// The reference implementation's own vector (phc-winner-argon2, `test.c`, argon2id v19).
    #[test]
    fn the_reference_vector_verifies() {
        let vector =
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        assert_eq!(verify("password", vector), Ok(true));
        assert!(check_phc(vector).unwrap().is_weak());
    }

    #[test]
    fn each_bound_has_its_error() {
        let short = |salt: &str, hash: &str| {
            check_phc(&format!("$argon2id$v=19$m=19456,t=2,p=1${salt}${hash}")).unwrap_err()
        };
        assert_eq!(check_phc(""), Err(PhcError::NotArgon2id));
        assert_eq!(check_phc("$2b$12$abc"), Err(PhcError::NotArgon2id));
        assert_eq!(check_phc("$argon2id$v=16$x"), Err(PhcError::NotArgon2id));
        for (cost, want) in [
            ("m=262145,t=2,p=1", PhcError::Memory(262_145)),
            ("m=15,t=2,p=2", PhcError::Memory(15)),
            ("m=19456,t=0,p=1", PhcError::Passes(0)),
            ("m=19456,t=11,p=1", PhcError::Passes(11)),
            ("m=19456,t=2,p=0", PhcError::Lanes(0)),
            ("m=19456,t=2,p=5", PhcError::Lanes(5)),
            ("m=019456,t=2,p=1", PhcError::Malformed),
            ("m=+19456,t=2,p=1", PhcError::Malformed),
            ("t=2,m=19456,p=1", PhcError::Malformed),
            ("m=99999999999,t=2,p=1", PhcError::Malformed),
        ] {
            assert_eq!(check_phc(&phc(cost)), Err(want), "{cost}");
        }
        assert_eq!(short("c29tZQ", HASH), PhcError::Salt(4));
        assert_eq!(short(SALT, "c29tZXNhbHQ"), PhcError::Hash(8));
        assert_eq!(short(SALT, "c29tZXNhbHQ="), PhcError::Malformed);
        assert_eq!(
            check_phc(&(phc("m=19456,t=2,p=1") + "$")),
            Err(PhcError::Malformed)
        );
        assert!(check_phc(&phc("m=262144,t=10,p=4")).is_ok());
    }

    #[test]
    fn guessable_passwords_are_refused() {
        for (password, own) in [
            ("password123", &[][..]),
            ("aaaaaaaaaaaa", &[]),
            ("1234567890", &[]),
            ("example.org2024", &["alice", "example.org"]),
        ] {
            let refused = check_strength(password, own).unwrap_err();
            assert!(
                matches!(refused, WeakPassword::Guessable(_)),
                "{password}: {refused}"
            );
            assert!(!refused.to_string().contains(password));
        }
        assert_eq!(check_strength("short", &[]), Err(WeakPassword::TooShort(5)));
        assert_eq!(
            check_strength(&"x".repeat(257), &[]),
            Err(WeakPassword::TooLong(257))
        );
        assert_eq!(
            check_strength("tab\tin a password", &[]),
            Err(WeakPassword::Control)
        );
        assert_eq!(check_strength("wood stapler under rain", &[]), Ok(()));
    }
}
