//! For a person who renews the pictures in `docs/`: what commands look like on the console.
//!
//!     cargo test --features by-hand --test mail -- captures --nocapture

use std::{fs, path::Path, thread, time::Duration};

use crate::{Setting, together};

/// The pictures: a file in `docs/`, and the command.
const PICTURES: [(&str, &str); 2] = [("status", "mailctl status"), ("check", "mailctl check")];

/// How long the screen takes to show what was written.
const DRAWN: Duration = Duration::from_secs(3);
/// How old a console's page may be.
const PAGE: Duration = Duration::from_secs(40);

#[test]
fn captures() {
    let (setting, _guard) = together();
    let run = |script: &str| setting.appliance.run(script).unwrap();
    // the page of a server that has just started, when the way to the first mail has been looked at
    run("mailctl guide || [ $? -eq 3 ]");
    thread::sleep(PAGE);
    picture(setting, "console");
    run("systemctl stop ezmail-console@tty1.service");
    for (name, command) in PICTURES {
        // the command finds things, and says so by its exit status
        run(&format!(
            "{{ printf '\\033[H\\033[2J\\033[3J# {command}\\n'; {command}; }} \
             </dev/tty1 >/dev/tty1 2>&1; [ $? -ne 1 ]"
        ));
        thread::sleep(DRAWN);
        picture(setting, name);
    }
    run("systemctl start ezmail-console@tty1.service");
}

fn picture(setting: &Setting, name: &str) {
    let path = format!("docs/{name}.png");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    setting.appliance.machine().screenshot(&path).unwrap();
    let bytes = fs::metadata(&path).unwrap().len();
    println!("{}: {bytes} bytes", path.display());
}
