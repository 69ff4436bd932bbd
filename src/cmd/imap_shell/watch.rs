//! `watch`: IDLE in the mailbox that is open, and for others NOTIFY, or a connection each. What is lost is made anew.

use super::door::{Door, failure};
use super::events::{self, MOST, Told, event, joined};
use super::hearing::warn;
use super::shell::{Again, Shell, Stop, verdict, verdict_on};
use super::signals::Signals;
use crate::browse::line::Line;
use crate::browse::session::{self, Heard, Lead, Over};
use crate::browse::watch::{Backoff, Group, Watch, is_same, notify, notify_as_before};
use crate::cli::exit::{Failure, Status};
use crate::cli::program::program;
use crate::cli::stdio::say;
use crate::protocol::imap::code::{StatusKind, Word};
use crate::protocol::imap::response::Response;
use crate::protocol::imap::words::{Done, Place, Received};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// A server that ends IDLE by itself is asked again, but not at once.
const PAUSE: Duration = Duration::from_secs(1);

impl Shell<'_> {
    pub fn watch(&mut self, lead: &mut Lead, watch: Watch) -> Result<Status, Stop> {
        self.signals.start(self.interrupted.is_some()).map_err(Stop::Failed)?;
        self.signals.watch();
        let until = watch.within.map(|time| Instant::now() + time);
        self.go_on(lead, Again { watch, until, open: None, exists: None, backoff: Backoff::default() })
    }

    /// Goes on where the connection was lost. What changed meanwhile is told as far as it can be seen.
    pub fn take_up(&mut self, lead: &mut Lead, again: Again) -> Result<Status, Stop> {
        if let Some((name, read_only)) = again.open.clone() {
            let status = self.open(lead, &name, read_only)?;
            if status != Status::Done {
                self.signals.finish();
                return Ok(status);
            }
        }
        self.go_on(lead, again)
    }

    fn go_on(&mut self, lead: &mut Lead, mut again: Again) -> Result<Status, Stop> {
        let done = self.watch_now(lead, &again);
        if matches!(done, Err(Stop::Over)) && !again.watch.once && !self.signals.has_ended() {
            let read_only = matches!(lead.place, Place::Selected { read_only: true, .. });
            again.open = self.mailbox.clone().map(|name| (name, read_only));
            again.exists = lead.exists;
            self.again = Some(again);
            return Err(Stop::Over);
        }
        match (self.signals.finish(), done) {
            // Who ends it so wants no more.
            (true, Ok(Status::Done) | Err(Stop::Over)) => Err(Stop::Quit),
            (_, done) => done,
        }
    }

    /// Without a row: nobody asked for it.
    fn open(&mut self, lead: &mut Lead, name: &str, read_only: bool) -> Result<Status, Stop> {
        let line = Line::new(if read_only { "EXAMINE" } else { "SELECT" }, lead.encoding).mailbox(name);
        let line = match line {
            Ok(line) => line,
            Err(error) => {
                say(&format!("imap-shell: {error}"));
                return Ok(Status::Usage);
            }
        };
        let before = std::mem::replace(&mut self.opening, true);
        let status = self.select(lead, line, name.to_owned(), None);
        self.opening = before;
        status
    }

    fn watch_now(&mut self, lead: &mut Lead, again: &Again) -> Result<Status, Stop> {
        let watch = &again.watch;
        let mut others = watch.mailboxes.clone();
        let by_notify = lead.capabilities.offers("NOTIFY");
        if let (None, Some(first)) = (&self.mailbox, others.first())
            && (others.len() == 1 || !by_notify)
        {
            let status = self.open(lead, &first.clone(), true)?;
            if status != Status::Done {
                return Ok(status);
            }
        }
        let open = self.mailbox.clone();
        let is_open = |name: &String| open.as_ref().is_some_and(|open| is_same(open, name));
        let here = others.is_empty() || others.iter().any(is_open);
        others.retain(|name| !is_open(name));
        let program = (!watch.exec.is_empty()).then(|| program(watch.exec.clone(), Arc::default()));
        let (tell, told) = sync_channel(MOST);
        let (out, signals, door) = (&mut self.out, &self.signals, self.door);
        let quiet = self.args.client.quiet;
        let echoes = self.interrupted.is_some() && self.args.client.verbose == 0 && !quiet;
        let post = Post { tell, signals, watch, quiet, echoes };
        let (led, apart, told) = thread::scope(|scope| {
            let program = program.as_ref();
            let teller = scope.spawn(move || events::tell(out, &told, program, signals));
            let apart: Vec<_> = (1..)
                .zip(&others)
                .filter(|_| !by_notify)
                .map(|(number, name)| {
                    let post = post.clone();
                    scope.spawn(move || apart(door, number, name, &post))
                })
                .collect();
            if let Some(until) = again.until {
                scope.spawn(move || {
                    if !signals.wait(until.saturating_duration_since(Instant::now())) {
                        signals.end();
                    }
                });
            }
            signals.take_part(0, lead.stopper());
            let place = Attended { mailbox: open.as_deref().filter(|_| here), others: if by_notify { &others } else { &[] } };
            post.tell_change(again.exists, &place, lead);
            let led = match post.are_there(lead, &place) {
                Ok(Status::Done) => post.attend(lead, &place),
                missing => missing,
            };
            // The others end with this one, whatever ended it.
            let over = signals.has_ended();
            signals.end();
            let apart: Vec<_> = apart.into_iter().map(joined).collect();
            if !over {
                signals.go_on();
            }
            drop(post);
            (led, apart, joined(teller))
        });
        let mut statuses = vec![told?];
        for ended in apart {
            statuses.push(ended.unwrap_or_else(|failure| {
                say(&format!("imap-shell: {:#}", failure.error));
                failure.status
            }));
        }
        statuses.push(led?);
        Ok(statuses.into_iter().find(|status| *status != Status::Done).unwrap_or(Status::Done))
    }
}

/// Which mailboxes one session attends to.
struct Attended<'a> {
    /// The one that is selected, where it is watched.
    mailbox: Option<&'a str>,
    /// By NOTIFY.
    others: &'a [String],
}

/// Where events go to, and what ends it.
#[derive(Clone)]
struct Post<'a> {
    tell: SyncSender<Told>,
    signals: &'a Signals,
    watch: &'a Watch,
    quiet: bool,
    /// At a prompt each command shows the lines that it sends.
    echoes: bool,
}

/// What came of a command beside its end.
#[derive(Default)]
struct Heed {
    damaged: bool,
    /// The server no longer tells of other mailboxes (RFC 5465 section 5.8).
    overflown: bool,
}

impl Post<'_> {
    fn event(&self, response: &Response, mailbox: Option<&str>, lead: &Lead) {
        if let Some(event) = event(response, mailbox, lead.encoding) {
            // Who tells them is gone only when the tool ends.
            let _ = self.tell.send(Told::Event(event));
        }
    }

    /// NOTIFY is OK with mailboxes that are none.
    fn are_there(&self, lead: &mut Lead, place: &Attended<'_>) -> Result<Status, Over> {
        let mut all = Status::Done;
        for name in place.others {
            let Ok(line) = Line::new("STATUS", lead.encoding).mailbox(name) else { return Ok(Status::Usage) };
            let nothing = Attended { mailbox: place.mailbox, others: &[] };
            let done = self.ask(lead, line.word("(UIDNEXT)"), &nothing)?;
            if done.status.kind != StatusKind::Ok {
                all = verdict_on(name, &done, false);
            }
        }
        Ok(all)
    }

    /// Its answer is no event.
    fn ask(&self, lead: &mut Lead, line: Line, place: &Attended<'_>) -> Result<Done, Over> {
        let (command, contents) = made(line)?;
        lead.run(command, contents, &mut |lead, heard| {
            if let Heard::Received(received) = heard
                && !matches!(received.response, Response::MailboxStatus(..))
            {
                self.heard(lead, &received, place, &mut Heed::default());
            }
        })
    }

    /// Until it is to end, or the server refuses.
    fn attend(&self, lead: &mut Lead, place: &Attended<'_>) -> Result<Status, Over> {
        let mut heed = Heed::default();
        loop {
            if !place.others.is_empty() {
                let selected = place.mailbox.map(|_| Group::Filter("selected"));
                let groups: Vec<Group> = selected.into_iter().chain(place.others.iter().cloned().map(Group::Mailbox)).collect();
                let Ok(line) = notify(false, &groups, lead.encoding) else { return Ok(Status::Usage) };
                let done = self.run(lead, line, place, &mut heed)?;
                if done.status.kind != StatusKind::Ok {
                    return Ok(verdict(&done, false));
                }
            }
            while !self.signals.has_ended() && !heed.overflown {
                let idles = lead.capabilities.offers("IDLE");
                let done = self.run(lead, Line::new(if idles { "IDLE" } else { "NOOP" }, lead.encoding), place, &mut heed)?;
                if done.status.kind != StatusKind::Ok {
                    return Ok(verdict(&done, false));
                }
                if !heed.overflown {
                    self.signals.wait(if idles { PAUSE } else { self.watch.every });
                }
            }
            if self.signals.has_ended() {
                break;
            }
            heed.overflown = false;
        }
        if !place.others.is_empty() {
            self.run(lead, notify_as_before(lead.encoding), place, &mut heed)?;
        }
        Ok(if heed.damaged { Status::Protocol } else { Status::Done })
    }

    /// One mailbox, in a session of its own; `known`: how many messages it had.
    fn attend_to(&self, lead: &mut Lead, number: usize, name: &str, known: &mut Option<u32>) -> Result<Status, Over> {
        lead.ready()?;
        self.signals.take_part(number, lead.stopper());
        let Ok(line) = Line::new("EXAMINE", lead.encoding).mailbox(name) else { return Ok(Status::Usage) };
        let nothing = Attended { mailbox: None, others: &[] };
        let done = self.run(lead, line, &nothing, &mut Heed::default())?;
        if done.status.kind != StatusKind::Ok {
            say(&format!("imap-shell: {name}: {}", done.status));
            return Ok(Status::Refused);
        }
        let place = Attended { mailbox: Some(name), others: &[] };
        self.tell_change(*known, &place, lead);
        let status = self.attend(lead, &place);
        *known = lead.exists;
        status
    }

    /// What a mailbox has more or less than when the connection to it was lost.
    fn tell_change(&self, before: Option<u32>, place: &Attended<'_>, lead: &Lead) {
        if let (Some(before), Some(now)) = (before, lead.exists)
            && before != now
        {
            self.event(&Response::Exists(now), place.mailbox, lead);
        }
    }

    fn run(&self, lead: &mut Lead, line: Line, place: &Attended<'_>, heed: &mut Heed) -> Result<Done, Over> {
        if self.echoes {
            say(&format!(" -> {}", line.shown()));
        }
        let (command, contents) = made(line)?;
        lead.run(command, contents, &mut |lead, heard| match heard {
            Heard::Received(received) => self.heard(lead, &received, place, heed),
            // Who wanted it to end before it began was not heard.
            Heard::Idling if self.signals.has_ended() => lead.end_idle(),
            Heard::Idling | Heard::Literal(_) => {}
        })
    }

    fn heard(&self, lead: &Lead, received: &Received, place: &Attended<'_>, heed: &mut Heed) {
        heed.damaged |= warn(&received.response, self.quiet) | received.response.is_damaged();
        match &received.response {
            Response::Unparsed(why) => {
                say(&format!("imap-shell: a response that cannot be read: {why}"));
                let _ = self.tell.send(Told::Raw(received.raw.bytes.clone()));
            }
            Response::Status(status) if status.is(Word::NotificationOverflow) => {
                heed.overflown = true;
                lead.end_idle();
            }
            response => self.event(response, place.mailbox, lead),
        }
    }
}

/// None of them names a file.
fn made(line: Line) -> Result<(crate::protocol::imap::command::Command, Vec<session::Content>), Over> {
    session::command(line, &mut |_| Err(std::io::Error::other("no file"))).map_err(|_| Over)
}

/// One mailbox over a connection of its own, made anew when it is lost.
fn apart(door: &Door<'_>, number: usize, name: &str, post: &Post<'_>) -> Result<Status, Failure> {
    let mut backoff = Backoff::default();
    let mut known = None;
    loop {
        let began = Instant::now();
        let opened = door.open(|lead| {
            let led = post.attend_to(lead, number, name, &mut known);
            if matches!(led, Ok(status) if status != Status::Done) {
                // What one of them refuses ends all, and before it takes its leave.
                post.signals.end();
            }
            led
        });
        let failure = match opened {
            Ok((Ok(status), _)) => return Ok(status),
            Ok((Err(Over), ended)) => door.titled(failure(&ended)),
            Err(failure) => failure,
        };
        if post.signals.has_ended() {
            return Ok(Status::Done);
        }
        if post.watch.once || !may_pass(&failure) {
            post.signals.end();
            return Err(failure);
        }
        if post.signals.wait(told(&failure, backoff.after(began.elapsed()), post.quiet)) {
            return Ok(Status::Done);
        }
    }
}

/// It may be better next time.
pub fn may_pass(failure: &Failure) -> bool {
    matches!(failure.status, Status::TryAgain)
}

/// Says that a connection is lost, and for how long.
pub fn told(failure: &Failure, wait: Duration, quiet: bool) -> Duration {
    if !quiet {
        say(&format!("imap-shell: {:#}; again in {} s", failure.error, wait.as_secs()));
    }
    wait
}
