//! One mail transaction: MAIL, RCPT, DATA and the message, pipelined where that was offered (RFC 2920), every reply matched with its
//! command, one outcome for every recipient.

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
    stuffer: Stuffer,
    data: DataState,
    mail_line: String,
    /// What this transaction is not to go beyond.
    stop: Option<Stage>,
    /// MAIL was taken.
    stands: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Rset,
    Mail,
    Rcpt(usize),
    Data,
    /// The end of data; for LMTP once for each recipient taken.
    End,
    /// A lone dot after a 354 that nobody wanted (RFC 2920 section 3.1).
    LoneDot,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DataState {
    NotYet,
    Body,
    /// The final dot is in the outgoing bytes.
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
        let recipients = transaction.envelope.recipients().len();
        let rcpts = (0..recipients).map(Command::Rcpt);
        let unsent = [Command::Mail].into_iter().chain(rcpts).chain([Command::Data]).collect();
        let mut mail_line = format!("MAIL FROM:<{}>", transaction.envelope.reverse_path);
        if let (Some(_), Some(size)) = (offered.size, transaction.size) {
            mail_line += &format!(" SIZE={size}");
        }
        if offered.eight_bit_mime && transaction.eight_bit {
            mail_line += " BODY=8BITMIME";
        }
        Running {
            lmtp,
            pipelining: offered.pipelining,
            unsent,
            due: VecDeque::new(),
            outcomes: vec![None; recipients],
            taken: Vec::new(),
            ends: 0,
            stuffer: Stuffer::default(),
            data: DataState::NotYet,
            mail_line,
            stop: None,
            stands: false,
            transaction,
        }
    }

    /// What the server's EHLO rules out: a message over its SIZE (RFC 1870 section 6.1), 8-bit content that it does not take (RFC 6152
    /// section 3).
    pub fn refuse_beforehand(&mut self, offered: &Extensions) -> Option<Progress> {
        let limit = offered.size.flatten();
        let why = match (self.transaction.size, limit) {
            (Some(size), Some(limit)) if size > limit => Diagnostic::local(
                EnhancedStatus::new(5, 3, 4),
                format!("message of {size} octets is over the server's limit of {limit}"),
            ),
            _ if self.transaction.eight_bit && !offered.eight_bit_mime => Diagnostic::local(
                EnhancedStatus::new(5, 6, 3),
                "the message has 8-bit content and the server does not offer 8BITMIME",
            ),
            _ => return None,
        };
        self.settle(&Outcome::Refused(why));
        Some(Progress::Finished { clean: true })
    }

    /// The transaction before this one came to nothing: the server is told first.
    pub fn reset_first(&mut self) {
        self.unsent.push_front(Command::Rset);
    }

    /// Sends nothing beyond this stage: what it was answered is each recipient's outcome.
    pub fn stop_after(&mut self, stage: Option<Stage>) {
        self.stop = stage;
        self.unsent.retain(|command| match command {
            Command::Rcpt(_) => stage != Some(Stage::Mail),
            Command::Data => !matches!(stage, Some(Stage::Mail | Stage::Rcpt)),
            _ => true,
        });
    }

    /// Moves commands to `out` as far as pipelining and room allow.
    pub fn pump(&mut self, out: &mut Vec<u8>) {
        while let Some(&command) = self.unsent.front() {
            if out.len() >= OUTGOING_LIMIT / 2 || !(self.pipelining || self.due.is_empty()) {
                return;
            }
            let line = match command {
                Command::Rset => "RSET".to_owned(),
                Command::Mail => self.mail_line.clone(),
                Command::Rcpt(at) => format!("RCPT TO:<{}>", self.transaction.envelope.recipients()[at]),
                Command::Data => "DATA".to_owned(),
                Command::LoneDot | Command::End => ".".to_owned(),
            };
            self.unsent.pop_front();
            self.due.push_back(command);
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(b"\r\n");
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
            (Command::End, _) => self.end_reply(&outcome),
            (Command::Mail, _) => {
                self.stands = true;
                if self.stop == Some(Stage::Mail) {
                    self.settle(&outcome);
                }
            }
            (Command::Rset | Command::LoneDot, _) => {}
        }
        self.progress(command)
    }

    pub fn wants_body(&self) -> bool {
        self.data == DataState::Body
    }

    /// How many octets of the body fit, doubled by dots at the worst.
    pub fn room(out: &[u8]) -> usize {
        OUTGOING_LIMIT.saturating_sub(out.len() + 8) / 2
    }

    pub fn body(&mut self, bytes: &[u8], last: bool, out: &mut Vec<u8>) -> Result<(), BareLineEnd> {
        self.stuffer.push(bytes, out)?;
        if last {
            self.stuffer.finish(out)?;
            self.data = DataState::Ended;
            let times = if self.lmtp { self.taken.len() } else { 1 };
            self.due.extend(std::iter::repeat_n(Command::End, times));
        }
        Ok(())
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
        let nobody_wants_it = self.taken.is_empty() && self.unsent.front() == Some(&Command::Data);
        if self.data == DataState::Body || !self.due.is_empty() || !(self.unsent.is_empty() || nobody_wants_it) {
            return Progress::More;
        }
        let clean = matches!(last, Command::End | Command::LoneDot) || (last == Command::Mail && !self.stands);
        Progress::Finished { clean }
    }
}

/// RFC 5321 section 4.5.3.1.10: 552 to RCPT is the older form of 452, unless the enhanced status says that the mailbox is full or the
/// message too big.
fn is_too_many_recipients(reply: &Reply) -> bool {
    let about_size = [EnhancedStatus::new(5, 2, 2), EnhancedStatus::new(5, 3, 4), EnhancedStatus::new(5, 2, 3)];
    reply.code.value() == 552 && reply.enhanced.is_none_or(|status| !about_size.contains(&status))
}
