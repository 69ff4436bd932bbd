//! The one table of exit statuses (sysexits and three of our own), and how a failure carries its status through `main`.

use super::stdio::{StdoutError, run_as, say};
use crate::fetch::words::Why;
use crate::protocol::session::Fault;
use anyhow::Error;
use std::env::ArgsOs;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::Arc;

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

/// What every status means, in the words of the man pages.
pub const TABLE: &[(Status, &str)] = &[
    (Status::Done, "All done. What was deferred into a spool counts as done."),
    (Status::Partly, "Some accepted, some not: the result of each item says which."),
    (Status::Usage, "Wrong usage of the command line."),
    (Status::Data, "A bad message or bad data."),
    (Status::NoInput, "An input is missing or cannot be read."),
    (Status::NoHost, "No such host or domain."),
    (Status::Refused, "None accepted, refused for good."),
    (Status::Software, "A bug in the tool."),
    (Status::Os, "The operating system refused what always works."),
    (Status::CannotCreate, "An output cannot be made."),
    (Status::Io, "Reading or writing failed."),
    (Status::TryAgain, "None accepted, a retry may help."),
    (Status::Protocol, "The peer broke the protocol."),
    (Status::Permission, "Authentication failed, or permission is missing."),
    (Status::Config, "The configuration is wrong or cannot be read."),
    (Status::InDoubt, "None accepted, and one was lost after the final dot: it may have been delivered."),
];

impl From<Status> for ExitCode {
    fn from(status: Status) -> ExitCode {
        ExitCode::from(status as u8)
    }
}

/// What the failure of a session with a mailbox's server ends a tool with.
impl From<Fault> for Status {
    fn from(fault: Fault) -> Status {
        match fault {
            Fault::Busy | Fault::Lost | Fault::Tls | Fault::Cancelled => Status::TryAgain,
            Fault::Refused => Status::Refused,
            Fault::Login | Fault::Stranger => Status::Permission,
            Fault::Protocol => Status::Protocol,
        }
    }
}

/// Why nothing more of a mailbox can be brought home, as it ends a tool.
impl From<Why> for Status {
    fn from(why: Why) -> Status {
        match why {
            Why::CannotCreate => Status::CannotCreate,
            Why::Io => Status::Io,
            Why::Retry => Status::TryAgain,
            Why::Refused => Status::Refused,
            Why::Login => Status::Permission,
            Why::Usage => Status::Usage,
        }
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

/// Writing a result failed: status 74, unless the pipe was closed, which [`finish`] passes over.
impl From<StdoutError> for Failure {
    fn from(error: StdoutError) -> Failure {
        Failure::new(Status::Io, error)
    }
}

/// The whole of a tool's `main`: runs it with the process's arguments, turns what came of it into an exit status. A panic is a bug
/// of ours, told on one line with its place, status 70.
pub fn main(tool: &'static str, run: impl FnOnce(ArgsOs) -> Result<Status, Failure>) -> ExitCode {
    run_as(tool);
    // A file that has come to its limit (ulimit -f) is an error of writing, and not the end of the tool. Caught rather than ignored: programs that
    // we start would inherit that.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
    panic::set_hook(Box::new(move |bug| say(&format!("{tool}: bug: {bug}"))));
    match panic::catch_unwind(AssertUnwindSafe(|| run(std::env::args_os()))) {
        Ok(result) => finish(tool, result),
        Err(_) => Status::Software.into(),
    }
}

/// Ends a tool: the failure's one line goes to stderr as `tool: what: why`. A closed stdout ends it quietly, as `| head` expects;
/// any other broken pipe (a lost connection, a child) is a failure like others.
fn finish(tool: &str, result: Result<Status, Failure>) -> ExitCode {
    match result {
        Ok(status) => status.into(),
        Err(failure) if is_closed_stdout(&failure.error) => Status::Done.into(),
        Err(failure) => {
            say(&format!("{tool}: {}", without_os_code(format!("{:#}", failure.error))));
            failure.status.into()
        }
    }
}

/// The text without the ` (os error 2)` that the standard library puts behind the system's own words.
fn without_os_code(mut text: String) -> String {
    const MARK: &str = " (os error ";
    while let Some(start) = text.find(MARK) {
        let digits = text[start + MARK.len()..].bytes().take_while(u8::is_ascii_digit).count();
        let end = start + MARK.len() + digits;
        if text.as_bytes().get(end) != Some(&b')') {
            break;
        }
        text.replace_range(start..=end, "");
    }
    text
}

fn is_closed_stdout(error: &Error) -> bool {
    let stdout_error = |cause: &'_ (dyn std::error::Error + 'static)| match cause.downcast_ref::<std::io::Error>() {
        Some(error) => StdoutError::within(error).is_some_and(StdoutError::is_closed_pipe),
        None => cause.downcast_ref::<StdoutError>().is_some_and(StdoutError::is_closed_pipe),
    };
    error.chain().any(stdout_error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn the_system_s_words_stand_without_their_number() {
        let text = |code| without_os_code(format!("cannot open /x/y: {}", io::Error::from_raw_os_error(code)));
        assert_eq!(text(2), "cannot open /x/y: No such file or directory");
        assert_eq!(without_os_code("said (os error x".to_owned()), "said (os error x");
    }

    #[test]
    fn a_closed_stdout_is_quiet_and_a_lost_connection_is_not() {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        let stdout = Failure::from(StdoutError::from(broken()));
        assert_eq!(stdout.status, Status::Io);
        assert!(is_closed_stdout(&stdout.error.context("while listing")));
        assert!(!is_closed_stdout(&Error::from(broken()).context("cannot send to mx.test")));
        assert!(!is_closed_stdout(&Error::from(StdoutError::from(io::Error::from(io::ErrorKind::StorageFull)))));
    }
}
