//! Mail that keeps arriving from outside, and when each message of it was accepted.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Scope},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::{
    run,
    world::{
        World,
        addresses::{Family, SENDER},
        appliance::Appliance,
        client::Port,
        message::Mail,
    },
};

/// A message that the server has taken over.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// Its Message-ID.
    pub id: String,
    /// When the server's 250 was read, in seconds since 1970 by this machine's clock.
    pub at: f64,
}

/// The sender.
pub struct Traffic {
    stop: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
    arrived: Arc<Mutex<Vec<Arrived>>>,
}

impl Traffic {
    /// Begins to send, one message after the other.
    pub fn start<'scope>(scope: &'scope Scope<'scope, '_>, world: &'scope World, to: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let ended = Arc::new(AtomicBool::new(false));
        let arrived: Arc<Mutex<Vec<Arrived>>> = Arc::default();
        let to = to.to_owned();
        let (stopped, done, list) = (stop.clone(), ended.clone(), arrived.clone());
        scope.spawn(move || {
            for number in 0..400 {
                let mail = Mail::new("peer@example.com", &to, &format!("traffic-{number}"));
                let mail = world.sign(mail).unwrap();
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                // held, or gone: then it was not accepted
                let sender = world.client(SENDER, Family::V4);
                if sender.deliver(Port::Smtp, None, &mail).is_ok() {
                    list.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(Arrived {
                            id: mail.id,
                            at: now(),
                        });
                }
                thread::sleep(Duration::from_millis(500));
            }
            done.store(true, Ordering::SeqCst);
        });
        Self {
            stop,
            ended,
            arrived,
        }
    }

    fn count(&self) -> usize {
        self.arrived
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Waits until so many more have arrived.
    pub fn wait_for(&self, more: usize) {
        let wanted = self.count() + more;
        let deadline = Instant::now() + Duration::from_secs(600);
        while self.count() < wanted {
            assert!(Instant::now() < deadline, "mail has stopped arriving");
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// How many seconds the machine's clock is ahead of this one's, at least.
    pub fn clock_ahead(&self, machine: &Appliance) -> f64 {
        let there: f64 = run(machine, "date +%s.%N").trim().parse().unwrap();
        there - now()
    }

    /// Ends it when the message that is under way has arrived; what has arrived.
    pub fn stop(self) -> Vec<Arrived> {
        self.stop.store(true, Ordering::SeqCst);
        while !self.ended.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(100));
        }
        let arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        arrived.clone()
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64()
}
