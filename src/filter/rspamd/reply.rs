//! rspamd's verdict: the JSON of `/checkv2`, as far as we act on it.
//!
//! Read strictly: where rspamd's documentation gives a type, another type is an error. What we
//! have no use for (symbols, links, times) is skipped.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::filter::doubt::Doubt;

/// What rspamd would have done with the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::filter) enum Action {
    /// Let it pass.
    Pass,
    /// Delay it. rspamd's greylisting module turns this into a soft reject or into no action;
    /// left as it is, the module could not decide (its database is away).
    Greylist,
    /// Let it pass, marked as spam.
    AddHeader,
    /// Let it pass with another subject.
    RewriteSubject,
    /// Refuse it for now.
    SoftReject,
    /// Refuse it.
    Reject,
}

impl Action {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "no action" => Self::Pass,
            "greylist" => Self::Greylist,
            "add header" => Self::AddHeader,
            "rewrite subject" => Self::RewriteSubject,
            "soft reject" => Self::SoftReject,
            "reject" => Self::Reject,
            _ => return None,
        })
    }

    /// rspamd's name for it.
    pub(in crate::filter) fn name(self) -> &'static str {
        match self {
            Self::Pass => "no action",
            Self::Greylist => "greylist",
            Self::AddHeader => "add header",
            Self::RewriteSubject => "rewrite subject",
            Self::SoftReject => "soft reject",
            Self::Reject => "reject",
        }
    }
}

/// One header field to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::filter) struct AddHeader {
    pub(in crate::filter) name: String,
    pub(in crate::filter) value: String,
    /// Before which field it goes, counted from 0; negative from the end, -1 being behind the
    /// last.
    pub(in crate::filter) order: i64,
}

/// A verdict.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::filter) struct Reply {
    pub(in crate::filter) action: Action,
    pub(in crate::filter) score: f64,
    pub(in crate::filter) required_score: f64,
    /// The new subject.
    pub(in crate::filter) subject: Option<String>,
    /// What to tell the sender.
    pub(in crate::filter) message: Option<String>,
    /// Values of DKIM-Signature fields.
    pub(in crate::filter) signatures: Vec<String>,
    pub(in crate::filter) add: Vec<AddHeader>,
    /// Names of fields to remove and which of that name: 0 all, 1 the first, -1 the last.
    pub(in crate::filter) remove: Vec<(String, i64)>,
}

#[derive(Deserialize)]
struct Raw {
    action: Option<String>,
    score: f64,
    required_score: f64,
    subject: Option<String>,
    #[serde(default)]
    messages: Map<String, Value>,
    #[serde(rename = "dkim-signature")]
    signature: Option<Value>,
    milter: Option<Value>,
    error: Option<String>,
}

/// Reads a verdict.
pub(super) fn parse(json: &[u8]) -> Result<Reply, Doubt> {
    let value: Value = serde_json::from_slice(json).map_err(|e| bad(e.to_string()))?;
    if !value.is_object() {
        return Err(bad("it is not an object"));
    }
    if value.get("action").is_none() && value.get("error").is_none() {
        return Err(bad("it has no action"));
    }
    let raw = Raw::deserialize(value).map_err(|e| bad(e.to_string()))?;
    if let Some(error) = raw.error {
        return Err(bad(format!("it is an error: {}", error.escape_debug())));
    }
    let text = raw.action.ok_or_else(|| bad("it has no action"))?;
    let action = Action::parse(&text)
        .ok_or_else(|| Doubt::Unsupported(format!("the action '{}'", text.escape_debug())))?;
    if action == Action::RewriteSubject && raw.subject.is_none() {
        return Err(bad("it rewrites the subject and has none"));
    }
    let message = match raw.messages.get("smtp_message") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(_) => return Err(bad("smtp_message is not text")),
    };
    let mut reply = Reply {
        action,
        score: raw.score,
        required_score: raw.required_score,
        subject: raw.subject,
        message,
        signatures: Vec::new(),
        add: Vec::new(),
        remove: Vec::new(),
    };
    for signature in many(raw.signature.unwrap_or(Value::Null)) {
        let Value::String(signature) = signature else {
            return Err(bad("dkim-signature is not text"));
        };
        reply.signatures.push(signature);
    }
    if let Some(milter) = raw.milter {
        take_milter(&mut reply, milter)?;
    }
    Ok(reply)
}

fn bad(what: impl Into<String>) -> Doubt {
    Doubt::Verdict(what.into())
}

/// rspamd writes one value as it is and several as a list.
fn many(value: Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values,
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

/// An object; Lua cannot tell an empty one from an empty list.
fn object(value: Value, what: &str) -> Result<Map<String, Value>, Doubt> {
    match value {
        Value::Object(map) => Ok(map),
        Value::Array(list) if list.is_empty() => Ok(Map::new()),
        Value::Null => Ok(Map::new()),
        _ => Err(bad(format!("{what} is not an object"))),
    }
}

fn take_milter(reply: &mut Reply, milter: Value) -> Result<(), Doubt> {
    for (key, value) in object(milter, "milter")? {
        match key.as_str() {
            "add_headers" => {
                for (name, values) in object(value, "add_headers")? {
                    for value in many(values) {
                        reply.add.push(add_header(&name, value)?);
                    }
                }
            }
            "remove_headers" => {
                for (name, positions) in object(value, "remove_headers")? {
                    for position in many(positions) {
                        let position = integer(&position)
                            .ok_or_else(|| bad(format!("remove_headers.{name} is no number")))?;
                        reply.remove.push((name.clone(), position));
                    }
                }
            }
            // what to do instead of refusing; refusing loses nothing
            "reject" => {}
            _ => return Err(Doubt::Unsupported(format!("milter.{key}"))),
        }
    }
    Ok(())
}

fn add_header(name: &str, value: Value) -> Result<AddHeader, Doubt> {
    let what = || {
        bad(format!(
            "add_headers.{name} is neither text nor value and order"
        ))
    };
    let (value, order) = match value {
        Value::String(text) => (text, -1),
        Value::Object(mut map) => {
            let order = match map.get("order").or_else(|| map.get("index")) {
                Some(order) => integer(order).ok_or_else(what)?,
                None => -1,
            };
            let Some(Value::String(text)) = map.remove("value") else {
                return Err(what());
            };
            (text, order)
        }
        _ => return Err(what()),
    };
    Ok(AddHeader {
        name: name.to_owned(),
        value,
        order,
    })
}

/// A whole number; Lua's are floating point.
fn integer(value: &Value) -> Option<i64> {
    if let Some(number) = value.as_i64() {
        return Some(number);
    }
    let number = value.as_f64()?;
    // beyond this a float has no room for units; no message has as many fields
    (number.fract() == 0.0 && number.abs() < 1e9).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(json: &str) -> String {
        match parse(json.as_bytes()) {
            Ok(reply) => format!("{reply:?}"),
            Err(doubt) => doubt.to_string(),
        }
    }

    #[test]
    fn a_full_verdict() {
        let json = r#"{
            "is_skipped": false, "score": 7.25, "required_score": 15, "action": "rewrite subject",
            "symbols": {"R_SPF_ALLOW": {"score": -0.2}}, "subject": "*** SPAM *** x",
            "messages": {"smtp_message": "Try again", "other": 1},
            "dkim-signature": ["v=1; a=rsa-sha256", "v=1; a=ed25519-sha256"],
            "milter": {
                "add_headers": {
                    "X-One": "1",
                    "X-Two": {"value": "2", "order": 1.0},
                    "X-Three": [{"value": "3", "index": -2}, "4"]
                },
                "remove_headers": {"X-Spam": 0, "Received": [1, -1], "X-None": []}
            }
        }"#;
        let reply = parse(json.as_bytes()).unwrap();
        let add = |name: &str, value: &str, order| AddHeader {
            name: name.to_owned(),
            value: value.to_owned(),
            order,
        };
        let expected = Reply {
            action: Action::RewriteSubject,
            score: 7.25,
            required_score: 15.0,
            subject: Some("*** SPAM *** x".to_owned()),
            message: Some("Try again".to_owned()),
            signatures: vec!["v=1; a=rsa-sha256".into(), "v=1; a=ed25519-sha256".into()],
            add: vec![
                add("X-One", "1", -1),
                add("X-Three", "3", -2),
                add("X-Three", "4", -1),
                add("X-Two", "2", 1),
            ],
            remove: vec![
                ("Received".into(), 1),
                ("Received".into(), -1),
                ("X-Spam".into(), 0),
            ],
        };
        assert_eq!(reply, expected);
    }

    #[test]
    fn a_small_verdict() {
        let json = r#"{"score":0,"required_score":15,"action":"no action","messages":{},
            "dkim-signature":"v=1","milter":{"remove_headers":[],"add_headers":{}}}"#;
        let reply = parse(json.as_bytes()).unwrap();
        assert_eq!(reply.action, Action::Pass);
        assert_eq!(reply.signatures, ["v=1"]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let good =
            |more: &str| format!(r#"{{"score":1,"required_score":15,"action":"no action"{more}}}"#);
        let texts = [
            String::new(),
            "[]".to_owned(),
            r#"{"score":1,"#.to_owned(),
            r#"{"score":1,"required_score":15}"#.to_owned(),
            r#"{"score":1,"required_score":15,"action":null}"#.to_owned(),
            r#"{"score":1,"required_score":15,"action":"discard\n"}"#.to_owned(),
            r#"{"score":"1","required_score":15,"action":"no action"}"#.to_owned(),
            r#"{"action":"no action"}"#.to_owned(),
            r#"{"score":7,"required_score":15,"action":"rewrite subject"}"#.to_owned(),
            r#"{"error":"no task","score":1,"required_score":1}"#.to_owned(),
            good(r#","messages":{"smtp_message":7}"#),
            good(r#","dkim-signature":[1]"#),
            good(r#","milter":"x""#),
            good(r#","milter":{"add_rcpt":["a@example.org"]}"#),
            good(r#","milter":{"add_headers":{"X":7}}"#),
            good(r#","milter":{"add_headers":{"X":{"value":"x","order":"1"}}}"#),
            good(r#","milter":{"add_headers":{"X":{"order":1}}}"#),
            good(r#","milter":{"remove_headers":{"X":1.5}}"#),
        ];
        insta::assert_snapshot!(texts.map(|t| error(&t)).join("\n"), @r#"
        rspamd's verdict is malformed: EOF while parsing a value at line 1 column 0
        rspamd's verdict is malformed: it is not an object
        rspamd's verdict is malformed: EOF while parsing a value at line 1 column 11
        rspamd's verdict is malformed: it has no action
        rspamd's verdict is malformed: it has no action
        rspamd asks for what smtpd cannot do: the action 'discard\n'
        rspamd's verdict is malformed: invalid type: string "1", expected f64
        rspamd's verdict is malformed: missing field `score`
        rspamd's verdict is malformed: it rewrites the subject and has none
        rspamd's verdict is malformed: it is an error: no task
        rspamd's verdict is malformed: smtp_message is not text
        rspamd's verdict is malformed: dkim-signature is not text
        rspamd's verdict is malformed: milter is not an object
        rspamd asks for what smtpd cannot do: milter.add_rcpt
        rspamd's verdict is malformed: add_headers.X is neither text nor value and order
        rspamd's verdict is malformed: add_headers.X is neither text nor value and order
        rspamd's verdict is malformed: add_headers.X is neither text nor value and order
        rspamd's verdict is malformed: remove_headers.X is no number
        "#);
    }
}
