//! One directory sync for all who wait for one. Only the syncing is shared; what is synced is the caller's.

use std::io;
use std::sync::{Condvar, Mutex, PoisonError};

/// Threads that ask while a sync runs share the next one: a sync counts only for those who asked before it began.
#[derive(Debug, Default)]
pub struct GroupSync {
    state: Mutex<State>,
    turn: Condvar,
}

#[derive(Debug, Default)]
struct State {
    begun: u64,
    ended: u64,
    running: bool,
    waiting: usize,
    /// The latest sync that failed, and how.
    failed: Option<(u64, Failure)>,
}

#[derive(Debug, Clone, Copy)]
struct Failure {
    code: Option<i32>,
    kind: io::ErrorKind,
}

impl GroupSync {
    /// Returns after a call of `sync`, ours or another's, that began after this call.
    pub fn sync(&self, sync: impl Fn() -> io::Result<()>) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = state.begun + 1;
        while state.ended < mine {
            if state.running {
                state.waiting += 1;
                state = self.turn.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.waiting -= 1;
                continue;
            }
            state.running = true;
            state.begun += 1;
            drop(state);
            let result = sync();
            state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.running = false;
            state.ended = state.begun;
            if let Err(e) = result {
                state.failed = Some((state.ended, Failure { code: e.raw_os_error(), kind: e.kind() }));
            }
            if state.waiting > 0 {
                self.turn.notify_all();
            }
        }
        match state.failed {
            // A later success says nothing about what an earlier failure lost.
            Some((turn, failure)) if turn >= mine => Err(failure.into()),
            _ => Ok(()),
        }
    }
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> io::Error {
        failure.code.map_or_else(|| failure.kind.into(), io::Error::from_raw_os_error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;
    use std::time::Duration;

    #[test]
    fn those_who_wait_share_a_sync_and_its_failure() {
        let (group, syncs) = (Arc::new(GroupSync::default()), Arc::new(AtomicU32::new(0)));
        let threads: Vec<_> = (0..16)
            .map(|_| {
                let (group, syncs) = (group.clone(), syncs.clone());
                thread::spawn(move || {
                    group.sync(|| {
                        thread::sleep(Duration::from_millis(20));
                        syncs.fetch_add(1, Ordering::SeqCst);
                        Err(io::ErrorKind::StorageFull.into())
                    })
                })
            })
            .collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap().unwrap_err().kind(), io::ErrorKind::StorageFull);
        }
        assert!(syncs.load(Ordering::SeqCst) < 16, "no sync was shared");
        group.sync(|| Ok(())).unwrap();
    }
}
