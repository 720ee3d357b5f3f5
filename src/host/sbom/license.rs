//! What a package says of its licence, in SPDX's terms.
//!
//! Source: SPDX 2.3, annex D (expressions) and section 10 (licences that are on no list); PKGBUILD(5)
//! and Arch's RFC 16, by which each entry of `license` is an expression, and all of them hold.

use std::collections::BTreeMap;

use spdx::{Expression, LicenseItem, ParseMode};

/// What the stand-in base writes where it has Debian's copyright file and has not read it.
const COPYRIGHT_FILE: &str = "custom:see-copyright-file";
/// What the stand-in base writes where a package has nothing in it that anybody wrote.
const NOTHING: &str = "custom:none";

/// A licence as a package declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declared {
    /// An SPDX expression.
    Expression {
        /// Its text.
        text: String,
        /// Each `LicenseRef-` in it, with what the package calls that licence.
        refs: BTreeMap<String, String>,
    },
    /// It is said elsewhere, or not at all; these are the package's words.
    Unsaid(Option<String>),
    /// There is nothing to license.
    Nothing,
}

/// What a licence of no list is called by everybody, or by one package.
type Called = (Option<String>, String);

/// The `LicenseRef-` that were given out in a document, each to one licence.
#[derive(Debug, Default)]
pub struct References(BTreeMap<String, Called>);

impl References {
    /// Reads the entries of the `license` of a package.
    pub fn declared(&mut self, package: &str, values: &[String]) -> Declared {
        match values {
            [] => return Declared::Unsaid(None),
            [one] if one == NOTHING => return Declared::Nothing,
            [one] if one == COPYRIGHT_FILE => return Declared::Unsaid(Some(one.clone())),
            _ => {}
        }
        let mut refs = BTreeMap::new();
        let terms = values
            .iter()
            .map(|value| self.term(package, value, &mut refs));
        let terms: Vec<String> = terms.collect();
        let text = match &terms[..] {
            [one] => one.clone(),
            // AND binds tighter than OR
            all => all
                .iter()
                .map(|t| match t.contains(' ') {
                    true => format!("({t})"),
                    false => t.clone(),
                })
                .collect::<Vec<_>>()
                .join(" AND "),
        };
        Declared::Expression { text, refs }
    }

    /// One entry as an expression; names that are on no list, `custom:...` and the short names of
    /// before Arch took SPDX's among them, become references.
    fn term(&mut self, package: &str, value: &str, refs: &mut BTreeMap<String, String>) -> String {
        if let Ok(expression) = Expression::parse_mode(value, ParseMode::STRICT) {
            let own: Vec<_> = expression
                .requirements()
                .filter_map(|r| match &r.req.license {
                    LicenseItem::Other(other) => Some(other),
                    LicenseItem::Spdx { .. } => None,
                })
                .collect();
            // no other document is known here
            if own.iter().all(|o| o.doc_ref.is_none()) {
                for id in own.iter().map(|o| format!("LicenseRef-{}", o.lic_ref)) {
                    self.0.insert(id.clone(), (None, id.clone()));
                    refs.insert(id.clone(), id);
                }
                return value.to_owned();
            }
        }
        let id = self.reference(package, value);
        refs.insert(id.clone(), value.to_owned());
        id
    }

    /// The reference for a name. What is `custom` is another licence in every package, and names that
    /// differ in what a reference cannot have are numbered.
    fn reference(&mut self, package: &str, value: &str) -> String {
        let custom = value.strip_prefix("custom");
        let custom = custom.filter(|rest| rest.is_empty() || rest.starts_with(':'));
        let (called, text) = match custom {
            Some(rest) => (
                (Some(package.to_owned()), value.to_owned()),
                format!("custom-{package}{rest}"),
            ),
            None => ((None, value.to_owned()), value.to_owned()),
        };
        let allowed = |c: char| match c.is_ascii_alphanumeric() || ".-".contains(c) {
            true => c,
            false => '-',
        };
        let plain: String = text.chars().map(allowed).collect();
        let first = format!("LicenseRef-{plain}");
        let mut id = first.clone();
        let mut number = 1;
        while self.0.get(&id).is_some_and(|other| *other != called) {
            number += 1;
            id = format!("{first}-{number}");
        }
        self.0.insert(id.clone(), called);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Declared {
        References::default().declared("p", &owned(values))
    }

    fn owned(values: &[&str]) -> Vec<String> {
        values.iter().map(|v| (*v).to_owned()).collect()
    }

    fn expression(text: &str, refs: &[(&str, &str)]) -> Declared {
        let owned = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
        Declared::Expression {
            text: text.into(),
            refs: refs.iter().map(owned).collect(),
        }
    }

    #[test]
    fn expressions_stay_and_all_hold() {
        assert_eq!(read(&["MIT"]), expression("MIT", &[]));
        assert_eq!(
            read(&["MIT OR Apache-2.0", "ISC"]),
            expression("(MIT OR Apache-2.0) AND ISC", &[])
        );
        assert_eq!(
            read(&["GPL-2.0-only WITH Linux-syscall-note"]),
            expression("GPL-2.0-only WITH Linux-syscall-note", &[])
        );
    }

    #[test]
    fn what_is_on_no_list_is_a_reference() {
        assert_eq!(
            read(&["LicenseRef-own"]),
            expression("LicenseRef-own", &[("LicenseRef-own", "LicenseRef-own")])
        );
        assert_eq!(
            read(&["GPL2", "custom:a b"]),
            expression(
                "LicenseRef-GPL2 AND LicenseRef-custom-p-a-b",
                &[
                    ("LicenseRef-GPL2", "GPL2"),
                    ("LicenseRef-custom-p-a-b", "custom:a b")
                ]
            )
        );
        assert_eq!(
            read(&["DocumentRef-x:LicenseRef-y"]),
            expression(
                "LicenseRef-DocumentRef-x-LicenseRef-y",
                &[(
                    "LicenseRef-DocumentRef-x-LicenseRef-y",
                    "DocumentRef-x:LicenseRef-y"
                )]
            )
        );
        // a name that SPDX has, in letters that it has not
        assert_eq!(
            read(&["mit"]),
            expression("LicenseRef-mit", &[("LicenseRef-mit", "mit")])
        );
    }

    #[test]
    fn no_two_licences_are_one_reference() {
        let mut references = References::default();
        let mut text =
            |package: &str, values: &[&str]| match references.declared(package, &owned(values)) {
                Declared::Expression { text, .. } => text,
                other => panic!("{other:?}"),
            };
        assert_eq!(text("a", &["custom"]), "LicenseRef-custom-a");
        assert_eq!(text("b", &["custom"]), "LicenseRef-custom-b");
        assert_eq!(text("a", &["custom"]), "LicenseRef-custom-a");
        assert_eq!(
            text("c", &["custom:a b", "custom:a-b", "custom:a b"]),
            "LicenseRef-custom-c-a-b AND LicenseRef-custom-c-a-b-2 AND LicenseRef-custom-c-a-b"
        );
        assert_eq!(text("c-a", &["custom:b"]), "LicenseRef-custom-c-a-b-3");
        // one licence, whoever has it
        assert_eq!(text("a", &["GPL2"]), "LicenseRef-GPL2");
        assert_eq!(text("b", &["GPL2"]), "LicenseRef-GPL2");
        assert_eq!(text("b", &["customary"]), "LicenseRef-customary");
        // a package's own reference is what it says
        assert_eq!(text("a", &["LicenseRef-x-y"]), "LicenseRef-x-y");
        assert_eq!(text("b", &["x y"]), "LicenseRef-x-y-2");
    }

    #[test]
    fn what_the_stand_in_writes() {
        assert_eq!(read(&[]), Declared::Unsaid(None));
        assert_eq!(read(&[NOTHING]), Declared::Nothing);
        assert_eq!(
            read(&[COPYRIGHT_FILE]),
            Declared::Unsaid(Some(COPYRIGHT_FILE.into()))
        );
    }
}
