//! One pass over the spool: take a slot, settle what the dead left behind, carry out orders, then claim what is due, one message
//! after the other, and bring each recipient to its next hop.

use super::board::{Board, Hop, Way};
use super::bounce::{Alias, expand};
use super::consign::{Consignment, Gate, Job, pending};
use super::deliver::{Courier, Destination, Unserved, settle_all};
use super::demand::is_on_this_host;
use super::desk::Desk;
use super::halt::Halt;
use super::lane::Lane;
use super::local::Local;
use super::patient::Patient;
use super::route::{Follow, NextHop, Router};
use super::session::{Outbox, Via, Word};
use super::settle::{self, Turn};
use crate::disk::spool::format::Sort;
use crate::disk::spool::layout::{Entry, Place, REMOVALS_WAIT, SpoolError};
use crate::disk::spool::mark::Mark;
use crate::disk::spool::message::Message;
use crate::disk::spool::queue::{Claim, Which};
use crate::mail::address::ForwardPath;
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::mail::reply::EnhancedStatus;
use crate::mail::trace::TraceScan;
use crate::protocol::smtp::client::words::Fault;
use std::collections::HashMap;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

/// The note of a message that somebody released: routes that hold are passed over.
pub const RELEASED: &str = "released";
/// Most hosts that a message may have passed (RFC 5321 section 6.3).
const MAX_HOPS: usize = 50;
/// How much of a message is looked through for trace fields, in bytes.
const MAX_HEADER: u64 = 1024 * 1024;
/// Most recipients of one transaction: what every server takes (RFC 5321 section 4.5.3.1.8).
const MAX_RECIPIENTS: usize = 100;

/// How much is done at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Passes over one spool at once, whoever started them.
    pub runners: u32,
    /// Threads that deliver.
    pub workers: usize,
    /// Messages in their turn.
    pub messages: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { runners: 4, workers: 20, messages: 200 }
    }
}

pub struct Pass<'a> {
    pub desk: &'a Desk<'a>,
    pub router: &'a Router,
    pub carrier: &'a dyn Carrier,
    pub local: &'a Local,
    pub limits: Limits,
    pub halt: &'a Halt,
}

/// Takes what goes over a connection to where it goes.
pub trait Carrier: Sync {
    /// As [`Courier::serve`] or [`Courier::serve_securely`].
    fn serve<'a>(&self, to: &Way, securely: bool, outbox: &dyn Outbox<Job<'a>>) -> Option<Unserved>;
}

/// It knows no accounts.
impl Carrier for Courier<'_> {
    fn serve<'a>(&self, to: &Way, securely: bool, outbox: &dyn Outbox<Job<'a>>) -> Option<Unserved> {
        match to {
            Way::Open(to) if securely => self.serve_securely(to, outbox),
            Way::Open(to) => Courier::serve(self, to, outbox),
            Way::Account(name) => {
                let why = Diagnostic::local(EnhancedStatus::new(4, 3, 5), format!("no account {name}"));
                let unserved = Unserved { outcome: Outcome::Deferred(why), via: Via::default(), fault: Fault::Lost };
                settle_all(outbox, &unserved);
                Some(unserved)
            }
        }
    }
}

/// What a pass did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// All slots are taken: others are at work.
    NoSlot,
    /// So many messages had their turn.
    Messages(usize),
}

impl<'a> Pass<'a> {
    /// Runs to its end. The error is the spool's as a whole; what failed for one message is noted at the desk.
    pub fn run(&self) -> Result<Done, SpoolError> {
        let spool = self.desk.spool;
        let Some(_slot) = spool.take_slot(self.limits.runners)? else { return Ok(Done::NoSlot) };
        for settled in spool.settle_staged(self.desk.clock.now())? {
            if let Err(error) = settled {
                self.desk.trouble(None, error);
            }
        }
        let (board, gate, workers) = (Board::default(), Arc::new(Gate::default()), AtomicUsize::new(0));
        let count = std::thread::scope(|scope| {
            let (end, ended) = channel::<()>();
            scope.spawn(move || self.keep_removals(&ended));
            let hire = || {
                if workers.fetch_add(1, Ordering::Relaxed) < self.limits.workers.max(1) {
                    scope.spawn(|| self.work(&board));
                } else {
                    workers.fetch_sub(1, Ordering::Relaxed);
                }
            };
            let feeder = Feeder { pass: self, board: &board, gate: gate.clone(), hire: &hire };
            let count = feeder.feed();
            board.close();
            drop(end);
            count
        });
        spool.sync_removals()?;
        count.map(Done::Messages)
    }

    /// Makes removals durable every second, also while nothing but a slow host goes on, until the pass is at its end.
    fn keep_removals(&self, ended: &Receiver<()>) {
        while ended.recv_timeout(REMOVALS_WAIT) == Err(RecvTimeoutError::Timeout) {
            if let Err(error) = self.desk.spool.sync_removals() {
                self.desk.trouble(None, error);
            }
        }
    }

    /// What one thread does: serves hop after hop.
    fn work(&self, board: &Board<'a>) {
        while let Some(hop) = board.take() {
            // A job that dies leaves its recipients untried; the others go on.
            if catch_unwind(AssertUnwindSafe(|| self.serve(board, &hop))).is_err() {
                self.desk.trouble(None, "a delivery died of a bug");
            }
            while self.halt.is_over() && board.next(&hop).is_some() {}
            board.leave(&hop);
        }
    }

    fn serve(&self, board: &Board<'a>, hop: &Hop) {
        let lane = Lane::new(self.halt, board, hop);
        let send = |to: &Way, securely: bool, outbox: &dyn Outbox<Job<'a>>| match board.dead(hop) {
            Some(unserved) => settle_all(outbox, &unserved),
            None => {
                if let Some(why) = self.carrier.serve(to, securely, outbox) {
                    board.set_dead(hop, why);
                }
            }
        };
        match hop {
            Hop::Send { to: to @ Way::Open(_), securely } => send(to, *securely, &lane),
            Hop::Send { to: to @ Way::Account(_), securely } => send(to, *securely, &Patient(&lane)),
            Hop::Maildir { dir, user } => {
                lane.deliver(&dir.display().to_string(), |delivery| self.local.maildir(dir, user, delivery))
            }
            Hop::Pipe(argv) => lane.deliver(argv.first().map_or("", String::as_str), |delivery| self.local.pipe(argv, delivery)),
        }
    }
}

/// What one thread does to find work for the others.
struct Feeder<'p, 'a> {
    pass: &'p Pass<'a>,
    board: &'p Board<'a>,
    gate: Arc<Gate>,
    /// Starts another worker, up to the limit.
    hire: &'p dyn Fn(),
}

/// What is decided of a message's recipients.
#[derive(Default)]
struct Plan {
    /// In the order of their first recipients.
    hops: Vec<(Hop, Vec<usize>)>,
    index: HashMap<Hop, usize>,
    /// Known without going anywhere.
    results: Vec<(usize, Outcome)>,
    discarded: Vec<(usize, Mark)>,
    aliased: Vec<Alias>,
    /// What is sent needs verified TLS. A report goes on all the same (RFC 8689 section 5).
    require_tls: bool,
    turn: Turn,
}

impl<'a> Feeder<'_, 'a> {
    /// Gives every message that is due its turn, and then every child of theirs; comes back when all is done.
    fn feed(&self) -> Result<usize, SpoolError> {
        let desk = self.pass.desk;
        let mut count = self.carry_out_orders()?;
        let horizon = desk.schedule.horizon().as_secs();
        let due = desk.spool.scan(Which::Due { horizon }, desk.clock.now());
        for entry in due {
            if self.is_stopped() {
                break;
            }
            match entry {
                Ok(entry) => count += self.take(&entry),
                Err(error) => desk.trouble(None, error),
            }
        }
        loop {
            let children = self.gate.children();
            if children.is_empty() {
                return Ok(count);
            }
            for id in children.into_iter().take_while(|_| !self.is_stopped()) {
                count += self.take(&Entry { place: Place::New, id });
            }
        }
    }

    /// Orders stand for messages wherever they are, also those not due.
    fn carry_out_orders(&self) -> Result<usize, SpoolError> {
        let spool = self.pass.desk.spool;
        let mut count = 0;
        for id in spool.ordered()? {
            match spool.find(&id)? {
                Some(entry) => count += self.take(&entry),
                None => spool.cancel_stale_order(&id)?,
            }
        }
        Ok(count)
    }

    /// Claims a message and gives it its turn; 1 if there was something to do.
    fn take(&self, entry: &Entry) -> usize {
        let desk = self.pass.desk;
        self.gate.enter(self.pass.limits.messages);
        match desk.spool.claim(entry, desk.clock.now()) {
            Ok(Claim::Message(message)) if self.is_at_rest(&message) => {}
            Ok(Claim::Message(message)) => {
                self.consign(*message);
                return 1;
            }
            Ok(Claim::Corrupt { path, why }) => desk.trouble(Some(&entry.id), format!("{why}; put aside as {}", path.display())),
            Ok(Claim::Busy | Claim::Gone | Claim::Unfinished) => {}
            Err(error) => desk.trouble(Some(&entry.id), error),
        }
        self.gate.leave();
        0
    }

    /// It was put aside since the order for it was read, perhaps by that order.
    fn is_at_rest(&self, message: &Message) -> bool {
        let aside = matches!(message.place(), Place::Hold | Place::Failed);
        aside
            && match self.pass.desk.spool.standing_order(message.id()) {
                Ok(order) => order.is_none(),
                Err(error) => {
                    self.pass.desk.trouble(Some(message.id()), error);
                    true
                }
            }
    }

    fn consign(&self, mut message: Message) {
        let desk = self.pass.desk;
        let plan = match self.plan(&message) {
            Ok(plan) => plan,
            Err(error) => {
                let ended = settle::troubled(desk, message, &error.into());
                if let Err(error) = ended {
                    desk.trouble(None, error);
                }
                return self.gate.leave();
            }
        };
        if let Err(trouble) = self.settle_at_once(&mut message, &plan) {
            let ended = settle::troubled(desk, message, &trouble);
            if let Err(error) = ended {
                desk.trouble(None, error);
            }
            return self.gate.leave();
        }
        let jobs: Vec<(Hop, Vec<usize>)> = plan.hops.into_iter().flat_map(|(hop, places)| split(hop, places)).collect();
        if jobs.is_empty() {
            return Consignment::close_at_once(desk, self.gate.clone(), message, plan.turn);
        }
        let consignment = Consignment::open(desk, self.gate.clone(), message, plan.turn, jobs.len());
        for (hop, places) in jobs {
            if self.board.push(hop, Job { consignment: consignment.clone(), places }) {
                (self.hire)();
            }
        }
    }

    /// Where each recipient goes. The error is that of a body that can't be read.
    fn plan(&self, message: &Message) -> io::Result<Plan> {
        let require_tls = message.envelope().request.require_tls && message.reverse_path().mailbox().is_some();
        let mut plan = Plan { require_tls, ..Plan::default() };
        plan.turn.order = self.pass.desk.spool.standing_order(message.id()).map_err(io::Error::other)?;
        if plan.turn.order.is_some() {
            return Ok(plan);
        }
        let trace = scan(message)?;
        if trace.hops() > MAX_HOPS {
            let why = format!("{} hosts have passed it on, {MAX_HOPS} at most: it goes in a circle", trace.hops());
            let refused = Outcome::Refused(Diagnostic::local(EnhancedStatus::new(5, 4, 6), why));
            plan.results = pending(message).into_iter().map(|(place, _)| (place, refused.clone())).collect();
            return Ok(plan);
        }
        let follow = if message.sort() == Sort::Expansion { Follow::Nothing } else { Follow::Aliases };
        let released = message.has_note(RELEASED);
        for (place, path) in pending(message) {
            let router = self.pass.router;
            let hop = if released { router.resolve_released(&path, follow) } else { router.resolve(&path, follow) };
            plan.add(place, &path, hop, &trace);
        }
        plan.turn.tried.extend(plan.results.iter().map(|(place, _)| *place));
        Ok(plan)
    }

    /// Carries out what needs no next hop.
    fn settle_at_once(&self, message: &mut Message, plan: &Plan) -> Result<(), super::desk::Trouble> {
        let desk = self.pass.desk;
        if !plan.results.is_empty() {
            settle::tell(desk, message, &plan.results, &Via::default());
            settle::write(desk, message, &plan.results, (&Via::default(), Word::default()))?;
        }
        if !plan.discarded.is_empty() {
            desk.tell("discard", message, "by a route");
            message.set_marks(&plan.discarded)?;
        }
        if !plan.aliased.is_empty() {
            self.gate.add(expand(desk, message, &plan.aliased)?);
        }
        Ok(())
    }

    fn is_stopped(&self) -> bool {
        self.pass.halt.is_over()
    }
}

impl Plan {
    fn add(&mut self, place: usize, path: &ForwardPath, hop: NextHop, trace: &TraceScan) {
        let hop = match hop {
            NextHop::Mx(domain) => self.send(Destination::Mx(domain)),
            NextHop::Server(server) => self.send(Destination::Server(server)),
            NextHop::Account(name) => Hop::Send { to: Way::Account(name), securely: self.require_tls },
            NextHop::Maildir { .. } | NextHop::Pipe(_) if trace.was_delivered_to(path) => {
                let why = Diagnostic::local(
                    EnhancedStatus::new(5, 4, 6),
                    format!("it was delivered to {path} before: it goes in a circle"),
                );
                return self.results.push((place, Outcome::Refused(why)));
            }
            NextHop::Maildir { dir, user } => Hop::Maildir { dir, user },
            NextHop::Pipe(argv) => Hop::Pipe(argv),
            NextHop::Hold => {
                self.turn.held.insert(place);
                return;
            }
            NextHop::Discard => return self.discarded.push((place, Mark::Discarded)),
            NextHop::Refuse(status, text) => {
                return self.results.push((place, Outcome::Refused(Diagnostic::local(status, text))));
            }
            NextHop::Defer(status, text) => {
                return self.results.push((place, Outcome::Deferred(Diagnostic::local(status, text))));
            }
            NextHop::Alias(targets) => return self.aliased.push(Alias { place, targets }),
        };
        let next = self.hops.len();
        let at = *self.index.entry(hop.clone()).or_insert(next);
        match self.hops.get_mut(at) {
            Some((_, places)) => places.push(place),
            None => self.hops.push((hop, vec![place])),
        }
    }
}

impl Plan {
    fn send(&self, to: Destination) -> Hop {
        Hop::Send { securely: self.require_tls && !is_on_this_host(&to), to: Way::Open(to) }
    }
}

/// At most so many recipients as one transaction takes.
fn split(hop: Hop, places: Vec<usize>) -> Vec<(Hop, Vec<usize>)> {
    places.chunks(MAX_RECIPIENTS).map(|chunk| (hop.clone(), chunk.to_vec())).collect()
}

/// Reads the message's own trace fields.
fn scan(message: &Message) -> io::Result<TraceScan> {
    let (mut trace, mut body, mut chunk) = (TraceScan::default(), message.body().take(MAX_HEADER), vec![0; 8 * 1024]);
    loop {
        match body.read(&mut chunk) {
            Ok(0) => return Ok(trace),
            Ok(n) if trace.push(&chunk[..n]) => return Ok(trace),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
