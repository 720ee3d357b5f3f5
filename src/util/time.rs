//! The time.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use jiff::Timestamp;

/// Seconds since 1970.
///
/// # Errors
/// When the clock is before that.
pub fn now() -> Result<i64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(since.context("the clock is wrong")?.as_secs().try_into()?)
}

/// A day, of seconds since 1970: `2026-11-24`, in UTC.
pub fn date(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(
        |_| "a day beyond all calendars".to_owned(),
        |time| time.strftime("%Y-%m-%d").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_in_utc() {
        assert_eq!(date(1_700_000_000), "2023-11-14");
        assert_eq!(date(i64::MAX), "a day beyond all calendars");
    }
}
