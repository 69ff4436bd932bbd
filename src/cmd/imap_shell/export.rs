//! Messages brought home: one command for all of them, streamed into a Maildir or an mbox with their flags and dates.

use super::hearing::warn;
use super::output::Facts as Row;
use super::shell::{Shell, Stop, verdict};
use crate::browse::asked::{Asked, Numbers};
use crate::browse::items;
use crate::browse::line::Line;
use crate::browse::plan::kinds::Store;
use crate::browse::session::{self, Heard, Lead};
use crate::cli::exit::{Failure, Status};
use crate::cli::progress::Progress;
use crate::cli::stdio::{StdoutError, say};
use crate::disk::maildir::Maildir;
use crate::disk::real::Real;
use crate::disk::scratch::Scratch;
use crate::fetch::labels::Labels;
use crate::fetch::target::maildir::IntoMaildir;
use crate::fetch::target::mbox::IntoMbox;
use crate::fetch::target::stream::held;
use crate::fetch::target::{Facts, Fault, Target};
use crate::fetch::words::{Stop as Halt, Why};
use crate::mail::date::rfc3339;
use crate::protocol::imap::fetch::{Attribute, Fetch, Item};
use crate::protocol::imap::framing::Opened;
use crate::protocol::imap::response::{Raw, Read as Said, Response, read};
use crate::protocol::imap::scan::Data;
use crate::protocol::imap::words::{Piece, Received};
use std::io::{Read, Write};
use std::path::Path;

/// What a message's name in `tmp` says of where it comes from.
const TAG: &str = "imap";
/// Octets of a message that are moved at once.
const CHUNK: usize = 64 * 1024;

/// Fetches the messages of `asked` into `path`. Those that were stored have their rows, whatever comes of the rest.
pub fn export(shell: &mut Shell<'_>, lead: &mut Lead, asked: &Asked, store: Store, path: &Path) -> Result<Status, Stop> {
    let mut target = match open(shell.hostname, store, path) {
        Ok(target) => target,
        Err(halt) => return Ok(halted(&halt)),
    };
    let line = line(lead, asked);
    shell.echo(&line);
    let (command, contents) = match session::command(line, &mut |_| Err(std::io::Error::other("no file"))) {
        Ok(made) => made,
        Err(error) => return Ok(halted(&Halt::new(Why::Io, error))),
    };
    let progress = Progress::new(shell.args.client.quiet);
    let mut enough = shell.enough();
    let mut storing = Storing {
        target: target.as_mut(),
        shell,
        asked,
        came: Numbers::default(),
        named: Numbers::default(),
        waiting: Vec::new(),
        current: None,
        odd: false,
    };
    let mut failed: Option<Trouble> = None;
    let done = lead.run(command, contents, &mut |lead, heard| {
        if failed.is_some() || enough.was_enough() && enough.is_enough() {
            return;
        }
        if enough.is_enough() {
            // What came whole is there at once; the rest is dropped.
            progress.finish();
            failed = storing.keep().err();
            say("imap-shell: broken off: the rows name what is stored");
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
    let Storing { came, named, odd, .. } = storing;
    match failed {
        Some(Trouble::Stdout(error)) => return Err(Stop::Stdout(error)),
        Some(Trouble::Halt(halt)) => {
            let status = halted(&halt);
            return Err(Stop::Failed(Failure::text(status, halt)));
        }
        None => {}
    }
    let answered = verdict(&done?, odd);
    if enough.was_enough() {
        return Ok(Status::Partly);
    }
    Ok(match (answered, missed(asked, &came, &named)) {
        (Status::Done, missed) => missed,
        (Status::Protocol, _) => Status::Protocol,
        // RFC 9051 section 6.4.5: NO where some could not be fetched.
        _ if !came.is_empty() => Status::Partly,
        (refused, _) => refused,
    })
}

/// Brings them home.
pub fn line(lead: &Lead, asked: &Asked) -> Line {
    Line::new(&items::for_export(&asked.set), lead.encoding)
}

/// Tells of those that were asked for and that no row spoke of.
fn missed(asked: &Asked, came: &Numbers, named: &Numbers) -> Status {
    if let Some(missing) = asked.missing(named) {
        say(&format!("imap-shell: {missing}: no such message"));
    }
    match asked.missing(came) {
        None if came == named => Status::Done,
        _ if came.is_empty() => Status::NoInput,
        _ => Status::Partly,
    }
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
    halt.why.into()
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

/// The message that comes.
enum Current {
    /// Into the target.
    Straight { uid: Option<u32>, octets: u64, labels: Labels },
    /// What it is of stands behind its body.
    Held(Scratch),
    /// It was not asked for, or came before.
    Skipped,
}

/// Written, and not visible yet.
struct Waiting {
    uid: Option<u32>,
    octets: u64,
    labels: Labels,
}

struct Storing<'t, 's, 'a> {
    target: &'t mut dyn Target,
    shell: &'s mut Shell<'a>,
    asked: &'t Asked,
    /// UIDs of messages that came whole.
    came: Numbers,
    /// And of those that were told of in another way.
    named: Numbers,
    waiting: Vec<Waiting>,
    current: Option<Current>,
    /// Something was told that cannot be.
    odd: bool,
}

impl Storing<'_, '_, '_> {
    fn hear(&mut self, heard: Heard) -> Result<(), Trouble> {
        match heard {
            // A second body in one response would be a second message under one UID.
            Heard::Literal(Piece::Begin(opened)) if self.current.is_none() && opened.item.as_ref().is_some_and(is_whole) => {
                self.open(&opened)
            }
            Heard::Literal(Piece::Data(bytes)) => match &mut self.current {
                Some(Current::Straight { .. }) => self.target.push(&bytes).map_err(fault),
                Some(Current::Held(scratch)) => scratch.write_all(&bytes).map_err(|error| fault(held(&error))),
                Some(Current::Skipped) | None => Ok(()),
            },
            Heard::Received(received) => self.received(&received),
            Heard::Literal(_) | Heard::Idling => Ok(()),
        }
    }

    /// Straight to its place, where all is known of it by now.
    fn open(&mut self, opened: &Opened) -> Result<(), Trouble> {
        let before = read(&Raw { bytes: opened.before.clone(), ..Raw::default() });
        self.current = Some(match before {
            Said::Untagged(Response::Fetch(known)) if is_known(&known) => {
                let (uid, labels) = (known.uid(), labels(&known));
                if self.is_wanted(uid, known.sequence) {
                    self.begin(&labels)?;
                    Current::Straight { uid, octets: opened.len, labels }
                } else {
                    Current::Skipped
                }
            }
            _ => Current::Held(Scratch::new().map_err(|error| fault(held(&error)))?),
        });
        Ok(())
    }

    fn received(&mut self, received: &Received) -> Result<(), Trouble> {
        self.odd |= warn(&received.response, self.shell.args.client.quiet);
        match &received.response {
            Response::Fetch(fetch) => {
                if fetch.is_damaged() {
                    self.odd = true;
                    say(&format!("imap-shell: a row that cannot be read: {}", received.raw.bytes.escape_ascii()));
                }
                self.fetched(fetch)
            }
            Response::Unparsed(why) => {
                self.odd = true;
                say(&format!("imap-shell: a response that cannot be read: {why}: {}", received.raw.bytes.escape_ascii()));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The response is whole, and with it the message.
    fn fetched(&mut self, fetch: &Fetch) -> Result<(), Trouble> {
        let (uid, labels_now) = (fetch.uid(), labels(fetch));
        match self.current.take() {
            Some(Current::Straight { uid, octets, labels }) => return self.end(Waiting { uid, octets, labels }),
            Some(Current::Held(mut scratch)) if self.is_wanted(uid, fetch.sequence) => {
                self.begin(&labels_now)?;
                let octets = scratch.size();
                self.copy(&mut scratch)?;
                return self.end(Waiting { uid, octets, labels: labels_now });
            }
            Some(Current::Held(_) | Current::Skipped) => return Ok(()),
            None => {}
        }
        let whole = fetch.attributes.iter().find_map(|attribute| match attribute {
            Attribute::Section(item, data) if is_whole(item) => Some(data),
            _ => None,
        });
        match whole {
            Some(Data::Held(bytes)) if self.is_wanted(uid, fetch.sequence) => {
                self.begin(&labels_now)?;
                self.target.push(bytes).map_err(fault)?;
                self.end(Waiting { uid, octets: bytes.len() as u64, labels: labels_now })
            }
            Some(Data::Nil) if self.is_wanted(uid, fetch.sequence) => {
                let called = uid.map_or_else(|| format!("number {}", fetch.sequence), |uid| uid.to_string());
                say(&format!("imap-shell: {called}: the server has no content of it"));
                self.named.insert(uid.unwrap_or_default());
                Ok(())
            }
            // A change of flags that somebody else made.
            _ => Ok(()),
        }
    }

    /// Whether this message is to be stored. What is not is told.
    fn is_wanted(&mut self, uid: Option<u32>, sequence: u32) -> bool {
        let Some(uid) = uid else {
            self.odd = true;
            say(&format!("imap-shell: the server gives no UID for message number {sequence}"));
            return true;
        };
        let why = match () {
            () if !self.asked.includes(uid) => "was not asked for",
            () if self.named.contains(uid) => "came already",
            () => return true,
        };
        self.odd = true;
        say(&format!("imap-shell: {uid}: a message that {why} is not stored"));
        false
    }

    fn begin(&mut self, labels: &Labels) -> Result<(), Trouble> {
        let at = jiff::Timestamp::now();
        let facts =
            Facts { number: 0, uid: None, size: None, at, alone: false, done: None, unjudged: false, labels: Some(labels) };
        self.target.begin(&facts).map_err(fault)
    }

    fn copy(&mut self, scratch: &mut Scratch) -> Result<(), Trouble> {
        let mut from = scratch.reader().map_err(|error| fault(held(&error)))?;
        let mut chunk = vec![0; CHUNK];
        loop {
            match from.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(n) => self.target.push(&chunk[..n]).map_err(fault)?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(fault(held(&error))),
            }
        }
    }

    fn end(&mut self, message: Waiting) -> Result<(), Trouble> {
        self.target.end().map_err(fault)?;
        if let Some(uid) = message.uid {
            self.came.insert(uid);
            self.named.insert(uid);
        }
        self.waiting.push(message);
        if self.target.is_full() { self.keep() } else { Ok(()) }
    }

    /// Makes what waits durable and visible, and tells of it.
    fn keep(&mut self) -> Result<(), Trouble> {
        if let Some(Current::Straight { .. }) = self.current.take() {
            self.target.abort();
        }
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.target.prepare()?;
        self.target.publish()?;
        for Waiting { uid, octets, labels } in self.waiting.drain(..) {
            let row = Row::default().only_json("mailbox", self.shell.mailbox.clone()).fact("uid", uid).fact("size", octets);
            let row = row.only_json("flags", labels.flags).only_json("internaldate", labels.received.map(rfc3339));
            self.shell.out.row(&row.only_json("outcome", "delivered")).map_err(Trouble::Stdout)?;
        }
        self.shell.out.flush().map_err(Trouble::Stdout)
    }
}

/// `BODY[]`, all of it.
fn is_whole(item: &Item) -> bool {
    item.name == "BODY" && item.section.as_deref() == Some(b"".as_slice()) && item.origin.is_none()
}

/// All that was asked for beside the body.
fn is_known(fetch: &Fetch) -> bool {
    let has_date = fetch.attributes.iter().any(|attribute| matches!(attribute, Attribute::InternalDate(_)));
    fetch.uid().is_some() && fetch.flags().is_some() && has_date
}

fn labels(fetch: &Fetch) -> Labels {
    let flags = fetch.flags().unwrap_or_default().iter().filter(|flag| !flag.is("\\Recent")).map(ToString::to_string).collect();
    let received = fetch.attributes.iter().find_map(|attribute| match attribute {
        Attribute::InternalDate(date) => date.instant,
        _ => None,
    });
    Labels { flags, received }
}

fn fault(fault: Fault) -> Trouble {
    Trouble::Halt(fault.into())
}
