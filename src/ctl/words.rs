//! Times in words, as several commands say them.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

pub use crate::util::time::date;

/// A length of time in its largest unit: `45s`, `12m`, `3h`, `5d`.
pub fn duration(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{}s", seconds.max(0)),
        60..3600 => format!("{}m", seconds / 60),
        3600..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// The other way: `90s`, `12m`, `3h`, `5d`, `2w`, or several of them.
///
/// # Errors
/// When it is none of these; the message says what is.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    let wrong = || "say 30m, 12h, 2d or 1w".to_owned();
    let (mut total, mut digits) = (0i64, String::new());
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let unit = match c {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return Err(wrong()),
        };
        let number: i64 = digits.parse().map_err(|_| wrong())?;
        let seconds = number.checked_mul(unit).ok_or_else(wrong)?;
        total = total.checked_add(seconds).ok_or_else(wrong)?;
        digits.clear();
    }
    match digits.is_empty() && total > 0 {
        true => Ok(total),
        false => Err(wrong()),
    }
}

/// A time of the journal, microseconds since 1970, as `2026-11-24 10:03:12`, in UTC.
pub fn time(microseconds: i64) -> String {
    let since = SignedDuration::from_micros(microseconds);
    match Timestamp::from_duration(since) {
        Ok(time) => time
            .to_zoned(TimeZone::UTC)
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string(),
        Err(_) => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_in_words_and_back() {
        let shown = [-1, 59, 60, 7200, 172_799, 432_000].map(duration);
        assert_eq!(shown, ["0s", "59s", "1m", "2h", "47h", "5d"]);
        assert_eq!(parse_duration("1d12h"), Ok(129_600));
        for wrong in ["", "5", "0d", "5y", "d", "99999999999999999w"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_in_utc() {
        assert_eq!(time(1_700_000_000_000_000), "2023-11-14 22:13:20");
        assert_eq!(time(i64::MAX), "?");
    }
}
