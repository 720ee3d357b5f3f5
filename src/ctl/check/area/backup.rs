//! Whether backups are made, can be restored, and can be opened by somebody.

use anyhow::{Result, bail};

use crate::{
    answers::{Answers, location::Host, model::Backup},
    backup::{
        report::{Drill, Report, Run},
        switch::{self, Before, Layout},
    },
    ctl::{
        check::{
            Context,
            area::{size, span},
            finding::{Area, Finding},
        },
        server::now,
    },
};

const AREA: Area = Area::Backup;
/// How old a drill may be, in seconds: timers make one a week.
const DRILL: i64 = 5 * 7 * 86_400;
/// How long what was there before a restore is kept before somebody is asked, in seconds.
const KEPT: i64 = 7 * 86_400;
/// How many periods of the schedule the newest backup may be old.
const PERIODS: i64 = 2;

pub(super) fn check(cx: &Context) -> Result<Vec<Finding>> {
    match &cx.answers {
        Ok(answers) => {
            let state = cx.server.target.path(&cx.server.paths.state);
            let now = now()?;
            let mut findings = judge(answers, &Report::read(&state)?, now);
            let layout = Layout::of(&cx.server.target, &cx.server.paths);
            findings.extend(switch::before(&layout)?.map(|before| kept(before, now)));
            Ok(findings)
        }
        Err(error) => bail!("{error}"),
    }
}

fn judge(answers: &Answers, report: &Report, now: i64) -> Vec<Finding> {
    let Some(backup) = &answers.backup else {
        return vec![Finding::warning(
            AREA,
            "",
            "No backup is configured: if the disk is lost, so is all mail.",
            "Add a [backup] to the answers: 'mailctl answers export' writes them, \
             'ezmail-agent apply --answers FILE' takes them.",
        )];
    };
    let mut findings = vec![newest(backup, report, now)];
    findings.extend(report.last.as_ref().map(last));
    findings.extend(report.not_pruned.as_deref().map(not_pruned));
    if report.good.is_some() {
        findings.push(drill(report, now));
    }
    if backup.passphrase.is_none() {
        findings.push(passphrase(report));
    }
    findings.extend(place(answers, backup));
    findings
}

/// What was there before restores, and takes room.
fn kept(before: Before, now: i64) -> Finding {
    let (age, bytes) = (ago(now, before.since), size(before.bytes));
    if now - before.since <= KEPT {
        let reason = format!("What was there before a restore is kept, {age} so far: {bytes}.");
        return Finding::ok(AREA, "kept", reason);
    }
    let reason = format!("What was there before a restore is still kept, after {age}: {bytes}.");
    let todo = "If all is well since, 'mailctl restore --drop-old' removes it; 'mailctl restore \
                --undo' goes back to it.";
    Finding::warning(AREA, "kept", reason, todo)
}

fn ago(now: i64, time: i64) -> String {
    span((now - time).max(0).unsigned_abs())
}

/// How old the newest one is.
fn newest(backup: &Backup, report: &Report, now: i64) -> Finding {
    let id = "newest";
    let make = "'mailctl backup create' makes one now.";
    let Some(good) = &report.good else {
        let reason = "No backup has been made yet: if the disk is lost, so is all mail.";
        return Finding::warning(AREA, id, reason, make);
    };
    let age = ago(now, good.begun);
    let Some(period) = backup.schedule.period() else {
        let reason = format!("The newest backup was made {age} ago, and none is made by itself.");
        let todo = "'mailctl backup schedule daily' lets the server make them.";
        return Finding::warning(AREA, "newest", reason, todo);
    };
    if now - good.begun > PERIODS * period {
        let reason = format!(
            "The newest backup was made {age} ago; the schedule is '{}'.",
            backup.schedule
        );
        let todo = format!("{make} 'journalctl -u ezmail-backup' says what kept it away.");
        return Finding::error(AREA, id, reason, todo);
    }
    let (bytes, files) = (size(good.bytes), good.files);
    let reason = format!("The newest backup was made {age} ago: {bytes} in {files} files.");
    Finding::ok(AREA, id, reason)
}

/// How the last run ended.
fn last(run: &Run) -> Finding {
    match &run.error {
        None => Finding::ok(AREA, "last", format!("The last one went to {}.", run.place)),
        Some(error) => Finding::warning(
            AREA,
            "last",
            format!("The last backup failed: {error}"),
            "Mend that, then 'mailctl backup create'; the server also tries again by itself.",
        ),
    }
}

/// Why backups that need not stay are there still.
fn not_pruned(error: &str) -> Finding {
    let reason = format!("Old backups could not be removed: {error}");
    let todo = "Mend that, then 'mailctl backup prune'; the next backup also tries it.";
    Finding::warning(AREA, "prune", reason, todo)
}

/// Whether it was seen that a backup can be restored.
fn drill(report: &Report, now: i64) -> Finding {
    let id = "drill";
    let again = "'mailctl backup drill' does it now.";
    let Some(last) = &report.drill else {
        return Finding::warning(
            AREA,
            id,
            "No backup was ever drilled: whether one can be restored is not known.",
            format!("{again} A timer does it once a week."),
        );
    };
    if let Some(error) = &last.error {
        let which = match &last.id {
            Some(backup) => format!(" of {backup}"),
            None => String::new(),
        };
        let reason = format!("The last drill{which} failed: {error}");
        let todo = "Until one succeeds, take it that the backup cannot be restored: mend that, then \
                    'mailctl backup create --full' and 'mailctl backup drill'.";
        return Finding::error(AREA, id, reason, todo);
    }
    let age = ago(now, last.begun);
    if now - last.begun > DRILL {
        let reason = format!("The last drill was {age} ago.");
        return Finding::warning(AREA, id, reason, again);
    }
    if let Some(behind) = behind(last, report).filter(|behind| *behind > DRILL) {
        let behind = span(behind.unsigned_abs());
        let reason = format!("The backup that was drilled last is {behind} older than the newest.");
        return Finding::warning(AREA, id, reason, again);
    }
    let (files, mailboxes) = (last.files, last.mailboxes);
    let reason = format!(
        "A backup was restored to see whether it can be, {age} ago: {files} files, {mailboxes} mailboxes."
    );
    Finding::ok(AREA, id, reason)
}

/// How much older the drilled backup is than the newest.
fn behind(drill: &Drill, report: &Report) -> Option<i64> {
    let newest = report.good.as_ref()?.id.as_ref()?.time;
    Some(newest - drill.id.as_ref()?.time)
}

/// Whether anybody has the passphrase that this server made.
fn passphrase(report: &Report) -> Finding {
    let id = "passphrase";
    match report.passphrase_shown {
        Some(_) => Finding::ok(AREA, id, "The passphrase was shown to somebody."),
        None => Finding::error(
            AREA,
            id,
            "Nobody has seen the passphrase of the backups: without the server, none opens.",
            "'mailctl backup passphrase --sheet' prints it once: keep it where the server is not.",
        ),
    }
}

/// Whether they go to this very machine.
fn place(answers: &Answers, backup: &Backup) -> Option<Finding> {
    let here = match &backup.target.host {
        Host::Name(name) => *name == answers.hostname || name.as_str() == "localhost",
        Host::Ip(ip) => {
            let mut own = answers.network.address.iter().map(ipnet::IpNet::addr);
            ip.is_loopback() || ip.is_unspecified() || own.any(|own| own == *ip)
        }
    };
    here.then(|| {
        Finding::warning(
            AREA,
            "place",
            "Backups go to this machine: they are lost together with it.",
            "Give a 'backup.target' on another one.",
        )
    })
}

#[cfg(test)]
mod tests;
