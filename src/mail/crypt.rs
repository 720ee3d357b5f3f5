//! Password hashes for the console, as crypt(5) of libxcrypt checks them.
//!
//! login(1) and PAM know no argon2. Of what they know, two schemes are good enough: yescrypt
//! (`$y$`), the default of today's distributions, and SHA-512 (`$6$`), which we make.

use anyhow::{Context, Result};
use sha_crypt::{Algorithm, Params, PasswordHasher, PasswordVerifier, ShaCrypt};
use thiserror::Error;

use super::password;
use crate::util::random;

/// Rounds of a new SHA-512 hash: some tenths of a second on a small server.
pub const ROUNDS: u32 = 200_000;
/// Rounds of a SHA-512 hash that names none (crypt(5)); fewer are called weak.
pub const DEFAULT_ROUNDS: u32 = 5000;
/// Most rounds that a given hash may ask for: more than a second on a small server.
pub const MAX_ROUNDS: u32 = 1_000_000;
/// Fewest characters of a salt: 8 carry 48 bits.
pub const MIN_SALT: usize = 8;
/// Characters of a SHA-512 hash and of a yescrypt hash (crypt(5)).
const SHA512_LENGTH: usize = 86;
const YESCRYPT_LENGTH: usize = 43;
/// The digits of crypt(5)'s base64, in the order of their values.
const DIGITS: &[u8] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Why a string is no hash that the console takes.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CryptError {
    /// The hash of a mailbox.
    #[error("this is an argon2id hash, which the console cannot check")]
    Argon2id,
    /// Another scheme, or plain text.
    #[error("this is not a hash that the console takes: it has to begin with `$6$` or `$y$`")]
    Scheme,
    /// Cut off, or with characters that cannot be there.
    #[error("the hash is damaged: {0} was expected")]
    Malformed(&'static str),
    /// Fewer characters of salt than [`MIN_SALT`].
    #[error("the salt of the hash has {0} characters; at least {MIN_SALT} are needed")]
    Salt(usize),
    /// More rounds than [`MAX_ROUNDS`], or fewer than crypt(5) knows.
    #[error("the hash asks for {0} rounds; 1000 to {MAX_ROUNDS} are allowed")]
    Rounds(u32),
    /// More memory than [`password::MAX_MEMORY_KIB`].
    #[error("the hash asks for {0} KiB of memory; at most {max} are allowed", max = password::MAX_MEMORY_KIB)]
    Memory(u64),
}

/// What a hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// SHA-512: rounds.
    Rounds(u32),
    /// yescrypt: memory in KiB.
    Memory(u64),
}

impl Cost {
    /// Whether guessing is cheaper than it should be.
    pub fn is_weak(self) -> bool {
        match self {
            Self::Rounds(rounds) => rounds < DEFAULT_ROUNDS,
            Self::Memory(kib) => kib < u64::from(password::WEAK_MEMORY_KIB),
        }
    }
}

/// Checks a hash that somebody gives us; returns what it costs.
///
/// # Errors
/// When it is of another scheme, damaged, or outside the bounds above. No message has any of it.
pub fn check(hash: &str) -> Result<Cost, CryptError> {
    if let Some(rest) = hash.strip_prefix("$6$") {
        return sha512(rest);
    }
    if let Some(rest) = hash.strip_prefix("$y$") {
        return yescrypt(rest);
    }
    Err(match hash.starts_with("$argon2") {
        true => CryptError::Argon2id,
        false => CryptError::Scheme,
    })
}

/// `[rounds=N$]SALT$HASH`
fn sha512(rest: &str) -> Result<Cost, CryptError> {
    let malformed = CryptError::Malformed("`$6$rounds=…$salt$hash`");
    let (rounds, rest) = match rest.strip_prefix("rounds=") {
        None => (DEFAULT_ROUNDS, rest),
        Some(rest) => match rest.split_once('$') {
            // crypt(5): without leading zeros
            Some((n, rest)) if n.bytes().all(|b| b.is_ascii_digit()) && !n.starts_with('0') => {
                (n.parse().unwrap_or(u32::MAX), rest)
            }
            _ => return Err(malformed),
        },
    };
    let Some((salt, hash)) = rest.split_once('$') else {
        return Err(malformed);
    };
    if !is_base64(salt) || salt.len() > 16 || !is_base64(hash) || hash.len() != SHA512_LENGTH {
        return Err(malformed);
    }
    if !(1000..=MAX_ROUNDS).contains(&rounds) {
        return Err(CryptError::Rounds(rounds));
    }
    salt_is_long(salt)?;
    Ok(Cost::Rounds(rounds))
}

/// `jNR$SALT$HASH`, `j` for yescrypt's own flavour, then one digit each for the binary logarithm
/// of the blocks and for their size in units of 128 bytes, both less one (what crypt_gensalt(3)
/// writes for every cost).
fn yescrypt(rest: &str) -> Result<Cost, CryptError> {
    let malformed = CryptError::Malformed("`$y$jXX$salt$hash`");
    let mut fields = rest.split('$');
    let (Some(cost), Some(salt), Some(hash), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(malformed);
    };
    let value = |digit: u8| DIGITS.iter().position(|d| *d == digit);
    let (Some(log), Some(size)) = (match *cost.as_bytes() {
        [b'j', n, r] => (value(n), value(r)),
        _ => (None, None),
    }) else {
        return Err(malformed);
    };
    let lengths = salt.len() <= 86 && hash.len() == YESCRYPT_LENGTH;
    if !is_base64(salt) || !is_base64(hash) || !lengths {
        return Err(malformed);
    }
    let blocks = u32::try_from(log + 1)
        .ok()
        .and_then(|n| 1_u64.checked_shl(n));
    let bytes = blocks.and_then(|n| n.checked_mul(128 * (size as u64 + 1)));
    let kib = bytes.unwrap_or(u64::MAX) / 1024;
    if kib > u64::from(password::MAX_MEMORY_KIB) {
        return Err(CryptError::Memory(kib));
    }
    salt_is_long(salt)?;
    Ok(Cost::Memory(kib))
}

fn is_base64(text: &str) -> bool {
    text.bytes().all(|b| DIGITS.contains(&b))
}

fn salt_is_long(salt: &str) -> Result<(), CryptError> {
    match salt.len() {
        n if n < MIN_SALT => Err(CryptError::Salt(n)),
        _ => Ok(()),
    }
}

/// The SHA-512 hash of `password` with a fresh random salt.
///
/// # Errors
/// When the system gives no random numbers.
pub fn hash(password: &str) -> Result<String> {
    let what = "hashing a password with SHA-512";
    let params = Params::new(ROUNDS).context(what)?;
    // 12 bytes are the 16 characters that crypt(5) takes; the crate's own salt is longer
    let salt = random::bytes::<12>()?;
    let made = ShaCrypt::new(Algorithm::Sha512Crypt, params)
        .hash_password_with_salt(password.as_bytes(), &*salt);
    Ok(made.context(what)?.to_string())
}

/// Whether `password` is the one that the SHA-512 hash was made from; false for every hash that
/// [`hash()`] does not make.
pub fn verify(password: &str, hash: &str) -> bool {
    matches!(check(hash), Ok(Cost::Rounds(_)))
        && ShaCrypt::SHA512
            .verify_password(password.as_bytes(), hash)
            .is_ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::util::run::Task;

    /// Of the password `Hello world!`, from the specification of SHA-crypt.
    const VECTOR: &str = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI\
                          68u4OTLiBFdcbYEdFCoEOfaS35inz1";
    /// What libxcrypt makes of `wood stapler under rain` by default.
    const YESCRYPT: &str =
        "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$6oeTgK3EtRB6dF62.d1hepydpIbDKaC7BI.x/hWTbY0";

    #[test]
    fn a_hash_verifies_its_password_only() {
        let made = hash("wood stapler under rain").unwrap();
        assert!(made.starts_with("$6$rounds=200000$"), "{made}");
        assert_eq!(check(&made), Ok(Cost::Rounds(ROUNDS)));
        assert!(verify("wood stapler under rain", &made));
        assert!(!verify("wood stapler under rain ", &made));
        assert!(!verify("", "!*"));
        // and others make the same of it
        let (salt, _) = made[3..].rsplit_once('$').unwrap();
        let mut openssl = Command::new("openssl");
        openssl.args(["passwd", "-6", "-stdin", "-salt", salt]);
        let theirs = Task::new("hashing", openssl).input("wood stapler under rain\n");
        assert_eq!(theirs.output().unwrap().trim_end(), made);
        assert!(verify("Hello world!", VECTOR));
        assert_eq!(check(VECTOR), Ok(Cost::Rounds(DEFAULT_ROUNDS)));
    }

    #[test]
    fn each_bound_has_its_error() {
        let (_, digest) = VECTOR.rsplit_once('$').unwrap();
        let sha = |rest: &str| check(&format!("$6${rest}${digest}"));
        let yes = |cost: &str| check(&YESCRYPT.replace("j9T", cost));
        assert_eq!(check(""), Err(CryptError::Scheme));
        assert_eq!(check("$1$abc$def"), Err(CryptError::Scheme));
        assert_eq!(check("$argon2id$v=19$x"), Err(CryptError::Argon2id));
        assert_eq!(sha("rounds=999$saltsalt"), Err(CryptError::Rounds(999)));
        assert_eq!(
            sha("rounds=1000001$saltsalt"),
            Err(CryptError::Rounds(1_000_001))
        );
        assert_eq!(
            sha("rounds=99999999999$saltsalt"),
            Err(CryptError::Rounds(u32::MAX))
        );
        assert_eq!(sha("salt"), Err(CryptError::Salt(4)));
        assert!(sha("rounds=1000$saltsalt").unwrap().is_weak());
        for odd in [
            "rounds=01000$saltsalt",
            "rounds=x$saltsalt",
            "s:l\nsalt",
            "a$b",
        ] {
            assert!(matches!(sha(odd), Err(CryptError::Malformed(_))), "{odd}");
        }
        assert!(matches!(
            check(&VECTOR[..80]),
            Err(CryptError::Malformed(_))
        ));
        assert_eq!(yes("j9T"), Ok(Cost::Memory(16 * 1024)));
        assert_eq!(yes("jDT"), Ok(Cost::Memory(256 * 1024)));
        assert_eq!(yes("jET"), Err(CryptError::Memory(512 * 1024)));
        assert!(yes("j75").unwrap().is_weak());
        for odd in ["9T", "j9", "k9T", "j9T.", "j9:", ""] {
            assert!(matches!(yes(odd), Err(CryptError::Malformed(_))), "{odd}");
        }
        assert!(yes("jzz").is_err());
    }
}
