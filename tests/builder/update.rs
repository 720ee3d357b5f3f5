//! `ezmail update`: what the base's mirror has now, and the lock file with it.

use std::fs;

use crate::desk::{Checkout, Desk, said};

/// Composes both stand-ins three times: at first, as a plan that is thrown away, and as an update.
#[test]
fn full_an_update_tells_what_changes_and_writes_it() {
    let desk = Desk::empty();
    let checkout = Checkout::new(&desk);
    let lock = checkout.path().join("ezmail.lock");
    let update = |words: &[&str]| {
        let mut command = desk.command(&["update"]);
        command.args(words).arg("--project").arg(checkout.path());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", said(&desk, &output));
        said(&desk, &output)
    };
    update(&[]);
    let read = || fs::read_to_string(&lock).unwrap();
    // without the day on which Debian was asked
    let packages = |text: String| -> Vec<String> {
        let lines = text.lines().filter(|l| !l.starts_with("date = "));
        lines.map(str::to_owned).collect()
    };
    let now = read();

    // as of a day on which bash was older, and a package was there that is gone
    let at = now.find("name = \"bash\"").unwrap();
    let version = now[at..].find("version = \"").map(|n| at + n + 11).unwrap();
    let mut then = now.clone();
    then.insert_str(version, "0.");
    let then = then.replacen("name = \"bash\"", "name = \"bash-of-then\"", 1);
    fs::write(&lock, &then).unwrap();

    let planned = update(&["--dry-run"]);
    assert_eq!(read(), then);
    let done = update(&[]);
    assert_eq!(packages(read()), packages(now));
    for said in [planned, done] {
        let gone = "standin: bash-of-then 0.";
        assert!(
            said.contains(gone) && said.contains("but no longer asked for"),
            "{said}"
        );
        let new = said
            .lines()
            .any(|l| l.contains("bash ") && l.ends_with("is offered, but not locked"));
        assert!(new, "{said}");
    }
}
