//! What a session needs to know of policy, target and journal, behind one face. Says what may be deleted, and only when it is safe.

use crate::fetch::target::{Facts, Fault, Taken, Target};
use crate::fetch::words::{Listed, Outcome, Plan, Row, Stop, Uid, Verdict};
use crate::relay::clock::Clock;
use std::collections::{BTreeMap, HashMap};

/// Most messages that wait for a commit.
const FULL: usize = 256;

/// Whether messages go from the server once they are safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposal {
    Keep,
    Delete,
}

/// One session's messages, from the list to the last DELE.
pub struct Keeper<'a> {
    disposal: Disposal,
    target: Box<dyn Target + 'a>,
    clock: &'a dyn Clock,
    items: BTreeMap<u32, Item>,
    /// To be fetched or looked at, and not yet settled.
    wanted: usize,
    current: Option<Current>,
    /// Waiting for a commit.
    pending: Vec<u32>,
    /// Safe, and to be deleted.
    deletable: Vec<u32>,
    rows: Vec<Row>,
    stop: Option<Stop>,
}

#[derive(Debug)]
struct Item {
    size: Option<u64>,
    uid: Option<Uid>,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Wanted,
    Pending,
    /// Its DELE is out.
    Deleting(Outcome, String),
    /// Its DELE was taken, which counts once the session ends well.
    Deleted,
    Settled,
}

#[derive(Debug)]
struct Current {
    number: u32,
    fault: Option<String>,
}

impl<'a> Keeper<'a> {
    pub fn new(disposal: Disposal, target: Box<dyn Target + 'a>, clock: &'a dyn Clock) -> Keeper<'a> {
        Keeper {
            disposal,
            target,
            clock,
            items: BTreeMap::new(),
            wanted: 0,
            current: None,
            pending: Vec::new(),
            deletable: Vec::new(),
            rows: Vec::new(),
            stop: None,
        }
    }

    /// What is to be done with each message, in the order of `listed`. Asked once a session, after LIST and UIDL.
    pub fn plan(&mut self, listed: &[Listed]) -> Vec<Plan> {
        let mut times: HashMap<&Uid, usize> = HashMap::new();
        for uid in listed.iter().filter_map(|listed| listed.uid.as_ref()) {
            *times.entry(uid).or_default() += 1;
        }
        for listed in listed {
            let uid = listed.uid.clone().filter(|uid| times.get(uid) == Some(&1));
            self.items.insert(listed.number, Item { size: listed.size, uid, state: State::Wanted });
        }
        self.wanted = self.items.len();
        vec![Plan::Fetch; listed.len()]
    }

    /// For [`Plan::Header`]: what TOP gave, and what is to be done now. `whole`: the end of it was seen.
    pub fn header(&mut self, _number: u32, _bytes: &[u8], _whole: bool) -> Plan {
        Plan::Fetch
    }

    /// RETR was answered +OK. On an error nothing more can be fetched in this session.
    pub fn begin(&mut self, number: u32) -> Result<(), &Stop> {
        let alone = self.wanted == 1;
        let item = self.items.get(&number);
        let (uid, size) = item.map_or((None, None), |item| (item.uid.as_ref(), item.size));
        let facts = Facts { number, uid, size, at: self.clock.now(), alone };
        let begun = if self.stop.is_some() { Ok(()) } else { self.target.begin(&facts) };
        self.current = Some(Current { number, fault: None });
        if let Err(fault) = begun {
            self.fault(fault);
        }
        self.stop.as_ref().map_or(Ok(()), Err)
    }

    /// The message in wire form, without the dots of POP3. Once the target has failed, the rest of it is swallowed.
    pub fn push(&mut self, bytes: &[u8]) {
        let sound = self.stop.is_none() && self.current.as_ref().is_some_and(|current| current.fault.is_none());
        if sound && let Err(fault) = self.target.push(bytes) {
            self.fault(fault);
        }
    }

    /// The terminating dot came.
    pub fn end(&mut self) -> Verdict {
        let sound = self.stop.is_none() && self.current.as_ref().is_some_and(|current| current.fault.is_none());
        let ended = sound.then(|| self.target.end());
        let taken = match ended {
            None => None,
            Some(Ok(taken)) => Some(taken),
            Some(Err(fault)) => {
                self.fault(fault);
                None
            }
        };
        let Some(current) = self.current.take() else { return Verdict::Settled };
        match taken {
            Some(Taken::Pending) => {
                self.set(current.number, State::Pending);
                self.pending.push(current.number);
                return Verdict::Pending;
            }
            Some(Taken::Delivered(text)) => self.safe(current.number, Outcome::Delivered, text),
            Some(Taken::Killed(text)) => self.delete(current.number, Outcome::Deleted, text),
            None => {
                let text = current.fault.or_else(|| self.stop.as_ref().map(|stop| stop.text.clone())).unwrap_or_default();
                self.settle(current.number, Outcome::Failed, false, text);
            }
        }
        Verdict::Settled
    }

    /// The connection was cut, or the server broke off: nothing of this message is delivered.
    pub fn broken(&mut self) {
        if let Some(current) = self.current.take() {
            self.target.abort();
            self.settle(current.number, Outcome::Failed, false, "cut off in mid-message".to_owned());
        }
    }

    /// The server refused RETR or TOP with these words.
    pub fn refused(&mut self, number: u32, text: &[u8]) {
        let text = String::from_utf8_lossy(text).into_owned();
        self.settle(number, Outcome::Failed, false, text);
    }

    /// So many wait that it is time for a commit.
    pub fn full(&self) -> bool {
        self.pending.len() >= FULL
    }

    /// Makes what waits safe. Gives the numbers that may be deleted on the server now.
    pub fn commit(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.deletable)
    }

    /// Why nothing more can be fetched, if so: finish with a commit, DELE and QUIT.
    pub fn stop(&self) -> Option<&Stop> {
        self.stop.as_ref()
    }

    /// What DELE was answered.
    pub fn deleted(&mut self, number: u32, gone: bool) {
        let Some(item) = self.items.get_mut(&number) else { return };
        let State::Deleting(outcome, text) = std::mem::replace(&mut item.state, State::Deleted) else { return };
        match (gone, outcome) {
            (false, Outcome::Deleted) => self.settle(number, Outcome::Failed, false, "the server did not delete it".to_owned()),
            (gone, outcome) => self.settle(number, outcome, gone, text),
        }
        if gone {
            self.set(number, State::Deleted);
        }
    }

    /// The session is over; `ok`: QUIT was answered +OK, and the deletions count (RFC 1939 section 6). What was not reached gets its
    /// row.
    pub fn updated(&mut self, _ok: bool) {
        let left = |state: &State| matches!(state, State::Wanted | State::Pending | State::Deleting(..));
        let left: Vec<u32> = self.items.iter().filter(|(_, item)| left(&item.state)).map(|(number, _)| *number).collect();
        for number in left {
            let (outcome, text) = match self.items.get(&number).map(|item| item.state.clone()) {
                Some(State::Deleting(Outcome::Delivered, text)) => (Outcome::Delivered, text),
                Some(State::Deleting(..)) => (Outcome::Failed, "not deleted".to_owned()),
                _ => (Outcome::Failed, "not fetched".to_owned()),
            };
            self.settle(number, outcome, false, text);
        }
    }

    /// Rows that are final, in their order.
    pub fn rows(&mut self) -> Vec<Row> {
        std::mem::take(&mut self.rows)
    }

    fn fault(&mut self, fault: Fault) {
        let text = match fault {
            Fault::Message(text) => text,
            Fault::Stop(stop) => self.stop.insert(stop).text.clone(),
        };
        if let Some(current) = &mut self.current {
            current.fault = Some(text);
        }
    }

    /// It was handed over.
    fn safe(&mut self, number: u32, outcome: Outcome, text: String) {
        match self.disposal {
            Disposal::Keep => self.settle(number, outcome, false, text),
            Disposal::Delete => self.delete(number, outcome, text),
        }
    }

    fn delete(&mut self, number: u32, outcome: Outcome, text: String) {
        self.set(number, State::Deleting(outcome, text));
        self.deletable.push(number);
    }

    fn settle(&mut self, number: u32, outcome: Outcome, deleted: bool, text: String) {
        let Some(item) = self.items.get_mut(&number) else { return };
        item.state = State::Settled;
        self.rows.push(Row { number, size: item.size, uid: item.uid.clone(), outcome, deleted, text });
    }

    fn set(&mut self, number: u32, state: State) {
        if let Some(item) = self.items.get_mut(&number) {
            item.state = state;
        }
    }
}
