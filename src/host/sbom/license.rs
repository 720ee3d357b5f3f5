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

/// Reads the entries of a package's `license`.
pub fn declared(values: &[String]) -> Declared {
    match values {
        [] => return Declared::Unsaid(None),
        [one] if one == NOTHING => return Declared::Nothing,
        [one] if one == COPYRIGHT_FILE => return Declared::Unsaid(Some(one.clone())),
        _ => {}
    }
    let mut refs = BTreeMap::new();
    let terms: Vec<String> = values.iter().map(|value| term(value, &mut refs)).collect();
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

/// One entry as an expression; names that are on no list, `custom:...` and the short names of before
/// Arch took SPDX's among them, become references.
fn term(value: &str, refs: &mut BTreeMap<String, String>) -> String {
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
            let ids = own.iter().map(|o| format!("LicenseRef-{}", o.lic_ref));
            refs.extend(ids.map(|id| (id.clone(), id)));
            return value.to_owned();
        }
    }
    let allowed = |c: char| match c.is_ascii_alphanumeric() || ".-".contains(c) {
        true => c,
        false => '-',
    };
    let id = format!(
        "LicenseRef-{}",
        value.chars().map(allowed).collect::<String>()
    );
    refs.insert(id.clone(), value.to_owned());
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Declared {
        declared(&values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>())
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
                "LicenseRef-GPL2 AND LicenseRef-custom-a-b",
                &[
                    ("LicenseRef-GPL2", "GPL2"),
                    ("LicenseRef-custom-a-b", "custom:a b")
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
    fn what_the_stand_in_writes() {
        assert_eq!(read(&[]), Declared::Unsaid(None));
        assert_eq!(read(&[NOTHING]), Declared::Nothing);
        assert_eq!(
            read(&[COPYRIGHT_FILE]),
            Declared::Unsaid(Some(COPYRIGHT_FILE.into()))
        );
    }
}
