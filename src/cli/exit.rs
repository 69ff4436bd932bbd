//! The one table of exit statuses (sysexits and three of our own), and how a failure carries its status to `main`.

use anyhow::Error;
use std::fmt;
use std::process::ExitCode;

/// The statuses of every tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// All done; deferred into a spool counts as done.
    Done = 0,
    /// Some accepted, some not: the per-item results say which.
    Partly = 1,
    Usage = 64,
    /// A bad message or bad data.
    Data = 65,
    NoInput = 66,
    /// No such host or domain.
    NoHost = 68,
    /// None accepted, refused for good.
    Refused = 69,
    /// A bug of ours.
    Software = 70,
    Os = 71,
    CannotCreate = 73,
    Io = 74,
    /// None accepted, a retry may help.
    TryAgain = 75,
    /// The peer broke the protocol.
    Protocol = 76,
    /// Authentication or permission.
    Permission = 77,
    /// Configuration, an unreadable one included.
    Config = 78,
    /// None accepted, and one was lost after the final dot: it may have been delivered.
    InDoubt = 79,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> ExitCode {
        ExitCode::from(status as u8)
    }
}

/// An error and the status that it ends the tool with.
#[derive(Debug)]
pub struct Failure {
    pub status: Status,
    pub error: Error,
}

impl Failure {
    pub fn new(status: Status, error: impl Into<Error>) -> Failure {
        Failure { status, error: error.into() }
    }

    /// A failure that is told by a text alone.
    pub fn text(status: Status, text: impl fmt::Display) -> Failure {
        Failure { status, error: anyhow::anyhow!("{text}") }
    }
}

/// Gives an error its exit status where it is known.
pub trait OrStatus<T> {
    fn or_status(self, status: Status) -> Result<T, Failure>;
}

impl<T, E: Into<Error>> OrStatus<T> for Result<T, E> {
    fn or_status(self, status: Status) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(status, error))
    }
}

/// Ends a tool: the failure's one line goes to stderr as `tool: what: why`. A closed pipe ends it quietly, as `| head` expects.
pub fn finish(tool: &str, result: Result<Status, Failure>) -> ExitCode {
    match result {
        Ok(status) => status.into(),
        Err(failure) if is_closed_pipe(&failure.error) => Status::Done.into(),
        Err(failure) => {
            let line = crate::bytes::escape::visible(format!("{:#}", failure.error).as_bytes());
            eprintln!("{tool}: {line}");
            failure.status.into()
        }
    }
}

fn is_closed_pipe(error: &Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe))
}
