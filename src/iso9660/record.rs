//! Directory records (ECMA-119, 9.1).

/// Bytes of a record before its name.
const FIXED: usize = 33;
/// File flags (9.1.6).
const DIRECTORY: u8 = 0x02;
const MORE: u8 = 0x80;

/// What a directory says of a file, or of a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// Without version number; a single byte 0 or 1 for the directory itself and its parent.
    pub name: String,
    pub directory: bool,
    /// Whether the next record is of the same file.
    pub more: bool,
    /// Where the bytes begin, in blocks of the volume.
    pub block: u32,
    /// How many bytes.
    pub length: u32,
    /// What a system keeps there of its own (9.1.13).
    pub system_use: Vec<u8>,
}

impl Record {
    /// `bytes` begin with the record and may be longer.
    pub fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let length = usize::from(*bytes.first().ok_or("it is empty")?);
        if length <= FIXED || length > bytes.len() {
            return Err("its length is impossible");
        }
        let bytes = &bytes[..length];
        let name = usize::from(bytes[32]);
        // a byte of padding makes the place even
        let after = FIXED + name + usize::from(name.is_multiple_of(2));
        let name = bytes
            .get(FIXED..FIXED + name)
            .filter(|name| !name.is_empty())
            .ok_or("its name is longer than it")?;
        if bytes[26] != 0 || bytes[27] != 0 {
            return Err("its file is interleaved, which nobody writes");
        }
        let block = both_32(&bytes[2..10])?;
        Ok(Self {
            name: plain(name),
            directory: bytes[25] & DIRECTORY != 0,
            more: bytes[25] & MORE != 0,
            // an extended attribute record lies before the bytes (9.1.2)
            block: block
                .checked_add(u32::from(bytes[1]))
                .ok_or("its place is impossible")?,
            length: both_32(&bytes[10..18])?,
            system_use: bytes.get(after..).unwrap_or_default().to_vec(),
        })
    }

    /// Whether it is of the directory itself or its parent (7.6.2).
    pub fn is_dot(&self) -> bool {
        matches!(self.name.as_str(), "\0" | "\u{1}")
    }
}

/// The records of a block: none crosses into the next, and zeros fill the rest (6.8.1.1). Ends
/// after the first error.
pub(super) fn records(block: &[u8]) -> impl Iterator<Item = Result<Record, &'static str>> {
    let mut rest = block;
    std::iter::from_fn(move || {
        let length = usize::from(*rest.first()?);
        if length == 0 {
            return None;
        }
        let record = Record::parse(rest);
        rest = match record {
            Ok(_) => &rest[length..],
            Err(_) => &[],
        };
        Some(record)
    })
}

/// A name without `;VERSION` and without the dot of an empty extension (7.5.1).
fn plain(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    let name = name.rsplit_once(';').map_or(&*name, |(name, _)| name);
    name.strip_suffix('.').unwrap_or(name).to_owned()
}

/// A number in both byte orders, which have to agree (7.2.3).
pub(super) fn both_16(bytes: &[u8]) -> Result<u16, &'static str> {
    match *bytes {
        [a, b, c, d] if [a, b] == [d, c] => Ok(u16::from_le_bytes([a, b])),
        _ => Err(DISAGREE),
    }
}

/// As [`both_16`], of four bytes each (7.3.3).
pub(super) fn both_32(bytes: &[u8]) -> Result<u32, &'static str> {
    match *bytes {
        [a, b, c, d, e, f, g, h] if [a, b, c, d] == [h, g, f, e] => {
            Ok(u32::from_le_bytes([a, b, c, d]))
        }
        _ => Err(DISAGREE),
    }
}

const DISAGREE: &str = "a number differs between its two byte orders";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_version_and_empty_extension() {
        for (name, expected) in [
            ("ANSWERS.;1", "ANSWERS"),
            ("answers;1", "answers"),
            ("A.B;12", "A.B"),
            ("DIR", "DIR"),
            ("\0", "\0"),
        ] {
            assert_eq!(plain(name.as_bytes()), expected);
        }
    }

    #[test]
    fn both_orders_have_to_agree() {
        assert_eq!(both_32(&[1, 2, 0, 0, 0, 0, 2, 1]), Ok(0x201));
        assert!(both_32(&[1, 2, 0, 0, 0, 0, 2, 2]).is_err());
        assert_eq!(both_16(&[0, 8, 8, 0]), Ok(2048));
        assert!(both_16(&[0, 8, 0, 8]).is_err());
    }

    #[test]
    fn a_record_with_impossible_lengths_is_refused() {
        let mut bytes = vec![0; 40];
        bytes[0] = 34;
        bytes[32] = 1;
        assert!(Record::parse(&bytes).unwrap().is_dot());
        for (at, value) in [(0, 33), (0, 41), (32, 0), (32, 2), (26, 1), (27, 1), (2, 1)] {
            let mut bad = bytes.clone();
            bad[at] = value;
            assert!(Record::parse(&bad).is_err(), "{at}: {value}");
        }
        assert!(Record::parse(&[]).is_err());
    }
}
