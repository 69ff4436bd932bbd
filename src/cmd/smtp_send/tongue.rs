//! SMTP as somebody types it: what is typed, and the login that `:auth` makes.

use super::hand_login::{HandLogin, Next};
use super::typist::{Act, HELP, Typist, WORDS};
use crate::cli::exit::Status;
use crate::cli::typing::{Meaning, Tongue, send};
use crate::mail::reply::Reply;
use crate::net::tls::layer::Facts;
use crate::protocol::smtp::dialect::{Heard, Smtp};

/// SMTP, or LMTP.
pub struct SmtpTongue<'a> {
    pub typist: Typist,
    pub login: HandLogin<'a>,
}

impl SmtpTongue<'_> {
    fn reply(&mut self, answers: Option<&str>, reply: &Reply) -> Act {
        match answers {
            Some("EHLO" | "LHLO") if reply.is_success() => self.login.offered(reply),
            Some("AUTH") => match self.login.heard(reply) {
                Next::NotOurs => {}
                Next::Say(line) => return send(line.as_bytes(), vec!["AUTH".to_owned()], false),
                Next::Over(text) => return Act::Say(text),
            },
            _ => {}
        }
        self.typist.heard(answers, reply)
    }
}

impl Tongue for SmtpTongue<'_> {
    type Dialect = Smtp;
    const WORDS: &'static [&'static str] = WORDS;
    const HELP: &'static str = HELP;
    const HISTORY: &'static str = "smtp-history";
    const AFTER_TLS: &'static str = "=== what was offered in clear counts no more: say EHLO again";

    fn place(&self) -> &'static str {
        self.typist.place()
    }

    fn typed(&mut self, line: &[u8]) -> Act {
        self.typist.typed(line)
    }

    fn leave(&mut self) -> Act {
        self.typist.leave()
    }

    fn unfinished(&self) -> Option<(&'static str, Status)> {
        let why = "*** the input ended within the message: it is not sent";
        self.typist.is_in_message().then_some((why, Status::Data))
    }

    fn heard(&mut self, heard: Heard) -> Meaning<String> {
        match heard {
            Heard::Reply { answers, reply } => {
                Meaning { settles: answers.is_some(), acts: vec![self.reply(answers.as_deref(), &reply)] }
            }
            Heard::Garbage(bad) => Meaning { settles: false, acts: vec![Act::Garbage(bad.to_string())] },
        }
    }

    fn secured(&mut self, facts: &Facts) {
        self.login.secured(facts);
    }

    fn login(&mut self, mechanism: Option<&str>) -> Result<Act, String> {
        let line = self.login.begin(mechanism)?;
        Ok(send(line.as_bytes(), vec!["AUTH".to_owned()], false))
    }

    fn replies(&self) -> Vec<String> {
        vec![".".to_owned(); self.typist.replies()]
    }

    fn unsent(&mut self) {
        self.typist.unsent();
    }
}
