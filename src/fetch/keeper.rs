//! What a session needs to know of policy, journal and target, behind one face. Says what may be deleted, and only when it is safe.

use crate::disk::journal::Journal;
use crate::disk::journal::record::{Digest, State};
use crate::fetch::filter::{Filter, Judgement};
use crate::fetch::item::{Current, Item, Pending, Progress, facts, twice};
use crate::fetch::missing;
use crate::fetch::policy::{Decision, Known, Policy};
use crate::fetch::recall::{Recall, first};
use crate::fetch::settle;
use crate::fetch::spare::Spare;
use crate::fetch::target::judged::Judged;
use crate::fetch::target::{Facts, Fault, Taken, Target};
use crate::fetch::told::Told;
use crate::fetch::words::{Listed, Outcome, Plan, Row, Stop, Uid, Verdict};
use crate::relay::clock::Clock;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// What a keeper works by.
pub struct Options<'a> {
    pub policy: Policy,
    /// Where [`Policy::filter`] is set.
    pub filter: Option<&'a dyn Filter>,
    pub clock: &'a dyn Clock,
}

/// One session's messages, from the list to the last DELE.
pub struct Keeper<'a> {
    options: Options<'a>,
    target: Box<dyn Target + 'a>,
    journal: Option<Journal>,
    items: BTreeMap<u32, Item>,
    /// To be fetched or looked at, as planned.
    wanted: usize,
    spare: Spare,
    current: Option<Current>,
    /// Waiting for a commit.
    pending: Vec<Pending>,
    /// Safe, and to be deleted.
    deletable: Vec<u32>,
    recall: Recall,
    told: Told,
    stop: Option<Stop>,
}

impl<'a> Keeper<'a> {
    /// `journal`: as [`settle::open`] gives it. Without one nothing is remembered.
    pub fn new(options: Options<'a>, target: Box<dyn Target + 'a>, journal: Option<Journal>) -> Keeper<'a> {
        let target: Box<dyn Target + 'a> = match options.filter {
            Some(filter) => Box::new(Judged::new(target, filter)),
            None => target,
        };
        Keeper {
            options,
            target,
            journal,
            items: BTreeMap::new(),
            wanted: 0,
            spare: Spare::default(),
            current: None,
            pending: Vec::new(),
            deletable: Vec::new(),
            recall: Recall::default(),
            told: Told::default(),
            stop: None,
        }
    }

    /// What is to be done with each message, in the order of `listed`. Asked once a session, after LIST and UIDL. `tell` is given final rows.
    pub fn plan(&mut self, listed: &[Listed], tell: &mut dyn FnMut(Vec<Row>)) -> Vec<Plan> {
        let twice = twice(listed);
        let (now, mut nameless) = (self.now(), false);
        let mut plans = Vec::with_capacity(listed.len());
        self.told.expect(listed.iter().map(|listed| listed.number));
        for listed in listed {
            let uid = listed.uid.clone().filter(|uid| !twice.contains(uid));
            nameless |= uid.is_none();
            let (id, known) = self.recall.by_name(self.journal.as_ref(), uid.as_ref(), listed.size);
            let said = if uid.is_none() { listed.name().map(Into::into) } else { None };
            let seen = matches!(known, Known::Delivered(_));
            let item = Item { size: listed.size, uid, said, seen, unjudged: false, state: Progress::Wanted, id };
            self.items.insert(listed.number, item);
            let decision = self.options.policy.decide(known, listed.size, self.wanted, now);
            plans.push(self.planned(listed.number, decision));
            if self.told.has_many() {
                tell(self.told.take());
            }
        }
        if let Some(journal) = self.journal.as_mut().filter(|_| !self.options.policy.dry_run) {
            self.recall.note(journal, nameless, now);
        }
        plans
    }

    /// For [`Plan::Header`]: what TOP gave, and what is to be done now. `whole`: the end of it was seen; without it, all is left as it is.
    pub fn header(&mut self, number: u32, bytes: &[u8], whole: bool) -> Plan {
        let Some(filter) = self.options.filter.filter(|_| whole && self.stop.is_none()) else {
            self.leave(number, "its header did not come");
            return Plan::Leave;
        };
        let dry_run = self.options.policy.dry_run;
        match self.items.get(&number).map(|item| filter.judge(&facts(number, item, self.options.clock), bytes)) {
            Some(Judgement::Fetch) if dry_run => return self.would(number, "would be fetched".to_owned()),
            Some(Judgement::Fetch) => return Plan::Fetch,
            Some(Judgement::Delete(text)) if dry_run => {
                self.spare.uncount();
                return self.would(number, format!("would be deleted: {text}"));
            }
            Some(Judgement::Delete(text)) => {
                self.kill(number, Digest::default(), 0, text);
                return Plan::Delete;
            }
            Some(Judgement::Skip(text)) => self.fail(number, Fault::Skip(text)),
            Some(Judgement::Failed(text)) => self.settle(number, Outcome::Failed, false, text),
            Some(Judgement::Stop(stop)) => {
                self.settle(number, Outcome::Failed, false, stop.text.clone());
                self.stop = Some(stop);
            }
            None => {}
        }
        Plan::Leave
    }

    /// TOP was refused, which not every server has: the message is fetched, and judged from that copy.
    pub fn headless(&mut self, number: u32) -> Plan {
        if self.options.policy.dry_run {
            let text = "would be fetched and shown to the filter: the server does not give its header alone";
            return self.would(number, text.to_owned());
        }
        self.items.entry(number).and_modify(|item| item.unjudged = true);
        Plan::Fetch
    }

    /// What is to be done in place of a message that turned out not to count ([`Policy::max_messages`]); asked until there is nothing.
    pub fn instead(&mut self) -> Option<(u32, Plan)> {
        self.spare.take_next().map(|number| (number, self.look_or_fetch()))
    }

    /// RETR was answered +OK. On an error nothing more can be fetched in this session.
    pub fn begin(&mut self, number: u32) -> Result<(), &Stop> {
        self.broken();
        self.current = Some(Current { number, hash: Sha256::new(), size: 0, fault: None });
        if self.stop.is_none()
            && let Some(item) = self.items.get(&number)
        {
            let entry = item.id.and_then(|id| self.journal.as_ref()?.entry(id)).filter(|entry| entry.state == State::Partly);
            let known = facts(number, item, self.options.clock);
            let known = Facts { alone: self.wanted == 1, done: entry.map(|entry| &*entry.place), ..known };
            if let Err(fault) = self.target.begin(&known) {
                self.fault(fault);
            }
        }
        self.stop.as_ref().map_or(Ok(()), Err)
    }

    /// The message in wire form, without the dots of POP3. Once the target has failed, the rest of it is swallowed.
    pub fn push(&mut self, bytes: &[u8]) {
        let Some(current) = self.current.as_mut().filter(|current| current.fault.is_none()) else { return };
        current.hash.update(bytes);
        current.size += bytes.len() as u64;
        if let Some(text) = self.options.policy.too_large(current.size) {
            current.fault = Some(Fault::Never(text));
            self.target.abort();
        } else if self.stop.is_none()
            && let Err(fault) = self.target.push(bytes)
        {
            self.fault(fault);
        }
    }

    /// The terminating dot came.
    pub fn end(&mut self) -> Verdict {
        let Some(current) = self.current.take() else { return Verdict::Settled };
        let Current { number, size, .. } = current;
        if let Some(fault) = current.fault {
            self.fail(number, fault);
            return Verdict::Settled;
        }
        if self.stop.is_some() {
            self.leave(number, "");
            return Verdict::Settled;
        }
        let mut digest = Digest::default();
        digest.copy_from_slice(&current.hash.finalize()[..16]);
        if let Some(item) = self.items.get_mut(&number).filter(|_| self.options.policy.only_new)
            && let Some(journal) = &mut self.journal
            && let Some(id) = self.recall.by_digest(journal, item, &digest)
        {
            item.id = Some(id);
            self.spare.uncount();
            self.target.abort();
            self.safe(number, Outcome::Kept, "delivered earlier".to_owned());
            return Verdict::Settled;
        }
        match self.target.end() {
            Ok(Taken::Pending) => {
                self.set(number, Progress::Pending);
                self.pending.push(Pending { number, digest, size });
                return Verdict::Pending;
            }
            Ok(Taken::Delivered(text)) => {
                self.remember(number, size, digest, State::Delivered, "");
                self.safe(number, Outcome::Delivered, text);
            }
            Ok(Taken::Killed(text)) => self.kill(number, digest, size, text),
            Err(fault) => {
                // Without a name it is not known again before all of it is here.
                if let Fault::Partly { done, .. } = &fault
                    && self.items.get(&number).is_some_and(|item| item.uid.is_some())
                {
                    self.remember(number, size, digest, State::Partly, done);
                }
                self.fail(number, fault);
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

    /// The server refused RETR with these words; `lasting`: a retry is no use.
    pub fn refused(&mut self, number: u32, text: String, lasting: bool) {
        self.spare.uncount();
        self.fail(number, if lasting { Fault::Never(text) } else { Fault::Message(text) });
    }

    /// So much waits that it is time for a commit.
    pub fn full(&self) -> bool {
        self.target.is_full()
    }

    /// Makes what waits safe. Gives the numbers that may be deleted on the server now.
    pub fn commit(&mut self) -> Vec<u32> {
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            match self.publish(&pending) {
                Ok(text) => {
                    for message in &pending {
                        self.safe(message.number, Outcome::Delivered, text.clone());
                    }
                }
                Err(stop) => {
                    for message in &pending {
                        self.settle(message.number, Outcome::Failed, false, stop.text.clone());
                    }
                    self.stop.get_or_insert(stop);
                }
            }
        }
        // What is deleted was delivered or announced: that has to be known before the server forgets it.
        if let Some(Err(error)) = self.journal.as_mut().map(Journal::sync) {
            self.stop.get_or_insert(settle::stop(error));
        }
        std::mem::take(&mut self.deletable)
    }

    /// Why nothing more can be fetched, if so: finish with a commit, DELE and QUIT.
    pub fn stop(&self) -> Option<&Stop> {
        self.stop.as_ref()
    }

    /// What DELE was answered.
    pub fn deleted(&mut self, number: u32, gone: bool) {
        let Some(item) = self.items.get_mut(&number) else { return };
        let Progress::Deleting(outcome, text) = std::mem::replace(&mut item.state, Progress::Settled) else { return };
        match (gone, outcome) {
            (false, Outcome::Deleted) => self.settle(number, Outcome::Failed, false, "the server did not delete it".to_owned()),
            (gone, outcome) => self.settle(number, outcome, gone, text),
        }
        if gone {
            self.set(number, Progress::Deleted);
        }
    }

    /// QUIT is about to be sent. Until it is answered nobody knows whether the names of what was deleted are free.
    pub fn quit(&mut self) {
        let gone = self.items.values().filter(|item| item.state == Progress::Deleted).filter_map(|item| item.id);
        let Some(journal) = &mut self.journal else { return };
        missing::doubt(journal, gone, self.options.clock.now().as_second());
        if let Err(error) = journal.write() {
            self.stop.get_or_insert(settle::stop(error));
        }
    }

    /// The session is over; `ok`: QUIT was answered +OK, and the deletions count (RFC 1939 section 6). What was not reached gets its
    /// row.
    pub fn updated(&mut self, ok: bool) {
        self.broken();
        if ok && let Some(journal) = &mut self.journal {
            let gone = self.items.values().filter(|item| item.state == Progress::Deleted).filter_map(|item| item.id);
            missing::deleted(journal, gone, self.options.clock.now().as_second());
        }
        self.told.end(ok);
        for number in self.spare.rest() {
            let text = format!("after {} messages", self.options.policy.max_messages.unwrap_or_default());
            self.settle(number, Outcome::Skipped, false, text);
        }
        self.pending.clear();
        let left = |state: &Progress| matches!(state, Progress::Wanted | Progress::Pending | Progress::Deleting(..));
        let left: Vec<u32> = self.items.iter().filter(|(_, item)| left(&item.state)).map(|(number, _)| *number).collect();
        for number in left {
            match self.items.get(&number).map(|item| item.state.clone()) {
                Some(Progress::Deleting(Outcome::Deleted, _)) => {
                    self.settle(number, Outcome::Failed, false, "not deleted".into())
                }
                Some(Progress::Deleting(outcome, text)) => self.settle(number, outcome, false, text),
                _ => self.leave(number, "not fetched"),
            }
        }
        if let Some(Err(error)) = self.journal.as_mut().map(Journal::tidy) {
            self.stop.get_or_insert(settle::stop(error));
        }
    }

    /// Octets of a message that is not settled, as LIST has them.
    pub fn size(&self, number: u32) -> Option<u64> {
        self.items.get(&number)?.size
    }

    /// Rows that are final, in the order of their messages.
    pub fn rows(&mut self) -> Vec<Row> {
        self.told.take()
    }

    fn now(&self) -> i64 {
        self.options.clock.now().as_second()
    }

    fn planned(&mut self, number: u32, decision: Decision) -> Plan {
        let dry_run = self.options.policy.dry_run;
        match decision {
            Decision::Fetch if dry_run => {
                self.wanted += 1;
                self.would(number, "would be fetched".to_owned())
            }
            Decision::Delete(why) if dry_run => self.would(number, format!("would be deleted: {why}")),
            Decision::Fetch | Decision::Header => {
                self.wanted += 1;
                self.look_or_fetch()
            }
            Decision::Spare => {
                self.spare.put(number);
                Plan::Leave
            }
            Decision::Delete(why) => {
                self.delete(number, Outcome::Deleted, why.to_owned());
                Plan::Delete
            }
            Decision::Leave(outcome, text) => {
                self.row(number, outcome, text, |row| row.lasting = outcome == Outcome::Failed);
                self.items.remove(&number);
                Plan::Leave
            }
        }
    }

    /// In a dry run.
    fn would(&mut self, number: u32, text: String) -> Plan {
        self.row(number, Outcome::Skipped, text, |row| row.intended = true);
        Plan::Leave
    }

    fn look_or_fetch(&self) -> Plan {
        if self.options.policy.filter { Plan::Header } else { Plan::Fetch }
    }

    fn publish(&mut self, pending: &[Pending]) -> Result<String, Stop> {
        let now = self.now();
        let announced = self.target.prepare()?;
        let mut batch = None;
        if let Some(journal) = &mut self.journal {
            let id = journal.begin(&announced.target, now);
            for (message, place) in pending.iter().zip(&announced.places) {
                let Some(item) = self.items.get_mut(&message.number) else { continue };
                let uid = item.uid.as_ref().map(Uid::as_str);
                let size = item.size.unwrap_or(message.size);
                let first = first(journal, item.id, &message.digest, now);
                let entry = journal.add(uid, size, message.digest, first, State::Waiting(id), place);
                item.id = Some(entry);
                self.recall.meet(entry);
            }
            if let Err(error) = journal.sync() {
                self.target.leave();
                return Err(settle::stop(error));
            }
            batch = Some(id);
        }
        let text = self.target.publish()?;
        if let Some((journal, batch)) = self.journal.as_mut().zip(batch) {
            journal.done(batch);
            // Not synced: what was announced durably and is gone from where it was counts as delivered.
            if let Err(error) = journal.write() {
                self.stop.get_or_insert(settle::stop(error));
            }
        }
        Ok(text)
    }

    /// Notes down a message that is settled at once, in place of what was known of a part of it.
    fn remember(&mut self, number: u32, size: u64, digest: Digest, state: State, place: &str) {
        let now = self.now();
        let (Some(journal), Some(item)) = (&mut self.journal, self.items.get_mut(&number)) else { return };
        let size = item.size.unwrap_or(size);
        let first = first(journal, item.id, &digest, now);
        let id = journal.add(item.uid.as_ref().map(Uid::as_str), size, digest, first, state, place);
        if let Some(before) = item.id.replace(id).filter(|id| journal.entry(*id).is_some_and(|e| e.state == State::Partly)) {
            journal.drop_entry(before);
        }
        self.recall.meet(id);
        if let Err(error) = journal.write() {
            self.stop.get_or_insert(settle::stop(error));
        }
    }

    fn kill(&mut self, number: u32, digest: Digest, size: u64, text: String) {
        self.spare.uncount();
        self.remember(number, size, digest, State::Killed, "");
        self.delete(number, Outcome::Deleted, text);
    }

    /// The message that comes is not taken; the rest of it is swallowed.
    fn fault(&mut self, fault: Fault) {
        let fault = match fault {
            Fault::Stop(stop) => Fault::Message(self.stop.insert(stop).text.clone()),
            fault => fault,
        };
        if let Some(current) = &mut self.current {
            current.fault = Some(fault);
        }
    }

    fn fail(&mut self, number: u32, fault: Fault) {
        match fault {
            Fault::Skip(text) => {
                self.spare.uncount();
                self.settle(number, Outcome::Skipped, false, text);
            }
            Fault::Never(text) => self.row(number, Outcome::Failed, text, |row| row.lasting = true),
            Fault::Partly { text, .. } => self.row(number, Outcome::Failed, text, |row| row.in_part = true),
            Fault::Message(text) => self.settle(number, Outcome::Failed, false, text),
            Fault::Stop(stop) => {
                self.settle(number, Outcome::Failed, false, stop.text.clone());
                self.stop = Some(stop);
            }
        }
    }

    /// It was handed over, now or earlier.
    fn safe(&mut self, number: u32, outcome: Outcome, text: String) {
        let now = self.now();
        let entry = self.items.get(&number).and_then(|item| item.id).and_then(|id| self.journal.as_ref()?.entry(id));
        let first = entry.map_or(now, |entry| entry.first);
        let earlier = outcome == Outcome::Kept || self.items.get(&number).is_some_and(|item| item.seen);
        if self.options.policy.is_due(first, now) || (earlier && self.options.policy.flush_seen) {
            let outcome = if outcome == Outcome::Kept { Outcome::Deleted } else { outcome };
            self.delete(number, outcome, text);
        } else {
            self.settle(number, outcome, false, text);
        }
    }

    fn delete(&mut self, number: u32, outcome: Outcome, text: String) {
        self.set(number, Progress::Deleting(outcome, text));
        self.deletable.push(number);
    }

    fn settle(&mut self, number: u32, outcome: Outcome, deleted: bool, text: String) {
        self.row(number, outcome, text, |row| row.deleted = deleted);
    }

    fn row(&mut self, number: u32, outcome: Outcome, text: String, mark: impl FnOnce(&mut Row)) {
        let Some(item) = self.items.get_mut(&number) else { return };
        item.state = Progress::Settled;
        let mut row = item.row(number, outcome, text);
        mark(&mut row);
        self.told.put(row);
    }

    /// It did not come to be handed over: since the target takes no more, or else for this reason.
    fn leave(&mut self, number: u32, why: &str) {
        match self.stop {
            Some(_) => self.settle(number, Outcome::Skipped, false, "not tried".to_owned()),
            None => self.settle(number, Outcome::Failed, false, why.to_owned()),
        }
    }

    fn set(&mut self, number: u32, state: Progress) {
        if let Some(item) = self.items.get_mut(&number) {
            item.state = state;
        }
    }
}
