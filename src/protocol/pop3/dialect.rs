//! POP3's responses as a conversation by hand hears them: status lines, and where what follows them ends. What is no response is told and
//! passed over. Messages of any size pass through without being held.

use super::capabilities::Capabilities;
use super::response::{BadResponse, Lines, Response};
use crate::bytes::dot::{Found, Unstuffer};
use crate::protocol::hand::{Dialect, Follows};
use std::collections::VecDeque;

/// A command that was sent, as far as its response depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// In upper case; nothing for the greeting.
    pub verb: String,
    /// A list or a message follows `+OK`, up to a dot.
    pub many: bool,
}

impl Asked {
    pub fn new(verb: &str) -> Asked {
        Asked { verb: verb.to_owned(), many: false }
    }

    /// Reads a command line, its CRLF removed.
    pub fn of(line: &[u8]) -> Asked {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let verb = String::from_utf8_lossy(words.next().unwrap_or_default()).to_ascii_uppercase();
        let alone = words.next().is_none();
        let many = match verb.as_str() {
            "CAPA" | "RETR" | "TOP" => true,
            // RFC 1939 sections 5 and 7, RFC 6856 section 3.2; AUTH alone lists mechanisms at servers older than CAPA.
            "LIST" | "UIDL" | "AUTH" | "LANG" => alone,
            _ => false,
        };
        Asked { verb, many }
    }
}

/// What was heard.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// A status line, and the verb that it answers: nothing for the greeting; None: nobody asked. `more`: a list or a message follows.
    Response {
        answers: Option<String>,
        response: Response,
        more: bool,
    },
    /// What followed came to its end.
    End {
        answers: String,
        /// What CAPA listed.
        capabilities: Option<Box<Capabilities>>,
    },
    Garbage(BadResponse),
}

#[derive(Debug)]
enum Following {
    Capabilities(Box<Capabilities>),
    /// A message, or another list.
    Text(Box<Unstuffer>),
}

/// Reads POP3 responses.
#[derive(Debug)]
pub struct Pop3 {
    lines: Lines,
    /// Commands whose responses are due.
    due: VecDeque<Asked>,
    following: Option<(String, Following)>,
}

/// With the greeting due.
impl Default for Pop3 {
    fn default() -> Self {
        Pop3 { lines: Lines::default(), due: VecDeque::from([Asked::new("")]), following: None }
    }
}

impl Pop3 {
    fn status(&mut self, line: &[u8]) -> Heard {
        let challenges = self.due.front().is_some_and(|asked| asked.verb == "AUTH");
        let response = match Response::parse(line, challenges) {
            Ok(response) => response,
            Err(bad) => return Heard::Garbage(bad),
        };
        let answered = self.due.pop_front();
        let more = matches!(response, Response::Ok(_)) && answered.as_ref().is_some_and(|asked| asked.many);
        let answers = answered.map(|asked| asked.verb);
        if let Some(verb) = answers.clone().filter(|_| more) {
            let following = match verb.as_str() {
                "CAPA" => Following::Capabilities(Box::new(Capabilities::known())),
                _ => Following::Text(Box::default()),
            };
            self.following = Some((verb, following));
        }
        Heard::Response { answers, response, more }
    }

    fn line(&mut self, line: Result<Vec<u8>, BadResponse>) -> Option<Heard> {
        let line = match line {
            Ok(line) => line,
            Err(bad) => {
                (self.lines, self.following) = (Lines::default(), None);
                return Some(Heard::Garbage(bad));
            }
        };
        let Some((answers, Following::Capabilities(mut capabilities))) = self.following.take() else {
            return Some(self.status(&line));
        };
        if line == b"." {
            return Some(Heard::End { answers, capabilities: Some(capabilities) });
        }
        if !capabilities.line(line.strip_prefix(b".").unwrap_or(&line)) {
            return Some(Heard::Garbage(BadResponse::Endless));
        }
        self.following = Some((answers, Following::Capabilities(capabilities)));
        None
    }
}

impl Dialect for Pop3 {
    type Command = Asked;
    type Heard = Heard;

    fn asked(&mut self, command: Asked) {
        self.due.push_back(command);
    }

    fn take(&mut self, bytes: &[u8]) -> (usize, Option<Heard>) {
        if let Some((answers, Following::Text(unstuffer))) = &mut self.following {
            let (used, found) = pass(unstuffer, bytes);
            if found != Found::End {
                return (used, None);
            }
            let answers = std::mem::take(answers);
            self.following = None;
            return (used, Some(Heard::End { answers, capabilities: None }));
        }
        let (used, line) = self.lines.take(bytes);
        (used, line.and_then(|line| self.line(line)))
    }

    fn forget(&mut self) {
        (self.lines, self.following) = (Lines::default(), None);
    }

    /// What comes in clear behind a `+OK` to STLS ends the session (RFC 2595 section 4). After QUIT there is nothing to come, whatever the
    /// server says of it (RFC 1939 section 6).
    fn follows(heard: &Heard) -> Follows {
        match heard {
            Heard::Response { answers: Some(verb), response: Response::Ok(_), .. } if verb == "STLS" => Follows::Secure,
            Heard::Response { answers: Some(verb), .. } if verb == "QUIT" => Follows::Close,
            _ => Follows::Nothing,
        }
    }
}

/// Looks for the end alone: what stands before it was seen as it crossed the wire.
fn pass(unstuffer: &mut Unstuffer, bytes: &[u8]) -> (usize, Found) {
    let mut text = Vec::new();
    let mut used = 0;
    loop {
        let (taken, found) = unstuffer.push(&bytes[used..], &mut text);
        used += taken;
        // Such a line is text: here nobody else takes it for the end.
        if found != Found::FalseEnd {
            return (used, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is heard of these bytes, given in pieces of this size, after these commands.
    fn heard(commands: &[&str], bytes: &[u8], piece: usize) -> Vec<Heard> {
        let mut pop3 = Pop3::default();
        commands.iter().for_each(|command| pop3.asked(Asked::of(command.as_bytes())));
        let mut all = Vec::new();
        for mut piece in bytes.chunks(piece) {
            while !piece.is_empty() {
                let (used, found) = pop3.take(piece);
                piece = &piece[used..];
                all.extend(found);
            }
        }
        all
    }

    fn response(answers: &str, response: Response, more: bool) -> Heard {
        Heard::Response { answers: Some(answers.to_owned()), response, more }
    }

    #[test]
    fn a_message_ends_at_its_dot_however_it_is_split() {
        let bytes = b"+OK hi\r\n+OK 1 9\r\n+OK\r\n..\r\n-ERR text\r\n.\nx\r\n.\r\n-ERR no\r\n+OK bye\r\n";
        for piece in 1..bytes.len() {
            let found = heard(&["STAT", "retr 1", "DELE 9", "QUIT"], bytes, piece);
            let ok = |text: &str| Response::Ok(text.to_owned());
            assert_eq!(
                found[..3],
                [response("", ok("hi"), false), response("STAT", ok("1 9"), false), response("RETR", ok(""), true)]
            );
            assert_eq!(found[3], Heard::End { answers: "RETR".to_owned(), capabilities: None });
            assert_eq!(found[5..], [response("QUIT", ok("bye"), false)]);
            assert_eq!(found.iter().map(Pop3::follows).collect::<Vec<_>>()[4..], [Follows::Nothing, Follows::Close]);
        }
    }

    #[test]
    fn what_capa_lists_is_kept() {
        let found = heard(&["CAPA"], b"+OK\r\n+OK\r\nSTLS\r\nSASL PLAIN\r\n.\r\n", 3);
        let Some(Heard::End { answers, capabilities: Some(listed) }) = found.last() else { panic!("{found:?}") };
        assert!(answers == "CAPA" && listed.known && listed.stls && listed.sasl == ["PLAIN"]);
        let endless = [&b"+OK\r\n+OK\r\n"[..], &b"X\r\n".repeat(1000)].concat();
        assert_eq!(heard(&["CAPA"], &endless, 500)[2], Heard::Garbage(BadResponse::Endless));
    }

    #[test]
    fn a_challenge_is_one_within_auth_alone() {
        let found = heard(&["AUTH LOGIN"], b"+OK\r\n+ VXNlcg==\r\n+ what\r\n", 5);
        assert_eq!(found[1], response("AUTH", Response::Challenge("VXNlcg==".to_owned()), false));
        assert!(matches!(&found[2], Heard::Garbage(BadResponse::NoStatus(_))));
    }

    #[test]
    fn only_a_granted_stls_starts_tls() {
        let follows = |bytes: &[u8]| heard(&["STLS"], bytes, 99).iter().map(Pop3::follows).collect::<Vec<_>>();
        assert_eq!(follows(b"+OK\r\n+OK go\r\n"), [Follows::Nothing, Follows::Secure]);
        assert_eq!(follows(b"+OK\r\n-ERR no\r\n"), [Follows::Nothing, Follows::Nothing]);
    }

    #[test]
    fn some_commands_list_only_alone() {
        for (line, many) in
            [("list", true), ("LIST 1", false), ("UIDL ", true), ("RETR 1", true), ("TOP 1 0", true), ("STAT", false)]
        {
            assert_eq!(Asked::of(line.as_bytes()).many, many, "{line}");
        }
    }
}
