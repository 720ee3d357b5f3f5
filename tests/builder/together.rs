//! Two builds at once, and a build beside who deletes.

use std::{process::Stdio, thread, time::Duration};

use crate::desk::Desk;

#[test]
fn builds_at_once_share_the_work() {
    let desk = Desk::new();
    let start = |out: &str| {
        desk.command_to(out, &["build"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let all = [start("out"), start("out"), start("other")];
    let all = all.map(|child| child.wait_with_output().unwrap());
    let texts = all.each_ref().map(|output| {
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    });
    // what one made, the other had to wait for and then took
    let built = |text: &String| text.contains("building ezmail") && text.contains(": built");
    assert_eq!(texts.iter().filter(|t| built(t)).count(), 1, "{texts:#?}");
    let waited = |text: &&String| text.contains(": waiting");
    // one for the folder, and one or more for what is made
    assert!(texts.iter().filter(waited).count() >= 2, "{texts:#?}");
    let other = std::fs::read_dir(desk.path().join("other"))
        .unwrap()
        .flatten();
    let isos = other.filter(|e| e.path().extension().is_some_and(|x| x == "iso"));
    let sums: Vec<String> = isos
        .map(|e| ezmail::util::hash::sha256_file(&e.path()).unwrap())
        .collect();
    assert_eq!(sums, [desk.iso()]);

    // something to do for some seconds
    std::fs::remove_dir_all(desk.cache().join("packages/ezmail")).unwrap();
    let mut build = start("out");
    let at_work = || {
        let work = std::fs::read_dir(desk.cache().join("work"))
            .unwrap()
            .flatten();
        work.count() > 0
    };
    for _ in 0..300 {
        if at_work() {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
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
