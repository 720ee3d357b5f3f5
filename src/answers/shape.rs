//! The first check: are these keys that exist, of the right type, and are the required ones there?
//!
//! It knows the schema's table only. What the values mean is checked afterwards.

use std::ops::Range;

use toml::{Spanned, de::DeValue};

use super::{
    node::{Node, integer},
    report::Report,
    rules::Rule,
    schema::{self, Key, Kind, Pair},
};

/// Reports every unknown, missing and mistyped key below `node`; `place` is the path
/// of its table in the schema.
pub(super) fn check(node: &Node<'_>, place: &str, report: &mut Report) {
    for (name, span, value) in node.entries() {
        let path = schema::join(place, name);
        match schema::find(&path) {
            Some(key) => {
                check_value(node, key, value, report);
            }
            None => unknown(node, place, name, span, report),
        }
    }
    for key in schema::children(place).filter(|k| k.required && !node.has(k.name())) {
        let table = if place.is_empty() {
            "the file".to_owned()
        } else {
            format!("`{}`", node.path)
        };
        let what = match key.kind {
            Kind::Tables => format!("{table} has no `[[{}]]`", key.path),
            _ => format!("{table} has no `{}`", key.name()),
        };
        report.add(
            Rule::MissingKey,
            node.path_of(key.name()),
            node.span.clone(),
            what,
            format!("add {}, as in {}", key.doc_short(), key.example_line()),
        );
    }
    for pair in schema::pairs(place) {
        check_pair(node, pair, report);
    }
}

fn check_pair(node: &Node<'_>, pair: &Pair, report: &mut Report) {
    let [a, b] = pair.names;
    match (node.has(a), node.has(b)) {
        (true, true) => report.add(
            Rule::OneOf,
            node.path_of(b),
            node.key_span(b),
            format!("there are both `{a}` and `{b}`"),
            "keep one of the two",
        ),
        (false, false) if pair.needed => report.add(
            Rule::OneOf,
            node.path.clone(),
            node.span.clone(),
            format!("`{}` has neither `{a}` nor `{b}`", node.path),
            "add one of the two",
        ),
        _ => {}
    }
}

fn unknown(node: &Node<'_>, place: &str, name: &str, span: Range<usize>, report: &mut Report) {
    let help = match schema::nearest(place, name) {
        Some(right) => format!("Did you mean `{right}`?"),
        None => match schema::elsewhere(name) {
            Some(key) => format!("`{name}` belongs into {}", schema::header(key.parent())),
            None => {
                let names: Vec<_> = schema::children(place).map(|k| k.name()).collect();
                format!("the keys here are: {}", names.join(", "))
            }
        },
    };
    let place = match place {
        "" => "at the top of the file".to_owned(),
        place => format!("in {}", schema::header(place)),
    };
    report.add(
        Rule::UnknownKey,
        node.path_of(name),
        span,
        format!("there is no key `{name}` {place}"),
        help,
    );
}

fn check_value(node: &Node<'_>, key: &Key, value: &Spanned<DeValue<'_>>, report: &mut Report) {
    let path = node.path_of(key.name());
    match (key.kind, value.get_ref()) {
        (Kind::String, DeValue::String(_)) | (Kind::Boolean, DeValue::Boolean(_)) => {}
        (Kind::Choice(words), DeValue::String(word)) => {
            if !words.contains(&word.as_ref()) {
                report.add(
                    Rule::UnknownWord,
                    path,
                    value.span(),
                    format!("`{}` cannot be `{word}`", key.name()),
                    format!("write {}", schema::or_list(words)),
                );
            }
        }
        (Kind::Integer { min, max }, DeValue::Integer(_)) => {
            if !integer(value.get_ref()).is_some_and(|n| (min..=max).contains(&n)) {
                report.add(
                    Rule::OutOfRange,
                    path,
                    value.span(),
                    format!("`{}` is out of range", key.name()),
                    format!("write a number from {min} to {max}"),
                );
            }
        }
        (Kind::Strings, DeValue::Array(items)) => {
            for (n, item) in items
                .iter()
                .enumerate()
                .filter(|(_, i)| !i.get_ref().is_str())
            {
                wrong_type(key, format!("{path}[{n}]"), "a string", item, report);
            }
        }
        (Kind::Table, DeValue::Table(_)) => {
            for table in node.table(key.name()).iter() {
                check(table, key.path, report);
            }
        }
        (Kind::Tables, DeValue::Array(items)) => {
            for (n, item) in items
                .iter()
                .enumerate()
                .filter(|(_, i)| !i.get_ref().is_table())
            {
                wrong_type(key, format!("{path}[{n}]"), "a table", item, report);
            }
            for table in node.tables(key.name()) {
                check(&table, key.path, report);
            }
        }
        (kind, _) => wrong_type(key, path, kind.words(), value, report),
    }
}

fn wrong_type(
    key: &Key,
    path: String,
    wanted: &str,
    value: &Spanned<DeValue<'_>>,
    report: &mut Report,
) {
    let found = match value.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    };
    report.add(
        Rule::WrongType,
        path.clone(),
        value.span(),
        format!("`{path}` has to be {wanted}, this is {found}"),
        format!("write it as in {}", key.example_line()),
    );
}
