//! What a program has drawn on its terminal: as much of a terminal as the form makes use of.

/// A screen of 80 columns and 24 rows.
pub struct Screen {
    cells: Vec<Vec<char>>,
    at: (usize, usize),
    /// The beginning of a sequence, or of a character.
    begun: Vec<u8>,
    /// Others write here, too, and what they use does not matter.
    shared: bool,
}

impl Screen {
    pub fn new() -> Self {
        Self {
            cells: vec![vec![' '; 80]; 24],
            at: (0, 0),
            begun: Vec::new(),
            shared: false,
        }
    }

    /// The screen of a serial line, which systemd and the kernel write to as well.
    #[allow(dead_code, reason = "for the tests on a machine")]
    pub fn of_a_line() -> Self {
        Self {
            shared: true,
            ..Self::new()
        }
    }

    /// Takes what was written.
    pub fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.begun.push(*byte);
            match self.begun[..] {
                [0x1b] | [0x1b, b'['] | [0x1b, b']'] => {}
                [0x1b, b']', .., last] if last != 7 => {}
                [0x1b, b'[', .., last] if !(0x40..=0x7e).contains(&last) => {}
                [0x1b, ..] => self.sequence(),
                _ => self.character(),
            }
        }
    }

    /// Its lines.
    pub fn text(&self) -> String {
        let line = |cells: &Vec<char>| cells.iter().collect::<String>().trim_end().to_owned();
        self.cells.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn sequence(&mut self) {
        let text = String::from_utf8_lossy(&std::mem::take(&mut self.begun)).into_owned();
        let numbers = text.trim_start_matches("\x1b[");
        let (numbers, last) = numbers.split_at(numbers.len() - 1);
        let mut numbers = numbers.split(';').map(|n| n.parse::<usize>().unwrap_or(1));
        match last {
            "H" => {
                let (y, x) = (numbers.next().unwrap_or(1), numbers.next().unwrap_or(1));
                self.at = (x.max(1) - 1, y.clamp(1, 24) - 1);
            }
            // all of it, or what comes after the cursor
            "J" => {
                let (x, y) = self.at;
                let all = text == "\x1b[2J";
                for (n, row) in self.cells.iter_mut().enumerate() {
                    let from = if all || n > y {
                        0
                    } else if n == y {
                        x
                    } else {
                        80
                    };
                    row[from..].fill(' ');
                }
            }
            // colours, modes
            "m" | "h" | "l" => {}
            _ => assert!(self.shared, "the form has used {text:?}"),
        }
    }

    fn character(&mut self) {
        let Ok(text) = std::str::from_utf8(&self.begun) else {
            return;
        };
        let (x, y) = &mut self.at;
        for c in text.chars() {
            match c {
                '\r' => *x = 0,
                '\n' => *y = (*y + 1).min(23),
                c => {
                    if let Some(cell) = self.cells[*y].get_mut(*x) {
                        *cell = c;
                    }
                    *x += 1;
                }
            }
        }
        self.begun.clear();
    }
}
