//! The two streams a tool speaks on. Neither may panic: the print macros do when the reader is gone, so nothing here uses them.

use crate::bytes::escape::visible;
use crate::net::inherited;
use crate::net::wire::reason;
use nix::sys::stat::fstat;
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

/// Writing to stdout failed. A type of its own, so that a closed pipe behind stdout is never mistaken for a lost connection.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to stdout: {}", reason(.0))]
pub struct StdoutError(io::Error);

impl StdoutError {
    /// The reader went away, as `head` does when it has seen enough.
    pub fn is_closed_pipe(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }

    /// The same error where it travels as an [`io::Error`] that [`Stdout`] made.
    pub fn within(error: &io::Error) -> Option<&StdoutError> {
        error.get_ref().and_then(|inner| inner.downcast_ref())
    }
}

impl From<io::Error> for StdoutError {
    fn from(error: io::Error) -> Self {
        match error.downcast::<StdoutError>() {
            Ok(marked) => marked,
            Err(plain) => StdoutError(plain),
        }
    }
}

/// Stdout as a stream for messages. Its errors hold a [`StdoutError`]; nothing is sure to be written before [`Stdout::flush`].
pub struct Stdout(io::BufWriter<Given>);

impl Stdout {
    pub fn new() -> Stdout {
        Stdout(io::BufWriter::with_capacity(64 * 1024, Given(io::stdout())))
    }
}

/// Refuses a stdout that whoever started us left closed: what is written there would be lost, and count as written.
pub fn refuse_closed() -> Result<(), StdoutError> {
    if inherited::stdout_was_closed() { Err(StdoutError(io::Error::other("it is closed"))) } else { Ok(()) }
}

/// Stdout as it was given to us.
struct Given(io::Stdout);

impl Write for Given {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        refuse_closed().map_err(|StdoutError(error)| error)?;
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Default for Stdout {
    fn default() -> Self {
        Stdout::new()
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(mark)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(mark)
    }
}

/// Stdout for what others wrote. A file or a pipe gets the bytes; on a terminal, what could drive it is shown as escapes.
pub struct Shown<W = Stdout> {
    out: W,
    on_terminal: bool,
    held: Vec<u8>,
}

/// A line that is longer is shown in pieces.
const LONGEST_SHOWN: usize = 8 * 1024;

impl Shown {
    pub fn new() -> Shown {
        Shown { out: Stdout::new(), on_terminal: io::stdout().is_terminal(), held: Vec::new() }
    }
}

impl Default for Shown {
    fn default() -> Self {
        Shown::new()
    }
}

impl<W: Write> Shown<W> {
    /// Shows the first octets that are held.
    fn show(&mut self, length: usize) -> io::Result<()> {
        let rest = self.held.split_off(length);
        let held = std::mem::replace(&mut self.held, rest);
        for line in held.split_inclusive(|&b| b == b'\n') {
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            let shown = text.strip_suffix(b"\r").unwrap_or(text).split(|&b| b == b'\t').map(visible);
            self.out.write_all(shown.collect::<Vec<_>>().join("\t").as_bytes())?;
            if text.len() < line.len() {
                self.out.write_all(b"\n")?;
            }
        }
        Ok(())
    }
}

impl<W: Write> Write for Shown<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.on_terminal {
            return self.out.write(bytes);
        }
        let bytes = &bytes[..bytes.len().min(LONGEST_SHOWN)];
        self.held.extend_from_slice(bytes);
        if let Some(end) = memchr::memrchr(b'\n', &self.held) {
            self.show(end + 1)?;
        }
        if self.held.len() > LONGEST_SHOWN {
            // A character is not cut.
            let end = (0..4).map(|back| self.held.len() - 1 - back).find(|&at| (self.held[at] & 0xc0) != 0x80);
            self.show(end.unwrap_or(self.held.len()))?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.show(self.held.len())?;
        self.out.flush()
    }
}

fn mark(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), StdoutError(error))
}

/// Writes one line to stderr, made harmless. A stderr that cannot be written to is no reason to fail, and one that is the client's
/// socket gets nothing.
pub fn say(line: &str) {
    if stderr_is_the_client() {
        return;
    }
    let line = visible(line.as_bytes()) + "\n";
    let _ = io::stderr().write_all(line.as_bytes());
}

/// The name of the tool that runs: of no library's caller there is any.
static TOOL: OnceLock<&str> = OnceLock::new();

/// What [`complain`] says first. The first one stays.
pub fn run_as(tool: &'static str) {
    let _ = TOOL.set(tool);
}

/// Writes one line to stderr behind the tool's name, as every line that stands for itself has it.
pub fn complain(what: &str) {
    match TOOL.get() {
        Some(tool) => say(&format!("{tool}: {what}")),
        None => say(what),
    }
}

/// inetd puts the client's socket on fd 2 as well: then nothing of ours may be written there.
pub fn stderr_is_the_client() -> bool {
    match (fstat(io::stdin()), fstat(io::stderr())) {
        (Ok(a), Ok(b)) => (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino) && a.st_mode & libc::S_IFMT == libc::S_IFSOCK,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_drives_no_terminal_and_is_kept_in_a_file() {
        let text = "a\tb\r\n\u{1b}[2J\u{202e}x\n\u{9b}ä".as_bytes();
        let shown = |on_terminal: bool, at: usize| {
            let mut out = Vec::new();
            let mut shown = Shown { out: &mut out, on_terminal, held: Vec::new() };
            shown.write_all(&text[..at]).and_then(|()| shown.write_all(&text[at..])).and_then(|()| shown.flush()).unwrap();
            String::from_utf8(out).unwrap()
        };
        for at in 0..=text.len() {
            assert_eq!(shown(true, at), "a\tb\n\\x1b[2J\\u{202e}x\n\\u{9b}ä", "split at {at}");
            assert_eq!(shown(false, at).as_bytes(), text);
        }
        let mut out = Vec::new();
        let mut long = Shown { out: &mut out, on_terminal: true, held: Vec::new() };
        long.write_all("ä".repeat(LONGEST_SHOWN).as_bytes()).and_then(|()| long.flush()).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "ä".repeat(LONGEST_SHOWN));
    }

    #[test]
    fn only_stdout_s_own_closed_pipe_counts() {
        let network = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(StdoutError::within(&network).is_none());
        let ours = mark(network);
        assert_eq!(ours.kind(), io::ErrorKind::BrokenPipe);
        assert!(StdoutError::within(&ours).is_some_and(StdoutError::is_closed_pipe));
        assert!(StdoutError::from(ours).is_closed_pipe());
        assert!(!StdoutError::from(io::Error::from(io::ErrorKind::StorageFull)).is_closed_pipe());
    }
}
