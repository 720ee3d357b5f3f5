//! Decides what packages a composition becomes: names, dependencies, and each path's package.
//!
//! Besides one package for each Debian package there are: one for each Arch name of the table,
//! [`ROOT`] for what no Debian package lists, [`COMPAT`] for what Arch's packages would bring,
//! and [`BASE`], which depends on all that every system has.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use anyhow::{Context, Result, bail};

use super::{
    Kind, compat, contents,
    dpkg::Package,
    index::{Entry, Index},
    kernel::{self, Kernel},
    links,
    names::{Resolver, pacman_version},
    owners::Owners,
    table::Table,
};
use crate::host::package::PkgInfo;

/// The package of what no Debian package lists: users, alternatives, certificates.
pub const ROOT: &str = "standin-root";
/// The package of what Arch's packages would bring: pacman hooks, unit presets.
pub const COMPAT: &str = "standin-compat";
/// The package that every system has.
pub const BASE: &str = "base";

/// What makepkg's clean root is installed by; on the stand-in it brings [`BASE`] along.
const BASE_DEVEL: &str = "base-devel";

/// One thing in a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// The entry of the composition at this path.
    Copy(String),
    /// A file of ours.
    File {
        /// Content.
        text: String,
        /// Permission bits.
        mode: u32,
    },
    /// A symbolic link of ours, with its target.
    Link(String),
    /// A folder that only things of ours are in.
    Folder,
}

/// One package to write.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Its `.PKGINFO`.
    pub info: PkgInfo,
    /// Its paths, folders before what is in them.
    pub items: BTreeMap<String, Item>,
}

/// Plans all packages of a composition.
///
/// # Errors
/// When the table names what is not there, or a link of it stands in the way of a file.
pub fn plan(
    kind: Kind,
    table: &Table,
    packages: &[Package],
    owners: &Owners,
    index: &Index,
    builddate: u64,
) -> Result<Vec<Plan>> {
    let resolver = Resolver::new(packages, &table.drop);
    let kernel = Kernel::find(packages, index);
    let mut plans = BTreeMap::new();
    for package in packages.iter().filter(|p| !resolver.is_dropped(&p.name)) {
        let info = info_of(package, &resolver)?;
        plans.insert(
            package.name.clone(),
            Plan {
                info,
                ..Plan::default()
            },
        );
    }
    for (name, what) in [
        (
            ROOT,
            "users, links and generated files of the stand-in base",
        ),
        (
            COMPAT,
            "pacman hooks and presets as Arch's packages bring them",
        ),
    ] {
        plans.insert(name.into(), own(name, what));
    }
    // what its hooks run
    let systemd = resolver
        .one("systemd")
        .context("the composition has no systemd, which makes users and folders")?;
    if let Some(compat) = plans.get_mut(COMPAT) {
        compat.info.depends.push(systemd.to_owned());
    }
    add_files(
        &mut plans,
        packages,
        owners,
        &resolver,
        kernel.as_ref(),
        index,
    )?;
    for (path, text, mode) in compat::files(kind) {
        let plan = plans
            .get_mut(COMPAT)
            .context("the compat package is planned")?;
        plan.add(
            path,
            Item::File {
                text: text.into(),
                mode,
            },
        );
    }
    if let Some(kernel) = &kernel {
        rename_kernel(&mut plans, kernel)?;
    }
    add_names(&mut plans, table, packages, &resolver)?;
    add_links(&mut plans, table, index)?;
    let mut plans: Vec<Plan> = plans.into_values().collect();
    for plan in &mut plans {
        plan.info.builddate = builddate;
        plan.finish(index);
    }
    Ok(plans)
}

fn info_of(package: &Package, resolver: &Resolver<'_>) -> Result<PkgInfo> {
    Ok(PkgInfo {
        name: package.name.clone(),
        base: package.name.clone(),
        version: pacman_version(&package.version),
        desc: package.summary.clone(),
        url: package.homepage.clone(),
        packager: "ezmail (from Debian)".into(),
        arch: if package.architecture == "all" {
            "any"
        } else {
            "x86_64"
        }
        .into(),
        license: vec!["custom:see-copyright-file".into()],
        depends: resolver.depends(package)?,
        ..PkgInfo::default()
    })
}

/// A package that is not Debian's.
fn own(name: &str, what: &str) -> Plan {
    Plan {
        info: PkgInfo {
            name: name.into(),
            base: name.into(),
            version: "1-1".into(),
            desc: what.into(),
            packager: "ezmail".into(),
            arch: "any".into(),
            license: vec!["custom:none".into()],
            ..PkgInfo::default()
        },
        ..Plan::default()
    }
}

/// Gives every shipped path to its package; what nobody has goes to [`ROOT`].
fn add_files(
    plans: &mut BTreeMap<String, Plan>,
    packages: &[Package],
    owners: &Owners,
    resolver: &Resolver<'_>,
    kernel: Option<&Kernel>,
    index: &Index,
) -> Result<()> {
    let known: HashSet<&str> = packages.iter().map(|p| p.name.as_str()).collect();
    let mut add = |owner: &str, path: &str, entry: &Entry| -> Result<()> {
        plans
            .get_mut(owner)
            .with_context(|| format!("{path} belongs to {owner}, which is not installed"))?
            .add(path, Item::Copy(entry.path.clone()));
        Ok(())
    };
    for entry in index.entries() {
        let path = entry.path.as_str();
        if let Some(kernel) = kernel
            && let Some(place) = kernel.place(path)
        {
            add(&kernel.package, &place, entry)?;
            continue;
        }
        if !contents::is_shipped(path, entry.kind.is_dir())
            || entry
                .link
                .as_deref()
                .is_some_and(contents::is_snakeoil_link)
        {
            continue;
        }
        if entry.kind.is_dir() {
            let listed = owners.of_folder(path);
            if listed.is_empty() {
                add(ROOT, path, entry)?;
            }
            for owner in listed.iter().filter(|o| !resolver.is_dropped(o)) {
                add(owner, path, entry)?;
            }
            continue;
        }
        match owners.of_file(path) {
            // a list of a package that was removed again says nothing
            Some(owner) if known.contains(owner) => {
                if !resolver.is_dropped(owner) {
                    add(owner, path, entry)?;
                }
            }
            _ => add(ROOT, path, entry)?,
        }
    }
    Ok(())
}

fn rename_kernel(plans: &mut BTreeMap<String, Plan>, kernel: &Kernel) -> Result<()> {
    let mut plan = plans
        .remove(&kernel.package)
        .with_context(|| format!("{} is dropped by the table", kernel.package))?;
    plan.info.provides.push(kernel.package.clone());
    plan.info.name = kernel::NAME.into();
    plan.info.base = kernel::NAME.into();
    let (path, text) = kernel.pkgbase();
    plan.add(&path, Item::File { text, mode: 0o644 });
    plans.insert(kernel::NAME.into(), plan);
    Ok(())
}

/// Makes the Arch names of the table, and [`BASE`].
fn add_names(
    plans: &mut BTreeMap<String, Plan>,
    table: &Table,
    packages: &[Package],
    resolver: &Resolver<'_>,
) -> Result<()> {
    let mut names = table.names.clone();
    names.entry(BASE.into()).or_default();
    for (name, members) in names {
        let mut depends: BTreeSet<String> = BTreeSet::new();
        let mut version = None;
        for member in &members {
            let Some(found) = resolver.one(member) else {
                bail!(
                    "the stand-in's table says {name} = '{member}', which is not in the \
                     composition (or is dropped)"
                );
            };
            version = version.or_else(|| plans.get(found).map(|p| p.info.version.clone()));
            depends.insert(found.to_owned());
        }
        if name == BASE {
            // Debian's point release
            version = plans.get("base-files").map(|p| p.info.version.clone());
            depends.extend([ROOT.to_owned(), COMPAT.to_owned()]);
            depends.extend(
                packages
                    .iter()
                    .filter(|p| p.essential && !resolver.is_dropped(&p.name))
                    .map(|p| p.name.clone()),
            );
        }
        if name == BASE_DEVEL {
            depends.insert(BASE.to_owned());
        }
        depends.remove(&name);
        let plan = plans.entry(name.clone()).or_insert_with(|| {
            let mut plan = own(&name, &format!("Arch's name for {}", members.join(", ")));
            plan.info.version = version.unwrap_or_else(|| "1-1".into());
            plan
        });
        depends.extend(plan.info.depends.drain(..));
        plan.info.depends = depends.into_iter().collect();
    }
    Ok(())
}

fn add_links(plans: &mut BTreeMap<String, Plan>, table: &Table, index: &Index) -> Result<()> {
    for (package, links) in &table.links {
        for (path, target) in links {
            for (path, target) in links::expand(path, target, index)? {
                if index.get(&path).is_some() {
                    bail!("the stand-in's table links {path}, but Debian has a file there");
                }
                plans
                    .get_mut(package)
                    .with_context(|| {
                        format!(
                            "the stand-in's table has links for '{package}', which is no package"
                        )
                    })?
                    .add(&path, Item::Link(target));
            }
        }
    }
    Ok(())
}

impl Plan {
    fn add(&mut self, path: &str, item: Item) {
        self.items.insert(path.to_owned(), item);
    }

    /// Adds the folders above each path, the sizes, and what under /etc is kept when changed.
    fn finish(&mut self, index: &Index) {
        let paths: Vec<String> = self.items.keys().cloned().collect();
        for path in paths {
            for (at, _) in path.match_indices('/') {
                let folder = &path[..at];
                self.items.entry(folder.to_owned()).or_insert_with(|| {
                    match index.get(folder).is_some() {
                        true => Item::Copy(folder.to_owned()),
                        false => Item::Folder,
                    }
                });
            }
        }
        for (path, item) in &self.items {
            // links as well: an overlay may have laid its own there, too
            let (size, is_kept) = match item {
                Item::Copy(from) => index.get(from).map_or((0, false), |e| {
                    (e.size, !e.kind.is_dir() && !links::leads_to_proc(path, e))
                }),
                Item::File { text, .. } => (text.len() as u64, true),
                Item::Link(_) => (0, true),
                Item::Folder => (0, false),
            };
            self.info.size += size;
            if is_kept && path.starts_with("etc/") {
                self.info.backup.push(path.clone());
            }
        }
    }
}
