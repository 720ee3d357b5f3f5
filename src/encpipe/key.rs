//! Passphrases and the keys derived from them; both are wiped from memory when dropped.

use std::{fmt, fs::File, io::Read, path::Path};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use super::{copy::read_up_to, hydro};

/// How much of a passphrase file counts, in bytes: what upstream's encpipe reads of it.
pub const PASSFILE_LIMIT: usize = 512;

/// Random bytes in a generated passphrase; it is twice as many hexadecimal digits.
const GENERATED: usize = 32;

/// A passphrase: any bytes but none at all.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// Takes the bytes as they are, nothing trimmed, as upstream does with `-p`.
    ///
    /// # Errors
    /// When there are none.
    pub fn new(bytes: Vec<u8>) -> Result<Self> {
        let bytes = Zeroizing::new(bytes);
        ensure!(!bytes.is_empty(), "the passphrase is empty");
        Ok(Self(bytes))
    }

    /// A new passphrase that nobody can guess: 256 random bits as 64 hexadecimal digits.
    ///
    /// # Errors
    /// When the kernel has no random numbers to give.
    pub fn generate() -> Result<Self> {
        let mut random = Zeroizing::new([0; GENERATED]);
        hydro::random(&mut random[..])?;
        let mut digits = Zeroizing::new(vec![0; 2 * GENERATED]);
        hex::encode_to_slice(&random[..], &mut digits)?;
        Ok(Self(digits))
    }

    /// Reads a passphrase file: its first [`PASSFILE_LIMIT`] bytes, without the spaces, CR and
    /// LF at either end, as upstream does with `-P`.
    ///
    /// # Errors
    /// When the file cannot be read or holds nothing else; the message names it.
    pub fn from_file(path: &Path) -> Result<Self> {
        File::open(path)
            .map_err(Into::into)
            .and_then(Self::from_reader)
            .with_context(|| format!("reading the passphrase from {}", path.display()))
    }

    /// As [`Passphrase::from_file`], from what is open already.
    ///
    /// # Errors
    /// When reading fails, or there is nothing but spaces and line ends.
    pub fn from_reader(mut reader: impl Read) -> Result<Self> {
        let mut bytes = Zeroizing::new([0; PASSFILE_LIMIT]);
        let n = read_up_to(&mut reader, &mut bytes[..])?;
        let passphrase = trim(&bytes[..n]);
        ensure!(
            !passphrase.is_empty(),
            "the passphrase is empty: nothing but spaces and line ends in the first {n} bytes"
        );
        Self::new(passphrase.to_vec())
    }

    /// The bytes, for those who store or print them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Says nothing of the passphrase.
impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

/// The secret key of a stream.
#[derive(Clone)]
pub struct Key([u8; hydro::KEY]);

impl Key {
    /// Derives the key: libhydrogen's `pwhash_deterministic` with context `EncPipe`, a zero
    /// master key, opslimit 1000000. A fraction of a second by design; there is no salt.
    ///
    /// # Errors
    /// When libhydrogen cannot be set up.
    pub fn derive(passphrase: &Passphrase) -> Result<Self> {
        let mut key = Self([0; hydro::KEY]);
        hydro::pwhash(&mut key.0, passphrase.as_bytes())?;
        Ok(key)
    }

    /// 32 bytes that tell one key from another, and nothing about the key.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"ezmail key fingerprint");
        hash.update(self.0);
        hash.finalize().into()
    }

    /// The bytes, for sealing and opening.
    pub(super) fn bytes(&self) -> &[u8; hydro::KEY] {
        &self.0
    }

    /// A key of the tests' own, without the slow derivation.
    #[cfg(test)]
    pub(super) fn of_bytes(bytes: [u8; hydro::KEY]) -> Self {
        Self(bytes)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Says nothing of the key.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Space, CR and LF only: a tab belongs to the passphrase, as upstream has it.
fn trim(bytes: &[u8]) -> &[u8] {
    let outside = |b: &u8| !matches!(b, b' ' | b'\r' | b'\n');
    match (
        bytes.iter().position(outside),
        bytes.iter().rposition(outside),
    ) {
        (Some(first), Some(last)) => &bytes[first..=last],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Vec<u8> {
        Passphrase::from_reader(bytes).unwrap().as_bytes().to_vec()
    }

    #[test]
    fn a_passphrase_file_is_trimmed_of_spaces_and_line_ends_alone() {
        assert_eq!(read(b" \r\n a b\tc \r\n\n"), b"a b\tc");
        assert_eq!(read(b"\tx\t\n"), b"\tx\t");
        assert_eq!(read(b"one\ntwo\n"), b"one\ntwo");
        assert_eq!(read(b"\xff\x00\xfe\n"), b"\xff\x00\xfe");
    }

    #[test]
    fn the_first_512_bytes_count() {
        let mut long = vec![b'a'; 511];
        long.extend(b" bcd");
        assert_eq!(read(&long), vec![b'a'; 511]);
        assert_eq!(read(&[b'a'; 600]), vec![b'a'; 512]);
    }

    #[test]
    fn an_empty_passphrase_is_refused() {
        for bytes in [&b""[..], b"\n", b" \r\n \n"] {
            let error = Passphrase::from_reader(bytes).unwrap_err();
            assert!(error.to_string().contains("passphrase is empty"), "{error}");
        }
        assert!(Passphrase::new(Vec::new()).is_err());
    }

    #[test]
    fn a_missing_file_is_named() {
        insta::assert_snapshot!(
            format!("{:#}", Passphrase::from_file(Path::new("/nowhere/pass")).unwrap_err()),
            @"reading the passphrase from /nowhere/pass: No such file or directory (os error 2)"
        );
    }

    #[test]
    fn generated_passphrases_are_64_digits_and_differ() {
        let a = Passphrase::generate().unwrap();
        let b = Passphrase::generate().unwrap();
        assert_eq!(a.as_bytes().len(), 64);
        assert!(a.as_bytes().iter().all(u8::is_ascii_hexdigit));
        assert_ne!(a.as_bytes(), b.as_bytes());
    }

    #[test]
    fn debug_output_keeps_the_secret() {
        let passphrase = Passphrase::new(b"hunter2".to_vec()).unwrap();
        assert_eq!(format!("{passphrase:?}"), "Passphrase(..)");
        assert_eq!(format!("{:?}", Key::of_bytes([7; hydro::KEY])), "Key(..)");
    }
}
