//! Long output on a terminal, through the pager that its user likes: a few lines go to the terminal as ever, more to a program that shows
//! them page by page. What goes there was made harmless before.

use super::stdio::Stdout;
use crate::relay::route::argv;
use std::io::{self, IsTerminal, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

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
}

enum State {
    /// Straight to stdout.
    Off,
    /// What may still be short.
    Held(Vec<u8>),
    Running(Child, ChildStdin),
    /// Its user has seen enough: the rest of this output is dropped.
    Left(Child),
}

impl Pager {
    /// Stdout alone.
    pub fn none() -> Pager {
        Pager { out: Stdout::new(), programs: Vec::new(), state: State::Off }
    }

    /// `$PAGER`, else less, else more; its words are parted at blanks, and no shell is asked. None where it is empty or `cat`, or where
    /// somebody other than a person at a terminal reads.
    pub fn from_environment() -> Pager {
        let wanted = match std::env::var("PAGER") {
            Ok(named) => argv(&named).ok().filter(|words| words[0] != "cat").into_iter().collect(),
            Err(_) => vec![vec!["less".to_owned()], vec!["more".to_owned()]],
        };
        let by_hand = io::stdin().is_terminal() && io::stdout().is_terminal();
        Pager { out: Stdout::new(), programs: if by_hand { wanted } else { Vec::new() }, state: State::Off }
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
            State::Running(mut child, stdin) => {
                drop(stdin);
                child.wait()?;
            }
            State::Left(mut child) => drop(child.wait()?),
        }
        self.out.flush()
    }

    /// Starts the first program that there is. Without any the output goes straight to the terminal.
    fn start(&mut self, held: &[u8]) -> io::Result<()> {
        self.out.flush()?;
        self.state = State::Off;
        for words in &self.programs {
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]).stdin(Stdio::piped());
            if std::env::var_os("LESS").is_none() {
                command.env("LESS", LESS);
            }
            if let Ok(mut child) = command.spawn()
                && let Some(stdin) = child.stdin.take()
            {
                self.state = State::Running(child, stdin);
                break;
            }
        }
        self.pass(held)
    }

    fn pass(&mut self, bytes: &[u8]) -> io::Result<()> {
        match std::mem::replace(&mut self.state, State::Off) {
            State::Running(child, mut stdin) => match stdin.write_all(bytes) {
                Ok(()) => self.state = State::Running(child, stdin),
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.state = State::Left(child),
                Err(error) => {
                    self.state = State::Running(child, stdin);
                    return Err(error);
                }
            },
            State::Left(child) => self.state = State::Left(child),
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
            State::Running(_, stdin) => match stdin.flush() {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
                _ => Ok(()),
            },
            State::Held(_) | State::Left(_) => Ok(()),
        }
    }
}

impl Drop for Pager {
    fn drop(&mut self) {
        // A tool that ends in mid-output must not take the terminal from its pager.
        let _ = self.end();
    }
}
