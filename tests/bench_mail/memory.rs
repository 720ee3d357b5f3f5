//! Memory of a machine and of its mail daemons while it works.

use std::{
    thread::{self, ScopedJoinHandle},
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{server::Server, world::appliance::Appliance};

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(3);

/// MiB.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    /// What the machine cannot give away: `MemTotal` less `MemAvailable` of proc_meminfo(5).
    pub used: f64,
    /// The shares of all processes of the mail units: `Pss` of proc_pid_smaps(5), where memory that
    /// several have in common counts once.
    pub daemons: f64,
}

impl Memory {
    /// As they are now.
    ///
    /// # Errors
    /// When the machine does not answer.
    pub fn of(machine: &Appliance, server: Server) -> Result<Self> {
        // a process may end while it is read
        let text = machine.run(&format!(
            "awk '/^MemTotal/ {{t=$2}} /^MemAvailable/ {{a=$2}} END {{print t-a}}' /proc/meminfo\n\
             groups=\n\
             for unit in {}; do\n\
             group=$(systemctl show -P ControlGroup $unit)\n\
             [ -n \"$group\" ] || {{ echo \"$unit does not run\"; exit 1; }}\n\
             groups=\"$groups /sys/fs/cgroup$group\"\n\
             done\n\
             find $groups -name cgroup.procs -exec cat {{}} + |\n\
             while read -r pid; do cat /proc/$pid/smaps_rollup 2>/dev/null; done |\n\
             awk '/^Pss:/ {{sum+=$2}} END {{print sum}}'\n",
            server.units()
        ))?;
        let numbers: Vec<f64> = text
            .split_whitespace()
            .map(|word| word.parse::<f64>().map(|kib| kib / 1024.0))
            .collect::<Result<_, _>>()
            .with_context(|| format!("memory: {text}"))?;
        match numbers[..] {
            [used, daemons] => Ok(Self { used, daemons }),
            _ => anyhow::bail!("memory: {text}"),
        }
    }

    /// Of each the larger.
    pub fn or_larger(self, other: Self) -> Self {
        Self {
            used: self.used.max(other.used),
            daemons: self.daemons.max(other.daemons),
        }
    }

    /// The largest seen while `work` goes on.
    ///
    /// # Errors
    /// When the work fails, or the machine does not answer.
    pub fn during<T: Send>(
        machine: &Appliance,
        server: Server,
        work: impl FnOnce() -> Result<T> + Send,
    ) -> Result<Self> {
        thread::scope(|scope| {
            let working: ScopedJoinHandle<'_, Result<T>> = scope.spawn(work);
            let mut most = Self::default();
            loop {
                let now = Self::of(machine, server)?;
                most = most.or_larger(now);
                if working.is_finished() {
                    break;
                }
                thread::sleep(PERIOD);
            }
            match working.join() {
                Ok(done) => done.map(|_| most),
                Err(_) => anyhow::bail!("the load has panicked"),
            }
        })
    }
}
