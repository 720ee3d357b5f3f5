//! A text as QR codes (ISO/IEC 18004) that a camera reads off a screen.

use anyhow::{Context, Result};
use qrcode::{Color, EcLevel, QrCode, Version};

/// Bytes that a code of the versions 1 to 40 has room for at the lowest level of error correction
/// (ISO/IEC 18004 table 7): a screen has no scratches.
const ROOM: [usize; 40] = [
    17, 32, 53, 78, 106, 134, 154, 192, 230, 271, 321, 367, 425, 458, 520, 586, 644, 718, 792, 858,
    929, 1003, 1091, 1171, 1273, 1367, 1465, 1528, 1628, 1732, 1840, 1952, 2068, 2188, 2303, 2431,
    2563, 2699, 2809, 2953,
];
/// Light modules around a code: fewer than the standard's four do for a screen. One is the least.
const MARGINS: [usize; 2] = [2, 1];

/// What a module is drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glyphs {
    /// Half blocks: two modules one above the other in one character.
    Blocks,
    /// Two characters of ASCII for a module.
    Ascii,
}

impl Glyphs {
    /// The modules that fit into so many columns and rows.
    fn modules(self, columns: usize, rows: usize) -> usize {
        match self {
            Self::Blocks => columns.min(2 * rows),
            Self::Ascii => (columns / 2).min(rows),
        }
    }
}

/// A code as lines of characters; `true` is light.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// Row by row, with the margin.
    pub modules: Vec<Vec<bool>>,
}

/// The codes of `text` for so many columns and rows; empty if not even the smallest fits. Where one
/// is too small for all, each of them begins with a line that has its number and how many there are,
/// such as `2/5`.
///
/// # Errors
/// When the text is too long for codes that fit.
pub fn codes(text: &str, columns: usize, rows: usize, glyphs: Glyphs) -> Result<Vec<Code>> {
    let room = glyphs.modules(columns, rows);
    let Some((version, margin)) = MARGINS
        .iter()
        .find_map(|margin| Some((largest(room.checked_sub(2 * margin)?)?, *margin)))
    else {
        return Ok(Vec::new());
    };
    let pieces = pieces(text, ROOM[version - 1]).context("the screen is too small for QR codes")?;
    // all of one size: the longest decides
    let longest = pieces.iter().map(String::len).max().unwrap_or(0);
    let version = ROOM
        .iter()
        .position(|room| *room >= longest)
        .map_or(version, |n| n + 1);
    let code = |piece: &String| code(piece, version, margin);
    pieces.iter().map(code).collect()
}

/// The largest version of at most so many modules a side.
fn largest(modules: usize) -> Option<usize> {
    (1..=40).rev().find(|version| 17 + 4 * version <= modules)
}

/// `text` in pieces of at most `room` bytes with their numbers; `None` if there is no room for those.
fn pieces(text: &str, room: usize) -> Option<Vec<String>> {
    if text.len() <= room {
        return Some(vec![text.to_owned()]);
    }
    // the number of pieces depends on the digits of that number
    let of = (1..=4).find_map(|digits: u32| {
        let header = 2 * digits as usize + 2;
        let parts = split(text, room.checked_sub(header)?)?;
        (parts.len() < 10_usize.pow(digits)).then_some(parts)
    })?;
    let many = of.len();
    let numbered = of
        .iter()
        .enumerate()
        .map(|(n, part)| format!("{}/{many}\n{part}", n + 1));
    Some(numbered.collect())
}

/// `text` in parts of about the same length, at most `room` bytes, between characters.
fn split(text: &str, room: usize) -> Option<Vec<&str>> {
    // a character has four bytes at most
    let least = text.len().div_ceil(room.checked_sub(3).filter(|n| *n > 0)?);
    let length = text.len().div_ceil(least) + 3;
    let length = length.min(room);
    let mut rest = text;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let mut at = length.min(rest.len());
        while !rest.is_char_boundary(at) {
            at -= 1;
        }
        let (part, after) = rest.split_at(at);
        parts.push(part);
        rest = after;
    }
    Some(parts)
}

fn code(text: &str, version: usize, margin: usize) -> Result<Code> {
    let version = Version::Normal(i16::try_from(version).context("counting versions")?);
    let code = QrCode::with_version(text.as_bytes(), version, EcLevel::L)
        .context("making a QR code of the answers")?;
    let width = code.width();
    let side = width + 2 * margin;
    let light = |x: usize, y: usize| {
        let inside = |n: usize| n.checked_sub(margin).filter(|n| *n < width);
        match (inside(x), inside(y)) {
            (Some(x), Some(y)) => code[(x, y)] == Color::Light,
            _ => true,
        }
    };
    let row = |y: usize| (0..side).map(|x| light(x, y)).collect();
    Ok(Code {
        modules: (0..side).map(row).collect(),
    })
}

impl Code {
    /// The code as lines of text. Drawn light on dark: what is printed is light.
    pub fn lines(&self, glyphs: Glyphs) -> Vec<String> {
        match glyphs {
            Glyphs::Ascii => {
                let two = |light: &bool| if *light { "##" } else { "  " };
                let line = |row: &Vec<bool>| row.iter().map(two).collect();
                self.modules.iter().map(line).collect()
            }
            Glyphs::Blocks => {
                let line = |rows: &[Vec<bool>]| {
                    let both = |x: usize| (rows[0][x], rows.get(1).is_some_and(|row| row[x]));
                    let block = |x: usize| match both(x) {
                        (true, true) => '\u{2588}',
                        (true, false) => '\u{2580}',
                        (false, true) => '\u{2584}',
                        (false, false) => ' ',
                    };
                    (0..rows[0].len()).map(block).collect()
                };
                self.modules.chunks(2).map(line).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_the_room_of_the_table() {
        for (n, room) in ROOM.into_iter().enumerate() {
            let version = Version::Normal(i16::try_from(n + 1).unwrap());
            let fits = |n: usize| QrCode::with_version("#".repeat(n), version, EcLevel::L).is_ok();
            assert!(fits(room) && !fits(room + 1), "version {}", n + 1);
        }
    }

    #[test]
    fn the_modules_are_those_of_the_standard() {
        let text = "hostname = \"mail.example.org\"\n";
        let codes = codes(text, 80, 24, Glyphs::Blocks).unwrap();
        let [ours] = &codes[..] else { panic!() };
        let theirs = QrCode::with_version(text, Version::Normal(2), EcLevel::L).unwrap();
        assert_eq!(ours.modules.len(), theirs.width() + 4);
        for (y, row) in ours.modules.iter().enumerate() {
            for (x, light) in row.iter().enumerate() {
                let inside = (2..27).contains(&x) && (2..27).contains(&y);
                let dark = inside && theirs[(x - 2, y - 2)] == Color::Dark;
                assert_eq!(*light, !dark, "{x} {y}");
            }
        }
        // drawn, they are the same again
        let blocks = ours.lines(Glyphs::Blocks);
        let ascii = ours.lines(Glyphs::Ascii);
        assert_eq!((blocks.len(), ascii.len()), (15, 29));
        for (y, row) in ours.modules.iter().enumerate() {
            for (x, light) in row.iter().enumerate() {
                let half = blocks[y / 2].chars().nth(x).unwrap();
                let wanted = ['\u{2588}', ['\u{2580}', '\u{2584}'][y % 2]];
                assert_eq!(wanted.contains(&half), *light);
                assert_eq!(ascii[y].as_bytes()[2 * x] == b'#', *light);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_split_and_can_be_joined() {
        let text = "p\u{e4}ssword = \"0123456789\"\n".repeat(25);
        for room in [17, 32, 106, 300] {
            let pieces = pieces(&text, room).unwrap();
            let many = pieces.len();
            let joined: String = pieces
                .iter()
                .enumerate()
                .map(|(n, piece)| {
                    assert!(piece.len() <= room);
                    piece.strip_prefix(&format!("{}/{many}\n", n + 1)).unwrap()
                })
                .collect();
            assert_eq!(joined, text);
        }
        assert_eq!(
            pieces(&text, text.len()).unwrap(),
            std::slice::from_ref(&text)
        );
        assert_eq!(pieces(&text, 5), None);
    }

    #[test]
    fn there_are_codes_for_every_screen() {
        let text = "#".repeat(600);
        let many = |columns, rows, glyphs| codes(&text, columns, rows, glyphs).unwrap().len();
        assert_eq!(many(80, 24, Glyphs::Blocks), 5);
        assert_eq!(many(80, 24, Glyphs::Ascii), 55);
        assert_eq!(many(128, 48, Glyphs::Blocks), 1);
        assert_eq!(many(200, 60, Glyphs::Ascii), 3);
        assert_eq!(many(20, 9, Glyphs::Blocks), 0);
        for code in codes(&text, 80, 24, Glyphs::Ascii).unwrap() {
            assert!(code.lines(Glyphs::Ascii).len() <= 24);
        }
    }
}
