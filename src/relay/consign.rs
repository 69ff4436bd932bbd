//! A message in its turn: claimed once, its recipients with different next hops, each group a job that may run on a thread of its own.
//! When the last job is done, or dropped, the turn ends.

use super::desk::{Desk, Trouble};
use super::session::{Via, Word};
use super::settle::{self, Turn};
use crate::disk::spool::mark::Mark;
use crate::disk::spool::message::{Body, Message};
use crate::mail::address::ForwardPath;
use crate::mail::envelope::Envelope;
use crate::mail::outcome::Outcome;
use crate::mail::queue_id::QueueId;
use jiff::Timestamp;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// How many messages are in their turn, and the children that they brought forth.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<Counted>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Counted {
    open: usize,
    children: Vec<QueueId>,
}

/// A message that is ours until its last job is done.
pub struct Consignment<'a> {
    desk: &'a Desk<'a>,
    pub id: QueueId,
    pub envelope: Envelope,
    pub arrival: Timestamp,
    pub size: u64,
    pub eight_bit: bool,
    state: Mutex<State>,
    gate: Arc<Gate>,
}

struct State {
    message: Option<Message>,
    turn: Turn,
    open_jobs: usize,
    unreadable: Option<io::Error>,
}

/// Why a job did not come to its end by itself.
#[derive(Debug)]
pub enum Cut {
    /// The body could not be read to its end.
    Unreadable(io::Error),
    /// The pass was told to stop: recipients without a result were not tried.
    Stopped,
}

/// Some recipients of a message, on their way to one next hop. Dropped, they were not tried.
pub struct Job<'a> {
    pub consignment: Arc<Consignment<'a>>,
    pub places: Vec<usize>,
}

impl Gate {
    /// Waits until fewer than `most` messages are in their turn, and counts one more.
    pub fn enter(&self, most: usize) {
        let mut state = self.lock();
        while state.open >= most.max(1) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.open += 1;
    }

    /// Waits for children; none once nothing is in its turn that could bring any forth.
    pub fn children(&self) -> Vec<QueueId> {
        let mut state = self.lock();
        while state.children.is_empty() && state.open > 0 {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::take(&mut state.children)
    }

    pub fn add(&self, children: Vec<QueueId>) {
        self.lock().children.extend(children);
        self.changed.notify_all();
    }

    pub fn leave(&self) {
        self.lock().open -= 1;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Consignment<'a> {
    /// Takes a message that entered `gate`. `turn` holds what was decided without a job.
    pub fn open(desk: &'a Desk<'a>, gate: Arc<Gate>, message: Message, turn: Turn, jobs: usize) -> Arc<Consignment<'a>> {
        Arc::new(Consignment {
            desk,
            id: message.id().clone(),
            envelope: message.envelope().clone(),
            arrival: message.arrival().at,
            size: message.size(),
            eight_bit: message.is_eight_bit(),
            state: Mutex::new(State { message: Some(message), turn, open_jobs: jobs, unreadable: None }),
            gate,
        })
    }

    /// Ends the turn of a message that needs no job.
    pub fn close_at_once(desk: &'a Desk<'a>, gate: Arc<Gate>, message: Message, turn: Turn) {
        Consignment::open(desk, gate, message, turn, 1).skip();
    }

    /// The body from its start; none once the turn is over.
    pub fn body(&self) -> Option<Body> {
        self.lock().message.as_ref().map(Message::body)
    }

    /// An order by hand stands for the message: it is not to be tried any further.
    pub fn is_ordered(&self) -> bool {
        let order = match self.desk.spool.standing_order(&self.id) {
            Ok(order) => order,
            Err(error) => {
                // There may be one: what was confirmed to be held or deleted is not sent.
                self.desk.trouble(Some(&self.id), error);
                return true;
            }
        };
        let mut state = self.lock();
        state.turn.order = order.or(state.turn.order);
        state.turn.order.is_some()
    }

    fn skip(&self) {
        let state = self.lock();
        self.job_done(state);
    }

    fn settle(&self, results: &[(usize, Outcome)], via: &Via, word: Word, cut: Option<Cut>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        state.turn.tried.extend(results.iter().map(|(place, _)| *place));
        match cut {
            Some(Cut::Unreadable(error)) => state.unreadable = Some(error),
            Some(Cut::Stopped) => state.turn.stopped = true,
            None => {}
        }
        if let Some(message) = &mut state.message {
            settle::tell(self.desk, message, results, via);
            let marks = settle::marks(message, results, word);
            if state.open_jobs == 1 && settle::would_finish(message, &marks) {
                state.turn.last = marks;
            } else if let Err(error) = settle::write(self.desk, message, results, (via, word)) {
                self.desk.trouble(Some(&self.id), error);
            }
        }
        self.job_done(guard);
    }

    fn job_done(&self, mut state: MutexGuard<'_, State>) {
        state.open_jobs = state.open_jobs.saturating_sub(1);
        if state.open_jobs > 0 {
            return;
        }
        let Some(message) = state.message.take() else { return };
        let turn = std::mem::take(&mut state.turn);
        let ended = match state.unreadable.take() {
            Some(error) => settle::troubled(self.desk, message, &Trouble::Body(error)),
            None => settle::close(self.desk, message, turn),
        };
        match ended {
            Ok(children) => self.gate.add(children),
            Err(error) => self.desk.trouble(Some(&self.id), error),
        }
        self.gate.leave();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job<'_> {
    /// Takes down what came of it, by place.
    pub fn settle(mut self, results: Vec<(usize, Outcome)>, via: &Via, word: Word, cut: Option<Cut>) {
        self.places.clear();
        self.consignment.settle(&results, via, word, cut);
    }
}

impl Drop for Job<'_> {
    fn drop(&mut self) {
        if !self.places.is_empty() {
            self.consignment.skip();
        }
    }
}

/// Recipients for whom there is still something to try.
pub fn pending(message: &Message) -> Vec<(usize, ForwardPath)> {
    let pending = message.recipients().filter(|recipient| recipient.mark == Mark::Pending);
    pending.map(|recipient| (recipient.place, recipient.path.clone())).collect()
}
