//! The master boot record of an image (UEFI 2.10, section 5.2; syslinux's isohybrid for its code).

use super::bytes::{le16, le32, le64};

/// Size of a sector, here and in the GPT.
pub const SECTOR: u64 = 512;
/// The partition types that matter: an EFI system partition, and what stands for a GPT.
pub const EFI: u8 = 0xef;
/// As [`EFI`].
pub const PROTECTIVE: u8 = 0xee;

/// A partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// From 1 on.
    pub number: usize,
    /// Whether a BIOS is to boot it.
    pub active: bool,
    /// Its type.
    pub kind: u8,
    /// Where it begins, in sectors.
    pub start: u64,
    /// How many sectors it has.
    pub sectors: u64,
}

impl Partition {
    /// The sector after its last.
    pub fn end(&self) -> u64 {
        self.start + self.sectors
    }
}

/// The record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mbr {
    /// Those that are in use.
    pub partitions: Vec<Partition>,
    /// The sector at which isohybrid's code looks for isolinux.bin; none without such code.
    pub isolinux: Option<u64>,
}

impl Mbr {
    /// The record in the first sector.
    ///
    /// # Errors
    /// When it does not end with the signature 55 AA.
    pub fn parse(sector: &[u8]) -> Result<Self, String> {
        if sector.len() < 512 || le16(sector, 510) != 0xaa55 {
            return Err("the first sector does not end with the signature 55 AA".to_owned());
        }
        let partitions = (0..4).filter_map(|n| {
            let entry = &sector[446 + n * 16..][..16];
            let partition = Partition {
                number: n + 1,
                active: entry[0] == 0x80,
                kind: entry[4],
                start: u64::from(le32(entry, 8)),
                sectors: u64::from(le32(entry, 12)),
            };
            (partition.sectors > 0).then_some(partition)
        });
        Ok(Self {
            partitions: partitions.collect(),
            // isohybrid's code is 432 bytes, and the place of isolinux.bin follows
            isolinux: sector[..432]
                .iter()
                .any(|b| *b != 0)
                .then(|| le64(sector, 432)),
        })
    }

    /// The first partition of a type.
    pub fn first(&self, kind: u8) -> Option<&Partition> {
        self.partitions.iter().find(|p| p.kind == kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sector() -> Vec<u8> {
        let mut sector = vec![0; 512];
        sector[0] = 0x33;
        sector[432..434].copy_from_slice(&[0xb4, 1]);
        sector[446..462].copy_from_slice(&[128, 2, 1, 0, 0, 63, 32, 215, 64, 0, 0, 0, 0, 4, 0, 0]);
        sector[462..478].copy_from_slice(&[0, 0, 1, 216, EFI, 63, 32, 247, 0, 5, 0, 0, 9, 0, 0, 0]);
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
        sector
    }

    #[test]
    fn partitions_and_the_place_of_isolinux_are_read() {
        let mbr = Mbr::parse(&sector()).unwrap();
        assert_eq!(mbr.isolinux, Some(436));
        let told: Vec<_> = mbr
            .partitions
            .iter()
            .map(|p| (p.number, p.active, p.kind, p.start, p.end()))
            .collect();
        assert_eq!(told, [(1, true, 0, 64, 1088), (2, false, EFI, 1280, 1289)]);
        assert_eq!(mbr.first(EFI).unwrap().number, 2);
        assert!(mbr.first(PROTECTIVE).is_none());
        let mut without = sector();
        without[0] = 0;
        assert_eq!(Mbr::parse(&without).unwrap().isolinux, None);
    }

    #[test]
    fn without_its_signature_it_is_none() {
        let mut sector = sector();
        sector[511] = 0;
        let error = Mbr::parse(&sector).unwrap_err();
        insta::assert_snapshot!(error, @"the first sector does not end with the signature 55 AA");
        assert!(Mbr::parse(&sector[..100]).is_err());
    }
}
