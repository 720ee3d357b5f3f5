//! Two builds at once, and a build beside who deletes.

use std::{process::Stdio, thread, time::Duration};

use crate::desk::Desk;

#[test]
fn two_builds_at_once_share_the_work() {
    let desk = Desk::new();
    let start = || {
        desk.command(&["build"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let both = [start(), start()].map(|child| child.wait_with_output().unwrap());
    let texts = both.each_ref().map(|output| {
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    });
    // what one made, the other had to wait for and then took
    let built = |text: &String| text.contains("building ezmail") && text.contains(": built");
    assert_eq!(texts.iter().filter(|t| built(t)).count(), 1, "{texts:#?}");
    let waited = |text: &&String| text.contains(": waiting");
    assert_eq!(texts.iter().filter(waited).count(), 1, "{texts:#?}");
    desk.iso();

    // something to do for some seconds
    std::fs::remove_dir_all(desk.cache().join("packages/ezmail")).unwrap();
    let mut build = start();
    thread::sleep(Duration::from_secs(1));
    let refused = std::process::Command::new(crate::desk::programs().join("ezmail"))
        .args(["clean", "--yes"])
        .env("EZMAIL_CACHE", desk.cache())
        .output()
        .unwrap();
    assert!(build.wait().unwrap().success());
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success(), "{refused:?}");
    assert!(text.contains("a build is working in"), "{text}");
}
