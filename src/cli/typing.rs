//! What a session led by hand has to know of its protocol: what typed lines mean there, and what replies do. And the helpers that mean the
//! same in every protocol.

use super::exit::Status;
use super::raw::unescape;
use crate::net::tls::layer::Facts;
use crate::protocol::hand::Dialect;
use crate::protocol::sasl::words::{Authentication, Login as Words, Mechanism};
use crate::relay::session::Login;
use std::path::PathBuf;

/// The command of a tongue's dialect.
pub type CommandOf<T> = <<T as Tongue>::Dialect as Dialect>::Command;
/// What is heard in it.
pub type HeardOf<T> = <<T as Tongue>::Dialect as Dialect>::Heard;

/// A protocol as somebody types it. Sends nothing itself.
pub trait Tongue {
    type Dialect: Dialect + Send + 'static;
    /// What a line may begin with, for completion.
    const WORDS: &'static [&'static str];
    /// What `:help` says.
    const HELP: &'static str;
    /// The name of the file for the history.
    const HISTORY: &'static str;
    /// Told when TLS has started.
    const AFTER_TLS: &'static str;

    /// What the prompt says beside the arrow.
    fn place(&self) -> &'static str;

    fn typed(&mut self, line: &[u8]) -> Act<CommandOf<Self>>;

    /// Somebody wants to go.
    fn leave(&mut self) -> Act<CommandOf<Self>>;

    /// What does not happen where the session ends here, without a word to the server, and the status then. With it the end of the input
    /// closes the connection, where else it is [`Tongue::leave`].
    fn unfinished(&self) -> Option<(&'static str, Status)> {
        None
    }

    fn heard(&mut self, heard: HeardOf<Self>) -> Meaning<CommandOf<Self>>;

    /// TLS runs: what was offered in clear is forgotten.
    fn secured(&mut self, facts: &Facts);

    /// Begins to log in as whoever is configured, by this mechanism or the best that is offered. An error is one line.
    fn login(&mut self, mechanism: Option<&str>) -> Result<Act<CommandOf<Self>>, String>;

    /// The replies that a message gets.
    fn replies(&self) -> Vec<CommandOf<Self>> {
        Vec::new()
    }

    /// The file could not be sent.
    fn unsent(&mut self) {}
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Act<C> {
    Nothing,
    /// These bytes go out, and a reply is due for each of the commands. A line without secrets is remembered.
    Send {
        bytes: Vec<u8>,
        commands: Vec<C>,
        remember: bool,
    },
    /// This file goes out as the message.
    Message(PathBuf),
    Help,
    /// Turns explaining on or off.
    Explain,
    /// The connection is closed; with this status, if nothing worse comes.
    Close(Status),
    /// Logs in, by this mechanism or the best.
    Login(Option<String>),
    /// Is said.
    Say(String),
    /// The server said what is no reply.
    Garbage(String),
    /// Nothing was sent, for this reason.
    Refused(String),
}

/// What something heard means.
#[derive(Debug)]
pub struct Meaning<C> {
    /// It is all of a reply that was due.
    pub settles: bool,
    pub acts: Vec<Act<C>>,
}

/// What a typed line is, in every protocol alike.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed<C> {
    /// For the server, as it stands.
    Command,
    /// It means the same in every protocol.
    Act(Act<C>),
    /// Somebody wants to go.
    Leave,
    /// These bytes are to go out.
    Raw(Vec<u8>),
    /// What only one protocol knows: the word with its colon, and what follows it.
    Own(String, String),
}

impl<C> Typed<C> {
    pub fn read(line: &[u8]) -> Typed<C> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Typed::Act(Act::Nothing);
        }
        if line.first() == Some(&b':') {
            return Typed::helper(&String::from_utf8_lossy(line));
        }
        if line.contains(&b'\r') {
            return Typed::Act(Act::Refused("a CR within a line is for :raw".to_owned()));
        }
        Typed::Command
    }

    fn helper(line: &str) -> Typed<C> {
        let (word, rest) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
        Typed::Act(match (word, rest.trim()) {
            (":help" | ":h" | ":?", _) => Act::Help,
            (":quit" | ":q", _) => return Typed::Leave,
            (":close", _) => Act::Close(Status::Done),
            (":explain", _) => Act::Explain,
            (":auth", name) => Act::Login(Some(name.to_owned()).filter(|name| !name.is_empty())),
            (":raw", _) => match unescape(rest) {
                Ok(bytes) => return Typed::Raw(bytes),
                Err(bad) => Act::Refused(bad.to_string()),
            },
            (word, rest) => return Typed::Own(word.to_owned(), rest.to_owned()),
        })
    }
}

/// Who logs in within a session that is led by hand, and what the channel has to do with it.
#[derive(Default)]
pub struct Who<'a> {
    login: Option<&'a dyn Login>,
    /// To a socket of this host.
    local: bool,
    pub secure: bool,
    /// What binds an exchange to this TLS session.
    binding: Option<Vec<u8>>,
}

impl<'a> Who<'a> {
    pub fn new(login: Option<&'a dyn Login>, local: bool) -> Who<'a> {
        Who { login, local, ..Who::default() }
    }

    /// TLS runs.
    pub fn secured(&mut self, facts: &Facts) {
        (self.secure, self.binding) = (true, facts.end_point());
    }

    /// How to log in; an error is one line.
    pub fn wanted(&self) -> Result<Authentication, String> {
        Ok(self.configured()?.authentication(self.local))
    }

    /// The first of these ways that can be used, each with its mechanism, and what it begins with; an error is one line.
    pub fn first<M>(&self, ways: impl IntoIterator<Item = M>, of: impl Fn(&M) -> Mechanism) -> Result<(M, Words), String> {
        let usable = |way: &M| !of(way).is_bound() || self.binding.is_some();
        let way = ways.into_iter().find(usable).ok_or("no mechanism can be used without a certificate of the server")?;
        let words = self.configured()?.login(of(&way))?;
        Ok((way, Words { binding: self.binding.clone(), ..words }))
    }

    fn configured(&self) -> Result<&'a dyn Login, &'static str> {
        self.login.ok_or("nobody to log in as: start with --user USER, or user@ in the server's URL")
    }
}

/// A helper that nobody knows.
pub fn unknown<C>(word: &str) -> Act<C> {
    Act::Refused(format!("{word} is nothing that this tool knows; :help lists what it does"))
}

/// A line with CRLF behind it.
pub fn send<C>(line: &[u8], commands: Vec<C>, remember: bool) -> Act<C> {
    Act::Send { bytes: [line, b"\r\n"].concat(), commands, remember }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_mean_the_same_everywhere() {
        for (line, means) in [
            (":help", Typed::Act(Act::Help)),
            (":q ", Typed::Leave),
            (":close", Typed::Act(Act::Close(Status::Done))),
            (":explain", Typed::Act(Act::Explain)),
            (":auth", Typed::Act(Act::Login(None))),
            (":auth  plain ", Typed::Act(Act::Login(Some("plain".to_owned())))),
            (":raw NOOP\\nQUIT\\x0d\\n", Typed::Raw(b"NOOP\nQUIT\r\n".to_vec())),
            (":raw \\q", Typed::Act(Act::Refused("\\q is no escape; \\r \\n \\t \\0 \\\\ and \\xff are".to_owned()))),
            (":send  a b ", Typed::Own(":send".to_owned(), "a b".to_owned())),
            ("  ", Typed::Act(Act::Nothing)),
            ("NOOP\rQUIT", Typed::Act(Act::Refused("a CR within a line is for :raw".to_owned()))),
            (" NOOP", Typed::Command),
        ] {
            assert_eq!(Typed::<()>::read(line.as_bytes()), means, "{line}");
        }
    }
}
