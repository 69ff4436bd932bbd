//! A question on the terminal, whatever stdin is, whose answer is not shown. The terminal is set back before a signal stops or ends the
//! tool.

use super::file::{MAX, secret};
use crate::bytes::escape::visible;
use crate::bytes::secret::Secret;
use crate::cli::signal::{Held, obey};
use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use zeroize::Zeroizing;

/// What would leave the terminal without echo.
const SIGNALS: [i32; 5] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP];
const TERMINAL: &str = "/dev/tty";
/// How often a signal that came between two looks is noticed, in milliseconds.
const LOOK: u16 = 200;

/// Asks, and gives the line that was typed. No terminal is an error, and so is an empty line.
pub fn ask(question: &str) -> Result<Secret<String>> {
    let terminal = File::options().read(true).write(true).open(TERMINAL).context("no terminal to ask on")?;
    let signals = Held::watch(&SIGNALS).context("cannot watch for signals")?;
    let answer = loop {
        let silent = Silent::new(&terminal).context("cannot hide what is typed")?;
        say(&terminal, &format!("{}: ", visible(question.as_bytes())))?;
        let answer = read_line(&terminal, &signals);
        drop(silent);
        say(&terminal, "\n")?;
        match answer? {
            Answer::Line(line) => break line,
            // Stopped and continued, the question is asked again; the others end the tool.
            Answer::Signal(number) => {
                if obey(number).context("cannot end by a signal")? {
                    bail!("a signal came");
                }
            }
        }
    };
    if answer.is_empty() {
        bail!("no password was typed");
    }
    secret(&answer, TERMINAL)
}

enum Answer {
    Line(Zeroizing<Vec<u8>>),
    Signal(i32),
}

fn say(mut terminal: &File, text: &str) -> Result<()> {
    terminal.write_all(text.as_bytes()).context("cannot write to the terminal")
}

fn read_line(mut terminal: &File, signals: &Held) -> Result<Answer> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX));
    let mut chunk = Zeroizing::new([0; 4096]);
    loop {
        if let Some(number) = signals.caught() {
            return Ok(Answer::Signal(number));
        }
        match poll(&mut [PollFd::new(terminal.as_fd(), PollFlags::POLLIN)], PollTimeout::from(LOOK)) {
            Ok(0) | Err(Errno::EINTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error).context("cannot wait for the terminal"),
        }
        let n = match terminal.read(&mut chunk[..]) {
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error).context("cannot read from the terminal"),
        };
        let end = chunk[..n].iter().position(|byte| *byte == b'\n');
        if line.len() + n > MAX {
            bail!("a line over {MAX} octets is no password");
        }
        line.extend_from_slice(&chunk[..end.unwrap_or(n)]);
        if end.is_some() || n == 0 {
            return Ok(Answer::Line(line));
        }
    }
}

/// The terminal without echo, until this is dropped.
struct Silent<'a> {
    terminal: &'a File,
    before: Termios,
}

impl Silent<'_> {
    fn new(terminal: &File) -> nix::Result<Silent<'_>> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO | LocalFlags::ECHONL);
        silent.local_flags.insert(LocalFlags::ICANON | LocalFlags::ISIG);
        // What was typed ahead is not the answer.
        tcsetattr(terminal, SetArg::TCSAFLUSH, &silent)?;
        Ok(Silent { terminal, before })
    }
}

impl Drop for Silent<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, SetArg::TCSADRAIN, &self.before);
    }
}
