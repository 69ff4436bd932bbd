//! A message to be read by people: the fields that matter, the text of its parts, and a line for each part that is none.

use super::output::{Facts, Out};
use crate::bytes::charset::ToUtf8;
use crate::bytes::newline::ToLf;
use crate::bytes::transfer::Decoder;
use crate::cli::exit::Failure;
use crate::mail::header;
use crate::mail::mime::head::{Flag, Head};
use crate::mail::mime::scan::{Kind, Part, Run, Visitor};

const FIELDS: [&str; 7] = ["From", "To", "Cc", "Date", "Subject", "Reply-To", "Message-ID"];

/// Content as text: decoded, in UTF-8, with LF. What is no character becomes U+FFFD.
pub struct Text {
    decoder: Decoder,
    to_utf8: ToUtf8,
    /// Behind the character set: UTF-16 has no lines before it.
    newline: ToLf,
}

/// Of a part with this header.
pub fn decoded(head: &Head) -> Text {
    let to_utf8 = ToUtf8::new(head.charset.as_deref()).unwrap_or_default();
    Text { decoder: Decoder::new(head.encoding), to_utf8, newline: ToLf::default() }
}

impl Text {
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let (mut clear, mut text, mut lines) = (Vec::new(), Vec::new(), Vec::new());
        self.decoder.push(bytes, &mut clear);
        self.to_utf8.push(&clear, &mut text);
        self.newline.push(&text, &mut lines);
        lines
    }

    pub fn finish(&mut self) -> Vec<u8> {
        let (mut clear, mut text, mut lines) = (Vec::new(), Vec::new(), Vec::new());
        self.decoder.finish(&mut clear);
        self.to_utf8.push(&clear, &mut text);
        self.to_utf8.finish(&mut text);
        self.newline.push(&text, &mut lines);
        self.newline.finish(&mut lines);
        lines
    }
}

/// What is said of a part before its text.
pub fn facts(mailbox: Option<&str>, uid: u32, part: &str, head: &Head) -> Facts {
    let facts = Facts::default()
        .only_json("mailbox", mailbox)
        .only_json("uid", uid)
        .only_json("part", part)
        .only_json("type", head.media.clone());
    facts.only_json("charset", head.charset.clone()).only_json("name", head.name.clone())
}

/// The section of a message within another; empty for the whole one.
type Within = String;

/// Shows a message part by part.
pub struct Shown<'a> {
    out: &'a mut Out,
    mailbox: Option<&'a str>,
    uid: u32,
    /// The next header is that of a message: of the whole one, or of the one within this part.
    next: Option<Within>,
    /// The text that is open, and how deep.
    text: Option<(usize, Text)>,
    depth: usize,
}

impl<'a> Shown<'a> {
    pub fn new(out: &'a mut Out, mailbox: Option<&'a str>, uid: u32) -> Shown<'a> {
        Shown { out, mailbox, uid, next: Some(Within::new()), text: None, depth: 0 }
    }

    /// The fields of a header, decoded.
    fn fields(&mut self, header: &[u8], within: &str) -> Result<(), Failure> {
        let mut row = Facts::default().only_json("mailbox", self.mailbox).only_json("uid", self.uid);
        row = row.only_json("part", (!within.is_empty()).then_some(within));
        let mut lines = Vec::new();
        for name in FIELDS {
            let Some(field) = header::field(header, name) else { continue };
            let text = field.text();
            row = row.only_json(&name.to_ascii_lowercase().replace('-', "_"), text.clone());
            lines.push(format!("{name}: {}", text.replace(['\r', '\n', '\0'], " ")));
        }
        if self.out.json {
            return Ok(self.out.row(&row)?);
        }
        self.out.begin(&Facts::default())?;
        self.out.content((lines.join("\n") + "\n\n").as_bytes())?;
        Ok(self.out.end(true)?)
    }
}

impl Visitor for Shown<'_> {
    type Error = Failure;

    fn begin(&mut self, part: &Part<'_>) -> Result<(), Failure> {
        self.depth += 1;
        if let Some(within) = self.next.take() {
            self.fields(part.header, &within)?;
        }
        if part.kind == Kind::Message {
            self.next = Some(part.section.to_owned());
        }
        if part.kind != Kind::Leaf {
            return Ok(());
        }
        let is_shown = part.head.media == "text/plain" && part.head.disposition.as_deref() != Some("attachment");
        if is_shown {
            self.out.begin_text(&facts(self.mailbox, self.uid, part.section, part.head))?;
            self.text = Some((self.depth, decoded(part.head)));
        } else if self.out.json {
            self.out.row(&facts(self.mailbox, self.uid, part.section, part.head))?;
        } else {
            let name = part.head.name.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
            let line = format!("[{}: {}{name}]\n", part.section, part.head.media).replace(['\r', '\0'], " ");
            self.out.begin(&Facts::default())?;
            self.out.content(line.as_bytes())?;
            self.out.end(true)?;
        }
        Ok(())
    }

    fn bytes(&mut self, run: Run, bytes: &[u8]) -> Result<(), Failure> {
        if let (Some((_, text)), Run::Content) = (&mut self.text, run) {
            let shown = text.push(bytes);
            self.out.content(&shown)?;
        }
        Ok(())
    }

    fn end(&mut self, _: &[Flag]) -> Result<(), Failure> {
        if let Some((depth, text)) = &mut self.text
            && *depth == self.depth
        {
            let shown = text.finish();
            self.out.content(&shown)?;
            self.out.end(true)?;
            self.text = None;
        }
        self.depth -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_utf_8_however_it_is_cut() {
        for (header, content, wanted) in [
            ("Content-Type: text/plain; charset=utf-8", "a\u{e4}\u{65e5}\r\n".as_bytes(), "a\u{e4}\u{65e5}\n"),
            ("Content-Type: text/plain; charset=iso-8859-1", b"\xe4\xc3\xa4\r\n", "\u{e4}\u{c3}\u{a4}\n"),
            ("Content-Type: text/plain; charset=shift_jis", b"\x93\xfa\x96\x7b\r\n", "\u{65e5}\u{672c}\n"),
            ("Content-Type: text/plain; charset=iso-2022-jp", b"\x1b$B%F%9%H\x1b(B\r\n", "\u{30c6}\u{30b9}\u{30c8}\n"),
            ("Content-Type: text/plain; charset=utf-16", b"\xfe\xff\x65\xe5\0\r\0\na\x0d", "\u{65e5}\n\u{610d}"),
            ("Content-Type: text/plain; charset=x-unheard-of", b"a\xc3\xa4", "a\u{e4}"),
            ("Content-Transfer-Encoding: quoted-printable", b"a=C3=\r\n=A4", "a\u{e4}"),
            ("Content-Transfer-Encoding: base64\r\nContent-Type: text/plain; charset=utf-8", b"w6Q=\r\n", "\u{e4}"),
        ] {
            for cut in 0..=content.len() {
                let mut text = decoded(&Head::read(format!("{header}\r\n\r\n").as_bytes(), "text/plain"));
                let shown = [text.push(&content[..cut]), text.push(&content[cut..]), text.finish()].concat();
                assert_eq!(String::from_utf8_lossy(&shown), wanted, "{header} cut at {cut}");
            }
        }
    }
}
