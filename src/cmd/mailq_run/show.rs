//! The commands that look and change nothing.

use super::rows::{Line, MessageRow};
use crate::bytes::newline::ToLf;
use crate::cli::clock::System;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::report::Rows;
use crate::cli::stdio::{Stdout, StdoutError, say};
use crate::disk::spool::facts::{Facts, State};
use crate::disk::spool::layout::{Spool, SpoolError};
use crate::mail::address::ForwardPath;
use crate::mail::date::rfc3339;
use crate::mail::queue_id::QueueId;
use crate::relay::clock::Clock;
use crate::relay::route::{Follow, NextHop, Router};
use jiff::Timestamp;
use std::io::{Read, Write};

pub fn list(spool: &Spool, json: bool) -> Result<Status, Failure> {
    let mut rows = Rows::new(json);
    let now = System.now();
    let mut status = Status::Done;
    for facts in spool.list(now) {
        if let Some(facts) = readable(facts, &mut status) {
            put(&mut rows, &facts, json, now)?;
        }
    }
    Ok(status)
}

pub fn show(spool: &Spool, id: &QueueId, json: bool, message: bool) -> Result<Status, Failure> {
    let entry = spool.find(id).or_status(Status::Io)?;
    let facts = entry.map(|entry| spool.look(&entry)).transpose().or_status(Status::Io)?.flatten();
    let Some(facts) = facts else { return Err(Failure::text(Status::NoInput, format_args!("{id}: no such message"))) };
    if message {
        return show_message(spool, &facts);
    }
    let mut rows = Rows::new(json);
    if json {
        put(&mut rows, &facts, true, System.now())?;
        return Ok(Status::Done);
    }
    for line in description(&facts) {
        rows.put(&line)?;
    }
    Ok(Status::Done)
}

fn put(rows: &mut Rows, facts: &Facts, json: bool, now: Timestamp) -> Result<(), StdoutError> {
    let row = MessageRow::new(facts, now);
    if json { rows.put(&row) } else { row.lines().try_for_each(|line| rows.put(&line)) }
}

/// A fact a line, then a line a recipient.
fn description(facts: &Facts) -> Vec<Line> {
    let (now, arrival, request) = (System.now(), facts.arrival(), &facts.envelope().request);
    let yes = |it: bool| it.then(|| "yes".to_owned());
    let reverse_path = facts.reverse_path().to_string();
    let heads = [
        ("id", Some(facts.id().to_string())),
        ("state", Some(facts.state(now).word().to_owned())),
        ("arrival", Some(rfc3339(arrival.at))),
        ("next", facts.next().map(rfc3339)),
        ("size", Some(facts.size().to_string())),
        ("reverse-path", Some(if reverse_path.is_empty() { "<>".to_owned() } else { reverse_path })),
        ("client", arrival.client.clone()),
        ("helo", arrival.helo.clone()),
        ("protocol", arrival.protocol.clone()),
        ("tls", arrival.tls.clone()),
        ("user", arrival.user.clone()),
        ("ret", request.ret.map(|ret| ret.to_string())),
        ("envid", request.envid.as_ref().map(|envid| envid.as_str().to_owned())),
        ("require-tls", yes(request.require_tls)),
        ("smtputf8", yes(request.utf8)),
        ("parent", facts.parent().map(|parent| parent.id.to_string())),
    ];
    let heads =
        heads.into_iter().filter(|(_, value)| value.is_some()).map(|(name, value)| Line::new([Some(name.to_owned()), value]));
    let recipients = facts.recipients().map(|recipient| {
        let last = recipient.last.map(|last| last.outcome.diagnostic().to_string());
        let host = recipient.last.and_then(|last| last.host.clone());
        let outcome = Some(recipient.mark.word().to_owned());
        let address = Some(recipient.path.to_string());
        Line::new([Some("recipient".to_owned()), address, outcome, Some(recipient.attempts.to_string()), host, last])
    });
    let asked = facts.recipients().filter(|recipient| !recipient.wish.is_empty()).map(|recipient| {
        let notify = recipient.wish.notify.map(|notify| notify.to_string());
        let original = recipient.wish.original.as_ref().map(ToString::to_string);
        Line::new([Some("dsn".to_owned()), Some(recipient.path.to_string()), notify, original])
    });
    heads.chain(recipients).chain(asked).collect()
}

/// The message with LF line ends. The checksum is compared at its end: what was damaged ends in status 74.
fn show_message(spool: &Spool, facts: &Facts) -> Result<Status, Failure> {
    let gone = || Failure::text(Status::NoInput, format_args!("{}: no such message", facts.id()));
    let mut body = spool.body(facts.id()).or_status(Status::Io)?.ok_or_else(gone)?;
    let (mut out, mut newline) = (Stdout::new(), ToLf::default());
    let (mut chunk, mut lines) = (vec![0; 64 * 1024], Vec::new());
    loop {
        let n = body.read(&mut chunk).or_status(Status::Io)?;
        if n == 0 {
            break;
        }
        newline.push(&chunk[..n], &mut lines);
        out.write_all(&lines).map_err(StdoutError::from)?;
        lines.clear();
    }
    newline.finish(&mut lines);
    out.write_all(&lines).and_then(|()| out.flush()).map_err(StdoutError::from)?;
    Ok(Status::Done)
}

/// Messages and bytes by state, and the oldest arrival of each.
pub fn stats(spool: &Spool) -> Result<Status, Failure> {
    let (now, mut status) = (System.now(), Status::Done);
    let mut tally = [State::Due, State::Deferred, State::Held, State::Failed].map(|state| (state, 0u64, 0u64, None::<Timestamp>));
    for facts in spool.list(now) {
        let Some(facts) = readable(facts, &mut status) else { continue };
        let Some(row) = tally.iter_mut().find(|row| row.0 == facts.state(now)) else { continue };
        row.1 += 1;
        row.2 += facts.size();
        let arrival = facts.arrival().at;
        row.3 = Some(row.3.map_or(arrival, |oldest| oldest.min(arrival)));
    }
    let mut rows = Rows::new(false);
    for (state, messages, bytes, oldest) in tally {
        let columns = [Some(state.word().to_owned()), Some(messages.to_string()), Some(bytes.to_string()), oldest.map(rfc3339)];
        rows.put(&Line::new(columns))?;
    }
    Ok(status)
}

/// What can be shown; what cannot is told, and the others are shown all the same.
fn readable(facts: Result<Facts, SpoolError>, status: &mut Status) -> Option<Facts> {
    facts
        .map_err(|error| {
            say(&format!("mailq-run: {error}"));
            *status = Status::Io;
        })
        .ok()
}

/// Where mail for each address goes; an alias has a line for itself and one for each address that it comes to.
pub fn route(router: &Router, addresses: &[ForwardPath]) -> Result<Status, Failure> {
    let mut rows = Rows::new(false);
    for address in addresses {
        let hop = router.resolve(address, Follow::Aliases);
        rows.put(&hop_line(address, &hop))?;
        if let NextHop::Alias(targets) = hop {
            for target in targets {
                rows.put(&hop_line(&target, &router.resolve(&target, Follow::Nothing)))?;
            }
        }
    }
    Ok(Status::Done)
}

fn hop_line(address: &ForwardPath, hop: &NextHop) -> Line {
    let (how, to) = match hop {
        NextHop::Mx(domain) => ("mx", Some(domain.to_string())),
        NextHop::Server(server) => ("server", Some(server.to_string())),
        NextHop::Account(name) => ("account", Some(name.clone())),
        NextHop::Maildir { dir, .. } => ("maildir", Some(dir.display().to_string())),
        NextHop::Pipe(argv) => ("pipe", Some(argv.join(" "))),
        NextHop::Hold => ("hold", None),
        NextHop::Discard => ("discard", None),
        NextHop::Refuse(status, text) => ("refuse", Some(format!("{status} {text}"))),
        NextHop::Defer(status, text) => ("defer", Some(format!("{status} {text}"))),
        NextHop::Alias(targets) => ("alias", Some(targets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))),
    };
    Line::new([Some(address.to_string()), Some(how.to_owned()), to])
}
