//! The children of a message: a DSN to its sender, or its copy for what an alias stands for. In the order of spool(5): the child is
//! durable before the parent's marks speak of it, and set free only after.

use super::desk::{Desk, Trouble};
use crate::disk::spool::facts::Recipient;
use crate::disk::spool::format::{Arrival, Sort};
use crate::disk::spool::history::Record;
use crate::disk::spool::layout::SpoolError;
use crate::disk::spool::mark::Mark;
use crate::disk::spool::message::Message;
use crate::mail::address::{ForwardPath, Mailbox, ReversePath};
use crate::mail::dsn::{Action, HeaderOnly, Original, Report, Reported};
use crate::mail::envelope::Envelope;
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::mail::queue_id::QueueId;
use crate::mail::reply::EnhancedStatus;
use jiff::Timestamp;
use std::collections::HashSet;
use std::io::{self, Read};

/// The note in the history that the sender was told of the delay.
const DELAYED: &str = "delayed";
/// A message up to this many bytes comes back whole, a longer one as its header.
const WHOLE: u64 = 64 * 1024;
const CHUNK: usize = 32 * 1024;

/// Tells the sender about the recipients at `places`, which are marked as refused, and marks them as bounced. None for a message
/// without a sender: nobody is told, ever (RFC 5321 section 4.5.5), and the recipients are marked as failed.
pub fn bounce(desk: &Desk<'_>, message: &mut Message, places: &[usize]) -> Result<Option<QueueId>, Trouble> {
    let Some(to) = message.reverse_path().mailbox().cloned() else {
        let marks: Vec<_> = places.iter().map(|&place| (place, Mark::Failed)).collect();
        message.set_marks(&marks)?;
        desk.tell("double-bounce", message, "refused, and nobody to tell: kept in failed/");
        return Ok(None);
    };
    let (id, at) = (desk.fresh_id(), desk.clock.now());
    let recipients = reported(message, places, at);
    let (envelope, arrival) = dsn_envelope(&to, at)?;
    let mut draft = message.stage_child(places, id.clone(), &envelope, &arrival, Sort::Dsn)?;
    write_report(desk, message, &to, &id, &recipients, Action::Failed, &mut |bytes| draft.write(bytes))?;
    let child = draft.commit()?;
    let id = message.let_go(child, Mark::Bounced)?;
    desk.tell("bounce", message, format!("told {to} of {} by {id}", count(places)));
    Ok(Some(id))
}

/// Tells the sender, once for each message, that it is late. Nobody is told of a report's delay.
pub fn warn(desk: &Desk<'_>, message: &mut Message, places: &[usize]) -> Result<Option<QueueId>, Trouble> {
    let Some(to) = message.reverse_path().mailbox().cloned() else { return Ok(None) };
    if message.has_note(DELAYED) || message.sort() == Sort::Dsn {
        return Ok(None);
    }
    let (id, at) = (desk.fresh_id(), desk.clock.now());
    let recipients = reported(message, places, at);
    let (envelope, arrival) = dsn_envelope(&to, at)?;
    // First the note, durably: a crash between the two costs a courtesy, the other way about it could repeat without end.
    message.record(&Record::Note { at, note: DELAYED.to_owned() })?;
    message.set_marks(&[])?;
    let until = desk.schedule.expires(message.arrival().at);
    let mut incoming = desk.spool.begin_sort(id.clone(), &envelope, &arrival, Sort::Dsn)?;
    write_report(desk, message, &to, &id, &recipients, Action::Delayed { until }, &mut |bytes| incoming.write(bytes))?;
    drop(incoming.commit()?);
    desk.tell("delay", message, format!("told {to} of {} by {id}", count(places)));
    Ok(Some(id))
}

/// Sends the message on to what the recipients at `places` stand for, under the same reverse-path, and marks them as expanded. The
/// targets that have the message anyway are left out; if none is left there is no child.
pub fn expand(
    desk: &Desk<'_>,
    message: &mut Message,
    places: &[usize],
    targets: &[ForwardPath],
) -> Result<Option<QueueId>, Trouble> {
    let expanded: HashSet<usize> = places.iter().copied().collect();
    let has_it = |r: &Recipient<'_>| !expanded.contains(&r.place) && matches!(r.mark, Mark::Pending | Mark::Accepted);
    let direct: HashSet<&ForwardPath> = message.recipients().filter(has_it).map(|r| r.path).collect();
    let targets: Vec<_> = targets.iter().filter(|target| !direct.contains(target)).cloned().collect();
    let Ok(envelope) = Envelope::new(message.reverse_path().clone(), targets) else {
        let marks: Vec<_> = places.iter().map(|&place| (place, Mark::Expanded)).collect();
        message.set_marks(&marks)?;
        return Ok(None);
    };
    let id = desk.fresh_id();
    let mut draft = message.stage_child(places, id, &envelope, message.arrival(), Sort::Expansion)?;
    copy(message, &mut |bytes| {
        draft.write(bytes)?;
        Ok(false)
    })?;
    let child = draft.commit()?;
    let id = message.let_go(child, Mark::Expanded)?;
    desk.tell("expand", message, format!("{} became {} by {id}", count(places), count(envelope.recipients())));
    Ok(Some(id))
}

fn dsn_envelope(to: &Mailbox, at: Timestamp) -> Result<(Envelope, Arrival), Trouble> {
    let envelope = Envelope::new(ReversePath::Null, [ForwardPath::Mailbox(to.clone())]).map_err(io::Error::other)?;
    Ok((envelope, Arrival { at, client: Some("local".to_owned()), ..Arrival::default() }))
}

/// What the history says of each recipient.
fn reported(message: &Message, places: &[usize], now: Timestamp) -> Vec<Reported> {
    let chosen: HashSet<usize> = places.iter().copied().collect();
    let recipients = message.recipients().filter(|recipient| chosen.contains(&recipient.place));
    let unknown = || Diagnostic::local(EnhancedStatus::new(5, 0, 0), "refused");
    recipients
        .map(|recipient| Reported {
            address: recipient.path.clone(),
            diagnostic: recipient.last.map_or_else(unknown, |last| last.outcome.diagnostic().clone()),
            remote: recipient
                .last
                .and_then(|last| last.host.clone())
                .filter(|_| is_remote(recipient.last.map(|last| &last.outcome))),
            last_attempt: recipient.last.map_or(now, |last| last.at),
        })
        .collect()
}

/// The finding is a server's, not our own.
fn is_remote(outcome: Option<&Outcome>) -> bool {
    outcome.is_some_and(|outcome| outcome.diagnostic().code.is_some())
}

fn write_report(
    desk: &Desk<'_>,
    message: &Message,
    to: &Mailbox,
    id: &QueueId,
    recipients: &[Reported],
    action: Action,
    write: &mut dyn FnMut(&[u8]) -> Result<(), SpoolError>,
) -> Result<(), Trouble> {
    let original = if message.size() <= WHOLE && action == Action::Failed { Original::Whole } else { Original::Header };
    let report = Report {
        action,
        host: desk.hostname,
        to,
        id,
        about: message.id(),
        arrival: message.arrival().at,
        at: desk.clock.now(),
        recipients,
        original,
        eight_bit: message.is_eight_bit(),
    };
    write(&report.head())?;
    let mut header = HeaderOnly::default();
    copy(message, &mut |bytes| match original {
        Original::Whole => {
            write(bytes)?;
            Ok(false)
        }
        Original::Header => {
            let mut out = Vec::new();
            let over = header.push(bytes, &mut out);
            write(&out)?;
            Ok(over)
        }
    })?;
    write(&report.tail())?;
    Ok(())
}

/// Shows the body in pieces until `take` has enough.
fn copy(message: &Message, take: &mut dyn FnMut(&[u8]) -> Result<bool, SpoolError>) -> Result<(), Trouble> {
    let (mut body, mut chunk) = (message.body(), vec![0; CHUNK]);
    loop {
        match body.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(n) if take(&chunk[..n])? => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn count<T>(of: &[T]) -> String {
    if of.len() == 1 { "1 recipient".to_owned() } else { format!("{} recipients", of.len()) }
}
