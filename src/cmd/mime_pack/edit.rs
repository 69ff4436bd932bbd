//! Header fields of a message set, added and removed; every other byte stays, so that what is signed stays signed.

use super::fields::written;
use super::message::{each_chunk, empty};
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::stdio::{Shown, StdoutError};
use crate::mail::header::fold;
use anyhow::Context;
use memchr::memchr;
use std::io::Write;

/// What of a line is seen before it is judged; a name is far shorter.
const PEEK: usize = 4096;

#[derive(clap::Args, Debug)]
#[group(id = "Edit", multiple = true, conflicts_with_all = super::options::COMPOSE)]
pub struct Edit {
    /// Put this header field in the place of those with its name, or add it
    #[arg(long, value_name = "NAME: VALUE", help_heading = "Changing the header")]
    pub set: Vec<String>,
    /// Add this header field at the end of the header
    #[arg(long, value_name = "NAME: VALUE", help_heading = "Changing the header")]
    pub add: Vec<String>,
    /// Take out all header fields of this name
    #[arg(long, value_name = "NAME", help_heading = "Changing the header")]
    pub remove: Vec<String>,
}

impl Edit {
    pub fn is_asked_for(&self) -> bool {
        !self.set.is_empty() || !self.add.is_empty() || !self.remove.is_empty()
    }
}

/// Copies the message on stdin to stdout with its header changed.
pub fn edit(edit: &Edit) -> Result<Status, Failure> {
    let mut editor = Editor::new(edit)?;
    let mut out = Shown::new();
    let mut buffer = Vec::new();
    let mut is_empty = true;
    each_chunk(|chunk| {
        is_empty = false;
        if editor.place == Place::Body {
            return Ok(out.write_all(chunk).map_err(StdoutError::from)?);
        }
        buffer.clear();
        editor.push(chunk, &mut buffer);
        Ok(out.write_all(&buffer).map_err(StdoutError::from)?)
    })?;
    if is_empty {
        return Err(empty());
    }
    buffer.clear();
    editor.finish(&mut buffer);
    out.write_all(&buffer).map_err(StdoutError::from)?;
    out.flush().map_err(StdoutError::from)?;
    Ok(Status::Done)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    FirstLine,
    Header,
    Body,
}

struct Editor {
    /// Names in lower case, with what takes their place, until it is written.
    set: Vec<(String, Option<String>)>,
    remove: Vec<String>,
    add: String,
    place: Place,
    /// The beginning of a line that cannot be judged yet.
    held: Vec<u8>,
    /// The rest of the line goes the way its beginning went.
    mid_line: bool,
    dropping: bool,
    crlf: bool,
    last: u8,
}

impl Editor {
    fn new(edit: &Edit) -> Result<Editor, Failure> {
        let mut set: Vec<(String, Option<String>)> = Vec::new();
        for field in &edit.set {
            let (name, text) = written("--set", field)?;
            match set.iter_mut().find(|(known, _)| *known == name) {
                Some((_, Some(known))) => known.push_str(&text),
                _ => set.push((name, Some(text))),
            }
        }
        let add = edit.add.iter().map(|field| written("--add", field).map(|(_, text)| text)).collect::<Result<_, _>>()?;
        for name in &edit.remove {
            fold::field_name(name).with_context(|| format!("--remove {name}")).or_status(Status::Usage)?;
        }
        let remove = edit.remove.iter().map(|name| name.to_ascii_lowercase()).collect();
        let (held, place) = (Vec::new(), Place::FirstLine);
        Ok(Editor { set, remove, add, place, held, mid_line: false, dropping: false, crlf: false, last: b'\n' })
    }

    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.place == Place::Body {
                return self.put(rest, out);
            }
            let end = memchr(b'\n', rest).map(|end| end + 1);
            let (piece, after) = rest.split_at(end.unwrap_or(rest.len()));
            rest = after;
            if self.mid_line {
                self.mid_line = end.is_none();
                self.keep(piece, out);
                continue;
            }
            self.held.extend_from_slice(piece);
            if end.is_some() || self.held.len() >= PEEK {
                self.mid_line = end.is_none();
                self.line(out);
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.held.is_empty() {
            self.line(out);
        }
        if self.place != Place::Body {
            if self.last != b'\n' {
                let line_end: &[u8] = if self.crlf { b"\r\n" } else { b"\n" };
                self.put(line_end, out);
            }
            self.rest(out);
        }
    }

    /// Judges the line whose beginning, or whole, is held.
    fn line(&mut self, out: &mut Vec<u8>) {
        let line = std::mem::take(&mut self.held);
        let is_first = std::mem::replace(&mut self.place, Place::Header) == Place::FirstLine;
        if is_first {
            self.crlf = line.ends_with(b"\r\n");
        }
        match line.as_slice() {
            b"\n" | b"\r\n" => {
                self.rest(out);
                self.place = Place::Body;
                self.dropping = false;
            }
            [b' ' | b'\t', ..] => {}
            _ if is_first && line.starts_with(b"From ") => self.dropping = false,
            _ => self.field(&line, out),
        }
        self.keep(&line, out);
    }

    fn field(&mut self, line: &[u8], out: &mut Vec<u8>) {
        let name = memchr(b':', line).map(|colon| line[..colon].trim_ascii_end().to_ascii_lowercase());
        let is = |known: &String| Some(known.as_bytes()) == name.as_deref();
        let at = self.set.iter().position(|(known, _)| is(known));
        self.dropping = at.is_some() || self.remove.iter().any(is);
        if let Some(text) = at.and_then(|at| self.set[at].1.take()) {
            self.text(&text, out);
        }
    }

    /// What is to be in the header and was not there.
    fn rest(&mut self, out: &mut Vec<u8>) {
        let missing: String = self.set.iter_mut().filter_map(|(_, text)| text.take()).collect();
        self.text(&missing, out);
        let add = std::mem::take(&mut self.add);
        self.text(&add, out);
    }

    fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        let text = if self.crlf { text.replace('\n', "\r\n") } else { text.to_owned() };
        self.put(text.as_bytes(), out);
    }

    fn keep(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if !self.dropping {
            self.put(bytes, out);
        }
    }

    fn put(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.last = bytes.last().copied().unwrap_or(self.last);
        out.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, Command};

    #[test]
    fn every_option_of_editing_is_kept_from_the_other_jobs() {
        let command = Edit::augment_args(Command::new("edit"));
        assert_eq!(command.get_arguments().map(|arg| arg.get_id().as_str()).collect::<Vec<_>>(), super::super::options::EDIT);
    }

    fn edited(message: &str, set: &[&str], add: &[&str], remove: &[&str]) -> String {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let edit = Edit { set: words(set), add: words(add), remove: words(remove) };
        let one = |at: usize| {
            let (mut editor, mut out) = (Editor::new(&edit).unwrap(), Vec::new());
            editor.push(&message.as_bytes()[..at], &mut out);
            editor.push(&message.as_bytes()[at..], &mut out);
            editor.finish(&mut out);
            String::from_utf8(out).unwrap()
        };
        let whole = one(0);
        (0..message.len()).for_each(|at| assert_eq!(one(at), whole, "split at {at}"));
        whole
    }

    #[test]
    fn only_the_named_fields_change() {
        let message = "From a@b Sun\nSubject : old\n text\nX-A: 1\njunk\nx-a: 2\n\tmore\nTo: b\n\nSubject: body\n";
        assert_eq!(
            edited(message, &["Subject: new", "X-New: ä"], &["X-A: 3"], &["x-a"]),
            "From a@b Sun\nSubject: new\njunk\nTo: b\nX-New: =?utf-8?b?w6Q=?=\nX-A: 3\n\nSubject: body\n"
        );
        let crlf = message.replace('\n', "\r\n");
        let both = edited(&crlf, &["X-A: 3", "X-A: 4"], &[], &[]);
        assert_eq!(both, crlf.replace("X-A: 1\r\n", "X-A: 3\r\nX-A: 4\r\n").replace("x-a: 2\r\n\tmore\r\n", ""));
        assert_eq!(edited(&crlf, &[], &[], &["x-absent"]), crlf);
    }

    #[test]
    fn a_header_without_a_body_is_completed() {
        assert_eq!(edited("A: b", &[], &["C: d"], &[]), "A: b\nC: d\n");
        assert_eq!(edited("\nbody", &[], &["C: d"], &[]), "C: d\n\nbody");
        let long = format!("X: {}\nB: c\n\n", "x".repeat(PEEK * 2));
        assert_eq!(edited(&long, &[], &[], &["x"]), "B: c\n\n");
    }
}
