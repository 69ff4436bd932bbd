//! The transaction state: commands under way, their answers matched with them, messages passed on without being held.

use super::capabilities::Capabilities;
use super::listing;
use super::response::{BadResponse, Lines, Response};
use super::words::{Answer, ClientAsk, Command};
use crate::bytes::dot::{Found, Unstuffer};
use std::collections::VecDeque;

/// Most commands under way at once.
const MOST_COMMANDS: usize = 500;
/// Most octets of messages that are asked for at once, as LIST announced them; one message may be larger.
const MOST_OCTETS: u64 = 2 << 20;
/// Most rows of a listing where STAT was not answered.
const MOST_ROWS: u32 = 1_000_000;
/// So many rows more than STAT counted are read: mail comes in between where nothing is locked, and a row may be there twice.
const MORE_ROWS: u32 = 1000;
/// What a message may be longer than twice what LIST said: servers that count without dots, or with LF, are off by less.
const SLACK: u64 = 16 << 20;
/// What counts as said where LIST says nothing.
const UNKNOWN: u64 = 1 << 30;

/// A command, or the two that the engine sends of its own accord.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// CAPA, once more after logging in.
    Capa,
    Work(Command),
    Quit,
}

#[derive(Debug)]
struct Flight {
    sent: Sent,
    /// Where its line ends among all octets of this session.
    end: u64,
}

/// What of the first command's answer is due next.
#[derive(Debug)]
enum Due {
    Status,
    /// Lines up to a dot.
    Rows {
        rows: u32,
    },
    /// A message up to a dot.
    Message {
        unstuffer: Box<Unstuffer>,
        octets: u64,
    },
}

/// Commands under way.
#[derive(Debug)]
pub struct Window {
    flights: VecDeque<Flight>,
    due: Due,
    lines: Lines,
    /// Octets of messages under way, as LIST announced them.
    octets: u64,
    /// Messages of the mailbox, once STAT was answered.
    counted: Option<u32>,
    /// There is room for more: until it is full, and again once half of it is empty, so that commands are sent together.
    filling: bool,
    /// What CAPA says now.
    pub capabilities: Capabilities,
}

/// Why the session can't go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("{0}: {1}")]
    Response(String, BadResponse),
    #[error("the server speaks without being asked: {0}")]
    Unasked(String),
    #[error("the server answers {0} before it was sent")]
    Early(String),
    #[error("{0}: the list goes on beyond {1} rows")]
    Rows(String, u32),
    #[error("{0}: the message goes on beyond {1} octets, and LIST said {2}")]
    Message(String, u64, String),
    #[error("CAPA: an endless list")]
    Capabilities,
}

/// What became of the bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    More,
    /// An answer is complete.
    Answered,
    /// QUIT was answered.
    Over,
}

impl Window {
    pub fn new(capabilities: Capabilities) -> Window {
        Window {
            flights: VecDeque::new(),
            due: Due::Status,
            lines: Lines::default(),
            octets: 0,
            counted: None,
            filling: true,
            capabilities,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.flights.is_empty()
    }

    /// A message or a listing is coming in.
    pub fn is_in_list(&self) -> bool {
        !matches!(self.due, Due::Status)
    }

    /// One more command may be sent. Without PIPELINING (RFC 2449 section 6.6) one at a time.
    pub fn has_room(&mut self) -> bool {
        if self.flights.is_empty() {
            return true;
        }
        if !self.capabilities.pipelining {
            return false;
        }
        if self.flights.len() >= MOST_COMMANDS || self.octets >= MOST_OCTETS {
            self.filling = false;
        } else if self.flights.len() <= MOST_COMMANDS / 2 && self.octets <= MOST_OCTETS / 2 {
            self.filling = true;
        }
        self.filling
    }

    /// Asks for the capabilities again: there may be others after logging in (RFC 2449 section 5).
    pub fn ask_again(&mut self, out: &mut Vec<u8>, queued: &mut u64) {
        self.put(Sent::Capa, "CAPA", out, queued);
    }

    pub fn send(&mut self, command: Command, out: &mut Vec<u8>, queued: &mut u64) {
        self.octets = self.octets.saturating_add(weight(command));
        self.put(Sent::Work(command), &command.to_string(), out, queued);
    }

    pub fn quit(&mut self, out: &mut Vec<u8>, queued: &mut u64) {
        self.put(Sent::Quit, "QUIT", out, queued);
    }

    fn put(&mut self, sent: Sent, line: &str, out: &mut Vec<u8>, queued: &mut u64) {
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(b"\r\n");
        *queued += line.len() as u64 + 2;
        self.flights.push_back(Flight { sent, end: *queued });
    }

    /// Takes bytes of the server. `written`: how many octets of this session went out.
    pub fn receive(&mut self, bytes: &[u8], written: u64, asks: &mut VecDeque<ClientAsk>) -> (usize, Result<Progress, Broken>) {
        if let Due::Message { .. } = self.due {
            return self.message(bytes, asks);
        }
        let (used, line) = self.lines.take(bytes);
        let progress = match line {
            None => Ok(Progress::More),
            Some(line) => self.line(line, written, asks),
        };
        (used, progress)
    }

    fn name(&self) -> String {
        match self.flights.front().map(|flight| flight.sent) {
            Some(Sent::Work(command)) => command.to_string(),
            Some(Sent::Capa) => "CAPA".to_owned(),
            Some(Sent::Quit) => "QUIT".to_owned(),
            None => String::new(),
        }
    }

    fn line(
        &mut self,
        line: Result<Vec<u8>, BadResponse>,
        written: u64,
        asks: &mut VecDeque<ClientAsk>,
    ) -> Result<Progress, Broken> {
        let Some(flight) = self.flights.front() else {
            let told = line.map_or_else(|bad| bad.to_string(), |line| String::from_utf8_lossy(&line).chars().take(80).collect());
            return Err(Broken::Unasked(told));
        };
        if flight.end > written {
            return Err(Broken::Early(self.name()));
        }
        let sent = flight.sent;
        match self.due {
            Due::Status => {
                let response = line.and_then(|line| Response::parse(&line, false));
                self.status(sent, response.map_err(|bad| Broken::Response(self.name(), bad))?, asks)
            }
            Due::Rows { rows } => self.row(sent, line, rows, asks),
            Due::Message { .. } => Ok(Progress::More),
        }
    }

    fn status(&mut self, sent: Sent, response: Response, asks: &mut VecDeque<ClientAsk>) -> Result<Progress, Broken> {
        let command = match sent {
            Sent::Work(command) => command,
            Sent::Capa => {
                if matches!(response, Response::Ok(_)) {
                    self.capabilities = Capabilities::known();
                    self.due = Due::Rows { rows: 0 };
                    return Ok(Progress::More);
                }
                return Ok(self.answered());
            }
            Sent::Quit => {
                let updated = match response {
                    Response::Err(refusal) => Err(refusal),
                    _ => Ok(()),
                };
                asks.push_back(ClientAsk::Updated(updated));
                return Ok(Progress::Over);
            }
        };
        let answer = match response {
            Response::Ok(text) | Response::Challenge(text) => Answer::Ok(text),
            Response::Err(refusal) => Answer::Err(refusal),
        };
        let good = matches!(answer, Answer::Ok(_));
        if let (Command::Stat, Answer::Ok(text)) = (command, &answer) {
            self.counted = listing::counts(text).map(|(count, _)| count);
        }
        asks.push_back(ClientAsk::Answer(command, answer));
        match command {
            Command::List | Command::Uidl if good => self.due = Due::Rows { rows: 0 },
            Command::Retr { .. } | Command::Top { .. } if good => {
                self.due = Due::Message { unstuffer: Box::default(), octets: 0 };
            }
            _ => return Ok(self.answered()),
        }
        Ok(Progress::More)
    }

    fn row(
        &mut self,
        sent: Sent,
        line: Result<Vec<u8>, BadResponse>,
        rows: u32,
        asks: &mut VecDeque<ClientAsk>,
    ) -> Result<Progress, Broken> {
        let line = match line {
            Ok(line) => line,
            // One row is lost, and those around it stand.
            Err(BadResponse::BareLineEnd) => Vec::new(),
            Err(bad) => return Err(Broken::Response(self.name(), bad)),
        };
        if line == b"." {
            if let Sent::Work(command) = sent {
                asks.push_back(ClientAsk::Answer(command, Answer::End));
            }
            return Ok(self.answered());
        }
        // RFC 1939 section 3: a line that begins with a dot has one more.
        let line = line.strip_prefix(b".").unwrap_or(&line);
        let most = self.counted.map_or(MOST_ROWS, |count| count.saturating_add(MORE_ROWS).min(MOST_ROWS));
        self.due = Due::Rows { rows: rows.saturating_add(1) };
        match sent {
            Sent::Capa if !self.capabilities.line(line) => return Err(Broken::Capabilities),
            Sent::Work(_) if rows >= most => return Err(Broken::Rows(self.name(), most)),
            Sent::Work(command @ Command::List) => asks.push_back(ClientAsk::Answer(command, listing::size(line))),
            Sent::Work(command) => asks.push_back(ClientAsk::Answer(command, listing::uid(line))),
            Sent::Capa | Sent::Quit => {}
        }
        Ok(Progress::More)
    }

    fn message(&mut self, bytes: &[u8], asks: &mut VecDeque<ClientAsk>) -> (usize, Result<Progress, Broken>) {
        let (Due::Message { unstuffer, octets }, Some(Flight { sent: Sent::Work(command), .. })) =
            (&mut self.due, self.flights.front())
        else {
            return (0, Ok(Progress::More));
        };
        let command = *command;
        let mut text = Vec::with_capacity(bytes.len().min(8 * 1024));
        let (mut used, mut found) = unstuffer.push(bytes, &mut text);
        // Such a line is text: here nobody else takes it for the end.
        while found == Found::FalseEnd {
            let (more, next) = unstuffer.push(&bytes[used..], &mut text);
            (used, found) = (used + more, next);
        }
        *octets += used as u64;
        let octets = *octets;
        if !text.is_empty() {
            asks.push_back(ClientAsk::Answer(command, Answer::Piece(text)));
        }
        if found == Found::End {
            asks.push_back(ClientAsk::Answer(command, Answer::End));
            return (used, Ok(self.answered()));
        }
        let said = announced(command);
        if octets > said.unwrap_or(UNKNOWN).saturating_mul(2).saturating_add(SLACK) {
            let said = said.map_or("nothing".to_owned(), |said| said.to_string());
            return (used, Err(Broken::Message(self.name(), octets, said)));
        }
        (used, Ok(Progress::More))
    }

    fn answered(&mut self) -> Progress {
        self.due = Due::Status;
        if let Some(Flight { sent: Sent::Work(command), .. }) = self.flights.pop_front() {
            self.octets = self.octets.saturating_sub(weight(command));
        }
        Progress::Answered
    }
}

fn announced(command: Command) -> Option<u64> {
    match command {
        Command::Retr { octets, .. } | Command::Top { octets, .. } => octets,
        _ => None,
    }
}

/// What a command counts for in the window: a message nobody knows the size of fills half of it.
fn weight(command: Command) -> u64 {
    match command {
        Command::Retr { octets, .. } => octets.unwrap_or(MOST_OCTETS / 2).min(MOST_OCTETS),
        Command::Top { lines, octets, .. } => {
            octets.unwrap_or(MOST_OCTETS).min(8 * 1024 + 80 * u64::from(lines)).min(MOST_OCTETS)
        }
        _ => 0,
    }
}
