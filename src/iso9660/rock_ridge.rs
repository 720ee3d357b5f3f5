//! Long names as POSIX systems write them: the NM entries of Rock Ridge (IEEE P1282, 4.1.4) in the
//! system use fields of directory records (IEEE P1281, SUSP).

use super::record;

/// NM: the name goes on in the next NM entry; it is `.` or `..`.
const CONTINUE: u8 = 0x01;
const DOTS: u8 = 0x06;
/// Longest name, as of any POSIX system.
const MAX_NAME: usize = 255;

/// Where the system use field of a record goes on (CE, SUSP 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Continuation {
    pub block: u32,
    pub offset: u32,
    pub length: u32,
}

/// What was read so far of one name.
#[derive(Debug, Default)]
pub(super) struct Name {
    bytes: Vec<u8>,
    found: bool,
    refused: bool,
}

impl Name {
    /// Adds what a system use field, or a part of one, says of the name; returns where it goes on.
    /// What is no SUSP entry ends it: nothing else is made of it.
    pub fn add(&mut self, mut area: &[u8]) -> Option<Continuation> {
        let mut next = None;
        while let [a, b, length, _version, ..] = *area {
            let Some(entry) = area.get(4..usize::from(length)) else {
                break;
            };
            match &[a, b] {
                b"NM" => match entry.split_first() {
                    Some((flags, _)) if flags & DOTS != 0 => {}
                    Some((flags, name)) => {
                        self.bytes.extend_from_slice(name);
                        self.found = flags & CONTINUE == 0;
                        if self.bytes.len() > MAX_NAME || name.contains(&b'/') {
                            self.refused = true;
                            return None;
                        }
                    }
                    None => {}
                },
                b"CE" => next = continuation(entry),
                b"ST" => break,
                _ => {}
            }
            area = &area[usize::from(length)..];
        }
        next
    }

    /// The name, if there was a whole one: at most 255 bytes, and none of them a slash.
    pub fn finish(self) -> Option<String> {
        (self.found && !self.refused).then(|| String::from_utf8_lossy(&self.bytes).into_owned())
    }
}

fn continuation(entry: &[u8]) -> Option<Continuation> {
    let number = |at: usize| record::both_32(entry.get(at..at + 8)?).ok();
    Some(Continuation {
        block: number(0)?,
        offset: number(8)?,
        length: number(16)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nm(flags: u8, name: &str) -> Vec<u8> {
        let length = u8::try_from(5 + name.len()).unwrap();
        [&[b'N', b'M', length, 1, flags], name.as_bytes()].concat()
    }

    fn both(number: u32) -> Vec<u8> {
        [number.to_le_bytes(), number.to_be_bytes()].concat()
    }

    #[test]
    fn a_name_may_be_in_pieces_and_go_on_elsewhere() {
        let mut name = Name::default();
        let ce = [b"CE\x1c\x01".to_vec(), both(30), both(8), both(40)].concat();
        let px = b"PX\x05\x01x".to_vec();
        let next = name.add(&[px, nm(CONTINUE, "vmlinuz-"), ce].concat());
        assert_eq!(
            next,
            Some(Continuation {
                block: 30,
                offset: 8,
                length: 40
            })
        );
        assert_eq!(name.add(&nm(0, "linux")), None);
        assert_eq!(name.finish().as_deref(), Some("vmlinuz-linux"));
    }

    #[test]
    fn what_is_not_whole_is_no_name() {
        let whole = nm(0, "name");
        for area in [
            &whole[..7],
            b"",
            b"NM\x04\x01",
            b"NM\x00\x01\x00abc",
            b"NM\x03\x01",
            &nm(CONTINUE, "half"),
            &nm(0x02, ""),
            &[b"ST\x04\x01".to_vec(), whole.clone()].concat(),
        ] {
            let mut name = Name::default();
            assert_eq!(name.add(area), None, "{area:?}");
            assert_eq!(name.finish(), None, "{area:?}");
        }
    }

    #[test]
    fn a_name_is_one_part_of_a_path_and_not_without_end() {
        let [most, rest] = [200, 55].map(|n| "x".repeat(n));
        let read = |area: &[u8]| {
            let mut name = Name::default();
            (name.add(area), name.finish())
        };
        let both = [nm(CONTINUE, &most), nm(0, &rest)].concat();
        assert_eq!(read(&both).1.unwrap().len(), 255);
        let ce = [b"CE\x1c\x01".to_vec(), both_orders(30)].concat();
        for area in [
            [nm(CONTINUE, &most), nm(0, &rest), nm(0, "x")].concat(),
            nm(0, "a/b"),
            // whatever a later part says, and wherever it would go on
            [nm(CONTINUE, "/"), nm(0, "b"), ce].concat(),
        ] {
            assert_eq!(read(&area), (None, None), "{area:?}");
        }
    }

    fn both_orders(block: u32) -> Vec<u8> {
        [both(block), both(0), both(40)].concat()
    }
}
