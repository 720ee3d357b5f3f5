//! Owners and modes of all that the agent writes: what its plan says, against what there is; and
//! of what lies beside it where secrets are kept.

use anyhow::{Result, bail};

use crate::{
    agent::permissions::{self, Difference},
    ctl::check::{
        Context,
        finding::{Area, Finding},
    },
};

const AREA: Area = Area::Permissions;
/// More than these are only counted.
const NAMED: usize = 5;

pub(super) fn check(cx: &Context) -> Result<Vec<Finding>> {
    if let Err(error) = &cx.answers {
        bail!("{error}");
    }
    let server = &cx.server;
    let planned = permissions::planned(&server.target, &server.paths)?;
    let mut secrets = permissions::beside(&server.target, &server.paths)?;
    // told once is enough
    secrets.retain(|secret| planned.iter().all(|p| p.path != secret.path));
    Ok(vec![judge(&planned), judge_secrets(&secrets)])
}

fn judge(differences: &[Difference]) -> Finding {
    match differences {
        [] => {
            let text = "Every file and folder of the agent is as planned.";
            Finding::ok(AREA, "planned", text)
        }
        some => Finding::error(
            AREA,
            "planned",
            named("Not as the agent has them", some),
            "'ezmail-agent apply --kept' sets them right.",
        )
        .about(paths(some)),
    }
}

fn judge_secrets(differences: &[Difference]) -> Finding {
    match differences {
        [] => Finding::ok(AREA, "secrets", "No other secret is open to others."),
        some => Finding::error(
            AREA,
            "secrets",
            named("Open to others than root", some),
            "'chmod 600' each of them, and ask who put it there.",
        )
        .about(paths(some)),
    }
}

fn paths(differences: &[Difference]) -> impl Iterator<Item = String> {
    differences.iter().map(|d| d.path.display().to_string())
}

fn named(what: &str, differences: &[Difference]) -> String {
    let mut text = format!("{what}:");
    for difference in differences.iter().take(NAMED) {
        text += &format!("\n{}: {}", difference.path.display(), difference.how);
    }
    if differences.len() > NAMED {
        text += &format!("\nand {} more", differences.len() - NAMED);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::check::finding::State;

    #[test]
    fn many_are_counted() {
        assert_eq!(judge(&[]).state, State::Ok);
        assert_eq!(judge_secrets(&[]).state, State::Ok);
        let one = Difference {
            path: "/var/lib/ezmail/tls/key.pem".into(),
            how: "mode 644 instead of 600".to_owned(),
        };
        assert_eq!(
            judge_secrets(std::slice::from_ref(&one)).about,
            ["/var/lib/ezmail/tls/key.pem"]
        );
        let finding = judge(&vec![one; 7]);
        assert_eq!(finding.about.len(), 7);
        assert_eq!(finding.state, State::Error);
        assert!(
            finding.reason.ends_with("600\nand 2 more"),
            "{}",
            finding.reason
        );
    }
}
