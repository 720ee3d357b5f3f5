//! Which answers an apply goes by: those that were given or found, or those that are kept.

use anyhow::{Result, bail};

use super::{
    console::say,
    discover::{Beside, Found},
    passwords,
    state::kept::{self, Kept},
};
use crate::{answers::Answers, util::secret::Secret};

/// The answers to apply, and what is to be kept of them.
#[derive(Debug)]
pub struct Wanted {
    /// The answers, without a plain password in them.
    pub answers: Answers,
    /// Where they came from, for people.
    pub source: String,
    /// The text to keep as that which came last from outside, if they did.
    pub found: Option<Secret>,
    /// The folder that they were found in.
    pub beside: Beside,
    /// What was wrong with the answers that were found in place of these, if something was.
    pub refused: Option<anyhow::Error>,
}

/// The last source, for people.
const KEPT: &str = "those that are kept with the state";

/// Where answers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// From outside: they may be there at every boot.
    Outside,
    /// From the administrator, who called the agent by hand.
    Hand,
}

/// Decides; `None` if there are no answers at all.
///
/// The rule: answers from outside are applied when they are not those that came last; the ones that
/// are kept are in effect otherwise. Answers that are refused, or that cannot be read, do not stop
/// a server that has answers: it goes on with those, and says so.
///
/// # Errors
/// When there are no answers that can be applied, and not because none were given.
pub fn decide(found: Result<Option<Found>>, origin: Origin, kept: &Kept) -> Result<Option<Wanted>> {
    let checked = found.and_then(|f| {
        f.map(|f| check(&f).map(|a| (a, f.source, f.beside)))
            .transpose()
    });
    let (answers, source, beside) = match (checked, kept.current()) {
        (Ok(Some(new)), _) => new,
        (Ok(None), current) => return Ok(current?.map(|answers| as_kept(answers, None))),
        // what is kept is all that the server has been so far
        (Err(error), Ok(Some(current))) if origin == Origin::Outside => {
            return Ok(Some(as_kept(current, Some(error))));
        }
        (Err(error), _) => return Err(error),
    };
    let last = match origin {
        Origin::Outside => kept.found(),
        Origin::Hand => kept.current(),
    };
    // a schema that has moved on is no reason to refuse new answers
    let last = last.unwrap_or(None);
    let mut answers = answers;
    passwords::hash(&mut answers, last.as_ref())?;
    // as they will be compared: what key files said is inline
    let answers = kept::parse(&answers.to_toml()?)?;
    let text = kept::text(&answers)?;
    let form = kept::form(&answers);
    let known =
        last.as_ref().map(kept::form).as_ref() == Some(&form) || kept.found.as_ref() == Some(&text);
    if origin == Origin::Outside
        && known
        && let Some(current) = kept.current().unwrap_or(None)
        && kept::form(&current) != form
    {
        say(format_args!(
            "ezmail: the answers in {source} were applied before; the later ones that are kept stay \
             in effect"
        ));
        return Ok(Some(as_kept(current, None)));
    }
    let found = match origin {
        Origin::Outside => Some(text),
        Origin::Hand => None,
    };
    if let Some(current) = kept.current().unwrap_or(None)
        && kept::form(&current) != form
    {
        let difference = kept::difference(&current, &answers)?;
        let shown = match difference.is_empty() {
            true => "only passwords, hashes or keys differ",
            false => &difference,
        };
        say(format_args!("ezmail: the answers have changed:\n{shown}"));
    }
    Ok(Some(Wanted {
        answers,
        source,
        found,
        beside,
        refused: None,
    }))
}

fn as_kept(answers: Answers, refused: Option<anyhow::Error>) -> Wanted {
    say(format_args!("ezmail: answers: {KEPT}"));
    Wanted {
        answers,
        source: KEPT.to_owned(),
        found: None,
        beside: Beside::Nothing("kept answers have no files beside them"),
        refused,
    }
}

/// Says the warnings; all findings are in the error.
fn check(found: &Found) -> Result<Answers> {
    let (answers, report) = found.answers();
    let Some(answers) = answers else {
        bail!(
            "the answers from {} are not right, so nothing was changed:\n\n{report}",
            found.source
        );
    };
    if !report.findings().is_empty() {
        say(format_args!("{report}\n"));
    }
    Ok(answers)
}

impl Wanted {
    /// The answers that are kept, in place of these, which `error` was said of.
    ///
    /// # Errors
    /// `error`, when there are no others.
    pub fn instead(self, error: anyhow::Error, kept: &Kept) -> Result<Self> {
        match kept.current() {
            Ok(Some(current)) if self.refused.is_none() && current != self.answers => {
                Ok(as_kept(current, Some(error)))
            }
            _ => Err(error),
        }
    }

    /// The text to keep as the answers in effect.
    ///
    /// # Errors
    /// When they cannot be written as TOML, which none can be that were checked.
    pub fn current(&self) -> Result<Secret> {
        kept::text(&self.answers)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use zeroize::Zeroizing;

    use super::*;

    const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$HtKaUpKsz7K46esgPcLogg$YYARhO8rPJMzMa3rp0rZn5AJfv6zTdYNs/CUltaDMeg";

    fn text(quota: &str) -> String {
        format!(
            "hostname = \"mail.example.org\"\n[[domain]]\nname = \"example.org\"\n[[user]]\n\
             address = \"alice@example.org\"\npassword_hash = \"{HASH}\"\nquota = \"{quota}\"\n"
        )
    }

    fn found(text: &str) -> Result<Option<Found>> {
        Ok(Some(Found {
            source: "a volume".into(),
            name: "answers.toml".into(),
            bytes: Zeroizing::new(text.as_bytes().to_vec()),
            files: BTreeMap::new(),
            beside: Beside::Nothing("a test"),
        }))
    }

    /// What is kept after answers were applied, as the last step writes it.
    fn keep(wanted: &Wanted, before: Kept) -> Kept {
        let given = wanted.answers.backup.clone().and_then(|b| b.passphrase);
        Kept {
            current: Some(wanted.current().unwrap()),
            found: wanted.found.clone().or(before.found),
            passphrases: given.into_iter().chain(before.passphrases).collect(),
        }
    }

    fn quota(wanted: &Wanted) -> String {
        wanted.answers.users[0].quota.to_string()
    }

    #[test]
    fn without_answers_there_is_nothing_to_apply() {
        let none = decide(Ok(None), Origin::Outside, &Kept::default()).unwrap();
        assert!(none.is_none());
        let broken = decide(found("x"), Origin::Outside, &Kept::default()).unwrap_err();
        assert!(broken.to_string().contains("from a volume are not right"));
    }

    #[test]
    fn old_answers_do_not_undo_later_ones() {
        let outside = |text: &str, kept: &Kept| {
            let wanted = decide(found(text), Origin::Outside, kept);
            wanted.unwrap().unwrap()
        };
        let first = outside(&text("1G"), &Kept::default());
        let kept = keep(&first, Kept::default());
        // by hand, on the server
        let hand = decide(found(&text("2G")), Origin::Hand, &kept);
        let kept = keep(&hand.unwrap().unwrap(), kept);
        // the volume is still attached at the next boot: it has nothing new to say
        let boot = outside(&text("1G"), &kept);
        assert_eq!(quota(&boot), "2G");
        let kept = keep(&boot, kept);
        // and without it
        let boot = decide(Ok(None), Origin::Outside, &kept).unwrap().unwrap();
        assert_eq!(quota(&boot), "2G");
        // a changed file is news
        assert_eq!(quota(&outside(&text("3G"), &kept)), "3G");
    }

    #[test]
    fn key_files_are_no_news_either() {
        let text = text("1G")
            + "[smarthost]\nhost = \"smtp.example.net\"\nusername = \"u\"\npassword_file = \"p\"\n";
        let volume = || {
            let mut found = found(&text).unwrap().unwrap();
            let secret = Zeroizing::new(b"relay-password".to_vec());
            found.files.insert("p".into(), secret);
            Ok(Some(found))
        };
        let first = decide(volume(), Origin::Outside, &Kept::default());
        let kept = keep(&first.unwrap().unwrap(), Kept::default());
        let later = text
            .replace("1G", "2G")
            .replace("password_file", "password");
        let hand = decide(found(&later), Origin::Hand, &kept);
        let kept = keep(&hand.unwrap().unwrap(), kept);
        let boot = decide(volume(), Origin::Outside, &kept).unwrap().unwrap();
        assert_eq!(quota(&boot), "2G");
    }

    #[test]
    fn a_passphrase_that_was_replaced_by_hand_is_no_news_at_the_next_boot() {
        let text = |passphrase: &str| {
            let target = "sftp://backup@backup.example.net/srv";
            let backup = format!("target = \"{target}\"\npassphrase = \"{passphrase}\"\n");
            text("1G") + "[backup]\n" + &backup
        };
        let passphrase = |wanted: &Wanted| wanted.answers.backup.clone().unwrap().passphrase;
        let (old, new) = ("5f0c7a1e9d2b4f6688aa31c0", "00ff7a1e9d2b4f6688aa31c0");
        let first = decide(found(&text(old)), Origin::Outside, &Kept::default());
        let kept = keep(&first.unwrap().unwrap(), Kept::default());
        let hand = decide(found(&text(new)), Origin::Hand, &kept);
        let kept = keep(&hand.unwrap().unwrap(), kept);
        for found in [found(&text(old)), Ok(None)] {
            let boot = decide(found, Origin::Outside, &kept).unwrap().unwrap();
            assert_eq!(passphrase(&boot), Some(Secret::new(new)));
        }
        let news = decide(
            found(&text("11ff7a1e9d2b4f6688aa31c0")),
            Origin::Outside,
            &kept,
        );
        let news = news.unwrap().unwrap();
        assert_ne!(passphrase(&news), Some(Secret::new(new)));
        for kept in [kept.current, kept.found, news.found] {
            let text = kept.unwrap();
            assert!(
                !text.expose().contains("9d2b4f6688aa31c0"),
                "{}",
                text.expose()
            );
        }
    }

    #[test]
    fn refused_answers_do_not_stop_a_server_that_has_others() {
        let first = decide(found(&text("1G")), Origin::Outside, &Kept::default());
        let kept = keep(&first.unwrap().unwrap(), Kept::default());
        for broken in [
            found("x"),
            Err(anyhow::anyhow!("no answer from the server")),
        ] {
            let wanted = decide(broken, Origin::Outside, &kept).unwrap().unwrap();
            assert_eq!(quota(&wanted), "1G");
            assert!(wanted.refused.is_some() && wanted.found.is_none());
        }
        // who calls by hand wants to know
        assert!(decide(found("x"), Origin::Hand, &kept).is_err());
    }
}
