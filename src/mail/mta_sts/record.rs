//! The record that says that there is a policy, and which.

/// What each record begins with.
const VERSION: &str = "v=STSv1;";

/// The id of the policy that the texts at `_mta-sts.DOMAIN` tell of; `None` without a record, with
/// several, or with one that is not as it should be (RFC 8461 section 3.1).
pub fn record_id(texts: &[String]) -> Option<String> {
    let mut records = texts.iter().filter_map(|t| t.strip_prefix(VERSION));
    let (Some(record), None) = (records.next(), records.next()) else {
        return None;
    };
    let mut fields = record.split(';').map(str::trim);
    let id = fields.find_map(|field| {
        let (name, value) = field.split_once('=')?;
        (name.trim_end() == "id").then_some(value.trim_start())
    })?;
    let fits = (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
    fits.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(texts: &[&str]) -> Option<String> {
        record_id(&texts.iter().map(|&t| t.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn one_record_has_an_id() {
        let all = [
            "v=STSv1; id=20160831085700Z;",
            "v=STSv1;id=20160831085700Z",
            "v=STSv1; new=1; id = 20160831085700Z ;",
        ];
        for text in all {
            let found = id(&[text, "site-verification=1"]);
            assert_eq!(found.as_deref(), Some("20160831085700Z"), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_record() {
        let wrong = [
            &["v=STSv1"] as &[&str],
            &["v=STSv1; id=1;", "v=STSv1; id=2;"],
            &["v=STSv2; id=1;"],
            &["v=STSv1; id=;"],
            &["v=STSv1; id=a-b;"],
            &["v=STSv1; id=123456789012345678901234567890123"],
            &["V=STSv1; id=1;"],
            &["id=1; v=STSv1;"],
            &[],
        ];
        for texts in wrong {
            assert_eq!(id(texts), None, "{texts:?}");
        }
    }
}
