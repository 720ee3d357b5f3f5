//! How often backups are made.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};
use thiserror::Error;

/// How often backups are made; its text is that of `backup.schedule`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Schedule {
    /// Every full hour.
    Hourly,
    /// Every day at [`NIGHT`].
    #[default]
    Daily,
    /// Every Sunday at [`NIGHT`].
    Weekly,
    /// Every day at this hour and minute.
    At(u8, u8),
    /// Not by itself.
    Never,
}

/// The hour and minute of what has none of its own.
pub const NIGHT: (u8, u8) = (3, 30);

/// A text that does not say how often.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` does not say how often: hourly, daily, weekly, never, or an hour such as 03:30")]
pub struct ScheduleError(String);

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let number = |part: &str, end: u8| {
            let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
            let number = digits.then(|| part.parse::<u8>().ok()).flatten();
            number.filter(|n| *n < end)
        };
        let hour = |text: &str| {
            let (hours, minutes) = text.split_once(':')?;
            Some(Self::At(number(hours, 24)?, number(minutes, 60)?))
        };
        match text {
            "hourly" => Ok(Self::Hourly),
            "daily" => Ok(Self::Daily),
            "weekly" => Ok(Self::Weekly),
            "never" => Ok(Self::Never),
            _ => hour(text).ok_or_else(|| ScheduleError(text.to_owned())),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hourly => f.write_str("hourly"),
            Self::Daily => f.write_str("daily"),
            Self::Weekly => f.write_str("weekly"),
            Self::Never => f.write_str("never"),
            Self::At(hour, minute) => write!(f, "{hour:02}:{minute:02}"),
        }
    }
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_they_are_written() {
        for text in [
            "hourly", "daily", "weekly", "never", "00:00", "03:30", "23:59",
        ] {
            assert_eq!(text.parse::<Schedule>().unwrap().to_string(), text);
        }
        for text in [
            "", "off", "Daily", "3:30", "24:00", "12:60", "+1:00", "12:0é",
        ] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
    }
}
