//! Signals that end or stop a tool, where something has to be set right before they do: a terminal that does not echo, a program that would be left
//! behind. What a signal does belongs to the process, and so does the note of which ones the tool sees to itself.

use signal_hook::{SigId, flag, low_level};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

/// What stands between a signal and what the system does at it.
struct Kept {
    /// The tool ends in order at these, by handlers of its own.
    ours: Vec<i32>,
    /// What does as the system does, at signals that were held before: once caught, they do nothing by themselves.
    defaults: Vec<(i32, SigId)>,
    /// How many hold signals now, and that it is none.
    held: usize,
    nobody: LazyLock<Arc<AtomicBool>>,
}

static KEPT: Mutex<Kept> =
    Mutex::new(Kept { ours: Vec::new(), defaults: Vec::new(), held: 0, nobody: LazyLock::new(Arc::default) });

fn kept() -> MutexGuard<'static, Kept> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Those of `signals` that whoever started the tool did not have it ignore, as nohup does with SIGHUP.
pub fn heeded(signals: &[i32]) -> Vec<i32> {
    signals.iter().copied().filter(|signal| !is_ignored(*signal)).collect()
}

/// From now on the tool's own handlers, which are there already, see to these signals.
pub fn take_over(signals: &[i32]) {
    let mut kept = kept();
    kept.ours.extend(signals);
    kept.defaults.retain(|(number, id)| !(signals.contains(number) && low_level::unregister(*id)));
}

/// Whether whoever started us wants this signal to do nothing, as nohup(1) does. Unknown (no /proc) is no.
fn is_ignored(number: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask >> (number - 1) & 1 == 1)
}

/// Signals that do nothing but being noted while this lives. Afterwards they do what they always do.
pub struct Held(Vec<(i32, Arc<AtomicBool>, SigId)>);

impl Held {
    pub fn watch(signals: &[i32]) -> io::Result<Held> {
        let mut kept = kept();
        kept.nobody.store(false, Ordering::SeqCst);
        kept.held += 1;
        let mut held = Held(Vec::new());
        let watched = signals.iter().filter(|number| !is_ignored(**number)).try_for_each(|&number| {
            if !kept.ours.contains(&number) && kept.defaults.iter().all(|(other, _)| *other != number) {
                let id = flag::register_conditional_default(number, Arc::clone(&kept.nobody))?;
                kept.defaults.push((number, id));
            }
            let seen = Arc::new(AtomicBool::new(false));
            let id = flag::register(number, Arc::clone(&seen))?;
            held.0.push((number, seen, id));
            Ok(())
        });
        drop(kept);
        watched.map(|()| held)
    }

    /// One that came since this was asked last.
    pub fn caught(&self) -> Option<i32> {
        self.0.iter().find(|(_, seen, _)| seen.swap(false, Ordering::SeqCst)).map(|(number, ..)| *number)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for (_, _, id) in &self.0 {
            low_level::unregister(*id);
        }
        let mut kept = kept();
        kept.held -= 1;
        kept.nobody.store(kept.held == 0, Ordering::SeqCst);
    }
}

/// Does what the signal does: ends or stops the tool. True: the tool sees to it itself.
pub fn obey(number: i32) -> io::Result<bool> {
    if kept().ours.contains(&number) {
        return Ok(true);
    }
    low_level::emulate_default_handler(number).map(|()| false)
}
