//! The children of a message: a DSN to its sender, or its copy for what an alias stands for. In the order of spool(5): the child is
//! durable before the parent's marks speak of it, and set free only after.

use super::desk::{Desk, Trouble};
use crate::disk::spool::facts::Recipient;
use crate::disk::spool::format::{Arrival, Sort};
use crate::disk::spool::history::{Attempt, Record};
use crate::disk::spool::layout::SpoolError;
use crate::disk::spool::mark::Mark;
use crate::disk::spool::message::Message;
use crate::disk::spool::staged::Child;
use crate::mail::address::{ForwardPath, Mailbox, ReversePath};
use crate::mail::dsn::{Action, HeaderOnly, Original, Report, Reported};
use crate::mail::envelope::Envelope;
use crate::mail::notify::{Request, Return, Wish};
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::mail::queue_id::QueueId;
use crate::mail::reply::EnhancedStatus;
use jiff::Timestamp;
use std::collections::HashSet;
use std::io::{self, Read};

/// The note in the history that the sender was told of the delay.
const DELAYED: &str = "delayed";
/// A message up to this many bytes comes back whole, a longer one as its header, unless its sender asks for all of it: then up to the
/// second.
const WHOLE: u64 = 64 * 1024;
const WHOLE_IF_ASKED: u64 = 10 * 1024 * 1024;
const CHUNK: usize = 32 * 1024;

/// A recipient that stands for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    pub place: usize,
    pub targets: Vec<ForwardPath>,
}

/// Tells the sender about the recipients at `places`, which are marked as refused, and marks them as bounced. None for a message
/// without a sender: nobody is told, ever (RFC 5321 section 4.5.5), and the recipients are marked as failed. Who asked not to be told
/// (RFC 3461 section 4.1) is not.
pub fn bounce(desk: &Desk<'_>, message: &mut Message, places: &[usize]) -> Result<Option<QueueId>, Trouble> {
    let Some(to) = message.reverse_path().mailbox().cloned() else {
        let marks: Vec<_> = places.iter().map(|&place| (place, Mark::Failed)).collect();
        message.set_marks(&marks)?;
        desk.tell("double-bounce", message, "refused, and nobody to tell: kept in failed/");
        return Ok(None);
    };
    let wanted = |place: &usize| message.envelope().wish(*place).wants_failure();
    let (places, unwanted): (Vec<usize>, Vec<usize>) = places.iter().copied().partition(wanted);
    if !unwanted.is_empty() {
        let silenced: Vec<_> = unwanted.iter().map(|&place| (place, Mark::Unwanted)).collect();
        message.set_marks(&silenced)?;
        desk.tell("silence", message, format!("{to} asked not to be told of {}", count(&unwanted)));
    }
    if places.is_empty() {
        return Ok(None);
    }
    let recipients = reported(message, &places, desk.clock.now(), |_| Action::Failed);
    let child = child_report(desk, message, &to, &places, &recipients)?;
    let id = message.let_go(child, Mark::Bounced)?;
    desk.tell("bounce", message, format!("told {to} of {} by {id}", count(&places)));
    Ok(Some(id))
}

/// Tells the sender, who asked for it, which recipients have the message as far as this host can know (RFC 3461 sections 5.2.2, 5.2.6 and
/// 5.2.7.3). Nothing else may be left to do: the report takes the message's place. An error gives the message back where it is there yet.
pub fn confirm(desk: &Desk<'_>, mut message: Message) -> Result<QueueId, Box<(Option<Message>, Trouble)>> {
    let child = match word(desk, &mut message) {
        Ok(child) => child,
        Err(trouble) => return Err(Box::new((Some(message), trouble))),
    };
    let text = format!("told {} of success", message.reverse_path());
    desk.tell("confirm", &message, text);
    message.give_way(child).map_err(|error| Box::new((None, error.into())))
}

fn word(desk: &Desk<'_>, message: &mut Message) -> Result<Child, Trouble> {
    // Nothing is marked so where there is no sender.
    let to = message.reverse_path().mailbox().cloned().ok_or_else(|| io::Error::other("a report to nobody"))?;
    let places: Vec<usize> = message.recipients().filter(|r| r.mark.awaits_word()).map(|r| r.place).collect();
    let action = |mark| match mark {
        Mark::Delivered => Action::Delivered,
        Mark::Spread => Action::Expanded,
        _ => Action::Relayed,
    };
    let recipients = reported(message, &places, desk.clock.now(), action);
    child_report(desk, message, &to, &places, &recipients)
}

/// Tells the sender, once for each message, that it is late. Nobody is told of a report's delay, and nobody who asked for other reports
/// alone.
pub fn warn(desk: &Desk<'_>, message: &mut Message, places: &[usize]) -> Result<Option<QueueId>, Trouble> {
    let Some(to) = message.reverse_path().mailbox().cloned() else { return Ok(None) };
    let places: Vec<usize> = places.iter().copied().filter(|&place| message.envelope().wish(place).wants_delay()).collect();
    if places.is_empty() || message.has_note(DELAYED) || message.sort() == Sort::Dsn {
        return Ok(None);
    }
    let (id, at) = (desk.fresh_id(), desk.clock.now());
    let until = desk.schedule.expires(message.arrival().at);
    let recipients = reported(message, &places, at, |_| Action::Delayed { until });
    let (envelope, arrival) = dsn_envelope(message, &to, at)?;
    // First the note, durably: a crash between the two costs a courtesy, the other way about it could repeat without end.
    message.record(&Record::Note { at, note: DELAYED.to_owned() })?;
    message.set_marks(&[])?;
    let mut incoming = desk.spool.begin_sort(id.clone(), &envelope, &arrival, Sort::Dsn)?;
    write_report(desk, message, &to, &id, &recipients, &mut |bytes| incoming.write(bytes))?;
    drop(incoming.commit()?);
    desk.tell("delay", message, format!("told {to} of {} by {id}", count(&places)));
    Ok(Some(id))
}

/// Sends the message on to what recipients stand for, under the same reverse-path, and marks them as expanded. The targets that have
/// the message anyway are left out; if none is left there is no child. What was asked for an alias goes on with its copy, and of several
/// copies the sender hears here that it went well (RFC 3461 sections 5.2.7.2 and 5.2.7.3, the last of its three ways).
pub fn expand(desk: &Desk<'_>, message: &mut Message, aliases: &[Alias]) -> Result<Vec<QueueId>, Trouble> {
    let expanded: HashSet<usize> = aliases.iter().map(|alias| alias.place).collect();
    let has_it = |r: &Recipient<'_>| {
        let is_on_its_way = matches!(r.mark, Mark::Pending | Mark::Accepted) || r.mark.awaits_word();
        !expanded.contains(&r.place) && is_on_its_way
    };
    let mut have_it: HashSet<ForwardPath> = message.recipients().filter(has_it).map(|r| r.path.clone()).collect();
    let has_sender = message.reverse_path().mailbox().is_some();
    let is_told = |alias: &&Alias| has_sender && alias.targets.len() > 1 && message.envelope().wish(alias.place).wants_success();
    let (told, untold): (Vec<&Alias>, Vec<&Alias>) = aliases.iter().partition(is_told);
    let mut children = Vec::new();
    for (group, mark) in [(untold, Mark::Expanded), (told, Mark::Spread)] {
        if !group.is_empty() {
            children.extend(expand_to(desk, message, &group, mark, &mut have_it)?);
        }
    }
    Ok(children)
}

fn expand_to(
    desk: &Desk<'_>,
    message: &mut Message,
    aliases: &[&Alias],
    mark: Mark,
    have_it: &mut HashSet<ForwardPath>,
) -> Result<Option<QueueId>, Trouble> {
    let places: Vec<usize> = aliases.iter().map(|alias| alias.place).collect();
    let mut targets: Vec<(ForwardPath, Wish)> = Vec::new();
    for alias in aliases {
        let Some(path) = message.envelope().recipients().get(alias.place) else { continue };
        let wish = message.envelope().wish(alias.place).clone().of(path);
        let wish = if alias.targets.len() > 1 { wish.without_success() } else { wish };
        targets.extend(alias.targets.iter().filter(|&target| have_it.insert(target.clone())).map(|t| (t.clone(), wish.clone())));
    }
    let request = message.envelope().request.clone();
    let Ok(envelope) = Envelope::asking(message.reverse_path().clone(), targets, request) else {
        let marks: Vec<_> = places.iter().map(|&place| (place, mark)).collect();
        message.set_marks(&marks)?;
        return Ok(None);
    };
    let id = desk.fresh_id();
    let mut draft = message.stage_child(&places, id, &envelope, message.arrival(), Sort::Expansion)?;
    copy(message, &mut |bytes| {
        draft.write(bytes)?;
        Ok(false)
    })?;
    let child = draft.commit()?;
    let id = message.let_go(child, mark)?;
    desk.tell("expand", message, format!("{} became {} by {id}", count(&places), count(envelope.recipients())));
    Ok(Some(id))
}

/// A report as a child for these places, to be let go.
fn child_report(
    desk: &Desk<'_>,
    message: &mut Message,
    to: &Mailbox,
    places: &[usize],
    recipients: &[Reported],
) -> Result<Child, Trouble> {
    let id = desk.fresh_id();
    let (envelope, arrival) = dsn_envelope(message, to, desk.clock.now())?;
    let mut draft = message.stage_child(places, id.clone(), &envelope, &arrival, Sort::Dsn)?;
    write_report(desk, message, to, &id, recipients, &mut |bytes| draft.write(bytes))?;
    Ok(draft.commit()?)
}

/// The header of a message that was to have TLS all the way is to have it on its way back, too (RFC 8689 section 5).
fn dsn_envelope(message: &Message, to: &Mailbox, at: Timestamp) -> Result<(Envelope, Arrival), Trouble> {
    let request = Request { require_tls: message.envelope().request.require_tls, utf8: !to.is_ascii(), ..Request::default() };
    let to = (ForwardPath::Mailbox(to.clone()), Wish::default());
    let envelope = Envelope::asking(ReversePath::Null, [to], request).map_err(io::Error::other)?;
    Ok((envelope, Arrival { at, client: Some("local".to_owned()), ..Arrival::default() }))
}

/// What the history says of each recipient, and its mark.
fn reported(message: &Message, places: &[usize], now: Timestamp, action: impl Fn(Mark) -> Action) -> Vec<Reported> {
    let chosen: HashSet<usize> = places.iter().copied().collect();
    let recipients = message.recipients().filter(|recipient| chosen.contains(&recipient.place));
    // Of what went well an attempt before says nothing, and a full disk may have kept the last from being written down.
    let says =
        |recipient: &Recipient<'_>, last: &Attempt| !recipient.mark.awaits_word() || matches!(last.outcome, Outcome::Accepted(_));
    let report = |recipient: Recipient<'_>| {
        let last = recipient.last.filter(|last| says(&recipient, last));
        Reported {
            action: action(recipient.mark),
            address: recipient.path.clone(),
            original: recipient.wish.original.clone(),
            diagnostic: last.map_or_else(|| unknown(recipient.mark), |last| last.outcome.diagnostic().clone()),
            // The finding is a server's, not our own.
            remote: last.filter(|last| last.outcome.diagnostic().code.is_some()).and_then(|last| last.host.clone()),
            last_attempt: last.map_or(now, |last| last.at),
        }
    };
    recipients.map(report).collect()
}

/// What is said of a recipient of whom the history says nothing.
fn unknown(mark: Mark) -> Diagnostic {
    match mark {
        Mark::Spread => Diagnostic::local(EnhancedStatus::new(2, 1, 5), "sent on to the addresses it stands for"),
        mark if mark.awaits_word() => Diagnostic::local(EnhancedStatus::new(2, 0, 0), "accepted"),
        _ => Diagnostic::local(EnhancedStatus::new(5, 0, 0), "refused"),
    }
}

/// How much comes back: the header alone of what has not failed (RFC 3461 section 4.3), and of what was to have TLS all the way, whatever
/// else was asked (RFC 8689 section 5).
fn how_much(message: &Message, recipients: &[Reported]) -> Original {
    let request = &message.envelope().request;
    let limit = match request.ret {
        _ if request.require_tls => return Original::Header,
        Some(Return::Headers) => return Original::Header,
        Some(Return::Full) => WHOLE_IF_ASKED,
        None => WHOLE,
    };
    let has_failed = recipients.iter().any(|recipient| recipient.action == Action::Failed);
    if has_failed && message.size() <= limit { Original::Whole } else { Original::Header }
}

fn write_report(
    desk: &Desk<'_>,
    message: &Message,
    to: &Mailbox,
    id: &QueueId,
    recipients: &[Reported],
    write: &mut dyn FnMut(&[u8]) -> Result<(), SpoolError>,
) -> Result<(), Trouble> {
    let original = how_much(message, recipients);
    let report = Report {
        host: desk.hostname,
        to,
        id,
        about: message.id(),
        arrival: message.arrival().at,
        envid: message.envelope().request.envid.as_ref(),
        at: desk.clock.now(),
        recipients,
        original,
        eight_bit: message.is_eight_bit(),
        utf8_header: message.envelope().request.utf8,
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
