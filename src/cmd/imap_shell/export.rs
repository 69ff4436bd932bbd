//! Messages brought home: one command for all of them, streamed into a Maildir or an mbox.

use super::output::Facts as Row;
use super::shell::{Shell, Stop, verdict};
use crate::browse::asked::Asked;
use crate::browse::items;
use crate::browse::line::Line;
use crate::browse::plan::kinds::Store;
use crate::browse::session::{self, Heard, Lead};

use crate::cli::exit::{Failure, Status};
use crate::cli::progress::Progress;
use crate::cli::stdio::{StdoutError, say};
use crate::disk::maildir::Maildir;
use crate::disk::real::Real;
use crate::fetch::target::maildir::IntoMaildir;
use crate::fetch::target::mbox::IntoMbox;
use crate::fetch::target::{Facts, Fault, Target};
use crate::fetch::words::{Stop as Halt, Why};
use crate::protocol::imap::fetch::Attribute;
use crate::protocol::imap::response::Response;
use crate::protocol::imap::scan::Data;
use crate::protocol::imap::words::Piece;
use std::path::Path;

/// What a message's name in `tmp` says of where it comes from.
const TAG: &str = "imap";

/// Fetches the messages of `set` into `path`. Those that were stored have their rows, whatever comes of the rest.
pub fn export(shell: &mut Shell<'_>, lead: &mut Lead, asked: &Asked, store: Store, path: &Path) -> Result<Status, Stop> {
    let mut target = match open(shell.hostname, store, path) {
        Ok(target) => target,
        Err(halt) => return Ok(halted(&halt)),
    };
    let line = Line::new(&items::for_export(&asked.set), lead.encoding);
    let (command, contents) = match session::command(line, &mut |_| Err(std::io::Error::other("no file"))) {
        Ok(made) => made,
        Err(error) => return Ok(halted(&Halt::new(Why::Io, error))),
    };
    let progress = Progress::new(shell.args.client.quiet);
    let mut storing = Storing { target: target.as_mut(), shell, waiting: Vec::new(), open: false, early: None, damaged: false };
    let mut failed: Option<Trouble> = None;
    let done = lead.run(command, contents, &mut |lead, heard| {
        if failed.is_some() {
            return;
        }
        if let Heard::Literal(Piece::Data(bytes)) = &heard {
            progress.passed(bytes.len() as u64);
        }
        if let Err(trouble) = storing.hear(heard) {
            failed = Some(trouble);
            lead.abandon();
        }
    });
    progress.finish();
    if failed.is_none() {
        // What came whole is kept, also of a session that broke.
        failed = storing.keep().err();
    }
    let damaged = storing.damaged;
    match failed {
        Some(Trouble::Stdout(error)) => return Err(Stop::Stdout(error)),
        Some(Trouble::Halt(halt)) => {
            let status = halted(&halt);
            return Err(Stop::Failed(Failure::text(status, halt)));
        }
        None => {}
    }
    Ok(verdict(&done?, damaged))
}

fn open(hostname: &str, store: Store, path: &Path) -> Result<Box<dyn Target>, Halt> {
    let fs = Real::shared();
    Ok(match store {
        Store::Maildir => {
            let made = Maildir::new(std::sync::Arc::clone(&fs), path).create();
            made.map_err(|error| Halt::new(Why::CannotCreate, error))?;
            Box::new(IntoMaildir::without_journal(fs, path, hostname, TAG)?)
        }
        Store::Mbox => Box::new(IntoMbox::open(fs, path, &|| false)?),
    })
}

fn halted(halt: &Halt) -> Status {
    say(&format!("imap-shell: {halt}"));
    match halt.why {
        Why::CannotCreate => Status::CannotCreate,
        Why::Io => Status::Io,
        Why::Retry => Status::TryAgain,
        Why::Refused => Status::Refused,
        Why::Login => Status::Permission,
        Why::Usage => Status::Usage,
    }
}

enum Trouble {
    Halt(Halt),
    Stdout(StdoutError),
}

impl From<Halt> for Trouble {
    fn from(halt: Halt) -> Trouble {
        Trouble::Halt(halt)
    }
}

struct Storing<'t, 's, 'a> {
    target: &'t mut dyn Target,
    shell: &'s mut Shell<'a>,
    /// Messages that are written and not visible yet: UID and octets.
    waiting: Vec<(u32, u64)>,
    /// The literal that comes is a message.
    open: bool,
    /// Octets of the message whose response has not come to its end, so that its UID may be unknown.
    early: Option<u64>,
    damaged: bool,
}

impl Storing<'_, '_, '_> {
    fn hear(&mut self, heard: Heard) -> Result<(), Trouble> {
        match heard {
            Heard::Literal(Piece::Begin(opened)) => {
                let item = opened.item.as_ref();
                // A second body in one response would be a second message under one UID.
                let is_it = item.is_some_and(|item| item.name == "BODY" && item.section.as_deref() == Some(b"".as_slice()));
                self.open = is_it && self.early.is_none();
                if self.open {
                    self.early = Some(opened.len);
                    self.begin(opened.uid.unwrap_or_default())?;
                }
                Ok(())
            }
            Heard::Literal(Piece::Data(bytes)) if self.open => self.target.push(&bytes).map_err(fault),
            Heard::Literal(Piece::End) if std::mem::take(&mut self.open) => self.target.end().map(|_| ()).map_err(fault),
            Heard::Received(received) => match &received.response {
                Response::Fetch(fetch) => {
                    self.damaged |= fetch.is_damaged();
                    self.fetched(fetch)
                }
                Response::Unparsed(why) => {
                    self.damaged = true;
                    say(&format!("imap-shell: a response that cannot be read: {why}: {}", received.raw.bytes.escape_ascii()));
                    Ok(())
                }
                _ => Ok(()),
            },
            Heard::Literal(_) | Heard::Idling => Ok(()),
        }
    }

    fn begin(&mut self, number: u32) -> Result<(), Trouble> {
        let facts =
            Facts { number, uid: None, size: None, at: jiff::Timestamp::now(), alone: false, done: None, unjudged: false };
        self.target.begin(&facts).map_err(fault)
    }

    /// The response is whole, and with it the message.
    fn fetched(&mut self, fetch: &crate::protocol::imap::fetch::Fetch) -> Result<(), Trouble> {
        let held = fetch.attributes.iter().find_map(|attribute| match attribute {
            Attribute::Section(item, Data::Held(bytes)) if item.section.as_deref() == Some(b"".as_slice()) => Some(bytes),
            _ => None,
        });
        let octets = match (self.early.take(), held) {
            (Some(octets), _) => octets,
            (None, Some(bytes)) => {
                self.begin(fetch.uid().unwrap_or_default())?;
                self.target.push(bytes).map_err(fault)?;
                self.target.end().map_err(fault)?;
                bytes.len() as u64
            }
            (None, None) => return Ok(()),
        };
        self.waiting.push((fetch.uid().unwrap_or_default(), octets));
        if self.target.is_full() { self.keep() } else { Ok(()) }
    }

    /// Makes what waits durable and visible, and tells of it.
    fn keep(&mut self) -> Result<(), Trouble> {
        if std::mem::take(&mut self.open) || self.early.take().is_some() {
            self.target.abort();
        }
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.target.prepare()?;
        self.target.publish()?;
        let mailbox = self.shell.mailbox.clone();
        for (uid, size) in self.waiting.drain(..) {
            let row = Row::default().only_json("mailbox", mailbox.clone()).fact("uid", uid).fact("size", size);
            self.shell.out.row(&row.only_json("outcome", "delivered")).map_err(Trouble::Stdout)?;
        }
        self.shell.out.flush().map_err(Trouble::Stdout)
    }
}

fn fault(fault: Fault) -> Trouble {
    Trouble::Halt(fault.into())
}
