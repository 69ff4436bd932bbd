//! How far a session goes: the stages that a test of a server may stop after. What each sends is the engine's.

use std::fmt;
use std::str::FromStr;

/// A session's stages, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The greeting was read.
    Connect,
    /// EHLO (or HELO, LHLO) was answered.
    Ehlo,
    /// TLS runs.
    Tls,
    /// Logged in.
    Auth,
    /// MAIL was answered.
    Mail,
    /// Every RCPT was answered.
    Rcpt,
    /// DATA was answered; the connection is dropped then, for nothing else ends the data without delivering it.
    Data,
    /// The final dot was answered.
    Dot,
}

const WORDS: [(Stage, &str); 8] = [
    (Stage::Connect, "connect"),
    (Stage::Ehlo, "ehlo"),
    (Stage::Tls, "tls"),
    (Stage::Auth, "auth"),
    (Stage::Mail, "mail"),
    (Stage::Rcpt, "rcpt"),
    (Stage::Data, "data"),
    (Stage::Dot, "dot"),
];

impl Stage {
    /// Every stage's name, in order.
    pub fn words() -> impl Iterator<Item = &'static str> {
        WORDS.iter().map(|(_, word)| *word)
    }

    /// Comes before any recipient is named.
    pub fn is_before_rcpt(self) -> bool {
        self < Stage::Rcpt
    }

    /// Comes before the message is needed.
    pub fn is_before_data(self) -> bool {
        self < Stage::Data
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = WORDS.iter().find(|(stage, _)| stage == self).map_or("", |(_, word)| word);
        f.write_str(word)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no stage of a session: {0}")]
pub struct NoStage(String);

impl FromStr for Stage {
    type Err = NoStage;

    fn from_str(text: &str) -> Result<Stage, NoStage> {
        let known = WORDS.iter().find(|(_, word)| word.eq_ignore_ascii_case(text));
        known.map(|(stage, _)| *stage).ok_or_else(|| NoStage(text.to_owned()))
    }
}
