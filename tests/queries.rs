//! The queries of smtpd's and dovecot's configuration, asked of a database with the real schema:
//! the daemons' own checkers do not look at them.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[allow(dead_code, reason = "shared by several tests")]
mod rendering;

use ezmail::mail::database;
use rusqlite::Connection;

/// The database of the answers `small`, with more in it that only mailctl could add.
fn database() -> Connection {
    let mut db = database::open_copy("/nonexistent".as_ref()).unwrap();
    let desired = database::Desired::new(&rendering::answers("small")).unwrap();
    database::sync(&mut db, &desired, 0).unwrap();
    db.execute_batch(
        "INSERT INTO domain (id, name, created) VALUES (50, 'all.example', 0);
         INSERT INTO user (id, local_part, domain_id, enabled, quota_bytes, created)
           VALUES (50, 'gone', (SELECT id FROM domain WHERE name = 'example.org'), 0, 1000000, 0);
         INSERT INTO credential (user_id, kind, label, hash, created)
           VALUES (50, 'password', '', 'hash of gone', 0),
             ((SELECT id FROM user WHERE local_part = 'alice'), 'app', 'Phone', 'hash of app', 0);
         INSERT INTO alias (local_part, domain_id, target)
           SELECT column1, domain.id, column2 FROM (VALUES
             ('quoted', 'o''brien@example.com'),
             ('command', '|true@example.com'), ('file', '/tmp/x@example.com'),
             ('one', 'two@example.org'), ('two', 'one@example.org'),
             ('detail', 'alice+x@example.org')
           ), domain WHERE name = 'example.org';
         INSERT INTO alias (local_part, domain_id, target)
           VALUES (NULL, 50, 'alice@example.org'), ('abuse', 50, 'security@example.org');",
    )
    .unwrap();
    db
}

/// What smtpd's table helper gets for `key`: the columns joined by `:`, the rows by `, `.
fn smtpd(db: &Connection, service: &str, key: &str) -> String {
    let files = rendering::render("small");
    let file = files
        .iter()
        .find(|f| f.path.ends_with("smtpd/mail.conf"))
        .unwrap();
    let text = str::from_utf8(&file.content).unwrap();
    let prefix = format!("query_{service} ");
    let query = text.lines().find_map(|l| l.strip_prefix(&prefix)).unwrap();
    assert_eq!(query.matches('?').count(), 1, "{query}");
    let mut statement = db.prepare(query).unwrap();
    let columns = statement.column_count();
    let rows = statement
        .query_map([key], |row| {
            let values: Result<Vec<String>, _> = (0..columns).map(|i| row.get(i)).collect();
            Ok(values?.join(":"))
        })
        .unwrap();
    let mut rows: Vec<String> = rows.map(Result::unwrap).collect();
    rows.sort();
    rows.join(", ")
}

#[test]
fn where_mail_goes() {
    let db = database();
    let alias = |key: &str| smtpd(&db, "alias", key);
    let none = "error:550 5.1.1 No such mailbox";
    for (key, want) in [
        ("alice@example.org", "vmail"),
        ("Alice@Example.ORG", "vmail"),
        ("gone@example.org", "vmail"),
        ("al@example.org", "alice@example.org"),
        (
            "family@example.org",
            "Aunt.Carol+mail@example.com, alice@example.org, bob@example.org",
        ),
        // smtpd asks for the address without the detail next
        ("alice+x@example.org", ""),
        // the roles go to the postmaster, but for the one that leads elsewhere
        ("postmaster@all.example", "bob@example.org"),
        ("security@example.org", "bob@example.org"),
        ("abuse@all.example", "security@example.org"),
        ("noc@all.example", "bob@example.org"),
        ("postmaster@mail.example.org", "bob@example.org"),
        ("alice@mail.example.org", ""),
        // nobody's, and then the catch-all
        ("nobody@example.org", ""),
        ("@example.org", none),
        ("@mail.example.org", none),
        ("@all.example", "alice@example.org"),
        // what is expanded once more
        ("vmail", ""),
        ("vmail@", ""),
        ("@", ""),
        ("", ""),
        ("alice@example.net", ""),
        // never a command or a file
        ("quoted@example.org", r"o\'brien@example.com"),
        ("command@example.org", ""),
        ("file@example.org", ""),
        ("x' OR '1'='1@example.org", ""),
    ] {
        assert_eq!(alias(key), want, "{key}");
    }
}

#[test]
fn who_may_log_in() {
    let db = database();
    let login = |key: &str| smtpd(&db, "credentials", key);
    assert!(login("alice@example.org").starts_with("alice@example.org:$argon2id$"));
    assert_eq!(
        login("Alice+phone@example.org"),
        "alice+phone@example.org:hash of app"
    );
    for key in [
        "gone@example.org",
        "nobody@example.org",
        "alice+other@example.org",
        "alice+@example.org",
        "alice",
        "al@example.org",
        "",
    ] {
        assert_eq!(login(key), "", "{key}");
    }
}

#[test]
fn which_addresses_are_a_users_own() {
    let db = database();
    let own = |key: &str| smtpd(&db, "mailaddrmap", key);
    let alice = "al@example.org, alice@example.org, detail@example.org, family@example.org";
    assert_eq!(own("alice@example.org"), alice);
    assert_eq!(own("alice+phone@example.org"), alice);
    for address in [
        "bob@example.org",
        "family@example.org",
        "postmaster@example.org",
        // by way of security@
        "abuse@all.example",
        "root@all.example",
    ] {
        assert!(own("bob@example.org").split(", ").any(|a| a == address));
    }
    assert!(!own("bob@example.org").contains("alice"));
    for key in [
        "gone@example.org",
        "one@example.org",
        "nobody@example.org",
        "",
    ] {
        assert_eq!(own(key), "", "{key}");
    }
}

#[test]
fn domains_and_the_servers_own_name() {
    let db = database();
    let domain = |key: &str| smtpd(&db, "domain", key);
    assert_eq!(domain("Example.org"), "example.org");
    assert_eq!(domain("mail.example.org"), "mail.example.org");
    assert_eq!(domain("example.com"), "");
}

/// dovecot's queries, with the variables filled in as it does.
#[test]
fn dovecot_finds_the_same() {
    let db = database();
    let files = rendering::render("small");
    let file = files
        .iter()
        .find(|f| f.path.ends_with("dovecot.conf"))
        .unwrap();
    let text = str::from_utf8(&file.content).unwrap().replace("\\\n", " ");
    let queries: Vec<&str> = text
        .lines()
        .filter_map(|l| l.trim().strip_prefix("query = "))
        .collect();
    let [passdb, userdb] = queries[..] else {
        panic!("{queries:?}")
    };
    let ask = |query: &str, user: &str| ask_for(&db, query, user, 0);
    let alice = Some("alice@example.org".to_owned());
    assert_eq!(ask(passdb, "alice@example.org"), alice);
    assert_eq!(ask(passdb, "alice+phone@example.org"), alice);
    assert_eq!(ask(passdb, "alice+other@example.org"), None);
    assert_eq!(ask(passdb, "gone@example.org"), None);
    let quota = |user: &str| ask_for(&db, userdb, user, 2);
    assert_eq!(quota("gone@example.org").unwrap(), "1000000B");
    assert_eq!(quota("bob@example.org").unwrap(), "2147483648B");
    assert_eq!(ask(userdb, "al@example.org"), None);

    // what the queue has for the address of before, until somebody has it again
    db.execute_batch(
        "INSERT INTO renamed VALUES ('anna@old.example',
           (SELECT id FROM user WHERE local_part = 'alice'), 0);
         INSERT INTO renamed VALUES ('al2@example.org',
           (SELECT id FROM user WHERE local_part = 'alice'), 0);",
    )
    .unwrap();
    assert_eq!(ask(userdb, "anna@old.example"), alice);
    assert_eq!(ask(userdb, "al2@example.org"), alice);
    let home = ask_for(&db, userdb, "anna@old.example", 1);
    assert_eq!(home.unwrap(), "/var/vmail/example.org/alice");
    assert_eq!(ask(passdb, "al2@example.org"), None);
    db.execute_batch(
        "INSERT INTO user (local_part, domain_id, quota_bytes, created)
           SELECT 'al2', id, 1, 1 FROM domain WHERE name = 'example.org';",
    )
    .unwrap();
    assert_eq!(ask(userdb, "al2@example.org").unwrap(), "al2@example.org");
}

/// The answer of a query of dovecot's, one column of it.
fn ask_for(db: &Connection, query: &str, user: &str, column: usize) -> Option<String> {
    let (name, domain) = user.split_once('@').unwrap();
    let query = query
        .replace("%{user | username}", name)
        .replace("%{user | domain}", domain);
    let mut statement = db.prepare(&query).unwrap();
    let mut rows = statement.query([]).unwrap();
    let first = rows.next().unwrap().map(|row| row.get(column).unwrap());
    assert!(rows.next().unwrap().is_none(), "one row only for {user}");
    first
}
