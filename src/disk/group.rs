//! One directory sync for all who wait for one. Only the syncing is shared; what is synced is the caller's.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Syncs run one after the other, and each counts for all whose turn was taken before it began. So a name may be put, its turn taken and
/// other work done before the sync is waited for, which by then may be over.
#[derive(Debug, Default)]
pub struct GroupSync {
    state: Mutex<State>,
    /// Where those of even and of odd turns wait, so that the end of a sync wakes those it counts for and one to begin the next.
    bells: [Condvar; 2],
}

/// The first sync that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn(u64);

#[derive(Debug, Default)]
struct State {
    begun: u64,
    /// At most one less than `begun`, and then a sync runs.
    ended: u64,
    /// How many wait at each bell.
    waiting: [usize; 2],
    /// The latest turn that failed, and how.
    failed: Option<(Turn, Failure)>,
}

#[derive(Debug, Clone, Copy)]
struct Failure {
    code: Option<i32>,
    kind: io::ErrorKind,
}

impl GroupSync {
    /// For what was done before this call.
    pub fn turn(&self) -> Turn {
        Turn(self.lock().begun + 1)
    }

    /// Returns after a call of `sync`, ours or another's, that began after `mine` was taken.
    pub fn sync(&self, mine: Turn, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut state = self.lock();
        let bell = usize::from(mine.0 % 2 == 1);
        loop {
            match state.failed {
                // A later success says nothing about what an earlier failure lost.
                Some((turn, failure)) if turn >= mine => return Err(failure.into()),
                _ if state.ended >= mine.0 => return Ok(()),
                _ if state.ended == state.begun => break,
                _ => {}
            }
            state.waiting[bell] += 1;
            state = self.bells[bell].wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting[bell] -= 1;
        }
        state.begun += 1;
        drop(state);
        let result = sync();
        self.end(bell, &result);
        result
    }

    fn end(&self, bell: usize, result: &io::Result<()>) {
        let mut state = self.lock();
        if let Err(e) = result {
            // Also for those whose turn would be the next: it may have tried to write their names, and the next would not tell.
            state.begun += 1;
            state.failed = Some((Turn(state.begun), Failure { code: e.raw_os_error(), kind: e.kind() }));
        }
        state.ended = state.begun;
        let (ours, others) = (state.waiting[bell], state.waiting[1 - bell]);
        drop(state);
        // To wake nobody would be a system call, too.
        if ours > 0 {
            self.bells[bell].notify_all();
        }
        match result {
            _ if others == 0 => {}
            Ok(()) => self.bells[1 - bell].notify_one(),
            Err(_) => self.bells[1 - bell].notify_all(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
                    group.sync(group.turn(), || {
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
        group.sync(group.turn(), || Ok(())).unwrap();
    }

    #[test]
    fn a_sync_counts_for_turns_taken_before_it_began_and_for_no_other() {
        let group = GroupSync::default();
        let (first, second) = (group.turn(), group.turn());
        let mut during = None;
        group
            .sync(first, || {
                during = Some(group.turn());
                Ok(())
            })
            .unwrap();
        group.sync(second, || panic!("one sync is enough for both")).unwrap();
        let mut synced = false;
        group
            .sync(during.unwrap(), || {
                synced = true;
                Ok(())
            })
            .unwrap();
        assert!(synced, "a name that was put while a sync ran was taken for synced");
    }

    #[test]
    fn a_failure_is_told_to_all_who_came_before_its_end_and_never_tried_again() {
        let group = GroupSync::default();
        let (first, second) = (group.turn(), group.turn());
        let mut during = None;
        let failing = || {
            during = Some(group.turn());
            Err(io::Error::from_raw_os_error(5))
        };
        assert_eq!(group.sync(first, failing).unwrap_err().raw_os_error(), Some(5));
        let after = group.turn();
        group.sync(after, || Ok(())).unwrap();
        for turn in [second, during.unwrap()] {
            assert_eq!(group.sync(turn, || panic!("tried again")).unwrap_err().raw_os_error(), Some(5));
        }
    }

    #[test]
    fn whoever_waits_is_woken() {
        let (group, syncs) = (GroupSync::default(), AtomicU32::new(0));
        let one = || {
            let turn = group.turn();
            let sync = || {
                thread::yield_now();
                // Now and then one fails, which wakes in another way.
                if syncs.fetch_add(1, Ordering::SeqCst) % 7 == 6 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
            };
            let _ = group.sync(turn, sync);
        };
        thread::scope(|scope| (0..16).for_each(|_| drop(scope.spawn(|| (0..500).for_each(|_| one())))));
        assert!(group.state.lock().unwrap().waiting == [0, 0]);
    }
}
