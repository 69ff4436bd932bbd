//! Results on stdout: rows with tabs between, `-` for what is absent, or one JSON object a line. The same facts in both.

use super::stdio::{Stdout, StdoutError};
use crate::bytes::escape::{self, visible};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write;

/// One result: a recipient, a message, a host. Its JSON keys are the contract's; absent facts are left out there.
pub trait Row: Serialize {
    /// The columns for people, in order.
    fn columns(&self) -> Vec<Option<String>>;
}

/// Writes results as they come. A closed pipe is quiet and final: the tool goes on, for its status still has to tell what became
/// of the mail.
pub struct Rows<W = Stdout> {
    out: W,
    json: bool,
    closed: bool,
}

impl Rows {
    pub fn new(json: bool) -> Rows {
        Rows::to(Stdout::new(), json)
    }
}

impl<W: Write> Rows<W> {
    pub fn to(out: W, json: bool) -> Rows<W> {
        Rows { out, json, closed: false }
    }

    /// Writes one row, at once.
    pub fn put(&mut self, row: &impl Row) -> Result<(), StdoutError> {
        self.add(row)?;
        self.flush()
    }

    /// Writes one row of many that come fast: with the next [`Rows::flush`] at the latest.
    pub fn add(&mut self, row: &impl Row) -> Result<(), StdoutError> {
        if self.closed {
            return Ok(());
        }
        let mut line = if self.json { json_line(row) } else { text_line(&row.columns()) };
        line.push('\n');
        let written = self.out.write_all(line.as_bytes());
        self.passed(written)
    }

    pub fn flush(&mut self) -> Result<(), StdoutError> {
        if self.closed {
            return Ok(());
        }
        let flushed = self.out.flush();
        self.passed(flushed)
    }

    fn passed(&mut self, done: std::io::Result<()>) -> Result<(), StdoutError> {
        match done.map_err(StdoutError::from) {
            Err(error) if error.is_closed_pipe() => {
                self.closed = true;
                Ok(())
            }
            other => other,
        }
    }

    /// Writes no more rows, as where nobody reads them.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Nobody reads any more: what only serves the rows may stop.
    pub fn is_closed(&self) -> bool {
        self.closed
    }
}

/// Columns with tabs between, made harmless.
pub fn text_line(columns: &[Option<String>]) -> String {
    let mut line = String::with_capacity(128);
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            line.push('\t');
        }
        match column.as_deref() {
            None | Some("") => line.push('-'),
            // Not absent, but called so.
            Some("-") => line.push_str("\\x2d"),
            Some(text) => escape::push(&mut line, text.as_bytes()),
        }
    }
    line
}

/// `value` as JSON on one line. What could drive a terminal or hide text there is escaped, which JSON leaves open.
pub fn json_line(value: &impl Serialize) -> String {
    let plain = serde_json::to_string(value).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"));
    if plain.bytes().all(|b| matches!(b, b' '..=b'~')) {
        return plain;
    }
    let mut line = String::with_capacity(plain.len());
    let mut buffer = [0; 4];
    for c in plain.chars() {
        let text: &str = c.encode_utf8(&mut buffer);
        if c.is_ascii_graphic() || c == ' ' || visible(text.as_bytes()) == text {
            line.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                let _ = write!(line, "\\u{unit:04x}");
            }
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Serialize)]
    struct Result {
        recipient: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<u16>,
        text: String,
    }

    impl Row for Result {
        fn columns(&self) -> Vec<Option<String>> {
            vec![Some(self.recipient.clone()), self.code.map(|c| c.to_string()), Some(self.text.clone())]
        }
    }

    fn written(json: bool, text: &str) -> String {
        let mut out = Vec::new();
        let row = Result { recipient: "bob@b.test".to_owned(), code: None, text: text.to_owned() };
        Rows::to(&mut out, json).put(&row).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_server_s_text_cannot_make_a_column_or_a_row() {
        assert_eq!(written(false, "no\tsuch\nuser \x1b[2J"), "bob@b.test\t-\tno\\tsuch\\nuser \\x1b[2J\n");
        assert_eq!(written(false, ""), "bob@b.test\t-\t-\n");
        assert_eq!(written(false, "-"), "bob@b.test\t-\t\\x2d\n");
        let json = written(true, "a\tb\n\u{9b}\u{202e}\u{e0001}\u{7f}ü");
        assert_eq!(json, "{\"recipient\":\"bob@b.test\",\"text\":\"a\\tb\\n\\u009b\\u202e\\udb40\\udc01\\u007fü\"}\n");
        let back: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(back["text"], "a\tb\n\u{9b}\u{202e}\u{e0001}\u{7f}ü");
    }

    struct Failing(io::ErrorKind, usize);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_final_and_a_full_disk_is_told() {
        let row = Result { recipient: "bob@b.test".to_owned(), code: Some(250), text: String::new() };
        let mut pipe = Failing(io::ErrorKind::BrokenPipe, 0);
        let mut rows = Rows::to(&mut pipe, false);
        rows.put(&row).unwrap();
        rows.put(&row).unwrap();
        assert!(rows.is_closed());
        assert_eq!(pipe.1, 1, "nothing is written to a closed pipe");
        assert!(Rows::to(Failing(io::ErrorKind::StorageFull, 0), false).put(&row).is_err());
    }
}
