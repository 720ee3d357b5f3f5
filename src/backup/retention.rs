//! Which backups stay: the newest of each of so many days, weeks and months, in UTC.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{module::Module, name::BackupId};
use crate::answers::model::Keep;

/// A backup as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The backup.
    pub id: BackupId,
    /// What is in it.
    pub modules: Vec<Module>,
}

/// The backups of `all` that stay. Those with other modules are counted by themselves, so that a
/// backup of the keys alone takes no place of a whole one; the newest of each always stays.
///
/// # Errors
/// When a time is none that a calendar has.
pub fn kept(all: &[Candidate], keep: Keep) -> Result<BTreeSet<BackupId>> {
    let kinds: BTreeSet<&[Module]> = all.iter().map(|c| &c.modules[..]).collect();
    let mut kept = BTreeSet::new();
    for kind in kinds {
        let mut times = Vec::new();
        for candidate in all.iter().filter(|c| c.modules == kind) {
            times.push((date(candidate.id.time)?, &candidate.id));
        }
        times.sort_by_key(|(_, id)| std::cmp::Reverse(id.time));
        kept.extend(times.first().map(|(_, id)| (*id).clone()));
        let day = |d: Date| (i32::from(d.year()), i32::from(d.day_of_year()));
        let week = |d: Date| {
            let week = d.iso_week_date();
            (i32::from(week.year()), i32::from(week.week()))
        };
        let month = |d: Date| (i32::from(d.year()), i32::from(d.month()));
        kept.extend(newest(&times, keep.daily, day));
        kept.extend(newest(&times, keep.weekly, week));
        kept.extend(newest(&times, keep.monthly, month));
    }
    Ok(kept)
}

fn date(time: i64) -> Result<Date> {
    let time = Timestamp::from_second(time).context("the time of a backup")?;
    Ok(time.to_zoned(TimeZone::UTC).date())
}

/// The newest of each of the newest `count` periods that have one; `times` are newest first.
fn newest(
    times: &[(Date, &BackupId)],
    count: u16,
    period: impl Fn(Date) -> (i32, i32),
) -> Vec<BackupId> {
    let mut seen = Vec::new();
    let mut kept = Vec::new();
    for (date, id) in times {
        let period = period(*date);
        if !seen.contains(&period) && seen.len() < usize::from(count) {
            seen.push(period);
            kept.push((*id).clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(day: i64, modules: &[Module]) -> Candidate {
        Candidate {
            id: BackupId {
                host: "mail.example.org".to_owned(),
                // the first day is 2026-01-01
                time: 1_767_225_600 + day * 86_400,
            },
            modules: modules.to_vec(),
        }
    }

    fn days(all: &[Candidate], keep: Keep) -> Vec<String> {
        let shown = |id: &BackupId| id.to_string()[17..25].to_owned();
        kept(all, keep).unwrap().iter().map(shown).collect()
    }

    #[test]
    fn the_newest_of_each_period_stays() {
        let daily: Vec<_> = (0..120).map(|d| candidate(d, &Module::ALL)).collect();
        let keep = Keep {
            daily: 3,
            weekly: 2,
            monthly: 3,
        };
        assert_eq!(
            days(&daily, keep),
            [
                "20260228", "20260331", "20260426", "20260428", "20260429", "20260430"
            ]
        );
        // hourly ones: the last of a day
        let mut hourly = Vec::new();
        for hour in 0..48 {
            let mut one = candidate(0, &Module::ALL);
            one.id.time += hour * 3600;
            hourly.push(one);
        }
        let keep = Keep {
            daily: 5,
            weekly: 0,
            monthly: 0,
        };
        let stay = kept(&hourly, keep).unwrap();
        let times: Vec<String> = stay
            .iter()
            .map(|id| id.to_string()[26..32].to_owned())
            .collect();
        assert_eq!(times, ["230000", "230000"]);
    }

    #[test]
    fn the_newest_stays_whatever_is_kept_and_parts_count_by_themselves() {
        let none = Keep {
            daily: 0,
            weekly: 0,
            monthly: 0,
        };
        let all = [
            candidate(1, &Module::ALL),
            candidate(2, &Module::ALL),
            candidate(3, &[Module::Keys]),
        ];
        assert_eq!(days(&all, none), ["20260103", "20260104"]);
        assert!(days(&[], none).is_empty());
    }
}
