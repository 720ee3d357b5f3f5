//! The zones as lines that can be changed.

use std::collections::BTreeMap;

use crate::world::zones::zone_of;

/// Lines `OWNER TTL IN TYPE DATA` by their zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Book(pub BTreeMap<&'static str, Vec<String>>);

impl Book {
    fn lines(&mut self, owner: &str) -> &mut Vec<String> {
        self.0.get_mut(zone_of(owner).unwrap()).unwrap()
    }

    /// Removes the records of a name and type.
    pub fn del(&mut self, owner: &str, kind: &str) {
        let before = self.lines(owner).len();
        self.lines(owner).retain(|line| !is(line, owner, kind));
        assert_ne!(before, self.lines(owner).len(), "no {owner} {kind}");
    }

    /// Removes every record of a name and of those below it.
    pub fn del_below(&mut self, name: &str) {
        let below = format!(".{name}");
        self.lines(name).retain(|line| {
            let owner = line.split(' ').next().unwrap_or_default();
            owner != name && !owner.ends_with(&below)
        });
    }

    /// Adds a record, `OWNER TYPE DATA`.
    pub fn add(&mut self, record: &str) {
        let (owner, rest) = record.split_once(' ').unwrap();
        self.lines(owner).push(format!("{owner} 5 IN {rest}"));
    }

    /// What stands behind the type of the one record of that name and type.
    pub fn data(&mut self, owner: &str, kind: &str) -> String {
        let line = self.lines(owner).iter().find(|l| is(l, owner, kind));
        let line = line.unwrap_or_else(|| panic!("no {owner} {kind}")).clone();
        line.splitn(5, ' ').nth(4).unwrap().trim().to_owned()
    }

    /// Puts other data into the one record of that name and type.
    pub fn set(&mut self, owner: &str, kind: &str, data: &str) {
        self.del(owner, kind);
        self.add(&format!("{owner} {kind} {data}"));
    }

    /// Changes the data of the one record of that name and type.
    pub fn change(&mut self, owner: &str, kind: &str, from: &str, to: &str) {
        let data = self.data(owner, kind);
        assert!(data.contains(from), "no {from} in {data}");
        self.set(owner, kind, &data.replace(from, to));
    }

    /// Gives a record another name.
    pub fn rename(&mut self, owner: &str, kind: &str, to: &str) {
        let data = self.data(owner, kind);
        self.del(owner, kind);
        self.add(&format!("{to} {kind} {data}"));
    }
}

fn is(line: &str, owner: &str, kind: &str) -> bool {
    let words: Vec<&str> = line.splitn(5, ' ').collect();
    words.len() == 5 && words[0] == owner && words[3] == kind
}
