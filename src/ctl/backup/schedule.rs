//! `mailctl backup schedule`: when backups are made, shown and changed.

use std::{fmt::Write, process::ExitCode};

use anyhow::{Result, bail};
use clap::Args as Arguments;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::local;
use crate::{
    answers::{
        Answers,
        model::{Backup, Schedule},
    },
    backup::{
        report::{Drill, Report, Run},
        schedule::{is_due, zone},
    },
    ctl::{
        check::area::{size, span},
        output,
        server::{Server, now},
    },
};

/// The words of `mailctl backup schedule`.
#[derive(Debug, Arguments)]
#[command(after_help = "\
Examples:
  mailctl backup schedule            when, and what became of the last ones
  mailctl backup schedule 22:15      every day at that hour
  mailctl backup schedule off        none by itself; 'backup create' makes one

What the server misses while it is off is made up for soon after its start, and
one that failed is tried again after some hours.")]
pub struct Args {
    /// hourly, daily, weekly, off, or an hour such as 22:15
    #[arg(value_parser = parse)]
    when: Option<Schedule>,
    /// As JSON
    #[arg(long, conflicts_with = "when")]
    json: bool,
}

fn parse(text: &str) -> Result<Schedule, String> {
    match text {
        "off" => Ok(Schedule::Never),
        text => text
            .parse()
            .map_err(|_| "say hourly, daily, weekly, off, or an hour such as 22:15".to_owned()),
    }
}

pub(super) fn run(args: &Args, server: &Server) -> Result<ExitCode> {
    let mut answers = server.answers()?;
    let Some(backup) = &mut answers.backup else {
        bail!(
            "the answers have no [backup], which says where to: 'mailctl answers export' writes \
             them, 'ezmail-agent apply --answers FILE' takes them with a [backup] in them"
        );
    };
    if let Some(when) = args.when {
        if backup.schedule == when {
            output::text(&format!("{}, as before\n", words(when)))?;
            return Ok(ExitCode::SUCCESS);
        }
        backup.schedule = when;
        server.apply(&answers)?;
        output::text(&format!("{}\n", words(when)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let report = Report::read(&server.target.path(&server.paths.state))?;
    let backup = backup.clone();
    let plan = Plan::new(&answers, &backup, report, now()?)?;
    match args.json {
        true => output::json(&plan)?,
        false => output::text(&plan.text(&zone(&answers.timezone)?, now()?))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A schedule as people say it.
fn words(schedule: Schedule) -> String {
    match schedule {
        Schedule::Hourly => "every hour".to_owned(),
        Schedule::Daily => "every day at 03:30".to_owned(),
        Schedule::Weekly => "every Sunday at 03:30".to_owned(),
        Schedule::At(..) => format!("every day at {schedule}"),
        Schedule::Never => "never by itself".to_owned(),
    }
}

/// When backups are made, and what became of the last ones. Times are seconds since 1970.
#[derive(Debug, Serialize)]
struct Plan {
    /// How often.
    schedule: Schedule,
    /// In which time zone.
    timezone: String,
    /// Where to.
    target: String,
    /// Whether one should have been made by now.
    due: bool,
    /// When the next begins.
    next: Option<i64>,
    #[serde(flatten)]
    report: Report,
}

impl Plan {
    fn new(answers: &Answers, backup: &Backup, report: Report, now: i64) -> Result<Self> {
        let zone = zone(&answers.timezone)?;
        Ok(Self {
            schedule: backup.schedule,
            timezone: answers.timezone.clone(),
            target: backup.target.to_string(),
            due: is_due(backup.schedule, &zone, &report, now)?,
            next: backup.schedule.next(&zone, now)?,
            report,
        })
    }

    fn text(&self, zone: &TimeZone, now: i64) -> String {
        let mut text = String::new();
        // writing to a string cannot fail
        let mut line = |title: &str, said: &str| {
            let _ = writeln!(text, "{title:<8}  {said}");
        };
        let often = match self.schedule {
            Schedule::Never => words(self.schedule),
            _ => format!("{} ({})", words(self.schedule), self.timezone),
        };
        line("Backups", &often);
        line("To", &self.target);
        if let Some(next) = self.next {
            let waits = span((next - now).max(0).unsigned_abs());
            let due = match self.due {
                true => "; one is due",
                false => "",
            };
            line("Next", &format!("{}, in {waits}{due}", local(zone, next)));
        }
        let last = self.report.last.as_ref();
        let last = last.map_or_else(|| "none yet".to_owned(), |run| run_text(run, zone));
        line("Last", &last);
        if let Some(good) = &self.report.good
            && self.report.last.as_ref() != Some(good)
        {
            line("Good", &run_text(good, zone));
        }
        let drill = self.report.drill.as_ref();
        let drill = drill.map_or_else(|| "none yet".to_owned(), |drill| drill_text(drill, zone));
        line("Drill", &drill);
        text
    }
}

fn run_text(run: &Run, zone: &TimeZone) -> String {
    let begun = local(zone, run.begun);
    let took = span((run.ended - run.begun).max(0).unsigned_abs());
    match &run.error {
        Some(error) => format!("{begun}, FAILED: {error}"),
        None => format!(
            "{begun}, done in {took}: {} of {} files, {} written",
            size(run.bytes),
            run.files,
            size(run.written)
        ),
    }
}

fn drill_text(drill: &Drill, zone: &TimeZone) -> String {
    let begun = local(zone, drill.begun);
    match &drill.error {
        Some(error) => format!("{begun}, FAILED: {error}"),
        None => format!(
            "{begun}, well: {} files compared, {} messages in {} mailboxes",
            drill.files, drill.messages, drill.mailboxes
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::name::BackupId;

    fn plan(report: Report) -> String {
        let now = 1_795_521_600; // 2026-11-24T12:00:00Z
        let target = "sftp://backup@backup.example.net/srv/ezmail";
        let text = format!(
            "hostname = \"mail.example.org\"\ntimezone = \"Europe/Berlin\"\npostmaster = \
             \"a@example.com\"\n[[domain]]\nname = \"example.org\"\n[backup]\ntarget = \"{target}\"\n"
        );
        let answers = crate::answers::parse(&text, "a").unwrap();
        let backup = answers.backup.clone().unwrap();
        let plan = Plan::new(&answers, &backup, report, now).unwrap();
        plan.text(&zone("Europe/Berlin").unwrap(), now)
    }

    #[test]
    fn a_server_that_has_none_yet() {
        insta::assert_snapshot!(plan(Report::default()), @r"
        Backups   every day at 03:30 (Europe/Berlin)
        To        sftp://backup@backup.example.net/srv/ezmail
        Next      2026-11-25 03:30 CET, in 14 hours; one is due
        Last      none yet
        Drill     none yet
        ");
    }

    #[test]
    fn what_became_of_the_last_ones() {
        let good = Run {
            begun: 1_795_401_005,
            ended: 1_795_401_305,
            id: Some("mail.example.org_20261123T023005Z".parse().unwrap()),
            place: "x".to_owned(),
            files: 12_345,
            bytes: 3 << 30,
            written: 40 << 20,
            error: None,
        };
        let failed = Run {
            begun: 1_795_487_405,
            id: None,
            error: Some("backup.example.net does not answer".to_owned()),
            ..good.clone()
        };
        let drill = Drill {
            begun: 1_795_401_005,
            ended: 1_795_401_305,
            id: good.id.clone(),
            files: 12_345,
            bytes: 3 << 30,
            mailboxes: 3,
            messages: 1000,
            error: None,
        };
        let id: BackupId = good.id.clone().unwrap();
        assert_eq!(id.time, good.begun);
        insta::assert_snapshot!(plan(Report {
            last: Some(failed),
            good: Some(good),
            drill: Some(drill),
            ..Report::default()
        }), @r"
        Backups   every day at 03:30 (Europe/Berlin)
        To        sftp://backup@backup.example.net/srv/ezmail
        Next      2026-11-25 03:30 CET, in 14 hours; one is due
        Last      2026-11-24 03:30 CET, FAILED: backup.example.net does not answer
        Good      2026-11-23 03:30 CET, done in 5 minutes: 3.0 GiB of 12345 files, 40 MiB written
        Drill     2026-11-23 03:30 CET, well: 12345 files compared, 1000 messages in 3 mailboxes
        ");
    }

    #[test]
    fn off_is_a_word() {
        assert_eq!(parse("off"), Ok(Schedule::Never));
        assert!(parse("sometimes").is_err());
    }
}
