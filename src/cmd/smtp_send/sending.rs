//! The way out: letters' recipients grouped by where they go, sessions run, results collected.

use super::letter::Letter;
use super::mailbag::Mailbag;
use super::results::Result as RecipientResult;
use crate::cli::exit::Failure;
use crate::cli::message::Message;
use crate::cli::progress::Progress;
use crate::mail::address::ForwardPath;
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::mail::reply::EnhancedStatus;
use crate::protocol::smtp::client::stage::Stage;
use crate::protocol::smtp::client::words::Fault;
use crate::protocol::smtp::extensions::{Extensions, Limits};
use crate::relay::body::Source;
use crate::relay::deliver::{Courier, Destination, Unserved, settle_all};
use crate::relay::session::{Outbox, Parcel, Sent, Via};
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet, VecDeque};
use std::io::Read;

/// Most recipients of one transaction: every server takes so many (RFC 5321 section 4.5.3.1.8).
const BATCH: usize = 100;
/// Most recipients of one transaction where the server says that it takes more.
const LARGEST_BATCH: usize = 10_000;
/// So many sessions in a row in which nothing came to its end are enough.
const MOST_BARREN: u32 = 5;
/// Letters that are sorted by destination at a time, and the most octets of them.
const WINDOW: usize = 200;
const WINDOW_OCTETS: u64 = 16 << 20;
/// Most destinations remembered as out of reach.
const MOST_DEAD: usize = 10_000;

/// A message, its sending counted for the progress bar.
struct Counted {
    message: Message,
    progress: Progress,
}

impl Source for Counted {
    fn open(&self) -> Box<dyn Read + Send> {
        Box::new(self.message.body())
    }

    fn send(&self) -> Box<dyn Read + Send> {
        Box::new(self.progress.reading(self.message.body()))
    }
}

/// Letters on their way to their recipients.
pub struct Sending<'a> {
    pub bag: &'a Mailbag<'a>,
    pub courier: &'a Courier<'a>,
    pub progress: &'a Progress,
    /// Where sessions end, to try a server.
    pub quit_after: Option<Stage>,
}

impl Sending<'_> {
    /// Sends all letters by one destination, or with none by each recipient's own.
    pub fn run(&self, to: Option<&Destination>) -> Result<(), Failure> {
        match to {
            Some(destination) => self.to_one(destination),
            None => self.to_each(),
        }
    }

    /// One letter in memory at a time, over one session as long as it lasts.
    fn to_one(&self, destination: &Destination) -> Result<(), Failure> {
        let letters = RefCell::default();
        let lane = Lane::new(self, &letters, true);
        self.serve(destination, &lane);
        lane.failure.into_inner().map_or(Ok(()), Err)
    }

    /// Some letters at a time, so that those for one destination share a session.
    fn to_each(&self) -> Result<(), Failure> {
        let mut dead: HashMap<Destination, Unserved> = HashMap::new();
        loop {
            let letters = RefCell::new(self.window()?);
            if letters.borrow().is_empty() {
                return Ok(());
            }
            for (destination, tasks) in tasks(&letters) {
                let lane = Lane::new(self, &letters, false);
                lane.waiting.borrow_mut().extend(tasks);
                if let Some(why) = dead.get(&destination) {
                    lane.give_up(why);
                } else if let Some(why) = self.serve(&destination, &lane)
                    && dead.len() < MOST_DEAD
                {
                    dead.insert(destination, why);
                }
            }
            for letter in letters.into_inner().iter_mut() {
                self.bag.ledger.done(letter)?;
            }
        }
    }

    fn window(&self) -> Result<Vec<Letter>, Failure> {
        let (mut letters, mut octets) = (Vec::new(), 0);
        while letters.len() < WINDOW && octets < WINDOW_OCTETS {
            let Some(letter) = self.bag.next()? else { break };
            octets += letter.octets;
            letters.push(letter);
        }
        Ok(letters)
    }

    /// Everything in the lane has its outcome then. Given back: the destination is not worth another try.
    fn serve(&self, destination: &Destination, lane: &Lane<'_>) -> Option<Unserved> {
        let unserved = self.courier.serve(destination, lane);
        let unserved = lane.given_up.take().or(unserved);
        if let Some(why) = &unserved {
            lane.give_up(why);
        }
        unserved
    }
}

/// Which recipients go where, by their places; nowhere: a name without a domain.
pub fn groups(recipients: &[ForwardPath], to: Option<&Destination>) -> Vec<(Option<Destination>, Vec<usize>)> {
    let mut groups: Vec<(Option<Destination>, Vec<usize>)> = Vec::new();
    for (place, recipient) in recipients.iter().enumerate() {
        let destination = to.cloned().or_else(|| recipient.domain().cloned().map(Destination::Mx));
        match groups.iter_mut().find(|(known, _)| *known == destination) {
            Some((_, places)) => places.push(place),
            None => groups.push((destination, vec![place])),
        }
    }
    groups
}

/// What a recipient without a domain gets where no server was named.
pub fn no_domain() -> Outcome {
    Outcome::Refused(Diagnostic::local(EnhancedStatus::new(5, 1, 3), "no domain to look up"))
}

/// Which recipients of which letters go where, in the order of the first of each. A name without a domain goes nowhere.
fn tasks(letters: &RefCell<Vec<Letter>>) -> Vec<(Destination, Vec<Task>)> {
    let mut groups: Vec<(Destination, Vec<Task>)> = Vec::new();
    let mut known: HashMap<Destination, usize> = HashMap::new();
    for (at, letter) in letters.borrow_mut().iter_mut().enumerate() {
        for (place, recipient) in letter.envelope.recipients().to_vec().into_iter().enumerate() {
            let Some(domain) = recipient.domain().cloned() else {
                letter.settle(place, RecipientResult::without_session(&recipient, no_domain()));
                continue;
            };
            let destination = Destination::Mx(domain);
            let group = *known.entry(destination.clone()).or_insert(groups.len());
            if group == groups.len() {
                groups.push((destination, Vec::new()));
            }
            match groups[group].1.last_mut() {
                Some(task) if task.letter == at => task.places.push(place),
                _ => groups[group].1.push(Task { letter: at, places: vec![place] }),
            }
        }
    }
    groups
}

fn result(recipient: ForwardPath, outcome: Outcome, via: &Via, fault: Option<Fault>) -> RecipientResult {
    RecipientResult { recipient, outcome, via: via.clone(), fault, queue_id: None }
}

/// Recipients of one letter, by their places.
#[derive(Debug, Clone)]
struct Task {
    letter: usize,
    places: Vec<usize>,
}

/// What the session that stands has seen.
#[derive(Debug, Default)]
struct Session {
    limits: Limits,
    begun: usize,
    accepted: usize,
    /// The server takes no more over this session.
    spent: bool,
}

/// What goes to one destination.
struct Lane<'a> {
    sending: &'a Sending<'a>,
    letters: &'a RefCell<Vec<Letter>>,
    /// The next letter is taken from the bag when nothing of the last is left.
    pulls: bool,
    waiting: RefCell<VecDeque<Task>>,
    session: RefCell<Session>,
    /// As the server showed.
    rcpt_max: Cell<Option<usize>>,
    barren: Cell<u32>,
    given_up: RefCell<Option<Unserved>>,
    /// What ends the tool.
    failure: RefCell<Option<Failure>>,
}

impl<'a> Lane<'a> {
    fn new(sending: &'a Sending<'a>, letters: &'a RefCell<Vec<Letter>>, pulls: bool) -> Lane<'a> {
        Lane {
            sending,
            letters,
            pulls,
            waiting: RefCell::default(),
            session: RefCell::default(),
            rcpt_max: Cell::new(None),
            barren: Cell::new(0),
            given_up: RefCell::default(),
            failure: RefCell::default(),
        }
    }

    /// Something is left, once the letter before is told of.
    fn has_more(&self) -> bool {
        if self.pulls
            && self.waiting.borrow().is_empty()
            && self.failure.borrow().is_none()
            && let Err(failure) = self.pull()
        {
            *self.failure.borrow_mut() = Some(failure);
        }
        !self.waiting.borrow().is_empty() && self.failure.borrow().is_none()
    }

    fn pull(&self) -> Result<(), Failure> {
        let mut letters = self.letters.borrow_mut();
        for mut letter in letters.drain(..) {
            self.sending.bag.ledger.done(&mut letter)?;
        }
        if let Some(letter) = self.sending.bag.next()? {
            let places = (0..letter.envelope.recipients().len()).collect();
            self.waiting.borrow_mut().push_back(Task { letter: 0, places });
            letters.push(letter);
        }
        Ok(())
    }

    /// The same outcome for all that is left.
    fn give_up(&self, why: &Unserved) {
        while self.has_more() {
            *self.session.borrow_mut() = Session::default();
            settle_all(self, why);
        }
    }

    /// Notes how a transaction went. Gives whether it failed for what went before it in its session, most likely, so that a new session
    /// may do.
    fn look_back(&self, sent: &Sent<Task>, accepted: usize, via: &Via) -> bool {
        let mut session = self.session.borrow_mut();
        let in_use = session.accepted > 0;
        session.accepted += accepted.min(1);
        if session.accepted > 0 {
            self.barren.set(0);
        }
        let Some(fault) = sent.fault else {
            session.spent = in_use && sent.outcomes.iter().all(is_busy);
            return session.spent;
        };
        if session.accepted == 0 {
            self.barren.set(self.barren.get() + 1);
        }
        if self.barren.get() >= MOST_BARREN {
            let said = sent.outcomes.iter().find(|outcome| matches!(outcome, Outcome::Deferred(_))).cloned();
            let outcome = said.unwrap_or_else(|| {
                let text = format!("{MOST_BARREN} sessions in a row came to nothing");
                Outcome::Deferred(Diagnostic::local(EnhancedStatus::new(4, 4, 2), text))
            });
            *self.given_up.borrow_mut() = Some(Unserved { outcome, via: via.clone(), fault });
        }
        *session = Session::default();
        in_use && matches!(fault, Fault::Reply | Fault::Lost)
    }

    /// Takes the recipients of the next transaction, as many as the server bears.
    fn take(&self, limits: &Limits) -> Option<Task> {
        let mut waiting = self.waiting.borrow_mut();
        let task = waiting.front_mut()?;
        let said = limits.rcpt_max.map_or(BATCH, |max| max.min(LARGEST_BATCH));
        let most = self.rcpt_max.get().map_or(said, |shown| shown.min(said));
        let places = match limits.rcpt_domain_max {
            None => task.places.drain(..most.min(task.places.len())).collect(),
            Some(domains) => take_domains(&mut task.places, self.letters.borrow().get(task.letter)?, most, domains),
        };
        let letter = task.letter;
        if task.places.is_empty() {
            waiting.pop_front();
        }
        Some(Task { letter, places })
    }
}

/// At most `most` places of at most `domains` domains (RFC 9422 section 4.3).
fn take_domains(places: &mut Vec<usize>, letter: &Letter, most: usize, domains: usize) -> Vec<usize> {
    let mut seen = HashSet::new();
    let mut taken = Vec::new();
    places.retain(|place| {
        let domain = letter.envelope.recipients().get(*place).and_then(ForwardPath::domain);
        let fits = taken.len() < most && (seen.contains(&domain) || seen.len() < domains);
        if fits {
            seen.insert(domain);
            taken.push(*place);
        }
        !fits
    });
    taken
}

/// RFC 5321 section 4.5.3.1.10: the others of the transaction took the server's room for recipients. They go without these now.
fn is_crowded_out(outcome: &Outcome) -> bool {
    let Outcome::Deferred(why) = outcome else { return false };
    let code = why.code.map(|code| code.value());
    matches!(code, Some(452 | 552)) && why.enhanced.is_none_or(|status| (status.subject, status.detail) == (5, 3))
}

/// A server that has had enough of this session: it said no to all, and to nobody in particular.
fn is_busy(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Deferred(why) if why.code.is_some_and(|code| code.value() == 452))
}

/// It had no answer of its own, only the session's.
fn is_of_session(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Deferred(why) if why.code.is_none_or(|code| matches!(code.value(), 421 | 452)))
}

impl Outbox<Task> for Lane<'_> {
    fn is_waiting(&self) -> bool {
        self.given_up.borrow().is_none() && self.has_more()
    }

    fn opened(&self, offered: &Extensions) {
        *self.session.borrow_mut() = Session { limits: offered.limits.clone(), ..Session::default() };
    }

    fn next(&self) -> Option<Parcel<Task>> {
        if !self.has_more() {
            return None;
        }
        let mut session = self.session.borrow_mut();
        if session.spent || session.limits.mail_max.is_some_and(|max| session.begun >= max) {
            *session = Session::default();
            return None;
        }
        session.begun += 1;
        let task = self.take(&session.limits)?;
        let letters = self.letters.borrow();
        let letter = letters.get(task.letter)?;
        let transaction = letter.transaction(&task.places)?;
        let body = Box::new(Counted { message: letter.message.clone(), progress: self.sending.progress.clone() });
        Some(Parcel { transaction, body, tag: task })
    }

    fn quit_after(&self) -> Option<Stage> {
        self.sending.quit_after
    }

    fn settle(&self, sent: Sent<Task>, via: &Via) {
        let accepted = sent.outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Accepted(_))).count();
        let another_session = self.look_back(&sent, accepted, via);
        let mut letters = self.letters.borrow_mut();
        let Some(letter) = letters.get_mut(sent.tag.letter) else { return };
        let mut again = Vec::new();
        for (place, outcome) in sent.tag.places.into_iter().zip(sent.outcomes) {
            if accepted > 0 && is_crowded_out(&outcome) {
                self.rcpt_max.set(Some(accepted));
                again.push(place);
            } else if another_session && is_of_session(&outcome) && letter.try_again(place) {
                again.push(place);
            } else if let Some(recipient) = letter.envelope.recipients().get(place).cloned() {
                let outcome = self.sending.bag.args.extensions.judge(outcome, sent.fault);
                letter.settle(place, result(recipient, outcome, via, sent.fault));
            }
        }
        if !again.is_empty() {
            self.waiting.borrow_mut().push_front(Task { letter: sent.tag.letter, places: again });
        }
    }
}
