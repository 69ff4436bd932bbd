//! Behind a filter: a message whose header the server does not give alone is held until it is whole, judged by its header, and then handed on
//! from that copy.

use crate::disk::scratch::Scratch;
use crate::fetch::filter::{Filter, Judgement, MOST_HEADER};
use crate::fetch::target::stream::held;
use crate::fetch::target::{Announcement, Facts, Fault, KeptFacts, Taken, Target};
use crate::fetch::words::Stop;
use std::io::{self, Read, Write};

const CHUNK: usize = 64 * 1024;

/// A target that only gets what the filter lets through.
pub struct Judged<'a> {
    target: Box<dyn Target + 'a>,
    filter: &'a dyn Filter,
    held: Option<Held>,
}

struct Held {
    facts: KeptFacts,
    scratch: Scratch,
    /// Its first octets.
    start: Vec<u8>,
}

impl Held {
    /// The header with the empty line behind it. None: it has no end within what is looked at.
    fn header(&self) -> Option<&[u8]> {
        if self.start.starts_with(b"\r\n") {
            return Some(&self.start[..2]);
        }
        let end = memchr::memmem::find(&self.start, b"\r\n\r\n").map(|at| at + 4);
        let all = (self.start.len() as u64 == self.scratch.size()).then_some(self.start.len());
        end.or(all).map(|end| &self.start[..end])
    }
}

impl<'a> Judged<'a> {
    pub fn new(target: Box<dyn Target + 'a>, filter: &'a dyn Filter) -> Judged<'a> {
        Judged { target, filter, held: None }
    }

    fn hand_on(&mut self, held_back: &mut Held) -> Result<Taken, Fault> {
        self.target.begin(&held_back.facts.facts())?;
        let mut reader = held_back.scratch.reader().map_err(|error| held(&error))?;
        let mut chunk = vec![0; CHUNK];
        loop {
            match reader.read(&mut chunk) {
                Ok(0) => return self.target.end(),
                Ok(n) => self.target.push(&chunk[..n])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.target.abort();
                    return Err(held(&error));
                }
            }
        }
    }
}

impl Target for Judged<'_> {
    fn begin(&mut self, facts: &Facts<'_>) -> Result<(), Fault> {
        if !facts.unjudged {
            return self.target.begin(facts);
        }
        let scratch = Scratch::new().map_err(|error| held(&error))?;
        self.held = Some(Held { facts: KeptFacts::new(facts), scratch, start: Vec::new() });
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let Some(current) = &mut self.held else { return self.target.push(bytes) };
        let room = MOST_HEADER.saturating_sub(current.start.len()).min(bytes.len());
        current.start.extend_from_slice(&bytes[..room]);
        current.scratch.write_all(bytes).map_err(|error| held(&error))
    }

    fn end(&mut self) -> Result<Taken, Fault> {
        let Some(mut current) = self.held.take() else { return self.target.end() };
        let Some(header) = current.header() else { return Err(Fault::Message("its header has no end".to_owned())) };
        match self.filter.judge(&current.facts.facts(), header) {
            Judgement::Fetch => self.hand_on(&mut current),
            Judgement::Delete(text) => Ok(Taken::Killed(text)),
            Judgement::Skip(text) => Err(Fault::Skip(text)),
            Judgement::Failed(text) => Err(Fault::Message(text)),
            Judgement::Stop(stop) => Err(Fault::Stop(stop)),
        }
    }

    fn abort(&mut self) {
        self.held = None;
        self.target.abort();
    }

    fn is_full(&self) -> bool {
        self.target.is_full()
    }

    fn prepare(&mut self) -> Result<Announcement, Stop> {
        self.target.prepare()
    }

    fn publish(&mut self) -> Result<String, Stop> {
        self.target.publish()
    }

    fn leave(&mut self) {
        self.target.leave();
    }
}
