//! Single messages, or the top of them, written out as they come.

use super::session::Job;
use crate::bytes::newline::ToLf;
use crate::protocol::pop3::listing::counts;
use crate::protocol::pop3::words::{Answer, ClientTell, Command};
use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};

/// What is read of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    Whole,
    /// The header and so many lines.
    Top(u32),
}

/// Reads messages by their numbers, one behind the other. Their sizes are asked for first: what goes on far beyond them never ends.
pub struct Reading<'a> {
    numbers: VecDeque<u32>,
    /// Those whose sizes are still to be asked for.
    unmeasured: VecDeque<u32>,
    /// What LIST said of each, where it did.
    sizes: HashMap<u32, u64>,
    extent: Extent,
    out: &'a mut dyn Write,
    /// None: line ends as on the wire.
    newline: Option<ToLf>,
    /// Larger messages are not read.
    max_size: Option<u64>,
    /// Answers that are due, and those of them that say a size.
    due: usize,
    sizes_due: usize,
    /// The message that is coming in.
    current: Option<u32>,
    octets: u64,
    /// Those that were not read, and why; the last one may have been written in part.
    pub refused: Vec<(u32, String)>,
    /// Writing failed; nothing more is written.
    pub failed: Option<io::Error>,
    /// A message is larger than it was to be.
    overrun: bool,
}

impl<'a> Reading<'a> {
    pub fn new(numbers: Vec<u32>, extent: Extent, crlf: bool, max_size: Option<u64>, out: &'a mut dyn Write) -> Reading<'a> {
        Reading {
            unmeasured: numbers.iter().copied().collect(),
            numbers: numbers.into(),
            sizes: HashMap::new(),
            extent,
            out,
            newline: (!crlf).then(ToLf::default),
            max_size,
            due: 0,
            sizes_due: 0,
            current: None,
            octets: 0,
            refused: Vec::new(),
            failed: None,
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
                (Extent::Whole, Some(why)) => self.refused.push((number, why)),
                (Extent::Whole, None) => return Some(Command::Retr { number, octets }),
                (Extent::Top(lines), _) => return Some(Command::Top { number, lines, octets }),
            }
        }
    }

    fn message(&mut self, number: u32, answer: Answer) {
        match answer {
            Answer::Ok(_) => (self.current, self.octets) = (Some(number), 0),
            Answer::Piece(bytes) => self.passed(number, &bytes),
            Answer::End => {
                self.write(b"", true);
                (self.current, self.due) = (None, self.due.saturating_sub(1));
            }
            Answer::Err(refusal) => {
                self.due = self.due.saturating_sub(1);
                self.refused.push((number, refusal.to_string()));
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
                self.refused.push((number, why));
            }
            None => self.write(bytes, false),
        }
    }

    fn write(&mut self, bytes: &[u8], last: bool) {
        if self.failed.is_some() {
            return;
        }
        let mut text = Vec::new();
        let bytes = match &mut self.newline {
            None => bytes,
            Some(newline) => {
                newline.push(bytes, &mut text);
                if last {
                    newline.finish(&mut text);
                }
                &text
            }
        };
        let written = self.out.write_all(bytes).and_then(|()| if last { self.out.flush() } else { Ok(()) });
        self.failed = written.err();
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
        match command {
            Some(command) => {
                self.due += 1;
                ClientTell::Do(command)
            }
            None if self.due > 0 => ClientTell::Pause,
            None => ClientTell::Quit,
        }
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
        self.failed.is_some() || self.overrun
    }
}
