//! The addresses that a login may write from: the same question to the same database as smtpd's
//! `senders` asks, so that envelope and From header know one rule.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params_from_iter};

use super::doubt::Doubt;
use crate::util::files;

/// smtpd's table of senders: a file of table-sqlite(5).
#[derive(Debug)]
pub(super) struct Senders {
    conf: PathBuf,
}

impl Senders {
    pub(super) fn new(conf: PathBuf) -> Self {
        Self { conf }
    }

    /// The addresses of `user`, without details, in lower case. Read anew for each message: a
    /// changed alias counts at once.
    pub(super) fn of(&self, user: &[u8]) -> Result<Vec<String>, Doubt> {
        let user = str::from_utf8(user).map_err(|e| Doubt::Senders(e.to_string()))?;
        let read = || -> anyhow::Result<Vec<String>> {
            let text = files::read_to_string(&self.conf)?;
            let table = Table::parse(&text)
                .ok_or_else(|| anyhow::anyhow!("{} has no senders", self.conf.display()))?;
            Ok(table.senders(user)?)
        };
        read().map_err(|error| Doubt::Senders(format!("{error:#}")))
    }
}

/// What matters here of a file of table-sqlite(5).
#[derive(Debug, PartialEq, Eq)]
struct Table<'a> {
    database: &'a Path,
    query: &'a str,
}

impl<'a> Table<'a> {
    /// `None` if it lacks the database or the query.
    fn parse(text: &'a str) -> Option<Self> {
        let value = |key: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| {
                let rest = line.strip_prefix(key)?;
                rest.starts_with([' ', '\t']).then(|| rest.trim())
            })
        };
        Some(Self {
            database: Path::new(value("dbpath")?),
            query: value("query_mailaddrmap")?,
        })
    }

    fn senders(&self, user: &str) -> rusqlite::Result<Vec<String>> {
        let db = Connection::open_with_flags(self.database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        db.busy_timeout(std::time::Duration::from_secs(10))?;
        let mut query = db.prepare(self.query)?;
        let rows = query.query_map(params_from_iter([user]), |row| row.get::<_, String>(0))?;
        rows.map(|row| row.map(|address| address.to_lowercase()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONF: &str = "# a table\ndbpath /x/mail.sqlite\nquery_mailaddr SELECT 1\n\
                        query_mailaddrmap\tSELECT address FROM own WHERE login = ?\n";

    #[test]
    fn a_table_is_read() {
        let table = Table::parse(CONF).unwrap();
        assert_eq!(table.database, Path::new("/x/mail.sqlite"));
        assert_eq!(table.query, "SELECT address FROM own WHERE login = ?");
        assert_eq!(Table::parse("dbpath /x\nquery_mailaddr SELECT 1\n"), None);
    }

    #[test]
    fn addresses_come_from_the_database() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mail.sqlite");
        let db = Connection::open(&path).unwrap();
        db.execute_batch(
            "CREATE TABLE own(login, address); INSERT INTO own VALUES \
             ('a@x.example', 'A@x.example'), ('a@x.example', 'al@y.example'), ('b', 'c')",
        )
        .unwrap();
        let conf = dir.path().join("mail.conf");
        std::fs::write(
            &conf,
            CONF.replace("/x/mail.sqlite", path.to_str().unwrap()),
        )
        .unwrap();
        let senders = Senders::new(conf);
        let found = senders.of(b"a@x.example").unwrap();
        assert_eq!(found, ["a@x.example", "al@y.example"]);
        assert!(senders.of(b"nobody").unwrap().is_empty());
        assert!(senders.of(b"\xff").is_err());
        std::fs::remove_file(&path).unwrap();
        let doubt = senders.of(b"a@x.example").unwrap_err();
        assert!(doubt.reply().starts_with("451 "), "{doubt}");
    }
}
