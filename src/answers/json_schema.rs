//! `docs/answers.schema.json`, made from the schema: for editors, which then complete keys and mark
//! slips while one types.
//!
//! It says what a JSON Schema (2020-12) can say. `ezmail answers check` has the last word: whether
//! addresses exist, keys fit, and so on.

use serde_json::{Map, Value, json};

use super::schema::{self, Key, Kind};

/// The JSON Schema as text.
///
/// # Errors
/// When it cannot be written as text, which cannot be.
pub fn text() -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(&document())? + "\n")
}

/// The JSON Schema.
pub fn document() -> Value {
    let mut root = table("");
    root.insert(
        "$schema".to_owned(),
        json!("https://json-schema.org/draft/2020-12/schema"),
    );
    root.insert("title".to_owned(), json!("The answers file of ezmail"));
    root.insert(
        "$comment".to_owned(),
        json!("Made from src/answers/schema/keys.rs by `ezmail answers schema`"),
    );
    Value::Object(root)
}

/// The table at `path` with its keys.
fn table(path: &str) -> Map<String, Value> {
    let keys = schema::children(path);
    let properties: Map<String, Value> = keys.map(|k| (k.name().to_owned(), key(k))).collect();
    let required: Vec<_> = schema::children(path)
        .filter(|k| k.required)
        .map(Key::name)
        .collect();
    let mut map = Map::new();
    map.insert("type".to_owned(), json!("object"));
    map.insert("properties".to_owned(), Value::Object(properties));
    map.insert("additionalProperties".to_owned(), json!(false));
    if !required.is_empty() {
        map.insert("required".to_owned(), json!(required));
    }
    let pairs: Vec<Value> = schema::pairs(path)
        .map(|pair| {
            let [a, b] = pair.names;
            match pair.needed {
                true => json!({"oneOf": [{"required": [a]}, {"required": [b]}]}),
                false => json!({"not": {"required": [a, b]}}),
            }
        })
        .collect();
    if !pairs.is_empty() {
        map.insert("allOf".to_owned(), Value::Array(pairs));
    }
    map
}

fn key(key: &Key) -> Value {
    let mut map = match key.kind {
        Kind::Table => table(key.path),
        Kind::Tables => {
            let mut map = of_type("array");
            map.insert("items".to_owned(), Value::Object(table(key.path)));
            if key.required {
                map.insert("minItems".to_owned(), json!(1));
            }
            map
        }
        Kind::String => string(key),
        Kind::Strings => {
            let mut map = of_type("array");
            map.insert("items".to_owned(), Value::Object(string(key)));
            map
        }
        Kind::Integer { min, max } => {
            let mut map = of_type("integer");
            map.insert("minimum".to_owned(), json!(min));
            map.insert("maximum".to_owned(), json!(max));
            map
        }
        Kind::Boolean => of_type("boolean"),
        Kind::Choice(words) => {
            let mut map = of_type("string");
            map.insert("enum".to_owned(), json!(words));
            map
        }
    };
    map.insert("description".to_owned(), json!(description(key)));
    Value::Object(map)
}

fn of_type(name: &str) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("type".to_owned(), json!(name));
    map
}

fn string(key: &Key) -> Map<String, Value> {
    let mut map = of_type("string");
    if !key.pattern.is_empty() {
        map.insert("pattern".to_owned(), json!(key.pattern));
    }
    map
}

fn description(key: &Key) -> String {
    let mut text = key.doc.to_owned();
    if !key.default.is_empty() {
        text += &format!(" Without it: {}.", key.default);
    }
    text
}
