//! DKIM keys that wait for something.

use anyhow::Result;

use crate::ctl::{
    check::{
        Context,
        finding::{Area, Finding},
    },
    dkim,
};

const AREA: Area = Area::Dkim;

pub(super) fn check(cx: &Context) -> Result<Vec<Finding>> {
    Ok(vec![judge(&dkim::summary(&cx.server.database()?, cx.now)?)])
}

/// `lines` are those of [`dkim::summary`].
fn judge(lines: &[String]) -> Finding {
    match lines {
        [] => Finding::ok(AREA, "", "Every key signs; none waits to be changed."),
        lines => Finding::warning(
            AREA,
            "",
            format!("{}.", lines.join(";\n")),
            "Publish what 'mailctl dkim show' shows; 'mailctl dkim list' tells how far it is.",
        )
        // the lines are the same until something changes
        .about(lines),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::check::finding::State;

    #[test]
    fn a_rotation_is_told_until_it_is_over() {
        assert_eq!(judge(&[]).state, State::Ok);
        let lines = [
            "DKIM example.org: next key x waits".to_owned(),
            "DKIM y".to_owned(),
        ];
        let found = judge(&lines);
        assert_eq!(found.state, State::Warning);
        assert_eq!(found.about, lines);
        assert_eq!(found.reason, "DKIM example.org: next key x waits;\nDKIM y.");
    }
}
