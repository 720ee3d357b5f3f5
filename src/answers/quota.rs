//! How much a mailbox holds.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// A size in bytes; written as `5G`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quota(u64);

impl Quota {
    /// 15 GiB.
    pub const DEFAULT: Self = Self(15 << 30);
    /// 100 MiB: two messages of the largest size.
    pub const MIN: Self = Self(100 << 20);

    /// So many bytes; `None` for what no answers could say: a part of a MiB, less than
    /// [`Quota::MIN`], more than 1024T.
    pub fn of_bytes(bytes: u64) -> Option<Self> {
        Self(bytes)
            .to_string()
            .parse()
            .ok()
            .filter(|q| *q == Self(bytes))
    }

    /// The size nearest to so many bytes that answers can say: whole MiB, at least
    /// [`Quota::MIN`], at most 1024T.
    pub fn nearest(bytes: u64) -> Self {
        let whole = bytes.clamp(Self::MIN.0, 1 << 50) >> 20 << 20;
        Self(whole.max(Self::MIN.0))
    }

    /// The size in bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

const UNITS: [(char, u32); 3] = [('M', 20), ('G', 30), ('T', 40)];

impl FromStr for Quota {
    type Err = ();

    /// A whole number and `M`, `G` or `T`. `Err` for anything else and for what is smaller than
    /// [`Quota::MIN`] or larger than 1024T.
    fn from_str(text: &str) -> Result<Self, ()> {
        let unit = text.chars().last().ok_or(())?;
        let (_, shift) = UNITS.iter().find(|u| u.0 == unit).ok_or(())?;
        let digits = &text[..text.len() - 1];
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(());
        }
        let number: u64 = digits.parse().map_err(|_| ())?;
        let bytes = number.checked_mul(1 << shift).ok_or(())?;
        (Self::MIN.0..=1 << 50)
            .contains(&bytes)
            .then_some(Self(bytes))
            .ok_or(())
    }
}

impl fmt::Display for Quota {
    /// In the largest unit that keeps it whole.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |u: &&(char, u32)| self.0.is_multiple_of(1 << u.1);
        let (unit, shift) = UNITS.iter().rev().find(whole).unwrap_or(&UNITS[0]);
        write!(f, "{}{unit}", self.0 >> shift)
    }
}

impl Serialize for Quota {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_read_and_written() {
        for text in ["100M", "1G", "15G", "1500M", "2T", "1024T"] {
            assert_eq!(text.parse::<Quota>().unwrap().to_string(), text);
        }
        assert_eq!("1024M".parse::<Quota>().unwrap().to_string(), "1G");
        for text in [
            "", "G", "5", "5g", "5K", "1.5G", "+5G", "-5G", "0G", "99M", "1025T", "5 G", "5€",
        ] {
            assert!(text.parse::<Quota>().is_err(), "{text}");
        }
        assert_eq!(Quota::DEFAULT.to_string(), "15G");
    }

    #[test]
    fn any_number_has_a_nearest_quota() {
        let nearest = |bytes| Quota::nearest(bytes).to_string();
        assert_eq!(nearest(123_456_789), "117M");
        assert_eq!(nearest(5), "100M");
        assert_eq!(nearest(u64::MAX), "1024T");
    }
}
