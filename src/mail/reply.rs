//! SMTP replies as values: code, enhanced status, text. How they are read off the wire is `protocol::smtp::reply`'s.

use std::fmt;

/// A three-digit reply code whose first digit is 2 to 5 (RFC 5321 section 4.2). Unknown codes count by their first digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyCode(u16);

/// What the first digit of a reply says (RFC 5321 section 4.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// 2yz: done.
    Completion,
    /// 3yz: go on.
    Intermediate,
    /// 4yz: not now.
    Transient,
    /// 5yz: not ever.
    Permanent,
}

impl ReplyCode {
    pub const fn new(code: u16) -> Option<ReplyCode> {
        if code >= 200 && code <= 599 { Some(ReplyCode(code)) } else { None }
    }

    pub const fn value(self) -> u16 {
        self.0
    }

    pub const fn class(self) -> Class {
        match self.0 / 100 {
            2 => Class::Completion,
            3 => Class::Intermediate,
            4 => Class::Transient,
            _ => Class::Permanent,
        }
    }
}

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}", self.0)
    }
}

/// `class.subject.detail` of RFC 3463, as `5.1.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnhancedStatus {
    pub class: u8,
    pub subject: u16,
    pub detail: u16,
}

impl EnhancedStatus {
    pub const fn new(class: u8, subject: u16, detail: u16) -> EnhancedStatus {
        EnhancedStatus { class, subject, detail }
    }

    /// `status-code = class "." subject "." detail` with `class = "2" / "4" / "5"` (RFC 3463 section 2), when it agrees with the
    /// class of `code` (RFC 2034 section 4); gives it and the rest of the text after one space.
    pub fn split(code: ReplyCode, text: &str) -> Option<(EnhancedStatus, &str)> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let status: EnhancedStatus = word.parse().ok()?;
        (u16::from(status.class) == code.value() / 100).then_some((status, rest))
    }
}

/// The text is no `class.subject.detail` with class 2, 4 or 5 and at most three digits a part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no enhanced status code: {0}")]
pub struct BadEnhancedStatus(String);

impl std::str::FromStr for EnhancedStatus {
    type Err = BadEnhancedStatus;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadEnhancedStatus(text.to_owned());
        let number = |part: Option<&str>| -> Option<u16> {
            let part = part?;
            (1..=3).contains(&part.len()).then_some(())?;
            part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())?
        };
        let mut parts = text.split('.');
        let class = match parts.next() {
            Some("2") => 2,
            Some("4") => 4,
            Some("5") => 5,
            _ => return Err(bad()),
        };
        let subject = number(parts.next()).ok_or_else(bad)?;
        let detail = number(parts.next()).ok_or_else(bad)?;
        if parts.next().is_some() {
            return Err(bad());
        }
        Ok(EnhancedStatus { class, subject, detail })
    }
}

impl fmt::Display for EnhancedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// One whole reply. `lines` are the texts without code and enhanced status; a reply of `250` alone has one empty line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub code: ReplyCode,
    pub enhanced: Option<EnhancedStatus>,
    pub lines: Vec<String>,
}

impl Reply {
    /// A one-line reply of our own. A `code` outside 200–599 becomes 451, so that a slip never reads as success.
    pub fn new(code: u16, enhanced: Option<EnhancedStatus>, text: impl Into<String>) -> Reply {
        let code = ReplyCode::new(code).unwrap_or(ReplyCode(451));
        Reply { code, enhanced, lines: vec![text.into()] }
    }

    /// A one-line reply with its enhanced status given as `subject` and `detail`; the class is the code's.
    pub fn enhanced(code: u16, subject: u16, detail: u16, text: impl Into<String>) -> Reply {
        let mut reply = Reply::new(code, None, text);
        reply.enhanced = Some(EnhancedStatus::new((reply.code.value() / 100) as u8, subject, detail));
        reply
    }

    pub fn class(&self) -> Class {
        self.code.class()
    }

    pub fn is_success(&self) -> bool {
        self.class() == Class::Completion
    }

    /// The text on one line.
    pub fn text(&self) -> String {
        self.lines.join(" ").trim().to_owned()
    }
}

/// `250 2.1.0 Ok`: the reply on one line, without line end.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, " {enhanced}")?;
        }
        let text = self.text();
        if text.is_empty() { Ok(()) } else { write!(f, " {text}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enhanced_status_must_agree_with_its_reply() {
        let code = ReplyCode::new(550).unwrap();
        assert_eq!(EnhancedStatus::split(code, "5.1.1 no such user"), Some((EnhancedStatus::new(5, 1, 1), "no such user")));
        assert_eq!(EnhancedStatus::split(code, "2.1.1 liar"), None);
        for bad in ["", "5", "5.1", "5.1.1.1", "3.1.1", "5..1", "5.1.1000", "5.+1.1", "5.1.1x"] {
            assert!(bad.parse::<EnhancedStatus>().is_err(), "{bad}");
        }
    }

    #[test]
    fn unknown_codes_count_by_their_first_digit() {
        assert_eq!(ReplyCode::new(299).unwrap().class(), Class::Completion);
        assert_eq!(ReplyCode::new(600), None);
        assert_eq!(ReplyCode::new(199), None);
        assert_eq!(Reply::enhanced(452, 3, 1, "disk full").to_string(), "452 4.3.1 disk full");
    }
}
