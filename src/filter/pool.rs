//! A bounded number of threads that work off a queue, first come first served.

use std::{
    collections::VecDeque,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use super::log::{Level, log};

/// A thread's stack: the largest things on it are buffers of 16 KiB.
const STACK: usize = 512 * 1024;

/// The threads and what waits for them.
pub(super) struct Pool<J> {
    shared: Arc<Shared<J>>,
    limit: usize,
}

struct Shared<J> {
    state: Mutex<State<J>>,
    wake: Condvar,
    work: Box<dyn Fn(J) + Send + Sync>,
}

struct State<J> {
    queue: VecDeque<J>,
    threads: usize,
    idle: usize,
}

impl<J: Send + 'static> Pool<J> {
    /// A pool that starts up to `limit` threads, as they are needed, to run `work`.
    pub(super) fn new(limit: usize, work: impl Fn(J) + Send + Sync + 'static) -> Self {
        let state = State {
            queue: VecDeque::new(),
            threads: 0,
            idle: 0,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            wake: Condvar::new(),
            work: Box::new(work),
        });
        Self { shared, limit }
    }

    /// Queues a job and returns at once.
    ///
    /// # Errors
    /// Gives the job back when no thread runs and none can be started.
    pub(super) fn submit(&self, job: J) -> Result<(), (J, io::Error)> {
        let mut state = self.shared.lock();
        state.queue.push_back(job);
        if state.idle >= state.queue.len() || state.threads >= self.limit {
            self.shared.wake.notify_one();
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let started = thread::Builder::new()
            .name("message".to_owned())
            .stack_size(STACK)
            .spawn(move || shared.run());
        match started {
            Ok(_) => state.threads += 1,
            // the others will get to it
            Err(_) if state.threads > 0 => self.shared.wake.notify_one(),
            Err(error) => {
                if let Some(job) = state.queue.pop_back() {
                    return Err((job, error));
                }
            }
        }
        Ok(())
    }
}

impl<J> Shared<J> {
    fn lock(&self) -> MutexGuard<'_, State<J>> {
        // nothing under this lock can leave the queue half changed
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                drop(state);
                if catch_unwind(AssertUnwindSafe(|| (self.work)(job))).is_err() {
                    log(
                        Level::Error,
                        "internal error in a message's thread, please report it",
                    );
                }
                state = self.lock();
            } else {
                state.idle += 1;
                state = self
                    .wake
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn every_job_is_done_within_the_limit_and_a_panic_stops_nothing() {
        let (send, receive) = mpsc::channel();
        let running = Mutex::new((0, 0));
        let pool = Pool::new(3, move |n: u32| {
            {
                let mut running = running.lock().unwrap();
                running.0 += 1;
                running.1 = running.1.max(running.0);
            }
            thread::yield_now();
            let most = {
                let mut running = running.lock().unwrap();
                running.0 -= 1;
                running.1
            };
            send.send((n, most)).unwrap();
            assert!(!n.is_multiple_of(10), "a panic on purpose");
        });
        for n in 0..100 {
            assert!(pool.submit(n).is_ok());
        }
        let mut done: Vec<(u32, i32)> = receive.iter().take(100).collect();
        done.sort_unstable();
        assert!(done.iter().map(|d| d.0).eq(0..100));
        assert!(done.iter().all(|d| d.1 <= 3));
    }
}
