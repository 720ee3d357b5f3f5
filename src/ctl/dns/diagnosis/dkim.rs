//! Records of DKIM keys (RFC 6376 section 3.6).

use super::{
    Seeing,
    text::{mangled, squeezed, tag, tags},
};
use crate::{
    dns::RecordType,
    mail::{
        database::keys::Stage,
        records::{PublishedKey, Purpose, Record},
    },
};

impl Seeing<'_> {
    pub(super) fn dkim(&mut self, record: &Record, stage: Stage) {
        let found = self.observed.texts(&record.owner);
        let there = self.there(record);
        let Some(wanted) = record.data.joined() else {
            return;
        };
        if found.is_empty() {
            if !self.dkim_elsewhere(record) {
                let id = match stage {
                    Stage::Active => "dkim-missing",
                    Stage::Next | Stage::Old => "dkim-not-yet",
                };
                self.about(id, record, Vec::new());
            }
            return;
        }
        if found == [wanted.clone()] {
            return;
        }
        let id = match mangled(record, &found) {
            // many forms take out the spaces between the tags, where they mean nothing
            Some("txt-spaces") if tags(&found[0]) == tags(&wanted) => return,
            Some(id) => id,
            None if found.len() > 1 => "dkim-two-records",
            None => match self.dkim_mistake(record, &wanted, &found[0]) {
                Some(id) => id,
                None => return,
            },
        };
        self.about(id, record, there);
    }

    /// What is wrong with the one record that there is; nothing, if verifiers take the same from
    /// it as from the wanted one.
    fn dkim_mistake(&self, record: &Record, wanted: &str, found: &str) -> Option<&'static str> {
        let (Some(there), Some(ours)) = (tags(found), tags(wanted)) else {
            return Some("dkim-syntax");
        };
        let twice = |(at, (name, _)): (usize, &(String, String))| {
            there[..at].iter().any(|(earlier, _)| earlier == name)
        };
        if there.iter().enumerate().any(twice) {
            return Some("dkim-syntax");
        }
        if there
            .iter()
            .position(|(name, _)| name == "v")
            .is_some_and(|at| at != 0)
            || tag(&there, "v").is_some_and(|v| v != "DKIM1")
        {
            return Some("dkim-syntax");
        }
        let (Some(key), Some(right)) = (tag(&there, "p"), tag(&ours, "p")) else {
            return Some("dkim-syntax");
        };
        let key = squeezed(key);
        if key.is_empty() {
            return Some("dkim-revoked");
        }
        if key != right {
            return Some(match self.key_of(&key) {
                _ if right.starts_with(&key) => "dkim-truncated",
                Some(other) if self.is_earlier(other, record) => "dkim-old-key",
                Some(_) => "dkim-other-selector",
                None => "dkim-wrong-key",
            });
        }
        if tag(&there, "k").unwrap_or("rsa") != tag(&ours, "k").unwrap_or("rsa") {
            return Some("dkim-algorithm");
        }
        let lists = |name: &str, value: &str| {
            tag(&there, name).is_some_and(|all| all.split(':').any(|v| v.trim() == value))
        };
        if tag(&there, "h").is_some() && !lists("h", "sha256") {
            return Some("dkim-hash");
        }
        if tag(&there, "s").is_some() && !lists("s", "email") && !lists("s", "*") {
            return Some("dkim-differs");
        }
        lists("t", "y").then_some("dkim-testing")
    }

    fn key_of(&self, public: &str) -> Option<&PublishedKey> {
        let mut keys = self.facts.keys.iter();
        keys.find(|k| k.info.public == public || k.info.public.starts_with(public))
    }

    /// Whether a key of ours is one that signed before that of the record.
    fn is_earlier(&self, other: &PublishedKey, record: &Record) -> bool {
        other.stage == Stage::Old && record.domain.as_deref() == Some(other.domain.as_str())
    }

    /// Whether the key's record stands where people put it by mistake.
    fn dkim_elsewhere(&mut self, record: &Record) -> bool {
        let Purpose::Dkim { selector, .. } = &record.purpose else {
            return false;
        };
        let host = self.facts.hostname.as_str();
        let domain = record.domain.as_deref().unwrap_or(host);
        let mut places = vec![
            format!("_domainkey.{domain}"),
            format!("{selector}._domainkey.{host}"),
            domain.to_owned(),
        ];
        for label in ["", "_domainkeys.", "domainkey.", "_dkim."] {
            places.push(format!("{selector}.{label}{domain}"));
        }
        let wanted = record.data.joined().unwrap_or_default();
        let here = |place: &String| {
            let mut texts = self.observed.texts(place).into_iter();
            *place != record.owner && texts.any(|text| squeezed(&text) == squeezed(&wanted))
        };
        let Some(place) = places.into_iter().find(here) else {
            return false;
        };
        let expected = vec![format!("{}.", record.owner)];
        let found = vec![format!("{place}.")];
        self.add(
            "dkim-wrong-name",
            &record.owner,
            RecordType::TXT,
            found,
            expected,
        );
        true
    }
}
