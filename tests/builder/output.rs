//! What a build prints: lines, events, the plan; and what it keeps of its logs.

use std::fs;

use serde_json::Value;

use crate::desk::{Desk, said};

#[test]
fn a_plan_makes_nothing_and_events_tell_what_is_made() {
    let desk = Desk::new();
    let plan = desk.run(&["build", "--dry-run"]);
    assert!(plan.status.success(), "{plan:?}");
    insta::assert_snapshot!(said(&desk, &plan));
    assert!(!desk.path().join("out").exists());
    assert!(!desk.cache().join("packages/ezmail").exists());

    let output = desk.run(&["build", "--json"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let events: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |kind: &str| events.iter().filter(|e| e["event"] == kind).count();
    assert_eq!(of("started"), of("done"), "{events:#?}");
    assert!(of("cached") > 5 && of("started") > 5, "{events:#?}");
    let last = events.last().unwrap();
    assert_eq!(last["event"], "finished");
    assert_eq!(last["result"]["image"]["sha256"], desk.iso().as_str());
    // each step's log is where the event said
    for event in events.iter().filter(|e| e["event"] == "started") {
        if let Some(log) = event["log"].as_str() {
            assert!(fs::metadata(log).unwrap().len() > 0, "{log}");
        }
    }
    assert!(desk.cache().join("logs/latest/image.log").exists());

    let again = desk.run(&["build", "--dry-run"]);
    let text = said(&desk, &again);
    assert!(!text.contains("would"), "{text}");
}
