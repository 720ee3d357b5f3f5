//! The first sector of a FAT volume: its parts (Microsoft's specification, pages 7 to 16).

use crate::host::verify::bytes::{le16, le32};

/// Clusters from which a volume is FAT16, and from which it is FAT32.
const FAT16_FROM: u64 = 4085;
const FAT32_FROM: u64 = 65_525;

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BootSector {
    /// 12, 16 or 32.
    pub bits: u32,
    /// Bytes of a cluster.
    pub cluster: u64,
    /// How many clusters there are; their numbers begin with 2.
    pub clusters: u64,
    /// Copies of the table.
    pub tables: u64,
    /// Where the root folder begins, on FAT32.
    pub root_cluster: Option<u32>,
    sector: u64,
    reserved: u64,
    table_sectors: u64,
    root_entries: u64,
    sectors: u64,
}

impl BootSector {
    /// `bytes` are 512.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let wrong = |what: String| Err(format!("this is no FAT file system: {what}"));
        if bytes.len() < 512 || le16(bytes, 510) != 0xaa55 {
            return wrong("its first sector does not end with 55 AA".to_owned());
        }
        let sector = u64::from(le16(bytes, 11));
        if ![512, 1024, 2048, 4096].contains(&sector) {
            return wrong(format!("its sectors have {sector} bytes"));
        }
        let per_cluster = u64::from(bytes[13]);
        if !per_cluster.is_power_of_two() {
            return wrong(format!("its clusters have {per_cluster} sectors"));
        }
        let either = |short: u16, long: u32| match short {
            0 => u64::from(long),
            short => u64::from(short),
        };
        let small_table = le16(bytes, 22);
        let mut this = Self {
            bits: 0,
            cluster: sector * per_cluster,
            clusters: 0,
            tables: u64::from(bytes[16]),
            root_cluster: None,
            sector,
            reserved: u64::from(le16(bytes, 14)),
            table_sectors: either(small_table, le32(bytes, 36)),
            root_entries: u64::from(le16(bytes, 17)),
            sectors: either(le16(bytes, 19), le32(bytes, 32)),
        };
        if this.reserved == 0 || this.tables == 0 || this.table_sectors == 0 {
            return wrong("it has no table".to_owned());
        }
        let Some(data) = this.size().checked_sub(this.data_offset()) else {
            return wrong("it is smaller than its own parts".to_owned());
        };
        this.clusters = data / this.cluster;
        this.bits = match this.clusters {
            FAT32_FROM.. => 32,
            FAT16_FROM.. => 16,
            _ => 12,
        };
        // what was made as FAT32 says so by these two, whatever its size
        if (this.bits == 32) != (small_table == 0) || (this.bits == 32) != (this.root_entries == 0)
        {
            return wrong(format!(
                "it has {} clusters and the parts of another kind",
                this.clusters
            ));
        }
        if this.bits == 32 {
            this.root_cluster = Some(le32(bytes, 44));
        }
        if this.table_length() > this.table_sectors * sector {
            return wrong("its table is too small for its clusters".to_owned());
        }
        Ok(this)
    }

    /// All of it, in bytes.
    pub fn size(&self) -> u64 {
        self.sectors * self.sector
    }

    /// Where copy `number` of the table begins, in bytes.
    pub fn table_offset(&self, number: u64) -> u64 {
        (self.reserved + number * self.table_sectors) * self.sector
    }

    /// How many bytes of a table have entries, of the first two and all clusters.
    pub fn table_length(&self) -> u64 {
        ((self.clusters + 2) * u64::from(self.bits)).div_ceil(8)
    }

    /// Where the root folder begins, on FAT12 and FAT16.
    pub fn root_offset(&self) -> u64 {
        self.table_offset(self.tables)
    }

    /// How many bytes it has there.
    pub fn root_length(&self) -> u64 {
        (self.root_entries * 32).next_multiple_of(self.sector)
    }

    /// Where a cluster of those that there are begins.
    pub fn cluster_offset(&self, cluster: u32) -> u64 {
        self.data_offset() + (u64::from(cluster) - 2) * self.cluster
    }

    fn data_offset(&self) -> u64 {
        self.root_offset() + self.root_length()
    }
}
