//! Whether the clock is right. A wrong one breaks DNSSEC, certificates and signatures.

use std::process::Command;

use anyhow::Result;

use crate::{
    ctl::check::finding::{Area, Finding},
    util::run::Task,
};

const AREA: Area = Area::Clock;

pub(super) fn check() -> Result<Vec<Finding>> {
    let mut command = Command::new("timedatectl");
    command.args(["show", "--property=NTP", "--property=NTPSynchronized"]);
    let text = Task::new("asking about the clock", command).output()?;
    Ok(vec![judge(&text)])
}

/// `text` is what `timedatectl show` prints.
fn judge(text: &str) -> Finding {
    let is = |line: &str| text.lines().any(|l| l == line);
    if is("NTPSynchronized=yes") {
        return Finding::ok(AREA, "", "The clock is synchronised.");
    }
    if is("NTP=no") {
        return Finding::error(
            AREA,
            "",
            "Nothing keeps the clock right: names stop being resolved when it is far off.",
            "timedatectl set-ntp true",
        );
    }
    Finding::warning(
        AREA,
        "",
        "The clock was not synchronised since this boot: no time server has answered.",
        "See 'timedatectl timesync-status'. Does the provider's firewall let UDP port 123 out?",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::check::finding::State;

    #[test]
    fn each_clock_has_its_state() {
        let state = |text: &str| judge(text).state;
        assert_eq!(state("NTP=yes\nNTPSynchronized=yes\n"), State::Ok);
        assert_eq!(state("NTP=yes\nNTPSynchronized=no\n"), State::Warning);
        assert_eq!(state("NTP=no\nNTPSynchronized=no\n"), State::Error);
    }
}
