//! Whether a device holds anything at all.
//!
//! lsblk knows file systems and partition tables; whatever else was written to a device (an
//! encrypted volume without a header, a dump) shows in that it is not all zeros.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

use anyhow::{Context, Result, bail};

use super::choose::{Named, not_blank};
use crate::agent::block::Device;

/// Bytes that are read at the beginning and at the end.
const EDGE: u64 = 1 << 20;
/// Places in between that are looked at, and how many bytes at each.
const SAMPLES: u64 = 256;
const SAMPLE: u64 = 4096;

/// Refuses a device on which something is found. `name` is what the answers call it.
///
/// # Errors
/// When it is not blank, or cannot be read.
pub fn check(device: &Device, name: Named) -> Result<()> {
    let what = || format!("looking whether {} is blank", device.path.display());
    let mut file = File::open(&device.path).with_context(what)?;
    if let Some(place) = first_data(&mut file, device.size).with_context(what)? {
        bail!(not_blank(
            name,
            &format!("there is data of an unknown kind at byte {place}")
        ));
    }
    Ok(())
}

/// The first place with something else than zeros among those that are looked at.
pub(crate) fn first_data(device: &mut (impl Read + Seek), size: u64) -> io::Result<Option<u64>> {
    let mut places = vec![
        (0, EDGE.min(size)),
        (size.saturating_sub(EDGE), EDGE.min(size)),
    ];
    let step = size / (SAMPLES + 1);
    places.extend((1..=SAMPLES).map(|n| (n * step, SAMPLE.min(size - n * step))));
    places.sort_unstable();
    let mut buffer = Vec::new();
    for (start, length) in places {
        device.seek(SeekFrom::Start(start))?;
        buffer.clear();
        device.by_ref().take(length).read_to_end(&mut buffer)?;
        if let Some(at) = buffer.iter().position(|b| *b != 0) {
            return Ok(Some(start + at as u64));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::*;

    #[test]
    fn data_is_found_at_both_ends_and_between() {
        const SIZE: u64 = 64 << 20;
        let with = |place: u64, text: &[u8]| {
            let mut device = Cursor::new(vec![0; SIZE as usize]);
            device.seek(SeekFrom::Start(place)).unwrap();
            device.write_all(text).unwrap();
            first_data(&mut device, SIZE).unwrap()
        };
        assert_eq!(with(0, b""), None);
        assert_eq!(with(510, b"\x55\xaa"), Some(510));
        assert_eq!(with(SIZE - 1, b"x"), Some(SIZE - 1));
        // a megabyte in the middle cannot hide between the samples
        let found = with(SIZE / 2, &[7; 1 << 20]).unwrap();
        assert!((SIZE / 2..SIZE / 2 + (1 << 20)).contains(&found));
    }

    #[test]
    fn a_tiny_device_is_read_whole() {
        let mut device = Cursor::new(vec![0_u8; 100]);
        assert_eq!(first_data(&mut device, 100).unwrap(), None);
        let mut device = Cursor::new(vec![1_u8; 100]);
        assert_eq!(first_data(&mut device, 100).unwrap(), Some(0));
    }
}
