//! Something that is done from time to time until it is dropped.

use std::{
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

/// Ends with its drop, and its thread with it.
#[derive(Debug)]
pub struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Does `each` every `period`, the first time after one.
    pub fn start(period: Duration, each: impl Fn() + Send + 'static) -> Self {
        let (stop, stopped) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            while stopped.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                each();
            }
        });
        Self {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // it has nothing to say, even of a panic
            thread.join().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    #[test]
    fn it_ticks_until_it_is_dropped() {
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        let ticker = Ticker::start(Duration::from_millis(1), move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        for _ in 0..10_000 {
            if count.load(Ordering::SeqCst) > 1 {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        drop(ticker);
        let seen = count.load(Ordering::SeqCst);
        assert!(seen > 1);
        thread::sleep(Duration::from_millis(10));
        assert_eq!(count.load(Ordering::SeqCst), seen);
    }
}
