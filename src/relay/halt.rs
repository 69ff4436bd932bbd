//! The end of a pass from outside: nothing new is begun, no wait goes on, and every session is told to come to its end.

use super::session::Stopper;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Ends passes, from any thread.
#[derive(Debug, Default)]
pub struct Halt {
    over: Arc<AtomicBool>,
    sessions: Mutex<Sessions>,
}

#[derive(Debug, Default)]
struct Sessions {
    count: u64,
    running: HashMap<u64, Stopper>,
}

/// Where a session that goes on is known, one after the other, until this is dropped.
#[derive(Debug)]
pub struct Seat<'a> {
    halt: &'a Halt,
    number: u64,
}

impl Halt {
    pub fn stop(&self) {
        let sessions = self.lock();
        self.over.store(true, Ordering::SeqCst);
        for session in sessions.running.values() {
            session.stop();
        }
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Is set at [`Halt::stop`], for what looks by itself.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.over)
    }

    pub fn seat(&self) -> Seat<'_> {
        let mut sessions = self.lock();
        sessions.count += 1;
        Seat { halt: self, number: sessions.count }
    }

    fn lock(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat<'_> {
    /// A session begins. One that begins too late is stopped at once.
    pub fn begun(&self, session: Stopper) {
        let mut sessions = self.halt.lock();
        if self.halt.is_over() {
            session.stop();
        }
        sessions.running.insert(self.number, session);
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.halt.lock().running.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::mailbox::mailbox;

    #[test]
    fn sessions_are_stopped_that_go_on_and_that_begin_too_late() {
        let halt = Halt::default();
        let (seat, other) = (halt.seat(), halt.seat());
        let ((over, past), (running, now), (late, last)) = (mailbox().unwrap(), mailbox().unwrap(), mailbox().unwrap());
        seat.begun(over);
        seat.begun(running);
        halt.stop();
        other.begun(late);
        assert_eq!([past.stopped(), now.stopped(), last.stopped()], [false, true, true]);
        drop((seat, other));
        assert!(halt.is_over() && halt.lock().running.is_empty());
    }
}
