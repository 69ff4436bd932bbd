//! Signals that end the session, and the wait between sessions.

use crate::cli::exit::{Failure, Status};
use crate::cli::signal::{heeded, take_over};
use crate::fetch::session::Stopper;
use signal_hook::low_level;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Default)]
struct Shared {
    current: Mutex<Current>,
    bell: Condvar,
    came: Arc<AtomicBool>,
}

/// Who sends a signal this long after the first one does not wait any more. What comes sooner belongs to the first: a terminal that is closed
/// sends several.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Current {
    stopper: Option<Stopper>,
    /// When the first signal came.
    since: Option<Instant>,
}

/// SIGINT, SIGTERM and SIGHUP end the session that runs: what came whole is made safe. One that comes behind them ends the tool as it stands, as
/// a kill would.
pub struct Signals(Arc<Shared>);

impl Signals {
    pub fn watch() -> Result<Signals, Failure> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let heard = heeded(&[SIGINT, SIGTERM, SIGHUP]);
        let signals = signal_hook::iterator::Signals::new(&heard);
        let mut signals = signals.map_err(|error| Failure::new(Status::Os, error))?;
        take_over(&heard);
        let shared: Arc<Shared> = Arc::default();
        let ours = Arc::clone(&shared);
        thread::spawn(move || {
            for signal in signals.forever() {
                let mut current = lock(&ours.current);
                if current.since.get_or_insert_with(Instant::now).elapsed() >= PATIENCE {
                    // Where that is not to be had, the first signal's end is.
                    let _ = low_level::emulate_default_handler(signal);
                }
                ours.came.store(true, Ordering::SeqCst);
                if let Some(stopper) = &current.stopper {
                    stopper.stop();
                }
                ours.bell.notify_all();
            }
        });
        Ok(Signals(shared))
    }

    /// A signal came.
    pub fn came(&self) -> bool {
        self.0.came.load(Ordering::SeqCst)
    }

    /// Is set when a signal comes, for what runs meanwhile.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0.came)
    }

    /// The session that is to end when one comes; one that came already counts.
    pub fn end(&self, stopper: Stopper) {
        let mut current = lock(&self.0.current);
        if self.came() {
            stopper.stop();
        }
        current.stopper = Some(stopper);
    }

    /// Waits so long; true: a signal came.
    pub fn wait(&self, time: Duration) -> bool {
        let waited = self.0.bell.wait_timeout_while(lock(&self.0.current), time, |_| !self.came());
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        self.came()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
