//! What a rotation of DKIM keys remembers beside the keys: when the DNS was looked at and what it
//! said, which records may go, and whether a change is in effect yet.
//!
//! A row of `meta`, JSON.

use anyhow::{Context, Result};
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};

use super::keys::Key;
use crate::mail::rotation::Look;

/// The key of the row.
const ROW: &str = "dkim_rotation";

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Keys have changed, and the agent has not yet brought the services to it.
    pub unapplied: bool,
    /// How often keys have changed: an apply brings about what was there when it began.
    #[serde(default)]
    pub changes: u64,
    /// What the last look at the DNS found, for each key that waits for its record.
    pub seen: Vec<Seen>,
    /// Keys that are gone while their records may still be published.
    pub gone: Vec<Gone>,
}

/// A look at the DNS for one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The key's domain.
    pub domain: String,
    /// Its selector.
    pub selector: String,
    /// When, in seconds since 1970.
    pub at: i64,
    /// What each authoritative server said.
    pub looks: Vec<Look>,
    /// Why none could be asked, if so.
    pub trouble: Option<String>,
}

/// A key that was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// Its domain.
    pub domain: String,
    /// Its selector.
    pub selector: String,
    /// When, in seconds since 1970.
    pub at: i64,
}

impl Memory {
    /// What is remembered; nothing before the first rotation.
    ///
    /// # Errors
    /// When the database cannot be read, or the row is not ours.
    pub fn load(db: &Connection) -> Result<Self> {
        let text: Option<String> = db
            .query_row("SELECT value FROM meta WHERE key = ?1", [ROW], |row| {
                row.get(0)
            })
            .optional()
            .context("reading how far the rotation of DKIM keys is")?;
        match text {
            Some(text) => {
                serde_json::from_str(&text).with_context(|| format!("reading meta.{ROW}"))
            }
            None => Ok(Self::default()),
        }
    }

    /// Writes it down.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn save(&self, db: &Connection) -> Result<()> {
        let text = serde_json::to_string(self).context("writing JSON")?;
        db.execute(
            "INSERT INTO meta VALUES (?1, ?2)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            [ROW, &text],
        )
        .context("writing down how far the rotation of DKIM keys is")?;
        Ok(())
    }

    /// Notes that keys have changed.
    pub fn change(&mut self) {
        self.unapplied = true;
        self.changes += 1;
    }

    /// What the last look found for a key; none if there was none, or it is of an earlier key.
    pub fn of(&self, key: &Key) -> Option<&Seen> {
        self.seen.iter().find(|seen| {
            seen.domain == key.domain && seen.selector == key.selector && seen.at >= key.since
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{database::schema, rotation::Answer};

    #[test]
    fn what_was_written_is_read() {
        let mut db = Connection::open_in_memory().unwrap();
        schema::migrate(&mut db).unwrap();
        assert_eq!(Memory::load(&db).unwrap(), Memory::default());
        let look = |answer| Look {
            server: "ns.example.org".to_owned(),
            answer,
        };
        let memory = Memory {
            unapplied: true,
            changes: 3,
            seen: vec![Seen {
                domain: "example.org".to_owned(),
                selector: "s".to_owned(),
                at: 5,
                looks: vec![
                    look(Answer::Right),
                    look(Answer::Missing),
                    look(Answer::Wrong("another record".to_owned())),
                    look(Answer::Silent("time-out".to_owned())),
                ],
                trouble: Some("none".to_owned()),
            }],
            gone: vec![Gone {
                domain: "example.org".to_owned(),
                selector: "r".to_owned(),
                at: 4,
            }],
        };
        memory.save(&db).unwrap();
        memory.save(&db).unwrap();
        assert_eq!(Memory::load(&db).unwrap(), memory);
        db.execute("UPDATE meta SET value = 'x' WHERE key = ?1", [ROW])
            .unwrap();
        let error = Memory::load(&db).unwrap_err().to_string();
        assert_eq!(error, "reading meta.dkim_rotation");
    }
}
