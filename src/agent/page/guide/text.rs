//! The guide in words, for the page and for `mailctl guide`.

use super::{Guide, State, Step};
use crate::agent::page::layout::{Block, Style};

/// Said when nothing is left.
pub const DONE: &str = "All is set for mail: DNS records, port 25, a message in and one out.";

/// The steps that are right, in one sentence; none before the first is. One may be left out, of which the
/// page says something else.
pub fn right(guide: &Guide, without: Option<&str>) -> Option<String> {
    let told = |step: &&Step| step.state == State::Right && Some(step.name.as_str()) != without;
    let right = guide.steps.iter().filter(told);
    let names: Vec<&str> = right.map(|s| s.name.as_str()).collect();
    (!names.is_empty()).then(|| format!("Right so far: {}.", names.join(", ")))
}

/// What there is to say about the steps that are left, and how it is meant.
pub fn left(guide: &Guide) -> Vec<(Style, &str)> {
    let left = guide.steps.iter().filter(|s| s.state != State::Right);
    let items = left.flat_map(|step| step.items.iter().map(|item| (style(step), item.as_str())));
    items.collect()
}

fn style(step: &Step) -> Style {
    match step.state {
        State::Wrong => Style::Bad,
        _ => Style::Plain,
    }
}

/// [`left`] as a list, as much of it as fits in so many lines; the last one counts the rest.
pub fn fit(guide: &Guide, room: usize) -> Block {
    let left = left(guide);
    let mut block = Block::default();
    for (n, (style, text)) in left.iter().enumerate() {
        let mut more = block.clone();
        more.add(*style, &format!(" - {text}"));
        let spare = usize::from(n + 1 < left.len());
        if more.len() + spare > room {
            let rest = left.len() - n;
            block.add(
                Style::Plain,
                &format!(" - and {rest} more: 'mailctl guide' has all of them"),
            );
            return block;
        }
        block = more;
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str, state: State, items: &[&str]) -> Step {
        Step {
            name: name.to_owned(),
            state,
            items: items.iter().map(|i| (*i).to_owned()).collect(),
        }
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let long = "word ".repeat(20);
        let guide = Guide {
            looked: 0,
            changed: 0,
            outside: 0,
            read: 0,
            known: std::collections::BTreeMap::new(),
            steps: vec![
                step("A", State::Right, &["is not told"]),
                step("B", State::Missing, &["one", &long]),
                step("C", State::Wrong, &["two"]),
            ],
        };
        assert_eq!(right(&guide, None).as_deref(), Some("Right so far: A."));
        assert_eq!(right(&guide, Some("A")), None);
        let lines = |room| fit(&guide, room).len();
        // one, the long one in two lines, two
        assert_eq!(lines(9), 4);
        assert_eq!(lines(4), 4);
        // one, and the count
        assert_eq!(lines(3), 2);
        assert_eq!(lines(1), 1);
        assert_eq!(left(&guide)[2], (Style::Bad, "two"));
    }
}
