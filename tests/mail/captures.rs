//! For a person who renews the pictures in `docs/`: what commands look like on the console.
//!
//!     cargo test --features by-hand --test mail -- captures --nocapture

use std::{fs, path::Path, thread, time::Duration};

use crate::together;

/// The pictures: a file in `docs/`, and the command.
const PICTURES: [(&str, &str); 2] = [("status", "mailctl status"), ("check", "mailctl check")];

/// How long the screen takes to show what was written.
const DRAWN: Duration = Duration::from_secs(3);

#[test]
fn captures() {
    let (setting, _guard) = together();
    let run = |script: &str| setting.appliance.run(script).unwrap();
    run("systemctl stop ezmail-console@tty1.service");
    for (name, command) in PICTURES {
        // the command finds things, and says so by its exit status
        run(&format!(
            "{{ printf '\\033[H\\033[2J\\033[3J# {command}\\n'; {command}; }} \
             </dev/tty1 >/dev/tty1 2>&1; [ $? -ne 1 ]"
        ));
        thread::sleep(DRAWN);
        let path = format!("docs/{name}.png");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        setting.appliance.machine().screenshot(&path).unwrap();
        println!(
            "{}: {} bytes",
            path.display(),
            fs::metadata(&path).unwrap().len()
        );
    }
    run("systemctl start ezmail-console@tty1.service");
}
