//! Where messages come from: stdin as one message or as an mbox, or a Maildir. Each is looked at before anything of it is sent.

use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::message::{Message, SMALL, Spill, Store};
use crate::disk::mbox::{Mbox, MboxError};
use crate::disk::pickup::Pickup;
use crate::mail::envelope::Envelope;
use clap::Args;
use serde::Serialize;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Default, Args)]
pub struct ManyOptions {
    /// Send each message of the mbox on stdin, all over one connection
    #[arg(long, conflicts_with_all = ["maildir", "quit_after"])]
    pub batch: bool,
    /// Send each message of this Maildir, new and cur, in order of name
    #[arg(long, value_name = "DIR", conflicts_with = "quit_after")]
    pub maildir: Option<PathBuf>,
    /// Remove from the Maildir what was accepted for all its recipients
    #[arg(long, requires = "maildir", hide_short_help = true)]
    pub remove: bool,
}

/// What tells a message from the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Label {
    /// In an mbox, counted from 1.
    Number(u64),
    /// In a Maildir: `new/NAME` or `cur/NAME`.
    Name(String),
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Label::Number(number) => write!(f, "{number}"),
            Label::Name(name) => f.write_str(name),
        }
    }
}

/// The one message there is, read elsewhere.
pub struct Given {
    pub message: Message,
    pub envelope: Envelope,
}

/// A message, or why it cannot be sent.
pub struct Found {
    /// None: it is the only one.
    pub label: Option<Label>,
    pub message: Result<Message, Failure>,
    /// None: the command line and the header say it.
    pub envelope: Option<Envelope>,
    /// Octets in the source.
    pub octets: u64,
}

pub struct Source {
    from: From,
    keep_bcc: bool,
    number: u64,
    /// Octets of all messages, where they can be known.
    pub total: Option<u64>,
}

enum From {
    Stdin,
    Made(Vec<u8>),
    Given(Given),
    Mbox(Mbox<File>),
    Maildir(Pickup, std::vec::IntoIter<PathBuf>),
    Nothing,
}

impl Source {
    /// One message that is made up here.
    pub fn made(text: Vec<u8>, keep_bcc: bool) -> Source {
        Source { from: From::Made(text), keep_bcc, number: 0, total: None }
    }

    /// `measured`: somebody wants to know the total.
    pub fn open(options: &ManyOptions, keep_bcc: bool, measured: bool) -> Result<Source, Failure> {
        let (from, total) = match &options.maildir {
            Some(dir) => {
                let pickup = Pickup::new(dir);
                let names = pickup.names().or_status(Status::NoInput)?;
                let total = measured.then(|| pickup.size(&names));
                (From::Maildir(pickup, names.into_iter()), total)
            }
            None if options.batch => {
                let stdin = io::stdin().as_fd().try_clone_to_owned().map(File::from).or_status(Status::Io)?;
                let total = stdin.metadata().ok().filter(|facts| facts.is_file()).map(|facts| facts.len());
                (From::Mbox(Mbox::new(stdin)), total)
            }
            None => (From::Stdin, None),
        };
        Ok(Source { from, keep_bcc, number: 0, total })
    }

    pub fn given(given: Given) -> Source {
        Source { from: From::Given(given), keep_bcc: false, number: 0, total: None }
    }

    /// The next message; none is left. An error ends the source.
    pub fn next(&mut self) -> Result<Option<Found>, Failure> {
        let keep_bcc = self.keep_bcc;
        let found = match &mut self.from {
            From::Nothing => None,
            From::Stdin => {
                self.from = From::Nothing;
                Some(only(Message::from_stdin(keep_bcc)?, None))
            }
            From::Made(text) => {
                let text = std::mem::take(text);
                self.from = From::Nothing;
                Message::read(Store::Memory(text), 0, keep_bcc)?.map(|message| only(message, None))
            }
            From::Given(_) => match std::mem::replace(&mut self.from, From::Nothing) {
                From::Given(given) => Some(only(given.message, Some(given.envelope))),
                _ => None,
            },
            From::Mbox(mbox) => {
                let kept = next_of(mbox).inspect_err(|_| self.from = From::Nothing)?;
                kept.map(|(store, octets)| {
                    self.number += 1;
                    found(Label::Number(self.number), Ok(store), octets, keep_bcc)
                })
            }
            From::Maildir(pickup, names) => names.next().map(|name| {
                let label = Label::Name(name.display().to_string());
                match open(pickup, &name) {
                    Ok((store, octets)) => found(label, Ok(store), octets, keep_bcc),
                    Err(failure) => found(label, Err(failure), 0, keep_bcc),
                }
            }),
        };
        if found.is_none() && matches!(self.from, From::Mbox(_)) && self.number == 0 {
            return Err(Failure::text(Status::NoInput, "no message on stdin"));
        }
        Ok(found)
    }

    /// Takes a message away for good, where the source can; see [`Source::finish`].
    pub fn remove(&mut self, label: &Label) -> Result<(), Failure> {
        match (&mut self.from, label) {
            (From::Maildir(pickup, _), Label::Name(name)) => pickup.remove(Path::new(name)).or_status(Status::Io),
            _ => Ok(()),
        }
    }

    /// What was taken away does not come back.
    pub fn finish(&mut self) -> Result<(), Failure> {
        match &mut self.from {
            From::Maildir(pickup, _) => pickup.sync().or_status(Status::Io),
            _ => Ok(()),
        }
    }
}

fn only(message: Message, envelope: Option<Envelope>) -> Found {
    Found { label: None, octets: message.size, message: Ok(message), envelope }
}

fn found(label: Label, store: Result<Store, Failure>, octets: u64, keep_bcc: bool) -> Found {
    let message = store
        .and_then(|store| Message::read(store, 0, keep_bcc)?.ok_or_else(|| Failure::text(Status::Data, "the message is empty")));
    let message = message.map_err(|failure| Failure { error: failure.error.context(format!("message {label}")), ..failure });
    Found { label: Some(label), message, envelope: None, octets }
}

fn open(pickup: &Pickup, name: &Path) -> Result<(Store, u64), Failure> {
    let (mut file, size) = pickup.open(name).or_status(Status::NoInput)?;
    if size > SMALL as u64 {
        return Ok((Store::File(file), size));
    }
    let mut text = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
    file.read_to_end(&mut text).or_status(Status::Io)?;
    Ok((Store::Memory(text), size))
}

/// The next message of an mbox, and its octets.
fn next_of(mbox: &mut Mbox<File>) -> Result<Option<(Store, u64)>, Failure> {
    let mut spill = Spill::default();
    let more = mbox.next(&mut |piece| spill.write(piece)).map_err(|error| {
        let status = if matches!(error, MboxError::NoFrom { .. }) { Status::Data } else { Status::Io };
        Failure::new(status, error)
    })?;
    if !more {
        return Ok(None);
    }
    spill.into_store().map(Some).or_status(Status::Io)
}
