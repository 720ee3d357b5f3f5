//! The sets of `ezmail.lock` as far as they follow from what PKGBUILDs say: which sources our packages
//! have, and what they and the image take from the base. Of Arch all of it is known before anything is
//! built, so that an update is shown in a minute.

use anyhow::Result;

use super::{
    base::{self, Base, Kind, Ready, Set, lock},
    build_root::LazyRoot,
    packages, profile, programs,
    project::Project,
    repo,
    srcinfo::{self, SrcInfo},
};

/// Asks Arch's mirrors for every set that a build of `project` takes, and holds them against
/// `ezmail.lock`. Nothing is built; to read PKGBUILDs that are new, a build root is made.
///
/// # Errors
/// When a mirror fails, or with `--locked` something differs; [`base::PlanEnds`] where a plan would have
/// to make the build root.
pub fn look_on_arch(project: &Project, build_base: &Ready) -> Result<()> {
    let root = LazyRoot::new(project, build_base);
    let scratch = project.cache.scratch("packages")?;
    let infos = packages::read_all(project, &root, scratch.path())?;
    let named: Vec<(&str, &SrcInfo)> = infos.iter().map(|(name, i)| (&**name, i)).collect();
    base::hold(project, name_of_sources(Base::Arch), &sources(&named))?;
    let infos: Vec<&SrcInfo> = infos.iter().map(|(_, info)| info).collect();
    let wanted = profile::packages(&project.root, &project.config.image.extra_packages)?;
    for (name, packages) in [
        ("build", build_needs(&infos)),
        ("image", image_needs(&infos, &wanted)),
    ] {
        let set = Set {
            name,
            packages: &packages,
            ours: &[],
        };
        base::prepare(project, Base::Arch, Kind::Image, &set)?;
    }
    Ok(())
}

/// What the packages take from the base to be built: names without ours, sorted.
pub fn build_needs(ours: &[&SrcInfo]) -> Vec<String> {
    let needs = ours.iter().flat_map(|info| info.build_needs());
    from_base(ours, needs.collect())
}

/// What an image of the packages `wanted` takes from the base: names without ours, sorted, with what ours
/// depend on in their place.
pub fn image_needs(ours: &[&SrcInfo], wanted: &[String]) -> Vec<String> {
    let mut all = wanted.to_vec();
    let mut seen = vec![false; ours.len()];
    let mut next = 0;
    while let Some(name) = all.get(next) {
        let offers = |info: &&SrcInfo| info.offers(srcinfo::bare(name));
        let found = ours.iter().position(offers).filter(|at| !seen[*at]);
        next += 1;
        if let Some(at) = found {
            seen[at] = true;
            all.extend(ours[at].depends.iter().cloned());
        }
    }
    from_base(ours, all)
}

fn from_base(ours: &[&SrcInfo], needs: Vec<String>) -> Vec<String> {
    let names = needs.iter().map(|need| srcinfo::bare(need).to_owned());
    let mut names: Vec<String> = names
        .filter(|name| !ours.iter().any(|info| info.offers(name)))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The name of the set of our packages' sources: one for each base, which pins its own.
pub fn name_of_sources(base: Base) -> &'static str {
    match base {
        Base::Arch => "sources",
        Base::Standin => "standin-sources",
    }
}

/// The sources of our packages, each by the name of its folder, as a set.
pub fn sources(ours: &[(&str, &SrcInfo)]) -> lock::Resolved {
    let mut packages: Vec<lock::Package> = ours
        .iter()
        .flat_map(|(name, info)| {
            let sources = info.sources.iter().zip(&info.sha256sums);
            sources.map(move |(file, sum)| lock::Package {
                name: format!("{name}: {}", srcinfo::source_name(file)),
                version: info.version.clone(),
                repository: repo::NAME.into(),
                file: file.clone(),
                sha256: sum.clone(),
            })
        })
        // what cargo makes of this checkout is no source that could be pinned
        .filter(|package| package.file != programs::TARBALL)
        .collect();
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    lock::Resolved {
        date: base::arch::ArchiveDate::today(),
        mirror: "packages/".into(),
        packages,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(name: &str, depends: &[&str], makedepends: &[&str]) -> SrcInfo {
        let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        SrcInfo {
            base: name.into(),
            version: "1-1".into(),
            names: vec![name.into()],
            depends: set(depends),
            makedepends: set(makedepends),
            ..SrcInfo::default()
        }
    }

    #[test]
    fn ours_are_replaced_by_what_they_need_of_the_base() {
        let mut tls = made("tls-static", &[], &["cmake"]);
        tls.provides.insert("tls".into());
        let smtpd = made("smtpd", &["libevent>=2", "tls"], &["tls-static", "gcc"]);
        let table = made("table", &["smtpd>=7", "sqlite"], &[]);
        let ours = [&tls, &smtpd, &table];
        let wanted = ["linux", "table", "sqlite"].map(str::to_owned);
        assert_eq!(image_needs(&ours, &wanted), ["libevent", "linux", "sqlite"]);
        // what nobody wants brings nothing
        assert_eq!(image_needs(&ours, &wanted[..1]), ["linux"]);
        assert_eq!(build_needs(&ours), ["cmake", "gcc", "libevent", "sqlite"]);
    }

    #[test]
    fn sources_are_told_by_package_and_ours_are_none() {
        let mut info = made("a", &[], &[]);
        info.sources = vec!["x::https://a.example/y".into(), programs::TARBALL.into()];
        info.sha256sums = vec!["00".into(), "SKIP".into()];
        let set = sources(&[("folder", &info)]);
        let told: Vec<(&str, &str)> = set
            .packages
            .iter()
            .map(|p| (&*p.name, &*p.sha256))
            .collect();
        assert_eq!(told, [("folder: x", "00")]);
    }
}
