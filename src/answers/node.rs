//! A table of the document with its path: typed reading of what the shape check let through.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Text<'a> {
    /// The value.
    pub text: &'a str,
    /// Its bytes in the file, quotes included.
    pub span: Range<usize>,
    /// Its path, such as `alias[0].to[1]`.
    pub path: String,
}

/// A table; keys of the wrong type read as if they were not there (they have been reported).
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    table: &'a DeTable<'a>,
    /// The path, empty for the document.
    pub path: String,
    /// The header's bytes.
    pub span: Range<usize>,
}

impl<'a> Node<'a> {
    /// The document itself; what is missing in it is reported about the file as a whole.
    pub fn root(table: &'a DeTable<'a>) -> Self {
        Self {
            table,
            path: String::new(),
            span: 0..0,
        }
    }

    /// The path of `key` in this table.
    pub fn path_of(&self, key: &str) -> String {
        super::schema::join(&self.path, key)
    }

    fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.get(key)
    }

    /// Whether `key` is there, of whatever type.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The bytes of the key's name.
    pub fn key_span(&self, key: &str) -> Range<usize> {
        self.table
            .get_key_value(key)
            .map_or(self.span.clone(), |(k, _)| k.span())
    }

    /// A string.
    pub fn text(&self, key: &str) -> Option<Text<'a>> {
        let value = self.get(key)?;
        let text = value.get_ref().as_str()?;
        Some(Text {
            text,
            span: value.span(),
            path: self.path_of(key),
        })
    }

    /// The strings of an array; empty when there is none.
    pub fn texts(&self, key: &str) -> Vec<Text<'a>> {
        let items = self.get(key).and_then(|v| v.get_ref().as_array());
        let items = items.into_iter().flat_map(|a| a.iter()).enumerate();
        items
            .filter_map(|(n, item)| {
                Some(Text {
                    text: item.get_ref().as_str()?,
                    span: item.span(),
                    path: format!("{}[{n}]", self.path_of(key)),
                })
            })
            .collect()
    }

    /// Whether `key` is an array without items.
    pub fn array_is_empty(&self, key: &str) -> bool {
        let items = self.get(key).and_then(|v| v.get_ref().as_array());
        items.is_some_and(|a| a.iter().next().is_none())
    }

    /// A whole number.
    pub fn integer(&self, key: &str) -> Option<i64> {
        integer(self.get(key)?.get_ref())
    }

    /// True or false.
    pub fn boolean(&self, key: &str) -> Option<bool> {
        self.get(key)?.get_ref().as_bool()
    }

    /// A table below this one.
    pub fn table(&self, key: &str) -> Option<Node<'a>> {
        let value = self.get(key)?;
        Some(Node {
            table: value.get_ref().as_table()?,
            path: self.path_of(key),
            span: value.span(),
        })
    }

    /// The tables of an array of tables; empty when there is none.
    pub fn tables(&self, key: &str) -> Vec<Node<'a>> {
        let items = self.get(key).and_then(|v| v.get_ref().as_array());
        let items = items.into_iter().flat_map(|a| a.iter()).enumerate();
        items
            .filter_map(|(n, item)| {
                Some(Node {
                    table: item.get_ref().as_table()?,
                    path: format!("{}[{n}]", self.path_of(key)),
                    span: item.span(),
                })
            })
            .collect()
    }

    /// Every key with its place, and its value.
    pub fn entries(
        &self,
    ) -> impl Iterator<Item = (&'a str, Range<usize>, &'a Spanned<DeValue<'a>>)> + use<'a> {
        let table = self.table;
        table
            .iter()
            .map(|(key, value)| (key.get_ref().as_ref(), key.span(), value))
    }
}

/// The number, if it is one that fits.
pub(super) fn integer(value: &DeValue<'_>) -> Option<i64> {
    let number = value.as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}
