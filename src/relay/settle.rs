//! What follows from outcomes: history and marks after each transaction, and at the end of a message's turn its report, its next
//! try, or its removal.

use super::bounce::{bounce, confirm, warn};
use super::desk::{Desk, Trouble};
use super::retry::Next;
use super::session::{Via, Word};
use crate::disk::spool::control::Order;
use crate::disk::spool::history::{Attempt, Record};
use crate::disk::spool::layout::SpoolError;
use crate::disk::spool::mark::Mark;
use crate::disk::spool::message::Message;
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::mail::queue_id::QueueId;
use crate::mail::reply::EnhancedStatus;
use jiff::Timestamp;
use std::collections::HashSet;

/// What happened to a message in its turn.
#[derive(Debug, Default)]
pub struct Turn {
    /// An order by hand that was found.
    pub order: Option<Order>,
    /// Places of the recipients that were tried.
    pub tried: HashSet<usize>,
    /// Those that a route holds.
    pub held: HashSet<usize>,
    /// The pass was told to stop: what is in doubt for that is no reason to give up.
    pub stopped: bool,
    /// Marks of the last transaction, if it settled the message: they need not be written.
    pub last: Vec<(usize, Mark)>,
}

/// Logs the outcomes of one transaction.
pub fn tell(desk: &Desk<'_>, message: &Message, results: &[(usize, Outcome)], via: &Via) {
    let recipients = message.envelope().recipients();
    for (place, outcome) in results {
        if let Some(recipient) = recipients.get(*place) {
            desk.tell_outcome(message, recipient, outcome, via);
        }
    }
}

/// The marks that outcomes come to; what may be tried again keeps its own. Where the sender asked to hear of success and the next host will
/// not tell, we do.
pub fn marks(message: &Message, results: &[(usize, Outcome)], word: Word) -> Vec<(usize, Mark)> {
    let has_sender = message.reverse_path().mailbox().is_some();
    let is_ours_to_tell = |place| has_sender && word != Word::Theirs && message.envelope().wish(place).wants_success();
    let mark = |(place, outcome): &(usize, Outcome)| match outcome {
        Outcome::Accepted(_) if is_ours_to_tell(*place) => {
            Some((*place, if word == Word::Delivered { Mark::Delivered } else { Mark::Relayed }))
        }
        Outcome::Accepted(_) => Some((*place, Mark::Accepted)),
        Outcome::Refused(_) => Some((*place, Mark::Refused)),
        Outcome::Deferred(_) | Outcome::InDoubt(_) => None,
    };
    results.iter().filter_map(mark).collect()
}

/// With these marks, nothing is left to do for any recipient and nobody is to be told anything.
pub fn would_finish(message: &Message, marks: &[(usize, Mark)]) -> bool {
    let new: std::collections::HashMap<usize, Mark> = marks.iter().copied().collect();
    message.recipients().all(|recipient| {
        let mark = new.get(&recipient.place).copied().unwrap_or(recipient.mark);
        mark.is_settled() && mark != Mark::Failed
    })
}

/// Writes history and marks. A history that can't be written, on a full disk, is no hindrance: it costs a count and a text.
pub fn write(
    desk: &Desk<'_>,
    message: &mut Message,
    results: &[(usize, Outcome)],
    (via, word): (&Via, Word),
) -> Result<(), SpoolError> {
    let at = desk.clock.now();
    let host = Some(via.host.clone()).filter(|host| !host.is_empty());
    for (outcome, recipients) in by_outcome(results) {
        let record = Record::Attempt(Attempt { at, recipients, outcome, host: host.clone(), next: None });
        if let Err(error) = message.record(&record) {
            desk.trouble(Some(message.id()), error);
        }
    }
    let marks = marks(message, results, word);
    if marks.is_empty() { Ok(()) } else { message.set_marks(&marks) }
}

/// Ends a message's turn; gives the children that it brought forth, to be delivered in the same pass.
pub fn close(desk: &Desk<'_>, mut message: Message, turn: Turn) -> Result<Vec<QueueId>, SpoolError> {
    if !turn.last.is_empty() {
        return message.finish(&turn.last).map(|()| Vec::new());
    }
    match turn.order {
        Some(Order::Hold) => {
            desk.tell("hold", &message, "by order");
            return message.hold().map(|()| Vec::new());
        }
        Some(Order::Delete) => {
            desk.tell("delete", &message, "by order");
            return message.delete().map(|()| Vec::new());
        }
        Some(Order::Bounce) => return_all(desk, &mut message)?,
        None => {}
    }
    let due = give_up_or_retry(desk, &mut message, &turn)?;
    let mut children = Vec::new();
    let refused: Vec<usize> = with_mark(&message, Mark::Refused);
    if !refused.is_empty() {
        match bounce(desk, &mut message, &refused) {
            Ok(child) => children.extend(child),
            Err(trouble) => return troubled(desk, message, &trouble),
        }
    }
    if message.lacks_only_word() {
        return match confirm(desk, message) {
            Ok(child) => {
                children.push(child);
                Ok(children)
            }
            Err(failed) => match *failed {
                (Some(message), trouble) => troubled(desk, message, &trouble),
                (None, Trouble::Spool(error)) => Err(error),
                (None, trouble) => {
                    desk.trouble(None, trouble);
                    Ok(children)
                }
            },
        };
    }
    if message.is_settled() {
        let failed = message.recipients().any(|recipient| recipient.mark == Mark::Failed);
        let ended = if failed { message.fail() } else { message.finish(&[]) };
        return ended.map(|()| children);
    }
    put_back(desk, message, &turn, due, children)
}

/// The message can't be read: it is put aside where it is damaged, else tried again.
pub fn troubled(desk: &Desk<'_>, message: Message, trouble: &Trouble) -> Result<Vec<QueueId>, SpoolError> {
    if trouble.is_damage() {
        let id = message.id().clone();
        let path = message.put_aside()?;
        desk.trouble(Some(&id), format!("damaged, put aside as {}", path.display()));
        return Ok(Vec::new());
    }
    desk.trouble(Some(message.id()), trouble);
    let due = desk.clock.now().checked_add(desk.schedule.first).unwrap_or(Timestamp::MAX);
    message.defer(due).map(|()| Vec::new())
}

/// What is pending goes to hold/, or waits for its next try.
fn put_back(
    desk: &Desk<'_>,
    mut message: Message,
    turn: &Turn,
    due: Option<Timestamp>,
    mut children: Vec<QueueId>,
) -> Result<Vec<QueueId>, SpoolError> {
    let pending = with_mark(&message, Mark::Pending);
    if pending.iter().all(|place| turn.held.contains(place)) {
        desk.tell("hold", &message, "by a route");
        return message.hold().map(|()| children);
    }
    let deferred: Vec<usize> = pending.iter().copied().filter(|place| turn.tried.contains(place)).collect();
    if !deferred.is_empty() && desk.schedule.is_late(message.arrival().at, desk.clock.now()) {
        match warn(desk, &mut message, &deferred) {
            Ok(child) => children.extend(child),
            Err(trouble) if trouble.is_damage() => return troubled(desk, message, &trouble),
            Err(trouble) => desk.trouble(Some(message.id()), trouble),
        }
    }
    // Interrupted before its turn came: it stays where it is.
    let interrupted = pending.iter().any(|place| !turn.tried.contains(place) && !turn.held.contains(place));
    match due {
        Some(due) if !interrupted => message.defer(due).map(|()| children),
        _ => Ok(children),
    }
}

/// Marks what has been tried for long enough as refused; gives when the rest is due.
fn give_up_or_retry(desk: &Desk<'_>, message: &mut Message, turn: &Turn) -> Result<Option<Timestamp>, SpoolError> {
    let (now, arrival) = (desk.clock.now(), message.arrival().at);
    let random = desk.chance.draw();
    let (mut due, mut given_up) = (None::<Timestamp>, Vec::new());
    for recipient in message.recipients() {
        if recipient.mark != Mark::Pending || !turn.tried.contains(&recipient.place) {
            continue;
        }
        match desk.schedule.after_failure(arrival, now, recipient.attempts.max(1), random) {
            Next::GiveUp if turn.stopped => due = due.or(now.checked_add(desk.schedule.first).ok()),
            Next::RetryAt(at) => due = Some(due.map_or(at, |due| due.min(at))),
            Next::GiveUp => {
                let last = recipient.last.map(|last| last.outcome.diagnostic().to_string()).unwrap_or_default();
                let text = format!("given up after {} attempts; the last: {last}", recipient.attempts);
                given_up.push((recipient.place, Outcome::Refused(Diagnostic::local(EnhancedStatus::new(5, 4, 7), text))));
            }
        }
    }
    refuse(desk, message, &given_up)?;
    Ok(due)
}

/// Refuses all that is pending, by an order.
fn return_all(desk: &Desk<'_>, message: &mut Message) -> Result<(), SpoolError> {
    let why = Outcome::Refused(Diagnostic::local(EnhancedStatus::new(5, 7, 1), "returned by order of the postmaster"));
    let results: Vec<_> = with_mark(message, Mark::Pending).into_iter().map(|place| (place, why.clone())).collect();
    refuse(desk, message, &results)
}

fn refuse(desk: &Desk<'_>, message: &mut Message, results: &[(usize, Outcome)]) -> Result<(), SpoolError> {
    tell(desk, message, results, &Via::default());
    write(desk, message, results, (&Via::default(), Word::default()))
}

fn with_mark(message: &Message, mark: Mark) -> Vec<usize> {
    message.recipients().filter(|recipient| recipient.mark == mark).map(|recipient| recipient.place).collect()
}

/// Recipients that came to the same share a record.
fn by_outcome(results: &[(usize, Outcome)]) -> Vec<(Outcome, Vec<usize>)> {
    let mut groups: Vec<(Outcome, Vec<usize>)> = Vec::new();
    for (place, outcome) in results {
        match groups.iter_mut().rev().take(16).find(|(seen, _)| seen == outcome) {
            Some((_, places)) => places.push(*place),
            None => groups.push((outcome.clone(), vec![*place])),
        }
    }
    groups
}
