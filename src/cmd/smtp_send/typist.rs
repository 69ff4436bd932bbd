//! What a line that somebody types means in an SMTP session: a command, a line of the message, an answer within AUTH, or a helper. Sends
//! nothing itself.

use crate::cli::exit::Status;
use crate::cli::typing::{self, Typed};
use crate::mail::reply::{Class, Reply};
use std::path::PathBuf;

pub const HELP: &str = "\
What you type goes to the server as it stands. What begins with a colon is for this tool:
  :help            this
  :send FILE       DATA, the message in FILE with dots added where they must be, and the final dot
  :starttls        STARTTLS; then say EHLO again
  :auth [MECH]     log in as --user, by this mechanism or the best that EHLO offered
  :raw TEXT        these bytes and nothing else: \\r \\n \\t \\0 \\\\ and \\xff
  :explain         explain each exchange, or stop explaining
  :quit            QUIT, as Ctrl-D does
  :close           close the connection without a word
After DATA and its 354 every line is the message's, until a dot alone. Before its first line, :send FILE still works.";

/// Words that a line may begin with, for completion.
pub const WORDS: &[&str] = &[
    "AUTH ",
    "BDAT ",
    "DATA",
    "EHLO ",
    "ETRN ",
    "EXPN ",
    "HELO ",
    "HELP",
    "LHLO ",
    "MAIL FROM:<",
    "NOOP",
    "QUIT",
    "RCPT TO:<",
    "RSET",
    "STARTTLS",
    "VRFY ",
    "XCLIENT ",
    ":auth ",
    ":close",
    ":explain",
    ":help",
    ":quit",
    ":raw ",
    ":send ",
    ":starttls",
];

/// What is to be done.
pub type Act = typing::Act<String>;

#[derive(Debug, PartialEq, Eq)]
enum Mode {
    Command,
    /// The message is typed; `fresh`: none of its lines was yet.
    Message {
        fresh: bool,
    },
    /// So many octets of a BDAT chunk are missing.
    Chunk(u64),
    /// AUTH waits for an answer.
    Login,
}

/// Where the session stands for who types.
#[derive(Debug)]
pub struct Typist {
    mode: Mode,
    lmtp: bool,
    /// Recipients that were taken: in LMTP as many replies follow the message.
    taken: usize,
    /// Goes out once DATA was answered.
    file: Option<PathBuf>,
}

impl Typist {
    pub fn new(lmtp: bool) -> Typist {
        Typist { mode: Mode::Command, lmtp, taken: 0, file: None }
    }

    /// What the prompt says beside the arrow.
    pub fn place(&self) -> &'static str {
        match self.mode {
            Mode::Command => "",
            Mode::Message { .. } => "message",
            Mode::Chunk(_) => "chunk",
            Mode::Login => "login",
        }
    }

    /// A message was begun and not ended: only the end of the connection keeps it from being delivered.
    pub fn is_in_message(&self) -> bool {
        matches!(self.mode, Mode::Message { .. } | Mode::Chunk(_))
    }

    /// How many replies the message gets.
    pub fn replies(&self) -> usize {
        if self.lmtp { self.taken } else { 1 }
    }

    pub fn typed(&mut self, line: &[u8]) -> Act {
        match self.mode {
            Mode::Command => self.command(line),
            Mode::Message { fresh } => self.message_line(line, fresh),
            Mode::Chunk(left) => self.chunk_line(line, left),
            Mode::Login => {
                self.mode = Mode::Command;
                send(line, &["AUTH"], false)
            }
        }
    }

    /// Input is over, or somebody wants to go.
    pub fn leave(&mut self) -> Act {
        if self.is_in_message() {
            return Act::Close(Status::Done);
        }
        let login = std::mem::replace(&mut self.mode, Mode::Command) == Mode::Login;
        // RFC 4954 section 4: an exchange is cancelled by a lone asterisk.
        if login { send(b"*\r\nQUIT", &["AUTH", "QUIT"], false) } else { send(b"QUIT", &["QUIT"], false) }
    }

    fn command(&mut self, line: &[u8]) -> Act {
        match Typed::read(line) {
            Typed::Command => self.verb(line),
            Typed::Act(act) => act,
            Typed::Leave => self.leave(),
            Typed::Raw(bytes) => {
                // As many replies as lines, as a sound server counts them.
                let lines = bytes.windows(2).filter(|pair| pair == b"\r\n").count();
                // Whoever writes escapes may well write a secret.
                Act::Send { bytes, commands: vec!["?".to_owned(); lines], remember: false }
            }
            Typed::Own(word, rest) => self.helper(&word, &rest),
        }
    }

    fn verb(&mut self, line: &[u8]) -> Act {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let verb = String::from_utf8_lossy(words.next().unwrap_or_default()).to_ascii_uppercase();
        match verb.as_str() {
            "LHLO" => self.lmtp = true,
            "MAIL" | "RSET" => self.taken = 0,
            "BDAT" => {
                let size = words.next().and_then(|size| std::str::from_utf8(size).ok()?.parse().ok()).unwrap_or(0);
                if size > 0 {
                    // Its reply comes behind the chunk.
                    self.mode = Mode::Chunk(size);
                    return send(line, &[], true);
                }
            }
            _ => {}
        }
        let secret = verb == "AUTH" && words.nth(1).is_some();
        send(line, &[&verb], !secret)
    }

    fn message_line(&mut self, line: &[u8], fresh: bool) -> Act {
        if fresh && let Some(path) = line.strip_prefix(b":send ") {
            self.mode = Mode::Command;
            return Act::Message(path_of(path));
        }
        if line == b"." {
            self.mode = Mode::Command;
            let verbs = vec!["."; self.replies()];
            return send(line, &verbs, false);
        }
        self.mode = Mode::Message { fresh: false };
        send(line, &[], false)
    }

    fn chunk_line(&mut self, line: &[u8], left: u64) -> Act {
        let left = left.saturating_sub(line.len() as u64 + 2);
        self.mode = if left == 0 { Mode::Command } else { Mode::Chunk(left) };
        send(line, if left == 0 { &["BDAT"] } else { &[] }, false)
    }

    fn helper(&mut self, word: &str, rest: &str) -> Act {
        match (word, rest) {
            (":starttls", _) => send(b"STARTTLS", &["STARTTLS"], false),
            (":send", "") => Act::Refused(":send needs a file".to_owned()),
            (":send", path) => {
                self.file = Some(path_of(path.as_bytes()));
                send(b"DATA", &["DATA"], true)
            }
            (word, _) => typing::unknown(word),
        }
    }

    /// A reply, and the verb that it answers. Gives what follows from it.
    pub fn heard(&mut self, answers: Option<&str>, reply: &Reply) -> Act {
        let good = reply.class() == Class::Completion;
        match answers {
            Some("AUTH") if reply.code.value() == 334 => self.mode = Mode::Login,
            Some("RCPT") if good => self.taken += 1,
            Some("QUIT") if good => return Act::Close(Status::Done),
            Some("DATA") => {
                let file = self.file.take();
                if reply.code.value() == 354 {
                    if let Some(path) = file {
                        return Act::Message(path);
                    }
                    self.mode = Mode::Message { fresh: true };
                }
            }
            _ => {}
        }
        Act::Nothing
    }

    /// The file could not be sent: the message is still to be typed.
    pub fn unsent(&mut self) {
        self.mode = Mode::Message { fresh: true };
    }
}

fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).trim())
}

fn send(line: &[u8], verbs: &[&str], remember: bool) -> Act {
    typing::send(line, verbs.iter().map(|verb| (*verb).to_owned()).collect(), remember)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(act: &Act) -> (String, Vec<&str>, bool) {
        let Act::Send { bytes, commands, remember } = act else { panic!("{act:?}") };
        (String::from_utf8_lossy(bytes).into_owned(), commands.iter().map(String::as_str).collect(), *remember)
    }

    #[test]
    fn after_the_354_lines_are_the_message_s() {
        let mut typist = Typist::new(false);
        assert_eq!(sent(&typist.typed(b"data")), ("data\r\n".into(), vec!["DATA"], true));
        assert_eq!(typist.heard(Some("DATA"), &Reply::new(354, None, "go")), Act::Nothing);
        for line in [&b"QUIT"[..], b":help", b"", b".."] {
            let act = typist.typed(line);
            assert_eq!(sent(&act).1, Vec::<&str>::new(), "{line:?}");
        }
        assert_eq!(typist.leave(), Act::Close(Status::Done), "half a message is not ended");
        assert_eq!(sent(&typist.typed(b".")).1, ["."]);
        assert_eq!(sent(&typist.typed(b"QUIT")).1, ["QUIT"]);
        assert_eq!(typist.heard(Some("QUIT"), &Reply::new(221, None, "bye")), Act::Close(Status::Done));
    }

    #[test]
    fn data_that_is_refused_begins_no_message() {
        let mut typist = Typist::new(false);
        typist.typed(b"DATA");
        typist.heard(Some("DATA"), &Reply::new(503, None, "no"));
        assert_eq!(sent(&typist.typed(b"NOOP")).1, ["NOOP"]);
        typist.typed(b":send /x");
        typist.heard(Some("DATA"), &Reply::new(503, None, "no"));
        typist.typed(b"DATA");
        assert_eq!(typist.heard(Some("DATA"), &Reply::new(354, None, "go")), Act::Nothing, "the file was for the first");
    }

    #[test]
    fn no_secret_is_remembered() {
        let mut typist = Typist::new(false);
        assert!(sent(&typist.typed(b"AUTH LOGIN")).2);
        typist.heard(Some("AUTH"), &Reply::new(334, None, "VXNlcg=="));
        assert_eq!(typist.place(), "login");
        assert_eq!(sent(&typist.typed(b":quit is a name")), (":quit is a name\r\n".into(), vec!["AUTH"], false));
        assert!(!sent(&typist.typed(b"AUTH PLAIN AGEAYg==")).2);
        typist.heard(Some("AUTH"), &Reply::new(334, None, ""));
        assert_eq!(sent(&typist.leave()).0, "*\r\nQUIT\r\n");
    }

    #[test]
    fn a_chunk_is_counted() {
        let mut typist = Typist::new(false);
        assert_eq!(sent(&typist.typed(b"BDAT 9 LAST")).1, Vec::<&str>::new());
        assert_eq!(sent(&typist.typed(b"abc")).1, Vec::<&str>::new());
        assert_eq!(sent(&typist.typed(b"de")).1, ["BDAT"]);
        assert_eq!(sent(&typist.typed(b"BDAT 0 LAST")).1, ["BDAT"]);
    }

    #[test]
    fn lmtp_has_a_reply_for_each_recipient_taken() {
        let mut typist = Typist::new(true);
        typist.heard(Some("RCPT"), &Reply::new(250, None, ""));
        typist.heard(Some("RCPT"), &Reply::new(550, None, ""));
        typist.heard(Some("RCPT"), &Reply::new(250, None, ""));
        typist.heard(Some("DATA"), &Reply::new(354, None, ""));
        assert_eq!(sent(&typist.typed(b".")).1, [".", "."]);
    }

    #[test]
    fn what_nobody_knows_is_said() {
        let mut typist = Typist::new(false);
        assert!(matches!(typist.typed(b":frob"), Act::Refused(_)));
        assert!(matches!(typist.typed(b":raw \\q"), Act::Refused(_)));
        assert!(matches!(typist.typed(b"NOOP\rQUIT"), Act::Refused(_)), "one line is one command");
        assert_eq!(typist.typed(b"  "), Act::Nothing);
        assert_eq!([typist.typed(b":auth"), typist.typed(b":auth plain")], [Act::Login(None), Act::Login(Some("plain".into()))]);
        let raw = typist.typed(b":raw NOOP\\nQUIT\\x0d\\n");
        assert_eq!(sent(&raw), ("NOOP\nQUIT\r\n".into(), vec!["?"], false));
    }
}
