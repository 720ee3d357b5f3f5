//! What happened lately: points in a sliding window, and a bucket that fills again.

use std::collections::VecDeque;

use super::limits::DAY;

/// The most entries of a window: more would be over every limit.
const ENTRIES: usize = 128;

/// Points with their times, of the last day.
#[derive(Debug, Default)]
pub(super) struct Window(VecDeque<(i64, u32)>);

impl Window {
    pub(super) fn push(&mut self, now: i64, points: u32) {
        self.forget(now);
        if self.0.len() == ENTRIES {
            self.0.pop_front();
        }
        self.0.push_back((now, points));
    }

    /// The points of the last `span` seconds.
    pub(super) fn sum(&self, now: i64, span: i64) -> u32 {
        let recent = self.0.iter().rev().take_while(|(at, _)| *at > now - span);
        recent.map(|(_, points)| points).sum()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether nothing of the last day is in it.
    pub(super) fn is_over(&self, now: i64) -> bool {
        self.0.back().is_none_or(|(at, _)| *at <= now - DAY)
    }

    fn forget(&mut self, now: i64) {
        while self.0.front().is_some_and(|(at, _)| *at <= now - DAY) {
            self.0.pop_front();
        }
    }
}

/// So many at once, and so many a minute after that.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    left: u32,
    filled: i64,
}

impl Bucket {
    pub(super) fn full(most: u32, now: i64) -> Self {
        let filled = now;
        Self { left: most, filled }
    }

    /// Takes one, if one is left; `most` fit, and as many come again in a minute.
    pub(super) fn take(&mut self, now: i64, most: u32) -> bool {
        let passed = (now - self.filled).clamp(0, 60);
        let more = u32::try_from(passed).unwrap_or(60) * most / 60;
        if more > 0 || now < self.filled {
            self.left = (self.left + more).min(most);
            self.filled = now;
        }
        let any = self.left > 0;
        self.left = self.left.saturating_sub(1);
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_slides() {
        let mut window = Window::default();
        for time in [0, 100, 200] {
            window.push(time, 2);
        }
        assert_eq!(window.sum(200, 600), 6);
        assert_eq!(window.sum(200, 101), 4);
        assert_eq!(window.sum(600, 600), 4);
        assert!(!window.is_over(200 + DAY - 1));
        assert!(window.is_over(200 + DAY));
        window.push(100 + DAY, 1);
        assert_eq!(window.sum(100 + DAY, DAY), 3);
    }

    #[test]
    fn a_window_does_not_grow() {
        let mut window = Window::default();
        (0..1000).for_each(|now| window.push(now, 1));
        assert_eq!(window.0.len(), ENTRIES);
    }

    #[test]
    fn a_bucket_fills_again() {
        let mut bucket = Bucket::full(6, 0);
        assert_eq!((0..10).filter(|_| bucket.take(0, 6)).count(), 6);
        assert!(!bucket.take(9, 6));
        assert!(bucket.take(10, 6));
        assert!(!bucket.take(11, 6));
        assert_eq!((0..10).filter(|_| bucket.take(1000, 6)).count(), 6);
        // a clock that was set back stops nobody for ever
        assert!(!bucket.take(0, 6));
        assert!(bucket.take(10, 6));
    }
}
