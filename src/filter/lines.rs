//! Reading lines of any length without keeping more than a given number of bytes of each.

use std::io::{self, BufRead};

/// What [`read`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A line, whole.
    Whole,
    /// A line longer than the cap; only its beginning was kept, the rest was skipped.
    Cut,
    /// The end of the input; an unfinished last line is not a line.
    End,
}

/// Reads the next line into `line` without its newline, keeping at most `cap` bytes.
///
/// # Errors
/// Whatever reading returns; interrupted reads are tried again.
pub(super) fn read(reader: &mut impl BufRead, line: &mut Vec<u8>, cap: usize) -> io::Result<Found> {
    line.clear();
    let mut cut = false;
    loop {
        let available = match reader.fill_buf() {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        if available.is_empty() {
            return Ok(Found::End);
        }
        let newline = available.iter().position(|&b| b == b'\n');
        let part = &available[..newline.unwrap_or(available.len())];
        let room = cap.saturating_sub(line.len());
        cut |= part.len() > room;
        line.extend_from_slice(&part[..part.len().min(room)]);
        let used = newline.map_or(available.len(), |at| at + 1);
        reader.consume(used);
        if newline.is_some() {
            return Ok(if cut { Found::Cut } else { Found::Whole });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn lines_are_whole_cut_or_unfinished() {
        let input = b"a\n\n123456\n12345\nrest";
        for buffer in [1, 2, 64] {
            let mut reader = BufReader::with_capacity(buffer, &input[..]);
            let mut line = Vec::new();
            let mut seen = Vec::new();
            loop {
                let found = read(&mut reader, &mut line, 5).unwrap();
                if found == Found::End {
                    break;
                }
                seen.push((String::from_utf8(line.clone()).unwrap(), found));
            }
            let expected = [
                ("a", Found::Whole),
                ("", Found::Whole),
                ("12345", Found::Cut),
                ("12345", Found::Whole),
            ];
            assert_eq!(seen, expected.map(|(t, f)| (t.to_owned(), f)));
        }
    }
}
