//! SIGINT, SIGTERM and SIGHUP: they end what is watched; SIGINT at a prompt what a command shows; else they end the tool, with a farewell to the server.

use crate::browse::session::Stopper;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::pager::Program;
use crate::cli::signal::{heeded, take_over};
use crate::cli::stdio::say;
use crate::protocol::imap::words::ClientTell;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What a command that is under way may still take, and the LOGOUT behind it.
const GRACE: Duration = Duration::from_secs(1);
/// What is then left may still take, as to make safe what came: a terminal that is held, or a pipe that nobody reads, takes nothing for ever.
const LAST: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);
/// After which it is said that a server still sends what nobody wants to see.
const LONG: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    bell: Condvar,
    interrupted: Arc<AtomicBool>,
    pager: Program,
}

#[derive(Default)]
struct State {
    started: bool,
    at_prompt: bool,
    /// The shell's own session.
    session: Option<Stopper>,
    /// The next line of the script is waited for, which no signal cuts short.
    reading: bool,
    /// A typed command runs.
    running: bool,
    /// The script is to end.
    over: bool,
    watch: Option<Watching>,
}

#[derive(Default)]
struct Watching {
    ended: bool,
    /// Somebody wants it to end, not the clock.
    by_signal: bool,
    /// The tool is to end, too.
    for_good: bool,
    /// Of the sessions that take part.
    stoppers: BTreeMap<usize, Stopper>,
}

/// Whether somebody at a prompt has seen enough of an answer, the rest of which still comes.
#[derive(Default)]
pub struct Enough {
    flag: Option<Arc<AtomicBool>>,
    since: Option<Instant>,
    told: bool,
}

impl Enough {
    pub fn new(flag: Option<Arc<AtomicBool>>) -> Enough {
        Enough { flag, ..Enough::default() }
    }

    /// Tells once what can be done about a rest that takes long: no command of IMAP breaks another off.
    pub fn is_enough(&mut self) -> bool {
        if !self.flag.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed)) {
            return false;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() > LONG && !std::mem::replace(&mut self.told, true) {
            say("imap-shell: the server still sends the rest, which is dropped; Ctrl-C again ends the session");
        }
        true
    }

    /// It was so while the answer came.
    pub fn was_enough(&self) -> bool {
        self.since.is_some()
    }
}

/// Hears signals, once [`Signals::start`] was called.
#[derive(Default, Clone)]
pub struct Signals(Arc<Shared>);

impl Signals {
    /// `pager`: what shows long output.
    pub fn new(pager: Program) -> Signals {
        Signals(Arc::new(Shared { pager, ..Shared::default() }))
    }

    /// `at_prompt`: Ctrl-C ends what a command shows; a second one the session, for a server may never answer.
    pub fn start(&self, at_prompt: bool) -> Result<(), Failure> {
        let mut state = self.state();
        state.at_prompt |= at_prompt;
        if std::mem::replace(&mut state.started, true) {
            return Ok(());
        }
        let heeded = heeded(&[SIGINT, SIGTERM, SIGHUP]);
        let mut signals = signal_hook::iterator::Signals::new(&heeded).or_status(Status::Os)?;
        take_over(&heeded);
        let ours = self.clone();
        thread::spawn(move || signals.forever().for_each(|signal| ours.came(signal)));
        Ok(())
    }

    /// Ctrl-C came while a command ran: nothing more of it is shown.
    pub fn interrupted(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0.interrupted)
    }

    /// The shell's own session is this one from now on.
    pub fn session(&self, stopper: Stopper) {
        self.state().session = Some(stopper);
    }

    /// Something is watched from now on, until [`Signals::finish`].
    pub fn watch(&self) {
        self.state().watch = Some(Watching::default());
    }

    /// Session `number` of those that watch is to end with the others; one that comes too late ends at once.
    pub fn take_part(&self, number: usize, stopper: Stopper) {
        if let Some(watch) = &mut self.state().watch {
            watch.stoppers.insert(number, stopper);
        }
    }

    /// The watch is to end.
    pub fn end(&self) {
        if let Some(watch) = &mut self.state().watch {
            watch.end();
        }
        self.0.bell.notify_all();
    }

    /// It was not to end after all, unless a signal came meanwhile.
    pub fn go_on(&self) {
        if let Some(watch) = &mut self.state().watch {
            watch.ended = watch.by_signal;
        }
    }

    pub fn came_by_signal(&self) -> bool {
        self.state().watch.as_ref().is_some_and(|watch| watch.by_signal)
    }

    pub fn has_ended(&self) -> bool {
        self.state().watch.as_ref().is_none_or(|watch| watch.ended)
    }

    /// Waits so long, or until it is to end: true.
    pub fn wait(&self, time: Duration) -> bool {
        let over = |state: &mut State| state.watch.as_ref().is_some_and(|watch| !watch.ended);
        let waited = self.0.bell.wait_timeout_while(self.state(), time, over);
        waited.unwrap_or_else(PoisonError::into_inner).0.watch.as_ref().is_none_or(|watch| watch.ended)
    }

    /// Nothing is watched any more. True: a signal ended it that ends more than that.
    pub fn finish(&self) -> bool {
        let mut state = self.state();
        let watch = state.watch.take().unwrap_or_default();
        watch.by_signal && (watch.for_good || !state.at_prompt)
    }

    fn came(&self, signal: i32) {
        let mut state = self.state();
        if let Some(watch) = state.watch.as_mut().filter(|watch| !watch.by_signal) {
            (watch.by_signal, watch.for_good) = (true, signal != SIGINT);
            watch.end();
            drop(state);
            self.0.bell.notify_all();
        } else if signal == SIGINT && self.0.pager.is_whole() {
            // Ctrl-C in a pager is for the pager.
        } else if state.at_prompt && signal == SIGINT {
            if let Some(session) = state.session.as_ref().filter(|_| state.running) {
                session.tell(ClientTell::EndIdle);
                if self.0.interrupted.swap(true, Ordering::Relaxed) {
                    session.stop();
                }
            }
        } else if let Some(session) = state.session.clone().filter(|_| !(state.at_prompt && state.over)) {
            let again = std::mem::replace(&mut state.over, true);
            if state.at_prompt {
                self.0.interrupted.store(true, Ordering::Relaxed);
            }
            drop(state);
            if again { session.stop() } else { self.farewell(session, signal != SIGINT) }
        } else {
            drop(state);
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    }

    /// Runs one command at a prompt, which Ctrl-C may break off.
    pub fn while_running<T>(&self, run: impl FnOnce() -> T) -> T {
        self.0.interrupted.store(false, Ordering::Relaxed);
        self.state().running = true;
        let done = run();
        self.state().running = false;
        done
    }

    /// LOGOUT behind the command that is under way, if that ends in time. `at_once`: nobody reads on in a pager.
    fn farewell(&self, session: Stopper, at_once: bool) {
        session.tell(ClientTell::EndIdle);
        session.tell(ClientTell::Quit);
        let ours = self.clone();
        thread::spawn(move || {
            if at_once {
                ours.0.pager.end();
            }
            thread::sleep(GRACE);
            session.stop();
            let stopped = Instant::now();
            while !ours.state().reading && stopped.elapsed() < LAST {
                thread::sleep(LOOK);
            }
            // Elsewhere stderr may be what is stuck.
            if ours.state().reading {
                say("imap-shell: ended by a signal");
            }
            std::process::exit(Status::TryAgain as i32);
        });
    }

    /// A signal came that ends the script.
    pub fn is_over(&self) -> bool {
        self.state().over
    }

    /// Waits for the next line of the script by `read`.
    pub fn while_reading<T>(&self, read: impl FnOnce() -> T) -> T {
        self.state().reading = true;
        let line = read();
        self.state().reading = false;
        line
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watching {
    fn end(&mut self) {
        self.ended = true;
        for stopper in self.stoppers.values() {
            stopper.tell(ClientTell::EndIdle);
        }
    }
}
