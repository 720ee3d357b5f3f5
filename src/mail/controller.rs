//! The password of rspamd's controller, in the form that rspamd keeps it.
//!
//! `$1$SALT$KEY`: PBKDF2 (RFC 8018 section 5.2) with keyed BLAKE2b-512 as its function, 16000
//! rounds, 20 bytes of salt and 32 of key, each in rspamd's base32 (`rspamadm pw -t pbkdf2`).
//! Its other form, Catena, is slower; our password has 256 random bits, which no guessing finds.

use anyhow::{Context, Result};
use blake2::{
    Blake2bMac512,
    digest::{FixedOutput, KeyInit, Update},
};

use crate::util::secret::Secret;

const ROUNDS: u32 = 16_000;
const SALT: usize = 20;
const KEY: usize = 32;
const ALPHABET: &[u8; 32] = b"ybndrfg8ejkmcpqxot1uwisza345h769";

/// `password` as rspamd's configuration has it, with `salt`.
///
/// # Errors
/// When the password has no or more than 64 bytes: keys of BLAKE2b (RFC 7693 section 2.9).
pub fn hash(password: &Secret, salt: &[u8; SALT]) -> Result<String> {
    let mut text = b"".to_vec();
    text.extend_from_slice(salt);
    // one block of 64 bytes is enough for the key
    text.extend_from_slice(&1u32.to_be_bytes());
    let mut last = keyed(password, &text)?;
    let mut sum = last;
    for _ in 1..ROUNDS {
        last = keyed(password, &last)?;
        for (sum, byte) in sum.iter_mut().zip(last) {
            *sum ^= byte;
        }
    }
    Ok(format!("$1${}${}", base32(salt), base32(&sum[..KEY])))
}

fn keyed(key: &Secret, text: &[u8]) -> Result<[u8; 64]> {
    let mut mac = Blake2bMac512::new_from_slice(key.expose().as_bytes())
        .context("the controller's password is too long")?;
    mac.update(text);
    Ok(mac.finalize_fixed().into())
}

/// z-base-32's alphabet; unlike z-base-32, the low bits come first.
fn base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    let (mut held, mut bits) = (0u32, 0);
    for byte in bytes {
        held |= u32::from(*byte) << bits;
        bits += 8;
        while bits >= 5 {
            text.push(char::from(ALPHABET[(held & 31) as usize]));
            held >>= 5;
            bits -= 5;
        }
    }
    if bits > 0 {
        text.push(char::from(ALPHABET[(held & 31) as usize]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::random;

    #[test]
    fn a_hash_has_the_parts_that_rspamd_reads() {
        let password = random::secret().unwrap();
        let one = hash(&password, &[7; SALT]).unwrap();
        let parts: Vec<_> = one.split('$').collect();
        assert_eq!((parts[1], parts[2].len(), parts[3].len()), ("1", 32, 52));
        assert_ne!(one, hash(&password, &[8; SALT]).unwrap());
        assert_ne!(one, hash(&random::secret().unwrap(), &[7; SALT]).unwrap());
    }

    /// The other way, for the test alone.
    fn decode(text: &str) -> Vec<u8> {
        let (mut bytes, mut held, mut bits) = (Vec::new(), 0u32, 0);
        for c in text.chars() {
            let value = ALPHABET.iter().position(|a| char::from(*a) == c).unwrap();
            held |= u32::try_from(value).unwrap() << bits;
            bits += 5;
            if bits >= 8 {
                bytes.push(held as u8);
                held >>= 8;
                bits -= 8;
            }
        }
        bytes
    }

    /// Printed by `rspamadm pw -t pbkdf2` of rspamd 3.4.
    #[test]
    fn rspamd_makes_the_same_hash() {
        let theirs = "$1$hezrjhtkscthffia8fooy93x5n365ndb\
                      $zeudfw5bfhmpidfnyrhtrkksta5wg56u464y19kjij8wt1mih7kb";
        let salt = decode(theirs.split('$').nth(2).unwrap());
        let password = Secret::new("wood stapler under rain");
        assert_eq!(hash(&password, &salt.try_into().unwrap()).unwrap(), theirs);
    }
}
