//! The two streams a tool speaks on. Neither may panic: the print macros do when the reader is gone, so nothing here uses them.

use crate::bytes::escape::visible;
use nix::sys::stat::fstat;
use std::io::{self, Write};

/// Writing to stdout failed. A type of its own, so that a closed pipe behind stdout is never mistaken for a lost connection.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to stdout: {0}")]
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
pub struct Stdout(io::BufWriter<io::Stdout>);

impl Stdout {
    pub fn new() -> Stdout {
        Stdout(io::BufWriter::with_capacity(64 * 1024, io::stdout()))
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
