//! The side of the catalog that says which archives are needed, and how much there is.

use std::{os::unix::ffi::OsStrExt, path::Path};

use anyhow::Result;
use rusqlite::params;

use super::{Amount, COLUMNS, Catalog, DIRECTORY, Item, Module, read_item, unsigned};

impl Catalog {
    /// The files whose bytes are in the entry `entry` of `archive`; `None` is the archive of the
    /// manifest.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn of_entry(&self, archive: Option<&str>, entry: &Path) -> Result<Vec<Item>> {
        let sql =
            format!("SELECT {COLUMNS} FROM item WHERE archive IS ?1 AND entry = ?2 ORDER BY path");
        let mut query = self.db.prepare_cached(&sql)?;
        let rows = query.query_map(params![archive, entry.as_os_str().as_bytes()], read_item)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The archives with the bytes of files of `modules`, and how many bytes of each are needed
    /// ([`Catalog::of_entry`] has what `None` is). What several files share is counted once.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn archives(&self, modules: &[Module]) -> Result<Vec<(Option<String>, u64)>> {
        let mut needed: Vec<(Option<String>, u64)> = Vec::new();
        let mut query = self.db.prepare(&needed_sql(modules))?;
        let mut rows = query.query([])?;
        let mut before: Option<Vec<u8>> = None;
        while let Some(row) = rows.next()? {
            let (archive, entry): (Option<String>, Option<Vec<u8>>) = (row.get(0)?, row.get(1)?);
            let is_same = needed.last().is_some_and(|(last, _)| *last == archive);
            if !is_same {
                needed.push((archive, 0));
            } else if entry == before {
                continue;
            }
            if let Some((_, bytes)) = needed.last_mut() {
                *bytes += unsigned(row.get(2)?)?;
            }
            before = entry;
        }
        Ok(needed)
    }

    /// How many files of `modules` have their bytes in `archive`, as in [`Catalog::of_entry`].
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn count(&self, archive: Option<&str>, modules: &[Module]) -> Result<u64> {
        let sql = format!(
            "SELECT count(*) FROM item WHERE kind = 1 AND archive IS ?1 AND module IN ({})",
            names(modules)
        );
        let count = self
            .db
            .query_row(&sql, [archive], |row| row.get::<_, i64>(0))?;
        unsigned(count)
    }

    /// How much there is of each module that there is something of.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn totals(&self) -> Result<Vec<(Module, Amount)>> {
        let mut totals = Module::ALL.map(|module| (module, None::<Amount>));
        let mut query = self
            .db
            .prepare_cached("SELECT module, kind, size, mtime FROM item")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let name = row.get_ref(0)?.as_str()?;
            let Some((_, amount)) = totals.iter_mut().find(|(m, _)| m.name() == name) else {
                continue;
            };
            let amount = amount.get_or_insert_default();
            amount.files += u64::from(row.get::<_, i64>(1)? != DIRECTORY);
            amount.bytes += unsigned(row.get::<_, Option<i64>>(2)?.unwrap_or(0))?;
            amount.newest = amount.newest.max(row.get(3)?);
        }
        let some = |(module, amount): (Module, Option<Amount>)| Some((module, amount?));
        Ok(totals.into_iter().filter_map(some).collect())
    }
}

/// In the order of an index, so that nothing is sorted, which would take room.
fn needed_sql(modules: &[Module]) -> String {
    format!(
        "SELECT archive, entry, size FROM item INDEXED BY item_content
         WHERE kind = 1 AND module IN ({}) ORDER BY archive, entry",
        names(modules)
    )
}

/// A list of modules for SQL's `IN`; their names are words.
fn names(modules: &[Module]) -> String {
    let quoted: Vec<String> = modules.iter().map(|m| format!("'{m}'")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_sorted_that_grows_with_the_mail() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::create(&folder.path().join("c")).unwrap();
        let plan = |sql: &str| -> String {
            let mut query = catalog
                .db
                .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
                .unwrap();
            let rows = query.query_map([], |row| row.get::<_, String>(3)).unwrap();
            rows.map(|row| row.unwrap() + "\n").collect()
        };
        let needed = plan(&needed_sql(&Module::ALL));
        assert!(needed.contains("COVERING INDEX item_content"), "{needed}");
        assert!(!needed.contains("TEMP B-TREE"), "{needed}");
    }
}
