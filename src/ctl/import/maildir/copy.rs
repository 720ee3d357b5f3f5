//! The work: messages of one Maildir that a mailbox here does not have yet.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    path::PathBuf,
};

use anyhow::{Context, Result};
use serde::Serialize;

use super::{
    keywords,
    message::{self, Message, Name},
    name,
    source::Folder,
    subscriptions,
    target::Target,
};
use crate::ctl::import::progress::Progress;

/// What is to be done.
#[derive(Debug)]
pub struct Job {
    /// The Maildir of the mailbox here.
    pub maildir: PathBuf,
    /// Whose its files are; the caller's if `None`.
    pub owner: Option<(u32, u32)>,
    /// Other names for folders, as `--map` gives them.
    pub map: Vec<(String, String)>,
    /// Count, and change nothing.
    pub dry_run: bool,
}

/// What came of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Folded {
    /// Its name there.
    pub folder: String,
    /// Its name here.
    pub to: String,
    /// How many messages are new here.
    pub brought: u64,
    /// How many are here already.
    pub there: u64,
    /// How many could not be taken.
    pub left_out: u64,
}

/// What came of all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Each folder.
    pub folders: Vec<Folded>,
    /// Bytes of the messages that are new here.
    pub bytes: u64,
    /// What else there is to know, a sentence each.
    pub notes: Vec<String>,
}

/// Messages that an earlier run has passed on already, by folder: they are not looked at again, so
/// that what was removed here since stays removed.
pub type Passed = BTreeMap<String, BTreeSet<String>>;

/// Most notes about single messages.
const MOST_NOTES: usize = 10;

impl Job {
    /// Brings the messages of `folders` into the mailbox, those in `passed` aside; adds what was
    /// brought to it.
    ///
    /// # Errors
    /// When a file cannot be read or written. What was brought until then stays, and the next run
    /// goes on.
    pub fn run(&self, folders: &[Folder], passed: &mut Passed) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        let mut total = 0;
        let mut lists = Vec::new();
        for folder in folders {
            let known = passed.get(&folder.name);
            let is_new = |file: &(String, bool)| {
                let base = Name::parse(&file.0).base;
                !known.is_some_and(|known| known.contains(&base))
            };
            let all = message::list(&folder.path)?;
            let before = all.len();
            let list: Vec<_> = all.into_iter().filter(is_new).collect();
            total += list.len() as u64;
            lists.push((folder, before - list.len(), list));
        }
        let mut progress = Progress::new("messages", total);
        for (folder, known, list) in lists {
            let to = name::here(&folder.name, &self.map);
            let Some(place) = name::place(&to) else {
                outcome.notes.push(format!(
                    "the folder {} cannot have that name here: give it another one with --map",
                    folder.name
                ));
                outcome.folders.push(Folded {
                    folder: folder.name.clone(),
                    to,
                    brought: 0,
                    there: known as u64,
                    left_out: list.len() as u64,
                });
                continue;
            };
            let target = Target::new(&self.maildir, &place, self.owner)?;
            if !self.dry_run {
                if !target.existed && !place.is_empty() {
                    // before it is there: a run that is broken off in between would leave it unseen
                    subscriptions::add(&self.maildir, self.owner, &place)?;
                }
                target.make()?;
            }
            let mut one = Folded {
                folder: folder.name.clone(),
                to,
                brought: 0,
                there: known as u64,
                left_out: 0,
            };
            let mut done = BTreeSet::new();
            let all = self.folder(
                folder,
                &list,
                &target,
                &mut one,
                &mut outcome,
                &mut done,
                &mut progress,
            );
            // only what is on the disk for good need not come again, also if the rest failed
            let synced = match self.dry_run || list.is_empty() {
                true => Ok(()),
                false => target.sync(),
            };
            if synced.is_ok() {
                passed
                    .entry(folder.name.clone())
                    .or_default()
                    .append(&mut done);
            }
            all.and(synced)?;
            outcome.folders.push(one);
        }
        progress.end();
        Ok(outcome)
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one loop")]
    fn folder(
        &self,
        folder: &Folder,
        list: &[(String, bool)],
        target: &Target,
        one: &mut Folded,
        outcome: &mut Outcome,
        done: &mut BTreeSet<String>,
        progress: &mut Progress,
    ) -> Result<()> {
        if list.is_empty() {
            return Ok(());
        }
        let mut here: HashMap<_, usize> = target.messages(|| progress.tell())?;
        let letters = self.letters(folder, list, target, outcome)?;
        let is_twice = |base: &str| {
            let same = |(file, _): &&(String, bool)| Name::parse(file).base == base;
            list.iter().filter(same).count() > 1
        };
        for (file, new) in list {
            let sub = if *new { "new" } else { "cur" };
            let path = folder.path.join(sub).join(file);
            let name = Name::parse(file);
            let message = match Message::read(&path) {
                Ok(message) => message,
                // read there meanwhile: it is in the list once more, under its new name
                Err(e) if e.kind() == io::ErrorKind::NotFound && *new && is_twice(&name.base) => {
                    progress.step(0);
                    continue;
                }
                Err(e)
                    if [io::ErrorKind::InvalidData, io::ErrorKind::NotFound]
                        .contains(&e.kind()) =>
                {
                    one.left_out += 1;
                    progress.step(0);
                    let more = match e.kind() {
                        io::ErrorKind::NotFound => format!(
                            "left out: {} has another name now: call this once more",
                            path.display()
                        ),
                        _ => format!("left out: {}: {e}", path.display()),
                    };
                    if outcome.notes.len() < MOST_NOTES {
                        outcome.notes.push(more);
                    }
                    continue;
                }
                Err(e) => return Err(e).with_context(|| format!("reading {}", path.display())),
            };
            let size = message.text.len() as u64;
            // as often as it is there, it is here
            match here.get_mut(&message.fingerprint()) {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    one.there += 1;
                }
                _ => {
                    if !self.dry_run {
                        let keywords = name.keywords.chars().filter_map(|c| letters.get(&c));
                        let mut keywords: Vec<&char> = keywords.collect();
                        keywords.sort_unstable();
                        let flags = name.flags.chars().chain(keywords.into_iter().copied());
                        target.deliver(&message, &flags.collect::<String>(), *new)?;
                    }
                    one.brought += 1;
                    outcome.bytes += size;
                }
            }
            done.insert(name.base);
            progress.step(size);
        }
        Ok(())
    }

    /// The letters of keywords there, and those of the same keywords here.
    fn letters(
        &self,
        folder: &Folder,
        list: &[(String, bool)],
        target: &Target,
        outcome: &mut Outcome,
    ) -> Result<BTreeMap<char, char>> {
        let used: BTreeSet<char> = list
            .iter()
            .flat_map(|(file, _)| Name::parse(file).keywords.chars().collect::<Vec<_>>())
            .collect();
        if used.is_empty() || self.dry_run {
            return Ok(BTreeMap::new());
        }
        let there = keywords::read(&folder.path)?;
        let names: Vec<String> = used.iter().filter_map(|c| there.get(c).cloned()).collect();
        let here = keywords::add(target.path(), self.owner, &names)?;
        let pair = |c: &char| Some((*c, *here.get(there.get(c)?)?));
        let letters: BTreeMap<char, char> = used.iter().filter_map(pair).collect();
        let lost = used.len() - letters.len();
        if lost > 0 {
            outcome.notes.push(format!(
                "{lost} keywords of {} were left out: they have no name there, or there is no room \
                 for them here",
                folder.name
            ));
        }
        Ok(letters)
    }
}
