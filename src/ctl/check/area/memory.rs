//! Memory: is there enough, and was there always?

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result};

use crate::{
    ctl::check::finding::{Area, Finding},
    util::{files, run::Task},
};

const AREA: Area = Area::Memory;

pub(super) fn check() -> Result<Vec<Finding>> {
    let text = files::read_to_string(Path::new("/proc/meminfo"))?;
    let mut command = Command::new("journalctl");
    command.args([
        "--dmesg",
        "--boot",
        "--output=cat",
        "--no-pager",
        "--lines=5",
    ]);
    command.arg("--grep=Out of memory: Killed process|oom-kill:");
    // its status tells "nothing found" and "nothing readable" alike
    let found = Task::new("looking for processes that were ended", command).outcome()?;
    let killed = String::from_utf8_lossy(&found.stdout).into_owned();
    Ok(vec![judge(&text)?, judge_killed(&killed)])
}

fn judge(meminfo: &str) -> Result<Finding> {
    let value = |key: &str| {
        let line = meminfo.lines().find_map(|l| l.strip_prefix(key));
        let kib = line.and_then(|l| l.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        kib.with_context(|| format!("/proc/meminfo has no {key}"))
    };
    let (total, available) = (value("MemTotal:")? / 1024, value("MemAvailable:")? / 1024);
    let text = format!("{available} of {total} MiB are available");
    Ok(match available {
        0..32 => Finding::error(
            AREA,
            "available",
            format!("{text}: services are soon ended by the kernel."),
            "Take a machine with more memory; 'systemctl status' shows what needs it.",
        ),
        32..64 => Finding::warning(
            AREA,
            "available",
            format!("{text}."),
            "Take a machine with more memory; 'systemctl status' shows what needs it.",
        ),
        _ => Finding::ok(AREA, "available", format!("{text}.")),
    })
}

fn judge_killed(lines: &str) -> Finding {
    let name = |line: &str| {
        let (_, rest) = line.split_once("Killed process ")?;
        let (number, rest) = rest.split_once('(')?;
        let name = rest.split_once(')')?.0;
        // with its number: that it was ended once more is news
        Some((name.to_owned(), format!("{name} {}", number.trim())))
    };
    let killed = lines.lines().filter_map(name);
    let (mut names, each): (Vec<String>, Vec<String>) = killed.unzip();
    names.sort();
    names.dedup();
    match names.is_empty() {
        true => Finding::ok(AREA, "killed", "No process was ended for want of memory."),
        false => Finding::error(
            AREA,
            "killed",
            format!(
                "For want of memory the kernel has ended since this boot: {}.",
                names.join(", ")
            ),
            "Take a machine with more memory.",
        )
        .about(each),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::check::finding::State;

    #[test]
    fn what_is_available_counts() {
        let text =
            |kib: u32| format!("MemTotal: 1000448 kB\nMemFree: 5 kB\nMemAvailable: {kib} kB\n");
        let state = |kib| judge(&text(kib)).unwrap().state;
        assert_eq!(state(500_000), State::Ok);
        assert_eq!(state(50_000), State::Warning);
        assert_eq!(state(20_000), State::Error);
        assert!(judge("MemTotal: 5 kB\n").is_err());
    }

    #[test]
    fn who_was_ended_is_named() {
        assert_eq!(judge_killed("").state, State::Ok);
        let line = "Out of memory: Killed process 812 (rspamd) total-vm:201000kB, anon-rss:1kB\n";
        let other = line.replace("812", "913");
        assert_eq!(
            judge_killed(&(line.to_owned() + &other)).about,
            ["rspamd 812", "rspamd 913"]
        );
        insta::assert_snapshot!(
            judge_killed(&line.repeat(2)).reason,
            @"For want of memory the kernel has ended since this boot: rspamd."
        );
    }
}
