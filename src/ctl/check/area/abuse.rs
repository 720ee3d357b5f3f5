//! Passwords that are guessed.

use anyhow::Result;

use crate::{
    ctl::{
        ban,
        check::{
            Context,
            finding::{Area, Finding},
        },
    },
    guard::Overview,
};

const AREA: Area = Area::Abuse;

pub(super) fn check(cx: &Context) -> Result<Vec<Finding>> {
    Ok(match ban::overview(&cx.server) {
        Ok(overview) => judge(&overview),
        Err(error) => vec![Finding::warning(
            AREA,
            "guard",
            format!("Nobody counts wrong passwords: {error:#}."),
            "'systemctl restart ezmail-guard' starts it; 'journalctl -u ezmail-guard' tells more.",
        )],
    })
}

fn judge(overview: &Overview) -> Vec<Finding> {
    let banned = match overview.bans.len() {
        0 => "No address is banned.".to_owned(),
        1 => "One address is banned.".to_owned(),
        n => format!("{n} addresses are banned."),
    };
    let logins: Vec<&str> = overview.guessed.iter().map(|g| g.login.as_str()).collect();
    let guessed = match logins.is_empty() {
        true => Finding::ok(
            AREA,
            "guessed",
            "No password is guessed from many addresses.",
        ),
        false => Finding::warning(
            AREA,
            "guessed",
            format!(
                "Guessed from many addresses: the password of {}.",
                logins.join(", ")
            ),
            "A long password of its own cannot be guessed; 'mailctl user passwd' sets one. \
             'mailctl ban list' tells more.",
        )
        .about(logins),
    };
    vec![Finding::ok(AREA, "bans", banned), guessed]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ctl::check::finding::State, guard::Guessed};

    #[test]
    fn a_password_that_is_guessed_is_told() {
        let mut overview = Overview::default();
        assert!(judge(&overview).iter().all(|f| f.state == State::Ok));
        overview.guessed.push(Guessed {
            login: "alice@example.org".to_owned(),
            networks: 12,
            last: 0,
        });
        let found = judge(&overview).pop().unwrap();
        assert_eq!(
            (found.state, found.id.as_str()),
            (State::Warning, "abuse.guessed")
        );
        assert_eq!(found.about, ["alice@example.org"]);
        assert_eq!(
            found.reason,
            "Guessed from many addresses: the password of alice@example.org."
        );
    }
}
