//! The kernel command line, bootparam(7): words, with quotes around values that have spaces.

/// The value of the last `key=value`; an empty one counts as none.
pub fn value(cmdline: &str, key: &str) -> Option<String> {
    let last = values(cmdline, key).pop();
    last.filter(|value| !value.is_empty())
}

/// The values of every `key=value`, in their order.
pub fn values(cmdline: &str, key: &str) -> Vec<String> {
    let words = words(cmdline);
    let values = words.iter().filter_map(|word| {
        let (name, value) = word.split_once('=')?;
        (name == key).then(|| value.to_owned())
    });
    values.collect()
}

/// The kernel knows double quotes, around a value or a whole word, and no escapes.
fn words(cmdline: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in cmdline.trim_end_matches('\0').chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => {
                words.push(std::mem::take(&mut word));
            }
            c => word.push(c),
        }
    }
    words.push(word);
    words.retain(|w| !w.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_wins() {
        let find = |line: &str| value(line, "ezmail.answers");
        assert_eq!(
            find("quiet ezmail.answers=A x ezmail.answers=B\n"),
            Some("B".into())
        );
        assert_eq!(
            find("ezmail.answers=\"MY DISK/a b.toml\" y"),
            Some("MY DISK/a b.toml".into())
        );
        assert_eq!(find("\"ezmail.answers=MY DISK\""), Some("MY DISK".into()));
        assert_eq!(
            find("ezmail.answers.sha256=x ezmail.answers= ezmail.answers"),
            None
        );
        assert_eq!(find(""), None);
        assert_eq!(find("ezmail.answers=a=b"), Some("a=b".into()));
        assert_eq!(find("ezmail.answers=\"open"), Some("open".into()));
    }

    #[test]
    fn all_values_keep_their_order() {
        let line = "nameserver=192.0.2.1 quiet nameserver=2001:db8::1 nameserver";
        assert_eq!(values(line, "nameserver"), ["192.0.2.1", "2001:db8::1"]);
        assert_eq!(values(line, "ip"), Vec::<String>::new());
    }
}
