//! One section of one message, its octets handed on as they come.

use super::hearing::warn;
use super::shell::{Shell, Stop, verdict};
use super::signals::Enough;
use crate::browse::line::Line;
use crate::browse::session::{self, Heard, Lead};
use crate::cli::exit::{Failure, Status};
use crate::cli::stdio::say;
use crate::protocol::imap::fetch::{Attribute, Fetch, Item};
use crate::protocol::imap::response::Response;
use crate::protocol::imap::scan::Data;
use crate::protocol::imap::words::{Piece, Received};

/// Takes octets; its error ends the session.
pub type Sink<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), Failure>;

/// `UID FETCH uid (UID BODY.PEEK[section])`
pub fn line(lead_encoding: crate::browse::line::Encoding, uid: u32, section: &str, seen: bool) -> Line {
    let body = if seen { "BODY" } else { "BODY.PEEK" };
    Line::new("UID FETCH", lead_encoding).word(&uid.to_string()).word(&format!("(UID {body}[{section}])"))
}

/// Fetches it. [`Status::NoInput`]: there is no such message, or it has no such part.
pub fn fetch(shell: &Shell<'_>, lead: &mut Lead, uid: u32, section: &str, sink: Sink<'_>) -> Result<Status, Stop> {
    let line = line(lead.encoding, uid, section, shell.args.seen);
    shell.echo(&line);
    let (command, contents) = match session::command(line, &mut |_| Err(std::io::Error::other("no file"))) {
        Ok(made) => made,
        Err(error) => {
            say(&format!("imap-shell: {error}"));
            return Ok(Status::Usage);
        }
    };
    let (quiet, enough) = (shell.args.client.quiet, shell.enough());
    let mut taking =
        Taking { section, uid, sink, quiet, enough, open: false, given: false, found: false, damaged: false, failed: None };
    let done = lead.run(command, contents, &mut |lead, heard| taking.hear(lead, heard));
    if let Some(failure) = taking.failed.take() {
        return Err(Stop::Failed(failure));
    }
    let (found, damaged) = (taking.found, taking.damaged);
    let broken_off = taking.enough.was_enough();
    let status = verdict(&done?, damaged);
    if broken_off {
        return Ok(Status::TryAgain);
    }
    if status == Status::Done && !found {
        let part = if section.is_empty() { String::new() } else { format!(", or it has no {section}") };
        say(&format!("imap-shell: {uid}: no such message{part}"));
        return Ok(Status::NoInput);
    }
    Ok(status)
}

struct Taking<'a> {
    section: &'a str,
    uid: u32,
    sink: Sink<'a>,
    quiet: bool,
    enough: Enough,
    /// The literal that comes is the one that is wanted.
    open: bool,
    /// Octets were handed on of the row that is open, which may yet name another message.
    given: bool,
    found: bool,
    damaged: bool,
    failed: Option<Failure>,
}

impl Taking<'_> {
    fn hear(&mut self, lead: &Lead, heard: Heard) {
        if self.failed.is_some() || self.enough.is_enough() {
            return;
        }
        let done = match heard {
            Heard::Literal(Piece::Begin(opened)) => {
                let ours = opened.uid.is_none_or(|uid| uid == self.uid);
                // What comes twice is taken once.
                self.open = ours && !self.found && !self.given && opened.item.as_ref().is_some_and(|item| self.is_it(item));
                self.given |= self.open;
                Ok(())
            }
            Heard::Literal(Piece::Data(bytes)) if self.open => (self.sink)(&bytes),
            Heard::Literal(Piece::End) => {
                self.open = false;
                Ok(())
            }
            Heard::Received(received) => self.received(&received),
            Heard::Literal(_) | Heard::Idling => Ok(()),
        };
        if let Err(failure) = done {
            self.failed = Some(failure);
            lead.abandon();
        }
    }

    fn is_it(&self, item: &Item) -> bool {
        item.name == "BODY" && item.section.as_deref().is_some_and(|found| found.eq_ignore_ascii_case(self.section.as_bytes()))
    }

    fn received(&mut self, received: &Received) -> Result<(), Failure> {
        self.damaged |= warn(&received.response, self.quiet);
        match &received.response {
            Response::Fetch(fetch) => {
                if fetch.is_damaged() {
                    self.damaged = true;
                    say(&format!("imap-shell: {}: a row that cannot be read in whole", self.uid));
                }
                if self.given && !self.found { self.given(fetch) } else { self.held(fetch) }
            }
            Response::Unparsed(why) => {
                self.damaged = true;
                say(&format!("imap-shell: a response that cannot be read: {why}: {}", received.raw.bytes.escape_ascii()));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The order within a row is free (RFC 9051 section 7.5.2): whose the octets were is known at its end. What went out cannot be taken back, so nothing
    /// more is taken.
    fn given(&mut self, fetch: &Fetch) -> Result<(), Failure> {
        self.found = true;
        if fetch.uid() != Some(self.uid) {
            self.strange(fetch);
        }
        Ok(())
    }

    fn strange(&mut self, fetch: &Fetch) {
        self.damaged = true;
        say(&match fetch.uid() {
            Some(other) => format!("imap-shell: {}: the server sent message {other} in place of it", self.uid),
            None => format!("imap-shell: {}: the server gives no UID for message number {}", self.uid, fetch.sequence),
        });
    }

    /// What is short, or quoted, comes within its response.
    fn held(&mut self, fetch: &Fetch) -> Result<(), Failure> {
        if fetch.uid().is_some_and(|uid| uid != self.uid) {
            return Ok(());
        }
        for attribute in &fetch.attributes {
            if let Attribute::Section(item, Data::Held(bytes)) = attribute
                && self.is_it(item)
                && !self.found
            {
                if fetch.uid().is_none() {
                    self.strange(fetch);
                    return Ok(());
                }
                self.found = true;
                (self.sink)(bytes)?;
            }
        }
        Ok(())
    }
}
