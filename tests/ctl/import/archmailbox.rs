//! `mailctl import archmailbox`, from backups as `mailboxctl backupconfig` made them.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use ezmail::{
    encpipe::{Encryptor, Key, Passphrase},
    mail::{dkim, password},
};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::{
    accounts::{changed_and_ends, leads, opens, survives_a_boot},
    server::Server,
};

const PHRASE: &str = "five ducks on a lake";
/// Alice's and bob's on the server of the tests; archmailbox asked for more memory.
const OURS: &str = "$argon2id$v=19$m=19456,t=2,p=1$HtKaUpKsz7K46esgPcLogg$YYARhO8rPJMzMa3rp0rZn5AJfv6zTdYNs/CUltaDMeg";
const SEED: &str = "1O5y2/kTWErVttjx92n4rTr+fCjL8dT74Jeoj0R1WEI=";

/// A backup, made in a folder of its own.
struct Backup {
    folder: TempDir,
    files: Vec<(String, Vec<u8>)>,
}

impl Backup {
    fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            files: vec![(
                "./dovecot/dovecot.conf".to_owned(),
                b"protocols = imap\n".to_vec(),
            )],
        }
    }

    /// example.com with carol and dave, whose hash is of no use here, and a copy of our alice.
    fn usual() -> Self {
        let carol = password::hash("wood stapler under rain").unwrap();
        let rows = format!(
            "INSERT INTO domains (domain) VALUES ('example.com'), ('example.org');
             INSERT INTO credentials (email, password) VALUES
               ('carol@example.com', '{carol}'), ('dave@example.com', '$6$salt$hash'),
               ('alice@example.org', '{OURS}');
             INSERT INTO virtuals (email, destination) VALUES
               ('abuse', 'postmaster'), ('dmarcreports', 'postmaster'),
               ('postmaster', 'carol@example.com'), ('carol@example.com', 'vmail'),
               ('dave@example.com', 'vmail'), ('alice@example.org', 'vmail'),
               ('info@example.com', 'Carol@example.com'), ('info@example.com', 'x@example.net'),
               ('@example.com', 'carol@example.com'), ('gone@example.com', 'nobody@example.org'),
               ('a@example.com', 'b@example.com'), ('b@example.com', 'a@example.com');"
        );
        let mut backup = Self::empty();
        backup.database(&rows);
        backup.file("./dkim/example.com.ed.key", format!("{SEED}\n").as_bytes());
        let rsa = dkim::generate(dkim::Algorithm::Rsa).unwrap();
        backup.file("./dkim/example.com.rsa.key", rsa.expose().as_bytes());
        let weak = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/answers/bad/rsa1024.pem");
        backup.file("./dkim/example.org.old.key", &fs::read(weak).unwrap());
        backup.file("./local.d/dkim/example.com.conf", b"example.com { }");
        backup
    }

    fn file(&mut self, path: &str, bytes: &[u8]) {
        // find(1) listed each file more than once
        for _ in 0..2 {
            self.files.push((path.to_owned(), bytes.to_vec()));
        }
    }

    fn database(&mut self, rows: &str) {
        let path = self.folder.path().join("smtp.sqlite");
        let db = Connection::open(&path).unwrap();
        db.execute_batch(
            "CREATE TABLE virtuals (id INTEGER PRIMARY KEY AUTOINCREMENT,
               email VARCHAR(255) NOT NULL, destination VARCHAR(255) NOT NULL);
             CREATE TABLE credentials (id INTEGER PRIMARY KEY AUTOINCREMENT,
               email VARCHAR(255) NOT NULL, password VARCHAR(255) NOT NULL);
             CREATE TABLE domains (id INTEGER PRIMARY KEY AUTOINCREMENT,
               domain VARCHAR(255) NOT NULL);",
        )
        .unwrap();
        db.execute_batch(rows).unwrap();
        drop(db);
        self.file("./smtpd/smtp.sqlite", &fs::read(path).unwrap());
    }

    fn tar_xz(&self) -> Vec<u8> {
        let xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        let mut tar = tar::Builder::new(xz);
        for (path, bytes) in &self.files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o600);
            tar.append_data(&mut header, path, bytes.as_slice())
                .unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap()
    }

    fn write(&self) -> PathBuf {
        let path = self.folder.path().join("backup.tar.xz.encpipe");
        let phrase = Passphrase::new(PHRASE.as_bytes().to_vec()).unwrap();
        let key = Key::derive(&phrase).unwrap();
        let mut file = Encryptor::new(fs::File::create(&path).unwrap(), &key);
        file.write_all(&self.tar_xz()).unwrap();
        file.finish().unwrap();
        fs::write(self.folder.path().join("phrase"), format!("{PHRASE}\n")).unwrap();
        path
    }
}

fn arguments<'a>(backup: &'a Path, phrase: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["import", "archmailbox", backup.to_str().unwrap()];
    arguments.extend(["--passphrase-file", phrase.to_str().unwrap()]);
    arguments.extend(more);
    arguments
}

/// An import after which all is here, or not.
fn import(server: &Server, whole: bool, backup: &Backup, more: &[&str]) -> String {
    let path = backup.write();
    let phrase = backup.folder.path().join("phrase");
    let status = if whole { 0 } else { 3 };
    changed_and_ends(server, status, &arguments(&path, &phrase, more))
}

#[test]
fn users_domains_aliases_and_keys_come_once() {
    let (server, backup) = (Server::small(), Backup::usual());
    let before = server.world.database();
    let dry = import(&server, false, &backup, &["--dry-run"]);
    assert_eq!(server.world.database(), before);
    assert!(dry.contains("\nnothing was changed\n"), "{dry}");
    insta::assert_snapshot!("import-archmailbox", import(&server, false, &backup, &[]));
    assert!(opens(
        &server,
        "carol@example.com",
        "wood stapler under rain"
    ));
    assert_eq!(
        leads(&server, "info@example.com"),
        "carol@example.com, x@example.net"
    );
    assert_eq!(leads(&server, "@example.com"), "carol@example.com");
    let signing = server.world.read("etc/rspamd/override.d/dkim_signing.conf");
    for selector in ["ed", "rsa"] {
        assert!(
            signing.contains(&format!("selector = \"{selector}\"")),
            "{signing}"
        );
    }
    let key = server.world.read("var/lib/ezmail/dkim/example.com/ed.key");
    assert_eq!(key.trim(), SEED);
    let after = server.world.database();
    insta::assert_snapshot!(
        "import-archmailbox-again",
        import(&server, false, &backup, &["--json"])
    );
    assert_eq!(server.world.database(), after);
    survives_a_boot(&server);
}

#[test]
fn what_is_different_here_stays_unless_it_is_to_be_replaced() {
    let server = Server::small();
    let hash = password::hash("lamp river stone cloud").unwrap();
    let mut backup = Backup::empty();
    backup.database(&format!(
        "INSERT INTO credentials (email, password) VALUES
           ('alice@example.org', '{hash}'), ('al@example.org', '{hash}');
         INSERT INTO virtuals (email, destination) VALUES
           ('family@example.org', 'alice@example.org'), ('family@example.org', 'me@example.net'),
           ('bob@example.org', 'alice@example.org');"
    ));
    let before = server.world.database();
    insta::assert_snapshot!(
        "import-archmailbox-different",
        import(&server, false, &backup, &[])
    );
    assert_eq!(server.world.database(), before);
    let said = import(&server, false, &backup, &["--overwrite"]);
    insta::assert_snapshot!("import-archmailbox-overwrite", said);
    assert!(opens(
        &server,
        "alice@example.org",
        "lamp river stone cloud"
    ));
    assert_eq!(
        leads(&server, "family@example.org"),
        "alice@example.org, me@example.net"
    );
    assert_eq!(leads(&server, "al@example.org"), "alice@example.org");
}

#[test]
fn one_domain_can_be_chosen() {
    let (server, backup) = (Server::small(), Backup::usual());
    let said = import(&server, false, &backup, &["--domain", "example.org"]);
    insta::assert_snapshot!("import-archmailbox-domain", said);
    let path = backup.write();
    let phrase = backup.folder.path().join("phrase");
    let wrong = server.bad(1, &arguments(&path, &phrase, &["--domain", "example.net"]));
    insta::assert_snapshot!(wrong, @"mailctl: example.net is not in the backup, which has example.com, example.org; nothing was changed");
}

#[test]
fn what_is_no_backup_is_refused() {
    let server = Server::small();
    let before = server.world.database();
    let mut backup = Backup::empty();
    let bad = |backup: &Backup, phrase: &str, break_it: &dyn Fn(&Path)| {
        let path = backup.write();
        fs::write(backup.folder.path().join("phrase"), phrase).unwrap();
        break_it(&path);
        let phrase = backup.folder.path().join("phrase");
        let said = server.bad(1, &arguments(&path, &phrase, &[]));
        said.replace(backup.folder.path().to_str().unwrap(), "FOLDER")
    };
    let whole = |_: &Path| {};
    insta::assert_snapshot!(bad(&backup, PHRASE, &whole), @"mailctl: there is no smtpd/smtp.sqlite in FOLDER/backup.tar.xz.encpipe, but dovecot: make the backup with the module smtpd in it; nothing was changed");
    insta::assert_snapshot!(bad(&backup, "wrong", &whole), @"mailctl: FOLDER/backup.tar.xz.encpipe: Unable to decrypt chunk 0: wrong passphrase? (or the stream was altered in its first chunk, or is no encpipe stream); nothing was changed");
    let cut = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() - 10]).unwrap();
    };
    insta::assert_snapshot!(bad(&backup, PHRASE, &cut), @"mailctl: FOLDER/backup.tar.xz.encpipe: Premature end of file: the stream ends at byte 218, in chunk 1, before its end chunk; it was cut short, or the length of that chunk altered; nothing was changed");
    let plain = |path: &Path| {
        let key = Key::derive(&Passphrase::new(PHRASE.as_bytes().to_vec()).unwrap()).unwrap();
        let mut file = Encryptor::new(fs::File::create(path).unwrap(), &key);
        file.write_all(b"no tar at all, and no xz").unwrap();
        file.finish().unwrap();
    };
    insta::assert_snapshot!(bad(&backup, PHRASE, &plain), @"mailctl: FOLDER/backup.tar.xz.encpipe is no backup of archmailbox (tar.xz under encpipe); nothing was changed: stream/file format not recognized");
    backup.file("./smtpd/smtp.sqlite", &{
        let path = backup.folder.path().join("other.sqlite");
        let db = Connection::open(&path).unwrap();
        db.execute_batch("CREATE TABLE cats (name TEXT)").unwrap();
        fs::read(path).unwrap()
    });
    insta::assert_snapshot!(bad(&backup, PHRASE, &whole), @"mailctl: the database in the backup has no table credentials (email, password): it is not one of archmailbox; nothing was changed");
    assert_eq!(server.world.database(), before);
    assert_eq!(STANDARD.decode(SEED).unwrap().len(), 32);
}

#[test]
fn all_comes_and_that_is_said() {
    let (server, mut backup) = (Server::small(), Backup::empty());
    backup.database("INSERT INTO domains (domain) VALUES ('example.net')");
    import(&server, true, &backup, &[]);
    import(&server, true, &backup, &["--json"]);
}

#[test]
fn a_change_that_fails_leaves_the_keys_as_they_were() {
    let (server, mut backup) = (Server::small(), Backup::empty());
    backup.database("INSERT INTO domains (domain) VALUES ('example.org'), ('example.net')");
    let old = dkim::generate(dkim::Algorithm::Ed25519).unwrap();
    for name in ["example.net.a", "example.net.b", "example.org.z"] {
        backup.file(&format!("./dkim/{name}.key"), old.expose().as_bytes());
    }
    import(&server, true, &backup, &[]);
    let key = |name: &str| {
        server
            .world
            .path(&format!("var/lib/ezmail/dkim/{name}.key"))
    };
    let was = fs::read(key("example.net/a")).unwrap();
    let before = server.world.database();
    // others of the same names, one that is new, and one that cannot be written
    backup.files.retain(|(path, _)| !path.contains("/dkim/"));
    let new = dkim::generate(dkim::Algorithm::Ed25519).unwrap();
    for name in ["example.net.a", "example.net.new", "example.org.z"] {
        backup.file(&format!("./dkim/{name}.key"), new.expose().as_bytes());
    }
    fs::remove_file(key("example.org/z")).unwrap();
    fs::create_dir_all(key("example.org/z").join("x")).unwrap();
    let path = backup.write();
    let phrase = backup.folder.path().join("phrase");
    server.bad(1, &arguments(&path, &phrase, &["--overwrite"]));
    assert_eq!(server.world.database(), before);
    assert_eq!(fs::read(key("example.net/a")).unwrap(), was);
    assert!(!key("example.net/new").exists());
}
