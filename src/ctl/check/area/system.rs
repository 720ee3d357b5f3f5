//! The kernel, and since when it runs.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::{
    ctl::check::finding::{Area, Finding},
    util::files,
};

const AREA: Area = Area::System;

pub(super) fn check() -> Result<Vec<Finding>> {
    let kernel = files::read_to_string(Path::new("/proc/sys/kernel/osrelease"))?;
    let seconds = uptime()?;
    let text = format!(
        "Linux {} has been running for {}.",
        kernel.trim(),
        span(seconds)
    );
    Ok(vec![Finding::ok(AREA, "", text)])
}

/// Seconds since the machine was started.
///
/// # Errors
/// When the kernel does not say.
pub fn uptime() -> Result<u64> {
    let text = files::read_to_string(Path::new("/proc/uptime"))?;
    let seconds = text.split('.').next().and_then(|t| t.parse().ok());
    seconds.context("/proc/uptime has no number")
}

/// A time for people, such as `3 days` or `5 minutes`.
pub fn span(seconds: u64) -> String {
    let of = |n: u64, unit: &str| match n {
        1 => format!("1 {unit}"),
        n => format!("{n} {unit}s"),
    };
    match seconds {
        s if s < 120 => of(s, "second"),
        s if s < 2 * 3600 => of(s / 60, "minute"),
        s if s < 2 * 86400 => of(s / 3600, "hour"),
        s => of(s / 86400, "day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let spans = [1, 119, 120, 7199, 7200, 172_800].map(span);
        let want = [
            "1 second",
            "119 seconds",
            "2 minutes",
            "119 minutes",
            "2 hours",
            "2 days",
        ];
        assert_eq!(spans, want);
    }
}
