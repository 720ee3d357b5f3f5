//! Space and files of the state volume, and what was promised of it.

use std::path::Path;

use anyhow::{Context as _, Result};
use rustix::fs::statvfs;

use crate::ctl::check::{
    Context,
    finding::{Area, Finding},
};

const AREA: Area = Area::Disk;

const MIB: u64 = 1 << 20;

/// What is known about the file system.
#[derive(Debug, Clone, Copy)]
pub struct Space {
    /// Its size in bytes.
    pub total: u64,
    /// What is free.
    pub free: u64,
    /// How many files there can be; 0 where there is no such limit.
    pub files: u64,
    /// How many more there can be.
    pub files_free: u64,
}

impl Space {
    /// Of the file system at `path`.
    ///
    /// # Errors
    /// When there is none.
    pub fn of(path: &Path) -> Result<Self> {
        let what = || format!("asking for the space at {}", path.display());
        let found = statvfs(path).with_context(what)?;
        Ok(Self {
            total: found.f_blocks * found.f_frsize,
            free: found.f_bavail * found.f_frsize,
            files: found.f_files,
            files_free: found.f_favail,
        })
    }
}

pub(super) fn check(cx: &Context) -> Result<Vec<Finding>> {
    let server = &cx.server;
    let space = Space::of(&server.target.path(&server.paths.state))?;
    let mut findings = vec![judge_space(space), judge_files(space)];
    let path = server.target.path(&server.paths.database);
    findings.push(match path.exists() {
        true => {
            let sum = "SELECT coalesce(sum(quota_bytes), 0) FROM user";
            let sum: i64 = server.database()?.query_row(sum, [], |row| row.get(0))?;
            judge_quotas(space, u64::try_from(sum).unwrap_or(0))
        }
        false => Finding::unknown(AREA, "quotas", "There is no database yet."),
    });
    Ok(findings)
}

fn percent(part: u64, whole: u64) -> u64 {
    (u128::from(part) * 100 / u128::from(whole.max(1))) as u64
}

const ROOM: &str = "Make the disk larger at the provider: the file system grows at the next boot. \
                    'du -xh --max-depth=2 /var/lib/ezmail' shows what needs the space.";

fn judge_space(space: Space) -> Finding {
    let free = percent(space.free, space.total);
    let text = format!(
        "{free} % of the space is free, {} of {}",
        size(space.free),
        size(space.total)
    );
    if free < 5 || space.free < 64 * MIB {
        let reason = format!("{text}: mail is soon put off.");
        Finding::error(AREA, "space", reason, ROOM)
    } else if free < 15 {
        Finding::warning(AREA, "space", format!("{text}."), ROOM)
    } else {
        Finding::ok(AREA, "space", format!("{text}."))
    }
}

fn judge_files(space: Space) -> Finding {
    if space.files == 0 {
        return Finding::ok(
            AREA,
            "files",
            "There can be as many files as there is space for.",
        );
    }
    let free = percent(space.files_free, space.files);
    let text = format!(
        "{free} % of the {} files that there can be are free",
        space.files
    );
    match free {
        0..5 => {
            let reason = format!("{text}: mail is soon put off.");
            Finding::error(AREA, "files", reason, ROOM)
        }
        5..15 => Finding::warning(AREA, "files", format!("{text}."), ROOM),
        _ => Finding::ok(AREA, "files", format!("{text}.")),
    }
}

fn judge_quotas(space: Space, sum: u64) -> Finding {
    let text = format!(
        "The quotas of all users together are {}, the disk has {}",
        size(sum),
        size(space.total)
    );
    match sum > space.total {
        true => Finding::warning(
            AREA,
            "quotas",
            format!("{text}: it can fill up before any user reaches a quota."),
            "Make the disk larger, or the quotas smaller.",
        ),
        false => Finding::ok(AREA, "quotas", format!("{text}.")),
    }
}

/// A size for people, such as `1.5 GiB`.
pub fn size(bytes: u64) -> String {
    let gib = bytes as f64 / f64::from(1 << 30);
    match gib {
        g if g >= 10.0 => format!("{g:.0} GiB"),
        g if g >= 1.0 => format!("{g:.1} GiB"),
        _ => format!("{} MiB", bytes / MIB),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::check::finding::State;

    fn space(free: u64, files_free: u64) -> Space {
        Space {
            total: 20 << 30,
            free,
            files: 1000,
            files_free,
        }
    }

    #[test]
    fn little_space_is_told_in_time() {
        let state = |free| judge_space(space(free, 0)).state;
        assert_eq!(state(10 << 30), State::Ok);
        assert_eq!(state(2 << 30), State::Warning);
        assert_eq!(state(1 << 29), State::Error);
        let tiny = Space {
            total: 300 * MIB,
            free: 60 * MIB,
            files: 0,
            files_free: 0,
        };
        assert_eq!(judge_space(tiny).state, State::Error);
        insta::assert_snapshot!(judge_space(space(2 << 30, 0)).reason, @"10 % of the space is free, 2.0 GiB of 20 GiB.");
    }

    #[test]
    fn files_run_out_too() {
        let state = |free| judge_files(space(0, free)).state;
        assert_eq!(state(500), State::Ok);
        assert_eq!(state(100), State::Warning);
        assert_eq!(state(49), State::Error);
        assert_eq!(
            judge_files(Space {
                files: 0,
                ..space(0, 0)
            })
            .state,
            State::Ok
        );
    }

    #[test]
    fn promises_are_counted() {
        assert_eq!(judge_quotas(space(0, 0), 20 << 30).state, State::Ok);
        assert_eq!(judge_quotas(space(0, 0), 21 << 30).state, State::Warning);
        assert_eq!(size(700 * MIB), "700 MiB");
    }
}
