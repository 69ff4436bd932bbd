//! One mail transaction: MAIL, RCPT and the message by DATA or BDAT, pipelined where that was offered (RFC 2920), every reply matched
//! with its command, one outcome for every recipient.

use super::chunks::{CHUNK, Chunk, Chunker};
use super::parameters;
use super::stage::Stage;
use super::words::{Fault, Finished, Timeouts, Transaction};
use crate::bytes::dot::{BareLineEnd, Stuffer};
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::mail::reply::{Class, EnhancedStatus, Reply};
use crate::protocol::engine::OUTGOING_LIMIT;
use crate::protocol::smtp::extensions::Extensions;
use std::collections::VecDeque;
use std::time::Duration;

#[derive(Debug)]
pub struct Running {
    transaction: Transaction,
    lmtp: bool,
    pipelining: bool,
    /// Commands not sent yet, in order.
    unsent: VecDeque<Command>,
    /// Commands sent whose reply is due, in order.
    due: VecDeque<Command>,
    /// By recipient; set once.
    outcomes: Vec<Option<Outcome>>,
    /// Recipients taken by RCPT, in order: the final reply is theirs.
    taken: Vec<usize>,
    /// How often [`Command::End`] was answered.
    ends: usize,
    framing: Framing,
    data: DataState,
    /// A chunk was refused: what the server holds is undefined until RSET (RFC 3030 section 2).
    chunk_failed: bool,
    offered: Extensions,
    /// What this transaction is not to go beyond.
    stop: Option<Stage>,
    /// MAIL was taken.
    stands: bool,
}

/// How the message goes.
#[derive(Debug)]
enum Framing {
    Dots(Stuffer),
    Chunks(Chunker),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Rset,
    Mail,
    Rcpt(usize),
    Data,
    /// The message in chunks, once every recipient was answered: none of it is sent for nobody.
    Chunks,
    /// One chunk that is not the last.
    Chunk,
    /// The end of data, or the last chunk; for LMTP once for each recipient taken.
    End,
    /// A lone dot after a 354 that nobody wanted (RFC 2920 section 3.1).
    LoneDot,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DataState {
    NotYet,
    Body,
    /// The final dot, or the last chunk, is in the outgoing bytes.
    Ended,
}

pub enum Progress {
    More,
    /// `clean`: the server holds nothing of it any more.
    Finished {
        clean: bool,
    },
    /// The data was begun and must not be ended: only the end of the connection delivers nothing.
    Abandoned,
    Broken(Fault),
}

impl Running {
    pub fn new(transaction: Transaction, lmtp: bool, offered: &Extensions) -> Running {
        let recipients = transaction.envelope.recipients();
        let outcomes: Vec<_> = recipients.iter().map(|recipient| parameters::recipient_ruled_out(recipient, offered)).collect();
        let rcpts = (0..recipients.len()).filter(|&at| outcomes[at].is_none()).map(Command::Rcpt);
        // Where each chunk waits for its reply, a message of many is quicker by DATA.
        let in_chunks = offered.chunking && (offered.pipelining || transaction.size.is_some_and(|size| size <= CHUNK as u64));
        let (framing, message) = match in_chunks {
            true => (Framing::Chunks(Chunker::default()), Command::Chunks),
            false => (Framing::Dots(Stuffer::default()), Command::Data),
        };
        Running {
            lmtp,
            pipelining: offered.pipelining,
            unsent: [Command::Mail].into_iter().chain(rcpts).chain([message]).collect(),
            due: VecDeque::new(),
            outcomes,
            taken: Vec::new(),
            ends: 0,
            framing,
            data: DataState::NotYet,
            chunk_failed: false,
            offered: offered.clone(),
            stop: None,
            stands: false,
            transaction,
        }
    }

    /// What the server's EHLO rules out: nothing is sent then. `trusted`: inside TLS with a server that was verified.
    pub fn refuse_beforehand(&mut self, trusted: bool) -> Option<Progress> {
        if let Some(outcome) = parameters::ruled_out(&self.transaction, &self.offered, trusted) {
            self.settle(&outcome);
        }
        self.outcomes.iter().all(Option::is_some).then_some(Progress::Finished { clean: true })
    }

    /// The transaction before this one came to nothing: the server is told first.
    pub fn reset_first(&mut self) {
        self.unsent.push_front(Command::Rset);
    }

    /// Sends nothing beyond this stage: what it was answered is each recipient's outcome. That of DATA is about the command.
    pub fn stop_after(&mut self, stage: Option<Stage>) {
        self.stop = stage;
        let by_data = stage == Some(Stage::Data);
        self.unsent.retain(|command| match command {
            Command::Rcpt(_) => stage != Some(Stage::Mail),
            Command::Chunks => !by_data && !matches!(stage, Some(Stage::Mail | Stage::Rcpt)),
            Command::Data => !matches!(stage, Some(Stage::Mail | Stage::Rcpt)),
            _ => true,
        });
        if by_data && matches!(self.framing, Framing::Chunks(_)) {
            self.framing = Framing::Dots(Stuffer::default());
            self.unsent.push_back(Command::Data);
        }
    }

    /// Moves commands, and chunks of the message, to `out` as far as pipelining and room allow.
    pub fn pump(&mut self, out: &mut Vec<u8>) {
        while let Some(&command) = self.unsent.front() {
            let waits = !self.due.is_empty() && (!self.pipelining || command == Command::Chunks);
            if out.len() >= OUTGOING_LIMIT / 2 || waits {
                return;
            }
            let line = match command {
                Command::Chunks => {
                    // With nobody to send it to, the transaction ends with the reply that said so.
                    if !self.taken.is_empty() {
                        self.unsent.pop_front();
                        self.data = DataState::Body;
                    }
                    return;
                }
                Command::Rset => "RSET".to_owned(),
                Command::Mail => parameters::mail_line(&self.transaction, &self.offered),
                Command::Rcpt(at) => parameters::rcpt_line(&self.transaction, at, &self.offered),
                Command::Data => "DATA".to_owned(),
                Command::LoneDot | Command::End | Command::Chunk => ".".to_owned(),
            };
            self.unsent.pop_front();
            self.due.push_back(command);
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        self.pump_chunks(out);
    }

    fn pump_chunks(&mut self, out: &mut Vec<u8>) {
        while self.data == DataState::Body && out.len() < OUTGOING_LIMIT / 2 {
            let Framing::Chunks(chunker) = &mut self.framing else { return };
            // LMTP answers the last chunk once for each recipient, and a refused one before it once: the last goes when no reply is due,
            // so that the replies can always be counted.
            let free = self.due.is_empty() || (self.pipelining && !(self.lmtp && chunker.ready() == Some(Chunk::Last)));
            match if free { chunker.next(out) } else { None } {
                None => return,
                Some(Chunk::More) => self.due.push_back(Command::Chunk),
                Some(Chunk::Last) => self.ended(),
            }
        }
    }

    pub fn reply(&mut self, reply: Reply) -> Progress {
        let outcome = Outcome::from_reply(&reply);
        if reply.code.value() == 421 {
            // RFC 5321 section 3.8: the server is closing the channel, whatever was asked.
            self.settle(&outcome);
            return Progress::Broken(Fault::Reply);
        }
        if self.due.is_empty() && self.data == DataState::Body {
            return self.early(&reply);
        }
        let Some(command) = self.due.pop_front() else { return self.unexpected(&reply) };
        match (command, reply.class()) {
            (Command::Data, Class::Intermediate) => return self.go_ahead(&reply),
            (_, Class::Intermediate) => return self.unexpected(&reply),
            (Command::Data, Class::Completion) => return self.unexpected(&reply),
            (Command::Mail, Class::Transient | Class::Permanent) => {
                self.settle(&outcome);
                // What is under way is answered yet; nothing more is sent.
                self.unsent.clear();
            }
            (Command::Rcpt(at), _) => self.rcpt_reply(at, &reply, outcome),
            (Command::Data, _) => self.settle(&outcome),
            (Command::Chunk, Class::Transient | Class::Permanent) => self.chunk_refused(&outcome),
            (Command::End, class) => {
                self.chunk_failed |= class != Class::Completion && matches!(self.framing, Framing::Chunks(_));
                self.end_reply(&outcome);
            }
            (Command::Mail, _) => {
                self.stands = true;
                if self.stop == Some(Stage::Mail) {
                    self.settle(&outcome);
                }
            }
            (Command::Rset, Class::Completion) => self.chunk_failed = false,
            (Command::Rset | Command::LoneDot | Command::Chunk | Command::Chunks, _) => {}
        }
        self.progress(command)
    }

    /// How many octets of the body are wanted now: with dots, as many as fit when all of them are doubled.
    pub fn wants_body(&self, out: &[u8]) -> Option<usize> {
        if self.data != DataState::Body || out.len() >= OUTGOING_LIMIT / 2 {
            return None;
        }
        match &self.framing {
            Framing::Dots(_) => Some(OUTGOING_LIMIT.saturating_sub(out.len() + 8) / 2),
            Framing::Chunks(chunker) => chunker.wants_more().then_some(CHUNK),
        }
    }

    pub fn body(&mut self, bytes: &[u8], last: bool, out: &mut Vec<u8>) -> Result<(), BareLineEnd> {
        match &mut self.framing {
            Framing::Dots(stuffer) => {
                stuffer.push(bytes, out)?;
                if last {
                    stuffer.finish(out)?;
                    self.ended();
                }
            }
            Framing::Chunks(chunker) => {
                chunker.push(bytes)?;
                if last {
                    chunker.finish()?;
                }
                self.pump_chunks(out);
            }
        }
        Ok(())
    }

    fn ended(&mut self) {
        self.data = DataState::Ended;
        let times = if self.lmtp { self.taken.len() } else { 1 };
        self.due.extend(std::iter::repeat_n(Command::End, times));
    }

    /// The end of the message was given out: only the server knows what becomes of it.
    pub fn is_ended(&self) -> bool {
        self.data == DataState::Ended
    }

    /// Gives every recipient without an outcome this one.
    pub fn settle(&mut self, outcome: &Outcome) {
        for slot in self.outcomes.iter_mut().filter(|slot| slot.is_none()) {
            *slot = Some(outcome.clone());
        }
    }

    /// The connection is lost. `all_written`: the final dot, if it was sent at all, went out whole, so the message may have been
    /// delivered.
    pub fn lose(&mut self, why: Diagnostic, all_written: bool) {
        let in_doubt = self.data == DataState::Ended && all_written;
        self.settle(&if in_doubt { Outcome::InDoubt(why) } else { Outcome::Deferred(why) });
    }

    pub fn finish(self, fault: Option<Fault>) -> Finished {
        let lost = || Outcome::Deferred(Diagnostic::local(EnhancedStatus::new(4, 5, 0), "no reply for this recipient"));
        Finished { outcomes: self.outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(lost)).collect(), fault }
    }

    pub fn within(&self, waits: &Timeouts) -> Duration {
        match (self.data, self.due.front()) {
            (DataState::Ended, _) => waits.end,
            (DataState::Body, _) => waits.block,
            (_, Some(Command::Data)) => waits.data,
            _ => waits.command,
        }
    }

    fn rcpt_reply(&mut self, at: usize, reply: &Reply, outcome: Outcome) {
        let Some(slot @ None) = self.outcomes.get_mut(at) else { return };
        if reply.is_success() {
            self.taken.push(at);
            if self.stop == Some(Stage::Rcpt) {
                *slot = Some(outcome);
            }
            return;
        }
        *slot = Some(if is_too_many_recipients(reply) { Outcome::Deferred(Diagnostic::from(reply)) } else { outcome });
    }

    /// 354: the message goes, or a lone dot where every recipient was refused.
    fn go_ahead(&mut self, reply: &Reply) -> Progress {
        if self.stop == Some(Stage::Data) {
            // 354 is all that was asked for.
            self.settle(&Outcome::Accepted(Diagnostic::from(reply)));
            return Progress::Abandoned;
        }
        if self.taken.is_empty() {
            self.unsent.push_back(Command::LoneDot);
        } else {
            self.data = DataState::Body;
        }
        Progress::More
    }

    /// A reply before the final dot: a refusal that the server did not keep for the end. The data can't be ended without risking that
    /// half a message is delivered, so the session is over.
    fn early(&mut self, reply: &Reply) -> Progress {
        if matches!(reply.class(), Class::Completion | Class::Intermediate) {
            return self.unexpected(reply);
        }
        self.settle(&Outcome::from_reply(reply));
        Progress::Broken(Fault::Reply)
    }

    /// No chunk is sent after a refused one, and RSET comes before anything else (RFC 3030 section 2). What is under way already is
    /// answered yet.
    fn chunk_refused(&mut self, outcome: &Outcome) {
        self.settle(outcome);
        if self.data == DataState::Body
            && let Framing::Chunks(chunker) = &mut self.framing
        {
            chunker.give_up();
            self.data = DataState::NotYet;
            self.unsent.push_back(Command::Rset);
        }
        self.chunk_failed = true;
    }

    fn end_reply(&mut self, outcome: &Outcome) {
        if !self.lmtp {
            return self.settle(outcome);
        }
        // RFC 2033 section 4.2: the replies come in the order of the recipients taken.
        if let Some(slot) = self.taken.get(self.ends).and_then(|at| self.outcomes.get_mut(*at)) {
            *slot = Some(outcome.clone());
        }
        self.ends += 1;
    }

    fn unexpected(&mut self, reply: &Reply) -> Progress {
        self.lose(Diagnostic::local(EnhancedStatus::new(4, 5, 0), format!("unexpected reply: {reply}")), true);
        Progress::Broken(Fault::Protocol)
    }

    fn progress(&self, last: Command) -> Progress {
        let nobody_wants_it = self.taken.is_empty() && matches!(self.unsent.front(), Some(Command::Data | Command::Chunks));
        if self.data == DataState::Body || !self.due.is_empty() || !(self.unsent.is_empty() || nobody_wants_it) {
            return Progress::More;
        }
        let is_end = matches!(last, Command::End | Command::LoneDot | Command::Rset) || (last == Command::Mail && !self.stands);
        Progress::Finished { clean: is_end && !self.chunk_failed }
    }
}

/// RFC 5321 section 4.5.3.1.10: 552 to RCPT is the older form of 452, unless the enhanced status says that the mailbox is full or the
/// message too big.
fn is_too_many_recipients(reply: &Reply) -> bool {
    let about_size = [EnhancedStatus::new(5, 2, 2), EnhancedStatus::new(5, 3, 4), EnhancedStatus::new(5, 2, 3)];
    reply.code.value() == 552 && reply.enhanced.is_none_or(|status| !about_size.contains(&status))
}
