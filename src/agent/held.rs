//! Services that the administrator holds: they stay stopped, after a reboot too.
//!
//! The list lies on the state volume, a unit a line. The root is made anew at every boot, so the
//! agent masks what is held before it starts the others: nothing that wants such a unit then
//! starts it.

use std::{collections::BTreeSet, path::PathBuf, process::Command};

use anyhow::{Context, Result};

use super::{health::PARTS, paths::Paths, target::Target};
use crate::util::{files, run::Task};

/// The list.
pub fn file(paths: &Paths) -> PathBuf {
    paths.state.join("held.txt")
}

/// The units that are held. A line that names none of our services counts for nothing.
///
/// # Errors
/// When the list is there and cannot be read.
pub fn read(target: &Target, paths: &Paths) -> Result<BTreeSet<&'static str>> {
    let bytes = target.read(&file(paths))?.unwrap_or_default();
    let text = String::from_utf8(bytes).context("reading the list of held services")?;
    Ok(parse(&text))
}

fn parse(text: &str) -> BTreeSet<&'static str> {
    let known = |line: &str| PARTS.iter().map(|p| p.unit).find(|unit| *unit == line);
    text.lines().filter_map(known).collect()
}

/// Writes the list.
///
/// # Errors
/// When the state volume cannot be written.
pub fn write(target: &Target, paths: &Paths, units: &BTreeSet<&'static str>) -> Result<()> {
    let text: String = units.iter().map(|unit| format!("{unit}\n")).collect();
    files::write(&target.path(&file(paths)), text, 0o644)
}

/// Masks what is held, so that nothing starts it.
///
/// # Errors
/// When systemd does not take the order.
pub fn mask(units: &BTreeSet<&'static str>) -> Result<()> {
    match units.is_empty() {
        true => Ok(()),
        false => systemctl("mask", units, "holding services"),
    }
}

/// Lets systemd start a unit again.
///
/// # Errors
/// When systemd does not take the order.
pub fn unmask(unit: &'static str) -> Result<()> {
    systemctl("unmask", &BTreeSet::from([unit]), "letting a service go")
}

fn systemctl(verb: &str, units: &BTreeSet<&'static str>, what: &str) -> Result<()> {
    let mut command = Command::new("systemctl");
    command.args([verb, "--runtime", "--quiet"]).args(units);
    Task::new(what, command).run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_services_are_held() {
        let held = parse("smtpd.service\nsshd.service\n\n../x\n");
        assert_eq!(held, BTreeSet::from(["smtpd.service"]));
        let dir = tempfile::tempdir().unwrap();
        let target = Target::new(dir.path()).unwrap();
        let paths = Paths::default();
        assert_eq!(read(&target, &paths).unwrap(), BTreeSet::new());
        std::fs::create_dir_all(target.path(&paths.state)).unwrap();
        write(&target, &paths, &held).unwrap();
        assert_eq!(read(&target, &paths).unwrap(), held);
    }
}
