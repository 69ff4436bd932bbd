//! Commands on their way out, and those that wait for their end. Several are under way at once where no answer can be mistaken for
//! another's (RFC 9051 section 5.5); literals wait for the server's word where it wants that (RFC 7888).

use super::code::{Status, StatusKind};
use super::command::{Command, Effect, Part};
use super::words::{CommandId, Tags};
use crate::protocol::engine::OUTGOING_LIMIT;
use std::collections::VecDeque;

/// Most commands under way at once.
const MOST_COMMANDS: usize = 100;
/// A longer body waits for the server's word though it need not: a refusal then costs a round trip, and not the body.
const LONG_BODY: u64 = 256 * 1024;

/// Whose command it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The engine's.
    Own,
    Work(CommandId),
}

/// A command that was begun.
#[derive(Debug)]
pub struct Flight {
    pub origin: Origin,
    pub tag: Vec<u8>,
    pub name: String,
    pub effect: Effect,
    /// Where it begins among all octets of this session.
    start: u64,
    /// Where it ends; none before it is sent to its end.
    end: Option<u64>,
}

/// What of the command that is being sent is due.
#[derive(Debug)]
enum Due {
    Part,
    /// The server's `+`, before this.
    GoAhead(Box<Due>),
    Octets(Vec<u8>, usize),
    Body(u64),
    /// Of the body, only its end.
    BodyEnd,
}

#[derive(Debug)]
struct Sending {
    parts: VecDeque<Part>,
    due: Due,
    /// The server refused the command, but octets that were announced have to follow.
    refused: Option<Status>,
}

/// Commands on their way, and what goes over the wire.
#[derive(Debug)]
pub struct Pipeline {
    tags: Tags,
    count: u64,
    queue: VecDeque<(Origin, Command)>,
    sending: Option<Sending>,
    flights: VecDeque<Flight>,
    /// Refused while their literals were being sent, and now sent to their end.
    pub refused: VecDeque<(Flight, Status)>,
    /// Octets of a literal that need no `+`.
    pub longest_unasked: Option<u64>,
    /// LOGOUT waits for nobody's end.
    pub hurried: bool,
    pub out: Vec<u8>,
    /// Octets that were made ready, and that went out, since the session began.
    queued: u64,
    written: u64,
}

/// Why the session can't go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("the server answers {0} before it was sent")]
    Early(String),
    #[error("the server answers a command that was never sent: {0}")]
    Unknown(String),
    #[error("the message is shorter than was announced")]
    Short,
    #[error("the message is longer than was announced")]
    Long,
}

impl Pipeline {
    pub fn new(tags: Tags) -> Pipeline {
        Pipeline {
            tags,
            count: 0,
            queue: VecDeque::new(),
            sending: None,
            flights: VecDeque::new(),
            refused: VecDeque::new(),
            longest_unasked: None,
            hurried: false,
            out: Vec::new(),
            queued: 0,
            written: 0,
        }
    }

    pub fn submit(&mut self, origin: Origin, command: Command) {
        self.queue.push_back((origin, command));
        self.pump();
    }

    /// Before all that waits.
    pub fn submit_first(&mut self, origin: Origin, command: Command) {
        self.queue.push_front((origin, command));
        self.pump();
    }

    /// Nothing is under way, and nothing waits.
    pub fn is_empty(&self) -> bool {
        self.flights.is_empty() && self.queue.is_empty()
    }

    /// One more command would not have to wait.
    pub fn has_room(&self) -> bool {
        let barred = self.flights.iter().any(|flight| flight.effect != Effect::None);
        self.queue.is_empty() && self.sending.is_none() && !barred && self.flights.len() < MOST_COMMANDS
    }

    /// Whether `command` may go while the others are under way.
    fn may_start(&self, command: &Command) -> bool {
        if self.flights.is_empty() {
            return true;
        }
        let follows = command.effect == Effect::None || (self.hurried && command.effect == Effect::Logout);
        // A mailbox that cannot be opened leaves none open (RFC 9051 section 6.3.2): what only reads there is refused then.
        let only_reads = command.name == "UID FETCH";
        let bars = |flight: &Flight| match flight.effect {
            Effect::None => false,
            Effect::Select { .. } => !only_reads,
            _ => true,
        };
        let alone = !follows || self.flights.iter().any(bars);
        // While FETCH, STORE or SEARCH are under way, no message goes; behind any other command, numbers may mean other messages.
        let renumbers = |flight: &Flight| !matches!(flight.name.as_str(), "FETCH" | "STORE" | "SEARCH");
        let ambiguous = command.by_sequence && self.flights.iter().any(renumbers);
        !alone && !ambiguous && self.flights.len() < MOST_COMMANDS
    }

    fn tag(&mut self) -> Vec<u8> {
        self.count += 1;
        match &self.tags {
            Tags::Counted(prefix) => format!("{prefix}{}", self.count).into_bytes(),
            Tags::Random(seed) => {
                let chance = mix(seed.wrapping_add(self.count.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
                let letters = (0..5).map(|n| b"abcdefghijkmnpqrstuvwxyz23456789"[(chance >> (5 * n)) as usize & 31]);
                [&letters.collect::<Vec<u8>>()[..], self.count.to_string().as_bytes()].concat()
            }
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
        self.queued += bytes.len() as u64;
    }

    /// Sends what may be sent.
    pub fn pump(&mut self) {
        loop {
            let Some(sending) = &mut self.sending else {
                match self.queue.pop_front() {
                    Some((origin, command)) if self.may_start(&command) => self.start(origin, command),
                    Some(waits) => return self.queue.push_front(waits),
                    None => return,
                }
                continue;
            };
            match &mut sending.due {
                Due::GoAhead(_) | Due::Body(_) | Due::BodyEnd => return,
                Due::Octets(octets, at) => {
                    let room = OUTGOING_LIMIT.saturating_sub(self.out.len());
                    let piece = &octets[*at..octets.len().min(*at + room)];
                    self.out.extend_from_slice(piece);
                    self.queued += piece.len() as u64;
                    *at += piece.len();
                    if *at < octets.len() {
                        return;
                    }
                    sending.due = Due::Part;
                }
                Due::Part => match sending.parts.pop_front() {
                    Some(Part::Text(text)) => self.push(&text),
                    Some(Part::Literal { octets, binary }) => self.announce(octets.len() as u64, binary, Due::Octets(octets, 0)),
                    Some(Part::Body { len, binary }) => {
                        let due = if len == 0 { Due::BodyEnd } else { Due::Body(len) };
                        self.announce(len, binary, due);
                    }
                    None => self.finish(),
                },
            }
        }
    }

    fn start(&mut self, origin: Origin, command: Command) {
        let (tag, start) = (self.tag(), self.queued);
        self.push(&tag);
        self.push(b" ");
        self.flights.push_back(Flight { origin, tag, name: command.name, effect: command.effect, start, end: None });
        self.sending = Some(Sending { parts: command.parts.into(), due: Due::Part, refused: None });
    }

    /// A literal's length, and whether its octets may follow at once.
    fn announce(&mut self, len: u64, binary: bool, due: Due) {
        let is_body = matches!(due, Due::Body(_) | Due::BodyEnd);
        let longest = self.longest_unasked.map(|longest| if is_body { longest.min(LONG_BODY) } else { longest });
        let at_once = longest.is_some_and(|longest| len <= longest);
        let (tilde, plus) = (if binary { "~" } else { "" }, if at_once { "+" } else { "" });
        self.push(format!("{tilde}{{{len}{plus}}}\r\n").as_bytes());
        if let Some(sending) = &mut self.sending {
            sending.due = if at_once { due } else { Due::GoAhead(Box::new(due)) };
        }
    }

    fn finish(&mut self) {
        self.push(b"\r\n");
        let queued = self.queued;
        let refused = self.sending.take().and_then(|sending| sending.refused);
        if let Some(flight) = self.flights.back_mut() {
            flight.end = Some(queued);
        }
        if let Some(status) = refused
            && let Some(flight) = self.flights.pop_back()
        {
            self.refused.push_back((flight, status));
        }
    }

    /// How many octets of a body can be taken; none: none is wanted.
    pub fn needs_body(&self) -> Option<usize> {
        let left = match self.sending.as_ref()?.due {
            Due::Body(left) => left,
            Due::BodyEnd => 1,
            _ => return None,
        };
        let room = OUTGOING_LIMIT.saturating_sub(self.out.len());
        Some(room.min(usize::try_from(left).unwrap_or(usize::MAX))).filter(|room| *room > 0)
    }

    pub fn body(&mut self, bytes: &[u8], last: bool) -> Result<(), Broken> {
        let Some(sending) = &mut self.sending else { return Ok(()) };
        match sending.due {
            Due::Body(left) => {
                let left = left.checked_sub(bytes.len() as u64).ok_or(Broken::Long)?;
                sending.due = match left {
                    0 if last => Due::Part,
                    0 => Due::BodyEnd,
                    _ if last => return Err(Broken::Short),
                    left => Due::Body(left),
                };
                self.push(bytes);
            }
            Due::BodyEnd if !bytes.is_empty() => return Err(Broken::Long),
            Due::BodyEnd if last => sending.due = Due::Part,
            _ => {}
        }
        self.pump();
        Ok(())
    }

    pub fn wrote(&mut self, n: usize) {
        let n = n.min(self.out.len());
        self.out.drain(..n);
        self.written += n as u64;
        self.pump();
    }

    /// `+` came: was a literal waiting for it?
    pub fn go_ahead(&mut self) -> Result<bool, Broken> {
        let Some(sending) = &mut self.sending else { return Ok(false) };
        let due = match std::mem::replace(&mut sending.due, Due::Part) {
            Due::GoAhead(next) if self.queued == self.written => *next,
            Due::GoAhead(_) => {
                return Err(Broken::Early(self.flights.back().map(|flight| flight.name.clone()).unwrap_or_default()));
            }
            due => {
                sending.due = due;
                return Ok(false);
            }
        };
        sending.due = due;
        self.pump();
        Ok(true)
    }

    /// The command that a `+` belongs to which no literal waits for: the oldest, if all of it went out.
    pub fn asking(&self) -> Option<&Flight> {
        self.flights.front().filter(|flight| flight.end.is_some_and(|end| end <= self.written))
    }

    /// A line within the oldest command, with its CRLF.
    pub fn say(&mut self, line: &[u8]) {
        self.push(line);
        self.push(b"\r\n");
        let queued = self.queued;
        if let Some(flight) = self.flights.front_mut() {
            flight.end = Some(queued);
        }
    }

    /// A command's end: which it was; none where it goes on being sent.
    pub fn tagged(&mut self, tag: &[u8], status: &Status) -> Result<Option<Flight>, Broken> {
        let at = self.flights.iter().position(|flight| flight.tag == tag);
        let Some(at) = at else { return Err(Broken::Unknown(String::from_utf8_lossy(tag).chars().take(80).collect())) };
        let flight = &self.flights[at];
        let early = Broken::Early(flight.name.clone());
        if flight.end.is_some_and(|end| end <= self.written) {
            let ended = self.flights.remove(at);
            // What follows a command that changes the wire goes over the other one.
            let turns = ended.as_ref().is_some_and(|flight| matches!(flight.effect, Effect::StartTls | Effect::Compress));
            if !turns || status.kind != StatusKind::Ok {
                self.pump();
            }
            return Ok(ended);
        }
        // Only a refusal may come before all of a command was sent, and none before any of it was.
        let begun = flight.start + (tag.len() as u64) < self.written;
        let Some(sending) = self.sending.as_mut().filter(|_| flight.end.is_none() && begun && status.kind != StatusKind::Ok)
        else {
            return Err(early);
        };
        if !matches!(sending.due, Due::GoAhead(_)) {
            sending.refused.get_or_insert(status.clone());
            return Ok(None);
        }
        if self.queued > self.written {
            return Err(early);
        }
        self.sending = None;
        let ended = self.flights.remove(at);
        self.pump();
        Ok(ended)
    }

    /// The command whose tag a line begins with.
    pub fn answered(&self, line: &[u8]) -> Option<&str> {
        let tag = line.split(|byte| *byte == b' ').next()?;
        self.flights.iter().find(|flight| flight.tag == tag).map(|flight| flight.name.as_str())
    }

    /// LOGOUT is all that is under way.
    pub fn is_leaving(&self) -> bool {
        !self.flights.is_empty() && self.flights.iter().all(|flight| flight.effect == Effect::Logout)
    }
}

/// One step of splitmix64: neighbours have nothing in common.
fn mix(seed: u64) -> u64 {
    let z = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
