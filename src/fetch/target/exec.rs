//! To a program's stdin, one run a message.

use crate::bytes::newline::ToLf;
use crate::disk::scratch::Scratch;
use crate::fetch::target::stream::held;
use crate::fetch::target::{Facts, Fault, KeptFacts, Taken, Target};
use crate::fetch::words::{Stop, Why};
use crate::relay::child::{Child, Ending, LineEnds};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// A program, its arguments, and what it is to know: no shell, nothing else inherited.
#[derive(Debug, Clone)]
pub struct Program {
    pub path: PathBuf,
    pub arguments: Vec<OsString>,
    /// `PATH`, `HOME` and the like.
    pub environment: Vec<(&'static str, String)>,
    pub within: Duration,
    /// Set: it is to end, since we are.
    pub over: Arc<AtomicBool>,
}

/// How a run ended.
pub enum Run {
    /// With a line on it: what it said on stderr, or the status.
    Status(i32, String),
    Failed(String),
    /// It was not started, or told to end before it did, and would be for another message.
    Stopped(Stop),
}

impl Program {
    /// Runs it once on what `body` gives, with LF line ends. One that does not read all of its stdin has seen enough. The error is that of
    /// `body`.
    pub fn run(&self, facts: &Facts<'_>, body: &mut dyn Read) -> io::Result<Run> {
        self.run_with(which(facts), body)
    }

    /// The same with what else it is to know in its environment.
    pub fn run_with(&self, facts: Vec<(&str, String)>, body: &mut dyn Read) -> io::Result<Run> {
        Ok(self.told(self.child(facts).run(b"", body)?))
    }

    /// Runs it once on a file, which it reads to its end even if we are killed.
    pub fn run_on(&self, facts: &Facts<'_>, body: OwnedFd) -> Run {
        self.told(self.child(which(facts)).run_on(body))
    }

    fn child<'a>(&'a self, facts: Vec<(&'a str, String)>) -> Child<'a> {
        let mut environment: Vec<(&str, String)> = self.environment.clone();
        environment.extend(facts);
        Child {
            program: &self.path,
            arguments: self.arguments.clone(),
            environment,
            // As whoever typed the command line means the names in it.
            directory: Path::new("."),
            identity: None,
            within: self.within,
            over: Some(&self.over),
            line_ends: LineEnds::Lf,
        }
    }

    fn told(&self, ending: Ending) -> Run {
        let name = self.path.display();
        match ending {
            Ending::Exited { status: 0, said } if said.is_empty() => Run::Status(0, name.to_string()),
            Ending::Exited { status, said } if said.is_empty() => Run::Status(status, format!("{name}: status {status}")),
            Ending::Exited { status, said } => Run::Status(status, format!("{name}: {said}")),
            Ending::NotStarted(error) => {
                // There may be room for another process later.
                let passes = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory);
                let why = if passes { Why::Retry } else { Why::CannotCreate };
                Run::Stopped(Stop::new(why, format!("cannot run {name}: {error}")))
            }
            Ending::CalledOff => Run::Stopped(Stop::new(Why::Retry, format!("a signal came, and ended {name}, too"))),
            Ending::Killed(signal) => Run::Failed(format!("{name} was ended by signal {signal}")),
            Ending::TimedOut => Run::Failed(format!("{name} took longer than {:?}", self.within)),
        }
    }
}

/// `MAIL_NUMBER`, `MAIL_UID` and `MAIL_SIZE` say which message it is.
fn which(facts: &Facts<'_>) -> Vec<(&'static str, String)> {
    let mut told = vec![("MAIL_NUMBER", facts.number.to_string())];
    told.extend(facts.uid.map(|uid| ("MAIL_UID", uid.to_string())));
    told.extend(facts.size.map(|size| ("MAIL_SIZE", size.to_string())));
    told
}

/// Status 0 takes the message, 99 has it deleted untaken, 75 ends the session, any other leaves it on the server.
pub struct IntoProgram {
    program: Program,
    current: Option<Current>,
}

struct Current {
    scratch: Scratch,
    newline: ToLf,
    facts: KeptFacts,
}

impl IntoProgram {
    pub fn new(program: Program) -> IntoProgram {
        IntoProgram { program, current: None }
    }
}

impl Target for IntoProgram {
    fn begin(&mut self, facts: &Facts<'_>) -> Result<(), Fault> {
        self.current = Some(Current {
            scratch: Scratch::new().map_err(|error| held(&error))?,
            newline: ToLf::default(),
            facts: KeptFacts::new(facts),
        });
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let mut text = Vec::with_capacity(bytes.len() + 1);
        current.newline.push(bytes, &mut text);
        current.scratch.write_all(&text).map_err(|error| held(&error))
    }

    fn end(&mut self) -> Result<Taken, Fault> {
        let Some(mut current) = self.current.take() else { return Err(held(&io::Error::other("nothing was begun"))) };
        let mut rest = Vec::new();
        current.newline.finish(&mut rest);
        let file = current.scratch.write_all(&rest).and_then(|()| current.scratch.into_file());
        match self.program.run_on(&current.facts.facts(), file.map_err(|error| held(&error))?.into()) {
            Run::Status(0, said) => Ok(Taken::Delivered(format!("taken by {said}"))),
            Run::Status(99, said) => Ok(Taken::Killed(said)),
            Run::Status(75, said) => Err(Stop::new(Why::Retry, said).into()),
            Run::Stopped(stop) => Err(stop.into()),
            Run::Status(_, said) | Run::Failed(said) => Err(Fault::Message(said)),
        }
    }

    fn abort(&mut self) {
        self.current = None;
    }
}
