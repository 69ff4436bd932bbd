//! The jobs of a pass by next hop, and who works at which. One thread serves a hop from first to last job, so that a connection is
//! used again; a hop with many jobs gets more threads.

use super::consign::Job;
use super::deliver::{Destination, Unserved};
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Most threads at one hop, and jobs for each before there is another.
const MOST_WORKERS: usize = 5;
const JOBS_A_WORKER: usize = 20;
/// Most hops remembered as out of reach.
const MOST_DEAD: usize = 10_000;

/// Where jobs go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Hop {
    Send {
        to: Way,
        /// Inside TLS with a server that is known to be the right one, or not at all (RFC 8689).
        securely: bool,
    },
    Maildir {
        dir: PathBuf,
        user: String,
    },
    Pipe(Vec<String>),
}

/// Where a connection leads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Way {
    Open(Destination),
    /// To the server of the account of that name, where somebody logs in.
    Account(String),
}

#[derive(Default)]
pub struct Board<'a> {
    state: Mutex<State<'a>>,
    changed: Condvar,
}

#[derive(Default)]
struct State<'a> {
    lanes: HashMap<Hop, Lane<'a>>,
    /// Hops that want a worker, each once.
    ready: VecDeque<Hop>,
    /// Hops that could not be reached in this pass.
    dead: HashMap<Hop, Unserved>,
    waiting_workers: usize,
    closed: bool,
}

#[derive(Default)]
struct Lane<'a> {
    jobs: VecDeque<Job<'a>>,
    workers: usize,
    is_ready: bool,
}

impl<'a> Board<'a> {
    /// Adds a job; gives whether no worker is free to take it.
    pub fn push(&self, hop: Hop, job: Job<'a>) -> bool {
        let mut state = self.lock();
        let lane = state.lanes.entry(hop.clone()).or_default();
        lane.jobs.push_back(job);
        let wants = lane.workers == 0 || (lane.workers < MOST_WORKERS && lane.jobs.len() > lane.workers * JOBS_A_WORKER);
        if wants && !lane.is_ready {
            lane.is_ready = true;
            state.ready.push_back(hop);
            self.changed.notify_one();
        }
        state.waiting_workers < state.ready.len()
    }

    /// Waits for a hop that wants a worker; none once the board is closed and empty.
    pub fn take(&self) -> Option<Hop> {
        let mut state = self.lock();
        loop {
            while let Some(hop) = state.ready.pop_front() {
                if let Some(lane) = state.lanes.get_mut(&hop) {
                    lane.is_ready = false;
                    lane.workers += 1;
                    return Some(hop);
                }
            }
            if state.closed {
                return None;
            }
            state.waiting_workers += 1;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting_workers -= 1;
        }
    }

    /// A worker leaves the hop. What was pushed meanwhile waits for the next.
    pub fn leave(&self, hop: &Hop) {
        let mut state = self.lock();
        let Some(lane) = state.lanes.get_mut(hop) else { return };
        lane.workers = lane.workers.saturating_sub(1);
        if lane.jobs.is_empty() {
            if lane.workers == 0 && !lane.is_ready {
                state.lanes.remove(hop);
            }
        } else if !lane.is_ready {
            lane.is_ready = true;
            state.ready.push_back(hop.clone());
            self.changed.notify_one();
        }
    }

    pub fn has_jobs(&self, hop: &Hop) -> bool {
        self.lock().lanes.get(hop).is_some_and(|lane| !lane.jobs.is_empty())
    }

    pub fn next(&self, hop: &Hop) -> Option<Job<'a>> {
        self.lock().lanes.get_mut(hop)?.jobs.pop_front()
    }

    /// Why the hop is not tried any more in this pass.
    pub fn dead(&self, hop: &Hop) -> Option<Unserved> {
        self.lock().dead.get(hop).cloned()
    }

    pub fn set_dead(&self, hop: &Hop, why: Unserved) {
        let mut state = self.lock();
        if state.dead.len() < MOST_DEAD {
            state.dead.insert(hop.clone(), why);
        }
    }

    /// No job will come any more.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
