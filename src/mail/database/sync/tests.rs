use super::*;
use crate::{answers, mail::database::schema};

const HEAD: &str = "hostname = \"mail.example.org\"\n[[domain]]\nname = \"example.org\"\n";
const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$HtKaUpKsz7K46esgPcLogg$YYARhO8rPJMzMa3rp0rZn5AJfv6zTdYNs/CUltaDMeg";

fn user(name: &str, rest: &str) -> String {
    format!("[[user]]\naddress = \"{name}@example.org\"\npassword_hash = \"{HASH}\"\n{rest}\n")
}

fn apply(db: &mut Connection, text: &str) -> Vec<String> {
    let answers = answers::parse(text, "a").unwrap();
    let desired = Desired::new(&answers).unwrap();
    sync(db, &desired, 1).unwrap()
}

fn database() -> Connection {
    let mut db = Connection::open_in_memory().unwrap();
    db.pragma_update(None, "foreign_keys", true).unwrap();
    schema::migrate(&mut db).unwrap();
    db
}

fn count(db: &Connection, what: &str) -> i64 {
    db.query_row(&format!("SELECT count(*) FROM {what}"), [], |r| r.get(0))
        .unwrap()
}

#[test]
fn a_change_does_what_it_says_and_no_more() {
    let mut db = database();
    let first =
        HEAD.to_owned() + &user("alice", "") + &user("bob", "aliases = [\"b@example.org\"]");
    // with two DKIM keys
    assert_eq!(apply(&mut db, &first).len(), 3 + 1 + 2);
    assert_eq!(apply(&mut db, &first), Vec::<String>::new());
    let second = HEAD.to_owned() + &user("alice", "quota = \"2G\"") + &user("carol", "");
    assert_eq!(
        apply(&mut db, &second),
        [
            "alias b@example.org removed",
            "user bob@example.org removed; the mail is kept",
            "user alice@example.org: quota changed",
            "user carol@example.org added",
        ]
    );
    assert_eq!((count(&db, "user"), count(&db, "credential")), (2, 2));
}

#[test]
fn what_mailctl_did_is_not_undone() {
    let mut db = database();
    let text = HEAD.to_owned() + &user("alice", "") + &user("bob", "");
    apply(&mut db, &text);
    db.execute_batch(
        "UPDATE user SET quota_bytes = 5 WHERE local_part = 'alice';
         UPDATE credential SET hash = 'new' WHERE user_id = 1;
         DELETE FROM user WHERE local_part = 'bob';
         INSERT INTO user (local_part, domain_id, quota_bytes, created) VALUES ('dave', 1, 1, 1);
         INSERT INTO alias (local_part, domain_id, target) VALUES ('x', 1, 'dave@example.org')",
    )
    .unwrap();
    assert_eq!(apply(&mut db, &text), Vec::<String>::new());
    let more = text + &user("carol", "");
    assert_eq!(apply(&mut db, &more), ["user carol@example.org added"]);
    assert_eq!(count(&db, "user WHERE quota_bytes = 5"), 1);
    assert_eq!(count(&db, "credential WHERE hash = 'new'"), 1);
    assert_eq!(count(&db, "user"), 3);
    assert_eq!(count(&db, "alias WHERE local_part = 'x'"), 1);
}

#[test]
fn a_domain_goes_with_all_that_is_in_it() {
    let mut db = database();
    let text = HEAD.to_owned() + "[[domain]]\nname = \"example.net\"\n" + &user("alice", "");
    apply(&mut db, &text);
    db.execute(
        "INSERT INTO user (local_part, domain_id, quota_bytes, created)
         SELECT 'dave', id, 1, 1 FROM domain WHERE name = 'example.net'",
        [],
    )
    .unwrap();
    let said = apply(&mut db, &(HEAD.to_owned() + &user("alice", "")));
    let want = "user dave@example.net removed with the domain; the mail is kept";
    assert!(said.iter().any(|s| s == want), "{said:?}");
    assert_eq!(
        said.last().map(String::as_str),
        Some("domain example.net removed")
    );
    assert_eq!((count(&db, "domain"), count(&db, "user")), (1, 1));
}

fn refused(db: &mut Connection, text: &str) -> String {
    let desired = Desired::new(&answers::parse(text, "a").unwrap()).unwrap();
    let before = count(db, "user") + count(db, "alias");
    let error = sync(db, &desired, 1).unwrap_err().to_string();
    assert_eq!(count(db, "user") + count(db, "alias"), before);
    error
}

#[test]
fn answers_that_do_not_go_with_what_mailctl_did_are_refused() {
    let mut db = database();
    let head = HEAD.replacen('\n', "\npostmaster = \"alice@example.org\"\n", 1);
    let text = head.clone() + &user("alice", "") + &user("bob", "");
    apply(&mut db, &text);
    db.execute_batch(
        "DELETE FROM user WHERE local_part = 'bob';
         INSERT INTO alias (local_part, domain_id, target) VALUES ('x', 1, 'alice@example.org');
         INSERT INTO user (local_part, domain_id, quota_bytes, created) VALUES ('dave', 1, 1, 1);",
    )
    .unwrap();
    let more = |name: &str, rest: &str| text.clone() + &user(name, rest);
    insta::assert_snapshot!(
        refused(&mut db, &more("x", "")),
        @"the answers do not go with what mailctl has changed: x@example.org would be a user and an alias"
    );
    insta::assert_snapshot!(
        refused(&mut db, &more("carol", "aliases = [\"dave@example.org\"]")),
        @"the answers do not go with what mailctl has changed: dave@example.org would be a user and an alias"
    );
    let to_bob = "[[alias]]\naddress = \"y@example.org\"\nto = [\"bob@example.org\"]\n";
    insta::assert_snapshot!(
        refused(&mut db, &(text.clone() + to_bob)),
        @"the answers do not go with what mailctl has changed: the alias y@example.org would lead to bob@example.org, and nobody has that address"
    );
    let postmaster = text.replacen("\"alice@", "\"bob@", 1);
    insta::assert_snapshot!(
        refused(&mut db, &postmaster),
        @"the answers do not go with what mailctl has changed: nobody would have bob@example.org, which the answers name as the postmaster: apply answers with another one first, with 'ezmail-agent apply --answers FILE'"
    );
    // what is so already is no reason: a server that boots with it goes on
    db.execute("DELETE FROM user WHERE local_part = 'alice'", [])
        .unwrap();
    assert_eq!(apply(&mut db, &text), Vec::<String>::new());
}

#[test]
fn what_is_said_of_a_domain_that_mailctl_removed_is_left_out() {
    let mut db = database();
    let two = HEAD.to_owned() + "[[domain]]\nname = \"example.net\"\n";
    apply(&mut db, &(two.clone() + &user("alice", "")));
    db.execute("DELETE FROM domain WHERE name = 'example.net'", [])
        .unwrap();
    let carol = user("carol", "aliases = [\"c@example.net\"]")
        .replace("carol@example.org", "carol@example.net");
    let more = two + &user("alice", "") + &carol;
    assert_eq!(
        apply(&mut db, &more),
        [
            "user carol@example.net left out: example.net was removed with mailctl",
            "alias c@example.net left out: example.net was removed with mailctl"
        ]
    );
    assert_eq!((count(&db, "domain"), count(&db, "user")), (1, 1));
    // named anew
    apply(&mut db, &(HEAD.to_owned() + &user("alice", "")));
    assert!(apply(&mut db, &more).contains(&"user carol@example.net added".to_owned()));
}

#[test]
fn a_new_hash_is_a_changed_password() {
    let mut db = database();
    let text = HEAD.to_owned() + &user("alice", "");
    apply(&mut db, &text);
    let other = text.replace("YYARhO8rPJ", "ZZARhO8rPJ");
    let said = apply(&mut db, &other);
    assert_eq!(said, ["user alice@example.org: password changed"]);
}
