//! SMTP's replies as a conversation by hand hears them: what is no reply is told and passed over.

use super::reply::{BadReply, ReplyReader};
use crate::mail::reply::Reply;
use crate::protocol::hand::{Dialect, Follows};
use std::collections::VecDeque;

/// What was heard.
#[derive(Debug)]
pub enum Heard {
    /// A reply, and the verb that it answers: `.` for a message, nothing for the greeting; None: nobody asked.
    Reply {
        answers: Option<String>,
        reply: Reply,
    },
    Garbage(BadReply),
}

/// Reads SMTP and LMTP replies.
#[derive(Debug)]
pub struct Smtp {
    reader: ReplyReader,
    /// Verbs whose replies are due.
    due: VecDeque<String>,
}

/// With the greeting due.
impl Default for Smtp {
    fn default() -> Self {
        Smtp { reader: ReplyReader::default(), due: VecDeque::from([String::new()]) }
    }
}

impl Dialect for Smtp {
    type Command = String;
    type Heard = Heard;

    fn asked(&mut self, command: String) {
        self.due.push_back(command);
    }

    fn take(&mut self, bytes: &[u8]) -> (usize, Option<Heard>) {
        let (used, read) = self.reader.take(bytes);
        let heard = read.map(|read| match read {
            Ok(reply) => Heard::Reply { answers: self.due.pop_front(), reply },
            Err(bad) => {
                self.reader = ReplyReader::default();
                Heard::Garbage(bad)
            }
        });
        (used, heard)
    }

    fn forget(&mut self) {
        self.reader = ReplyReader::default();
    }

    /// What comes in clear behind a 220 to STARTTLS ends the session (RFC 3207 section 6).
    fn follows(heard: &Heard) -> Follows {
        match heard {
            Heard::Reply { answers: Some(verb), reply } if verb == "STARTTLS" && reply.code.value() == 220 => Follows::Secure,
            Heard::Reply { answers: Some(verb), reply } if verb == "QUIT" && reply.is_success() => Follows::Close,
            _ => Follows::Nothing,
        }
    }
}
