//! Sinks that belong to this tool alone: a command's stdin, and stdout.

use super::settings::HandOn;
use crate::bytes::from_quote::FromQuote;
use crate::bytes::newline::ToLf;
use crate::cli::stdio::{Stdout, say};
use crate::disk::scratch::Scratch;
use crate::mail::date;
use crate::mail::reply::Reply;
use crate::relay::child::{Child, Ending, LineEnds};
use crate::relay::receive::Arriving;
use crate::relay::sink::{Give, final_trace, storage_failed};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// How long a command may take for one message.
const COMMAND_LIMIT: Duration = Duration::from_secs(600);

/// Hands each message on within the process.
pub struct ByHand<'a>(pub &'a HandOn);

impl Give for ByHand<'_> {
    fn give(&mut self, arriving: &Arriving, message: &mut Scratch) -> Result<(), Reply> {
        (self.0)(arriving, message)
    }
}

/// Runs a command for each message: no shell, a clean environment, the message with LF on stdin. Status 0 takes it, 75 and its kin defer
/// it, any other refuses it.
pub struct IntoCommand<'a> {
    pub argv: &'a [String],
    /// Set: one that does not end by itself within a second is ended.
    pub over: &'a AtomicBool,
}

impl Give for IntoCommand<'_> {
    fn give(&mut self, arriving: &Arriving, message: &mut Scratch) -> Result<(), Reply> {
        let Some((program, arguments)) = self.argv.split_first() else { return Err(storage_failed(false)) };
        let recipients: Vec<String> = arriving.envelope.recipients().iter().map(ToString::to_string).collect();
        let child = Child {
            program: Path::new(program),
            arguments: arguments.iter().map(OsString::from).collect(),
            environment: vec![
                ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
                ("SENDER", arriving.envelope.reverse_path.to_string()),
                ("RECIPIENT", recipients.join(" ")),
                ("QUEUE_ID", arriving.id.to_string()),
            ],
            directory: Path::new("/"),
            identity: None,
            within: COMMAND_LIMIT,
            over: Some(self.over),
            line_ends: LineEnds::Lf,
        };
        let read = message.reader().and_then(|mut reader| child.run(&final_trace(arriving), &mut reader));
        match read {
            Ok(Ending::Exited { status: 0, .. }) => Ok(()),
            Ok(Ending::Exited { status: 71 | 74 | 75, said }) => Err(Reply::enhanced(451, 3, 0, said)),
            Ok(Ending::Exited { status, said }) => {
                Err(Reply::enhanced(554, 3, 0, if said.is_empty() { format!("Refused, status {status}") } else { said }))
            }
            Ok(Ending::NotStarted(error)) => failed(&format!("cannot start {program}: {error}")),
            Ok(Ending::Killed(signal)) => failed(&format!("{program} died of signal {signal}")),
            Ok(Ending::CalledOff) => failed(&format!("a signal came, and ended {program}, too")),
            Ok(Ending::TimedOut) => failed(&format!("{program} took longer than {COMMAND_LIMIT:?}")),
            Err(error) => failed(&format!("cannot read the message back: {error}")),
        }
    }
}

fn failed(why: &str) -> Result<(), Reply> {
    say(&format!("smtp-listen: {why}"));
    Err(storage_failed(false))
}

/// Writes each message to stdout behind an mbox `From ` line, which every tool here drops, so that several can be told apart; `From `
/// at the start of a line gets a `>` (mboxrd). With `crlf` the line ends stay as on the wire.
pub struct IntoStdout {
    pub crlf: bool,
}

/// One message at a time, whatever the number of sessions.
static STDOUT: Mutex<()> = Mutex::new(());

impl Give for IntoStdout {
    fn give(&mut self, arriving: &Arriving, message: &mut Scratch) -> Result<(), Reply> {
        let _turn = STDOUT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.write(arriving, message).map_err(|error| {
            say(&format!("smtp-listen: {error}"));
            storage_failed(false)
        })
    }
}

impl IntoStdout {
    fn write(&self, arriving: &Arriving, message: &mut Scratch) -> io::Result<()> {
        let mut out = Stdout::new();
        let sender = arriving.envelope.reverse_path.mailbox().map_or("MAILER-DAEMON".to_owned(), ToString::to_string);
        let end = if self.crlf { "\r\n" } else { "\n" };
        write!(out, "From {} {}{end}", sender.replace(' ', "_"), date::asctime(arriving.at))?;
        let trace = final_trace(arriving);
        let mut quote = FromQuote::default();
        let mut newline = ToLf::default();
        let mut reader = trace.as_slice().chain(message.reader()?);
        let mut buf = vec![0; 64 * 1024];
        loop {
            let n = reader.read(&mut buf)?;
            if n == 0 {
                break;
            }
            let mut text = Vec::with_capacity(n);
            if self.crlf {
                text.extend_from_slice(&buf[..n])
            } else {
                newline.push(&buf[..n], &mut text)
            }
            let mut quoted = Vec::with_capacity(n);
            quote.push(&text, &mut quoted);
            out.write_all(&quoted)?;
        }
        let mut rest = Vec::new();
        quote.finish(&mut rest);
        out.write_all(&rest)?;
        out.write_all(end.as_bytes())?;
        out.flush()
    }
}
