//! Replies on the wire: read however they are split, written with their enhanced status. No policy.

use crate::bytes::line::{Line, LineBuffer};
use crate::mail::reply::{EnhancedStatus, Reply, ReplyCode};
use std::fmt::Write;

/// Longest reply line taken, in octets without CRLF. RFC 5321 section 4.5.3.1.5 allows 510; servers send more, and RFC 4954 section 4
/// has 12288 octets suffice for challenges.
const MAX_LINE: usize = 12288 - 2;
/// Most lines of one reply, and most octets of its texts together: an endless reply is an attack.
const MAX_LINES: usize = 256;
const MAX_TEXT: usize = 64 * 1024;

/// Why the bytes are no reply. The connection can't be used any more: replies and commands no longer match (RFC 2920 section 3.1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadReply {
    #[error("reply without a code: {0}")]
    NoCode(String),
    #[error("reply codes differ within one reply: {0} and {1}")]
    CodesDiffer(ReplyCode, ReplyCode),
    #[error("endless reply")]
    Endless,
    #[error("reply line with a bare CR or LF")]
    BareLineEnd,
}

/// Collects one reply at a time.
#[derive(Debug)]
pub struct ReplyReader {
    line: LineBuffer,
    code: Option<ReplyCode>,
    lines: Vec<String>,
    text: usize,
}

impl Default for ReplyReader {
    fn default() -> Self {
        ReplyReader { line: LineBuffer::new(MAX_LINE), code: None, lines: Vec::new(), text: 0 }
    }
}

impl ReplyReader {
    /// Takes bytes up to the end of the first line; gives how many, and the reply if that line was its last.
    pub fn take(&mut self, bytes: &[u8]) -> (usize, Option<Result<Reply, BadReply>>) {
        let (used, line) = self.line.take(bytes);
        let reply = match line {
            None => None,
            Some(Line::BareCr | Line::BareLf) => Some(Err(BadReply::BareLineEnd)),
            Some(Line::TooLong) => Some(Err(BadReply::Endless)),
            Some(Line::Whole(line)) => self.reply_line(&line).transpose(),
        };
        (used, reply)
    }

    /// Nothing of a reply is held.
    pub fn is_empty(&self) -> bool {
        self.line.is_empty() && self.code.is_none()
    }

    /// `Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF` (RFC 5321 section 4.2)
    fn reply_line(&mut self, line: &[u8]) -> Result<Option<Reply>, BadReply> {
        let text = String::from_utf8_lossy(line);
        let no_code = || BadReply::NoCode(text.chars().take(80).collect());
        let digits = text.get(..3).filter(|d| d.bytes().all(|b| b.is_ascii_digit())).ok_or_else(no_code)?;
        let code = digits.parse().ok().and_then(ReplyCode::new).ok_or_else(no_code)?;
        let (more, rest) = match text.as_bytes().get(3) {
            None => (false, ""),
            Some(b' ') => (false, &text[4..]),
            Some(b'-') => (true, &text[4..]),
            Some(_) => return Err(no_code()),
        };
        if let Some(first) = self.code.filter(|first| *first != code) {
            return Err(BadReply::CodesDiffer(first, code));
        }
        self.text += rest.len();
        if self.lines.len() == MAX_LINES || self.text > MAX_TEXT {
            return Err(BadReply::Endless);
        }
        self.code = Some(code);
        self.lines.push(rest.to_owned());
        Ok(if more { None } else { Some(self.finish(code)) })
    }

    fn finish(&mut self, code: ReplyCode) -> Reply {
        let mut lines = std::mem::take(&mut self.lines);
        (self.code, self.text) = (None, 0);
        let enhanced = lines.last().and_then(|line| EnhancedStatus::split(code, line)).map(|(status, _)| status);
        if enhanced.is_some() {
            for line in &mut lines {
                if let Some((_, rest)) = EnhancedStatus::split(code, line) {
                    *line = rest.to_owned();
                }
            }
        }
        Reply { code, enhanced, lines }
    }
}

/// Appends the reply in wire form. Its text is put on one line each, whatever it holds.
pub fn write(reply: &Reply, out: &mut Vec<u8>) {
    let mut text = String::new();
    let last = reply.lines.len().saturating_sub(1);
    for (at, line) in reply.lines.iter().enumerate() {
        let mark = if at == last { ' ' } else { '-' };
        let _ = write!(text, "{}{mark}", reply.code);
        if let Some(enhanced) = reply.enhanced {
            let _ = write!(text, "{enhanced} ");
        }
        text.extend(line.chars().map(|c| if c.is_control() { '?' } else { c }));
        text.truncate(text.trim_end_matches(' ').len());
        text.push_str("\r\n");
    }
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(wire: &str) -> Vec<Result<Reply, BadReply>> {
        let mut whole = Vec::new();
        for at in 0..=wire.len() {
            let mut reader = ReplyReader::default();
            let mut replies = Vec::new();
            for piece in [&wire.as_bytes()[..at], &wire.as_bytes()[at..]] {
                let mut rest = piece;
                while !rest.is_empty() {
                    let (used, reply) = reader.take(rest);
                    rest = &rest[used..];
                    replies.extend(reply);
                }
            }
            assert!(at == 0 || replies == whole, "split at {at}");
            whole = replies;
        }
        whole
    }

    #[test]
    fn replies_as_servers_send_them() {
        let reply = |wire: &str| read(wire).remove(0).unwrap();
        assert_eq!(reply("250\r\n"), Reply::new(250, None, ""));
        assert_eq!(reply("250 \r\n"), Reply::new(250, None, ""));
        assert_eq!(reply("250 2.1.0 Ok\r\n"), Reply::enhanced(250, 1, 0, "Ok"));
        assert_eq!(reply("250 5.1.0 Ok\r\n"), Reply::new(250, None, "5.1.0 Ok"), "RFC 2034 section 4: the classes must agree");
        assert_eq!(reply("250-mx.test\r\n250-SIZE 9\r\n250 HELP\r\n").lines, ["mx.test", "SIZE 9", "HELP"]);
        assert_eq!(reply("550-5.1.1 no\r\n550 5.1.1 user\r\n").text(), "no user");
    }

    #[test]
    fn what_is_no_reply_is_told() {
        for bad in [
            "hello\r\n",
            "25 x\r\n",
            "2500\r\n",
            "650 x\r\n",
            "199 x\r\n",
            "+50 x\r\n",
            "\r\n",
            "250-a\r\n251 b\r\n",
            "250 a\nx\r\n",
            "250 a\rb\r\n",
        ] {
            assert!(read(bad)[0].is_err(), "{bad:?}");
        }
        let mut reader = ReplyReader::default();
        assert!((0..=MAX_LINES).find_map(|_| reader.take(b"250-more\r\n").1).unwrap().is_err());
    }

    #[test]
    fn what_is_written_stays_on_its_lines() {
        let mut out = Vec::new();
        write(&Reply::enhanced(550, 7, 1, "no\r\n250 yes"), &mut out);
        write(&Reply::new(250, None, ""), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "550 5.7.1 no??250 yes\r\n250\r\n");
    }
}
