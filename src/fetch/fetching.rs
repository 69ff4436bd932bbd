//! A mailbox brought home: listed, planned, fetched, made safe, and only then deleted. What is done with a message is the keeper's.

use super::filter::MOST_HEADER;
use super::keeper::Keeper;
use super::listing::Listing;
use super::session::{Job, next};
use super::words::{Listed, Plan, Row};
use crate::protocol::pop3::response::Refusal;
use crate::protocol::pop3::words::{Answer, ClientTell, Command};
use std::collections::VecDeque;

/// Who is told how it goes.
pub trait Witness {
    /// The mailbox was listed: so many octets are to come, as far as is known.
    fn expect(&mut self, octets: u64);
    fn passed(&mut self, octets: u64);
    fn rows(&mut self, rows: Vec<Row>);
}

/// Fetches what the keeper plans.
pub struct Fetching<'a, 'k> {
    keeper: &'a mut Keeper<'k>,
    witness: &'a mut dyn Witness,
    listing: Listing,
    /// What was listed so far.
    listed: Vec<Listed>,
    /// How many were, once it is known what is to be done with each.
    planned: Option<usize>,
    headers: VecDeque<u32>,
    messages: VecDeque<u32>,
    deletions: VecDeque<u32>,
    /// Commands whose answers did not end yet.
    due: usize,
    /// The message that is coming in.
    current: Option<u32>,
    /// What TOP gave of a header; false: there was more.
    header: (Vec<u8>, bool),
    /// A DELE was refused.
    not_deleted: bool,
    /// QUIT was answered, and how.
    updated: Option<Result<(), Refusal>>,
}

impl<'a, 'k> Fetching<'a, 'k> {
    pub fn new(keeper: &'a mut Keeper<'k>, witness: &'a mut dyn Witness) -> Fetching<'a, 'k> {
        Fetching {
            keeper,
            witness,
            listing: Listing::new(),
            listed: Vec::new(),
            planned: None,
            headers: VecDeque::new(),
            messages: VecDeque::new(),
            deletions: VecDeque::new(),
            due: 0,
            current: None,
            header: (Vec::new(), true),
            not_deleted: false,
            updated: None,
        }
    }

    /// The session is over, however it ended: what is whole is made safe.
    pub fn finish(mut self) -> Finished {
        let cut = self.current.take();
        if cut.is_some() {
            self.keeper.broken();
        }
        // Nothing can be deleted any more; it is another time.
        let _ = self.keeper.commit();
        self.keeper.updated(matches!(self.updated, Some(Ok(()))));
        self.tell_rows();
        let problems = self.listing.problems().to_vec();
        let not_updated = self.updated.and_then(Result::err);
        let not_deleted = self.not_deleted;
        Finished { listed: self.planned, cut, problems, not_deleted, not_updated }
    }

    fn plan(&mut self) {
        let listed = self.listing.all(std::mem::take(&mut self.listed));
        self.planned = Some(listed.len());
        let witness = &mut *self.witness;
        let plans = self.keeper.plan(&listed, &mut |rows| witness.rows(rows));
        let mut octets = 0_u64;
        for (listed, plan) in listed.iter().zip(plans) {
            match plan {
                Plan::Fetch => self.messages.push_back(listed.number),
                Plan::Header => self.headers.push_back(listed.number),
                Plan::Delete | Plan::Leave => continue,
            }
            octets = octets.saturating_add(listed.size.unwrap_or(0));
        }
        self.witness.expect(octets);
        self.tell_rows();
    }

    /// Asks for others in place of those that do not count.
    fn replace(&mut self) {
        while let Some((number, plan)) = self.keeper.instead() {
            if plan == Plan::Header { self.headers.push_back(number) } else { self.messages.push_back(number) }
        }
    }

    fn commit(&mut self) {
        self.deletions.extend(self.keeper.commit());
        self.tell_rows();
    }

    fn tell_rows(&mut self) {
        let rows = self.keeper.rows();
        if !rows.is_empty() {
            self.witness.rows(rows);
        }
    }

    /// What is to be asked now; None: nothing before something is answered.
    fn command(&mut self) -> Option<Command> {
        if let Some(number) = self.deletions.pop_front() {
            return Some(Command::Dele(number));
        }
        if self.keeper.stop().is_some() {
            return None;
        }
        if let Some(number) = self.headers.pop_front() {
            return Some(Command::Top { number, lines: 0, octets: self.keeper.size(number) });
        }
        let number = self.messages.pop_front()?;
        Some(Command::Retr { number, octets: self.keeper.size(number) })
    }

    fn retr(&mut self, number: u32, answer: Answer) {
        match answer {
            Answer::Ok(_) => {
                self.current = Some(number);
                // Why not, the keeper knows; what comes is swallowed.
                let _ = self.keeper.begin(number);
            }
            Answer::Piece(bytes) => {
                self.witness.passed(bytes.len() as u64);
                self.keeper.push(&bytes);
            }
            Answer::End => {
                self.current = None;
                self.keeper.end();
                if self.keeper.full() {
                    self.commit();
                } else {
                    self.tell_rows();
                }
            }
            Answer::Err(refusal) => {
                self.keeper.refused(number, refusal.to_string(), !refusal.is_temporary());
                self.tell_rows();
            }
            _ => {}
        }
    }

    fn top(&mut self, number: u32, answer: Answer) {
        match answer {
            Answer::Ok(_) => self.header = (Vec::new(), true),
            Answer::Piece(bytes) => {
                let (held, whole) = &mut self.header;
                let room = MOST_HEADER.saturating_sub(held.len()).min(bytes.len());
                held.extend_from_slice(&bytes[..room]);
                *whole &= room == bytes.len();
            }
            Answer::End => {
                let (held, whole) = std::mem::replace(&mut self.header, (Vec::new(), true));
                if self.keeper.header(number, &held, whole) == Plan::Fetch {
                    self.messages.push_back(number);
                }
                self.tell_rows();
            }
            Answer::Err(_) => {
                if self.keeper.headless(number) == Plan::Fetch {
                    self.messages.push_back(number);
                }
                self.tell_rows();
            }
            _ => {}
        }
    }
}

impl Job for Fetching<'_, '_> {
    fn next(&mut self) -> ClientTell {
        if self.planned.is_none() {
            match self.listing.next() {
                ClientTell::Quit => self.plan(),
                tell => return tell,
            }
        }
        self.replace();
        let command = self.command().or_else(|| {
            if self.due == 0 {
                self.commit();
            }
            self.deletions.pop_front().map(Command::Dele)
        });
        let tell = next(command, &mut self.due);
        if let ClientTell::Quit = tell {
            self.keeper.quit();
        }
        tell
    }

    fn answer(&mut self, command: Command, answer: Answer) {
        if self.planned.is_none() {
            self.listing.answer(command, answer);
            return self.listed.extend(std::iter::from_fn(|| self.listing.ready()));
        }
        let ends = match answer {
            Answer::Err(_) | Answer::End => true,
            Answer::Ok(_) => matches!(command, Command::Dele(_)),
            _ => false,
        };
        self.due -= usize::from(ends && self.due > 0);
        match command {
            Command::Retr { number, .. } => self.retr(number, answer),
            Command::Top { number, .. } => self.top(number, answer),
            Command::Dele(number) => {
                self.keeper.deleted(number, matches!(answer, Answer::Ok(_)));
                if let Answer::Err(refusal) = answer {
                    self.not_deleted = true;
                    self.listing.complain(format!("{command} is refused: {refusal}"));
                }
                self.tell_rows();
            }
            _ => {}
        }
    }

    fn updated(&mut self, updated: Result<(), Refusal>) {
        self.updated = Some(updated);
    }

    /// With nothing to be saved behind it, a message that nobody can take need not come to its end.
    fn is_deserted(&self) -> bool {
        self.current.is_some() && self.keeper.stop().is_some_and(|stop| stop.error.as_ref().is_some_and(is_closed))
    }
}

/// Whoever read what we write is gone.
fn is_closed(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::BrokenPipe
}

/// What a session came to, its rows apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Finished {
    /// Messages in the mailbox, if it came so far.
    pub listed: Option<usize>,
    /// The message that was cut off.
    pub cut: Option<u32>,
    /// What the server said that cannot be.
    pub problems: Vec<String>,
    /// It refused a DELE.
    pub not_deleted: bool,
    /// The server refused to delete what was marked.
    pub not_updated: Option<Refusal>,
}
