//! Writes the planned packages, as many at a time as there are processors.

use std::{
    num::NonZero,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread,
};

use anyhow::{Context, Result, anyhow};

use super::{
    index::{Index, Reader},
    plan::{Item, Plan},
};
use crate::host::package::PackageWriter;

/// zstd level: the mirror is read once from the local disk.
const LEVEL: i32 = 3;

/// Writes every package of `plans` into `folder`; returns their paths, in order.
///
/// # Errors
/// When an entry cannot be read or a package not be written; the first failure ends all.
pub fn write(plans: &[Plan], index: &Index, folder: &Path) -> Result<Vec<PathBuf>> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let queue = Mutex::new(plans.iter().enumerate());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || -> Result<Vec<(usize, PathBuf)>> {
        let mut reader = index.open()?;
        let mut done = Vec::new();
        while let Some((number, plan)) = next() {
            match write_one(plan, index, &mut reader, folder) {
                Ok(path) => done.push((number, path)),
                Err(error) => {
                    // nothing left to do for the other threads
                    while next().is_some() {}
                    return Err(error);
                }
            }
        }
        Ok(done)
    };
    let mut done = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut done = Vec::new();
        for thread in threads {
            let part = thread
                .join()
                .map_err(|_| anyhow!("a writing thread panicked"))??;
            done.extend(part);
        }
        anyhow::Ok(done)
    })?;
    done.sort();
    Ok(done.into_iter().map(|(_, path)| path).collect())
}

fn write_one(plan: &Plan, index: &Index, reader: &mut Reader, folder: &Path) -> Result<PathBuf> {
    let mut writer = PackageWriter::create(folder, &plan.info, LEVEL)?;
    let time = plan.info.builddate;
    for (path, item) in &plan.items {
        match item {
            Item::File { text, mode } => writer.append_file(path, text.as_bytes(), *mode, time)?,
            Item::Folder => writer.append_folder(path, 0o755, time)?,
            Item::Link(target) => writer.append_symlink(path, target, time)?,
            Item::Copy(from) => {
                let entry = index
                    .get(from)
                    .with_context(|| format!("{from} is not in the composition"))?;
                reader
                    .copy(entry, path, writer.builder())
                    .with_context(|| format!("writing the package {}", plan.info.name))?;
            }
        }
    }
    writer.finish()
}
