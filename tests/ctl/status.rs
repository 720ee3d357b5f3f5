//! `mailctl status`.

use serde_json::Value;

use crate::server::Server;

/// Without the lines that depend on the machine that runs this: space, and where the answers lie.
fn shown(server: &Server) -> String {
    let text = server.good(&["status"]);
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("State ") && !line.contains("applied: /"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_server_in_a_folder_has_a_status() {
    insta::assert_snapshot!(shown(&Server::small()));
}

#[test]
fn before_the_first_answers_it_says_what_is_missing() {
    insta::assert_snapshot!(shown(&Server::bare()));
}

#[test]
fn refused_answers_are_told() {
    let server = Server::small();
    let broken = server.world.answers("broken.toml", "hostname = 3\n");
    let done = server.world.apply(&broken);
    assert!(!done.status.success());
    let text = server.good(&["status"]);
    assert!(text.contains("Answers      NOT APPLIED\n"), "{text}");
    assert!(
        text.contains("  error: the file has no `[[domain]]`\n"),
        "{text}"
    );
    assert!(
        text.contains("more lines: 'journalctl -u ezmail-agent'\n"),
        "{text}"
    );
    // the server goes on with the answers that it had
    assert!(text.contains("Mailboxes    2 users, 1 domain\n"), "{text}");
    assert!(text.lines().count() < 24, "{text}");
}

#[test]
fn scripts_get_json() {
    let server = Server::small();
    let text = server.good(&["status", "--json"]);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["agent"]["outcome"], "ready");
    assert_eq!(value["hostname"], "mail.example.org");
    assert_eq!(value["counts"]["users"], 2);
    assert_eq!(value["services"], serde_json::json!([]));
    assert_eq!(value["image"]["base"], "unknown");
}

/// What depends on the machine that runs this, or on when it does, is replaced by its type.
#[test]
fn the_shape_of_the_json_stays() {
    let text = Server::small().good(&["status", "--json"]);
    let mut value: Value = serde_json::from_str(&text).unwrap();
    // what each step did is a matter of the agent's tests
    let steps = value.pointer_mut("/agent/steps").unwrap();
    steps.as_array_mut().unwrap().truncate(1);
    for place in [
        "/version",
        "/agent/version",
        "/agent/source",
        "/agent/steps/0/done",
        "/volume/total",
        "/volume/free",
    ] {
        let Some(found) = value.pointer_mut(place) else {
            panic!("no {place} in {text}");
        };
        *found = match found {
            Value::String(_) => "a text".into(),
            Value::Number(_) => "a number".into(),
            Value::Array(_) => "a list".into(),
            other => panic!("{place} is {other}"),
        };
    }
    let text = serde_json::to_string_pretty(&value).unwrap();
    insta::assert_snapshot!("status-json", text);
}
