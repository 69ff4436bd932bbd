//! One typed command after the other, each with its status.

use super::hearing::{Facets, Hearing};
use super::output::Facts;
use super::shell::{Shell, Stop, tell_void};
use super::{append, export, help, reading, rows, tree};
use crate::browse::asked::{Asked, Numbers};
use crate::browse::criteria::CriteriaError;
use crate::browse::line::Line;
use crate::browse::plan::kinds::{Context, Plan, PlanError, Proof, View};
use crate::browse::plan::plan;
use crate::browse::session::{self, Lead};
use crate::browse::set::Set;
use crate::cli::exit::Status;
use crate::cli::explain::imap::capability;
use crate::cli::stdio::say;
use crate::protocol::imap::code::{Code, StatusKind};
use crate::protocol::imap::command::Command;
use crate::protocol::imap::mailbox::Listed;
use crate::protocol::imap::set::SequenceSet;
use crate::protocol::imap::words::{Done, Place};
use std::io;

impl Shell<'_> {
    /// Runs one command; what went wrong with it was told.
    pub fn run(&mut self, lead: &mut Lead, typed: &str) -> Result<Status, Stop> {
        let plan = match self.plan(lead, typed) {
            Ok(plan) => plan,
            Err(error) => {
                say(&format!("imap-shell: {error}"));
                return Ok(status_of(&error));
            }
        };
        lead.parting = self.last && plan.is_one_question();
        // Of the others somebody wants to see how they go on.
        if !matches!(plan, Plan::Watch(_) | Plan::Export { .. } | Plan::Append { .. }) && !plan.is_idle() {
            self.out.begin_page();
        }
        let status = self.carry_out(lead, plan);
        self.failed |= !matches!(status, Ok(Status::Done));
        self.out.end_page()?;
        status
    }

    fn plan(&self, lead: &Lead, typed: &str) -> Result<Plan, PlanError> {
        let context = Context {
            encoding: lead.encoding,
            today: self.today,
            capabilities: &lead.capabilities,
            selected: self.mailbox.as_deref(),
            found: self.found.as_ref(),
            qresync: lead.has_enabled("QRESYNC"),
            seen: self.args.seen,
            read_only: self.args.read_only,
            examined: matches!(lead.place, Place::Selected { read_only: true, .. }),
        };
        plan(typed, &context).map_err(|error| match error {
            PlanError::NothingFound if self.found_nothing => PlanError::FoundNothing,
            other => other,
        })
    }

    fn carry_out(&mut self, lead: &mut Lead, plan: Plan) -> Result<Status, Stop> {
        match plan {
            Plan::Rest => Ok(Status::Done),
            Plan::Quit => Err(Stop::Quit),
            Plan::Help(name) => help::show(&mut self.out, name.as_deref()),
            Plan::Explain(plan) => self.explain(lead, &plan),
            Plan::Capabilities => self.capabilities(lead),
            Plan::Select { line, name, uid_validity } => self.select(lead, line, name, uid_validity),
            Plan::Send { lines, view, asked } => self.send_all(lead, lines, &view, asked.as_ref()),
            Plan::EachListed { lines, patterns, items } => self.count_each(lead, lines, patterns, &items),
            Plan::Read { uid, part, take } => reading::read(self, lead, uid, part.as_deref(), &take),
            Plan::Export { asked, store, path } => export::export(self, lead, &asked, store, &path),
            Plan::Watch(watch) => self.watch(lead, watch),
            Plan::Append { from, mailbox } => append::append(self, lead, &from, &mailbox),
        }
    }

    fn explain(&mut self, lead: &Lead, plan: &Plan) -> Result<Status, Stop> {
        let lines = match plan {
            Plan::Send { lines, .. } => lines.iter().map(Line::shown).collect(),
            Plan::Select { line, .. } => vec![line.shown()],
            Plan::EachListed { lines, patterns, items } => {
                let each = format!("STATUS MAILBOX ({items})");
                lines.iter().chain(patterns).map(Line::shown).chain([each]).collect()
            }
            Plan::Watch(watch) => watch.lines(lead.encoding, self.mailbox.as_deref(), &lead.capabilities),
            Plan::Append { from, mailbox } => append::lines(lead, from, mailbox),
            other => reading::lines(other),
        };
        for line in lines {
            self.out.row(&Facts::default().fact("line", line))?;
        }
        Ok(Status::Done)
    }

    fn capabilities(&mut self, lead: &mut Lead) -> Result<Status, Stop> {
        for name in lead.capabilities.names.clone() {
            let told = capability(&name);
            self.out.row(&Facts::default().fact("capability", name).fact("meaning", told))?;
        }
        Ok(Status::Done)
    }

    pub fn select(&mut self, lead: &mut Lead, line: Line, name: String, wanted: Option<u32>) -> Result<Status, Stop> {
        let before = (self.mailbox.take(), self.uid_validity.take(), self.found.take());
        self.found_nothing = false;
        let mut facets = Facets::default();
        // What is told before it is open is of this one, too.
        self.mailbox = Some(name.clone());
        lead.behind = self.next.take().and_then(|typed| self.reading_behind(lead, &typed));
        let sent = self.send(lead, line, &View::Selected, &mut |hearing| facets = hearing.facets);
        self.mailbox = None;
        let Some((done, status)) = sent? else { return Ok(Status::NoInput) };
        if done.status.kind != StatusKind::Ok {
            return Ok(status);
        }
        if let (Some(wanted), found) = (wanted, facets.uid_validity)
            && found != Some(wanted)
        {
            // RFC 9051 section 2.3.1.1: UIDs that were noted under another number name other messages now.
            let found = found.map_or_else(|| "unknown".to_owned(), |found| found.to_string());
            say(&format!("imap-shell: {name}: its UIDVALIDITY is {found}, not {wanted}: UIDs that were noted are void"));
            return Ok(Status::Data);
        }
        let (old_name, old_validity, old_found) = before;
        if old_name.as_ref() == Some(&name)
            && let (Some(was), Some(now)) = (old_validity, facets.uid_validity)
            && was != now
        {
            tell_void(&name, now);
        }
        if old_name.as_ref() == Some(&name) && facets.uid_validity.is_some() && facets.uid_validity == old_validity {
            // What the server keeps is gone with the mailbox that was left (RFC 9051 section 6.4.4.1).
            self.found = old_found.filter(|found| *found != Set::Saved);
        }
        let read_only = matches!(done.place, Place::Selected { read_only: true, .. });
        let row = Facts::default().fact("mailbox", name.clone()).fact("exists", facets.exists);
        let row = row.fact("uidvalidity", facets.uid_validity).fact("uidnext", facets.uid_next);
        let row = row.only_json("highestmodseq", facets.mod_seq).only_json("read_only", read_only);
        if !self.opening {
            self.out.row(&row.column(Some(if read_only { "ro" } else { "rw" }.to_owned())))?;
        }
        (self.mailbox, self.uid_validity) = (Some(name), facets.uid_validity);
        Ok(status)
    }

    /// The only line of a command that reads messages: it need not wait until their mailbox is open.
    fn reading_behind(&self, lead: &Lead, typed: &str) -> Option<Command> {
        let line = match self.plan(lead, typed).ok()? {
            Plan::Export { asked, .. } => export::line(lead, &asked),
            Plan::Send { lines, view: View::Messages, .. } => lines.into_iter().next()?,
            _ => return None,
        };
        let (command, _) = session::command(line, &mut |_| Err(io::Error::other("no file"))).ok()?;
        (command.name == "UID FETCH").then_some(command)
    }

    fn send_all(
        &mut self,
        lead: &mut Lead,
        lines: Vec<Line>,
        view: &View,
        asked: Option<&(Asked, Proof)>,
    ) -> Result<Status, Stop> {
        let before = match asked {
            Some((asked, Proof::Before)) => self.account(lead, asked, Proof::Search, Answers::default())?,
            _ => Status::Done,
        };
        if !matches!(before, Status::Done | Status::Partly) {
            return Ok(before);
        }
        let mut statuses = Vec::new();
        let mut heard = Answers::default();
        for line in lines {
            let Some((done, status)) = self.send(lead, line, view, &mut |hearing| heard.take(hearing))? else {
                return Ok(Status::NoInput);
            };
            let changed = asked.and_then(|(asked, _)| left_alone(&done, asked));
            statuses.push(changed.unwrap_or(status));
            if *view == View::Raw {
                self.follow(lead, &done, heard.facets.uid_validity);
            }
            // RFC 5182 section 2.1: what was saved before is gone.
            if *view == View::Saved && done.status.kind == StatusKind::No {
                self.found = None;
            }
            // One of several mailboxes may be missing; steps of a move must not go on.
            if done.status.kind != StatusKind::Ok && *view != View::Counts {
                return Ok(status);
            }
            if self.was_interrupted() {
                break;
            }
        }
        let stopped = self.was_interrupted();
        let worst = together(&statuses);
        if *view == View::Found && !stopped && worst != Status::Refused {
            self.found = Set::of(std::mem::take(&mut heard.found));
            self.found_nothing = self.found.is_none();
        }
        if let View::Enabled(names) = view
            && worst == Status::Done
        {
            return Ok(refused_to_enable(lead, names));
        }
        if matches!(view, View::Saved | View::SavedCount) && worst == Status::Done {
            self.found = Some(Set::Saved);
        }
        // RFC 4731 would have counted them at the server.
        if *view == View::Count && worst == Status::Done && !lead.capabilities.offers("ESEARCH") {
            self.out.row(&Facts::default().fact("count", heard.found_count))?;
        }
        if *view == View::Tree && !stopped {
            tree::show(&mut self.out, &heard.mailboxes, lead.encoding)?;
        }
        if !matches!(lead.place, Place::Selected { .. }) {
            (self.mailbox, self.found, self.uid_validity) = (None, None, None);
            self.found_nothing = false;
        }
        match asked {
            // Who broke it off misses nothing.
            _ if stopped => Ok(Status::TryAgain),
            Some((_, Proof::Before)) if worst == Status::Done => Ok(before),
            Some((asked, proof)) if worst == Status::Done => self.account(lead, asked, *proof, heard),
            _ => Ok(worst),
        }
    }

    /// What LIST-STATUS (RFC 5819) saves.
    fn count_each(&mut self, lead: &mut Lead, mut lines: Vec<Line>, patterns: Vec<Line>, items: &str) -> Result<Status, Stop> {
        let mut listed = Vec::new();
        let mut worst = Status::Done;
        for pattern in patterns {
            match self.send(lead, pattern, &View::Held, &mut |hearing| append(&mut listed, &mut hearing.mailboxes))? {
                Some((done, status)) if done.status.kind == StatusKind::Ok => worst = together(&[worst, status]),
                other => return Ok(other.map_or(Status::NoInput, |(_, status)| status)),
            }
        }
        for name in
            listed.iter().filter(|listed| listed.is_selectable()).filter_map(|one| rows::readable(&one.mailbox, lead.encoding))
        {
            // What came from the server has no NUL, which alone is refused.
            if let Ok(line) = Line::new("STATUS", lead.encoding).mailbox(&name) {
                lines.push(line.word(&format!("({items})")));
            }
        }
        let status = self.send_all(lead, lines, &View::Counts, None)?;
        Ok(if worst == Status::Done { status } else { worst })
    }

    /// Tells which of the messages that were asked for there are not. [`Status::NoInput`]: none of them.
    fn account(&mut self, lead: &mut Lead, asked: &Asked, proof: Proof, heard: Answers) -> Result<Status, Stop> {
        let mut came = heard.came;
        let Some(missing) = asked.missing(&came).or_else(|| asked.unanswered(&came)) else { return Ok(Status::Done) };
        let (mut there, had_rows) = (SequenceSet::default(), !came.is_empty());
        match proof {
            Proof::Rows | Proof::Before => {}
            // Without COPYUID nobody knows which they were.
            Proof::Moved if came.is_empty() && heard.removed => return Ok(Status::Done),
            Proof::Moved => {}
            Proof::Search => {
                let line = Line::new("UID SEARCH UID", lead.encoding).word(&missing.to_string());
                let mut take = |hearing: &mut Hearing<'_>| {
                    there = std::mem::take(&mut hearing.found);
                    there.0.iter().filter_map(|range| range.bounds()).for_each(|(low, high)| came.insert_all(low, high));
                };
                match self.send(lead, line, &View::Present, &mut take)? {
                    Some((_, Status::Done)) => {}
                    other => return Ok(other.map_or(Status::NoInput, |(_, status)| status)),
                }
            }
        }
        let status = missed(asked, &came);
        match &asked.unlike {
            Some(keys) if !there.0.is_empty() => match self.unchanged(lead, &there, keys)? {
                Some(Status::Permission) if had_rows || status != Status::Done => Ok(Status::Partly),
                unchanged => Ok(unchanged.unwrap_or(status)),
            },
            _ => Ok(status),
        }
    }

    /// RFC 9051 section 6.4.6: a server may say OK to a change of flags that it does not make, for want of rights (RFC 4314 section 4) or as PERMANENTFLAGS
    /// says. Without a row they may have been so before.
    fn unchanged(&mut self, lead: &mut Lead, there: &SequenceSet, keys: &str) -> Result<Option<Status>, Stop> {
        let line = Line::new("UID SEARCH UID", lead.encoding).word(&there.to_string()).word(keys);
        let mut left = SequenceSet::default();
        let sent = self.send(lead, line, &View::Present, &mut |hearing| left = std::mem::take(&mut hearing.found))?;
        match sent {
            Some((_, Status::Done)) if left.0.is_empty() => Ok(None),
            Some((_, Status::Done)) => {
                say(&format!("imap-shell: {left}: the server does not make that change here"));
                Ok(Some(if left == *there { Status::Permission } else { Status::Partly }))
            }
            other => Ok(Some(other.map_or(Status::NoInput, |(_, status)| status))),
        }
    }

    /// A raw line may have opened another mailbox.
    fn follow(&mut self, lead: &Lead, done: &Done, uid_validity: Option<u32>) {
        if let Place::Selected { mailbox, .. } = &lead.place
            && matches!(done.name.as_str(), "SELECT" | "EXAMINE")
            && done.status.kind == StatusKind::Ok
        {
            (self.mailbox, self.found, self.uid_validity) = (Some(rows::name(mailbox, lead.encoding)), None, uid_validity);
            self.found_nothing = false;
        }
    }
}

/// What was heard of several lines.
#[derive(Default)]
struct Answers {
    found: SequenceSet,
    found_count: usize,
    mailboxes: Vec<Listed>,
    came: Numbers,
    removed: bool,
    facets: Facets,
}

impl Answers {
    fn take(&mut self, hearing: &mut Hearing<'_>) {
        append(&mut self.found.0, &mut hearing.found.0);
        self.found_count += hearing.found_count;
        append(&mut self.mailboxes, &mut hearing.mailboxes);
        if !hearing.came.is_empty() {
            self.came = std::mem::take(&mut hearing.came);
        }
        self.removed |= hearing.removed;
        self.facets = hearing.facets;
    }
}

/// RFC 5161 section 3.1: what a server does not know, or does not switch on, it passes over with OK.
fn refused_to_enable(lead: &Lead, names: &[String]) -> Status {
    let off: Vec<&String> = names.iter().filter(|name| !lead.has_enabled(name)).collect();
    for name in &off {
        say(&format!("imap-shell: {name}: the server does not switch it on"));
    }
    match off.len() {
        0 => Status::Done,
        n if n == names.len() => Status::Refused,
        _ => Status::Partly,
    }
}

/// RFC 7162 section 3.1.3: those that changed since are named in a code, also of OK.
fn left_alone(done: &Done, asked: &Asked) -> Option<Status> {
    let Some(Code::Modified(set)) = &done.status.code else { return None };
    say(&format!("imap-shell: {set}: changed since, and left alone"));
    Some(if asked.set.single().is_some() { Status::Refused } else { Status::Partly })
}

/// The first of them may be large, and is not copied.
fn append<T>(all: &mut Vec<T>, more: &mut Vec<T>) {
    if all.is_empty() {
        std::mem::swap(all, more);
    } else {
        all.append(more);
    }
}

/// Tells of those that did not come.
pub fn missed(asked: &Asked, came: &Numbers) -> Status {
    match asked.missing(came) {
        None => Status::Done,
        Some(missing) => {
            say(&format!("imap-shell: {missing}: no such message"));
            if came.is_empty() { Status::NoInput } else { Status::Partly }
        }
    }
}

/// Of several lines for one command: [`Status::Partly`] where some were done, or failed otherwise.
fn together(statuses: &[Status]) -> Status {
    match statuses {
        [first, rest @ ..] if rest.iter().all(|status| status == first) => *first,
        [] => Status::Done,
        _ if statuses.contains(&Status::Protocol) => Status::Protocol,
        _ => Status::Partly,
    }
}

fn status_of(error: &PlanError) -> Status {
    match error {
        PlanError::NotOffered(_) | PlanError::Criteria(CriteriaError::NotOffered(..)) => Status::Refused,
        PlanError::FoundNothing => Status::NoInput,
        PlanError::ReadOnly(_) | PlanError::Examined(_) => Status::Permission,
        _ => Status::Usage,
    }
}
