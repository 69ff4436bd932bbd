//! Single messages, or the top of them, written out as they come.

use super::session::Job;
use crate::bytes::newline::ToLf;
use crate::protocol::pop3::response::Refusal;
use crate::protocol::pop3::words::{Answer, ClientTell, Command};
use std::collections::VecDeque;
use std::io::{self, Write};

/// What is read of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    Whole,
    /// The header and so many lines.
    Top(u32),
}

/// Reads messages by their numbers, one behind the other.
pub struct Reading<'a> {
    numbers: VecDeque<u32>,
    extent: Extent,
    out: &'a mut dyn Write,
    /// None: line ends as on the wire.
    newline: Option<ToLf>,
    due: usize,
    /// The message that is coming in.
    current: Option<u32>,
    /// Those that the server refused.
    pub refused: Vec<(u32, Refusal)>,
    /// Writing failed; nothing more is written.
    pub failed: Option<io::Error>,
}

impl<'a> Reading<'a> {
    pub fn new(numbers: Vec<u32>, extent: Extent, crlf: bool, out: &'a mut dyn Write) -> Reading<'a> {
        Reading {
            numbers: numbers.into(),
            extent,
            out,
            newline: (!crlf).then(ToLf::default),
            due: 0,
            current: None,
            refused: Vec::new(),
            failed: None,
        }
    }

    /// The message whose end did not come.
    pub fn current(&self) -> Option<u32> {
        self.current
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
        let Some(number) = self.numbers.pop_front() else {
            return if self.due > 0 { ClientTell::Pause } else { ClientTell::Quit };
        };
        self.due += 1;
        ClientTell::Do(match self.extent {
            Extent::Whole => Command::Retr { number, octets: None },
            Extent::Top(lines) => Command::Top { number, lines, octets: None },
        })
    }

    fn answer(&mut self, command: Command, answer: Answer) {
        let (Command::Retr { number, .. } | Command::Top { number, .. }) = command else { return };
        match answer {
            Answer::Ok(_) => self.current = Some(number),
            Answer::Piece(bytes) => self.write(&bytes, false),
            Answer::End => {
                self.write(b"", true);
                (self.current, self.due) = (None, self.due.saturating_sub(1));
            }
            Answer::Err(refusal) => {
                self.due = self.due.saturating_sub(1);
                self.refused.push((number, refusal));
            }
            _ => {}
        }
    }

    fn is_deserted(&self) -> bool {
        self.failed.is_some()
    }
}
