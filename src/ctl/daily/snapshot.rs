//! What the last daily mail left behind: the troubles that were told, on the state volume.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::{
    ctl::{
        check::finding::{Finding, State},
        server::Server,
    },
    util::files,
};

/// The troubles that were told and have not gone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The warnings and errors.
    pub troubles: Vec<Finding>,
}

/// What has changed from one look to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// What was not there, or was less bad.
    pub new: Vec<Finding>,
    /// What was there and is well now; it says how it is now.
    pub gone: Vec<Finding>,
}

impl Change {
    /// Whether nothing has.
    pub fn is_empty(&self) -> bool {
        self.new.is_empty() && self.gone.is_empty()
    }
}

/// Whether it is, or is about something more. The texts do not count: they have ages and sizes in
/// them.
fn is_worse(before: &Finding, now: &Finding) -> bool {
    before.state < now.state || now.about.iter().any(|thing| !before.about.contains(thing))
}

fn file(server: &Server) -> PathBuf {
    server.target.path(&server.paths.state.join("daily.json"))
}

impl Snapshot {
    /// That of `server`; none before the first check.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(server: &Server) -> Result<Option<Self>> {
        let path = file(server);
        if !path.exists() {
            return Ok(None);
        }
        let text = files::read_to_string(&path)?;
        serde_json::from_str(&text).map(Some).with_context(|| {
            format!(
                "{} is damaged: remove it, and the next daily mail tells everything again",
                path.display()
            )
        })
    }

    /// Keeps it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, server: &Server) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("writing JSON")?;
        files::write(&file(server), text + "\n", 0o600)
    }

    /// What has changed since, and what to keep now. Of what could not be found out this time,
    /// nothing has.
    pub fn compare(&self, now: &[Finding]) -> (Change, Self) {
        let find = |list: &[Finding], id: &str| list.iter().find(|f| f.id == id).cloned();
        let mut change = Change::default();
        let mut kept = Vec::new();
        for finding in now.iter().filter(|f| f.state.is_trouble()) {
            let before = find(&self.troubles, &finding.id);
            if before.is_none_or(|before| is_worse(&before, finding)) {
                change.new.push(finding.clone());
            }
            kept.push(finding.clone());
        }
        for before in &self.troubles {
            match find(now, &before.id) {
                Some(now) if now.state == State::Ok => change.gone.push(now),
                Some(now) if now.state.is_trouble() => {}
                Some(_) => kept.push(before.clone()),
                // the whole area could not be looked at, or there is no such thing any more
                None if now.iter().any(|f| {
                    f.area == before.area && f.id == f.area.name() && f.state == State::Unknown
                }) =>
                {
                    kept.push(before.clone());
                }
                None => change.gone.push(Finding {
                    state: State::Ok,
                    reason: "There is nothing to say about it any more.".to_owned(),
                    todo: None,
                    ..before.clone()
                }),
            }
        }
        kept.sort_by_key(|f| f.area);
        (change, Self { troubles: kept })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::check::finding::Area;

    fn warning(id: &str) -> Finding {
        Finding::warning(Area::Disk, id, "little", "more")
    }

    fn after(before: &[&Finding], now: &[&Finding]) -> (Vec<String>, Vec<String>, usize) {
        let snapshot = Snapshot {
            troubles: before.iter().copied().cloned().collect(),
        };
        let now: Vec<Finding> = now.iter().copied().cloned().collect();
        let (change, kept) = snapshot.compare(&now);
        let ids = |list: &[Finding]| list.iter().map(|f| f.id.clone()).collect();
        (ids(&change.new), ids(&change.gone), kept.troubles.len())
    }

    #[test]
    fn only_what_changed_is_told() {
        let none = || Vec::<String>::new();
        let one = warning("space");
        let well = Finding::ok(Area::Disk, "space", "much");
        let worse = Finding::error(Area::Disk, "space", "none", "more");
        let id = || vec!["disk.space".to_owned()];
        assert_eq!(after(&[], &[&well]), (none(), none(), 0));
        assert_eq!(after(&[], &[&one]), (id(), none(), 1));
        assert_eq!(after(&[&one], &[&one]), (none(), none(), 1));
        assert_eq!(after(&[&one], &[&worse]), (id(), none(), 1));
        // better is no news, but the worse afterwards is
        assert_eq!(after(&[&worse], &[&one]), (none(), none(), 1));
        assert_eq!(after(&[&one], &[&well]), (none(), id(), 0));
        assert_eq!(after(&[&one], &[]), (none(), id(), 0));
    }

    #[test]
    fn another_thing_under_the_same_id_is_told() {
        let none = || Vec::<String>::new();
        let id = || vec!["disk.space".to_owned()];
        let of = |things: &[&str]| warning("space").about(things);
        assert_eq!(
            after(&[&of(&["a"])], &[&of(&["a", "b"])]),
            (id(), none(), 1)
        );
        assert_eq!(after(&[&of(&["a"])], &[&of(&["b"])]), (id(), none(), 1));
        // one of two is better, and in another order is the same
        assert_eq!(
            after(&[&of(&["a", "b"])], &[&of(&["b"])]),
            (none(), none(), 1)
        );
        assert_eq!(
            after(&[&of(&["a", "b"])], &[&of(&["b", "a"])]),
            (none(), none(), 1)
        );
        let mut aged = of(&["a"]);
        aged.reason = "for 2 days".to_owned();
        assert_eq!(after(&[&of(&["a"])], &[&aged]), (none(), none(), 1));
    }

    #[test]
    fn what_is_not_known_has_not_changed() {
        let one = warning("space");
        for now in ["space", ""] {
            let unknown = Finding::unknown(Area::Disk, now, "no answer");
            assert_eq!(after(&[&one], &[&unknown]), (vec![], vec![], 1));
        }
    }
}
