//! The little of XML that answers need for which the library has no type.

/// What stands in the first element of this name, as text.
pub fn element(xml: &str, name: &str) -> Option<String> {
    elements(xml, name).next().map(unescape)
}

/// What stands in each element of this name, as it is written.
pub fn elements<'a>(xml: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = xml;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(&open)?;
        let (inside, after) = after.split_once(&close)?;
        rest = after;
        Some(inside)
    })
}

fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain += before;
        let (character, after) = match after.split_once(';') {
            Some((name, after)) => (entity(name), after),
            None => (None, after),
        };
        plain.push(character.unwrap_or('\u{fffd}'));
        rest = after;
    }
    plain + rest
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_and_unescaped() {
        let xml = "<A><B>1 &lt; 2 &amp;&#38;&#x26; &quot;x&apos;</B><C/><B>3</B><D>&odd;</D></A>";
        assert_eq!(element(xml, "B").unwrap(), "1 < 2 &&& \"x'");
        assert_eq!(element(xml, "C"), None);
        assert_eq!(element(xml, "D").unwrap(), "\u{fffd}");
        assert_eq!(elements(xml, "B").count(), 2);
        assert_eq!(element("<B>1", "B"), None);
    }
}
