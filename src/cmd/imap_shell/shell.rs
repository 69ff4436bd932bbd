//! What is known between two commands, and one line sent and heard.

use super::args::Args;
use super::door::Door;
use super::hearing::Hearing;
use super::output::Out;
use super::signals::{Enough, Signals};
use crate::browse::line::Line;
use crate::browse::plan::kinds::View;
use crate::browse::session::{self, Content, Heard, Lead, Over};
use crate::browse::set::Set;
use crate::browse::watch::{Backoff, Watch};
use crate::cli::exit::{Failure, Status};
use crate::cli::stdio::{StdoutError, say};
use crate::protocol::imap::code::{Code, Status as Answer, StatusKind, Word};
use crate::protocol::imap::words::Done;
use jiff::civil::Date;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Why no further command makes sense.
#[derive(Debug)]
pub enum Stop {
    /// The session is over.
    Over,
    /// It is over before this was answered, which may have been done.
    Doubt(&'static str),
    Stdout(StdoutError),
    Failed(Failure),
    /// `quit`.
    Quit,
    /// One came that ends the script.
    Signal,
}

/// A watch whose connection was lost, to be taken up over another one.
pub struct Again {
    pub watch: Watch,
    pub until: Option<Instant>,
    /// What was selected, and whether to be read only.
    pub open: Option<(String, bool)>,
    /// Messages that it had.
    pub exists: Option<u32>,
    pub backoff: Backoff,
}

impl From<Over> for Stop {
    fn from(_: Over) -> Stop {
        Stop::Over
    }
}

impl From<StdoutError> for Stop {
    fn from(error: StdoutError) -> Stop {
        Stop::Stdout(error)
    }
}

/// What is known between two commands.
pub struct Shell<'a> {
    pub args: &'a Args,
    /// Ours, in names of files.
    pub hostname: &'a str,
    pub today: Date,
    pub out: Out,
    /// The mailbox that is selected, as it was named.
    pub mailbox: Option<String>,
    /// What `$` stands for.
    pub found: Option<Set>,
    /// The last search found nothing.
    pub found_nothing: bool,
    pub uid_validity: Option<u32>,
    /// A command that went out failed.
    pub failed: bool,
    /// The mailbox of the command line is opened: nobody asked for a row.
    pub opening: bool,
    /// No command follows this one.
    pub last: bool,
    /// What follows the mailbox of the command line.
    pub next: Option<String>,
    /// Somebody sits at a prompt: lines are told before they are sent, and this says that he has seen enough of an answer.
    pub interrupted: Option<Arc<AtomicBool>>,
    pub signals: Signals,
    /// Where further sessions come from.
    pub door: &'a Door<'a>,
    /// A watch whose connection was lost.
    pub again: Option<Again>,
}

impl<'a> Shell<'a> {
    pub fn new(args: &'a Args, hostname: &'a str, today: Date, door: &'a Door<'a>) -> Shell<'a> {
        let out = Out::new(args.client.json, args.crlf);
        Shell {
            args,
            hostname,
            today,
            signals: Signals::new(out.pager()),
            out,
            mailbox: None,
            found: None,
            found_nothing: false,
            uid_validity: None,
            failed: false,
            opening: false,
            last: false,
            next: None,
            interrupted: None,
            door,
            again: None,
        }
    }

    /// Of the command that begins.
    pub fn enough(&self) -> Enough {
        Enough::new(self.interrupted.clone())
    }

    /// Somebody at a prompt has seen enough of the command that runs.
    pub fn was_interrupted(&self) -> bool {
        self.interrupted.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// At a prompt each command shows the line that it sends.
    pub fn echo(&self, line: &Line) {
        if self.interrupted.is_some() && self.args.client.verbose == 0 && !self.args.client.quiet {
            say(&format!(" -> {}", line.shown()));
        }
    }

    /// Sends one line; `after` takes what was heard of it. None: a file that it names cannot be read, and nothing was sent.
    pub fn send(
        &mut self,
        lead: &mut Lead,
        line: Line,
        view: &View,
        after: &mut dyn FnMut(&mut Hearing<'_>),
    ) -> Result<Option<(Done, Status)>, Stop> {
        if *view != View::Raw {
            self.echo(&line);
        }
        let doubtful = doubtful(&line.shown());
        let (command, contents) = match session::command(line, &mut open) {
            Ok(made) => made,
            Err(error) => {
                say(&format!("imap-shell: {error}"));
                return Ok(None);
            }
        };
        let mailbox = self.mailbox.clone().unwrap_or_default();
        let mut hearing = Hearing::new(&mut self.out, view, &mailbox, self.args.client.quiet);
        hearing.enough = Enough::new(self.interrupted.clone());
        hearing.at_prompt = self.interrupted.is_some();
        // Somebody at a prompt ends it himself.
        let ends_idle = *view == View::Raw && self.interrupted.is_none();
        let done = lead.run(command, contents, &mut |lead, heard| {
            if ends_idle && matches!(heard, Heard::Idling) {
                lead.end_idle();
            }
            hearing.hear(lead, heard);
        });
        if let Some(error) = hearing.failed.take() {
            return Err(Stop::Stdout(error));
        }
        hearing.out.cut()?;
        let done = done.map_err(|over| doubtful.map_or(over.into(), Stop::Doubt))?;
        if *view == View::Nothing
            && let Some(code) = &done.status.code
        {
            hearing.code(code)?;
        }
        after(&mut hearing);
        if let (Some(was), Some(now), false) =
            (self.uid_validity, hearing.facets.uid_validity, *view == View::Selected || *view == View::Raw)
            && was != now
        {
            tell_void(&mailbox, now);
            (self.uid_validity, self.found) = (Some(now), None);
        }
        let status = verdict(&done, hearing.damaged || done.status.is_damaged());
        Ok(Some((done, status)))
    }
}

/// RFC 9051 section 2.3.1.1.
pub fn tell_void(mailbox: &str, now: u32) {
    say(&format!("imap-shell: {mailbox}: its UIDVALIDITY is {now} now: UIDs that were noted are void"));
}

/// What doubles mail where it is done twice.
fn doubtful(line: &str) -> Option<&'static str> {
    let mut words = line.split(' ').filter(|word| !word.eq_ignore_ascii_case("UID"));
    let name = words.next()?;
    ["APPEND", "COPY", "MOVE", "REPLACE"].into_iter().find(|known| known.eq_ignore_ascii_case(name))
}

fn open(path: &Path) -> io::Result<Content> {
    let file = File::open(path)?;
    let facts = file.metadata()?;
    if !facts.is_file() {
        return Err(io::Error::other("not a file"));
    }
    Ok(Content { octets: facts.len(), read: Box::new(file) })
}

/// The status that an answer ends its command with; a refusal is told.
pub fn verdict(done: &Done, damaged: bool) -> Status {
    judged("", done, damaged)
}

/// The same, where it has to be said on what.
pub fn verdict_on(what: &str, done: &Done, damaged: bool) -> Status {
    judged(&format!("{what}: "), done, damaged)
}

fn judged(what: &str, done: &Done, damaged: bool) -> Status {
    match done.status.kind {
        StatusKind::Ok if damaged => Status::Protocol,
        StatusKind::Ok => Status::Done,
        _ => {
            say(&format!("imap-shell: {what}{}: {}", done.name, done.status));
            refusal(&done.status)
        }
    }
}

fn refusal(answer: &Answer) -> Status {
    match &answer.code {
        _ if answer.is_temporary() => Status::TryAgain,
        Some(Code::Word(Word::NoPerm | Word::AuthorizationFailed | Word::PrivacyRequired)) => Status::Permission,
        _ => Status::Refused,
    }
}
