//! Into the spool: instead of sending, or what was deferred.

use super::args::Args;
use super::results::Result as RecipientResult;
use crate::cli::clock::System;
use crate::cli::config::settings::Config;
use crate::cli::config::system_hostname;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::message::Message;
use crate::disk::spool::format::Arrival;
use crate::disk::spool::layout::{Spool, SpoolError};
use crate::mail::envelope::Envelope;
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::mail::queue_id::QueueId;
use crate::mail::reply::EnhancedStatus;
use crate::mail::trace::Received;
use crate::protocol::smtp::client::words::Fault;
use crate::relay::clock::{Chance, Clock};
use crate::relay::session::Via;
use anyhow::Context;
use std::io::Read;
use std::path::Path;

/// `--enqueue`: the message is safe in the spool, and every recipient accepted.
pub fn enqueue(args: &Args, config: &Config, message: &Message, envelope: &Envelope) -> Result<Vec<RecipientResult>, Failure> {
    let dir = args.spool.clone().unwrap_or_else(|| config.spool_tree());
    let hostname = config.hostname.as_ref().map_or_else(system_hostname, ToString::to_string);
    let id = put(&dir, &hostname, message, envelope)?;
    let queued = Diagnostic::local(EnhancedStatus::new(2, 0, 0), format!("queued as {id}"));
    let result = |recipient: &crate::mail::address::ForwardPath| RecipientResult {
        recipient: recipient.clone(),
        outcome: Outcome::Accepted(queued.clone()),
        via: Via::default(),
        fault: None,
        queue_id: Some(id.to_string()),
    };
    Ok(envelope.recipients().iter().map(result).collect())
}

/// The spool took nothing: a full disk, one that is not to be written. Every recipient hears of it.
pub fn not_kept(envelope: &Envelope, failure: &Failure) -> Vec<RecipientResult> {
    let full = failure.error.downcast_ref::<SpoolError>().is_some_and(SpoolError::is_full);
    let why = Diagnostic::local(EnhancedStatus::new(4, 3, u16::from(full)), failure.error.to_string());
    let result = |recipient| RecipientResult::without_session(recipient, Outcome::Deferred(why.clone()));
    envelope.recipients().iter().map(result).collect()
}

/// `--spool`: what was deferred goes into the spool as one message, and each of its results has the queue id. There is one result for each
/// recipient of the envelope. Nothing is kept that nobody could log in for: what is wrong there does not mend by waiting.
pub fn keep_deferred(
    dir: &Path,
    hostname: &str,
    message: &Message,
    envelope: &Envelope,
    results: &mut [RecipientResult],
) -> Result<(), Failure> {
    let keeps = |result: &RecipientResult| matches!(result.outcome, Outcome::Deferred(_)) && result.fault != Some(Fault::Auth);
    let kept: Vec<usize> = (0..results.len()).filter(|place| results.get(*place).is_some_and(keeps)).collect();
    let Some(envelope) = envelope.part(kept) else { return Ok(()) };
    let id = put(dir, hostname, message, &envelope)?.to_string();
    for result in results.iter_mut().filter(|result| keeps(result)) {
        result.queue_id = Some(id.clone());
    }
    Ok(())
}

fn put(dir: &Path, hostname: &str, message: &Message, envelope: &Envelope) -> Result<QueueId, Failure> {
    let spool = Spool::create(dir).or_status(Status::CannotCreate)?;
    let at = System.now();
    let id = QueueId::new(u64::try_from(at.as_millisecond()).unwrap_or(0), System.draw());
    let arrival = Arrival { at, client: Some("local".to_owned()), ..Arrival::default() };
    let mut incoming = spool.begin(id.clone(), envelope, &arrival).or_status(Status::Io)?;
    let recipient = match envelope.recipients() {
        [only] => Some(only),
        _ => None,
    };
    let received =
        Received { helo: None, peer_name: None, peer: None, by: hostname, with: None, id: &id, tls: None, recipient, at };
    incoming.write(&received.line()).or_status(Status::Io)?;
    copy(message, &mut |piece| incoming.write(piece).or_status(Status::Io))?;
    drop(incoming.commit().or_status(Status::Io)?);
    Ok(id)
}

/// The message in wire form, its last line ended.
fn copy(message: &Message, write: &mut dyn FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut body = message.body();
    let mut buf = vec![0; 64 * 1024];
    let mut ended = true;
    loop {
        let n = body.read(&mut buf).context("cannot read the message").or_status(Status::Io)?;
        if n == 0 {
            break;
        }
        ended = buf[n - 1] == b'\n';
        write(&buf[..n])?;
    }
    if ended { Ok(()) } else { write(b"\r\n") }
}
