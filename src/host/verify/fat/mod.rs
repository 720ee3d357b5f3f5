//! FAT file systems, FAT12, FAT16 and FAT32 with long names (Microsoft's "FAT: General Overview of
//! On-Disk Format", 1.03), read whole: the parts, the chains, the tree.
//!
//! Nothing that is read is trusted: a chain that leaves the volume, runs in a circle or belongs to
//! two files is an error, and no more is read than the partition has.

mod boot_sector;
mod directory;
mod table;

use std::collections::BTreeMap;

use self::{
    boot_sector::BootSector,
    directory::{Item, Items},
    table::Table,
};
use super::{
    bytes::{self, Bytes},
    tree::{File, Tree},
};
use crate::iso9660::Extent;

/// How deep folders are followed.
const MAX_DEPTH: usize = 32;
/// Largest folder, as the specification has it (65,536 entries of 32 bytes).
const MAX_FOLDER: u64 = 2 << 20;
/// Most files.
const MAX_FILES: usize = 100_000;

/// A volume, read.
#[derive(Debug)]
pub struct Fat {
    /// 12, 16 or 32.
    pub bits: u32,
    /// The size that it says it has, in bytes.
    pub size: u64,
    /// The files, by their places in the image.
    pub tree: Tree,
}

/// Reads the volume that begins at `start` and has `length` bytes of room.
///
/// # Errors
/// When it is none, or something in it is not sound.
pub fn read(bytes: &dyn Bytes, start: u64, length: u64) -> Result<Fat, String> {
    let boot = BootSector::parse(&bytes::read(bytes, start, 512)?)?;
    if boot.size() > length {
        return Err(format!(
            "the file system has {} bytes, and its partition {length}",
            boot.size()
        ));
    }
    let mut walk = Walk {
        bytes,
        start,
        table: table::read(bytes, start, &boot)?,
        boot,
        files: BTreeMap::new(),
    };
    walk.run()?;
    Ok(Fat {
        bits: walk.boot.bits,
        size: walk.boot.size(),
        tree: Tree {
            files: walk.files,
            any_case: true,
        },
    })
}

struct Walk<'a> {
    bytes: &'a dyn Bytes,
    start: u64,
    boot: BootSector,
    table: Table,
    files: BTreeMap<String, File>,
}

impl Walk<'_> {
    fn run(&mut self) -> Result<(), String> {
        let root = match self.boot.root_cluster {
            Some(cluster) => self.extents("/", cluster, None)?,
            None => vec![Extent {
                offset: self.start + self.boot.root_offset(),
                length: self.boot.root_length(),
            }],
        };
        let mut folders = vec![(String::new(), root, 0)];
        while let Some((path, extents, depth)) = folders.pop() {
            if depth > MAX_DEPTH {
                return Err(format!("its folders are deeper than {MAX_DEPTH}"));
            }
            let size: u64 = extents.iter().map(|e| e.length).sum();
            if size > MAX_FOLDER {
                return Err(format!("the folder '{path}' has {size} bytes"));
            }
            let mut all = Vec::new();
            bytes::pieces(self.bytes, &extents, |piece| all.extend_from_slice(piece))?;
            for item in Items::new(&all) {
                let item = item.map_err(|e| format!("the folder '{path}': {e}"))?;
                let path = format!("{path}{}", item.name);
                if item.folder {
                    let extents = self.extents(&path, item.cluster, None)?;
                    folders.push((path + "/", extents, depth + 1));
                } else {
                    self.add(path, &item)?;
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, path: String, item: &Item) -> Result<(), String> {
        if self.files.len() == MAX_FILES {
            return Err(format!("it has more than {MAX_FILES} files"));
        }
        let size = u64::from(item.size);
        let extents = match size {
            0 => Vec::new(),
            _ => self.extents(&path, item.cluster, Some(size))?,
        };
        match self.files.insert(path.clone(), File { extents, size }) {
            Some(_) => Err(format!("'{path}' is there twice")),
            None => Ok(()),
        }
    }

    /// The bytes of a chain, neighbours as one; of a file of that `size`, only its own.
    fn extents(
        &mut self,
        path: &str,
        first: u32,
        size: Option<u64>,
    ) -> Result<Vec<Extent>, String> {
        let clusters = self
            .table
            .chain(first)
            .map_err(|e| format!("the clusters of '{path}': {e}"))?;
        let length = self.boot.cluster;
        if let Some(size) = size
            && clusters.len() as u64 != size.div_ceil(length)
        {
            return Err(format!(
                "'{path}' has {size} bytes in {} clusters of {length}",
                clusters.len()
            ));
        }
        let mut extents: Vec<Extent> = Vec::new();
        let mut rest = size.unwrap_or(u64::MAX);
        for cluster in clusters {
            let offset = self.start + self.boot.cluster_offset(cluster);
            let length = length.min(rest);
            rest -= length;
            match extents.last_mut() {
                Some(last) if last.offset + last.length == offset => last.length += length,
                _ => extents.push(Extent { offset, length }),
            }
        }
        Ok(extents)
    }
}

#[cfg(test)]
mod tests;
