//! The tables, and the way from each version of them to the next.

use anyhow::{Context, Result, bail};
use rusqlite::{Connection, OptionalExtension};

/// The version that this program writes, `meta.schema_version`.
pub const VERSION: usize = 4;

/// Entry `n` leads from version `n` to `n + 1`. Published ones are never changed.
///
/// Times are seconds since 1970. `local_part` NULL is the catch-all. `mail_key_public` and
/// `wrapped_key` have their place for encryption at rest, which nothing uses yet.
const MIGRATIONS: [&str; VERSION] = [
    "
    CREATE TABLE domain (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        created INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE user (
        id INTEGER PRIMARY KEY,
        local_part TEXT NOT NULL,
        domain_id INTEGER NOT NULL REFERENCES domain(id) ON DELETE CASCADE,
        enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
        quota_bytes INTEGER NOT NULL,
        mail_key_public BLOB,
        created INTEGER NOT NULL,
        UNIQUE (local_part, domain_id)
    ) STRICT;
    CREATE TABLE credential (
        id INTEGER PRIMARY KEY,
        user_id INTEGER NOT NULL REFERENCES user(id) ON DELETE CASCADE,
        kind TEXT NOT NULL CHECK (kind IN ('password', 'app')),
        label TEXT NOT NULL DEFAULT '',
        hash TEXT NOT NULL,
        wrapped_key BLOB,
        created INTEGER NOT NULL,
        last_used INTEGER,
        UNIQUE (user_id, kind, label)
    ) STRICT;
    CREATE TABLE alias (
        id INTEGER PRIMARY KEY,
        local_part TEXT,
        domain_id INTEGER NOT NULL REFERENCES domain(id) ON DELETE CASCADE,
        target TEXT NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX alias_once ON alias (domain_id, coalesce(local_part, ''), target);
    CREATE INDEX alias_address ON alias (domain_id, local_part);
",
    // the person's name, which only the answers had
    "ALTER TABLE user ADD COLUMN display_name TEXT;",
    // DKIM keys by stage, `since` when; the keys themselves are files
    "
    CREATE TABLE dkim_key (
        id INTEGER PRIMARY KEY,
        domain_id INTEGER NOT NULL REFERENCES domain(id) ON DELETE CASCADE,
        selector TEXT NOT NULL,
        algorithm TEXT NOT NULL CHECK (algorithm IN ('rsa', 'ed25519')),
        stage TEXT NOT NULL CHECK (stage IN ('next', 'active', 'old')),
        since INTEGER NOT NULL,
        UNIQUE (domain_id, selector)
    ) STRICT;
    CREATE UNIQUE INDEX dkim_key_next ON dkim_key (domain_id, algorithm) WHERE stage = 'next';
",
    // addresses that users had: what smtpd's queue still has for them is theirs. Whoever gets such
    // an address has it alone
    "
    CREATE TABLE renamed (
        address TEXT PRIMARY KEY,
        user_id INTEGER NOT NULL REFERENCES user(id) ON DELETE CASCADE,
        since INTEGER NOT NULL
    ) STRICT;
    CREATE TRIGGER renamed_added AFTER INSERT ON user BEGIN
        DELETE FROM renamed WHERE address =
            NEW.local_part || '@' || (SELECT name FROM domain WHERE id = NEW.domain_id);
    END;
    CREATE TRIGGER renamed_taken AFTER UPDATE OF local_part, domain_id ON user BEGIN
        DELETE FROM renamed WHERE address =
            NEW.local_part || '@' || (SELECT name FROM domain WHERE id = NEW.domain_id);
    END;
",
];

/// Brings the schema to [`VERSION`], each step in a transaction of its own.
pub(super) fn migrate(db: &mut Connection) -> Result<()> {
    let mut version = version(db)?;
    if version > VERSION {
        bail!(
            "the database has schema version {version}, this program knows {VERSION}: it was \
             written by a newer one; boot that image again"
        );
    }
    while version < VERSION {
        let step = db.transaction()?;
        if version == 0 {
            step.execute_batch(
                "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
            )?;
        }
        step.execute_batch(MIGRATIONS[version])
            .with_context(|| format!("bringing the schema from version {version} to the next"))?;
        version += 1;
        step.execute(
            "INSERT INTO meta VALUES ('schema_version', ?1)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            [version.to_string()],
        )?;
        step.commit()?;
    }
    Ok(())
}

/// 0 for a file without tables.
pub(super) fn version(db: &Connection) -> Result<usize> {
    let exists: bool = db.query_row(
        "SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'meta'",
        [],
        |row| row.get(0),
    )?;
    if !exists {
        return Ok(0);
    }
    let value: Option<String> = db
        .query_row(
            "SELECT value FROM meta WHERE key = 'schema_version'",
            [],
            |row| row.get(0),
        )
        .optional()?;
    value
        .and_then(|v| v.parse().ok())
        .context("the database has no schema version: it is not one of ours")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A database as the first version left it, with a user in it.
    pub const FIRST: &str = "
        CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
        CREATE TABLE domain (
            id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, created INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE user (
            id INTEGER PRIMARY KEY, local_part TEXT NOT NULL,
            domain_id INTEGER NOT NULL REFERENCES domain(id) ON DELETE CASCADE,
            enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
            quota_bytes INTEGER NOT NULL, mail_key_public BLOB, created INTEGER NOT NULL,
            UNIQUE (local_part, domain_id)
        ) STRICT;
        INSERT INTO meta VALUES ('schema_version', '1');
        INSERT INTO domain VALUES (1, 'example.org', 0);
        INSERT INTO user VALUES (1, 'old', 1, 1, 1, NULL, 0);";

    #[test]
    fn a_newer_schema_is_refused() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db).unwrap();
        migrate(&mut db).unwrap();
        db.execute("UPDATE meta SET value = '99'", []).unwrap();
        let error = migrate(&mut db).unwrap_err().to_string();
        assert!(error.contains("has schema version 99"), "{error}");
        db.execute("DELETE FROM meta", []).unwrap();
        let error = migrate(&mut db).unwrap_err().to_string();
        assert!(error.contains("not one of ours"), "{error}");
    }
}
