//! What is printed: a row for each figure, a column for each server, and the ratios.

use crate::server::Server;

/// The figures of one server, in the order of the rows.
#[derive(Debug, Clone)]
pub struct Column {
    /// Whose.
    pub server: Server,
    figures: Vec<(String, f64)>,
}

impl Column {
    /// Without a figure so far.
    pub fn new(server: Server) -> Self {
        Self {
            server,
            figures: Vec::new(),
        }
    }

    /// One more row.
    pub fn add(&mut self, row: String, value: f64) {
        self.figures.push((row, value));
    }

    fn get(&self, row: &str) -> Option<f64> {
        let found = self.figures.iter().find(|(name, _)| name == row);
        found.map(|(_, value)| *value)
    }
}

/// The smallest value that at least `percent` of a hundred are not above (nearest rank); 0 of none.
pub fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (values.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// The table. Where a server was not measured, a dash.
pub fn table(columns: &[Column]) -> String {
    let mut text = format!(
        "{:32}{:>10}{:>10}{:>10}{:>16}{:>14}\n",
        "", "ours", "unsynced", "Debian", "ours/unsynced", "ours/Debian"
    );
    let of = |server: Server, row: &str| {
        let column = columns.iter().find(|c| c.server == server);
        column.and_then(|column| column.get(row))
    };
    let rows = columns.first().map_or(&[][..], |c| &c.figures);
    for (row, _) in rows {
        let [ours, stock, debian] =
            [Server::Ours, Server::Stock, Server::Debian].map(|server| of(server, row));
        let ratio = |other: Option<f64>| match (ours, other) {
            (Some(ours), Some(other)) if other > 0.0 => Some(ours / other),
            _ => None,
        };
        text.push_str(&format!(
            "{row:32}{:>10}{:>10}{:>10}{:>16}{:>14}\n",
            number(ours),
            number(stock),
            number(debian),
            number(ratio(stock)),
            number(ratio(debian))
        ));
    }
    text
}

/// Three digits are all that a figure of this kind is good for.
fn number(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value >= 100.0 => format!("{value:.0}"),
        Some(value) if value >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

#[test]
fn ranks_are_the_nearest() {
    let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
    assert_eq!(percentile(&hundred, 50), 50.0);
    assert_eq!(percentile(&hundred, 99), 99.0);
    assert_eq!(percentile(&[3.0, 1.0, 2.0], 50), 2.0);
    assert_eq!(percentile(&[3.0, 1.0, 2.0], 99), 3.0);
    assert_eq!(percentile(&[], 99), 0.0);
}

#[test]
fn ratios_are_of_ours_and_a_dash_where_nobody_was_measured() {
    let mut ours = Column::new(Server::Ours);
    ours.add("in, 1 KB: messages a second".into(), 12.34);
    let mut debian = Column::new(Server::Debian);
    debian.add("in, 1 KB: messages a second".into(), 100.4);
    let text = table(&[ours, debian]);
    let words: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(words[6..], ["12.3", "-", "100", "-", "0.12"], "{text}");
}
