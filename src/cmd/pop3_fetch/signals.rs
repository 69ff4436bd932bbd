//! Signals that end the session.

use crate::cli::exit::{Failure, Status};
use crate::fetch::session::Stopper;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// SIGINT and SIGTERM end the session that runs: what came whole is made safe.
pub struct Signals {
    current: Arc<Mutex<(bool, Option<Stopper>)>>,
}

impl Signals {
    pub fn watch() -> Result<Signals, Failure> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]);
        let mut signals = signals.map_err(|error| Failure::new(Status::Os, error))?;
        let current: Arc<Mutex<(bool, Option<Stopper>)>> = Arc::default();
        let shared = Arc::clone(&current);
        thread::spawn(move || {
            for _ in signals.forever() {
                let mut current = shared.lock().unwrap_or_else(PoisonError::into_inner);
                current.0 = true;
                if let Some(stopper) = &current.1 {
                    stopper.stop();
                }
            }
        });
        Ok(Signals { current })
    }

    /// A signal came.
    pub fn came(&self) -> bool {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// The session that is to end when one comes; one that came already counts.
    pub fn end(&self, stopper: Stopper) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.0 {
            stopper.stop();
        }
        current.1 = Some(stopper);
    }
}
