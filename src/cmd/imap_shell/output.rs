//! What goes to stdout: rows, and messages between them. What others wrote cannot drive a terminal, and is untouched in a pipe.

use crate::bytes::escape::visible;
use crate::bytes::newline::ToLf;
use crate::cli::pager::{Pager, Program};
use crate::cli::report::{json_line, text_line};
use crate::cli::stdio::StdoutError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use std::io::{self, IsTerminal, Write};

/// Longest piece of a line that is held back for a terminal.
const MAX_LINE: usize = 8192;

/// One row: what `--json` says by name, and what people see in columns.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Facts {
    fields: Vec<(String, Value)>,
    columns: Vec<Option<String>>,
}

impl Facts {
    /// In JSON alone; absent facts are left out.
    pub fn only_json(mut self, name: &str, value: impl Into<Value>) -> Facts {
        let value = value.into();
        if !value.is_null() {
            self.fields.push((name.to_owned(), value));
        }
        self
    }

    /// In both.
    pub fn fact(self, name: &str, value: impl Into<Value>) -> Facts {
        let value = value.into();
        let shown = match &value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        self.only_json(name, value).column(shown)
    }

    /// What JSON says.
    pub fn fields(&self) -> &[(String, Value)] {
        &self.fields
    }

    /// For people alone.
    pub fn column(mut self, shown: Option<String>) -> Facts {
        self.columns.push(shown);
        self
    }
}

impl Serialize for Facts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len()))?;
        for (name, value) in &self.fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Bytes of others, line by line, for a terminal.
#[derive(Debug, Default)]
struct Screened(Vec<u8>);

impl Screened {
    fn push(&mut self, bytes: &[u8], out: &mut dyn Write) -> io::Result<()> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.0.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.0.len() > MAX_LINE {
                self.line(out)?;
            }
        }
        Ok(())
    }

    fn line(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let line = std::mem::take(&mut self.0);
        let (text, end) = line.strip_suffix(b"\n").map_or((line.as_slice(), ""), |text| (text, "\n"));
        // Tabs are harmless there.
        let shown: Vec<String> = text.split(|byte| *byte == b'\t').map(visible).collect();
        write!(out, "{}{end}", shown.join("\t"))
    }
}

/// Gives `bytes` in pieces of whole characters, and what is none: a line may be as long as a response is.
fn pieces(bytes: &[u8], mut each: impl FnMut(&str, &[u8]) -> io::Result<()>) -> io::Result<()> {
    for chunk in bytes.utf8_chunks() {
        let mut text = chunk.valid();
        while text.len() > MAX_LINE {
            let at = (0..=MAX_LINE).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
            let (piece, rest) = text.split_at(at);
            each(piece, b"")?;
            text = rest;
        }
        each(text, chunk.invalid())?;
    }
    Ok(())
}

/// Content on its way to stdout.
#[derive(Debug)]
enum Content {
    Text {
        newline: Option<ToLf>,
        ends_line: bool,
    },
    /// A string within an object.
    Json,
    /// Within an object; octets that make no whole group of base64 yet.
    Base64(Vec<u8>),
}

/// Stdout.
pub struct Out {
    out: Pager,
    pub json: bool,
    terminal: bool,
    crlf: bool,
    screened: Screened,
    content: Option<Content>,
}

impl Out {
    pub fn new(json: bool, crlf: bool) -> Out {
        let terminal = io::stdout().is_terminal();
        let out = if json { Pager::none() } else { Pager::from_environment() };
        Out { out, json, terminal, crlf, screened: Screened::default(), content: None }
    }

    pub fn row(&mut self, row: &Facts) -> Result<(), StdoutError> {
        let line = if self.json { json_line(row) } else { text_line(&row.columns) };
        Ok(writeln!(self.out, "{line}")?)
    }

    /// A line of others as it came; `--json` has it as `raw`.
    pub fn raw(&mut self, line: &[u8]) -> Result<(), StdoutError> {
        if self.json {
            write!(self.out, "{{\"raw\":\"")?;
            pieces(line, |text, other| {
                let text = json_line(&format!("{text}{}", String::from_utf8_lossy(other)));
                let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
                self.out.write_all(inner.unwrap_or_default().as_bytes())
            })?;
            return Ok(writeln!(self.out, "\"}}")?);
        }
        if self.terminal {
            pieces(line, |text, other| write!(self.out, "{}{}", visible(text.as_bytes()), visible(other)))?;
        } else {
            self.out.write_all(line)?;
        }
        Ok(self.out.write_all(b"\n")?)
    }

    /// A line of ours.
    pub fn line(&mut self, line: &str) -> Result<(), StdoutError> {
        Ok(writeln!(self.out, "{line}")?)
    }

    /// Content of any length begins: `facts` are told before it in JSON.
    pub fn begin(&mut self, facts: &Facts) -> Result<(), StdoutError> {
        if !self.json {
            self.content = Some(Content::Text { newline: (!self.crlf).then(ToLf::default), ends_line: true });
            return Ok(());
        }
        let object = json_line(facts);
        let open = object.strip_suffix('}').unwrap_or(&object);
        self.content = Some(Content::Base64(Vec::new()));
        Ok(write!(self.out, "{open},\"base64\":\"")?)
    }

    /// The same of text, which comes in whole characters.
    pub fn begin_text(&mut self, facts: &Facts) -> Result<(), StdoutError> {
        if !self.json {
            return self.begin(facts);
        }
        let object = json_line(facts);
        self.content = Some(Content::Json);
        Ok(write!(self.out, "{},\"text\":\"", object.strip_suffix('}').unwrap_or(&object))?)
    }

    pub fn content(&mut self, bytes: &[u8]) -> Result<(), StdoutError> {
        match &mut self.content {
            None => {}
            Some(Content::Json) => {
                let text = json_line(&String::from_utf8_lossy(bytes));
                let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
                self.out.write_all(inner.unwrap_or_default().as_bytes())?;
            }
            Some(Content::Base64(held)) => {
                held.extend_from_slice(bytes);
                let whole = held.len() / 3 * 3;
                let text = STANDARD.encode(&held[..whole]);
                held.drain(..whole);
                self.out.write_all(text.as_bytes())?;
            }
            Some(Content::Text { newline, ends_line }) => {
                let mut text = Vec::new();
                match newline {
                    Some(newline) => newline.push(bytes, &mut text),
                    None => text.extend_from_slice(bytes),
                }
                *ends_line = text.last().map_or(*ends_line, |last| *last == b'\n');
                if self.terminal {
                    self.screened.push(&text, &mut self.out)?;
                } else {
                    self.out.write_all(&text)?;
                }
            }
        }
        Ok(())
    }

    /// `more`: rows or messages follow, so that the next begins a line.
    pub fn end(&mut self, more: bool) -> Result<(), StdoutError> {
        match self.content.take() {
            None => {}
            Some(Content::Json) => self.out.write_all(b"\"}\n")?,
            Some(Content::Base64(held)) => writeln!(self.out, "{}\"}}", STANDARD.encode(held))?,
            Some(Content::Text { newline, ends_line }) => {
                let mut text = Vec::new();
                if let Some(mut newline) = newline {
                    newline.finish(&mut text);
                }
                let ends_line = ends_line && text.is_empty();
                if self.terminal {
                    self.screened.push(&text, &mut self.out)?;
                    self.screened.line(&mut self.out)?;
                } else {
                    self.out.write_all(&text)?;
                }
                if !ends_line && (more || self.terminal) {
                    self.out.write_all(b"\n")?;
                }
            }
        }
        Ok(())
    }

    /// No more of the content comes, whose end was not seen: nothing, where none is open.
    pub fn cut(&mut self) -> Result<(), StdoutError> {
        let held = match self.content.take() {
            None => return Ok(()),
            text @ Some(Content::Text { .. }) => {
                self.content = text;
                return self.end(true);
            }
            Some(Content::Json) => String::new(),
            Some(Content::Base64(held)) => STANDARD.encode(held),
        };
        writeln!(self.out, "{held}\",\"truncated\":true}}")?;
        self.flush()
    }

    /// What shows long output on a terminal.
    pub fn pager(&self) -> Program {
        self.out.program()
    }

    /// A command's output begins: it may be long.
    pub fn begin_page(&mut self) {
        self.out.begin();
    }

    /// It is whole.
    pub fn end_page(&mut self) -> Result<(), StdoutError> {
        Ok(self.out.end()?)
    }

    pub fn flush(&mut self) -> Result<(), StdoutError> {
        Ok(self.out.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_keep_their_order_and_leave_out_what_is_absent() {
        let row = Facts::default().fact("uid", 5).fact("size", Value::Null).only_json("seq", 1).fact("mailbox", "a\tb");
        assert_eq!(json_line(&row), r#"{"uid":5,"seq":1,"mailbox":"a\tb"}"#);
        assert_eq!(text_line(&row.columns), "5\t-\ta\\tb");
    }

    #[test]
    fn a_terminal_is_not_driven_however_the_bytes_are_cut() {
        let text = "a\tb \u{1b}[2J\r\n\u{e4}\u{202e}\n\u{9b}x".as_bytes();
        for cut in 0..text.len() {
            let (mut screened, mut out) = (Screened::default(), Vec::new());
            screened.push(&text[..cut], &mut out).unwrap();
            screened.push(&text[cut..], &mut out).unwrap();
            screened.line(&mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), "a\tb \\x1b[2J\\r\nä\\u{202e}\n\\u{9b}x");
        }
    }
}
