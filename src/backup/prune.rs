//! Removes backups that need not stay, and the parts that none needs any more.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde::Serialize;

use super::{
    manifest::Header,
    name::{BackupId, Kind},
    open::{backups, header},
    retention::{Candidate, kept},
    store::{Entry, Store},
};
use crate::{answers::model::Keep, encpipe::Key};

/// What can go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The backups that stay, oldest first.
    pub stay: Vec<BackupId>,
    /// The backups that go, oldest first.
    pub go: Vec<BackupId>,
    /// The files to remove, in that order.
    pub files: Vec<String>,
    /// How long they are together, in bytes.
    pub bytes: u64,
}

/// Plans what can go of the backups of `host` in a store. Every one of them is looked into first.
///
/// # Errors
/// When one cannot be read: it is not known then what it needs, and nothing may go.
pub fn plan(store: &dyn Store, key: &Key, host: &str, keep: Keep) -> Result<Plan> {
    let listed = store.list()?;
    let mut headers = Vec::new();
    for id in backups(&listed).into_iter().filter(|id| id.host == host) {
        let header = header(store, &listed, &id.archive(), key).with_context(|| {
            format!(
                "nothing was removed, since it is not known what the backup {id} needs; if it is not \
                 worth keeping, remove its files by hand"
            )
        })?;
        headers.push(header);
    }
    decide(&listed, &headers, host, keep)
}

fn decide(listed: &[Entry], headers: &[Header], host: &str, keep: Keep) -> Result<Plan> {
    let candidates: Vec<Candidate> = headers
        .iter()
        .map(|h| Candidate {
            id: h.id.clone(),
            modules: h.modules.clone(),
        })
        .collect();
    let kept = kept(&candidates, keep)?;
    let staying = headers.iter().filter(|h| kept.contains(&h.id));
    let needed: BTreeSet<&str> = staying
        .flat_map(|h| h.archives.iter().map(|a| a.name.as_str()))
        .collect();
    let newest = headers.iter().map(|h| h.id.time).max();
    let mut plan = Plan::default();
    let (mut archives, mut others) = (Vec::new(), Vec::new());
    for entry in listed {
        let Some(kind) = Kind::of(&entry.name) else {
            continue;
        };
        let id = kind.id();
        if id.host != host {
            continue;
        }
        match &kind {
            Kind::Archive(id) if kept.contains(id) => plan.stay.push(id.clone()),
            Kind::Archive(id) => {
                plan.go.push(id.clone());
                archives.push(entry);
            }
            // of a run that goes on, or was broken off and will be gone on with
            Kind::Part(id, _) if newest.is_none_or(|newest| id.time > newest) => {}
            Kind::Part(..) if needed.contains(entry.name.as_str()) => {}
            Kind::Manifest(id) if kept.contains(id) => {}
            Kind::Part(..) | Kind::Manifest(_) => others.push(entry),
        }
    }
    // first what makes a backup one: none is left without its parts
    for entry in archives.into_iter().chain(others) {
        plan.files.push(entry.name.clone());
        plan.bytes += entry.bytes;
    }
    Ok(plan)
}

/// Removes what was planned, and what broken off uploads of `host` have left: those of other servers
/// may go on just now.
///
/// # Errors
/// When something cannot be removed; what was removed before stays so.
pub fn remove(store: &dyn Store, plan: &Plan, host: &str) -> Result<()> {
    for name in &plan.files {
        store.remove(name)?;
    }
    store.tidy(&format!("{host}_")).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::{
        manifest::{FORMAT, Needed},
        module::Module,
    };

    const KEEP: Keep = Keep {
        daily: 1,
        weekly: 0,
        monthly: 0,
    };

    fn id(day: u32) -> BackupId {
        format!("mail.example.org_202611{day:02}T033000Z")
            .parse()
            .unwrap()
    }

    fn header(day: u32, needs: &[String]) -> Header {
        Header {
            format: FORMAT,
            id: id(day),
            version: "0.1.0".to_owned(),
            schema: None,
            modules: Module::ALL.to_vec(),
            complete_until: 0,
            files: 0,
            bytes: 0,
            archives: needs
                .iter()
                .map(|name| Needed {
                    name: name.clone(),
                    bytes: 1,
                })
                .collect(),
        }
    }

    #[test]
    fn parts_stay_while_a_backup_needs_them() {
        let names = [
            id(1).part(1),
            id(1).part(2),
            id(1).archive(),
            id(1).manifest(),
            id(2).part(1),
            id(2).archive(),
            id(2).manifest(),
            // a manifest whose archive is gone, a run that was broken off long ago, and the last
            id(3).manifest(),
            id(1).part(3),
            id(4).part(1),
            "other.example.org_20261101T033000Z.tar.zst.encpipe".to_owned(),
            "notes.txt".to_owned(),
        ];
        let listed: Vec<Entry> = names
            .iter()
            .map(|name| Entry {
                name: name.clone(),
                bytes: 10,
            })
            .collect();
        let headers = [
            header(1, &[id(1).part(1), id(1).part(2)]),
            header(2, &[id(1).part(2), id(2).part(1)]),
        ];
        let plan = decide(&listed, &headers, "mail.example.org", KEEP).unwrap();
        assert_eq!((plan.stay, plan.go), (vec![id(2)], vec![id(1)]));
        assert_eq!(
            plan.files,
            [
                id(1).archive(),
                id(1).part(1),
                id(1).manifest(),
                id(3).manifest(),
                id(1).part(3)
            ]
        );
        assert_eq!(plan.bytes, 50);
    }

    #[test]
    fn without_a_whole_backup_nothing_goes() {
        let listed = [Entry {
            name: id(1).part(1),
            bytes: 10,
        }];
        let plan = decide(&listed, &[], "mail.example.org", KEEP).unwrap();
        assert_eq!(plan, Plan::default());
    }
}
