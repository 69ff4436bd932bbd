//! What a session led by hand has to know of its protocol: what typed lines mean there, and what replies do. And the helpers that mean the
//! same in every protocol.

use super::exit::Status;
use super::raw::unescape;
use crate::net::tls::layer::Facts;
use crate::protocol::hand::Dialect;
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

    /// The input is over.
    fn end(&mut self) -> Vec<Act<CommandOf<Self>>> {
        vec![self.leave()]
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

/// A line that begins with a colon.
#[derive(Debug, PartialEq, Eq)]
pub enum Helper<'a> {
    Help,
    Quit,
    Close,
    Explain,
    Auth(Option<String>),
    Raw(Vec<u8>),
    /// What only one protocol knows: the word, and what follows it.
    Own(&'a str, &'a str),
    Refused(String),
}

impl Helper<'_> {
    pub fn read(line: &str) -> Helper<'_> {
        let (word, rest) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
        match (word, rest.trim()) {
            (":help" | ":h" | ":?", _) => Helper::Help,
            (":quit" | ":q", _) => Helper::Quit,
            (":close", _) => Helper::Close,
            (":explain", _) => Helper::Explain,
            (":auth", name) => Helper::Auth(Some(name.to_owned()).filter(|name| !name.is_empty())),
            (":raw", _) => unescape(rest).map_or_else(|bad| Helper::Refused(bad.to_string()), Helper::Raw),
            (_, rest) => Helper::Own(word, rest),
        }
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
    fn helpers_mean_the_same_everywhere() {
        for (line, means) in [
            (":help", Helper::Help),
            (":q ", Helper::Quit),
            (":close", Helper::Close),
            (":explain", Helper::Explain),
            (":auth", Helper::Auth(None)),
            (":auth  plain ", Helper::Auth(Some("plain".to_owned()))),
            (":raw NOOP\\nQUIT\\x0d\\n", Helper::Raw(b"NOOP\nQUIT\r\n".to_vec())),
            (":raw \\q", Helper::Refused("\\q is no escape; \\r \\n \\t \\0 \\\\ and \\xff are".to_owned())),
            (":send  a b ", Helper::Own(":send", "a b")),
        ] {
            assert_eq!(Helper::read(line), means, "{line}");
        }
    }
}
