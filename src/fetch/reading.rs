//! Single messages, or the top of them, each written out once it is whole.

use super::session::{Job, next};
use super::target::{Facts, Fault, Target};
use super::words::Stop;
use crate::protocol::pop3::listing::counts;
use crate::protocol::pop3::words::{Answer, ClientTell, Command};
use jiff::Timestamp;
use std::collections::{HashMap, VecDeque};

/// What is read of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    Whole,
    /// The header and so many lines.
    Top(u32),
}

/// A message that was not read.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    pub number: u32,
    pub text: String,
    /// It will not be, however often it is tried.
    pub lasting: bool,
}

/// Reads messages by their numbers, one behind the other. Their sizes are asked for first: what goes on far beyond them never ends.
pub struct Reading<'a> {
    numbers: VecDeque<u32>,
    /// Those whose sizes are still to be asked for.
    unmeasured: VecDeque<u32>,
    /// What LIST said of each, where it did.
    sizes: HashMap<u32, u64>,
    extent: Extent,
    target: &'a mut dyn Target,
    at: Timestamp,
    /// There is no other.
    alone: bool,
    /// Larger messages are not read.
    max_size: Option<u64>,
    /// Answers that are due, and those of them that say a size.
    due: usize,
    sizes_due: usize,
    /// The message that is coming in.
    current: Option<u32>,
    octets: u64,
    /// Those that were not read, and why.
    pub refused: Vec<Refused>,
    /// Writing failed; nothing more is written.
    pub stop: Option<Stop>,
    /// A message is larger than it was to be.
    overrun: bool,
}

impl<'a> Reading<'a> {
    /// `at`: the time of the reading.
    pub fn new(numbers: &[u32], extent: Extent, max_size: Option<u64>, target: &'a mut dyn Target, at: Timestamp) -> Reading<'a> {
        Reading {
            unmeasured: numbers.iter().copied().collect(),
            numbers: numbers.iter().copied().collect(),
            sizes: HashMap::new(),
            extent,
            target,
            at,
            alone: numbers.len() == 1,
            max_size,
            due: 0,
            sizes_due: 0,
            current: None,
            octets: 0,
            refused: Vec::new(),
            stop: None,
            overrun: false,
        }
    }

    /// The message whose end did not come.
    pub fn current(&self) -> Option<u32> {
        self.current
    }

    /// A message came to more than it may.
    pub fn is_overrun(&self) -> bool {
        self.overrun
    }

    fn too_large(&self, octets: u64) -> Option<String> {
        self.max_size.filter(|limit| octets > *limit).map(|limit| format!("larger than {limit} octets"))
    }

    /// The next message that is to be read; what is listed as too large is not.
    fn read(&mut self) -> Option<Command> {
        loop {
            let number = self.numbers.pop_front()?;
            let octets = self.sizes.get(&number).copied();
            match (self.extent, octets.and_then(|octets| self.too_large(octets))) {
                (Extent::Whole, Some(why)) => self.refused.push(Refused { number, text: why, lasting: true }),
                (Extent::Whole, None) => return Some(Command::Retr { number, octets }),
                (Extent::Top(lines), _) => return Some(Command::Top { number, lines, octets }),
            }
        }
    }

    fn message(&mut self, number: u32, answer: Answer) {
        match answer {
            Answer::Ok(_) => {
                (self.current, self.octets) = (Some(number), 0);
                let size = self.sizes.get(&number).copied();
                let facts =
                    Facts { number, uid: None, size, at: self.at, alone: self.alone, done: None, unjudged: false, labels: None };
                self.write(|target| target.begin(&facts));
            }
            Answer::Piece(bytes) => self.passed(number, &bytes),
            Answer::End => {
                self.write(|target| target.end().map(drop));
                (self.current, self.due) = (None, self.due.saturating_sub(1));
            }
            Answer::Err(refusal) => {
                self.due = self.due.saturating_sub(1);
                let (text, lasting) = (refusal.to_string(), !refusal.is_temporary());
                self.refused.push(Refused { number, text, lasting });
            }
            _ => {}
        }
    }

    fn passed(&mut self, number: u32, bytes: &[u8]) {
        self.octets += bytes.len() as u64;
        match self.too_large(self.octets) {
            Some(_) if self.overrun => {}
            Some(why) => {
                self.overrun = true;
                self.target.abort();
                self.refused.push(Refused { number, text: why, lasting: true });
            }
            None => self.write(|target| target.push(bytes)),
        }
    }

    /// What is written is a stream: where one message cannot go, none can.
    fn write(&mut self, write: impl FnOnce(&mut dyn Target) -> Result<(), Fault>) {
        if self.stop.is_some() || self.overrun {
            return;
        }
        if let Err(fault) = write(self.target) {
            self.stop = Some(fault.into());
            self.target.abort();
        }
    }
}

impl Job for Reading<'_> {
    fn next(&mut self) -> ClientTell {
        let command = match self.unmeasured.pop_front() {
            Some(number) => Some(Command::Size(number)),
            // All sizes are known before the first message is asked for.
            None if self.sizes_due > 0 => None,
            None => self.read(),
        };
        self.sizes_due += usize::from(matches!(command, Some(Command::Size(_))));
        next(command, &mut self.due)
    }

    fn answer(&mut self, command: Command, answer: Answer) {
        match (command, answer) {
            (Command::Size(number), answer) => {
                (self.due, self.sizes_due) = (self.due.saturating_sub(1), self.sizes_due.saturating_sub(1));
                if let Answer::Ok(text) = answer
                    && let Some((of, octets)) = counts(&text)
                    && of == number
                {
                    self.sizes.insert(number, octets);
                }
            }
            (Command::Retr { number, .. } | Command::Top { number, .. }, answer) => self.message(number, answer),
            _ => {}
        }
    }

    fn is_deserted(&self) -> bool {
        self.stop.is_some() || self.overrun
    }
}
