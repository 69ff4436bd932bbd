//! Whether the headers of a message's parts go beyond ASCII.

use super::scan::{Kind, Part, Run, Scanner, Visitor};
use super::survey::{Plan, Utf8};
use crate::mail::mime::head::Flag;
use std::convert::Infallible;

/// Takes a message in wire form. The header of the message itself does not count.
#[derive(Debug)]
pub struct PartHeaders {
    scanner: Scanner,
    look: Look,
}

#[derive(Debug, Default)]
struct Look {
    /// Of the parts that are open.
    kinds: Vec<Kind>,
    /// The header of the part that has not begun.
    header: Utf8,
    eight_bit: bool,
    found: bool,
}

impl Default for PartHeaders {
    fn default() -> PartHeaders {
        PartHeaders { scanner: Plan::scanner(), look: Look::default() }
    }
}

impl PartHeaders {
    pub fn push(&mut self, bytes: &[u8]) {
        let Ok(()) = self.scanner.push(bytes, &mut self.look);
    }

    /// Was there UTF-8 in the header of a part? Such a message needs SMTPUTF8 (RFC 6532 section 3). What stands within an enclosed message
    /// is that message's, and content here; other octets over 127 are no UTF-8, and no server is asked for more because of them.
    pub fn finish(mut self) -> bool {
        let Ok(()) = self.scanner.finish(&mut self.look);
        self.look.found
    }
}

impl Visitor for Look {
    type Error = Infallible;

    fn begin(&mut self, part: &Part<'_>) -> Result<(), Infallible> {
        let header = std::mem::take(&mut self.header);
        let eight_bit = std::mem::take(&mut self.eight_bit);
        let is_part = !self.kinds.is_empty() && self.kinds.iter().all(|kind| *kind == Kind::Multipart);
        self.found |= is_part && eight_bit && header.is_valid();
        self.kinds.push(part.kind);
        Ok(())
    }

    fn bytes(&mut self, run: Run, bytes: &[u8]) -> Result<(), Infallible> {
        if run == Run::Header {
            self.eight_bit |= !bytes.is_ascii();
            self.header.push(bytes);
        }
        Ok(())
    }

    fn end(&mut self, _: &[Flag]) -> Result<(), Infallible> {
        self.kinds.pop();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parts: &[u8]) -> bool {
        let head = b"Subject: caf\xc3\xa9\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npr\xc3\xa9\r\n--b\r\n";
        let message = [&head[..], parts, b"\r\n--b--\r\n"].concat();
        let whole = |pieces: &[&[u8]]| {
            let mut headers = PartHeaders::default();
            pieces.iter().for_each(|piece| headers.push(piece));
            headers.finish()
        };
        let found = whole(&[&message]);
        for at in 0..message.len() {
            assert_eq!(whole(&[&message[..at], &message[at..]]), found, "cut at {at}");
        }
        found
    }

    #[test]
    fn only_utf_8_in_the_headers_of_parts_counts() {
        assert!(of(b"Content-Disposition: attachment; filename=\"caf\xc3\xa9.txt\"\r\n\r\nhi"));
        assert!(!of(b"Content-Type: text/plain; charset=utf-8\r\n\r\ncaf\xc3\xa9"), "content is 8BITMIME's");
        assert!(!of(b"Content-Disposition: attachment; filename=\"caf\xe9.txt\"\r\n\r\nhi"), "Latin-1 is no UTF-8");
        assert!(of(b"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\nContent-ID: <\xc3\xa9>\r\n\r\nhi\r\n--c--"));
        assert!(!of(b"Content-Type: message/global\r\n\r\nSubject: caf\xc3\xa9\r\n\r\nhi"), "an enclosed message is content");
    }
}
