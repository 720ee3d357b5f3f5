//! What the tests of users, domains and aliases share.

use regex::Regex;
use rusqlite::Connection;

use crate::server::{Called, Server};

/// A password that is good enough.
pub const PASSWORD: &str = "wood stapler under rain";

/// All that a call printed, without times and passwords.
pub fn shown(called: &Called) -> String {
    let text = format!("{}{}", called.stdout, called.stderr);
    let time = Regex::new(r"\d{4}-\d\d-\d\d \d\d:\d\d").unwrap();
    let text = time.replace_all(&text, "YYYY-MM-DD hh:mm");
    let seconds = Regex::new(r#""(created|password_set)": \d+"#).unwrap();
    let text = seconds.replace_all(&text, "\"$1\": 0");
    let password = Regex::new("([a-z2-9]{4}-){4}[a-z2-9]{4}").unwrap();
    password.replace_all(&text, "[password]").into_owned()
}

/// A call that changes something and may have something to note.
pub fn changed(server: &Server, arguments: &[&str]) -> String {
    changed_with(server, arguments, "")
}

/// The same for a call that ends with `status`.
pub fn changed_and_ends(server: &Server, status: i32, arguments: &[&str]) -> String {
    let called = server.call(arguments);
    assert_eq!(called.status, status, "{arguments:?}: {}", called.stderr);
    shown(&called)
}

/// The same with `input` on its standard input.
pub fn changed_with(server: &Server, arguments: &[&str], input: &str) -> String {
    let called = server.call_with(arguments, input);
    assert_eq!(called.status, 0, "{arguments:?}: {}", called.stderr);
    shown(&called)
}

/// The database as the daemons open it.
pub fn database(server: &Server) -> Connection {
    let path = server.world.path("var/lib/ezmail/mail.sqlite");
    Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

/// What smtpd's table helper gets for `key` from the query of the file that the agent wrote: the
/// columns joined by `:`, the rows by `, `.
pub fn smtpd(server: &Server, service: &str, key: &str) -> String {
    let text = server.world.read("etc/smtpd/mail.conf");
    let prefix = format!("query_{service} ");
    let query = text.lines().find_map(|l| l.strip_prefix(&prefix)).unwrap();
    let db = database(server);
    let mut statement = db.prepare(query).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([key], |row| {
        let values: Result<Vec<String>, _> = (0..columns).map(|i| row.get(i)).collect();
        Ok(values?.join(":"))
    });
    let mut rows: Vec<String> = rows.unwrap().map(Result::unwrap).collect();
    rows.sort();
    rows.join(", ")
}

/// Whether `password` opens the mailbox under `login`, as smtpd looks it up.
pub fn opens(server: &Server, login: &str, password: &str) -> bool {
    let found = smtpd(server, "credentials", login);
    let hash = found.split_once(':').map(|(_, hash)| hash);
    hash.is_some_and(|hash| ezmail::mail::password::verify(password, hash).unwrap())
}

/// Where mail goes, as smtpd looks it up.
pub fn leads(server: &Server, address: &str) -> String {
    smtpd(server, "alias", address)
}

/// That the next apply of the same answers, as at the next boot, changes nothing in the database.
pub fn survives_a_boot(server: &Server) {
    let before = server.world.database();
    let done = server.world.apply(&crate::world::good("small"));
    assert!(done.status.success(), "{}", done.text());
    assert_eq!(server.world.database(), before);
}

/// Puts a message into a mailbox.
pub fn message(server: &Server, path: &str) {
    let path = server.world.path("var/vmail").join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, "mail").unwrap();
}
