//! A message to be read by people: the fields that matter, the text of its parts, and a line for each part that is none.

use super::output::{Facts, Out};
use crate::bytes::charset;
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
    newline: ToLf,
    charset: Option<String>,
    /// The beginning of a character whose end is still to come.
    held: Vec<u8>,
}

/// Of a part with this header.
pub fn decoded(head: &Head) -> Text {
    Text { decoder: Decoder::new(head.encoding), newline: ToLf::default(), charset: head.charset.clone(), held: Vec::new() }
}

impl Text {
    pub fn push(&mut self, bytes: &[u8]) -> String {
        let mut clear = Vec::new();
        self.decoder.push(bytes, &mut clear);
        self.text(&clear, false)
    }

    pub fn finish(&mut self) -> String {
        let mut clear = Vec::new();
        self.decoder.finish(&mut clear);
        self.text(&clear, true)
    }

    fn text(&mut self, clear: &[u8], last: bool) -> String {
        let mut bytes = std::mem::take(&mut self.held);
        self.newline.push(clear, &mut bytes);
        if last {
            self.newline.finish(&mut bytes);
        } else {
            let whole = match std::str::from_utf8(&bytes) {
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                _ => bytes.len(),
            };
            self.held = bytes.split_off(whole);
        }
        let named = self.charset.as_deref().and_then(|label| charset::decode(label, &bytes));
        named.unwrap_or_else(|| charset::guess(&bytes)).into_owned()
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

/// Shows a message part by part.
pub struct Shown<'a> {
    out: &'a mut Out,
    mailbox: Option<&'a str>,
    uid: u32,
    begun: bool,
    /// The text that is open, and how deep.
    text: Option<(usize, Text)>,
    depth: usize,
}

impl<'a> Shown<'a> {
    pub fn new(out: &'a mut Out, mailbox: Option<&'a str>, uid: u32) -> Shown<'a> {
        Shown { out, mailbox, uid, begun: false, text: None, depth: 0 }
    }

    /// The fields of a header, decoded.
    fn fields(&mut self, header: &[u8]) -> Result<(), Failure> {
        let mut row = Facts::default().only_json("mailbox", self.mailbox).only_json("uid", self.uid);
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
        if !std::mem::replace(&mut self.begun, true) || part.kind == Kind::Message {
            self.fields(part.header)?;
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
            self.out.content(shown.as_bytes())?;
        }
        Ok(())
    }

    fn end(&mut self, _: &[Flag]) -> Result<(), Failure> {
        if let Some((depth, text)) = &mut self.text
            && *depth == self.depth
        {
            let shown = text.finish();
            self.out.content(shown.as_bytes())?;
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
            ("Content-Transfer-Encoding: quoted-printable", b"a=C3=\r\n=A4", "a\u{e4}"),
            ("Content-Transfer-Encoding: base64\r\nContent-Type: text/plain; charset=utf-8", b"w6Q=\r\n", "\u{e4}"),
        ] {
            for cut in 0..=content.len() {
                let mut text = decoded(&Head::read(format!("{header}\r\n\r\n").as_bytes(), "text/plain"));
                let shown = text.push(&content[..cut]) + &text.push(&content[cut..]) + &text.finish();
                assert_eq!(shown, wanted, "{header} cut at {cut}");
            }
        }
    }
}
