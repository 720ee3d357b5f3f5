//! Where symbolic links lead.

use anyhow::{Result, bail};

use super::index::{Entry, Index};

/// One link of the table, or with a `*` one for each file that the target's pattern matches: pairs
/// of path and target.
///
/// # Errors
/// When the composition has nothing that the target names.
pub fn expand(path: &str, target: &str, index: &Index) -> Result<Vec<(String, String)>> {
    let folder = path.rsplit_once('/').map_or("", |(f, _)| f);
    let Some((front, back)) = target.split_once('*') else {
        let real = resolve(folder, target);
        if index.get(&real).is_none() {
            bail!("the stand-in's table links {path} to {real}, which is not in the composition");
        }
        return Ok(vec![(path.to_owned(), target.to_owned())]);
    };
    let real = resolve(folder, front) + if front.ends_with('/') { "/" } else { "" };
    let found: Vec<_> = index
        .entries()
        .iter()
        .filter_map(|e| e.path.strip_prefix(&real)?.strip_suffix(back))
        .filter(|middle| !middle.contains('/'))
        .map(|middle| {
            (
                path.replacen('*', middle, 1),
                target.replacen('*', middle, 1),
            )
        })
        .collect();
    if found.is_empty() {
        bail!("the stand-in's table links {path} to {target}, which matches nothing");
    }
    Ok(found)
}

/// Whether the entry at `path` is a link to what the kernel says at the moment, as `/etc/mtab` is:
/// pacman would note the checksum of whatever is mounted while it installs.
pub fn leads_to_proc(path: &str, entry: &Entry) -> bool {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let target = entry.link.as_deref().filter(|_| entry.kind.is_symlink());
    target.is_some_and(|target| {
        let named = match target.starts_with('/') {
            true => resolve("", target),
            false => resolve(folder, target),
        };
        named.starts_with("proc/")
    })
}

/// The plain path that `target` names when seen from `folder`.
fn resolve(folder: &str, target: &str) -> String {
    let named = |p: &&str| !p.is_empty() && *p != ".";
    let mut parts: Vec<&str> = folder.split('/').filter(named).collect();
    for part in target.split('/').filter(named) {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_seen_from_the_links_folder() {
        assert_eq!(
            resolve("usr/lib/syslinux/bios", "../../ISOLINUX/isolinux.bin"),
            "usr/lib/ISOLINUX/isolinux.bin"
        );
        assert_eq!(resolve("a/b", "./c"), "a/b/c");
        assert_eq!(resolve("", "usr/bin/a"), "usr/bin/a");
    }
}
