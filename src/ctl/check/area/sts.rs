//! The TLS policies of other domains: without who keeps them, mail to others waits.

use anyhow::Result;

use crate::{
    ctl::{
        check::{
            Context,
            finding::{Area, Finding},
        },
        sts::{self, Known},
    },
    mail::mta_sts::Mode,
};

const AREA: Area = Area::Sts;

pub(super) fn check(cx: &Context) -> Result<Vec<Finding>> {
    // a smarthost sees to it itself
    if matches!(&cx.answers, Ok(answers) if answers.smarthost.is_some()) {
        let text = "Mail leaves through the smarthost: policies are its business.";
        return Ok(vec![Finding::ok(AREA, "service", text)]);
    }
    Ok(vec![match sts::known() {
        Ok(known) => judge(&known),
        Err(error) => Finding::error(
            AREA,
            "service",
            format!("Nobody knows the TLS policies of others, so mail to them waits: {error:#}."),
            "'systemctl restart ezmail-sts' starts it; 'journalctl -u ezmail-sts' tells more.",
        ),
    }])
}

fn judge(known: &Known) -> Finding {
    let count = |mode| known.policies.iter().filter(|p| p.mode == mode).count();
    let text = match (count(Mode::Enforce), count(Mode::Testing)) {
        (0, 0) => "No domain that was written to has a policy.".to_owned(),
        (enforce, testing) => {
            format!("Policies of others: {enforce} are kept to, {testing} are only tested.")
        }
    };
    Finding::ok(AREA, "service", text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sts::{Cached, Entry};

    #[test]
    fn policies_are_counted() {
        let entry = |mode| Entry {
            domain: "example.com".into(),
            mode,
            mx: Vec::new(),
            until: 0,
            cached: Cached {
                id: String::new(),
                text: String::new(),
                fetched: 0,
                used: 0,
            },
        };
        let text = |policies| {
            let failed = Vec::new();
            judge(&Known { policies, failed }).reason
        };
        assert_eq!(text(vec![entry(Mode::None)]), text(Vec::new()));
        let all = [Mode::Enforce, Mode::Enforce, Mode::Testing].map(entry);
        assert_eq!(
            text(all.to_vec()),
            "Policies of others: 2 are kept to, 1 are only tested."
        );
    }
}
