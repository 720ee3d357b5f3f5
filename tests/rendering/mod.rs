//! The answers of `tests/answers/good`, rendered with made-up facts.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ezmail::{
    agent::{
        context::{DkimKey, Facts},
        paths::Paths,
        render::{Rendered, render_all},
    },
    answers::{self, Answers},
    mail::dkim::Algorithm,
    util::secret::Secret,
};

/// The answers `NAME.toml`, with the files they name.
pub fn answers(name: &str) -> Answers {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/answers/good")
        .join(format!("{name}.toml"));
    let beside = |file: &str| fs::read(path.with_file_name(file));
    let (answers, report) = answers::read(&fs::read(&path).unwrap(), name, Some(&beside));
    answers.unwrap_or_else(|| panic!("{report}"))
}

/// What a machine of 1 GiB would say; the controller's password is `a secret of the tests`.
pub fn facts(answers: &Answers) -> Facts {
    let paths = Paths::default();
    let key = |domain: &answers::model::Domain, algorithm: Algorithm| {
        let given = domain
            .dkim
            .iter()
            .find(|key| key.info.as_ref().is_some_and(|i| i.algorithm == algorithm));
        let selector = given.map_or(format!("{algorithm}2026"), |key| key.selector.clone());
        DkimKey {
            path: paths.dkim_key(domain.name.as_str(), &selector),
            domain: domain.name.clone(),
            selector,
            algorithm,
        }
    };
    Facts {
        memory_mib: 1024,
        controller_password_hash: "$2$ersyc9cef59x3ezgdeqnxpth1qu6ad34$qm7mbdpccwr8nkrhp4hcid8beirtd6utf5ms3m9mj34kq4dhehpy".into(),
        srs_key: Secret::new("5f".repeat(32)),
        guard_secret: Secret::new("a-secret-of-the-tests"),
        dkim: answers
            .domains
            .iter()
            .flat_map(|d| [key(d, Algorithm::Rsa), key(d, Algorithm::Ed25519)])
            .collect(),
        paths,
    }
}

/// Every file for the answers `NAME.toml`.
pub fn render(name: &str) -> Vec<Rendered> {
    let answers = answers(name);
    render_all(&templates(), &answers, &facts(&answers)).unwrap()
}

fn templates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("airootfs/usr/share/ezmail/templates")
}
