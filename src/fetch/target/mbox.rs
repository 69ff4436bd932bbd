//! To the end of an mbox (mboxrd), many messages under one lock.

use crate::bytes::from_quote::FromQuote;
use crate::bytes::newline::ToLf;
use crate::disk::fs::Fs;
use crate::disk::mbox_append::{Locked, Mbox, MboxError, Patience, Region};
use crate::disk::scratch::Scratch;
use crate::fetch::labels::{FROM, Labels};
use crate::fetch::name;
use crate::fetch::target::stream::held;
use crate::fetch::target::{Announcement, Facts, Fault, Taken, Target};
use crate::fetch::words::{Stop, Why};
use crate::mail::date;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long the locks of others are waited for.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Most messages, and octets, that wait.
const MOST: usize = 256;
const MOST_OCTETS: u64 = 64 * 1024 * 1024;

/// An mbox.
pub struct IntoMbox<'a> {
    mbox: Mbox,
    /// Nobody waits for it any more.
    over: &'a dyn Fn() -> bool,
    /// All that waits, as it is to be appended, and behind it the message that comes.
    scratch: Scratch,
    waiting: Vec<Waiting>,
    newline: ToLf,
    quote: FromQuote,
    crc: u32,
    last: u8,
    now: i64,
    ready: Option<(Locked, &'static [u8])>,
}

struct Waiting {
    start: u64,
    length: u64,
    crc: u32,
}

impl<'a> IntoMbox<'a> {
    /// It is made with the first message where it is missing; whether it can be is found out now. `over`: asked while locks of others are
    /// waited for, whether to break that off.
    pub fn open(fs: Arc<dyn Fs>, path: &Path, over: &'a dyn Fn() -> bool) -> Result<IntoMbox<'a>, Stop> {
        let mbox = Mbox::new(fs, path);
        mbox.check().map_err(stop)?;
        let scratch = Scratch::new().map_err(|error| Stop::new(Why::Io, format!("cannot make a temporary file: {error}")))?;
        Ok(IntoMbox {
            mbox,
            over,
            scratch,
            waiting: Vec::new(),
            newline: ToLf::default(),
            quote: FromQuote::default(),
            crc: 0,
            last: b'\n',
            now: 0,
            ready: None,
        })
    }

    /// Where the last whole message ends.
    fn end_of_waiting(&self) -> u64 {
        self.waiting.last().map_or(0, |waiting| waiting.start + waiting.length)
    }

    fn put(&mut self, text: &[u8]) -> io::Result<()> {
        self.last = text.last().copied().unwrap_or(self.last);
        self.crc = crc32c::crc32c_append(self.crc, text);
        self.scratch.write_all(text)
    }

    fn put_last(&mut self) -> io::Result<()> {
        let (mut text, mut quoted) = (Vec::new(), Vec::new());
        self.newline.finish(&mut text);
        self.quote.push(&text, &mut quoted);
        self.quote.finish(&mut quoted);
        self.put(&quoted)?;
        if self.last != b'\n' {
            self.put(b"\n")?;
        }
        self.put(b"\n")
    }

    fn empty(&mut self) -> Result<(), Stop> {
        self.waiting.clear();
        self.ready = None;
        self.scratch.cut(0).map_err(|error| Stop::new(Why::Io, format!("cannot empty a temporary file: {error}")))
    }
}

impl Target for IntoMbox<'_> {
    fn begin(&mut self, facts: &Facts<'_>) -> Result<(), Fault> {
        self.abort();
        self.now = facts.at.as_second();
        (self.newline, self.quote, self.crc) = (ToLf::default(), FromQuote::default(), 0);
        let received = facts.labels.and_then(|labels| labels.received).unwrap_or(facts.at);
        let fields = facts.labels.map(Labels::fields).unwrap_or_default();
        let head = format!("{FROM}{}\n{fields}", date::asctime(received));
        self.put(head.as_bytes()).map_err(|error| held(&error))
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let (mut text, mut quoted) = (Vec::with_capacity(bytes.len() + 1), Vec::with_capacity(bytes.len() + 64));
        self.newline.push(bytes, &mut text);
        self.quote.push(&text, &mut quoted);
        self.put(&quoted).map_err(|error| {
            self.abort();
            held(&error)
        })
    }

    fn end(&mut self) -> Result<Taken, Fault> {
        if let Err(error) = self.put_last() {
            self.abort();
            return Err(held(&error));
        }
        let start = self.end_of_waiting();
        self.waiting.push(Waiting { start, length: self.scratch.size() - start, crc: self.crc });
        Ok(Taken::Pending)
    }

    fn abort(&mut self) {
        // Where it cannot be cut, what comes next is told by the write that fails.
        let _ = self.scratch.cut(self.end_of_waiting());
    }

    fn is_full(&self) -> bool {
        self.waiting.len() >= MOST || self.scratch.size() >= MOST_OCTETS
    }

    fn prepare(&mut self) -> Result<Announcement, Stop> {
        let ready = self.mbox.lock(Patience { within: PATIENCE, over: self.over }, self.now).and_then(|locked| {
            let padding = locked.padding()?;
            Ok((locked, padding))
        });
        let (locked, padding) = match ready {
            Ok(ready) => ready,
            Err(error) => {
                let _ = self.empty();
                return Err(stop(error));
            }
        };
        let start = locked.size() + padding.len() as u64;
        let place = |waiting: &Waiting| format!("{},{},{}", start + waiting.start, waiting.length, waiting.crc);
        let places = self.waiting.iter().map(place).collect();
        let (at, path) = (locked.place(), name::encode(self.mbox.path().as_os_str().as_encoded_bytes()));
        let target = format!("mbox {} {} {path} {}", at.device, at.inode, locked.size());
        self.ready = Some((locked, padding));
        Ok(Announcement { target, places })
    }

    fn publish(&mut self) -> Result<String, Stop> {
        let Some((locked, padding)) = self.ready.take() else { return Err(Stop::new(Why::Io, "nothing was prepared")) };
        let text = self.scratch.reader();
        let appended = text.map(|text| locked.append(&mut padding.chain(text)));
        drop(locked);
        self.empty()?;
        match appended {
            Ok(Ok(())) => Ok(format!("appended to {}", self.mbox.path().display())),
            Ok(Err(error)) => Err(stop(error.into())),
            Err(error) => Err(Stop::new(Why::Io, format!("cannot read a temporary file back: {error}"))),
        }
    }

    fn leave(&mut self) {
        let _ = self.empty();
    }
}

/// Reads a place of an announcement.
pub fn region(text: &str) -> Option<Region> {
    let mut fields = text.split(',');
    let (offset, length, crc) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(Region { offset, length, crc })
}

/// The status that an error of the mbox asks for.
pub fn stop(error: MboxError) -> Stop {
    let why = match &error {
        MboxError::Busy { .. } | MboxError::BrokenOff(_) => Why::Retry,
        MboxError::NotRegular(_) => Why::CannotCreate,
        MboxError::Fs(error) if ["create", "create a file in", "open"].contains(&error.doing) && !error.is_full() => {
            Why::CannotCreate
        }
        MboxError::Fs(_) => Why::Io,
    };
    Stop::new(why, error)
}
