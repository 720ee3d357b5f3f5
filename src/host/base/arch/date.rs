//! A day of the Arch Linux Archive.

use std::{fmt, str::FromStr};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A day as the archive's folders are named: `YYYY/MM/DD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArchiveDate(Date);

/// Why a text is no [`ArchiveDate`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    /// Not four, two and two digits with slashes between.
    #[error("the archive date '{0}' is not written YYYY/MM/DD, as in 2026/11/01")]
    Form(String),
    /// Well written, but not in the calendar.
    #[error("the archive date '{0}' is not in the calendar: no such month or day")]
    Calendar(String),
    /// The archive does not reach back so far with the repositories that are used here.
    #[error(
        "the archive date '{0}' is too early: 'extra' holds all packages only since \
         {FIRST}, when 'community' was merged into it"
    )]
    Early(String),
}

/// The first whole day after `community` was merged into `extra`.
const FIRST: ArchiveDate = ArchiveDate(jiff::civil::date(2023, 5, 22));

impl ArchiveDate {
    /// Today, in UTC.
    pub fn today() -> Self {
        Self(
            jiff::Timestamp::now()
                .to_zoned(jiff::tz::TimeZone::UTC)
                .date(),
        )
    }
}

impl FromStr for ArchiveDate {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        let form = || DateError::Form(text.to_owned());
        let parts: Vec<&str> = text.split('/').collect();
        let [year, month, day] = parts[..] else {
            return Err(form());
        };
        let digits = |part: &str, count: usize| {
            (part.len() == count && part.bytes().all(|b| b.is_ascii_digit())).then_some(())
        };
        digits(year, 4)
            .and(digits(month, 2))
            .and(digits(day, 2))
            .ok_or_else(form)?;
        let date = Date::new(
            year.parse().map_err(|_| form())?,
            month.parse().map_err(|_| form())?,
            day.parse().map_err(|_| form())?,
        )
        .map_err(|_| DateError::Calendar(text.to_owned()))?;
        if date < FIRST.0 {
            return Err(DateError::Early(text.to_owned()));
        }
        Ok(Self(date))
    }
}

impl TryFrom<String> for ArchiveDate {
    type Error = DateError;

    fn try_from(text: String) -> Result<Self, DateError> {
        text.parse()
    }
}

impl From<ArchiveDate> for String {
    fn from(date: ArchiveDate) -> Self {
        date.to_string()
    }
}

impl fmt::Display for ArchiveDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:04}/{:02}/{:02}",
            self.0.year(),
            self.0.month(),
            self.0.day()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_and_written_alike() {
        let date: ArchiveDate = "2024/02/29".parse().unwrap();
        assert_eq!(date.to_string(), "2024/02/29");
        assert!(ArchiveDate::today() > date);
    }

    #[test]
    fn a_malformed_date_says_what_is_wrong() {
        let text = |t: &str| t.parse::<ArchiveDate>().unwrap_err().to_string();
        insta::assert_snapshot!(text("2026-11-01"), @"the archive date '2026-11-01' is not written YYYY/MM/DD, as in 2026/11/01");
        insta::assert_snapshot!(text("2026/11/1"), @"the archive date '2026/11/1' is not written YYYY/MM/DD, as in 2026/11/01");
        insta::assert_snapshot!(text("2026/11/01/../.."), @"the archive date '2026/11/01/../..' is not written YYYY/MM/DD, as in 2026/11/01");
        insta::assert_snapshot!(text("2026/02/30"), @"the archive date '2026/02/30' is not in the calendar: no such month or day");
        insta::assert_snapshot!(text("2019/02/03"), @"the archive date '2019/02/03' is too early: 'extra' holds all packages only since 2023/05/22, when 'community' was merged into it");
    }
}
