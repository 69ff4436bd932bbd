//! POP3 as somebody types it: what a typed line means, and the login that `:auth` makes. Sends nothing itself.

use crate::bytes::secret::Secret;
use crate::cli::exit::Status;
use crate::cli::typing::{self, Meaning, Tongue, Typed, Who, send};
use crate::net::tls::layer::Facts;
use crate::protocol::pop3::auth::{self, Authenticating, Verdict};
use crate::protocol::pop3::capabilities::Capabilities;
use crate::protocol::pop3::dialect::{Asked, Heard, Pop3};
use crate::protocol::pop3::response::{Response, timestamp};
use crate::protocol::pop3::words::{LoginBy, Method};
use crate::protocol::sasl::words::Mechanism;

type Act = typing::Act<Asked>;

/// Where the session stands for who types.
#[derive(Default)]
pub struct Typist<'a> {
    who: Who<'a>,
    by: LoginBy,
    capabilities: Capabilities,
    /// Of the greeting, for APOP.
    timestamp: Option<String>,
    /// A login of ours under way.
    running: Option<Running>,
    /// AUTH waits for an answer.
    challenged: bool,
    /// Messages that DELE marked.
    marked: u32,
    /// DELEs that were not answered yet.
    marking: u32,
    /// QUIT was sent.
    quitting: bool,
}

enum Running {
    /// The password follows.
    User(Secret<String>),
    /// PASS or APOP was sent.
    Last,
    Auth(Box<Authenticating>),
}

impl<'a> Typist<'a> {
    /// For `:auth`: who logs in, and by which commands.
    pub fn new(who: Who<'a>, by: LoginBy) -> Typist<'a> {
        Typist { who, by, ..Typist::default() }
    }

    fn command(&mut self, line: &[u8]) -> Act {
        match Typed::read(line) {
            Typed::Command => self.verb(line),
            Typed::Act(act) => act,
            Typed::Leave => self.leave(),
            Typed::Raw(bytes) => {
                let lines = bytes.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\r\n"));
                let commands: Vec<Asked> = lines.map(Asked::of).collect();
                commands.iter().for_each(|asked| self.note(asked));
                // Whoever writes escapes may well write a secret.
                Act::Send { bytes, commands, remember: false }
            }
            Typed::Own(word, _) if matches!(word.as_str(), ":stls" | ":starttls") => {
                send(b"STLS", vec![Asked::new("STLS")], false)
            }
            Typed::Own(word, _) => typing::unknown(&word),
        }
    }

    fn note(&mut self, asked: &Asked) {
        self.marking += u32::from(asked.verb == "DELE");
        self.quitting |= asked.verb == "QUIT";
    }

    fn verb(&mut self, line: &[u8]) -> Act {
        let asked = Asked::of(line);
        self.note(&asked);
        let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count();
        let secret = match asked.verb.as_str() {
            "PASS" | "APOP" => words > 1,
            "AUTH" => words > 2,
            _ => false,
        };
        send(line, vec![asked], !secret)
    }

    /// The command that begins a login, by this way or the best that is offered; an error is one line.
    fn begin(&mut self, how: Option<&str>) -> Result<String, String> {
        let mut wanted = self.who.wanted()?;
        let by = match how.map(str::to_ascii_lowercase).as_deref() {
            None => self.by,
            Some("auth") => LoginBy::Auth,
            Some("apop") => LoginBy::Apop,
            Some("user") => LoginBy::User,
            Some(name) => {
                wanted.mechanisms = vec![name.parse::<Mechanism>().map_err(|error| error.to_string())?];
                LoginBy::Auth
            }
        };
        let candidates = auth::candidates(&wanted, by, &self.capabilities, self.timestamp.is_some(), self.who.secure);
        let candidates = candidates.map_err(|why| why.to_string())?;
        let (chosen, words) = self.who.first(candidates, |method: &Method| method.mechanism())?;
        let begun = match chosen {
            Method::User => auth::user_and_pass(&words).map(|(user, pass)| (Running::User(pass), user)),
            Method::Apop => {
                let line = auth::apop(self.timestamp.as_deref().unwrap_or_default(), &words);
                line.map(|line| (Running::Last, line.reveal().clone()))
            }
            Method::Auth(mechanism) => {
                let begun = Authenticating::begin(mechanism, &words, &self.capabilities);
                begun.map(|(running, line)| (Running::Auth(Box::new(running)), line.reveal().clone()))
            }
        };
        let (running, line) = begun.map_err(|why| why.to_string())?;
        self.running = Some(running);
        Ok(line)
    }

    /// A response within a login of ours; gives it back where there is none.
    fn logging_in(&mut self, response: Response) -> Result<Act, Response> {
        let Some(running) = self.running.take() else { return Err(response) };
        let over = |good| if good { "=== logged in" } else { "*** not logged in" }.to_owned();
        let good = matches!(response, Response::Ok(_));
        Ok(match running {
            Running::User(pass) if good => {
                self.running = Some(Running::Last);
                send(pass.reveal().as_bytes(), vec![Asked::new("PASS")], false)
            }
            Running::User(_) | Running::Last => Act::Say(over(good)),
            Running::Auth(mut running) => match running.response(response) {
                Verdict::Say(line) => {
                    self.running = Some(Running::Auth(running));
                    send(line.reveal().as_bytes(), vec![Asked::new("AUTH")], false)
                }
                Verdict::Accepted => Act::Say(over(true)),
                Verdict::OtherMechanism(_) | Verdict::Refused(_) => Act::Say(over(false)),
                Verdict::Failed(why) => Act::Say(format!("*** {why}")),
            },
        })
    }

    fn response(&mut self, answers: Option<&str>, response: Response) -> Act {
        let response = match answers {
            Some("USER" | "PASS" | "APOP" | "AUTH") => match self.logging_in(response) {
                Ok(act) => return act,
                Err(response) => response,
            },
            _ => response,
        };
        self.marking = self.marking.saturating_sub(u32::from(answers == Some("DELE")));
        match (answers, response) {
            (Some(""), Response::Ok(text)) => self.timestamp = timestamp(&text).map(str::to_owned),
            (Some("CAPA"), Response::Err(_)) => self.capabilities = Capabilities::default(),
            (Some("AUTH"), Response::Challenge(_)) => self.challenged = true,
            (Some("DELE"), Response::Ok(_)) => self.marked += 1,
            (Some("RSET"), Response::Ok(_)) => self.marked = 0,
            (Some("QUIT"), Response::Ok(_)) => return Act::Close(Status::Done),
            (Some("QUIT"), Response::Err(_)) => return Act::Close(Status::Partly),
            _ => {}
        }
        Act::Nothing
    }
}

impl Tongue for Typist<'_> {
    type Dialect = Pop3;
    const WORDS: &'static [&'static str] = &[
        "APOP ", "AUTH ", "CAPA", "DELE ", "LANG ", "LIST", "NOOP", "PASS ", "QUIT", "RETR ", "RSET", "STAT", "STLS", "TOP ",
        "UIDL", "USER ", "UTF8", ":auth ", ":close", ":explain", ":help", ":quit", ":raw ", ":stls",
    ];
    const HELP: &'static str = "\
What you type goes to the server as it stands, a password without TLS, too. What begins with a colon is for this tool:
  :help            this
  :stls            STLS; then say CAPA again
  :auth [HOW]      log in as --user: by this SASL mechanism, by apop, by user (USER and PASS), or by the best that CAPA offered
  :raw TEXT        these bytes and nothing else: \\r \\n \\t \\0 \\\\ and \\xff
  :explain         explain each exchange, or stop explaining
  :quit            QUIT: what DELE marked is deleted
  :close           close the connection without a word: nothing is deleted
Messages are shown as they cross the wire: a line that begins with a dot has one more, and a dot alone is the end.
Ctrl-D is QUIT, unless DELE marked something: then it closes the connection. Ctrl-C always does.";
    const HISTORY: &'static str = "pop3-history";
    const AFTER_TLS: &'static str = "=== what was offered in clear counts no more: say CAPA again";

    fn place(&self) -> &'static str {
        if self.challenged { "login" } else { "" }
    }

    fn typed(&mut self, line: &[u8]) -> Act {
        if std::mem::take(&mut self.challenged) {
            return send(line, vec![Asked::new("AUTH")], false);
        }
        self.command(line)
    }

    fn leave(&mut self) -> Act {
        self.quitting = true;
        if std::mem::take(&mut self.challenged) {
            // RFC 5034 section 4: an exchange is cancelled by a lone asterisk.
            return send(b"*\r\nQUIT", vec![Asked::new("AUTH"), Asked::new("QUIT")], false);
        }
        send(b"QUIT", vec![Asked::new("QUIT")], false)
    }

    /// RFC 1939 section 6: QUIT deletes. Nobody said it, or nobody knows what came of it.
    fn unfinished(&self) -> Option<(&'static str, Status)> {
        let why = match (self.marked, self.marking, self.quitting) {
            (0, 0, _) => return None,
            (_, _, false) => "=== closed without QUIT: what DELE marked is not deleted",
            (_, _, true) => "=== closed before QUIT was answered: what DELE marked may be deleted or not",
        };
        Some((why, Status::Partly))
    }

    fn heard(&mut self, heard: Heard) -> Meaning<Asked> {
        match heard {
            Heard::Response { answers, response, more } => {
                let settles = answers.is_some() && !more;
                Meaning { settles, acts: vec![self.response(answers.as_deref(), response)] }
            }
            Heard::End { capabilities, .. } => {
                if let Some(capabilities) = capabilities {
                    self.capabilities = *capabilities;
                }
                Meaning { settles: true, acts: Vec::new() }
            }
            Heard::Garbage(bad) => Meaning { settles: false, acts: vec![Act::Garbage(bad.to_string())] },
        }
    }

    /// RFC 2595 section 4: the timestamp is forgotten, too.
    fn secured(&mut self, facts: &Facts) {
        (self.capabilities, self.timestamp) = (Capabilities::default(), None);
        self.who.secured(facts);
    }

    fn login(&mut self, how: Option<&str>) -> Result<Act, String> {
        let line = self.begin(how)?;
        let asked = Asked::of(line.as_bytes());
        Ok(send(line.as_bytes(), vec![Asked { many: false, ..asked }], false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::pop3::response::Refusal;

    fn ok(answers: &str) -> Heard {
        Heard::Response { answers: Some(answers.to_owned()), response: Response::Ok(String::new()), more: false }
    }

    fn sent(act: &Act) -> (String, Vec<&str>, bool) {
        let Act::Send { bytes, commands, remember } = act else { panic!("{act:?}") };
        let verbs = commands.iter().map(|asked| asked.verb.as_str()).collect();
        (String::from_utf8_lossy(bytes).into_owned(), verbs, *remember)
    }

    #[test]
    fn no_secret_is_remembered() {
        let mut typist = Typist::default();
        for line in ["PASS two words", " pass x", "APOP bob 0123", "AUTH PLAIN AGEAYg==", ":raw PASS x\\r\\n"] {
            assert!(!sent(&typist.typed(line.as_bytes())).2, "{line}");
        }
        for line in ["USER bob", "AUTH PLAIN", "AUTH", "PASS", "DELE 1"] {
            assert!(sent(&typist.typed(line.as_bytes())).2, "{line}");
        }
        let challenge = Response::Challenge("VXNlcg==".to_owned());
        typist.heard(Heard::Response { answers: Some("AUTH".to_owned()), response: challenge, more: false });
        assert_eq!(typist.place(), "login");
        assert_eq!(sent(&typist.typed(b":quit is a name")), (":quit is a name\r\n".into(), vec!["AUTH"], false));
        assert_eq!(typist.place(), "");
    }

    #[test]
    fn the_end_of_input_deletes_nothing_that_was_not_quitted() {
        let mut typist = Typist::default();
        typist.typed(b"dele 1");
        assert_eq!(typist.unfinished().map(|(_, status)| status), Some(Status::Partly), "the answer may be on its way");
        typist.heard(ok("DELE"));
        assert!(typist.unfinished().unwrap().0.contains("is not deleted"));
        assert_eq!(sent(&typist.leave()).0, "QUIT\r\n", "who says :quit means it");
        assert!(typist.unfinished().unwrap().0.contains("may be deleted or not"), "{:?}", typist.unfinished());
        typist.heard(ok("RSET"));
        assert_eq!(typist.unfinished(), None);
        let refusal = Response::Err(Refusal { code: None, text: String::new() });
        let refused = typist.heard(Heard::Response { answers: Some("QUIT".to_owned()), response: refusal, more: false });
        assert_eq!(refused.acts, [Act::Close(Status::Partly)]);
    }

    #[test]
    fn an_exchange_is_cancelled_before_quit() {
        let mut typist = Typist { challenged: true, ..Typist::default() };
        assert_eq!(sent(&typist.leave()), ("*\r\nQUIT\r\n".into(), vec!["AUTH", "QUIT"], false));
    }

    #[test]
    fn raw_bytes_are_as_many_commands_as_lines() {
        let mut typist = Typist::default();
        let act = typist.typed(b":raw RETR 1\\r\\nSTAT\\nNOOP\\r\\nhalf");
        assert_eq!(sent(&act), ("RETR 1\r\nSTAT\nNOOP\r\nhalf".into(), vec!["RETR", "NOOP"], false));
        assert!(matches!(typist.typed(b"NOOP\rQUIT"), Act::Refused(_)), "one line is one command");
        assert_eq!(typist.typed(b"  "), Act::Nothing);
        assert!(matches!(typist.typed(b":frob"), Act::Refused(_)));
        assert_eq!(typist.typed(b":auth"), Act::Login(None));
        assert!(typist.login(None).unwrap_err().starts_with("nobody to log in as"));
    }
}
