//! Long output on a terminal, through the pager that its user likes: a few lines go to the terminal as ever, more to a program that shows
//! them page by page. What goes there was made harmless before.

use super::family::Family;
use super::stdio::Stdout;
use crate::relay::route::argv;
use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use std::io::{self, IsTerminal, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many lines fit everywhere, with the prompt. What is longer, a pager knows better whether it fits.
const SHORT: usize = 15;
/// As git has it: less ends at once where all fits, passes colours on, and leaves the screen as it is.
const LESS: &str = "FRX";
/// Longest output that is held back.
const MOST_HELD: usize = 64 * 1024;

/// Stdout, with a pager in between where it is wanted.
pub struct Pager {
    out: Stdout,
    /// To be tried in order; none: never.
    programs: Vec<Vec<String>>,
    state: State,
    program: Program,
}

enum State {
    /// Straight to stdout.
    Off,
    /// What may still be short.
    Held(Vec<u8>),
    Running(ChildStdin),
    /// Its user has seen enough: the rest of this output is dropped.
    Left,
}

/// The program that shows something, if one does. Clones speak of the same.
#[derive(Clone, Default)]
pub struct Program(Arc<Mutex<Shown>>);

#[derive(Default)]
struct Shown {
    running: Option<(Child, Family)>,
    /// All was written to it.
    whole: bool,
    /// None is started any more.
    over: bool,
}

impl Program {
    /// It has all, and only its user is waited for.
    pub fn is_whole(&self) -> bool {
        self.shown().whole
    }

    /// Ends it within a second, with all that it started, and sets the terminal as it was before it. No other begins.
    pub fn end(&self) {
        let mut shown = self.shown();
        shown.over = true;
        if let Some((child, family)) = &mut shown.running {
            family.end(child);
        }
    }

    /// None where it cannot be started.
    fn start(&self, words: &[String]) -> Option<ChildStdin> {
        let mut shown = self.shown();
        if shown.over {
            return None;
        }
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::piped());
        if std::env::var_os("LESS").is_none() {
            command.env("LESS", LESS);
        }
        let family = Family::of(&mut command);
        let mut child = command.spawn().ok()?;
        let stdin = child.stdin.take()?;
        shown.running = Some((child, family));
        Some(stdin)
    }

    /// Until its user leaves it, or somebody ends it meanwhile.
    fn wait(&self) -> io::Result<()> {
        let mut shown = self.shown();
        let Some((child, _)) = &shown.running else { return Ok(()) };
        let pid = Pid::from_raw(child.id().cast_signed());
        shown.whole = true;
        drop(shown);
        // Its number stays its own until it is taken from those that run.
        while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
        let mut shown = self.shown();
        shown.whole = false;
        shown.running.take().map_or(Ok(()), |(mut child, _)| child.wait().map(drop))
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pager {
    /// Stdout alone.
    pub fn none() -> Pager {
        Pager::of(Vec::new())
    }

    /// `$PAGER`, else less, else more; its words are parted at blanks, and no shell is asked. None where it is empty or `cat`, or where
    /// somebody other than a person at a terminal reads.
    pub fn from_environment() -> Pager {
        let wanted = match std::env::var("PAGER") {
            Ok(named) => argv(&named).ok().filter(|words| words[0] != "cat").into_iter().collect(),
            Err(_) => vec![vec!["less".to_owned()], vec!["more".to_owned()]],
        };
        let by_hand = io::stdin().is_terminal() && io::stdout().is_terminal();
        Pager::of(if by_hand { wanted } else { Vec::new() })
    }

    fn of(programs: Vec<Vec<String>>) -> Pager {
        Pager { out: Stdout::new(), programs, state: State::Off, program: Program::default() }
    }

    /// What it shows with, now and later.
    pub fn program(&self) -> Program {
        self.program.clone()
    }

    /// What is written from here to [`Pager::end`] belongs together.
    pub fn begin(&mut self) {
        if !self.programs.is_empty() && matches!(self.state, State::Off) {
            self.state = State::Held(Vec::new());
        }
    }

    /// All of it was written; waits until its user has read it.
    pub fn end(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.state, State::Off) {
            State::Off => {}
            State::Held(held) => self.out.write_all(&held)?,
            State::Running(stdin) => {
                drop(stdin);
                self.program.wait()?;
            }
            State::Left => self.program.wait()?,
        }
        self.out.flush()
    }

    /// Starts the first program that there is. Without any the output goes straight to the terminal.
    fn start(&mut self, held: &[u8]) -> io::Result<()> {
        self.out.flush()?;
        self.state = State::Off;
        if let Some(stdin) = self.programs.iter().find_map(|words| self.program.start(words)) {
            self.state = State::Running(stdin);
        }
        self.pass(held)
    }

    fn pass(&mut self, bytes: &[u8]) -> io::Result<()> {
        match std::mem::replace(&mut self.state, State::Off) {
            State::Running(mut stdin) => match stdin.write_all(bytes) {
                Ok(()) => self.state = State::Running(stdin),
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.state = State::Left,
                Err(error) => {
                    self.state = State::Running(stdin);
                    return Err(error);
                }
            },
            State::Left => self.state = State::Left,
            State::Held(mut held) => {
                held.extend_from_slice(bytes);
                if held.len() > MOST_HELD || memchr::memchr_iter(b'\n', &held).count() > SHORT {
                    return self.start(&held);
                }
                self.state = State::Held(held);
            }
            State::Off => return self.out.write_all(bytes),
        }
        Ok(())
    }
}

impl Write for Pager {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pass(bytes)?;
        Ok(bytes.len())
    }

    /// What is held back stays so: it is short.
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.state {
            State::Off => self.out.flush(),
            State::Running(stdin) => match stdin.flush() {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
                _ => Ok(()),
            },
            State::Held(_) | State::Left => Ok(()),
        }
    }
}

impl Drop for Pager {
    fn drop(&mut self) {
        // A tool that ends in mid-output must not take the terminal from its pager.
        let _ = self.end();
    }
}
